"""Print what the scripts and the builds cost: `make bench`.

Seconds are of user CPU time, all processes of a command together; wall-clock seconds stand beside
them. Builds are timed in a copy of the working tree, so nothing of it is touched.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 3
BUDGET = defaultdict(lambda: 60, microgpt=90, microattention=90)  # user seconds of a script


def timed(target: str, copy: Path) -> tuple[float, float]:
    """User and wall-clock seconds of one `python -m book.build target` in the copy."""
    before, start = os.times(), time.monotonic()
    command = [sys.executable, "-m", "book.build", target]
    subprocess.run(command, cwd=copy, check=True, stdout=subprocess.DEVNULL)
    return os.times().children_user - before.children_user, time.monotonic() - start


def row(name: str, *cells: str) -> None:
    print(f"{name:42}" + "".join(f"{cell:>16}" for cell in cells))


def report(name: str, times: list[tuple[float, float]]) -> None:
    user, wall = (statistics.median(column) for column in zip(*times, strict=True))
    row(name, f"{user:.1f}", f"{wall:.1f}", str(len(times)))


def scripts() -> None:
    """What the records say of the runs."""
    row("script", "user seconds", "budget", "peak MB")
    for path in sorted((ROOT / "build" / "runs").glob("*/*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        script, _, experiment = path.stem.partition("--")
        budget = "" if experiment else str(BUDGET[script])
        peak = f"{record['peak_memory'] / 1e6:.0f}"
        row(f"{path.parent.name}/{path.stem}", f"{record['user_seconds']:.1f}", budget, peak)


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


def edit(chapter: Path, times: int) -> None:
    """What an author does between two builds."""
    with chapter.open("a", encoding="utf-8") as file:
        file.write(f"\nEdited {times} times.\n")


def builds() -> None:
    """HTML from nothing, with nothing to do, after an edit of one chapter; then the PDF."""
    row("build", "user seconds", "wall seconds", "median of")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        copy_tree(copy)
        cold = []
        for _ in range(ROUNDS):
            shutil.rmtree(copy / "build" / "html", ignore_errors=True)
            shutil.rmtree(copy / "build" / "doctrees", ignore_errors=True)
            cold.append(timed("html", copy))
        report("html from nothing", cold)
        report("html with nothing to do", [timed("html", copy) for _ in range(ROUNDS)])
        edited = []
        for n in range(ROUNDS):
            edit(copy / "book" / "01-foundations" / "microgpt.md", n + 1)
            edited.append(timed("html", copy))
        report("html after an edit of one chapter", edited)
        report("pdf from nothing", [timed("pdf", copy)])


if __name__ == "__main__":
    scripts()
    print()
    builds()
