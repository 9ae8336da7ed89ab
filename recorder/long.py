"""Long experiments: recorded once by `make long`, committed, and read by every build.

Their transcripts and records stand in book/long. A record holds for any machine and any Python, as
long as the script's code, its data and its constants are those that it tells of.
"""

from pathlib import Path

from recorder import data, records
from recorder.errors import BookError
from recorder.layout import LONG
from recorder.plan import Run, long_runs
from recorder.records import Record


def remedy(run: Run) -> str:
    """What makes the transcript of a run."""
    return f"run `make long NAME={run.name}`" if run.long else "run `make runs`"


def refuse_orphans(root: Path) -> None:
    """Raise BookError for a file in book/long that no chapter declares; nothing is deleted."""
    wanted = {path for run in long_runs(root) for path in (run.transcript, run.record)}
    for path in sorted((root / LONG).glob("**/*")):
        if path.is_file() and path not in wanted and not path.name.startswith("."):
            raise BookError(
                f"{path.relative_to(root)} belongs to no long experiment of a chapter; "
                "remove it (git rm), or give the experiment its name back."
            )


def sweep(root: Path) -> None:
    """Delete from book/long what recorders that were killed have half written."""
    for part in (root / LONG).glob("*/.*.part"):
        part.unlink()


def stale(root: Path, sums: dict[str, str]) -> list[Run]:
    """The long runs whose records are missing, or tell of another script, data or constants."""
    return [run for run in long_runs(root) if not records.is_fresh(run, sums)]


def refuse_others(run: Run, record: Record) -> None:
    """Raise BookError where a long run's record tells of another script, data or constants."""
    own = run.script.relative_to(run.root).as_posix()
    sums = data.listed(run.root) | {own: data.sha256(run.script.read_bytes())}
    if other := records.difference(run, record, sums, run.record.relative_to(run.root).as_posix()):
        raise BookError(f"{other}; {remedy(run)}.")
