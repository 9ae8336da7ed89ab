"""Finished runs in the user's cache folder, so that a second clone waits for none of them."""

import json
import os
from contextlib import suppress
from pathlib import Path

from recorder import records
from recorder.data import sha256
from recorder.plan import Run
from recorder.records import Record

KEPT = 8  # entries of one run: enough for a few versions of a script on a few Pythons


class Cache:
    """One file a finished run, in `folder`; unless it is `reading`, it only keeps.

    Never a reason to fail: what cannot be read is not there, what cannot be written is left.
    """

    def __init__(self, folder: Path, reading: bool = True) -> None:
        self._folder, self._reading = folder, reading

    def load(self, run: Run, sums: dict[str, str]) -> tuple[Record, bytes] | None:
        """Record and transcript of a run with these very inputs, if there is one."""
        if not self._reading:
            return None
        given = records.inputs(run)
        entry = records.read_json(self._path(run, given))
        record, printed = entry.get("record", {}), _bytes(entry.get("transcript"))
        return (record, printed) if records.vouches(record, given, sums, printed) else None

    def store(self, run: Run, record: Record, printed: bytes) -> None:
        """Keep a finished run, and of older ones only the newest few."""
        path = self._path(run, record)
        entry = json.dumps({"record": record, "transcript": printed.decode()})
        with suppress(OSError):
            records.write_whole(path, entry.encode())
            for old in self._entries(run)[KEPT:]:
                old.unlink(missing_ok=True)

    def seconds(self, run: Run) -> float | None:
        """User seconds of the newest run of this name, whatever its inputs were."""
        for path in self._entries(run) if self._reading else []:
            record = records.read_json(path).get("record")
            if isinstance(record, dict) and isinstance(record.get("user_seconds"), float):
                return float(record["user_seconds"])
        return None

    def _path(self, run: Run, given: Record) -> Path:
        """Where a run with these inputs is kept; a whole record serves as inputs too."""
        key = [given[name] for name in sorted(records.inputs(run))]
        return self._folder / run.label / f"{sha256(json.dumps(key).encode())}.json"

    def _entries(self, run: Run) -> list[Path]:
        """The files of a run, newest first."""
        paths = (self._folder / run.label).glob("*.json")
        return sorted(paths, key=_modified, reverse=True)


def _bytes(text: object) -> bytes:
    """A transcript as it was printed; JSON can also say what no UTF-8 can."""
    return str(text).encode(errors="replace")


def _modified(path: Path) -> float:
    """When an entry was written, in seconds; another recorder may have removed it just now."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0


def user_folder() -> Path:
    """The book's folder in the user's cache folder; who has no home has none."""
    with suppress(RuntimeError):
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(base) / "no-magic" / "runs"
    return Path(os.devnull) / "runs"
