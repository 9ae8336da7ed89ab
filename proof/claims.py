"""Every number and every claim of the book, from any folder of transcripts, without Sphinx."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from press.directives import arithmetic
from press.directives.arithmetic import Printed
from recorder import header
from recorder.errors import BookError
from recorder.layout import chapter_path
from recorder.plan import Run, all_runs, runs_of
from recorder.transcript import Transcript

ROLE = re.compile(r"\{(fact|claim)\}`([^`]+)`")
EVALUATE: dict[str, Callable[[str, Callable[[str], Printed]], object]] = {
    "fact": arithmetic.shown,
    "claim": arithmetic.checked,
}


class NotRunError(Exception):
    """A number is wanted of a run that was not made."""


class Facts:
    """The facts of some `runs` of the book at `root`, by the names that the book gives them.

    Runs `beside` them give facts too, but are not on trial. `asked` are the runs of whose facts
    somebody asked since it was cleared.
    """

    def __init__(self, root: Path, runs: Sequence[Run], beside: Sequence[Run] = ()) -> None:
        self.root = root
        self._runs = {run.label: run for run in (*beside, *runs)}
        self._beside = {run.label for run in beside}
        self.asked: set[str] = set()
        paths = {run.name: chapter_path(root, run.name) for run in all_runs(root)}
        self.headers = {name: header.read(path) for name, path in paths.items() if path.exists()}

    def printed(self, name: str, chapter: str = "") -> Printed:
        """The fact `name` of `chapter`, or `script:name`, as printed; one a seed of several.

        Raises NotRunError when its run is none of ours, BookError when there is no such number.
        """
        runs, pattern = self._recorded(name, chapter)
        self.asked |= {run.label for run in runs}
        try:
            values = [Transcript.of(run).fact(pattern) for run in runs]
        except BookError as error:
            raise BookError(f"the fact '{name}': {error}") from error
        if runs[0].seed is None:
            return values[0]
        return {run.seed or 0: value for run, value in zip(runs, values, strict=True)}

    def tried(self) -> bool:
        """Whether what was asked puts one of our runs on trial."""
        return not self.asked or not self.asked <= self._beside

    def _recorded(self, name: str, chapter: str) -> tuple[list[Run], str]:
        """The runs of a fact, as we have them, and its pattern."""
        script, _, fact = name.rpartition(":")
        chapter = self._named(script) if script else chapter
        experiment, pattern = self._declared(chapter, fact)
        labels = [run.label for run in runs_of(self.root, chapter, experiment)]
        if not all(label in self._runs for label in labels):
            raise NotRunError
        return [self._runs[label] for label in labels], pattern

    def _named(self, script: str) -> str:
        chapters = [chapter for chapter in self.headers if chapter.split("/")[1] == script]
        if len(chapters) != 1:
            raise BookError(f"the book has no chapter '{script}'")
        return chapters[0]

    def _declared(self, chapter: str, fact: str) -> tuple[str | None, str]:
        declared = self.headers[chapter].all_facts if chapter in self.headers else {}
        if fact not in declared:
            raise BookError(f"the header of book/{chapter}.md has no fact '{fact}'")
        return declared[fact]


@dataclass
class Count:
    """How many were tried, a sentence for each that did not hold, and how many had no run."""

    tried: int = 0
    complaints: list[str] = field(default_factory=list)
    not_run: int = 0

    def add(self, document: str, facts: Facts, evaluate: Callable[[], object]) -> None:
        """Try one number or claim of book/`document`.md, by some facts."""
        facts.asked.clear()
        complaints = []
        try:
            evaluate()
        except NotRunError:
            self.not_run += 1
            return
        except BookError as error:
            complaints = [f"book/{document}.md: {error}"]
        if facts.tried():
            self.tried += 1
            self.complaints += complaints


def check(root: Path, runs: Sequence[Run], beside: Sequence[Run] = ()) -> dict[str, Count]:
    """All numbers and all claims of the book at `root`, from the transcripts of these runs.

    The numbers are what the headers name as facts and what the text computes of them. Runs that
    stand `beside` give the facts that others are compared with, and are not tried themselves.
    """
    facts = Facts(root, runs, beside)
    numbers, claims = Count(), Count()
    for chapter, declared in facts.headers.items():
        for fact in declared.all_facts:
            numbers.add(chapter, facts, partial(facts.printed, fact, chapter))
    for document, role, text in roles(root):
        count = claims if role == "claim" else numbers
        printed = partial(facts.printed, chapter=document)
        count.add(document, facts, partial(EVALUATE[role], text, printed))
    return {"numbers": numbers, "claims": claims}


def roles(root: Path) -> list[tuple[str, str, str]]:
    """The document, the role and the text of every {fact}`...` and {claim}`...` of the book."""
    book = root / "book"
    return [
        (path.relative_to(book).with_suffix("").as_posix(), role, _text(text))
        for path in sorted(book.rglob("*.md"))
        for role, text in ROLE.findall(path.read_text(encoding="utf-8"))
    ]


def _text(written: str) -> str:
    """A role's text; in a table its bar is written with a backslash."""
    return " ".join(written.replace("\\|", "|").split())
