"""The Run panel in real browsers: Chromium, and Firefox as Debian has it; from disk and server."""

import html
import http.server
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser

from bench import firefox
from bench.pages import below
from bench.panel import (
    DESKTOP,
    Opener,
    in_chromium,
    in_firefox,
    launched_chromium,
    page_in_chromium,
)
from recorder.records import read_json
from recorder.transcript import Transcript
from tests.workshop import wait_until

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "build" / "html"
NAME = "01-foundations/microtokenizer"  # the quickest program
PAGE = f"{NAME}.html"
PHONE = 390
KEPT = 10_000
OF_THE_THEME = {"region"}  # as in tests/test_browser.py


@pytest.fixture(scope="module")
def chromium_browser() -> Iterator[Browser]:
    assert (HTML / "_static/run/runtime.js").is_file(), "the pages have no Python: run `make html`"
    with launched_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def firefox_browser() -> Iterator[firefox.Firefox]:
    with firefox.launched() as browser:
        yield browser


@pytest.fixture(params=["chromium", "firefox"])
def opened(request: pytest.FixtureRequest) -> Opener:
    """Opens a page in a browser."""
    browser = request.getfixturevalue(f"{request.param}_browser")
    return partial({"chromium": in_chromium, "firefox": in_firefox}[request.param], browser)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Says nothing of what it serves."""

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The book on a server of this machine; its address."""
    handler = partial(Quiet, directory=str(HTML))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


@pytest.fixture
def place() -> str:
    return HTML.as_uri()


# --- What is as it must be


@pytest.mark.parametrize("width", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_run_to_the_end_prints_the_books_bytes(
    opened: Opener, place: str, server: str, width: int
) -> None:
    """From the disk on a desktop, from a server on a phone; and nothing else is asked for."""
    home = place if width == DESKTOP else server
    with opened(f"{home}/{PAGE}", width) as tab:
        assert not [url for url in tab.requests() if "/run/" in url]  # nothing before the press
        tab.run()
        said = tab.over()
        assert tab.lines() == Transcript.load(NAME).text.splitlines()
        assert re.fullmatch(
            r"Ended after [\d.]+ s; the book's run took [\d.]+ s. All lines are as in the book.",
            said,
        ), said
        assert not tab.lines("mark")
        wait_until(lambda: tab.workers() == 0)
        asked = tab.requests()
    assert home == place or any(url.endswith("/runtime.js") for url in asked)
    others = [url for url in asked if not url.startswith((home, "data:", "blob:"))]
    assert not others


def test_another_setting_gives_another_output_and_reset_the_books(
    opened: Opener, place: str
) -> None:
    with opened(f"{place}/{PAGE}") as tab:
        tab.set("SENTENCE", "'Bob met Alice.'")
        tab.set("MERGES", "15")
        tab.run()
        said = tab.over()
        assert re.search(r"(\d+) of \d+ lines differ from the book's run, and are marked", said)
        marked = tab.lines("mark")
        assert any("Bob met" in line for line in marked)
        same = tab.lines("span")
        assert "merge    0 | ' t'    | ' ' + 't'     |  3247" in same
        assert tab.text("set") == (", MERGES = 15, SENTENCE = 'Bob met Alice.'")
        tab.press("button[type=reset]")
        tab.wait("document.querySelector('.run-status').textContent.startsWith('All values')")
        assert tab.evaluate("return document.querySelector('#run-MERGES').value;") == "1_000"


def test_a_preset_sets_what_the_experiment_set_and_runs(opened: Opener, place: str) -> None:
    with opened(f"{place}/{PAGE}") as tab:
        tab.edit("MERGES = 2\nHELD_OUT = 2\nprint(MERGES, HELD_OUT)\n")
        preset = "[...document.querySelectorAll('[name=preset]')].find(b => b.textContent == '{}')"
        for name, line in (("larger", "4000 2"), ("one-chapter", "2 11")):
            tab.evaluate(f"{preset.format(name)}.click();")
            tab.wait(f"document.querySelector('.run-lines').textContent == '{line}\\n'")


def test_two_tabs_run_side_by_side(opened: Opener, place: str) -> None:
    with opened(f"{place}/{PAGE}") as one, opened(f"{place}/{PAGE}") as other:
        for tab, number in ((one, 1), (other, 2)):
            tab.edit(f"print({number})\n")
            tab.run()
        assert one.over() and other.over()
        assert (one.lines(), other.lines()) == (["1"], ["2"])


ENDLESS = "print('begun')\nwhole = bytearray(b'1') * 300_000_000\nprint('held')\nwhile True: pass\n"


def memory() -> int:
    """Bytes that the browsers hold which this process began; what they share is divided."""
    total = 0
    for process in below(os.getpid())[1:]:
        with suppress(OSError):  # it has just ended
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
            total += int(rollup.partition("\nPss:")[2].split()[0]) * 1024
    return total


def test_stop_ends_an_endless_loop_at_once_and_gives_its_memory_back(
    opened: Opener, place: str
) -> None:
    with opened(f"{place}/{PAGE}") as tab:
        tab.edit(ENDLESS)
        tab.run()
        tab.wait("document.querySelector('.run-lines').textContent == 'begun\\nheld\\n'")
        held = memory()
        said = tab.evaluate(
            "document.querySelector('form.run [name=stop]').click();"
            "return document.querySelector('.run-status').textContent;"
        )
        assert said.startswith("Stopped after ")
        wait_until(lambda: tab.workers() == 0)
        wait_until(lambda: memory() < held - 250_000_000)
        assert tab.lines() == ["begun", "held"]
        tab.press("[name=stop]")
        assert tab.text("status") == "Nothing runs."


# --- What goes wrong ends in a sentence


def test_output_without_end_keeps_the_last_lines_and_says_so(opened: Opener, place: str) -> None:
    with opened(f"{place}/{PAGE}") as tab:
        tab.edit("n = 0\nwhile True:\n    n += 1\n    print(n)\n")
        tab.run()
        tab.wait("document.querySelector('.run-note').textContent")
        tab.press("[name=stop]")
        numbers = list(map(int, tab.lines()))
        assert len(numbers) == KEPT and numbers == list(range(numbers[0], numbers[0] + KEPT))
        assert tab.text("note") == f"Of {numbers[-1]:,} lines the last 10,000 are kept."


def test_a_line_without_end_is_cut_and_says_so(opened: Opener, place: str) -> None:
    with opened(f"{place}/{PAGE}") as tab:
        tab.edit("print('a' * 1_000_000)\nprint('b', end='')\n")
        tab.run()
        tab.over()
        assert tab.lines() == ["a" * 2_000 + " ... and 998000 more letters", "b"]


FIRST = "The program stopped in line 1, section \u201cDocstring\u201d: "


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("1 +\n", f"{FIRST}SyntaxError, invalid syntax."),
        ("\nraise SystemExit('no data')\n", "no data."),
        ("import numpy\n", f"{FIRST}ModuleNotFoundError, "),
        ("def f(): f()\nf()\n", f"{FIRST}RecursionError, "),
        ("x = [0] * 2**30\n", f"{FIRST}it needs more memory than a page may have."),
    ],
    ids=["syntax", "its own words", "no such module", "recursion", "memory"],
)
def test_what_goes_wrong_is_a_sentence(
    opened: Opener, place: str, program: str, sentence: str
) -> None:
    with opened(f"{place}/{PAGE}") as tab:
        tab.edit(program)
        tab.run()
        said = tab.over()
    assert said.startswith(sentence) and "\n" not in said and said.endswith(".")


def test_a_setting_that_is_none_is_said(opened: Opener, place: str) -> None:
    with opened(f"{place}/{PAGE}") as tab:
        for value, sentence in (
            ("a thousand", "MERGES cannot be set: a thousand is no value; write a number, "),
            ("'1000'", f"scripts/{NAME}.py cannot take MERGES = '1000': its own value, 1000, is "),
        ):
            tab.set("MERGES", value)
            tab.run()
            assert tab.over().startswith(sentence)


FORBIDDEN = {
    "Worker": ("window.Worker = undefined", "This browser has no Worker, which it takes"),
    "WebAssembly": ("delete window.WebAssembly", "This browser has no WebAssembly, which it takes"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_browser_that_lacks_what_it_takes_is_told_so(
    opened: Opener, place: str, what: str
) -> None:
    before, sentence = FORBIDDEN[what]
    with opened(f"{place}/{PAGE}", before=before) as tab:
        assert tab.text("status").startswith(sentence)
        assert tab.evaluate("return document.querySelector('.run-parts').hidden;")


def test_a_browser_that_forbids_workers_is_told_so(opened: Opener, place: str) -> None:
    before = "window.Worker = class { constructor() { throw new Error('not allowed'); } };"
    with opened(f"{place}/{PAGE}", before=before) as tab:
        tab.run()
        said = tab.over()
    assert said == (
        "This browser lets no worker begin, which it takes to run a program on the page "
        "(not allowed)."
    )


@pytest.mark.parametrize("kept", [None, 5_000_000], ids=["missing", "cut short"])
def test_a_half_copied_folder_is_said(opened: Opener, tmp_path: Path, kept: int | None) -> None:
    page = tmp_path / PAGE
    page.parent.mkdir()
    shutil.copy(HTML / PAGE, page)
    shutil.copytree(HTML / "_static", tmp_path / "_static")
    runtime = tmp_path / "_static" / "run" / "runtime.js"
    whole = runtime.read_bytes()
    runtime.unlink()
    if kept:
        runtime.write_bytes(whole[:kept])
    what = "is damaged" if kept else "is missing"
    sentence = f"The file _static/run/runtime.js {what}: copy the whole folder of the book again."
    with (
        pytest.raises(AssertionError, match="Invalid or unexpected token")
        if kept
        and (
            opened.func is in_chromium  # type: ignore[attr-defined]
        )
        else nothing(),
        opened(page.as_uri()) as tab,
    ):
        tab.run()
        assert tab.over() == sentence
        runtime.write_bytes(whole)
        tab.edit("print(1)\n")
        tab.run()  # once it is there again
        assert tab.over().startswith("Ended") and tab.lines() == ["1"]


@contextmanager
def nothing() -> Iterator[None]:
    yield


REACH = """from js import XMLHttpRequest
request = XMLHttpRequest.new()
request.open("GET", "{server}/index.html", False)
try:
    request.send()
    print(request.status)
except Exception as error:
    print("refused")
"""


def test_an_edited_program_reaches_nothing_outside(opened: Opener, server: str) -> None:
    """The worker obeys the page's policy: not even the page's own server is to be had."""
    with opened(f"{server}/{PAGE}") as tab:
        tab.edit(REACH.format(server=server))
        tab.run()
        tab.over()
        assert tab.lines() == ["refused"]


# --- Without it, and for everybody


def test_without_javascript_the_page_reads_as_before(chromium_browser: Browser, place: str) -> None:
    context = chromium_browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{place}/{PAGE}")
    form = page.locator("form.run")
    assert form.locator("button:visible, input:visible, summary:visible").count() == 0
    assert "takes JavaScript, which is off" in form.inner_text()
    context.close()


LOOKS = [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light"), (PHONE, "dark")]


@pytest.mark.parametrize(("width", "scheme"), LOOKS, ids=lambda value: str(value))
def test_axe_finds_nothing_in_the_panel(
    chromium_browser: Browser, place: str, width: int, scheme: str
) -> None:
    """With all of it open, and differing lines marked."""
    url = f"{place}/{PAGE}"
    with page_in_chromium(chromium_browser, url, width, color_scheme=scheme) as (tab, page):
        tab.edit("print('another line')\n")
        page.locator("form.run summary").click()
        tab.run()
        tab.over()
        assert tab.lines("mark") == ["another line"]
        page.evaluate(AXE_SCRIPT)
        found = page.evaluate("axe.run('form.run', {preload: false})")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not [one for one in found["violations"] if one["id"] not in OF_THE_THEME]


def test_the_panel_is_worked_from_the_keyboard(chromium_browser: Browser, place: str) -> None:
    with page_in_chromium(chromium_browser, f"{place}/{PAGE}") as (tab, page):
        tab.edit("STEPS = 1\nMERGES = 2\nprint(MERGES)\n")
        page.locator("form.run summary").focus()
        page.keyboard.press("Enter")
        page.locator("#run-MERGES").focus()
        page.keyboard.press("Control+A")
        page.keyboard.type("7")
        page.keyboard.press("Enter")
        tab.over()
        assert tab.lines() == ["7"]
        names = "one => one.labels?.[0]?.textContent || one.textContent"
        assert all(page.locator("form.run").locator("input, select, textarea, button").evaluate_all(
            f"all => all.map({names})"
        ))  # fmt: skip


def test_line_numbers_are_true(chromium_browser: Browser, place: str) -> None:
    """As many as lines, each as high, and an error shows its line."""
    with page_in_chromium(chromium_browser, f"{place}/{PAGE}", PHONE) as (tab, page):
        program = (ROOT / "scripts" / f"{NAME}.py").read_text(encoding="ascii")
        tab.edit(program.replace("MERGES = 1_000", "MERGES = 1_000 / 0"))
        page.evaluate("document.querySelector('#run-program').oninput()")
        numbers = page.locator(".run-numbers").inner_text().split()
        assert numbers == [str(n) for n in range(1, program.count("\n") + 2)]
        heights = page.locator(".run-text > *").evaluate_all("a => a.map(b => b.scrollHeight)")
        assert abs(heights[0] - heights[1]) < 20
        tab.run()
        line = program[: program.index("MERGES =")].count("\n") + 1
        assert tab.over().startswith(
            f"The program stopped in line {line}, section \u201cSettings\u201d"
        )
        chosen = page.evaluate(
            "(one => one.value.slice(one.selectionStart, one.selectionEnd))"
            "(document.querySelector('#run-program'))"
        )
        assert chosen.startswith("MERGES = 1_000 / 0")


# --- Every chapter's page


CHAPTERS = sorted(path for path in HTML.glob("[0-9]*/*.html") if path.stem != "index")


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_has_its_panel_and_all_that_it_loads(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert page.count('<form class="run"') == 1
    name = f"{path.parent.name}/{path.stem}"
    run = HTML / "_static" / "run"
    content = json.loads(
        (run / "chapters" / f"{path.stem}.js").read_text("utf-8").partition(" = ")[2].rstrip(";\n")
    )
    assert content["source"] == (ROOT / "scripts" / f"{name}.py").read_text(encoding="ascii")
    assert content["transcript"] == Transcript.load(name).text
    record = read_json(ROOT / "build" / "runs" / f"{name}.json")
    read = {Path(file).name for file in record["data"] if file.startswith("scripts/data/")}
    assert read <= set(content["data"])
    assert all((run / "data" / f"{file}.js").is_file() for file in content["data"])
    presets = re.findall(r'name="preset" value="([^"]*)"', page)
    names = {name for preset in presets for name in json.loads(html.unescape(preset))}
    assert all(f'name="{name}"' in page for name in names), "a preset sets what is no setting"
    section = page.rpartition('<form class="run"')[0].rpartition("<section id=")[2]
    assert section.startswith('"the-run')


def test_no_page_but_the_chapters_may_begin_a_worker() -> None:
    for path in HTML.rglob("*.html"):
        rules = re.search(r'Policy" content="([^"]*)"', path.read_text(encoding="utf-8"))
        allowed = bool(rules) and ("worker" in rules[1] or "wasm" in rules[1])
        assert allowed == (path in CHAPTERS), path
