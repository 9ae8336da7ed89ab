"""Cut a script into the sections that its headers open; the pieces tile the file."""

import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from recorder.errors import BookError
from recorder.layout import shown

PREAMBLE = "Docstring"  # the title of the lines before the first header
HEADER = re.compile(r"^[ \t]*# (?:=== (.+?) ===|--- (.+?) ---)[ \t]*$")


@dataclass(frozen=True)
class Section:
    """A run of whole lines of a script, numbered from 1, both ends included.

    `level` is 1 for `# === Title ===` and for the docstring, 2 for `# --- Title ---`;
    `last_shown` is the last line that is not blank, where a listing ends.
    """

    title: str
    level: int
    first: int
    last: int
    last_shown: int
    text: str


def cut(source: str, path: Path) -> list[Section]:
    """The sections of a script's text, in order; `path` is for messages.

    Joined, their texts are `source` again. Raises BookError when two sections share a title.
    """
    lines = list(io.StringIO(source, newline="\n"))  # splitlines() would also cut at form feeds
    headers = [(index, found) for index, line in enumerate(lines) if (found := HEADER.match(line))]
    starts = [index for index, _ in headers]
    titles = [(found[1] or found[2], 1 if found[1] else 2) for _, found in headers]
    if lines and (not starts or starts[0] > 0):
        starts.insert(0, 0)
        titles.insert(0, (PREAMBLE, 1))
    sections = [
        _section(title, level, start, lines[start:end])
        for (title, level), (start, end) in zip(
            titles, pairwise([*starts, len(lines)]), strict=True
        )
    ]
    _refuse_shared_titles(sections, path)
    return sections


def read(path: Path) -> list[Section]:
    """The sections of the script at `path`."""
    return cut(path.read_text(encoding="utf-8"), path)


def section_at(sections: Sequence[Section], line: int) -> Section:
    """The section in which line number `line`, from 1, stands; IndexError beyond the file."""
    for section in sections:
        if section.first <= line <= section.last:
            return section
    raise IndexError(f"no section has a line {line}")


def _section(title: str, level: int, start: int, lines: list[str]) -> Section:
    """The section made of `lines`, the first of which has index `start`, from 0."""
    blank = next((n for n, line in enumerate(reversed(lines)) if line.strip()), len(lines) - 1)
    last = start + len(lines)
    return Section(title, level, start + 1, last, last - blank, "".join(lines))


def _refuse_shared_titles(sections: list[Section], path: Path) -> None:
    for title, count in Counter(section.title for section in sections).items():
        if count > 1:
            where = " and ".join(str(s.first) for s in sections if s.title == title)
            raise BookError(
                f"{shown(path)} has {count} sections called '{title}' (lines {where}); "
                "give each a title of its own."
            )
