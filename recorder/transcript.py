"""What a script printed, with the record of its run, and the ways to read it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recorder.data import sha256
from recorder.errors import BookError
from recorder.layout import ROOT, run_name, shown, transcript_path
from recorder.patterns import compiled

Value = int | float | str | None


@dataclass(frozen=True)
class Transcript:
    """One recorded run: `text` is what the script printed, `record` the JSON beside it."""

    path: Path
    text: str
    record: dict[str, Any]

    @classmethod
    def load(cls, name: str, experiment: str | None = None, root: Path = ROOT) -> "Transcript":
        """The run of the script `name`, such as "01-foundations/microgpt", or of an experiment.

        Raises BookError when there is none, or when it is not what its record vouches for.
        """
        return cls._read(transcript_path(root, name, experiment), run_name(name, experiment))

    def experiment(self, name: str) -> "Transcript":
        """The transcript of the experiment `name` of this script."""
        stem = self.path.stem.split("--")[0]
        path = self.path.with_name(f"{run_name(stem, name)}.txt")
        if not path.exists():
            there = sorted(p.stem.removeprefix(f"{stem}--") for p in _experiments(path, stem))
            raise BookError(
                f"{stem} has no recorded experiment '{name}' "
                f"(recorded: {', '.join(there) or 'none'}); name it in the chapter's header "
                "and run `make runs`."
            )
        return self._read(path, f"{path.parent.name}/{path.stem}")

    def rows(self, pattern: str) -> list[Any]:
        """One entry for each match of `pattern` (MULTILINE), in order.

        An entry is the tuple of its groups, or the plain value where there is at most one;
        what parses as a number is one. Raises BookError when nothing matches.
        """
        matches = list(_compiled(pattern).finditer(self.text))
        if not matches:
            raise BookError(f"The pattern {pattern!r} matches nothing in {shown(self.path)}.")
        return [_row(match) for match in matches]

    def fact(self, pattern: str) -> str:
        """Group 1 of the only match of `pattern` (MULTILINE), as printed.

        Raises BookError, listing the hits, unless there is exactly one.
        """
        matches = list(_compiled(pattern).finditer(self.text))
        if len(matches) != 1:
            hits = "".join(f"\n  line {self._line(match)}: {match[0]}" for match in matches)
            times = f"{len(matches)} times" if matches else "never"
            raise BookError(
                f"The pattern {pattern!r} must match {shown(self.path)} once, "
                f"but matches {times}{':' if hits else '.'}{hits}"
            )
        if matches[0].re.groups != 1 or matches[0][1] is None:
            raise BookError(f"The pattern {pattern!r} needs one group, (...), around the value.")
        return matches[0][1]

    def _line(self, match: re.Match[str]) -> int:
        return self.text.count("\n", 0, match.start()) + 1

    @classmethod
    def _read(cls, path: Path, name: str) -> "Transcript":
        try:
            printed = path.read_bytes()
            record = json.loads(path.with_suffix(".json").read_bytes())
            whole = record["transcript_sha256"] == sha256(printed)
        except OSError:
            raise BookError(f"{name} has no transcript yet; run `make runs`.") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            whole = False
        if not whole:
            raise BookError(
                f"{shown(path)} is not what its record vouches for; run `make runs` again."
            )
        return cls(path, printed.decode(), record)


def _experiments(path: Path, stem: str) -> list[Path]:
    return list(path.parent.glob(f"{stem}--*.txt"))


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return compiled(pattern, re.MULTILINE)
    except ValueError as error:
        raise BookError(f"The pattern {pattern!r} {error}.") from error


def _row(match: re.Match[str]) -> Value | tuple[Value, ...]:
    values = tuple(_value(group) for group in match.groups())
    if len(values) > 1:
        return values
    return values[0] if values else _value(match[0])


def _value(text: str | None) -> Value:
    """_value("12") -> 12, _value("2.5") -> 2.5, _value("gpt") -> "gpt"."""
    if text is None:
        return None
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
