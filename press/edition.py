"""What this edition is called, who made it, its version and its date: CITATION.cff, for all.

`url`, if the file has one, is the address below which the edition stands on the web. Nothing else
names an address, and without it nothing pretends to have one.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from recorder.errors import BookError

FILE = "CITATION.cff"
STEM = "no-magic"  # begins the names of the files that are made
SUBTITLE = "The algorithms behind modern AI, one readable file at a time"  # as covers have it


@dataclass(frozen=True)
class Author:
    """A person, or without a `given` name a body such as "The No Magic authors"."""

    family: str
    given: str = ""

    def __str__(self) -> str:
        return f"{self.given} {self.family}".strip()


@dataclass(frozen=True)
class Edition:
    """The fields of CITATION.cff that the book prints."""

    title: str
    authors: tuple[Author, ...]
    version: str
    date: date
    keywords: tuple[str, ...]
    url: str

    @property
    def name(self) -> str:
        """The title without what follows its colon."""
        return self.title.partition(":")[0]

    @property
    def by(self) -> str:
        """The authors as a title page names them."""
        return ", ".join(map(str, self.authors))


def read(root: Path) -> Edition:
    """The edition of the book at `root`. Raises BookError when a field is missing or no such."""
    path = root / FILE
    try:
        return _edition(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        raise BookError(f"{FILE} is missing; put it back, it names the edition.") from None


@cache
def _edition(path: Path, modified: int) -> Edition:
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Edition(
            title=str(fields["title"]),
            authors=tuple(_author(author) for author in fields["authors"]),
            version=str(fields["version"]),
            date=_day(fields["date-released"]),
            keywords=tuple(map(str, fields.get("keywords", ()))),
            url=str(fields.get("url", "")).rstrip("/"),
        )
    except KeyError as error:
        raise BookError(f"{FILE} has no field {error}; give it one.") from None
    except (yaml.YAMLError, TypeError, ValueError, AttributeError) as error:
        said = " ".join(str(error).split())
        raise BookError(f"{FILE} cannot be read as an edition: {said}.") from error


def _author(fields: Mapping[str, Any]) -> Author:
    if "name" in fields:
        return Author(str(fields["name"]))
    return Author(str(fields["family-names"]), str(fields["given-names"]))


def _day(value: object) -> date:
    if not isinstance(value, date):
        raise ValueError(f"date-released must be a day such as 2026-11-22, not {value!r}")
    return value


def commit(root: Path) -> str:
    """The commit that is checked out, marked if a file of it was changed; "" without a history."""
    git = ["git", "-C", str(root), "describe", "--always", "--abbrev=10", "--dirty=, changed"]
    done = subprocess.run(git, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def epoch(root: Path) -> str:
    """The time the book carries: SOURCE_DATE_EPOCH, or the last commit's, or the edition's."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return given
    git = ["git", "-C", str(root), "log", "-1", "--format=%ct"]
    try:
        return str(int(subprocess.run(git, capture_output=True, text=True, check=True).stdout))
    except (OSError, subprocess.CalledProcessError, ValueError):
        return f"{datetime.combine(read(root).date, time(), UTC).timestamp():.0f}"
