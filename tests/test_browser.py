"""The HTML edition in a real browser, opened from the disk (`make test` installs Chromium)."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, sync_playwright

from press.system import chromium

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "build" / "html"
CHAPTERS = sorted(p for p in HTML.glob("[0-9]*/*.html") if p.stem != "index")
DESKTOP, PHONE = 1300, 360

# What axe finds in the theme's own parts, and why it stays.
OF_THE_THEME = {
    "region": "the book's title in the side bar stands outside its landmark",
}


def pages() -> list[Path]:
    """Every page but the doors that only send the reader on."""
    found = [p for p in sorted(HTML.rglob("*.html")) if "_static" not in p.parts]
    return [p for p in found if 'http-equiv="refresh"' not in p.read_text("utf-8")]


PAGES = pages()
each_page = pytest.mark.parametrize("path", PAGES, ids=lambda p: f"{p.parent.name}-{p.stem}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium.find()
    assert path, chromium.MISSING
    assert PAGES, "build/html holds no page: run `make html`"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser, path: Path | str, width: int = DESKTOP, **options: Any
) -> Iterator[Page]:
    """A page in a window of its own, which may log no error and ask for nothing but files."""
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    page = context.new_page()
    url = path.as_uri() if isinstance(path, Path) else path
    home = url.partition("//")[0] + "//" + url.partition("//")[2].partition("/")[0]
    faults: list[str] = []
    page.on("console", lambda m: faults.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request", lambda r: None if r.url.startswith((home, "data:")) else faults.append(r.url)
    )
    page.goto(url)
    yield page
    context.close()
    assert not faults, faults


@each_page
def test_a_page_fits_a_phone_and_says_no_error(browser: Browser, path: Path) -> None:
    with opened(browser, path, PHONE) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
        page.evaluate("scrollTo(999, 0)")
        assert page.evaluate("scrollX") == 0


def search(page: Page, words: str) -> str:
    """Search as a reader does; the address that the first result leads to."""
    page.locator(".search-button__button:visible").first.click()
    page.locator("#pst-search-dialog input[type=search]").fill(words)
    page.keyboard.press("Enter")
    page.locator("#search-results li a").first.click()
    return page.url


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_search_finds_a_chapter_by_its_title(browser: Browser, path: Path) -> None:
    with opened(browser, path) as page:
        title = page.locator("article h1").evaluate("h => h.lastElementChild.previousSibling.data")
        page.goto((HTML / "index.html").as_uri())
        assert search(page, title).partition("?")[0] == path.as_uri()


def test_the_theme_switch_keeps_what_was_chosen(browser: Browser) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    with opened(browser, CHAPTERS[0], color_scheme="light") as page:
        light = page.evaluate(ground)
        page.locator(".theme-switch-button").click()
        page.locator(".theme-change-button[data-mode=dark]").click()
        assert page.locator("html").get_attribute("data-theme") == "dark"
        dark = page.evaluate(ground)
        assert dark != light
        page.goto(CHAPTERS[-1].as_uri())
        assert page.evaluate(ground) == dark
        assert page.locator("figure img.only-light").first.is_hidden()
        assert page.locator("figure img.only-dark").first.is_visible()


def test_the_copy_button_copies_a_listing_without_its_numbers(browser: Browser) -> None:
    with opened(browser, CHAPTERS[0], permissions=["clipboard-read"]) as page:
        listing = page.locator("div.highlight:has(.linenos)").first
        listing.hover()
        listing.locator("button.copybtn").click()
        page.locator("button.copybtn.success").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
    [script] = (ROOT / "scripts").glob(f"[0-9]*/{CHAPTERS[0].stem}.py")
    assert copied.strip() in script.read_text("ascii")
    assert copied.count("\n") > 3


def test_a_chapter_reads_without_javascript(browser: Browser) -> None:
    with opened(browser, CHAPTERS[0], java_script_enabled=False) as page:
        for kind in (".katex-html", "div.highlight pre", "div.transcript pre", "figure img"):
            box = page.locator(f"article {kind}").first.bounding_box()
            assert box and box["width"] > 5 and box["height"] > 5, kind
        assert page.locator("figure img.only-dark").first.is_hidden()
        assert page.locator(".theme-switch-button").is_hidden()  # it could do nothing


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_tap_on_the_mark_of_a_claim_shows_its_numbers(browser: Browser, scripts: bool) -> None:
    options = {"has_touch": True, "java_script_enabled": scripts}
    with opened(browser, CHAPTERS[0], PHONE, **options) as page:
        for claim in page.locator(".claim").all()[:3]:
            note = claim.locator(".claim-note")
            assert note.is_hidden()
            claim.locator("button").tap()
            box = note.bounding_box()
            assert box and box["x"] >= 0 and box["x"] + box["width"] <= PHONE
            assert any(sign in note.inner_text() for sign in "<>=≤≥≠")
            page.keyboard.press("Escape")
            assert note.is_hidden()


def test_a_printed_page_shows_the_numbers_of_its_claims(browser: Browser) -> None:
    with opened(browser, CHAPTERS[0]) as page:
        page.emulate_media(media="print")
        numbers = page.locator(".claim-note > span:nth-child(2)")
        assert numbers.count() > 5
        assert all(one.is_visible() for one in numbers.all())
        assert not page.locator(".claim-note code").first.is_visible()


def test_no_line_begins_with_the_mark_of_a_claim(browser: Browser) -> None:
    """The mark stands on the line of the word before it, at every width."""
    apart = """marks => marks.filter(mark => {
        const before = mark.closest('.claim').previousSibling, range = document.createRange();
        if (!before || before.nodeType !== Node.TEXT_NODE) return false;
        range.setStart(before, before.length - 1);
        range.setEnd(before, before.length);
        const word = range.getBoundingClientRect(), own = mark.getBoundingClientRect();
        return own.bottom > word.bottom || own.left < word.left; }).length"""
    for width in range(PHONE, 480, 17):
        with opened(browser, CHAPTERS[0], width) as page:
            assert page.locator(".claim button").evaluate_all(apart) == 0, width


def test_a_page_runs_no_script_but_its_own(browser: Browser) -> None:
    """A script that somehow came into a page would not run: the policy is in force."""
    inject = """() => { const script = document.createElement('script');
                        script.textContent = 'document.title = "run"';
                        document.body.append(script);
                        document.body.insertAdjacentHTML('beforeend',
                            '<img src="data:," alt="" onerror="document.title = `run`">');
                        return new Promise(done => setTimeout(done, 300)); }"""
    faults = pytest.raises(AssertionError, match="Content Security Policy")
    with faults, opened(browser, CHAPTERS[0]) as page:
        page.evaluate(inject)
        title = page.title()
    assert title != "run"


@pytest.fixture
def server() -> Iterator[str]:
    """The book on a server of this machine; its address."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(HTML))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def test_the_policy_holds_on_a_server_too(browser: Browser, server: str) -> None:
    with opened(browser, f"{server}/index.html") as page:
        found = search(page, CHAPTERS[0].stem)
        assert found.startswith(server)


# --- Accessibility
CONTRAST = {"color-contrast": {"enabled": False}}
LOOKS: list[tuple[int, str, dict[str, Any]]] = [
    (DESKTOP, "light", {}),
    (DESKTOP, "dark", {"runOnly": ["color-contrast"]}),  # nothing else changes with the colours
    (PHONE, "light", {"rules": CONTRAST}),
]


@pytest.mark.parametrize("width, scheme, options", LOOKS, ids=["desktop", "dark", "phone"])
@each_page
def test_axe_finds_nothing_of_ours(
    browser: Browser, path: Path, width: int, scheme: str, options: dict[str, Any]
) -> None:
    with opened(browser, path, width, color_scheme=scheme) as page:
        # The many boxes inside a formula are hidden from screen readers, which are given MathML.
        page.evaluate("for (const box of document.querySelectorAll('.katex-html')) box.remove()")
        page.evaluate(AXE_SCRIPT)
        found = page.evaluate("options => axe.run(options)", {"preload": False, **options})
    ours = [
        (violation["id"], len(violation["nodes"]), violation["nodes"][0]["html"])
        for violation in found["violations"]
        if violation["id"] not in OF_THE_THEME
    ]
    assert not ours, ours
