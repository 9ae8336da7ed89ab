"""A sample of the book's runs once more: what was taken from the cache must be what a run gives.

`make test` runs anew only what changed. So that in time everything is tried again, each commit draws
some of the book's short runs by its hash, as many as fit into `SECONDS`, and their bytes must be
equal to those that the book prints.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from press import edition
from proof.table import Row
from proof.trial import Trial, recorded
from recorder import records
from recorder.data import sha256
from recorder.layout import ROOT
from recorder.plan import Run

SECONDS = 60.0  # of user time, by the records of the last runs


def prove(root: Path = ROOT) -> Iterator[Row]:
    """A row for the runs that the book has, and one for those that are made again."""
    book = recorded(root)
    dates = sorted(str(records.last(run)["date"])[:16] for run in book)
    yield Row("runs", "in the book", len(book), 0, f"recorded {dates[0]} to {dates[-1]}")
    yield from Trial(root, "runs", "again", "again").again(drawn(book, edition.commit(root)))


def drawn(runs: Sequence[Run], commit: str) -> list[Run]:
    """The first of the runs, in an order that the commit's hash decides, that fit; at least one."""
    ordered = sorted(runs, key=lambda run: sha256(f"{commit} {run.label}".encode()))
    sample, seconds = ordered[:1], _seconds(ordered[0])
    for run in ordered[1:]:
        if seconds + _seconds(run) <= SECONDS:
            sample.append(run)
            seconds += _seconds(run)
    return sample


def _seconds(run: Run) -> float:
    return float(records.last(run)["user_seconds"])
