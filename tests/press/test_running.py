"""The Run panel of a chapter: where it stands, what it shows, what lies beside the pages for it."""

import hashlib
import json
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from press.run import RUNTIME
from tests.small_book import CONF, SmallBook

SETTINGS = """
# === Settings ===
SEED = 1
LOOK = "a <b> & 'c'"  # "mean": the <past>
ADD = True  # False: nothing is added
NAMES = "names.csv"
"""
URL = "https://example.org/book"


@pytest.fixture
def book(tmp_path: Path) -> SmallBook:
    made = SmallBook(tmp_path)
    extensions = '\n    "press.directives.running",\n    "press.directives.citing",\n]'
    made.write("book/conf.py", CONF.replace("\n]", extensions, 1))
    made.change("book/01-first/alpha.md", "### Deeper", "## The run\n\nRead:")
    made.change("scripts/01-first/alpha.py", "# === The tape ===", f"{SETTINGS}# === The tape ===")
    made.change(
        "book/01-first/alpha.md",
        "```{listing} The tape",
        "```{listing} Settings\n```\n\n```{listing} The tape",
    )
    sums, known = [], hashlib.sha256(b"anna\n").hexdigest()
    for name in ("names.csv", "unread.csv"):
        made.write(f"scripts/data/{name}", "anna\n")
        sums.append(f"{known}  {name}\n")
    made.write("scripts/data/SHA256SUMS", "".join(sums))
    return made


def panel(book: SmallBook) -> BeautifulSoup:
    page = BeautifulSoup(book.page("01-first/alpha"), "html.parser")
    [form] = page.find_all("form", class_="run")
    return form


def test_the_panel_stands_behind_the_whole_transcript(book: SmallBook) -> None:
    assert book.build() == []
    form = panel(book)
    before = form.find_previous_sibling("div")
    assert "transcript" in before["class"] and before.find(class_="provenance")
    assert form.parent["id"] == "the-run"
    assert form["data-seconds"] == "41.26" and form["data-room"] == "../_static/run/"
    assert 'form class="run"' not in book.page("02-second/beta")  # has no section of that name


def test_fields_are_the_settings_and_buttons_the_experiments(book: SmallBook) -> None:
    book.change(
        "book/01-first/alpha.md", "    set: {ADD: false}\n", "    set: {ADD: false, LOOK: '\"<'}\n"
    )
    book.change(
        "book/01-first/alpha.md",
        "experiments:\n",
        "experiments:\n  s: {seeds: [1, 2]}\n  l: {set: {SEED: 3}, long: true}\n",
    )
    assert book.build() == []
    form = panel(book)
    fields = form.find(class_="run-settings").find_all(["input", "select", "textarea"])
    assert [field["name"] for field in fields] == ["SEED", "LOOK", "ADD", "NAMES"]
    assert fields[1]["value"] == "\"a <b> & 'c'\""
    assert form.find(id=fields[1]["aria-describedby"]).text == '"mean": the <past>'
    assert fields[2].find("option", selected=True).text == "True"
    [preset] = form.find_all("button", attrs={"name": "preset"})
    assert preset.text == "no-add"
    assert json.loads(preset["value"]) == {"ADD": "False", "LOOK": "'\"<'"}


def test_what_a_panel_loads_lies_beside_the_pages(book: SmallBook) -> None:
    book.write(str(RUNTIME), "noMagic.files.runtime = {};\n" + "/" * 1_500_000)
    assert book.build() == []
    room = book.root / "build" / "html" / "_static" / "run"
    found = {path.relative_to(room).as_posix() for path in room.rglob("*.js")}
    assert found == {
        "panel.js",
        "runtime.js",
        "chapters/alpha.js",
        "chapters/beta.js",
        "data/names.csv.js",
    }
    given = (room / "chapters" / "alpha.js").read_text(encoding="utf-8")
    content = json.loads(given.partition(" = ")[2].removesuffix(";\n"))
    assert content["data"] == ["names.csv"] and content["transcript"].startswith("start\n")
    assert content["source"] == (book.root / "scripts/01-first/alpha.py").read_text()
    assert "(1.5 MB, read once)" in panel(book).text


def test_the_page_says_the_size_as_soon_as_there_is_a_runtime(book: SmallBook) -> None:
    assert book.build() == []
    assert "MB" not in panel(book).text
    book.write(str(RUNTIME), "/" * 2_500_000)
    assert book.build() == []
    assert "(2.5 MB, read once)" in panel(book).text


@pytest.mark.parametrize("url", [URL, ""])
def test_print_names_the_address_of_the_page_if_there_is_one(book: SmallBook, url: str) -> None:
    if url:
        book.change("CITATION.cff", "version:", f"url: {url}\nversion:")
    assert book.build("latex") == []
    assert ("Run this program in a browser" in book.tex()) == bool(url)
    assert (f"{URL}/alpha.html" in book.tex().partition("Run this program")[2]) == bool(url)


def test_an_e_reader_names_the_address_of_the_page(book: SmallBook) -> None:
    book.change("CITATION.cff", "version:", f"url: {URL}\nversion:")
    book.write("book/conf.py", (book.root / "book/conf.py").read_text() + '\nversion = "1"\n')
    book.build("epub")
    page = next((book.root / "build" / "epub").rglob("alpha.xhtml")).read_text(encoding="utf-8")
    assert f"{URL}/alpha.html" in page and "<form" not in page
