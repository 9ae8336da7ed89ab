"""Why a run is not kept, in words that name the script and the place."""

import re
import signal
from dataclasses import dataclass

from recorder import sections
from recorder.child import Limits, Outcome
from recorder.errors import BookError
from recorder.layout import shown
from recorder.plan import Run

TAIL = 6  # lines of the script's own error that are shown
# What no page can show, and XML forbids: all but tab and newline, of what ends a line or cannot be.
CONTROL = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")


@dataclass(frozen=True)
class Failure:
    """A run of which nothing is kept: why, as a clause; the line; what the script said itself."""

    run: Run
    reason: str
    line: int | None = None
    errors: str = ""

    def __str__(self) -> str:
        seed = "" if self.run.seed is None else f", seed {self.run.seed}"
        what = f" (experiment {self.run.experiment}{seed})" if self.run.experiment else ""
        said = "".join(f"\n    {_legible(line)}" for line in self.errors.splitlines()[-TAIL:])
        reason = _legible(self.reason)
        return f"{shown(self.run.script)}{what} failed{self._place()}: {reason}.{said}"

    def _place(self) -> str:
        if self.line is None:
            return ""
        try:
            section = sections.section_at(sections.read(self.run.script), self.line)
        except (BookError, ValueError, IndexError):  # a script that is broken in more than one way
            return f" at line {self.line}"
        return f" in section '{section.title}', line {self.line}"


def _legible(text: str) -> str:
    """A script's words without what would command the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text.expandtabs())


def why_failed(run: Run, outcome: Outcome, limits: Limits, sums: dict[str, str]) -> Failure | None:
    """The failure of a run that ended, or None when what it printed may be kept."""
    reason = _reason(outcome, limits, sums)
    if reason is None:
        return None
    line = next((line for line in outcome.news.get("line", []) if line is not None), None)
    return Failure(run, reason, line, outcome.errors.decode(errors="replace"))


def _reason(outcome: Outcome, limits: Limits, sums: dict[str, str]) -> str | None:
    if refusals := outcome.news.get("refused"):
        return str(refusals[0])
    if outcome.late:
        return f"it ran longer than {limits.seconds:g} s"
    if max(len(outcome.printed), len(outcome.errors)) > limits.output:
        return f"it printed more than {limits.output / 1024**2:.3g} MiB"
    if outcome.status:
        return _bad_end(outcome, limits)
    unknown = [path for path in outcome.opened if path not in sums]
    if unknown:
        return f"it read {unknown[0]}, which SHA256SUMS there does not list"
    return _no_text(outcome.printed)


def _no_text(printed: bytes) -> str | None:
    """Why what a run printed is no plain text, which every page can show."""
    try:
        text = printed.decode()
    except UnicodeDecodeError as error:
        line = printed.count(b"\n", 0, error.start) + 1
        return f"line {line} of what it printed is not UTF-8 ({error.reason})"
    if found := CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        return (
            f"line {line} of what it printed has the control character {found[0]!r}; "
            "colours and progress bars go to stderr"
        )
    return None


def _bad_end(outcome: Outcome, limits: Limits) -> str:
    if outcome.status < 0:
        return f"it was killed by {signal.Signals(-outcome.status).name}"
    if outcome.news.get("error") == ["MemoryError"]:
        return f"it needed more than {limits.memory / 1024**3:.3g} GiB of memory"
    return f"it ended with exit status {outcome.status}"
