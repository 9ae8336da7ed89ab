"""What the runs and the builds cost beside those of an older commit: `python -m bench.ratios`.

Both trees stand in temporary folders and are measured in turn, with one Python and one set of
tools, so that the ratios mean something where other work shares the cores. The book may have grown
between them: runs are those of the scripts that both have, and a build's row is followed by one a
chapter. Parts can be named: `python -m bench.ratios pdf html`; a commit too: `OLD=v1.0 python -m
bench.ratios`. Runs are those of the Python that measures, all recorded anew: half an hour, and once
more for what the old tree's other parts need, unless the cache has it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
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


def chapters(tree: Path) -> list[str]:
    """What a tree's book consists of, in order."""
    return (tree / "book" / "path.txt").read_text(encoding="utf-8").split()


def runs(tree: Path, names: Sequence[str]) -> Cost:
    """Scripts with all their experiments, none from the cache; what their records say."""
    scripts = (next(tree.glob(f"scripts/*/{name}.py")) for name in names)
    full = (f"{script.parent.name}/{script.stem}" for script in scripts)
    for path in recorded(tree, names):
        path.unlink()
    wall = cost(tree, f"recorder {' '.join(full)}", FRESH="1").wall
    records = [read_json(path) for path in recorded(tree, names)]
    user = sum(record["user_seconds"] for record in records)
    return Cost(user, wall, max(record["peak_memory"] for record in records))


def recorded(tree: Path, names: Sequence[str]) -> list[Path]:
    """The records of these scripts' runs."""
    kept = (tree / "build" / "runs").glob("*/*.json")
    return [path for path in kept if path.stem.partition("--")[0] in names]


def build(name: str) -> Callable[[Path, Sequence[str]], Cost]:
    """One format from nothing, with all chapters."""

    def anew(tree: Path, names: Sequence[str]) -> Cost:
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
        common = [name for name in chapters(new) if name in chapters(old)]
        for name in names:
            if name == "runs":
                print(f"{len(common)} scripts, all runs anew, once: half an hour.")
            turns = 1 if name == "runs" else ROUNDS
            pairs = [(PARTS[name](old, common), PARTS[name](new, common)) for _ in range(turns)]
            one, other = (median(side) for side in zip(*pairs, strict=True))
            seconds(name, one, other)
            if name != "runs":
                seconds("  a chapter", shared(one, chapters(old)), shared(other, chapters(new)))
            memories = one.memory / 1e6, other.memory / 1e6
            row("  peak MB", *memories, f"{other.memory / one.memory:.2f}")


def seconds(name: str, one: Cost, other: Cost) -> None:
    """Two builds' user and wall seconds, with their ratios."""
    user, wall = (one.user, other.user), (one.wall, other.wall)
    row(name, *user, f"{user[1] / user[0]:.2f}", *wall, f"{wall[1] / wall[0]:.2f}")


def shared(whole: Cost, names: Sequence[str]) -> Cost:
    """A chapter's share of the seconds."""
    return Cost(whole.user / len(names), whole.wall / len(names), whole.memory)


def main() -> None:
    names = sys.argv[1:] or list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"There is no part {unknown[0]}; there are: {', '.join(PARTS)}.")
    report(names)


if __name__ == "__main__":
    main()
