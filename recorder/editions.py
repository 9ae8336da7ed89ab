"""An edition's runs: packed to be released with it, and taken in to print its numbers again.

The archive is a zip file of runs/T/N.txt and .json, as they stand in build/runs, and edition.json
with the version. Runs that were taken in stay fresh on any machine, for as long as script, data and
constants are the edition's: build/runs/edition.json names them and what their records were.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recorder import data, records
from recorder.archive import zipped
from recorder.child import LIMITS
from recorder.data import sha256
from recorder.errors import BookError
from recorder.layout import shown
from recorder.plan import Run
from recorder.records import EDITION, Record

FOLDER = "runs/"


def pack(root: Path, runs: list[Run], version: str, moment: int) -> bytes:
    """The archive of all runs of the book. Raises BookError when one is stale."""
    sums = data.verified(root)
    contents = {EDITION: _json({"version": version})}
    for run in runs:
        if not records.is_fresh(run, sums):
            raise BookError(f"{shown(run.transcript)} is missing or stale; run `make runs`.")
        for path in (run.transcript, run.record):
            contents[f"{FOLDER}{run.label}{path.suffix}"] = path.read_bytes()
    return zipped(contents, moment)


def take_in(root: Path, runs: list[Run], archive: Path) -> str:
    """Put an edition's runs in the place of our own, all of them or none; returns its version.

    Raises BookError, before anything is written, for an archive that is damaged or does not belong
    to these scripts, chapters and data: naming the file and what to do.
    """
    sums = data.verified(root)
    contents = _read(archive)
    version = _version(contents, archive)
    tag = (
        f"these are not the sources of edition {version}; check them out (git checkout v{version})"
    )
    _compare_names(contents, runs, archive, tag)
    for run in runs:
        _check(run, contents, sums, tag)
    for run in runs:
        for path in (run.transcript, run.record):
            records.write_whole(path, contents[f"{FOLDER}{run.label}{path.suffix}"])
    known = {run.label: sha256(run.record.read_bytes()) for run in runs}
    # Last: a taking in that is cut short leaves whole runs, fresh where they would be without it.
    marker = root / "build" / "runs" / EDITION
    records.write_whole(marker, _json({"version": version, "records": known}))
    return version


def _read(archive: Path) -> dict[str, bytes]:
    """The files of an archive by name, each of a size that a run may have."""
    try:
        with zipfile.ZipFile(archive) as file:
            for info in file.infolist():
                if info.file_size > LIMITS.output:
                    raise BookError(f"{archive}: {info.filename} is larger than any transcript.")
            return {name: file.read(name) for name in file.namelist()}
    except FileNotFoundError:
        raise BookError(f"{archive} is not there; name the archive no-magic-*-runs.zip.") from None
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise BookError(
            f"{archive} is no whole zip file ({error}); fetch the archive again."
        ) from error


def _version(contents: Mapping[str, bytes], archive: Path) -> str:
    version = _mapping(contents.get(EDITION, b"")).get("version")
    if not isinstance(version, str):
        raise BookError(
            f"{archive} has no {EDITION} with a version; name an archive no-magic-*-runs.zip."
        )
    return version


def _compare_names(contents: Mapping[str, bytes], runs: list[Run], archive: Path, tag: str) -> None:
    """The archive has every run of the book, and nothing else."""
    wanted = {f"{FOLDER}{run.label}{ending}" for run in runs for ending in (".txt", ".json")}
    for name in sorted(wanted - contents.keys()):
        raise BookError(f"{archive} has no {name}: {tag}.")
    for name in sorted(contents.keys() - wanted - {EDITION}):
        raise BookError(f"{archive} has {name}, which is no run of this book: {tag}.")


def _check(run: Run, contents: Mapping[str, bytes], sums: Mapping[str, str], tag: str) -> None:
    """Raise BookError unless the record vouches for the transcript, and for what we have here."""
    name = f"{FOLDER}{run.label}"
    record = _mapping(contents[f"{name}.json"])
    missing = [key for key in records.KEYS if key not in record]
    if missing or not isinstance(record.get("data"), dict):
        raise BookError(f"{name}.json is no record of a run; fetch the archive again.")
    if record["record_sha256"] != records.seal(record):
        raise BookError(f"{name}.json is not what was recorded; fetch the archive again.")
    if record["transcript_sha256"] != sha256(contents[f"{name}.txt"]):
        raise BookError(f"{name}.txt is not what its record vouches for; fetch the archive again.")
    if other := records.difference(run, record, sums, f"{name}.json"):
        raise BookError(f"{other}: {tag}.")


def _mapping(content: bytes) -> Record:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode() + b"\n"
