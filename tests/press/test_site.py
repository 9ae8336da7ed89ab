"""What `make site` adds to the web pages, for a small book with an address."""

import json
from pathlib import Path

import pytest

from press import site
from recorder.errors import BookError
from tests.workshop import TIER, Workshop

CFF = "title: Small\nauthors: [{name: We}]\nversion: 1.2.0\ndate-released: 2026-03-04\n"
HEADER = "teaches: much\nadded: 2026-03-04\npaper: adam"
ADAM = "@article{adam, author={Kingma, D. P. and {The Lab}}, title={{A}dam}, year={2015}}\n"


@pytest.fixture
def book(workshop: Workshop) -> Path:
    """A book of one chapter that was made."""
    workshop.script("one", "print(1)")
    workshop.chapter("one", HEADER)
    assert workshop.record() == []
    workshop.write(f"book/{TIER}/index.md", "# Tier\n\n```{toctree}\none\n```\n")
    workshop.write("book/path.txt", "one\n")
    workshop.write("CITATION.cff", f"{CFF}url: https://example.org/small/\n")
    workshop.write("references.bib", ADAM)
    pages = ("html/index.html", f"html/{TIER}/one.html", "html/.buildinfo")
    for name in (*pages, f"html/{site.RUNTIME}", "chapters/one.pdf"):
        workshop.write(f"build/{name}", name)
    return workshop.root


def test_the_site_is_the_pages_the_chapters_and_what_machines_read(book: Path) -> None:
    site.gather(book, book / "build" / "site")
    folder = book / "build" / "site"
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    machines = {"catalog.json", "llms.txt", "sitemap.xml"}
    assert files == machines | {"index.html", f"{TIER}/one.html", "one.pdf", site.RUNTIME}
    text = (folder / "sitemap.xml").read_text(encoding="utf-8")
    assert f"<loc>https://example.org/small/{TIER}/one.html</loc><lastmod>2026-03-04<" in text
    llms = (folder / "llms.txt").read_text(encoding="utf-8")
    assert f"- [one](https://example.org/small/{TIER}/one.html): much" in llms
    [chapter] = json.loads((folder / "catalog.json").read_text(encoding="utf-8"))["chapters"]
    assert chapter["paper"] == {
        "key": "adam",
        "authors": ["Kingma, D. P.", "The Lab"],
        "title": "Adam",
        "year": "2015",
    }


def test_without_an_address_there_is_no_sitemap(book: Path) -> None:
    (book / "CITATION.cff").write_text(CFF, encoding="utf-8")
    site.gather(book, book / "build" / "site")
    assert not (book / "build/site/sitemap.xml").exists()
    assert "](01-tier/one.html)" in (book / "build/site/llms.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["html/index.html", f"html/{site.RUNTIME}", "chapters/one.pdf"])
def test_what_is_not_made_is_named_and_the_last_site_stays(book: Path, name: str) -> None:
    site.gather(book, book / "build" / "site")
    (book / "build" / name).unlink()
    with pytest.raises(BookError, match="is missing.*; `make site` makes it"):
        site.gather(book, book / "build" / "site")
    assert (book / "build/site/index.html").is_file()
