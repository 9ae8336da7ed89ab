"""The EPUB on the pages of a reader app, played by a browser: light, sepia and dark."""

import re
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, sync_playwright

from press.system import chromium

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "build" / "no-magic.epub"
GROUNDS = {  # what reader apps offer, paper and ink
    "light": ("#ffffff", "#000000"),
    "sepia": ("#f4ecd8", "#5b4636"),
    "dark": ("#121212", "#d8d8d8"),
    "black": ("#000000", "#b0b0b0"),
}
PAGES = ("01-foundations/microgpt", "back/glossary", "back/solutions", "nav")
WITHOUT = re.compile(r"^@supports[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", re.MULTILINE)


@pytest.fixture(scope="module", params=["a browser's", "an older reader's"])
def unpacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book's files, and with a sheet as a reader takes it that knows no @supports."""
    assert BOOK.is_file(), "the EPUB is not there: run `make epub`"
    folder = tmp_path_factory.mktemp("epub")
    with ZipFile(BOOK) as book:
        book.extractall(folder)
    if request.param != "a browser's":
        sheet = folder / "epub.css"
        text, rules = WITHOUT.subn("", sheet.read_text("utf-8"))
        assert rules == 2
        sheet.write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium.find()
    assert path, chromium.MISSING
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(
    browser: Browser, folder: Path, name: str, system: str = "light", rule: str = ""
) -> Page:
    """A page as a reader app opens it, with a rule of its own."""
    sheet = folder / "epub.css"
    text = sheet.read_text("utf-8")
    sheet.write_text(text + rule, "utf-8")
    page = browser.new_page(viewport={"width": 700, "height": 900}, color_scheme=system)
    page.goto((folder / f"{name}.xhtml").as_uri())
    sheet.write_text(text, "utf-8")
    return page


@pytest.mark.parametrize("system", ["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("name", PAGES)
def test_every_text_is_legible_on_the_page_that_the_reader_chose(
    browser: Browser, unpacked: Path, name: str, ground: str, system: str
) -> None:
    """At 4.5:1, whatever the system wears."""
    paper, ink = GROUNDS[ground]
    rule = f"html, body {{ background: {paper}; color: {ink}; }}"
    page = opened(browser, unpacked, name, system, rule)
    page.evaluate("for (const shape of document.querySelectorAll('math, img')) shape.remove()")
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("axe.run({runOnly: ['color-contrast']})")
    page.close()
    assert found["passes"], "axe looked at nothing"
    faint = [node["html"] for fault in found["violations"] for node in fault["nodes"]]
    assert not faint, faint[:3]


def test_a_formula_is_shown_once(browser: Browser, unpacked: Path) -> None:
    """As MathML where the reader can set it, else as text; never both, never neither."""
    page = opened(browser, unpacked, PAGES[0])
    shown = page.evaluate(
        """['math', '.plain'].map(kind => [...document.querySelectorAll(kind)]
               .filter(one => one.getClientRects().length > 0).length)"""
    )
    sheet = (unpacked / "epub.css").read_text("utf-8")
    page.close()
    formulas = len(re.findall("<math", (unpacked / f"{PAGES[0]}.xhtml").read_text("utf-8")))
    plain = len(re.findall('class="plain"', (unpacked / f"{PAGES[0]}.xhtml").read_text("utf-8")))
    assert formulas >= plain > 50
    assert shown == ([formulas, 0] if "@supports" in sheet else [0, plain])
