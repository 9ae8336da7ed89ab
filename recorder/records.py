"""The JSON record beside each transcript: what went in, what it cost, what it vouches for.

Of the keys, code_sha256 is what the script computes (recorder/codehash.py), script_sha256 the file
as it ran, comments and all; set has new values of constants, data the SHA-256 of each file that the
script opened by its path, peak_memory is in bytes, sandbox what stood around the script
(recorder/wall.py; no input, since it changes no number), and date is ISO 8601 in UTC.
"""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from recorder import codehash, guard, wall
from recorder.child import Outcome
from recorder.data import sha256
from recorder.layout import shown
from recorder.plan import Run

Record = dict[str, Any]

KEYS = (
    "script", "script_sha256", "code_sha256", "experiment", "set", "data", "guard", "python",
    "implementation", "platform", "machine", "cpu", "user_seconds", "peak_memory", "exit_status",
    "date", "transcript_sha256", "output_bytes", "record_sha256",
)  # fmt: skip
MACHINE = ("guard", "python", "implementation", "platform")  # of a run's inputs, not the book's own
WAS = "build/was"  # what drafts replaced, a root with the rooms of the book's
EDITION = "edition.json"  # in build/runs: the runs that an edition's archive gave


def inputs(run: Run, record: Record | None = None) -> Record:
    """The part of a record that is known before the run; all of it must agree for a fresh one.

    Where the script is, byte for byte, that of a `record`, so is its code.
    """
    source = run.script.read_bytes()
    same = record and record.get("script_sha256") == sha256(source)
    return {
        "code_sha256": record.get("code_sha256") if record and same else codehash.digest(source),
        "set": run.set,
        "guard": guard.FORMAT,
        "python": run.interpreter.version,
        "implementation": run.interpreter.implementation,
        "platform": run.interpreter.system,
    }


def begun(run: Run) -> Record:
    """What the record of a run that begins now will say of it: its inputs, and its script."""
    return {"script_sha256": sha256(run.script.read_bytes()), **inputs(run)}


def made(run: Run, given: Record, outcome: Outcome, sums: dict[str, str]) -> Record:
    """The record of a run that ended well, just now; `given` is what it began with."""
    record = {
        "script": f"scripts/{run.name}.py",
        "experiment": run.experiment,
        **given,
        "data": {path: sums[path] for path in outcome.opened},
        "machine": platform.machine(),
        "cpu": cpu_model(),
        "user_seconds": round(outcome.user_seconds, 2),
        "peak_memory": outcome.peak_memory,
        "exit_status": outcome.status,
        "sandbox": wall.strongest().name,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "transcript_sha256": sha256(outcome.printed),
        "output_bytes": len(outcome.printed),
    }
    return {**record, "record_sha256": seal(record)}


def seal(record: Record) -> str:
    """The SHA-256 of all that a record says, but for the seal itself."""
    said = {key: value for key, value in record.items() if key != "record_sha256"}
    return sha256(json.dumps(said, sort_keys=True).encode())


def vouches(record: Record, given: Record, sums: dict[str, str], printed: bytes) -> bool:
    """Whether `record` tells of a run with inputs `given` and data `sums` that gave `printed`."""
    try:
        return (
            all(record[key] == value for key, value in given.items())
            and all(sums.get(path) == digest for path, digest in record["data"].items())
            and record["transcript_sha256"] == sha256(printed)
            and record["record_sha256"] == seal(record)
        )
    except (KeyError, TypeError, AttributeError):
        return False


def is_fresh(run: Run, sums: dict[str, str]) -> bool:
    """Whether the transcript of `run` is what running it now would give.

    Of an edition's runs, and of long ones, it is enough that they were made anywhere of the same.
    """
    try:
        printed = run.transcript.read_bytes()
    except OSError:
        return False
    record = last(run)
    given = inputs(run, record)
    if run.long or _of_edition(run):
        given = {key: value for key, value in given.items() if key not in MACHINE}
    return vouches(record, given, sums, printed)


def difference(run: Run, record: Record, sums: Mapping[str, str], name: str) -> str:
    """What here is not as in `record`, the file `name`, as a clause; "" for nothing."""
    given = inputs(run, record)
    if record["code_sha256"] != given["code_sha256"]:
        return f"{shown(run.script)} is not what {name} records"
    if record["set"] != given["set"]:
        return f"book/{run.name}.md sets other constants for '{run.experiment}' than {name} records"
    others = [path for path, digest in record["data"].items() if sums.get(path) != digest]
    return f"{others[0]} is not what {name} records" if others else ""


def _of_edition(run: Run) -> bool:
    """Whether the record of `run` is the one that an edition's archive gave."""
    taken = read_json(run.root / "build" / "runs" / EDITION).get("records")
    known = taken.get(run.label) if isinstance(taken, dict) else None
    return run.record.exists() and known == sha256(run.record.read_bytes())


def last(run: Run) -> Record:
    """The record of the last good run, stale or not; {} when there is none to be read."""
    return read_json(run.record)


def set_aside(run: Run) -> None:
    """Keep the transcript that a draft is about to replace, unless an earlier draft kept it."""
    kept = before(run)
    if run.record.exists() and not kept.record.exists():
        keep(kept, last(run), run.transcript.read_bytes())


def before(run: Run) -> Run:
    """The run as it was before somebody drafted changes, below build/was; it may not exist."""
    return replace(run, root=run.root / WAS, long=False)


def keep(run: Run, record: Record, printed: bytes) -> None:
    """Write a transcript, then the record that vouches for it: never half of either."""
    write_whole(run.transcript, printed)
    write_whole(run.record, json.dumps(record, indent=1).encode() + b"\n")


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file; {} when it is missing, unreadable or something else."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that others see the old one or the whole new one, and nothing else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@cache
def cpu_model() -> str:
    """The processor as the system names it, or at least its kind."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
