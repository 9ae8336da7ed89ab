"""A page a tier: each chapter's formula, line of code and numbers, which must be there."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from tests.small_book import CONF, SmallBook

EXTENSIONS = """
extensions += ["press.directives.mathematics", "press.directives.summaries"]
extensions += ["press.directives.escaped"]
html_math_renderer = "katex"
"""
SUMMARY = "summary: {formula: eq-alpha, line: 'return a + b'}"


@pytest.fixture
def book(tmp_path: Path) -> SmallBook:
    made = SmallBook(tmp_path)
    made.write("book/conf.py", CONF + EXTENSIONS)
    made.write("book/path.txt", "alpha\nbeta\n")
    made.write("book/back/summaries.md", "# Summaries\n\n```{summaries}\n```\n")
    made.change("book/index.md", "back/solutions", "back/solutions\nback/summaries")
    head = (
        f"---\nteaches: to add\nadded: 2026-11-22\nheadline: [steps, loss_no_add]\n{SUMMARY}\npaper"
    )
    made.change("book/01-first/alpha.md", "---\npaper", head)
    made.change("book/01-first/alpha.md", "$$ x = 1 $$", "$$\nx = 1 ,\n$$")
    made.change(
        "book/02-second/beta.md",
        "---\npaper",
        "---\nteaches: to multiply\nadded: 2026-11-22\npaper",
    )
    return made


def test_a_tier_has_what_its_chapters_headers_name(book: SmallBook) -> None:
    assert book.build() == []
    page = BeautifulSoup(book.page("back/summaries"), "html.parser")
    first, second = page.find("section").find_all("section")
    assert first.h2.get_text().startswith("First") and second.h2.get_text().startswith("Second")
    assert [p.get_text() for p in first.find_all("p")] == [
        "1 alpha: to add.",
        "return a + b",
        "steps 1,000 · loss no add 0.700",
    ]
    assert first.find("annotation").get_text() == "x = 1"
    assert first.p.a["href"] == "../01-first/alpha.html"
    assert [p.get_text() for p in second.find_all("p")] == ["2 beta: to multiply."]


def test_another_run_and_another_formula_are_shown(book: SmallBook) -> None:
    assert book.build() == []
    book.change("book/01-first/alpha.md", "x = 1 ,", "x = 2")
    assert book.build() == []
    assert "x = 2" in book.page("back/summaries")
    book.record("01-first/alpha--no-add", "loss | 0.800\n")
    assert book.build() == []
    assert "<em>loss no add</em> 0.800" in book.page("back/summaries")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("formula: eq-alpha", "formula: eq-alpah", "'eq-alpah', which the chapter does not have"),
        ("'return a + b'", "'return a - b'", "does not stand in scripts/01-first/alpha.py: ret"),
    ],
)
def test_what_is_not_there_stops_the_build(book: SmallBook, old: str, new: str, said: str) -> None:
    book.change("book/01-first/alpha.md", old, new)
    assert any(said in line for line in book.build())


def test_code_on_several_lines_is_found(book: SmallBook) -> None:
    for script in ("01-first/alpha", "02-second/beta"):  # which carries it
        book.change(f"scripts/{script}.py", "return a + b", "return (a\n            + b)")
    book.change("book/01-first/alpha.md", "'return a + b'", "'return (a + b)'")
    assert book.build() == []
    assert "return (a + b)" in BeautifulSoup(book.page("back/summaries"), "html.parser").get_text()
