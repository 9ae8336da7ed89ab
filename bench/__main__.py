"""Print what scripts and builds cost: `make bench`.

Seconds are of user CPU time, all processes of a command together; wall-clock seconds stand beside
them, memory is the largest process's. Builds are timed in copies, so nothing of the working tree is
touched. The synthetic books show how the costs grow.
"""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pikepdf

from bench import inner_loops, ratios, synthetic
from bench.measure import ROUNDS, Cost, copy_tree, cost, median
from bench.table import row
from recorder import budget, wall
from recorder.records import cpu_model, read_json

ROOT = Path(__file__).resolve().parent.parent
QUICK = "01-foundations/microtokenizer"  # the script that the recorder's overhead is measured on
SIZES = (50, 200)  # chapters of the synthetic books
# What `make html` calls.
HTML = ("recorder", "press.path", "press.figures.draw", "press.run", "press.build html")
DRAWN = tuple(command for command in HTML if command != "press.figures.draw")  # with lent figures


def machine() -> None:
    print(f"{cpu_model()}, {os.cpu_count()} cores; {platform.platform()}")
    print(f"Python {platform.python_version()}; medians of {ROUNDS} unless said otherwise\n")


def scripts() -> None:
    """What the records say of the runs."""
    row("script or experiment", "user s", "budget", "peak MB")
    total = 0.0
    for path in sorted((ROOT / "build" / "runs").glob("*/*.json")):
        record = read_json(path)
        script, _, experiment = path.stem.partition("--")
        total += record["user_seconds"]
        row(
            f"{path.parent.name}/{path.stem}",
            record["user_seconds"],
            "" if experiment else budget.MAIN,
            f"{record['peak_memory'] / 1e6:.0f}",
        )
    row("all runs together", total, 900)


def overhead() -> None:
    """A script run bare, and by the recorder, turn about."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        copy_tree(copy)
        bare, recorded = [], []
        for _ in range(ROUNDS):
            bare.append(bare_seconds(copy / "scripts" / f"{QUICK}.py"))
            recorded.append(cost_of_recording(copy))
        row("recorder over the bare script", "bare s", "recorded s", "overhead")
        one, other = statistics.median(bare), statistics.median(recorded)
        row(QUICK, one, other, f"{100 * (other / one - 1):.1f} %")


def bare_seconds(script: Path) -> float:
    """User seconds of a script alone, with the recorder's environment: its hash seed counts."""
    before = os.times().children_user
    silent, alike = subprocess.DEVNULL, wall.environment()
    command = [sys.executable, str(script)]
    subprocess.run(command, check=True, stdout=silent, stderr=silent, env=alike)
    return os.times().children_user - before


def cost_of_recording(copy: Path) -> float:
    """User seconds of the recorder and its child, for the quick script without experiments."""
    shutil.rmtree(copy / "build" / "runs")
    (copy / "book" / f"{QUICK}.md").unlink(missing_ok=True)  # no chapter, no experiments
    return cost(copy, f"recorder {QUICK}", FRESH="1").user


def edit(chapter: Path) -> None:
    """What an author does between two builds."""
    with chapter.open("a", encoding="utf-8") as file:
        file.write(f"\nEdited at {time.monotonic()}.\n")


def pages(folder: Path) -> int:
    with pikepdf.open(folder / "build" / "no-magic.pdf") as pdf:
        return len(pdf.pages)


def builds(
    copy: Path, chapter: str, html: Sequence[str], rounds: Callable[[Callable[[], Cost]], Cost]
) -> None:
    """HTML from nothing, with nothing to do, after an edit of one chapter; then the PDF."""

    def anew() -> Cost:
        shutil.rmtree(copy / "build" / "html", ignore_errors=True)
        return cost(copy, *html)

    def edited() -> Cost:
        edit(copy / "book" / f"{chapter}.md")
        return cost(copy, *html)

    report("html from nothing", rounds(anew))
    report("html with nothing to do, at most 3 s", rounds(lambda: cost(copy, *html)))
    report("html after an edit of a chapter, at most 5 s", rounds(edited))
    made = cost(copy, "press.build pdf")
    report("pdf from nothing, once", made)
    row("  seconds per 100 pages", 100 * made.user / pages(copy), "", "", f"{pages(copy)} pages")


def report(name: str, what: Cost) -> None:
    row(name, what.user, what.wall, f"{what.memory / 1e6:.0f}")


def rounds(trial: Callable[[], Cost]) -> Cost:
    return median(trial() for _ in range(ROUNDS))


def the_book() -> None:
    row("the book", "user s", "wall s", "peak MB")
    with tempfile.TemporaryDirectory() as folder:
        copy_tree(Path(folder))
        builds(Path(folder), "01-foundations/microgpt", HTML, rounds)


def large_books(sizes: Sequence[int]) -> None:
    """The same, each once, for books of other sizes."""
    for size in sizes:
        print()
        row(f"a synthetic book of {size} chapters, each once", "user s", "wall s", "peak MB")
        with tempfile.TemporaryDirectory() as folder:
            os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
            names = synthetic.write(Path(folder), size)
            report("recording its runs", cost(Path(folder), "recorder"))
            builds(Path(folder), names[0], DRAWN, lambda trial: trial())


def main() -> None:
    machine()
    scripts()
    print()
    inner_loops.report()
    print()
    overhead()
    print()
    the_book()
    large_books(SIZES)
    print()
    ratios.report(list(ratios.PARTS))


if __name__ == "__main__":
    main()
