"""The table that `make prove` and `make test` end with: what was tried, what did not hold."""

import json
from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HEADINGS = ("part", "what", "tried", "failed", "note")


@dataclass(frozen=True)
class Row:
    """One kind of trial: `tried` of them, of which `failed` did not hold.

    Where something cannot be tried on this machine, `tried` is 0 and `note` says why.
    """

    part: str
    what: str
    tried: int
    failed: int = 0
    note: str = ""

    def __str__(self) -> str:
        return f"{self.part} | {self.what} | {self.tried:,} tried, {self.failed:,} failed" + (
            f" | {self.note}" if self.note else ""
        )


def laid_out(rows: Iterable[Row]) -> str:
    """The rows under their headings, in columns, numbers to the right."""
    lines = [(row.part, row.what, f"{row.tried:,}", f"{row.failed:,}", row.note) for row in rows]
    return columns([HEADINGS, *lines], right={2, 3})


def columns(lines: Sequence[Sequence[str]], right: Container[int]) -> str:
    """Lines of equally many cells below each other; the columns in `right` end at the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            f"{cell:>{width}}" if place in right else f"{cell:{width}}"
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def kept(path: Path) -> list[Row]:
    """The rows in a file, none where there is no file."""
    return [Row(**row) for row in json.loads(path.read_bytes())] if path.exists() else []


def keep(path: Path, rows: Iterable[Row]) -> None:
    """Write rows to a file, in the place of those that it held."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
