"""What the Run panel costs: `python -m bench.pages [NAME ...]`, of all programs or of some.

The seconds of a program are those of a processor, its own on a bare CPython and those of the whole
browser in the page, one right after the other: on a busy machine the two still compare.
"""

import os
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from bench.firefox import launched
from bench.measure import ROUNDS
from bench.panel import Opener, in_chromium, in_firefox, launched_chromium
from bench.table import row
from recorder import wall
from recorder.layout import ROOT, script_path
from recorder.plan import all_runs, chosen

HTML = ROOT / "build" / "html"
RUN = HTML / "_static" / "run"
TICKS = os.sysconf("SC_CLK_TCK")
FIRST = "print('first')\n"  # the program whose first line is waited for


def below(process: int) -> list[int]:
    """A process and all that it started, and those that they started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has just ended
            continue
    found = [process]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def seconds(processes: list[int]) -> float:
    """The processor's seconds that these processes, alive, have taken."""
    ticks = 0
    for process in processes:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def bare(script: Path) -> float:
    """Of a program alone, by this Python."""
    before = os.times()
    silent = subprocess.DEVNULL
    command = [sys.executable, str(script)]
    subprocess.run(command, check=True, stdout=silent, stderr=silent, env=wall.environment())
    after = os.times()
    return after.children_user + after.children_system - before[2] - before[3]


def loaded(name: str) -> float:
    """Megabytes that a press of Run loads on a chapter's page."""
    source = script_path(ROOT, name).read_text(encoding="utf-8")
    data = [path for path in (RUN / "data").glob("*.js") if path.stem in source]
    chapter = RUN / "chapters" / f"{name.split('/')[1]}.js"
    files = [RUN / "panel.js", RUN / "runtime.js", chapter, *data]
    return sum(path.stat().st_size for path in files) / 1e6


def first_line(opened: Opener, name: str) -> float:
    """Seconds on the wall from the press to the first line of output, in a fresh page."""
    with opened(f"{(HTML / name).as_uri()}.html") as panel:
        panel.edit(FIRST)
        begun = time.monotonic()
        panel.run()
        panel.wait("document.querySelector('.run-lines').textContent")
        return time.monotonic() - begun


def ratio(opened: Opener, name: str) -> None:
    """A row: a program here, and on its page."""
    alone = bare(script_path(ROOT, name))
    with opened(f"{(HTML / name).as_uri()}.html") as panel:
        panel.edit(FIRST)
        panel.run()
        panel.over()  # so that the browser has loaded what it loads once
        panel.press("[type=reset]")
        browsers = below(os.getpid())[1:]
        before, begun = seconds(browsers), time.monotonic()
        panel.run()
        said = panel.over()
        took, passed = seconds(browsers) - before, time.monotonic() - begun
    row(name, alone, took, f"{took / alone:.2f}", passed, different(said))
    if not said.startswith("Ended"):
        print(f"  {said}")


def different(said: str) -> str:
    """How many lines differ from the book's, as the panel says; 0 if none does."""
    found = said.partition("s. ")[2].partition(" of ")[0]
    return found if found.isdigit() else "0"


def main() -> None:
    runs = [run for run in all_runs(ROOT) if run.experiment is None]
    names = [run.name for run in chosen(runs, sys.argv[1:], ROOT)]
    sizes = [loaded(name) for name in names]
    print(f"A press of Run loads {min(sizes):.1f} to {max(sizes):.1f} MB.\n")
    row("from the press to the first line", "wall s", "of", ROUNDS)
    with launched_chromium() as browser, launched() as other:
        openers = {
            "Chromium": partial(in_chromium, browser),
            "Firefox": partial(in_firefox, other),
        }
        for title, opened in openers.items():
            row(title, statistics.median(first_line(opened, names[0]) for _ in range(ROUNDS)))
        print()
        row("in Chromium", "bare CPU s", "page CPU s", "ratio", "page wall s", "lines differ")
        for name in names:
            ratio(openers["Chromium"], name)


if __name__ == "__main__":
    main()
