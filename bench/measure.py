"""How runs and builds are measured: in copies, so that nothing of the working tree is touched."""

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from recorder.layout import ROOT

ROUNDS = 3


class Cost(NamedTuple):
    """User and wall-clock seconds, and the bytes of the largest process."""

    user: float
    wall: float
    memory: int


def cost(folder: Path, *commands: str, **settings: str) -> Cost:
    """What modules of the book, run one after the other in a copy of it, cost together."""
    user, start, peak = 0.0, time.monotonic(), 0
    for command in commands:
        process = subprocess.Popen(
            [sys.executable, "-m", *command.split()],
            cwd=folder,
            env=os.environ | settings,
            stdout=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{command} failed; what it said stands above.")
        user, peak = user + usage.ru_utime, max(peak, usage.ru_maxrss * 1024)
    return Cost(user, time.monotonic() - start, peak)


def median(trials: Iterable[Cost]) -> Cost:
    """The median of each cost."""
    user, wall, memory = map(statistics.median, zip(*trials, strict=True))
    return Cost(user, wall, int(memory))


def copy_tree(to: Path) -> None:
    """The files git knows or would add, with the recorded runs and the figures."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    for made in ("runs", "figures"):
        shutil.copytree(ROOT / "build" / made, to / "build" / made)
