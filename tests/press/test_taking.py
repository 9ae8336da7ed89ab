"""What a reader takes from a chapter's page: the notebook, the figures, the cards."""

import csv
import io
import json
import re
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbclient import NotebookClient

from press import cards, notebooks
from press.cards import Card
from press.notebooks import Code, Words
from recorder.errors import BookError
from recorder.sections import cut
from tests.small_book import CONF, SmallBook

EXTENSIONS = """
extensions += ["press.directives.mathematics", "press.directives.terms", "press.directives.citing"]
extensions += ["press.directives.taking", "press.directives.cards"]
html_math_renderer = "katex"
myst_enable_extensions += ["deflist"]
"""
GLOSSARY = """# Glossary

```{glossary}
tape
  A record of $a < b$ *operations*.
```
"""
ASKED = """## The walk

What does a tape hold, $x < 1$?

```{listing} Docstring
```

It holds {fact}`steps` *steps*.
"""
SAID = r"""
1\. is no list, nor is 0.5.
A list, *told* and **bold**, of `code|a`, 2 * 3 and $x_1$ {cite:p}`adam`; see {doc}`beta
</02-second/beta>`, {eq}`eq-alpha` and a {term}`tape`.

- one
- two

  more

1. first
2. second

| a | b |
|---|---|
| $x$ | {fact}`loss` |
| $\lvert a \| b$ | `c \| d` |

> Quoted.
"""


@pytest.fixture
def book(tmp_path: Path) -> SmallBook:
    """A book of two chapters, one of which asks, with a glossary and a licence."""
    made = SmallBook(tmp_path)
    made.write("book/conf.py", CONF + EXTENSIONS)
    made.write("book/path.txt", "alpha\nbeta\n")
    made.write("book/back/glossary.md", GLOSSARY)
    made.change("book/index.md", "back/solutions", "back/solutions\nback/glossary")
    made.change(
        "book/01-first/alpha.md",
        "---\npaper",
        "---\nteaches: a\nadded: 2026-11-22\nheadline: [loss]\npaper",
    )
    made.change("book/01-first/alpha.md", "paper: adam", "paper: adam\nterms: [tape]")
    made.change("book/02-second/beta.md", "---\npaper", "---\nteaches: b\nadded: 2026-11-22\npaper")
    made.change(
        "book/01-first/alpha.md", "## The walk\n\n```{listing} Docstring\n```\n", ASKED + SAID
    )
    made.write("LICENSE", "MIT License\n")
    return made


def cells(book: SmallBook, name: str) -> list[dict[str, Any]]:
    """The cells of a chapter's notebook, which is valid."""
    file = book.root / f"build/html/{name}.ipynb"
    nbformat.validate(nbformat.read(file, as_version=nbformat.NO_CONVERT))
    return json.loads(file.read_text(encoding="utf-8"))["cells"]


def text(cells: list[dict[str, Any]], kind: str) -> str:
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == kind)


# --- Notebooks


def test_the_code_is_the_program_in_order(book: SmallBook) -> None:
    """Carried sections too."""
    assert book.build() == []
    for name in ("01-first/alpha", "02-second/beta"):
        _, *sections = [c for c in cells(book, name) if c["cell_type"] == "code"]
        script = (book.root / f"scripts/{name}.py").read_text(encoding="utf-8")
        code = text(sections, "code").removeprefix(notebooks.DOCSTRING)
        assert code.split() == script.split()
    assert [cell["id"] for cell in sections] == ["docstring", "the-tape", "add", "main"]


def test_the_words_are_what_the_page_says(book: SmallBook) -> None:
    assert book.build() == []
    found = text(cells(book, "01-first/alpha"), "markdown")
    assert not re.search(r"\{[a-z:]+\}", found.replace("\\{", ""))
    for said in (
        "# 1 Alpha",
        "## 1.1 The walk",
        "Kingma and Ba (2015). The loss",
        "is 0.500, the gain 40.0. \N{CHECK MARK} \N{CHECK MARK}",
        "*told* and **bold**, of `code|a`, 2 \\* 3 and $x_1$",
        "(Kingma and Ba, 2015); see beta, (1.1) and a tape.",
        "1\\. is no list, nor is 0.5. A list",
        "- one\n- two\n\n  more",
        "1. first\n2. second",
        "| a | b |\n| --- | --- |\n| $x$ | 0.500 |\n| $\\lvert a \\vert  b$ | `c \\| d` |",
        "> Quoted.",
        "### Deeper",
        "```text\nnames | 0.90\nloss  | 0.500\nsteps | 1,000\n```",
        "experiment no-add: `ADD = False`",
        "![A line that falls.](attachment:alpha-learning-curves-300dpi.png)",
        "A line that falls to 0.500.",
        "$$\nx = 1 \\tag{",
        "**Exercise 1.1 (A first one)**\n\nAdd.",
        "nm:alpha",
    ):
        assert said in found, said
    pictures = [c["attachments"] for c in cells(book, "01-first/alpha") if "attachments" in c]
    assert [list(names) for names in pictures] == [["alpha-learning-curves-300dpi.png"]]


def test_a_notebook_leads_to_the_pages_of_an_edition_that_has_an_address(book: SmallBook) -> None:
    book.change("CITATION.cff", "version", "url: https://example.org/book/\nversion")
    assert book.build() == []
    found = text(cells(book, "01-first/alpha"), "markdown")
    assert "[beta](https://example.org/book/02-second/beta.html)" in found
    assert "https://example.org/book/alpha.html" in found
    book.change("CITATION.cff", "url: https://example.org/book/\n", "")
    assert book.build() == []
    assert "](" not in text(cells(book, "01-first/alpha"), "markdown").replace("](attachment:", "")


def test_it_runs_from_top_to_bottom_and_prints_what_the_program_prints(book: SmallBook) -> None:
    """The first cell finds the program in the folders around."""
    book.write("scripts/01-first/alpha.py", (book.root / "scripts/01-first/alpha.py").read_text())
    book.change(
        "scripts/01-first/alpha.py", "# === Main ===\n", "# === Main ===\nprint(__file__)\n"
    )
    assert book.build() == []
    file = book.root / "build/html/01-first/alpha.ipynb"
    made = nbformat.read(file, as_version=4)
    NotebookClient(made, resources={"metadata": {"path": str(file.parent)}}).execute()
    printed = [out for c in made.cells if c.cell_type == "code" for out in c.outputs]
    assert [out["output_type"] for out in printed] == ["stream"]
    assert printed[0]["text"] == f"{book.root}/scripts/01-first/alpha.py\nloss | 0.500\n"


def test_a_lone_notebook_says_what_is_missing(tmp_path: Path) -> None:
    pieces = [Code("Docstring", '"""Doc."""\n'), Code("Main", "print(1)\n")]
    made = nbformat.reads(notebooks.notebook("scripts/01-a/b.py", pieces).decode(), as_version=4)
    client = NotebookClient(made, resources={"metadata": {"path": str(tmp_path)}})
    with pytest.raises(Exception, match="b.py is not here: unfold no-magic-scripts.zip beside"):
        client.execute()


def test_what_has_no_words_is_told(book: SmallBook) -> None:
    book.change(
        "book/01-first/alpha.md", "> Quoted.", "```{parsed-literal}\nx\n```\n\n[^1]\n\n[^1]: A"
    )
    said = book.build()
    assert any("01-first/alpha" in line and "a notebook has no words for" in line for line in said)


def test_words_are_cut_at_headings_and_code() -> None:
    made = notebooks.notebook(
        "scripts/a/b.py", [Words("One."), Code("Docstring", '"""D."""\n\n\n')]
    )
    kinds = [(c["cell_type"], c["id"]) for c in json.loads(made)["cells"]]
    assert kinds == [("markdown", "words-0"), ("code", "find-the-program"), ("code", "docstring")]


def test_a_class_goes_on_in_the_next_cell() -> None:
    source = (
        '"""D."""\n# === A ===\nclass A:\n    x = 1\n\n    # --- More ---\n    def y(self): ...\n'
    )
    made = notebooks.program(cut(source, Path("a/b/c.py")))
    cells = json.loads(notebooks.notebook("scripts/a/b.py", made.values()))["cells"]
    *_, last = ("".join(cell["source"]) for cell in cells)
    assert last == "class A(A):  # goes on\n    # --- More ---\n    def y(self): ..."


def test_a_section_inside_a_function_is_told() -> None:
    source = '"""D."""\n# === A ===\ndef f():\n    x = 1\n    # --- More ---\n    return x\n'
    with pytest.raises(BookError, match="the section 'More' begins inside f, so no notebook can"):
        notebooks.program(cut(source, Path("a/b/c.py")))


# --- Figures


def figures(book: SmallBook) -> dict[str, bytes]:
    with zipfile.ZipFile(book.root / "build/html/01-first/alpha-figures.zip") as file:
        return {name.removeprefix("alpha-figures/"): file.read(name) for name in file.namelist()}


def test_a_chapters_figures_are_one_archive(book: SmallBook) -> None:
    book.change("CITATION.cff", "version", "license: MIT\nversion")
    assert book.build() == []
    found = figures(book)
    assert sorted(found) == [
        "LICENSE",
        "README.txt",
        "alpha-learning-curves-300dpi.png",
        "alpha-learning-curves.pdf",
        "alpha-learning-curves.svg",
    ]
    readme = found["README.txt"].decode()
    assert "under the MIT licence; its text is in LICENSE." in readme
    assert "Cite as: The Small authors (2026). Alpha. In Small: A Book" in readme
    assert "@incollection{nm:alpha," in readme
    assert "alpha-learning-curves: Figure 1.1. A line that falls to 0.500." in readme
    assert not (book.root / "build/html/02-second/beta-figures.zip").exists()
    page = BeautifulSoup(book.page("01-first/alpha"), "html.parser")
    links = [link["href"] for link in page.find(id="to-take-away").find_all("a", download=True)]
    assert links[:2] == ["alpha.ipynb", "alpha-figures.zip"]


def test_all_is_the_same_bytes_whenever_it_is_made(book: SmallBook) -> None:
    kinds = ("*.zip", "*.ipynb", "*.apkg", "*.csv")

    def made() -> dict[str, bytes]:
        folder = book.root / "build/html"
        return {path.name: path.read_bytes() for kind in kinds for path in folder.rglob(kind)}

    assert book.build() == []
    first = made()
    assert len(first) >= 7
    book.change("book/01-first/alpha.md", "> Quoted.", "> Quoted!")
    assert book.build() == []
    assert made() != first
    book.change("book/01-first/alpha.md", "> Quoted!", "> Quoted.")
    assert book.build() == []
    assert made() == first


# --- Cards


def given(book: SmallBook) -> list[dict[str, str]]:
    file = book.root / "build/html/no-magic-cards.csv"
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))


def notes(apkg: bytes, tmp_path: Path) -> dict[str, tuple[str, str]]:
    """Anki's number of each note, with its fields and tags."""
    with zipfile.ZipFile(io.BytesIO(apkg)) as file:
        file.extract("collection.anki2", tmp_path)
    with sqlite3.connect(tmp_path / "collection.anki2") as base:
        rows = base.execute("select guid, flds, tags from notes").fetchall()
    base.close()
    return {guid: (fields, tags) for guid, fields, tags in rows}


def test_terms_questions_and_numbers_are_asked(book: SmallBook) -> None:
    assert book.build() == []
    term, question, number = sorted(given(book), key=lambda card: card["kind"], reverse=True)
    assert term["identity"] == "nm:alpha#tape"
    assert term["back"] == r"<p>A record of \(a &lt; b\) <em>operations</em>.</p>"
    assert question["identity"] == "nm:alpha#lst-alpha-docstring"
    assert question["front"] == r"<p>What does a tape hold, \(x &lt; 1\)?</p>"
    assert "&quot;&quot;&quot;Alpha.&quot;&quot;&quot;" in question["back"]
    assert "It holds 1,000 <em>steps</em>." in question["back"]
    assert number["identity"] == "nm:alpha#loss"
    assert "names | 0.90\nloss  | [...]\n" in number["front"] and "0.500" not in number["front"]
    assert number["back"] == "<p><strong>0.500</strong></p>"
    assert {card["chapter"] for card in (term, question, number)} == {"01-first/alpha"}


def test_a_new_edition_brings_cards_up_to_date(book: SmallBook, tmp_path: Path) -> None:
    """Anki knows a note by its number alone."""
    assert book.build() == []
    apkg = book.root / "build/html/no-magic-cards.apkg"
    first = notes(apkg.read_bytes(), tmp_path)
    book.change("CITATION.cff", "1.2.0", "1.3.0")
    book.change("book/back/glossary.md", "A record of", "A list of")
    book.record("01-first/alpha", "names | 0.90\nloss  | 0.400\nsteps | 1,000\n")
    assert book.build() == []
    second = notes(apkg.read_bytes(), tmp_path)
    assert first.keys() == second.keys() and len(first) == 3
    assert sum(first[guid] != second[guid] for guid in first) >= 2


def test_a_term_that_another_chapter_introduces_moves(book: SmallBook) -> None:
    """Though the glossary's page is not written anew."""
    assert book.build() == []
    book.change("book/01-first/alpha.md", "terms: [tape]\n", "")
    book.change("book/02-second/beta.md", "paper: gpt", "paper: gpt\nterms: [tape]")
    book.change("book/01-first/alpha.md", "a {term}`tape`", "a tape")
    book.change("book/02-second/beta.md", "As in", "A {term}`tape`. As in")
    assert book.build() == []
    [term] = (card for card in given(book) if card["kind"] == "term")
    assert (term["identity"], term["chapter"]) == ("nm:beta#tape", "02-second/beta")


def test_csv_holds_what_cards_hold() -> None:
    made = [Card("nm:a#b", "term", "01-a/a", 'say "x",\n<b>', "\\(a\\)", "A; \u00e9")]
    assert cards.read(cards.written(made)) == made


def test_pictures_go_with_the_deck(tmp_path: Path) -> None:
    card = Card("nm:a#fig-x", "question", "01-a/a", "?", '<img src="x.png" alt="">', "A")
    assert cards.pictures([card]) == {("01-a", "x.png")}
    apkg = cards.deck([card], {"x.png": b"png"}, "T", 1_700_000_000)
    with zipfile.ZipFile(io.BytesIO(apkg)) as file:
        assert json.loads(file.read("media")) == {"0": "x.png"} and file.read("0") == b"png"
    assert apkg == cards.deck([card], {"x.png": b"png"}, "T", 1_700_000_000)


def test_notebooks_that_are_not_made_are_told(tmp_path: Path) -> None:
    with pytest.raises(BookError, match="build/notebooks is missing; `make dist` makes it"):
        notebooks.archive(tmp_path)
