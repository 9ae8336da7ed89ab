"""Firefox, as Debian packs it, driven over WebDriver BiDi: no geckodriver is packed beside it."""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from press.system import firefox

LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
PATIENCE = 300  # seconds that nothing here takes; then it will not come
PREFERENCES = {  # asks nobody for anything
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "remote.active-protocols": 1,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


class Firefox:
    """A Firefox without a window; `events` has what it told without being asked."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._count = socket, 0
        self.events: list[dict[str, Any]] = []
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=["network.beforeRequestSent"])

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command. Raises AssertionError with Firefox's words when it has none."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(PATIENCE))
            if answer.get("id") == self._count:
                assert answer["type"] == "success", answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    @contextmanager
    def opened(self, url: str, width: int, before: str = "") -> Iterator["Tab"]:
        """A page in a tab of its own; `before` runs before all scripts of it."""
        context = self.ask("browsingContext.create", type="tab")["context"]
        size = {"width": width, "height": 900}
        self.ask("browsingContext.setViewport", context=context, viewport=size)
        if before:
            does = f"() => {{ {before} }}"
            self.ask("script.addPreloadScript", functionDeclaration=does, contexts=[context])
        self.ask("browsingContext.navigate", context=context, url=url, wait="complete")
        yield Tab(self, context)
        self.ask("browsingContext.close", context=context)


class Tab:
    """A page that is open."""

    def __init__(self, browser: Firefox, context: str) -> None:
        self._browser, self._context = browser, context

    def requests(self) -> list[str]:
        """The addresses that the page has asked for; Firefox tells of no files."""
        told = (event["params"] for event in self._browser.events)
        return [one["request"]["url"] for one in told if one.get("context") == self._context]

    def workers(self) -> int:
        """How many workers the page has: Firefox goes on to list some of tabs that are closed."""
        own = self._browser.ask("script.getRealms", context=self._context)["realms"]
        pages = {realm["realm"] for realm in own}
        workers = self._browser.ask("script.getRealms", type="dedicated-worker")["realms"]
        return sum(not pages.isdisjoint(worker["owners"]) for worker in workers)

    def evaluate(self, script: str) -> Any:
        """What the body of an async function gives in the page; anything that JSON can say."""
        told = self._browser.ask(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await (async () => {{ {script} }})()))()",
            target={"context": self._context},
            awaitPromise=True,
        )
        assert told["type"] == "success", told
        return json.loads(told["result"].get("value") or "null")


@contextmanager
def launched(**preferences: bool) -> Iterator[Firefox]:
    """A Firefox with a fresh profile, gone afterwards."""
    path = firefox.find()
    assert path, firefox.MISSING
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="no-magic-firefox-")))
        settings = PREFERENCES | preferences
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in settings.items()]
        (folder / "user.js").write_text("".join(lines), encoding="utf-8")
        command = [path, "--headless", "--no-remote", "--profile", str(folder)]
        process = subprocess.Popen(
            [*command, "--remote-debugging-port", "0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "MOZ_HEADLESS": "1"},
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        assert process.stderr
        said = []
        for line in process.stderr:
            said.append(line)
            if found := LISTENS.search(line):
                break
        else:
            raise AssertionError(f"Firefox ended: {''.join(said)}")
        socket = connect(f"{found[1]}/session", max_size=None, open_timeout=PATIENCE)
        yield Firefox(stack.enter_context(socket))
