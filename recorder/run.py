"""Bring the transcripts of a book up to date: run what is stale, keep what was printed."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from recorder import data, editions, long, records, wall
from recorder.cache import Cache
from recorder.child import LIMITS, Child, Limits, Outcome
from recorder.failure import Failure, why_failed
from recorder.plan import Run, all_runs, chosen, long_runs
from recorder.progress import Progress
from recorder.records import Record

PAUSE = 0.05  # seconds between two looks at the running processes


@dataclass(frozen=True)
class Recorder:
    """Everything that one call of the recorder needs, besides the runs themselves."""

    root: Path
    cache: Cache
    progress: Progress
    limits: Limits = LIMITS
    processes: int = os.cpu_count() or 1
    draft: bool = False  # experiments that would have to run are left as they are

    def bring_up_to_date(self, names: Sequence[str]) -> list[Failure]:
        """Make every stale transcript of the scripts in `names`, of all scripts when empty.

        Returns the runs that failed; all others are kept. Raises BookError before it runs
        anything: for a bad header, an unknown name, data that is missing or altered.
        """
        with self._alone("runs"):
            book = all_runs(self.root)
            wanted = chosen(book, names, self.root)
            sums = data.verified(self.root)
            _remove_orphans(self.root, book)
            if not self.draft:
                shutil.rmtree(self.root / records.WAS, ignore_errors=True)
            long.refuse_orphans(self.root)
            if stale := long.stale(self.root, sums):
                whose = ", ".join(dict.fromkeys(run.name for run in stale))
                how = long.remedy(stale[0])
                self.progress.say(f"Long runs: {len(stale)} missing or stale, of {whose}; {how}.")
            return self.make(wanted, sums)

    def record_long(self, names: Sequence[str]) -> list[Failure]:
        """Make the long transcripts of the scripts in `names` that are missing or stale.

        The same as above, in book/long; nothing else there is touched.
        """
        with self._alone("long"):
            wanted = chosen(long_runs(self.root), names, self.root)
            sums = data.verified(self.root)
            long.refuse_orphans(self.root)
            long.sweep(self.root)
            return self.make(wanted, sums)

    def make(self, wanted: Sequence[Run], sums: dict[str, str]) -> list[Failure]:
        """Make the stale ones of these transcripts; returns the runs that failed."""
        stale = [run for run in wanted if not records.is_fresh(run, sums)]
        if self.draft:
            for run in stale:
                records.set_aside(run)
        missing = [run for run in stale if not self._take(run, sums)]
        todo = [run for run in missing if not (self.draft and run.experiment)]
        guarded = f", guarded by {wall.strongest()}" if todo else ""
        left = len(missing) - len(todo)
        self.progress.say(
            f"Runs: {len(wanted) - len(stale)} fresh, {len(stale) - len(missing)} from the cache, "
            f"{len(todo)} to do{guarded}{f', {left} left out of the draft' if left else ''}."
        )
        return self._run_all(todo, sums)

    def take_in(self, archive: Path) -> None:
        """Have an edition's runs in the place of our own. Raises BookError if they do not fit."""
        with self._alone("runs"):
            book = all_runs(self.root)
            version = editions.take_in(self.root, book, archive)
            self.progress.say(f"Runs: took in the {len(book)} of edition {version}.")

    @contextmanager
    def _alone(self, which: str) -> Iterator[None]:
        """Hold the lock of these runs of the book: a second recorder waits, then finds them fresh.

        The `long` ones have another than the `runs` of a build, which so waits for none of them.
        """
        folder = self.root / "build"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f".{which}-lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.progress.say("Another recorder works on this book; waiting for it to end.")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _take(self, run: Run, sums: dict[str, str]) -> bool:
        """Whether the cache had this run; then it stands in build/runs now."""
        cached = self.cache.load(run, sums)
        if cached:
            records.keep(run, *cached)
        return cached is not None

    def _run_all(self, todo: Sequence[Run], sums: dict[str, str]) -> list[Failure]:
        """Run the longest first, one process a core; however this ends, no process stays."""
        waiting = self._longest_first(todo)
        working: list[_Work] = []
        failures = []
        with self.progress, ExitStack() as processes:
            while waiting or working:
                while waiting and len(working) < self.processes:
                    working.append(self._begin(waiting.pop(0), processes))
                time.sleep(PAUSE)
                self.progress.tick()
                for work in list(working):
                    if outcome := work.child.poll():
                        working.remove(work)
                        work.child.close()
                        if failed := self._end(work, outcome, sums):
                            failures.append(failed)
        return failures

    def _longest_first(self, todo: Sequence[Run]) -> list[Run]:
        """The runs by the seconds that each took last, unknown ones before all others."""
        expected = {run: self._expected(run) for run in todo}
        known = [run for run in todo if expected[run] is not None]
        waiting = [run for run in todo if expected[run] is None]
        waiting += sorted(known, key=lambda run: expected[run] or 0, reverse=True)
        for run in waiting:
            self.progress.wait(run, expected[run])
        return waiting

    def _expected(self, run: Run) -> float | None:
        seconds = records.last(run).get("user_seconds")
        return seconds if isinstance(seconds, float) else self.cache.seconds(run)

    def _begin(self, run: Run, processes: ExitStack) -> "_Work":
        self.progress.start(run)
        work = _Work(run, records.begun(run), Child(run, self.limits))
        processes.callback(work.child.close)
        return work

    def _end(self, work: "_Work", outcome: Outcome, sums: dict[str, str]) -> Failure | None:
        """Keep what a run printed, or say why not."""
        run = work.run
        failed = why_failed(run, outcome, self.limits, sums)
        if not failed and not _unchanged(work, outcome, sums):
            failed = Failure(run, "the script or its data changed while it ran; run it again")
        if failed:
            self.progress.failed(run)
            return failed
        record = records.made(run, work.given, outcome, sums)
        records.keep(run, record, outcome.printed)
        self.cache.store(run, record, outcome.printed)
        self.progress.done(run, record)
        return None


@dataclass(frozen=True)
class _Work:
    """A run that is under way, and what it was given when it began."""

    run: Run
    given: Record
    child: Child


def _unchanged(work: _Work, outcome: Outcome, sums: dict[str, str]) -> bool:
    """Whether the script and its data are what they were when the run began."""
    return work.given | records.inputs(work.run) == work.given and all(
        data.sha256((work.run.root / path).read_bytes()) == sums[path] for path in outcome.opened
    )


def _remove_orphans(root: Path, book: Sequence[Run]) -> None:
    """Delete from build/runs the transcripts of runs that the book no longer has."""
    wanted = {path for run in book for path in (run.transcript, run.record)}
    for path in (root / "build" / "runs").glob("*/*"):
        if path.suffix in {".txt", ".json", ".part"} and path not in wanted:
            path.unlink()
