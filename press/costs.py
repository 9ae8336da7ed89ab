"""What a chapter costs its reader: minutes of reading, and by the records seconds of computing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from press.path import Stop
from recorder.header import FRONT_MATTER
from recorder.layout import chapter_path, script_path
from recorder.plan import Run, runs_of
from recorder.transcript import Transcript

WORDS_A_MINUTE = 90  # of technical prose, read with a pencil


@dataclass(frozen=True)
class Cost:
    """What it takes to read a chapter, and took to run its script and its short experiments."""

    reading: float  # minutes, for the chapter's own words, without its listings and the run
    script: float  # seconds of user CPU time
    experiments: float
    memory: int  # bytes, of the script
    lines: int


def of(root: Path, stop: Stop, read: Callable[[Run], Transcript] = Transcript.of) -> Cost:
    """The cost of a chapter of the book at `root`; BookError when a run was not made."""
    [run] = runs_of(root, stop.document)
    main = read(run).record
    others = [
        read(run).record["user_seconds"]
        for experiment in stop.header.experiments
        for run in runs_of(root, stop.document, experiment)
        if not run.long
    ]
    text = chapter_path(root, stop.document).read_text(encoding="utf-8")
    lines = script_path(root, stop.document).read_text(encoding="ascii").count("\n")
    words = len(FRONT_MATTER.sub("", text).split())
    seconds = main["user_seconds"]
    return Cost(words / WORDS_A_MINUTE, seconds, sum(others), main["peak_memory"], lines)
