"""The whole book as it was built: `make book` comes first (`make test` sees to it)."""

import gzip
import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pikepdf
import pypdfium2
import pytest
from bs4 import BeautifulSoup
from nbclient import NotebookClient
from pybtex.database import parse_string

from press import notebooks, programs
from proof import claims

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "build" / "html"
PDF = ROOT / "build" / "no-magic.pdf"
NOTEBOOKS = ROOT / "build" / "notebooks"
CHAPTERS = ROOT / "build" / "chapters"
SCRIPTS = sorted((ROOT / "scripts").glob("[0-9]*/*.py"))
LOADERS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}

WIDEST = 84  # columns of a transcript: over 79 its letters are set smaller, here by 6 %

each_script = pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)


@pytest.fixture(scope="module")
def pages() -> dict[Path, BeautifulSoup]:
    """Every page of the HTML book, parsed."""
    found = {
        p: BeautifulSoup(p.read_text(encoding="utf-8"), "html.parser")
        for p in HTML.rglob("*.html")
        if "_static" not in p.parts
    }
    assert found, "build/html holds no page: run `make html`"
    return found


def test_every_page_states_what_it_may_load(pages: dict[Path, BeautifulSoup]) -> None:
    for path, page in pages.items():
        policy = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})
        assert policy and "default-src 'none'" in policy["content"], path.name


@pytest.fixture(scope="module")
def pdf_text() -> str:
    """The text of the PDF, page after page."""
    with pypdfium2.PdfDocument(PDF) as document:
        return "\f".join(page.get_textpage().get_text_bounded() for page in document)


def squeeze(text: str) -> str:
    """The text without white space, to compare what two extractors lay out differently."""
    return re.sub(r"\s+", "", text)


# --- Notebooks


@each_script
def test_a_notebook_holds_the_program_between_words_without_roles(path: Path) -> None:
    made = nbformat.read(NOTEBOOKS / path.parent.name / f"{path.stem}.ipynb", nbformat.NO_CONVERT)
    nbformat.validate(made)
    cells = {kind: [c for c in made.cells if c.cell_type == kind] for kind in ("code", "markdown")}
    found, *sections = (cell.source for cell in cells["code"])
    assert f"scripts/{path.parent.name}/{path.name}" in found
    for section in sections:
        compile(section, path.name, "exec")
    added = re.compile(r"^(?:__doc__ = (?=\"{3})|class (\w+)\(\1\):  # goes on\n)")
    code = "\n".join(added.sub("", section) for section in sections)
    assert re.sub(r"\n+", "\n", code) == re.sub(r"\n+", "\n", path.read_text("ascii")).rstrip()
    for cell in cells["markdown"]:
        assert not re.search(r"\{[a-z:]+\}`|^(```|:::)\{", cell.source, re.MULTILINE)
        pictures = re.findall(r"\]\(attachment:(.+?)\)", cell.source)
        assert set(pictures) == set(cell.get("attachments", {}))


def test_a_notebook_prints_the_books_transcript(tmp_path: Path) -> None:
    """Where the archive is unfolded, and nothing else is; the shortest, for it takes seconds."""
    with zipfile.ZipFile(io.BytesIO(notebooks.archive(ROOT))) as file:
        file.extractall(tmp_path)
    [file] = tmp_path.rglob("microtokenizer.ipynb")
    made = nbformat.read(file, as_version=4)
    NotebookClient(made, resources={"metadata": {"path": str(file.parent)}}).execute()
    outputs = [out for cell in made.cells if cell.cell_type == "code" for out in cell.outputs]
    assert {(out.output_type, out.name) for out in outputs} <= {
        ("stream", "stdout"),
        ("stream", "stderr"),
    }
    printed = "".join(out.text for out in outputs if out.name == "stdout")
    transcript = ROOT / "build" / "runs" / file.parent.name / "microtokenizer.txt"
    assert printed == transcript.read_text(encoding="utf-8")


# --- HTML


def test_the_proof_reads_every_number_and_claim(pages: dict[Path, BeautifulSoup]) -> None:
    """Without Sphinx as many as Sphinx set: `make prove` misses none."""
    roles = Counter(role for _, role, _ in claims.roles(ROOT))
    shown = Counter(
        {role: sum(len(p.select(f"span.{role}")) for p in pages.values()) for role in roles}
    )
    assert roles == shown


def test_every_link_and_fragment_resolves(pages: dict[Path, BeautifulSoup]) -> None:
    anchors = {
        page: {tag["id"] for tag in soup.find_all(id=True)} | {""} for page, soup in pages.items()
    }
    broken = []
    for page, soup in pages.items():
        for link in soup.find_all("a", href=True):
            url = urlsplit(link["href"])
            if url.scheme or url.netloc:
                continue
            target = (page.parent / unquote(url.path)).resolve() if url.path else page
            if not target.is_file():
                broken.append(f"{page.name}: {link['href']}")
            elif target in anchors and unquote(url.fragment) not in anchors[target]:
                broken.append(f"{page.name}: {link['href']} has no such place")
    assert not broken, broken


def test_no_page_asks_anybody_for_anything(pages: dict[Path, BeautifulSoup]) -> None:
    asked = [
        f"{page.name}: {tag[attribute]}"
        for page, soup in pages.items()
        for name, attribute in LOADERS.items()
        for tag in soup.find_all(name)
        if urlsplit(tag.get(attribute, "")).netloc
    ]
    for sheet in HTML.rglob("*.css"):
        for url in re.findall(r"url\(\s*[\"']?(https?:[^)\"']+)", sheet.read_text("utf-8")):
            asked.append(f"{sheet.name}: {url}")
    assert not asked, asked


def test_every_image_says_what_it_shows(pages: dict[Path, BeautifulSoup]) -> None:
    mute = [
        f"{page.name}: {img['src']}"
        for page, soup in pages.items()
        for img in soup.find_all("img")
        if not img.get("alt", "").strip()
    ]
    assert not mute, mute


@each_script
def test_a_chapter_page_is_light(path: Path, pages: dict[Path, BeautifulSoup]) -> None:
    """A chapter with its figures, light and dark, takes at most 300 KB on the way to a reader."""
    page = HTML / path.parent.name / f"{path.stem}.html"
    figures = {page.parent / img["src"] for img in pages[page].find_all("img")}
    assert sum(len(gzip.compress(file.read_bytes())) for file in {page, *figures}) < 300_000


def test_no_page_has_an_inline_handler_or_an_id_twice(pages: dict[Path, BeautifulSoup]) -> None:
    for page, soup in pages.items():
        handlers = [name for tag in soup.find_all(True) for name in tag.attrs if name[:2] == "on"]
        ids = Counter(tag["id"] for tag in soup.find_all(id=True))
        assert not handlers, f"{page.name}: {handlers}"
        assert ids.total() == len(ids), f"{page.name}: {ids.most_common(3)}"


@each_script
def test_a_chapter_page_holds_its_whole_script_or_says_where(
    path: Path, pages: dict[Path, BeautifulSoup]
) -> None:
    soup = pages[HTML / path.parent.name / f"{path.stem}.html"]
    shown = "".join(pre.get_text() for pre in soup.find_all("pre"))
    main = path.read_text(encoding="ascii").rpartition("\ndef main():")[2].strip()
    assert squeeze(main) in squeeze(re.sub(r"^ *\d+", "", shown, flags=re.M))


@each_script
def test_a_chapter_page_says_how_to_cite_it(path: Path, pages: dict[Path, BeautifulSoup]) -> None:
    soup = pages[HTML / path.parent.name / f"{path.stem}.html"]
    tags = {meta["name"]: meta["content"] for meta in soup.find_all("meta", attrs={"name": True})}
    assert tags["citation_book_title"].startswith("No Magic: ")
    assert tags["citation_author"] == "The No Magic authors"
    assert 0 < int(tags["citation_firstpage"]) < int(tags["citation_lastpage"])
    assert tags["citation_title"] in soup.h1.get_text()
    assert f"nm:{path.stem}" in soup.find(id="how-to-cite").pre.get_text()
    door = pages[HTML / f"{path.stem}.html"]
    assert door.a["href"] == f"{path.parent.name}/{path.stem}.html"


def shown(path: Path, pages: dict[Path, BeautifulSoup]) -> list[str]:
    """The lines of a script's run that stand on its chapter's page."""
    run = (ROOT / "build" / "runs" / path.parent.name / f"{path.stem}.txt").read_text("utf-8")
    soup = pages[HTML / path.parent.name / f"{path.stem}.html"]
    lines = {squeeze(line) for pre in soup.find_all("pre") for line in pre.get_text().splitlines()}
    return [line for line in run.splitlines() if line.strip() and squeeze(line) in lines]


@each_script
def test_a_chapter_page_shows_its_run(path: Path, pages: dict[Path, BeautifulSoup]) -> None:
    """Figures may stand for rows, where there are many; a quarter can be read everywhere."""
    run = (ROOT / "build" / "runs" / path.parent.name / f"{path.stem}.txt").read_text("utf-8")
    assert len(shown(path, pages)) >= sum(bool(line.strip()) for line in run.splitlines()) / 4


def test_every_entry_of_the_bibliography_says_where_it_is_cited(
    pages: dict[Path, BeautifulSoup], pdf_text: str
) -> None:
    entries = pages[HTML / "back" / "bibliography.html"].select("div.citation")
    assert entries
    for entry in entries:
        assert entry.select("span.cited a[href*='#cited-']"), entry.get_text()
    assert len(re.findall(r"Cited\s+on\s+[ivx\d]", pdf_text)) == len(entries)


def test_the_colophon_tells_of_every_run(pages: dict[Path, BeautifulSoup]) -> None:
    records = [json.loads(p.read_text()) for p in (ROOT / "build" / "runs").glob("*/*.json")]
    said = pages[HTML / "back" / "colophon.html"].get_text()
    assert f"{len(SCRIPTS)} programs, and {len(records) - len(SCRIPTS)} experiments" in said
    for word in {r["python"] for r in records} | {r["cpu"] for r in records}:
        assert word in said


def test_the_list_of_programs_gives_each_ones_time(pages: dict[Path, BeautifulSoup]) -> None:
    rows = pages[HTML / "back" / "programs.html"].select("table tr")[1:]
    listed = {row.td.get_text(strip=True): row.find_all("td")[2].get_text() for row in rows}
    for path in SCRIPTS:
        record = ROOT / "build" / "runs" / path.parent.name / f"{path.stem}.json"
        seconds = json.loads(record.read_text("utf-8"))["user_seconds"]
        assert float(listed[path.stem]) == pytest.approx(seconds, abs=0.51)


# --- PDF
def test_the_index_has_each_entry_once() -> None:
    lines = (ROOT / "build" / "latex" / "no-magic.ind").read_text("utf-8").split("\n")
    entries = [line.partition(r", \hyper")[0] for line in lines if line.startswith(r"  \item ")]
    assert entries and len(entries) == len(set(entries))
    assert not [entry for entry in entries if "sphinxhyphen {}" in entry]


def test_fonts_are_embedded() -> None:
    bare = set()
    with pikepdf.open(PDF) as pdf:
        for font in pdf.objects:
            if not isinstance(font, pikepdf.Dictionary) or font.get("/Type") != "/Font":
                continue
            inner = font.get("/DescendantFonts", [font])[0]
            descriptor = inner.get("/FontDescriptor", {})
            files = ("/FontFile", "/FontFile2", "/FontFile3")
            if inner.get("/Subtype") != "/Type3" and not any(f in descriptor for f in files):
                bare.add(str(inner.get("/BaseFont")))
    assert not bare, f"not embedded: {bare}"


def test_outline_names_every_chapter() -> None:
    with pikepdf.open(PDF) as pdf, pdf.open_outline() as outline:
        titles = []
        open_items = list(outline.root)
        while open_items:
            item = open_items.pop()
            titles.append(str(item.title))
            open_items.extend(item.children)
    for path in SCRIPTS:
        chapter = (ROOT / "book" / path.parent.name / f"{path.stem}.md").read_text("utf-8")
        title = re.search(r"^# (.+)$", chapter, re.M)[1].replace("`", "")
        assert any(title in t for t in titles), f"no bookmark {title!r} in {titles}"


def test_a_reference_to_an_exercise_has_its_number(pdf_text: str) -> None:
    """The course plans and the exercises' own headings agree."""
    headed = set(re.findall(r"^Exercise (\d+\.\d+) \(", pdf_text, re.M))
    plans = pdf_text[pdf_text.index("A weekend") : pdf_text.index("PART I")]
    assert len(headed) >= 5 * len(SCRIPTS)
    assert set(re.findall(r"Exercise (\d+\.\d+)", plans)) <= headed


def test_no_heading_stands_at_the_foot_of_a_page(pdf_text: str) -> None:
    chapters = [ROOT / "book" / path.parent.name / f"{path.stem}.md" for path in SCRIPTS]
    text = "\n".join(chapter.read_text("utf-8") for chapter in chapters)
    headings = {squeeze(title.replace("`", "")) for title in re.findall(r"^##+ (.+)$", text, re.M)}
    assert len(headings) > 2 * len(SCRIPTS)
    for page in pdf_text.split("\f"):
        last = page.rstrip().split("\n")[-1]
        title = squeeze(re.sub(r"^\d+\.\d+ ", "", last))
        assert title not in headings, f"at the foot: {last!r}"


def test_every_reference_is_resolved(pdf_text: str) -> None:
    assert "??" not in pdf_text
    assert "[?]" not in pdf_text


def test_the_pdf_describes_itself() -> None:
    with pikepdf.open(PDF) as pdf:
        assert len(pdf.pages) > 30
        assert str(pdf.docinfo["/Title"]).startswith("No Magic")
        assert str(pdf.Root.Lang) == "en"


@each_script
def test_the_run_can_be_read_from_the_pdf(
    path: Path, pages: dict[Path, BeautifulSoup], pdf_text: str
) -> None:
    """Each line of a transcript is a line of the PDF: nothing wraps, no glyph is lost."""
    lines = {squeeze(line) for line in pdf_text.splitlines()}
    missing = [line for line in shown(path, pages) if squeeze(line) not in lines]
    assert not missing, missing


def test_the_book_carries_its_programs_and_the_pages_offer_them() -> None:
    offered = (HTML / programs.NAME).read_bytes()
    with pikepdf.open(PDF) as pdf:
        assert list(pdf.attachments) == [programs.NAME]
        assert pdf.attachments[programs.NAME].get_file().read_bytes() == offered
    with zipfile.ZipFile(io.BytesIO(offered)) as file:
        held = {name for name in file.namelist() if name.endswith(".py")}
    assert held == {f"no-magic-scripts/{path.relative_to(ROOT).as_posix()}" for path in SCRIPTS}


def test_the_pdf_says_that_it_carries_the_programs(pdf_text: str) -> None:
    assert "pdfdetach -saveall no-magic.pdf" in pdf_text


@each_script
def test_a_chapter_carries_its_program_with_its_data(path: Path) -> None:
    with pikepdf.open(CHAPTERS / f"{path.stem}.pdf") as pdf:
        [name] = pdf.attachments
        archive = pdf.attachments[name].get_file().read_bytes()
    assert name == f"{path.stem}.zip"
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        script = f"no-magic-scripts/scripts/{path.parent.name}/{path.name}"
        assert file.read(script) == path.read_bytes()
        assert any("/data/" in name for name in file.namelist())


@pytest.fixture(scope="module")
def spoken() -> set[str]:
    """What the PDF says of itself that is to be copied, line by line."""
    said = set()
    with pikepdf.open(PDF) as pdf:
        for page in pdf.pages:
            for text in re.findall(rb"/ActualText *<FEFF([0-9A-F]*)>", page.Contents.read_bytes()):
                said.add(bytes.fromhex(text.decode()).decode("utf-16-be"))
    return said


@each_script
def test_every_line_of_code_is_copied_from_the_pdf_as_it_is(path: Path, spoken: set[str]) -> None:
    """With its blanks. (A blank after a hyphen keeps readers from mending a broken word.)"""
    said = {line.rstrip() for line in spoken}
    lines = path.read_text(encoding="ascii").split("\n")
    missing = [line for line in lines if line.strip() and line not in said]
    assert not missing, missing[:3]
    assert not any(line.endswith("-") for line in spoken)


def test_no_line_number_is_copied_from_the_pdf(pdf_text: str) -> None:
    numbers = re.findall(r"^\d+ (?:def|import|class|for|return)\b", pdf_text, re.MULTILINE)
    assert not numbers, numbers[:3]


@each_script
def test_a_chapter_stands_alone_with_the_books_page_numbers(path: Path) -> None:
    """Its pages are those that its web page cites; its links lead to places that it has."""
    with pikepdf.open(CHAPTERS / f"{path.stem}.pdf") as pdf:
        labels = [page.label for page in pdf.pages]
        names = {str(name) for name in pikepdf.NameTree(pdf.Root.Names.Dests)}
        notes = [note for page in pdf.pages for note in page.obj.get("/Annots", [])]
    inner = [str(note.A.D) for note in notes if note.A.S == "/GoTo"]
    assert set(inner) <= names
    source = (HTML / path.parent.name / f"{path.stem}.bib").read_text(encoding="utf-8")
    [entry] = parse_string(source, "bibtex").entries.values()
    assert entry.fields["pages"] == f"{labels[0]}--{labels[-1]}"
    assert int(labels[-1]) - int(labels[0]) == len(labels) - 1
    with pypdfium2.PdfDocument(CHAPTERS / f"{path.stem}.pdf") as document:
        opening = squeeze(document[0].get_textpage().get_text_bounded())
    assert squeeze(f"pages {labels[0]}–{labels[-1]}. nm:{path.stem}.") in opening


# --- Records
@each_script
def test_the_record_vouches_for_the_run(path: Path) -> None:
    record = ROOT / "build" / "runs" / path.parent.name / f"{path.stem}.json"
    fields = json.loads(record.read_text("utf-8"))
    assert fields["exit_status"] == 0
    assert fields["user_seconds"] > 0 and fields["peak_memory"] > 0


@each_script
def test_the_run_fits_the_page(path: Path) -> None:
    run = (ROOT / "build" / "runs" / path.parent.name / f"{path.stem}.txt").read_text("utf-8")
    wide = [line for line in run.split("\n") if len(line) > WIDEST]
    assert run.isascii() and not wide, wide
