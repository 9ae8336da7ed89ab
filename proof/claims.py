"""Every number and every claim of the book, from any folder of transcripts, without Sphinx."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from press.directives import arithmetic
from recorder import header
from recorder.errors import BookError
from recorder.layout import chapter_path
from recorder.plan import Run, all_runs
from recorder.transcript import Transcript

ROLE = re.compile(r"\{(fact|claim)\}`([^`]+)`")
EVALUATE = {"fact": arithmetic.shown, "claim": arithmetic.checked}

Printed = Callable[[str], str]


class NotRunError(Exception):
    """A number is wanted of a run that was not made."""


class Facts:
    """The facts of some `runs` below `root`, by the names that the book gives them."""

    def __init__(self, root: Path, runs: Sequence[Run]) -> None:
        self.root = root
        self._labels = {run.label for run in runs}
        paths = {run.name: chapter_path(root, run.name) for run in all_runs(root)}
        self.headers = {name: header.read(path) for name, path in paths.items() if path.exists()}

    def printed(self, name: str, chapter: str = "") -> str:
        """The fact `name` of `chapter`, or `script:name`, as printed.

        Raises NotRunError when its run is none of ours, BookError when there is no such number.
        """
        script, _, fact = name.rpartition(":")
        chapter = self._named(script) if script else chapter
        experiment, pattern = self._declared(chapter, fact)
        if Run(self.root, chapter, experiment).label not in self._labels:
            raise NotRunError
        try:
            return Transcript.load(chapter, experiment, self.root).fact(pattern)
        except BookError as error:
            raise BookError(f"the fact '{name}': {error}") from error

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

    def add(self, document: str, evaluate: Callable[[], object]) -> None:
        """Try one number or claim of book/`document`.md."""
        try:
            evaluate()
        except NotRunError:
            self.not_run += 1
            return
        except BookError as error:
            self.complaints.append(f"book/{document}.md: {error}")
        self.tried += 1


def check(root: Path, runs: Sequence[Run]) -> dict[str, Count]:
    """All numbers and all claims of the book at `root`, from the transcripts of these runs.

    The numbers are what the headers name as facts and what the text computes of them.
    """
    facts = Facts(root, runs)
    numbers, claims = Count(), Count()
    for chapter, declared in facts.headers.items():
        for fact in declared.all_facts:
            numbers.add(chapter, partial(facts.printed, fact, chapter))
    for document, role, text in roles(root):
        count = claims if role == "claim" else numbers
        count.add(document, partial(EVALUATE[role], text, partial(facts.printed, chapter=document)))
    return {"numbers": numbers, "claims": claims}


def roles(root: Path) -> list[tuple[str, str, str]]:
    """The document, the role and the text of every {fact}`...` and {claim}`...` of the book."""
    book = root / "book"
    return [
        (path.relative_to(book).with_suffix("").as_posix(), role, " ".join(text.split()))
        for path in sorted(book.rglob("*.md"))
        for role, text in ROLE.findall(path.read_text(encoding="utf-8"))
    ]
