"""What a program prints and a chapter says is shown as it stands, and nothing of it is obeyed."""

import shutil
from pathlib import Path
from xml.etree import ElementTree as ET
from zipfile import ZipFile

import pypdfium2
import pytest
from bs4 import BeautifulSoup

from press.pdf import typeset
from press.system import texlive
from tests.small_book import ALPHA, BETA, CONF, SmallBook

FORMATS = """
from press.epub import pages
from press.pdf import latex
extensions += ["press.directives.mathematics", "press.directives.escaped"]
extensions += ["press.epub.pages", "press.pdf.latex"]
globals().update(latex.SETTINGS)
globals().update(pages.SETTINGS)
project, author, language, version = "Small", "Nobody", "en", "1"
"""
EVIL = [
    "<script>alert(1)</script> <b onclick=alert(2)>",
    "\"double\" 'single' `back` a & b &amp; &lt; ]]> --> </pre>",
    r"\input{/etc/passwd} \write18{touch written}",
    r"\directlua{os.execute('touch written')} \end{document}",
    r"\end{sphinxVerbatim} \end{Verbatim} \fi \par",
    "$x$ $$y$$ %z {a} }{ #1 ~ _ ^^41 @ | [b] {{c}}",
    "caf\u00e9 \u00d7 \u2264",
]
CHAPTER = {  # what a chapter says, in Markdown, and what shall be read
    r"Five \< six & \<script>alert(3)\</script>": "Five < six & <script>alert(3)</script>",
    r"\\input\{/etc/passwd} \\write18\{x}": r"\input{/etc/passwd} \write18{x}",
    r"50 % of #1 \_a\_ ~ ^ {b} \$c\$": "50 % of #1 _a_ ~ ^ {b} $c$",
}
PASSWD = "root:x:0"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> SmallBook:
    """A small book with the like in its transcript, script, chapter, exercise and captions."""
    book = SmallBook(tmp_path_factory.mktemp("evil"))
    book.write("book/conf.py", CONF + FORMATS)
    figure = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>'
    for ending in (".svg", "-dark.svg"):
        book.write(f"build/figures/01-first/alpha-learning-curves{ending}", figure)
    with pypdfium2.PdfDocument.new() as empty:
        empty.new_page(99, 99)
        empty.save(book.root / "build/figures/01-first/alpha-learning-curves.pdf")
    lines = "".join(f"{line}\n" for line in EVIL)
    book.record("01-first/alpha", f"names | 0.90\nloss  | 0.500\nsteps | 1,000\n{lines}")
    comments = "".join(f"    # {line}\n" for line in EVIL)
    for name, text in (("01-first/alpha", ALPHA), ("02-second/beta", BETA)):
        script = text.replace("    return a + b\n", f"{comments}    return a + b\n")
        book.write(f"scripts/{name}.py", script)
    said = "\n\n".join(CHAPTER)
    chapter = "book/01-first/alpha.md"
    book.change(chapter, "# Alpha\n", f"# Alpha \\<i> & \\\\fi\n\n{said}\n\n`{EVIL[0]}`\n")
    book.change(chapter, "Add.\n", f"Add {next(iter(CHAPTER))}\n")
    book.change(chapter, "A first one", r"A \<u> & \\par %")
    book.change(chapter, "A line that falls.", 'A "line" & <s onload=x> %')
    book.change(chapter, "A line that falls to", r"A \<s> & \\relax % line to")
    book.change(chapter, "names: 'names", "sign: '(<b \\S+>)'\n  names: 'names")
    book.change(chapter, "The loss is", "The sign is {fact}`sign`. The loss is")
    return book


def unspaced(text: str) -> str:
    return "".join(text.split())


def check(text: str) -> None:
    """All is there, in transcript and listing, as it was printed."""
    found = unspaced(text)
    for line in EVIL:
        assert found.count(unspaced(line)) >= 2, line
    for line in CHAPTER.values():
        assert unspaced(line) in found, line
    for line in (r"Alpha <i> & \fi", r"A <u> & \par %", r"A <s> & \relax % line"):
        assert unspaced(line) in found, line
    assert unspaced("The sign is <b onclick=alert(2)>.") in found
    assert PASSWD not in text


def test_html_shows_it(book: SmallBook) -> None:
    assert book.build("html") == []
    page = BeautifulSoup(book.page("01-first/alpha"), "html.parser")
    for script in page.find_all("script"):
        assert "alert" not in script.text
    assert not page.find_all(["b", "i", "u", "s"])
    assert not [tag for tag in page.find_all(True) if any(a.startswith("on") for a in tag.attrs)]
    assert page.find("img")["alt"] == 'A "line" & <s onload=x> %'
    check(page.text)


def test_epub_shows_it(book: SmallBook) -> None:
    assert book.build("epub") == []
    [file] = (book.root / "build" / "epub").glob("*.epub")
    with ZipFile(file) as archive:
        pages = [ET.fromstring(archive.read(n)) for n in archive.namelist() if "xhtml" in n]
    kinds = {element.tag.rpartition("}")[2] for page in pages for element in page.iter()}
    assert "pre" in kinds and not kinds & {"script", "b", "i", "u", "s"}
    assert not [
        a for page in pages for element in page.iter() for a in element.attrib if a[:2] == "on"
    ]
    check("\n".join("".join(page.itertext()) for page in pages))


needs_tex = pytest.mark.skipif(bool(texlive.missing()), reason="needs TeX, as `make pdf` does")


@needs_tex
def test_print_shows_it(book: SmallBook) -> None:
    assert book.build("latex") == []
    folder = book.root / "build" / "latex"
    assert typeset.typeset(folder, "0", draft=False), (folder / "no-magic.log").read_text()[-3000:]
    with pypdfium2.PdfDocument(folder / "no-magic.pdf") as made:
        check("\n".join(page.get_textpage().get_text_range() for page in made))
    assert not list(book.root.rglob("written"))


@needs_tex
@pytest.mark.parametrize(
    "act",
    [
        r"\immediate\write18{touch written}",
        r"\input{|touch written}",
        r"\directlua{os.execute('touch written')}",
        r"\directlua{io.popen('touch written')}",
        r"\directlua{os.spawn('touch', 'written')}",
        r"\immediate\openout9=../written \immediate\write9{x}\immediate\closeout9",
        r"\input{/etc/passwd}",
        r"\input{../secret}",
        r"\newread\x \openin\x=../secret \ifeof\x\else\read\x to\y \y\fi",
    ],
)
def test_tex_runs_no_program_and_keeps_to_its_folder(tmp_path: Path, act: str) -> None:
    """Even if a command got past the escaping."""
    folder = tmp_path / "latex"
    folder.mkdir()
    (tmp_path / "secret.tex").write_text("secret root:x:0")
    shutil.copy(tmp_path / "secret.tex", tmp_path / "secret")
    source = rf"\documentclass{{article}}\begin{{document}}Text. {act} \end{{document}}"
    (folder / "no-magic.tex").write_text(source)
    typeset.typeset(folder, "0", draft=True)
    assert not list(tmp_path.rglob("*written*"))
    if (folder / "no-magic.pdf").exists():
        with pypdfium2.PdfDocument(folder / "no-magic.pdf") as made:
            assert PASSWD not in made[0].get_textpage().get_text_range()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<script>alert(1)</script>", "holds raw html; say it in Markdown"),
        ("A <b>word</b>.", "holds raw html; say it in Markdown"),
        ("<div onclick='x()'>\n\nA word.\n\n</div>", "holds raw html; say it in Markdown"),
        ("```{raw} html\n<script>alert(1)</script>\n```", "holds raw html; say it in Markdown"),
        ("```{raw} latex\n\\write18{x}\n```", "holds raw latex; say it in Markdown"),
        ("```{eval-rst}\n.. raw:: html\n\n   <script/>\n```", "holds raw html; say it in Markdown"),
        (r"$\def\x{\directlua{}}$", r"holds \def; write it without"),
        (r"$$\gdef\section{\directlua{}}$$", r"holds \gdef; write it without"),
        (r"$\text{\verb|\directlua{}|}$", r"holds \verb; write it without"),
        (r"$x^^5cinput$", "holds ^^; write it without"),
        (r"$\input{/etc/passwd}$", r"Undefined control sequence: \input"),
        (r"$\directlua{os.exit()}$", r"Undefined control sequence: \directlua"),
        (r"$\write18{x}$", r"Undefined control sequence: \write"),
        (r"$\csname input\endcsname$", r"Undefined control sequence: \csname"),
        ("```{literalinclude} ../../../secret\n```", "secret; name a file of the book"),
        ("```{include} ../../../secret\n```", "secret; name a file of the book"),
        ("[x](javascript:alert(1))", "javascript"),
    ],
)
@pytest.mark.parametrize("builder", ["html", "latex"])
def test_a_chapter_may_not(tmp_path: Path, builder: str, text: str, told: str) -> None:
    (tmp_path / "secret").write_text("secret")
    book = SmallBook(tmp_path / "book")
    book.write("book/conf.py", CONF + FORMATS)
    book.change("book/01-first/alpha.md", "## The walk", f"{text}\n\n## The walk")
    warnings = [line for line in book.build(builder) if told in line]
    if told == "javascript":
        assert 'href="javascript' not in (book.page("01-first/alpha") if builder == "html" else "")
    else:
        assert len(warnings) == 1 and "book/01-first/alpha.md" in warnings[0]
