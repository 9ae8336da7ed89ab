"""What a chapter may cost, and which chapters cost more by their records: a part of `make check`.

Seconds are user seconds of CPython 3.13 on one core, whose records alone are judged. Long runs are
in no budget: they are made once. A slow or busy machine takes longer, so what is over a budget is
named, and what is over twice of it fails. Memory is the same everywhere.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from recorder import records
from recorder.layout import ROOT
from recorder.plan import Run, all_runs
from recorder.records import Record

MAIN, CHAPTER = 30, 70  # user seconds of the main run, and of all runs of the chapter together
MEMORY = 500e6  # bytes


def main(root: Path = ROOT) -> int:
    """Say who exceeds a budget; 1 if somebody needs twice as long, or more memory."""
    chapters: dict[str, list[Run]] = {}
    for run in all_runs(root):
        chapters.setdefault(run.name, []).append(run)
    status, unknown = 0, []
    for name, runs in chapters.items():
        measured = [records.last(run) for run in runs]
        if not all(map(judged, measured)):
            unknown.append(name)
            continue
        for excess, fails in excesses(measured):
            print(f"{name} exceeds its budget: {excess}.", file=sys.stderr if fails else sys.stdout)
            status |= fails
    if unknown:
        print(f"Without runs by CPython 3.13, and so not judged by budget: {', '.join(unknown)}.")
    return status


def judged(record: Record) -> bool:
    """Whether a record's seconds can be compared with the budget's."""
    by = f"{record.get('implementation')} {record.get('python')}"
    return by.startswith("CPython 3.13.")


def excesses(measured: list[Record]) -> Iterator[tuple[str, bool]]:
    """What the records of a chapter, its main run's first, have too much of; if that fails."""
    main, chapter = measured[0]["user_seconds"], sum(one["user_seconds"] for one in measured)
    if main > MAIN:
        yield f"its main run takes {main:.0f} s of {MAIN}", main > 2 * MAIN
    if chapter > CHAPTER:
        yield f"all its runs take {chapter:.0f} s of {CHAPTER}", chapter > 2 * CHAPTER
    if (memory := max(one["peak_memory"] for one in measured)) > MEMORY:
        yield f"a run takes {memory / 1e6:.0f} MB of {MEMORY / 1e6:.0f}", True


if __name__ == "__main__":
    sys.exit(main())
