"""A page with its Run panel in a real browser: what a reader does there, and sees."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from bench.firefox import Firefox
from press.system import chromium

DESKTOP = 1200


@dataclass
class Panel:
    """The panel of a page that is open."""

    evaluate: Callable[[str], Any]  # what the body of an async function gives in the page
    workers: Callable[[], int]  # how many there are
    requests: Callable[[], list[str]]  # the addresses that the page asked for

    def press(self, selector: str) -> None:
        self.evaluate(f"document.querySelector('form.run {selector}').click();")

    def set(self, name: str, value: str) -> None:
        self.evaluate(f"document.querySelector('#run-{name}').value = {json.dumps(value)};")

    def edit(self, program: str) -> None:
        """Write another program in the place of the chapter's."""
        self.press("button[name=edit]")
        self.wait("document.querySelector('#run-program').value")
        self.set("program", program)

    def run(self) -> None:
        self.press("button[name=run]")

    def wait(self, expression: str) -> None:
        """Until something holds; an hour later it will not any more."""
        begun = time.monotonic()
        while not self.evaluate(f"return Boolean({expression});"):
            assert time.monotonic() - begun < 3600, f"what is waited for never holds: {expression}"
            time.sleep(0.05)

    def text(self, part: str) -> str:
        return str(self.evaluate(f"return document.querySelector('.run-{part}').textContent;"))

    def over(self) -> str:
        """What the panel says at the end of a run."""
        self.wait("/^(?!Loads|Runs)./.test(document.querySelector('.run-status').textContent)")
        return self.text("status")

    def lines(self, kind: str = "*") -> list[str]:
        found = self.evaluate(
            f"return [...document.querySelectorAll('.run-lines > {kind}')]"
            ".map(one => one.textContent);"
        )
        return [line.removesuffix("\n") for line in found]


Opener = Callable[..., AbstractContextManager[Panel]]


@contextmanager
def launched_chromium() -> Iterator[Browser]:
    path = chromium.find()
    assert path, chromium.MISSING
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def page_in_chromium(
    browser: Browser, url: str, width: int = DESKTOP, before: str = "", **options: Any
) -> Iterator[tuple[Panel, Page]]:
    """A page in a window of its own; `before` runs before all its scripts. It may have no error."""
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    page = context.new_page()
    if before:
        page.add_init_script(before)
    faults: list[str] = []
    requests: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(url)

    def evaluate(script: str) -> Any:
        return page.evaluate(f"async () => {{ {script} }}")

    def workers() -> int:
        evaluate("")  # else nobody hears that one has ended
        return len(page.workers)

    yield Panel(evaluate, workers, lambda: requests), page
    context.close()
    assert not faults, faults


@contextmanager
def in_chromium(
    browser: Browser, url: str, width: int = DESKTOP, before: str = ""
) -> Iterator[Panel]:
    with page_in_chromium(browser, url, width, before) as (panel, _):
        yield panel


@contextmanager
def in_firefox(
    browser: Firefox, url: str, width: int = DESKTOP, before: str = ""
) -> Iterator[Panel]:
    with browser.opened(url, width, before) as tab:
        yield Panel(tab.evaluate, tab.workers, tab.requests)
