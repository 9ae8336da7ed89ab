"""Known mistakes are read whole or refused; a page says how to report another one."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from press import edition, errata
from press.errata import Erratum
from recorder.errors import BookError
from tests.small_book import CONF, SmallBook

ENTRY = """- edition: 1.0.0
  chapter: alpha
  page: 41
  was: 'The loss is *one*.'
  is: 'The loss is $2$.'
  matters_to: 'Who compared.'
"""
EXTENSIONS = """
extensions += ["press.directives.mathematics", "press.directives.citing", "press.directives.errata"]
html_math_renderer = "katex"
"""


@pytest.fixture
def book(tmp_path: Path) -> SmallBook:
    made = SmallBook(tmp_path)
    made.write("book/conf.py", CONF + EXTENSIONS)
    made.write("book/errata.yml", ENTRY)
    made.write("book/back/errata.md", "# Errata\n\n```{errata}\n```\n")
    made.change("book/index.md", "back/solutions", "back/solutions\nback/errata")
    return made


def test_an_entry_is_read_whole(book: SmallBook) -> None:
    right = ("The loss is *one*.", "The loss is $2$.", "Who compared.")
    assert errata.read(book.root) == [Erratum("1.0.0", "alpha", 41, *right)]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  page: 41\n", "", "mistake 1 must have edition, chapter, page, was, is, matters_to"),
        ("page: 41", "page: 41\n  pages: 2", "mistake 1 must have .* and nothing else"),
        ("page: 41", "page: '41'", "'page' must be a whole number, not '41'"),
        ("page: 41", "page: true", "'page' must be a whole number, not True"),
        ("edition: 1.0.0", "edition: 1.0", "'edition' must be text, in quotes, not 1.0"),
        (ENTRY, "one: 2\n", "must be a list of mistakes"),
        ("- edition", "- [edition", "errata.yml is not YAML: "),
    ],
)
def test_what_is_no_entry_is_refused(book: SmallBook, old: str, new: str, said: str) -> None:
    book.change("book/errata.yml", old, new)
    with pytest.raises(BookError, match=said) as told:
        errata.read(book.root)
    assert "\n" not in str(told.value)
    assert any("book/errata.yml" in line for line in book.build())


def test_without_the_file_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(BookError, match="errata.yml is missing; write an empty list"):
        errata.read(tmp_path)


def test_the_page_has_the_newest_first(book: SmallBook) -> None:
    second = ENTRY.replace("alpha", "''").replace("1.0.0", "1.1.0")
    book.write("book/errata.yml", ENTRY + second)
    assert book.build() == []
    page = BeautifulSoup(book.page("back/errata"), "html.parser")
    items = page.find("section").find("ul").find_all("li", recursive=False)
    assert [item.p.get_text() for item in items] == [
        "version 1.1.0, page 41",
        "alpha, version 1.0.0, page 41",
    ]
    assert items[1].a["href"] == "../01-first/alpha.html"
    assert items[1].em.get_text() == "one" and items[1].find(class_="katex")
    book.write("book/errata.yml", "[]\n")
    assert book.build() == []
    assert "No mistake is known yet." in book.page("back/errata")


def test_an_entry_of_no_chapter_stops_the_build(book: SmallBook) -> None:
    book.change("book/errata.yml", "alpha", "alpah")
    assert any("no chapter 'alpah'; did you mean 'alpha'?" in line for line in book.build())


# --- The foot of a chapter's page


def foot(book: SmallBook) -> BeautifulSoup:
    return BeautifulSoup(book.page("01-first/alpha"), "html.parser").find(id="report-a-mistake")


def test_a_report_names_chapter_version_and_commit(
    book: SmallBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new commit changes the feet alone, and writes no page anew."""
    monkeypatch.setattr(edition, "commit", lambda root: "abc<d>")
    assert book.build() == []
    lines = foot(book).pre.get_text().splitlines()
    assert lines[:2] == ["Chapter: Alpha (nm:alpha)", "Version: version 1.2.0, commit abc<d>"]
    assert [link["href"] for link in foot(book).find_all("a")] == ["../back/errata.html"]
    assert BeautifulSoup(book.page("back/errata"), "html.parser").find(class_="report") is None
    before = book.page("01-first/alpha")
    monkeypatch.setattr(edition, "commit", lambda root: "def")
    assert book.build() == [] and book.read == []
    assert book.page("01-first/alpha") == before.replace("abc&lt;d&gt;", "def")


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ("contact: [{email: a@example.org}]", "mailto:a@example.org?subject=Mistake%20in%20nm%3A"),
        ("repository-code: https://example.org/x/", "https://example.org/x/issues/new?title=Mis"),
    ],
)
def test_it_goes_to_the_address_of_the_edition(book: SmallBook, fields: str, start: str) -> None:
    book.change("CITATION.cff", "version", f"{fields}\nversion")
    assert book.build() == []
    address = foot(book).a["href"]
    assert address.startswith(start)
    assert "Chapter%3A%20Alpha%20%28nm%3Aalpha%29%0AVersion%3A%20version%201.2.0" in address
