"""A sample of the book's runs once more: what was taken from the cache must be what a run gives.

`make test` runs anew only what changed. So that in time everything is tried again, each commit
draws some of the book's short runs by its hash, as many as fit into `SECONDS`, and their bytes must
be equal to those that the book prints.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from press import edition
from proof.table import Row
from proof.trial import furnish, recorded
from recorder import data, records
from recorder.cache import Cache, user_folder
from recorder.data import sha256
from recorder.layout import ROOT
from recorder.plan import Run
from recorder.progress import Progress
from recorder.run import Recorder

SECONDS = 60.0  # of user time, by the records of the last runs


def prove(root: Path = ROOT) -> Iterator[Row]:
    """A row for the runs that the book has, and one for those that are made again."""
    book = recorded(root)
    dates = sorted(str(records.last(run)["date"])[:16] for run in book)
    yield Row("runs", "in the book", len(book), 0, f"recorded from {dates[0]} to {dates[-1]}")
    sample = drawn(book, edition.commit(root))
    other = [
        run
        for run, again in zip(sample, made_again(root, sample), strict=True)
        if not same(run, again)
    ]
    for run in other:
        print(f"{run.label} printed other bytes when it was run again")
    note = "drawn by the commit; the bytes must be equal"
    yield Row("runs", "made again", len(sample), len(other), note)


def drawn(runs: Sequence[Run], commit: str) -> list[Run]:
    """The first of the runs that fit, in an order that the commit's hash decides; at least one."""
    ordered = sorted(runs, key=lambda run: sha256(f"{commit} {run.label}".encode()))
    sample, seconds = ordered[:1], _seconds(ordered[0])
    for run in ordered[1:]:
        if seconds + _seconds(run) <= SECONDS:
            sample.append(run)
            seconds += _seconds(run)
    return sample


def made_again(root: Path, sample: Sequence[Run]) -> list[Run]:
    """These runs in a root of their own, where no transcript and no cache has them."""
    place = root / "build" / "proof" / "again"
    shutil.rmtree(place, ignore_errors=True)
    furnish(place)
    runs = [replace(run, root=place) for run in sample]
    nobody = Cache(user_folder(), reading=False)
    for failure in Recorder(root, nobody, Progress(Console())).make(runs, data.verified(root)):
        print(failure)
    return runs


def same(run: Run, again: Run) -> bool:
    """Whether a run could be made again, and printed the same bytes."""
    made = again.transcript.is_file()
    return made and again.transcript.read_bytes() == run.transcript.read_bytes()


def _seconds(run: Run) -> float:
    return float(records.last(run)["user_seconds"])
