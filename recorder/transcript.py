"""What a script printed, with the record of its run, and the ways to read it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recorder import long, records
from recorder.data import sha256
from recorder.errors import BookError
from recorder.layout import ROOT, shown
from recorder.patterns import compiled
from recorder.plan import Run, runs_of

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

        Raises BookError as `of` does, and for an experiment that has a run for each of its seeds.
        """
        run, *others = runs_of(root, name, experiment)
        if others:
            seeds = ", ".join(str(other.seed) for other in (run, *others))
            raise BookError(
                f"The experiment '{experiment}' of book/{name}.md has a run for each of the seeds "
                f"{seeds}; say which."
            )
        return cls.of(run)

    @classmethod
    def of(cls, run: Run, also_stale: bool = False) -> "Transcript":
        """What a run printed.

        Raises BookError when that is not there or not what its record vouches for, and, unless
        `also_stale`, for a long run recorded with another script, data or constants than are here.
        """
        try:
            printed = run.transcript.read_bytes()
            record = json.loads(run.record.read_bytes())
            whole = record["transcript_sha256"] == sha256(printed)
            if run.long and whole:
                whole = record["record_sha256"] == records.seal(record)
                if not also_stale:
                    long.refuse_others(run, record)
        except OSError:
            raise BookError(f"{run.label} has no transcript yet; {long.remedy(run)}.") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            whole = False
        if not whole:
            raise BookError(
                f"{shown(run.transcript)} is not what its record vouches for; "
                f"{long.remedy(run)} again."
            )
        return cls(run.transcript, printed.decode(), record)

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
