"""The book's runs once more, with something changed, in a folder of their own."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from proof import claims
from proof.table import Row
from recorder import data, records
from recorder.cache import Cache, user_folder
from recorder.child import LIMITS, Limits
from recorder.errors import BookError
from recorder.layout import shown
from recorder.plan import Run, all_runs, long_runs
from recorder.progress import Progress
from recorder.records import Record
from recorder.run import Recorder
from recorder.transcript import Transcript

ROOMS = ("scripts", "book")


def recorded(book: Path) -> list[Run]:
    """Every run of the book at `book`. Raises BookError when one has not been made."""
    runs = all_runs(book)
    for run in runs:
        if not run.transcript.exists():
            raise BookError(f"{shown(run.transcript)} is missing; run `make runs`.")
    return runs


def sealed(book: Path) -> list[Run]:
    """Every long run of the book at `book`. Raises BookError when one has no good record."""
    runs = long_runs(book)
    for run in runs:
        Transcript.of(run)
    return runs


@dataclass(frozen=True)
class Trial:
    """Changed runs of the book at `book`: the part, the words and the folder that name them.

    Where it must `compare`, it also says how many runs print the book's very bytes. The changed
    runs live in a root of their own, with the book's scripts and chapters, below build/proof; runs
    of the book `beside` them give the facts with which theirs are compared.
    """

    book: Path
    part: str
    what: str
    folder: str
    compare: bool = False
    beside: Sequence[Run] = ()

    @property
    def root(self) -> Path:
        """Where the transcripts are made."""
        return self.book / "build" / "proof" / self.folder

    def rows(self, changed: Sequence[Run], limits: Limits = LIMITS) -> Iterator[Row]:
        """Make these runs; a row for them, and one each for the book's numbers and its claims."""
        runs = self.moved(changed)
        print(f"{self.part}: {self.what}", flush=True)
        self._furnish()
        of_book = {run.label: run for run in changed}
        failed = self._make(runs, of_book, limits)
        good = [run for run in runs if run not in failed]
        note = self._note(good, of_book)
        yield Row(self.part, f"{self.what}: runs", len(runs), len(failed), note)
        for kind, count in claims.check(self.root, good, self.beside).items():
            for complaint in count.complaints:
                print(f"{self.what}: {complaint}")
            note = f"{count.not_run} more need other runs" if count.not_run else ""
            row = (self.part, f"{self.what}: {kind}", count.tried, len(count.complaints), note)
            yield Row(*row)

    def moved(self, changed: Sequence[Run]) -> list[Run]:
        """Changed runs of the book as runs of this trial."""
        return [replace(run, root=self.root, long=False) for run in changed]

    def _furnish(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        for room in ROOMS:
            with suppress(FileExistsError):
                (self.root / room).symlink_to(Path("../../..") / room)

    def _make(self, runs: Sequence[Run], of_book: Mapping[str, Run], limits: Limits) -> list[Run]:
        """Bring the transcripts up to date; returns the runs that failed, which have none."""
        cache = _Cache(self.folder, of_book)
        recorder = Recorder(self.book, cache, Progress(Console()), limits)
        failures = recorder.make(runs, data.verified(self.book))
        for failure in failures:
            print(f"{self.what}: {failure}")
            failure.run.transcript.unlink(missing_ok=True)
        return [failure.run for failure in failures]

    def _note(self, good: Sequence[Run], of_book: Mapping[str, Run]) -> str:
        if not self.compare:
            return ""
        pairs = [(run.transcript, of_book[run.label].transcript) for run in good]
        equal = sum(mine.read_bytes() == book.read_bytes() for mine, book in pairs)
        return f"{equal} print the book's very bytes"


class _Cache(Cache):
    """Finished runs of a trial in the user's cache; what the book has just so is not run again.

    A long run is: to do it again is the whole trial.
    """

    def __init__(self, folder: str, of_book: Mapping[str, Run]) -> None:
        kept = user_folder().with_name("proof") / folder
        super().__init__(kept, reading=os.environ.get("FRESH") != "1")
        self._of_book = of_book

    def load(self, run: Run, sums: dict[str, str]) -> tuple[Record, bytes] | None:
        book = self._of_book[run.label]
        record, printed = records.last(book), book.transcript.read_bytes()
        if not book.long and records.vouches(record, records.inputs(run), sums, printed):
            return record, printed
        return super().load(run, sums)

    def seconds(self, run: Run) -> float | None:
        known = super().seconds(run)
        book: float | None = records.last(self._of_book[run.label]).get("user_seconds")
        return book if known is None else known
