"""One script running in a process of its own, watched by the guard."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recorder import guard
from recorder.data import FOLDER, SUMS
from recorder.layout import shown
from recorder.plan import Run

GRACE = 2  # seconds from the polite signal, which tells where the script is, to the other


@dataclass(frozen=True)
class Limits:
    """What one run may use at most: seconds on the wall, bytes of address space and output."""

    seconds: float = 600
    memory: int = 2 * 1024**3  # four times what a script may be measured to use
    output: int = 1024**2


LIMITS = Limits()


@dataclass(frozen=True)
class Outcome:
    """How a run ended: `status` is negative for a signal, `news` is what the guard told.

    `peak_memory` is in bytes, as the system counts it; a process never counts as smaller than
    the recorder that started it, some 30 MB.
    """

    status: int
    late: bool
    printed: bytes
    errors: bytes
    news: dict[str, list[Any]]
    user_seconds: float
    peak_memory: int

    @property
    def opened(self) -> list[str]:
        """The data files that the script read, by their paths from the book's root."""
        files = self.news.get("opened", [])
        return sorted(f"{FOLDER}/{file}" for file in files if file != SUMS)


class Child:
    """A started run. `poll` it until it gives an outcome; `close` it whatever happens."""

    def __init__(self, run: Run, limits: Limits) -> None:
        self._limits = limits
        self._late = False
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="no-magic-"))
            self._folder = Path(folder)
            self._process = self._start(run, stack)
            stack.callback(self._kill)
            self._stack = stack.pop_all()
        self._started = time.monotonic()

    def poll(self) -> Outcome | None:
        """The outcome, once the process is over; until then None, and its end when it is late."""
        pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
        if not pid:
            self._hurry()
            return None
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return Outcome(
            status=self._process.returncode,
            late=self._late,
            printed=self._read("printed"),
            errors=self._read("errors"),
            news=_gathered(self._read("report")),
            user_seconds=usage.ru_utime,
            peak_memory=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        )

    def close(self) -> None:
        """Kill what still runs, and remove the temporary folder."""
        self._stack.close()

    def _start(self, run: Run, stack: ExitStack) -> "subprocess.Popen[bytes]":
        here = self._folder / "cwd"
        here.mkdir()
        printed, errors, report = (
            stack.enter_context((self._folder / name).open("wb"))
            for name in ("printed", "errors", "report")
        )
        alive, mine = os.pipe()
        stack.callback(os.close, mine)
        job = {
            "script": str(run.script),
            "name": shown(run.script),
            "set": run.set,
            "data": str(run.root / FOLDER),
            "memory": self._limits.memory,
            "output": self._limits.output,
            "report": report.fileno(),
            "alive": alive,
        }
        try:
            return subprocess.Popen(
                [*_PYTHON, guard.__file__, json.dumps(job)],
                cwd=here,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=errors,
                pass_fds=(report.fileno(), alive),
                start_new_session=True,
            )
        finally:
            os.close(alive)

    def _hurry(self) -> None:
        over = time.monotonic() - self._started - self._limits.seconds
        if over > GRACE:
            self._signal(signal.SIGKILL)
        elif over > 0 and not self._late:
            self._late = True
            self._signal(signal.SIGTERM)

    def _kill(self) -> None:
        if self._process.returncode is None:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()


# Isolated as by -I, which would also ignore PYTHONHASHSEED; without site-packages, without .pyc.
_PYTHON = [sys.executable, "-P", "-s", "-S", "-B", "-X", "utf8"]


def _environment() -> dict[str, str]:
    """Nothing of the user's, but where a Python built with shared libraries finds its own."""
    kept = {name: os.environ[name] for name in ["LD_LIBRARY_PATH"] if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", **kept}


def _gathered(report: bytes) -> dict[str, list[Any]]:
    """The guard's lines of JSON as one mapping: what was told under each key, in order."""
    news: dict[str, list[Any]] = {}
    for line in report.splitlines(keepends=True):
        if line.endswith(b"\n"):  # else it was cut short, with the disk full or the script killed
            for key, value in json.loads(line).items():
                news.setdefault(key, []).append(value)
    return news
