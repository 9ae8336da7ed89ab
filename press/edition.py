"""What this edition is called, who made it, its version and its date: CITATION.cff, for all.

Without `date-released` the file names no edition yet: what is made is a draft, known by its commit
and that one's day.

`url`, if the file has one, is the address below which the edition stands on the web. Nothing else
names an address, and without it nothing pretends to have one.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from recorder.errors import BookError

FILE = "CITATION.cff"
STEM = "no-magic"  # begins the names of the files that are made
NO_COMMIT = re.compile("bad revision 'HEAD'|any commits yet")  # git of a new history
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
    released: bool = True

    @property
    def label(self) -> str:
        """How sentences name this edition."""
        return f"version {self.version}" if self.released else f"draft of {self.day}"

    @property
    def number(self) -> str:
        """What stands where others have the number of their edition."""
        return self.version if self.released else f"draft of {self.date.isoformat()}"

    @property
    def tag(self) -> str:
        """What the names of its files have in them."""
        return self.version if self.released else "draft"

    @property
    def day(self) -> str:
        """The date as readers write it."""
        return f"{self.date:%-d %B %Y}"

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
    this = _read(root)
    if this.released:
        return this
    return replace(this, date=datetime.fromtimestamp(int(epoch(root)), UTC).date())


def _read(root: Path) -> Edition:
    """What CITATION.cff says; of a draft's date it knows nothing."""
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
            date=_day(fields.get("date-released", date.min)),
            keywords=tuple(map(str, fields.get("keywords", ()))),
            url=str(fields.get("url", "")).rstrip("/"),
            released="date-released" in fields,
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


def imprint(root: Path) -> tuple[str, str, str]:
    """The sentence that says what this copy is: before the commit, the commit, after it."""
    this, made_from = read(root), commit(root)
    if this.released:
        before = f"Edition {this.version} of {this.day}"
        return f"{before}, made from commit " if made_from else before, made_from, "."
    if made_from:
        return "Draft of commit ", made_from, f", {this.day}."
    return f"Draft of {this.day}", "", "."


def commit(root: Path) -> str:
    """The commit that is checked out, marked if a file of it was changed; "" without a history."""
    return _git(root, "describe", "--always", "--abbrev=10", "--dirty=, changed")


def committed(root: Path, file: str) -> str:
    """The text of a file, by its path from the root, in the commit that is checked out, or ""."""
    known = _git(root, "ls-tree", "--name-only", "HEAD", file)
    return _git(root, "show", f"HEAD:{file}") if known else ""


def epoch(root: Path) -> str:
    """The time the book carries: SOURCE_DATE_EPOCH, or the last commit's, or CITATION.cff's."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if given and not (given.isascii() and given.isdigit()):
        raise BookError(f"SOURCE_DATE_EPOCH={given} is no time: give seconds since 1970, or none.")
    if time_of := given or _git(root, "log", "-1", "--format=%ct"):
        return time_of
    this = _read(root)
    midnight = datetime.combine(this.date, time(), UTC).timestamp()
    return f"{midnight if this.released else (root / FILE).stat().st_mtime:.0f}"


def _git(root: Path, *command: str) -> str:
    """What git says of this checkout alone; "" where it has no history.

    Raises BookError where it has one that git does not read, such as somebody else's.
    """
    if not (root / ".git").exists():
        return ""
    foreign = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")  # of another, as in its hooks
    own = {key: value for key, value in os.environ.items() if key not in foreign}
    own |= {"LC_ALL": "C", "GIT_CEILING_DIRECTORIES": str(root.parent)}
    git = ["git", "-C", str(root), *command]
    try:
        done = subprocess.run(git, capture_output=True, text=True, env=own)
    except FileNotFoundError:
        raise BookError(f"{root} has a history, and no git to read it: install git.") from None
    said = " ".join(done.stderr.split())
    if "dubious ownership" in said:
        raise BookError(
            f"git does not read the history of {root}, which belongs to somebody else: allow it "
            f"with `git config --global --add safe.directory '{root}'`, and make again."
        )
    if done.returncode and not NO_COMMIT.search(said):
        raise BookError(f"git cannot read the history of {root}: {said}")
    return done.stdout.strip() if done.returncode == 0 else ""
