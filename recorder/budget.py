"""What a chapter may cost, and which chapters cost more by their records: a part of `make check`.

Seconds are user seconds of CPython 3.13 on one core, whose records alone are judged. Long runs are
in no budget: they are made once.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recorder import records
from recorder.layout import ROOT
from recorder.plan import Run, all_runs
from recorder.records import Record

MEMORY = 500e6  # bytes


@dataclass(frozen=True)
class Budget:
    """User seconds of the main run, and of all runs of the chapter together."""

    main: float
    chapter: float


NEW = Budget(30, 70)
# The first ten chapters have until their rework what they were written for.
FIRST = {
    **dict.fromkeys(["microautograd", "microtokenizer", "microembedding"], Budget(60, 150)),
    **dict.fromkeys(["microrag", "microlora", "microdpo"], Budget(60, 150)),
    **dict.fromkeys(["microquant", "microflash"], Budget(60, 150)),
    **dict.fromkeys(["microgpt", "microattention"], Budget(90, 150)),
}


def main(root: Path = ROOT) -> int:
    """Say who exceeds a budget; 1 if one of them may not."""
    chapters: dict[str, list[Run]] = {}
    for run in all_runs(root):
        chapters.setdefault(run.name, []).append(run)
    status, unknown = 0, []
    for name, runs in chapters.items():
        measured = [records.last(run) for run in runs]
        allowed = FIRST.get(name.split("/")[1], NEW)
        if not all(map(judged, measured)):
            unknown.append(name)
            continue
        for excess in excesses(measured, allowed):
            print(f"{name} exceeds its budget: {excess}.", file=sys.stderr)
            status = 1
        if allowed != NEW:
            for excess in excesses(measured, NEW):
                print(f"{name} exceeds the budget of a new chapter: {excess}.")
    if unknown:
        print(f"Without runs by CPython 3.13, and so not judged by budget: {', '.join(unknown)}.")
    return status


def judged(record: Record) -> bool:
    """Whether a record's seconds can be compared with the budgets'."""
    by = f"{record.get('implementation')} {record.get('python')}"
    return by.startswith("CPython 3.13.")


def excesses(measured: list[Record], allowed: Budget) -> Iterator[str]:
    """What the records of a chapter, its main run's first, have too much of."""
    main, chapter = measured[0]["user_seconds"], sum(one["user_seconds"] for one in measured)
    if main > allowed.main:
        yield f"its main run takes {main:.0f} s of {allowed.main:g}"
    if chapter > allowed.chapter:
        yield f"all its runs take {chapter:.0f} s of {allowed.chapter:g}"
    if (memory := max(one["peak_memory"] for one in measured)) > MEMORY:
        yield f"a run takes {memory / 1e6:.0f} MB of {MEMORY / 1e6:.0f}"


if __name__ == "__main__":
    sys.exit(main())
