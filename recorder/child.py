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

from recorder import guard, wall
from recorder.data import FOLDER, SUMS
from recorder.layout import shown
from recorder.plan import Run

GRACE = 2  # seconds from the polite word, which tells where the script is, to the other
# What the guard tells, and of what type it is.
NEWS = {"opened": str, "refused": str, "error": str, "line": int | None}


@dataclass(frozen=True)
class Limits:
    """What one run may use at most: seconds on the wall, bytes of address space and output."""

    seconds: float = 600
    memory: int = 2 * 1024**3  # four times what a script may be measured to use
    output: int = 1024**2


LIMITS = Limits()
LONG = Limits(seconds=6 * 3600)


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
        """The data that the script read, and itself if it did, by paths from the book's root."""
        files = self.news.get("opened", [])
        return sorted(os.path.normpath(f"{FOLDER}/{file}") for file in files if file != SUMS)


class Child:
    """A started run. `poll` it until it gives an outcome; `close` it whatever happens."""

    def __init__(self, run: Run, limits: Limits) -> None:
        self._limits = limits
        self._late = False
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="no-magic-"))
            self._folder = Path(folder)
            self._wall = wall.strongest()
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
            status=self._wall.status(self._process.returncode),
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
            stack.enter_context((self._folder / name).open("ab"))  # what was written stays
            for name in ("printed", "errors", "report")
        )
        alive, self._to_guard = os.pipe()
        stack.callback(os.close, self._to_guard)
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
                self._wall.around(
                    [*run.interpreter.command, json.dumps(job)],
                    [*run.interpreter.folders, guard.__file__, run.script, run.root / FOLDER],
                    here,
                ),
                cwd=here,
                env=wall.environment(),
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
            self._stop()
        elif over > 0 and not self._late:
            self._late = True
            with suppress(BrokenPipeError):
                os.write(self._to_guard, b"late")

    def _kill(self) -> None:
        if self._process.returncode is None:
            self._stop()
            self._process.wait()

    def _stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()


def _gathered(report: bytes) -> dict[str, list[Any]]:
    """The guard's lines of JSON as one mapping: what was told under each key, in order.

    The script could write there too. What no guard writes counts as refused.
    """
    news: dict[str, list[Any]] = {}
    try:
        for line in report.splitlines(keepends=True):
            if line.endswith(b"\n"):  # else it was cut short: the disk is full, the script killed
                for key, value in json.loads(line).items():
                    if not isinstance(value, NEWS[key]):
                        raise TypeError(key)
                    news.setdefault(key, []).append(value)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        news.setdefault("refused", []).append("it writes where only its guard may write")
    return news
