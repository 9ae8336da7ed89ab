"""What a reader who cites a chapter takes away: BibTeX, RIS, the tags, and when they change."""

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import tomllib
import yaml
from bs4 import BeautifulSoup
from pybtex.database import parse_string
from pybtex.richtext import Text

from press import citing, edition
from press.citing import Citation
from press.edition import Author, Edition
from recorder.errors import BookError
from tests.small_book import CONF, SmallBook

ROOT = Path(__file__).resolve().parent.parent.parent
BODY = Author("The Small authors")
EDITION = Edition("Small: A Book", (BODY,), "1.2.0", date(2026, 3, 4), ("smallness",), "")
CHAPTER = Citation("alpha", "How a GPT learns 50% & {more}_", EDITION, ("7", "21"))
CFF = """title: "Small: A Book"
authors:
  - name: The Small authors
version: 1.2.0
date-released: 2026-03-04
"""

pytestmark = pytest.mark.filterwarnings("ignore::sphinx.deprecation.RemovedInSphinx11Warning")


# --- The edition


def test_time_is_taken_from_the_environment_or_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12345")
    assert edition.epoch(ROOT) == "12345"
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert int(edition.epoch(ROOT)) > 1_700_000_000


def test_time_without_git_is_the_editions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "CITATION.cff").write_text(CFF)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert edition.epoch(tmp_path) == "1772582400"


def test_the_books_own_file_names_the_edition() -> None:
    fields = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert fields.keys() >= {"cff-version", "message", "title", "authors"}  # what cff 1.2.0 demands
    this = edition.read(ROOT)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert this.version == project["version"]
    assert f"## {this.version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert this.url == "" or this.url.startswith("https://")
    assert (this.name, this.by) == ("No Magic", "The No Magic authors")


def test_people_and_bodies_are_authors(tmp_path: Path) -> None:
    people = "authors:\n  - {family-names: Lovelace, given-names: Ada}\n"
    (tmp_path / "CITATION.cff").write_text(
        CFF.replace("authors:\n", people) + "url: https://b.c/\n"
    )
    this = edition.read(tmp_path)
    assert this.authors == (Author("Lovelace", "Ada"), BODY)
    assert (this.by, this.url) == ("Ada Lovelace, The Small authors", "https://b.c")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("version: 1.2.0\n", "", "CITATION.cff has no field 'version'; give it one."),
        ("2026-03-04", "soon", "date-released must be a day such as 2026-11-22, not 'soon'"),
        ("- name: The", "- The", "CITATION.cff cannot be read as an edition"),
        ('title: "Small', 'title: "Small" "', "CITATION.cff cannot be read as an edition"),
    ],
)
def test_a_bad_field_is_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in CFF
    (tmp_path / "CITATION.cff").write_text(CFF.replace(old, new))
    with pytest.raises(BookError) as raised:
        edition.read(tmp_path)
    assert told in str(raised.value) and "\n" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BookError, match="CITATION.cff is missing"):
        edition.read(tmp_path)


# --- BibTeX, RIS, one line


def test_bibtex_gives_back_what_went_in() -> None:
    chapter = replace(CHAPTER, title="How a GPT learns 50% & more")
    [(key, entry)] = parse_string(citing.bibtex(chapter), "bibtex").entries.items()
    assert (key, entry.type) == ("nm:alpha", "incollection")
    [author] = entry.persons["author"]
    assert str(Text.from_latex(str(author))) == "The Small authors"
    assert author.first_names == []
    assert str(Text.from_latex(entry.fields["title"])) == "How a GPT learns 50% & more"
    assert entry.fields["booktitle"] == "Small: A Book"
    assert entry.fields["publisher"] == "The Small authors"
    assert (entry.fields["year"], entry.fields["pages"]) == ("2026", "7--21")
    assert "url" not in entry.fields


def test_bibtex_keeps_capitals_that_a_style_would_lower() -> None:
    assert r"title     = {How a {GPT} learns 50\% \& \{more\}\_}," in citing.bibtex(CHAPTER)


def test_bibtex_tells_people_from_bodies() -> None:
    people = replace(EDITION, authors=(Author("Lovelace", "Ada"), BODY))
    entry = parse_string(citing.bibtex(replace(CHAPTER, edition=people)), "bibtex").entries
    ada, body = entry["nm:alpha"].persons["author"]
    assert (ada.first_names, ada.last_names) == (["Ada"], ["Lovelace"])
    assert body.first_names == []


def test_ris_is_a_chapter_with_one_field_a_line() -> None:
    lines = citing.ris(CHAPTER).splitlines()
    assert all(re.fullmatch(r"[A-Z][A-Z0-9]  - .*", line) for line in lines)
    fields = dict(line.split("  - ") for line in lines)
    assert (lines[0], lines[-1]) == ("TY  - CHAP", "ER  - ")
    assert (fields["TI"], fields["T2"]) == (CHAPTER.title, "Small: A Book")
    assert (fields["AU"], fields["PY"], fields["DA"]) == ("The Small authors", "2026", "2026/03/04")
    assert (fields["SP"], fields["EP"], fields["ID"]) == ("7", "21", "nm:alpha")


def test_the_plain_line_says_it_all() -> None:
    assert citing.line(replace(CHAPTER, title="Alpha")) == (
        "The Small authors (2026). Alpha. In Small: A Book, version 1.2.0, pages 7–21. nm:alpha."
    )
    assert ", page 7. nm:" in citing.line(replace(CHAPTER, pages=("7", "7")))
    assert "version 1.2.0. nm:alpha." in citing.line(replace(CHAPTER, pages=None))


def test_without_an_address_none_is_given_and_with_one_it_is_the_chapters() -> None:
    here = replace(CHAPTER, edition=replace(EDITION, url="https://books.example/small"))
    address = "https://books.example/small/alpha.html"
    for write in (citing.line, citing.bibtex, citing.ris, citing.linked_data, citing.tags):
        bare = str(write(CHAPTER)).replace("https://schema.org", "")
        assert "://" not in bare
        assert address in str(write(here))
    assert ("citation_pdf_url", "https://books.example/small/alpha.pdf") in citing.tags(here)


# --- The page


def small(root: Path) -> SmallBook:
    """The small book, which can be cited; the PDF, it seems, has been made."""
    book = SmallBook(root)
    book.write("book/conf.py", CONF.replace("]", '    "press.directives.citing",\n]', 1))
    book.write("CITATION.cff", CFF)
    paged(book, alpha=["7", "21"], beta=["22", "30"])
    return book


def paged(book: SmallBook, alpha: list[str], beta: list[str]) -> None:
    book.write("build/pages.json", json.dumps({"01-first/alpha": alpha, "02-second/beta": beta}))


@pytest.fixture
def book(tmp_path: Path) -> SmallBook:
    return small(tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> SmallBook:
    """A book that can be cited, built; tests only look at it."""
    book = small(tmp_path_factory.mktemp("cited"))
    book.change("book/01-first/alpha.md", "# Alpha\n", '# Alpha <b> & `"code"`\n')
    assert book.build("html", parallel=2) == []
    assert book.build("latex") == []
    return book


def translated(page: str) -> dict[str, str | list[str]]:
    """What Zotero's translator for embedded metadata makes of a page's head."""
    metas = BeautifulSoup(page, "html.parser").head.find_all("meta", attrs={"name": True})
    found: dict[str, list[str]] = {}
    for meta in metas:
        found.setdefault(meta["name"], []).append(meta.get("content", ""))
    # Vocabularies whose tags would have it take the page for another kind of item.
    prefixes = {name.split(".")[0].split(":")[0].split("_")[0].lower() for name in found}
    assert not prefixes & {"dc", "dcterms", "prism", "og", "bib", "bibo", "eprints", "article"}
    kinds = {
        "citation_journal_title": "journalArticle",
        "citation_conference_title": "conferencePaper",
        "citation_book_title": "bookSection",
        "citation_isbn": "book",
    }
    one = {name: values[0] for name, values in found.items()}
    return {
        "itemType": next((kind for tag, kind in kinds.items() if tag in one), "webpage"),
        "title": one["citation_title"],
        "bookTitle": one["citation_book_title"],
        "publicationTitle": one["citation_inbook_title"],
        "creators": found["citation_author"],
        "date": one["citation_publication_date"],
        "publisher": one["citation_publisher"],
        "language": one["citation_language"],
        "pages": f"{one['citation_firstpage']}-{one['citation_lastpage']}",
    }


def test_a_translator_finds_a_book_section(built: SmallBook) -> None:
    assert translated(built.page("01-first/alpha")) == {
        "itemType": "bookSection",
        "title": 'Alpha <b> & "code"',
        "bookTitle": "Small: A Book",
        "publicationTitle": "Small: A Book",
        "creators": ["The Small authors"],
        "date": "2026/03/04",
        "publisher": "The Small authors",
        "language": "en",
        "pages": "7-21",
    }
    assert "citation_" not in built.page("back/solutions")


def test_linked_data_is_a_chapter_of_a_book(built: SmallBook) -> None:
    page = BeautifulSoup(built.page("01-first/alpha"), "html.parser")
    [script] = page.find_all("script", type="application/ld+json")
    assert "<" not in script.string
    data = json.loads(script.string)
    assert (data["@type"], data["identifier"], data["name"]) == (
        "Chapter",
        "nm:alpha",
        'Alpha <b> & "code"',
    )
    assert (data["isPartOf"]["@type"], data["isPartOf"]["name"]) == ("Book", "Small: A Book")
    assert (data["pageStart"], data["pageEnd"]) == ("7", "21")
    assert data["author"] == [{"@type": "Organization", "name": "The Small authors"}]


def test_the_box_shows_what_the_files_hold(built: SmallBook) -> None:
    page = BeautifulSoup(built.page("02-second/beta"), "html.parser")
    line, bibtex, ris = (pre.get_text() for pre in page.find(id="how-to-cite").find_all("pre"))
    assert line.strip().endswith("version 1.2.0, pages 22–30. nm:beta.")
    folder = built.root / "build/html/02-second"
    for shown, ending in ((bibtex, "bib"), (ris, "ris")):
        file = (folder / f"beta.{ending}").read_text(encoding="utf-8")
        assert shown.split() == file.split()
        assert page.find("a", href=f"beta.{ending}", download=True)
    assert list(parse_string(bibtex, "bibtex").entries) == ["nm:beta"]


def test_the_address_that_never_changes_leads_to_the_page(built: SmallBook) -> None:
    door = BeautifulSoup(built.page("alpha"), "html.parser")
    assert door.title.string == 'Alpha <b> & "code"'
    refresh = door.find("meta", attrs={"http-equiv": "refresh"})["content"]
    assert refresh == "0; url=01-first/alpha.html"
    assert door.find("meta", attrs={"http-equiv": "Content-Security-Policy"})
    assert door.a["href"] == "01-first/alpha.html" and door.a.string == "nm:alpha"


def test_print_says_how_to_cite_below_the_title(built: SmallBook) -> None:
    tex = built.tex()
    opening = tex.split(r"\chapter{Alpha")[1].split("Kingma")[0]
    assert (
        r'\nmcite{The Small authors (2026). Alpha <b> \& "code". In Small: A Book, version 1.2.0}'
        "{01-first/alpha::doc}{02-second/index::doc}{nm:alpha.}" in opening
    )
    assert "{02-second/beta::doc}{back/solutions::doc}{nm:beta.}" in tex
    assert tex.count(r"\nmcite{") == 2


def test_an_edition_that_cannot_be_read_stops_the_build(book: SmallBook) -> None:
    book.change("CITATION.cff", "version: 1.2.0\n", "")
    assert book.build() == [
        "CITATION.cff:1: WARNING: CITATION.cff has no field 'version'; give it one."
    ]


# --- What is made again


def rewritten(book: SmallBook) -> list[str]:
    """The chapters written anew; Sphinx then also writes the page whose contents name them."""
    before = book.written()
    assert book.build() == []
    after = book.written()
    changed = sorted(name for name in after if after[name] != before.get(name))
    return [name for name in changed if not name.endswith("index.html")]


def test_pages_that_moved_make_only_their_chapter_stale(book: SmallBook) -> None:
    assert book.build() == []
    assert rewritten(book) == []
    paged(book, alpha=["7", "21"], beta=["22", "31"])
    assert rewritten(book) == ["02-second/beta.html"]
    assert book.read == []
    assert "22–31" in book.page("02-second/beta")


def test_before_the_pdf_there_are_no_pages(book: SmallBook) -> None:
    (book.root / "build/pages.json").unlink()
    assert book.build() == []
    assert "citation_firstpage" not in book.page("01-first/alpha")
    assert "pages" not in (book.root / "build/html/01-first/alpha.bib").read_text()
    paged(book, alpha=["7", "21"], beta=["22", "30"])
    assert rewritten(book) == ["01-first/alpha.html", "02-second/beta.html"]
    assert 'citation_firstpage" content="7"' in book.page("01-first/alpha")


def test_another_version_changes_every_citation_and_no_identity(book: SmallBook) -> None:
    assert book.build() == []
    book.change("CITATION.cff", "1.2.0", "1.3.0")
    assert rewritten(book) == ["01-first/alpha.html", "02-second/beta.html"]
    assert "version 1.3.0" in book.page("01-first/alpha")
    assert "@incollection{nm:alpha," in (book.root / "build/html/01-first/alpha.bib").read_text()
