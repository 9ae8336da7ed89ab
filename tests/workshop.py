"""A book of tiny scripts in a folder of its own, for the tests of the recorder."""

import hashlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from recorder.cache import Cache
from recorder.child import LIMITS, Limits
from recorder.failure import Failure
from recorder.progress import Progress
from recorder.run import Recorder

ROOT = Path(__file__).resolve().parent.parent
TIER = "01-tier"
PROGRAM = """
import sys
from pathlib import Path
from recorder.__main__ import main
sys.exit(main(sys.argv[2:], root=Path(sys.argv[1])))
"""
READS = """
from pathlib import Path
STEPS = 2
print(STEPS, (Path(__file__).resolve().parent.parent / "data" / "names").read_text())
"""


class Workshop:
    """Scripts of the tier 01-tier, their chapters and data, and a recorder for them."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root, self.cache = root, cache
        self.said = ""
        self._started: list[subprocess.Popen[str]] = []

    def script(self, name: str, text: str) -> Path:
        """Write a script."""
        return self.write(f"scripts/{TIER}/{name}.py", text)

    def chapter(self, name: str, header: str) -> Path:
        """Write a chapter with this YAML as its header."""
        return self.write(f"book/{TIER}/{name}.md", f"---\n{header}\n---\n# {name}\n")

    def data(self, **files: str) -> None:
        """Write data files, name=content, and the SHA256SUMS that vouch for them."""
        for name, content in files.items():
            self.write(f"scripts/data/{name}", content)
        sums = [
            f"{hashlib.sha256(content.encode()).hexdigest()}  {name}\n"
            for name, content in files.items()
        ]
        self.write("scripts/data/SHA256SUMS", "".join(sums))

    def write(self, path: str, text: str) -> Path:
        """Write a file below the book's root."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def record(
        self, *names: str, limits: Limits = LIMITS, fresh: bool = False, processes: int = 2
    ) -> list[Failure]:
        """Run the recorder here in the test's own process; `said` has what it printed."""
        output = io.StringIO()
        recorder = Recorder(
            self.root,
            Cache(self.cache, reading=not fresh),
            Progress(Console(file=output)),
            limits,
            processes,
        )
        failures = recorder.bring_up_to_date([f"{TIER}/{name}" for name in names])
        self.said = output.getvalue()
        return failures

    def ran(self) -> list[str]:
        """The runs that the last recorder in this process started, in order."""
        return [
            line.split(":")[0].split("/")[1] for line in self.said.splitlines() if ": runs," in line
        ]

    def failure(self, text: str, limits: Limits = LIMITS) -> str:
        """What the recorder says of a script that must fail; nothing may be kept of it."""
        self.script("bad", text)
        [failure] = self.record("bad", limits=limits)
        assert not self.path("bad").exists()
        assert not self.path("bad", ".json").exists()
        assert str(failure).startswith(f"scripts/{TIER}/bad.py failed")
        return str(failure)

    def path(self, name: str, suffix: str = ".txt") -> Path:
        """Where a transcript or record stands."""
        return self.root / "build" / "runs" / TIER / f"{name}{suffix}"

    def text(self, name: str) -> str:
        """A transcript."""
        return self.path(name).read_text(encoding="utf-8")

    def json(self, name: str) -> dict[str, Any]:
        """A record."""
        record: dict[str, Any] = json.loads(self.path(name, ".json").read_bytes())
        return record

    def start(self, *names: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a recorder in a process of its own, as `make runs` does."""
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.root), *(f"{TIER}/{n}" for n in names)],
            cwd=ROOT,
            env={"XDG_CACHE_HOME": str(self.cache), "PATH": "/usr/bin:/bin", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def clone(self, name: str) -> "Workshop":
        """The book of the fixture `recorded` in another folder, nothing built, the same cache."""
        other = Workshop(self.root.parent / name, self.cache)
        other.fill()
        return other

    def fill(self) -> None:
        """A script that reads data, with an experiment."""
        self.data(names="anna", unread="x")
        self.script("one", READS)
        self.chapter("one", "experiments: {more: {set: {STEPS: 3}}}")

    def stop(self) -> None:
        """End the processes that a failed test left, and the scripts that wait for a file `go`."""
        self.write(f"scripts/{TIER}/go", "")
        for process in self._started:
            process.kill()
            process.communicate()


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until something holds; a minute later it will not any more."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("what the test waits for does not happen")


def left_behind(sign: str) -> list[str]:
    """The command lines, as /proc has them, of all processes that hold this text."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has just ended
            found.append(process.read_text(encoding="utf-8", errors="replace"))
    return [command for command in found if sign in command]
