"""What the runs and the builds cost beside those of an older commit: `python -m bench.ratios`.

Both trees stand in temporary folders and are measured in turn, with one Python and one set of
tools, so that the ratios mean something where other work shares the cores. Parts can be named:
`python -m bench.ratios pdf html`; a commit too: `OLD=v1.0 python -m bench.ratios`. Runs are those
of the Python that measures, all recorded anew: half an hour, and once more for what the old tree's
other parts need, unless the cache has it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import ROUNDS, Cost, copy_tree, cost, median
from bench.table import row
from recorder.layout import ROOT
from recorder.records import read_json

OLD = "cfea041"
ROOMS = ("press", "book")  # the package that makes the formats, today and before it had a room


def package(tree: Path) -> str:
    """What a tree's own commands begin with."""
    return next(room for room in ROOMS if (tree / room / "build.py").is_file())


def runs(tree: Path) -> Cost:
    """All scripts and experiments, none from the cache; what their records say."""
    wall = cost(tree, "recorder", FRESH="1").wall
    records = [read_json(path) for path in (tree / "build" / "runs").glob("*/*.json")]
    user = sum(record["user_seconds"] for record in records)
    return Cost(user, wall, max(record["peak_memory"] for record in records))


def build(name: str) -> Callable[[Path], Cost]:
    """One format from nothing."""

    def anew(tree: Path) -> Cost:
        for made in (tree / "build").iterdir():
            if made.name not in ("runs", "figures", "path.json"):
                shutil.rmtree(made) if made.is_dir() else made.unlink()
        return cost(tree, f"{package(tree)}.build {name}")

    return anew


PARTS = {"runs": runs, "pdf": build("pdf"), "html": build("html"), "epub": build("epub")}


@contextmanager
def older(commit: str) -> Iterator[Path]:
    """A checkout of a commit of this repository, for as long as it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "old"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "-q", "--detach", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def report(names: list[str]) -> None:
    """A row for each part: old, new and their ratio, user seconds and then wall."""
    commit = os.environ.get("OLD", OLD)
    with older(commit) as old, tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / "new"
        copy_tree(new)
        cost(new, "press.path")
        if names != ["runs"]:
            print(f"The runs of {commit} are taken from the cache, or made: half an hour.")
            cost(old, "recorder", f"{package(old)}.path", f"{package(old)}.figures.draw")
        row(f"new / {commit}", "old user s", "new user s", "ratio", "old wall", "new wall", "ratio")
        for name in names:
            if name == "runs":
                print("All runs of both trees, once, none from the cache: half an hour.")
            turns = 1 if name == "runs" else ROUNDS
            pairs = [(PARTS[name](old), PARTS[name](new)) for _ in range(turns)]
            one, other = (median(side) for side in zip(*pairs, strict=True))
            row(
                name,
                *(one.user, other.user, f"{other.user / one.user:.2f}"),
                *(one.wall, other.wall, f"{other.wall / one.wall:.2f}"),
            )
            row(
                "  peak MB",
                one.memory / 1e6,
                other.memory / 1e6,
                f"{other.memory / one.memory:.2f}",
            )


def main() -> None:
    names = sys.argv[1:] or list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"There is no part {unknown[0]}; there are: {', '.join(PARTS)}.")
    report(names)


if __name__ == "__main__":
    main()
