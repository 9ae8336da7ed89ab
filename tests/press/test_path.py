"""The path through the book, and the terms along it, agree with the chapters' headers."""

from pathlib import Path

import pytest

from press import path
from press.directives.terms import complaints
from press.path import Stop
from recorder.errors import BookError
from recorder.header import Header


def small_book(root: Path, order: str, **headers: str) -> Path:
    """A book of one tier: each chapter's header, by script name, and the path."""
    tier = root / "book" / "01-tier"
    tier.mkdir(parents=True)
    for name, header in headers.items():
        (tier / f"{name}.md").write_text(
            f"---\nteaches: much\nadded: 2026-03-04\n{header}\n---\n# {name}\n"
        )
    names = "\n".join(name for name in dict.fromkeys(order.split()) if name in headers)
    opener = "---\nplanned: [more, 'much, more']\n---\n# Tier\n\n```{toctree}\n:maxdepth: 1\n\n"
    (tier / "index.md").write_text(f"{opener}{names}\n```\n")
    (root / "book" / "path.txt").write_text(order.replace(" ", "\n") + "\n")
    return root


def test_the_path_has_its_own_order(tmp_path: Path) -> None:
    book = small_book(tmp_path, "two one", one="builds_on: [two]", two="")
    stops = path.read(book)
    assert [stop.document for stop in stops] == ["01-tier/two", "01-tier/one"]
    assert stops[1].header.builds_on == ("two",)
    assert (stops[0].tier, stops[0].name) == ("01-tier", "two")
    assert path.planned(book, "01-tier") == ["more", "much, more"]


def test_a_chapter_has_the_number_of_the_book_wherever_the_path_comes_to_it(tmp_path: Path) -> None:
    book = small_book(tmp_path, "one two three", one="", two="", three="")
    (book / "book/02-tier").mkdir()
    (book / "book/01-tier/two.md").rename(book / "book/02-tier/two.md")
    opener = "# Tier\n\n```{toctree}\none\nthree\n```\n"
    (book / "book/01-tier/index.md").write_text(opener)
    (book / "book/02-tier/index.md").write_text("# Tier\n\n```{toctree}\ntwo\n```\n")
    assert [(stop.name, stop.number) for stop in path.read(book)] == [
        ("one", 1),
        ("two", 3),
        ("three", 2),
    ]


def test_a_part_lists_its_chapters_as_the_path_reads_them(tmp_path: Path) -> None:
    book = small_book(tmp_path, "one two", one="", two="")
    opener = "# Tier\n\n```{toctree}\ntwo\none\n```\n"
    (book / "book/01-tier/index.md").write_text(opener)
    with pytest.raises(BookError, match="01-tier/index.md lists two, one, but book/path.txt reads"):
        path.read(book)


@pytest.mark.parametrize(
    ("order", "one", "two", "sentence"),
    [
        ("one two one", "", "", "book/path.txt has one twice; remove one."),
        ("one two tow", "", "", "book/path.txt: the book has no chapter tow; did you mean two."),
        ("one", "", "", "book/path.txt leaves out two; write it where it is to be read."),
        ("one two", "builds_on: [tow]", "", "book/01-tier/one.md builds on tow, which is no"),
        ("one two", "builds_on: [two]", "", "one builds on two, which is read later; move one"),
        (
            "one two",
            "builds_on: [two]",
            "builds_on: [one]",
            "The chapters' headers go in a circle: ",
        ),
        ("one two", "builds_on: [one]", "", "in a circle: one builds on one; break it."),
    ],
)
def test_what_does_not_fit_is_said(
    tmp_path: Path, order: str, one: str, two: str, sentence: str
) -> None:
    with pytest.raises(BookError) as error:
        path.read(small_book(tmp_path, order, one=one, two=two))
    assert sentence in str(error.value)


def test_a_chapter_says_what_it_teaches(tmp_path: Path) -> None:
    book = small_book(tmp_path, "one", one="")
    (book / "book/01-tier/one.md").write_text("# One\n")
    with pytest.raises(BookError, match=r"book/01-tier/one.md: the header has no line 'teaches"):
        path.read(book)


@pytest.mark.parametrize("header", ["", "---\nplanned: much\n---\n", "---\nplan: [x]\n---\n"])
def test_an_opener_says_what_is_planned(tmp_path: Path, header: str) -> None:
    book = small_book(tmp_path, "one", one="")
    (book / "book/01-tier/index.md").write_text(f"{header}# Tier\n")
    with pytest.raises(BookError, match=r"book/01-tier/index.md: the header needs a line"):
        path.planned(book, "01-tier")


FIRST = Stop("01-tier/one", 1, Header(terms=("key",)))
LATER = Stop("01-tier/two", 2, Header(terms=("mask",)))


def test_terms_that_are_in_order_give_no_complaint() -> None:
    used = {"01-tier/one": {"key": 3}, "01-tier/two": {"mask": 1, "key": 2}}
    assert not list(complaints([FIRST, LATER], used, {"key", "mask"}))


@pytest.mark.parametrize(
    ("stops", "used", "defined", "sentence"),
    [
        ([FIRST], {"01-tier/one": {"key": 3}}, set(), "introduces 'key', which the glossary lacks"),
        ([FIRST], {}, {"key"}, "introduces 'key', but the chapter never links to it"),
        ([], {}, {"key"}, "no chapter introduces 'key'; name it under 'terms'"),
        (
            [FIRST, LATER],
            {"01-tier/one": {"key": 3, "mask": 7}, "01-tier/two": {"mask": 1}},
            {"key", "mask"},
            "'mask' is used here, but two, read later, introduces it",
        ),
        (
            [FIRST, Stop("01-tier/two", 2, Header(terms=("key",)))],
            {"01-tier/one": {"key": 3}, "01-tier/two": {"key": 3}},
            {"key"},
            "introduces 'key', as one's does; keep one",
        ),
    ],
)
def test_terms_out_of_order_are_named(
    stops: list[Stop], used: dict[str, dict[str, int]], defined: set[str], sentence: str
) -> None:
    (said,) = complaints(stops, used, defined)
    assert sentence in said[0]
    assert said[1]
