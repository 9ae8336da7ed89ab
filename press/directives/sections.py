"""What the book shows of its scripts: every section once, in order, and carried when known.

The listings of `listings.py` report what they show. Once all documents are read, each chapter is
compared with its script, and the scripts with each other; what does not agree is a warning.
"""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains import Domain
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

from press.directives import house
from recorder.errors import BookError
from recorder.sections import PREAMBLE, Section

logger = logging.getLogger(__name__)

# Every script has its own text under these titles.
ORDINARY = {PREAMBLE, "Imports", "Settings", "Data", "Training", "Main"}


@dataclass(frozen=True)
class Shown:
    """A section that a chapter shows at a line: printed as a listing, or carried by reference."""

    title: str
    line: int
    carried: bool


class Sections(Domain):
    """The sections of each chapter's script and which of them the chapter shows."""

    name = "sections"
    label = "Sections of scripts"
    initial_data = {"cut": {}, "shown": {}}

    @property
    def cut(self) -> dict[str, list[Section]]:
        """The sections of each chapter's script, in order."""
        sections: dict[str, list[Section]] = self.data["cut"]
        return sections

    @property
    def shown(self) -> dict[str, list[Shown]]:
        """What each chapter shows, in the order of its text."""
        shown: dict[str, list[Shown]] = self.data["shown"]
        return shown

    def clear_doc(self, docname: str) -> None:
        self.cut.pop(docname, None)
        self.shown.pop(docname, None)

    def merge_domaindata(self, docnames: Set[str], otherdata: dict[str, Any]) -> None:
        for key in ("cut", "shown"):
            found = otherdata[key]
            self.data[key].update({name: found[name] for name in docnames if name in found})

    def home(self, title: str) -> str | None:
        """The first chapter that prints a section, in the order of the book."""
        for chapter in self._chapters():
            if any(seen.title == title and not seen.carried for seen in self.shown[chapter]):
                return chapter
        return None

    def check_consistency(self) -> None:
        printed: dict[str, str] = {}  # title -> the first chapter that prints it
        texts: dict[str, tuple[str, str]] = {}  # title -> the first script that has it, its text
        for chapter in self._chapters():
            problems = [
                *_own(chapter, self.cut[chapter], self.shown[chapter]),
                *_homes(chapter, self.shown[chapter], printed),
                *_twins(chapter, self.cut[chapter], self.shown[chapter], texts),
            ]
            for sentence, line in problems:
                logger.warning(sentence, location=(chapter, line))

    def _chapters(self) -> list[str]:
        return [name for name in house.reading_order(self.env) if name in self.shown]


Problem = tuple[str, int | None]


def _own(chapter: str, sections: list[Section], shown: list[Shown]) -> Iterator[Problem]:
    """A chapter against its own script: everything once and in order."""
    script = house.script(chapter)
    places = {section.title: place for place, section in enumerate(sections)}
    seen: list[str] = []
    for one in shown:
        if one.title in seen:
            yield f"the section '{one.title}' of {script} is shown a second time", one.line
        elif seen and places[one.title] < places[seen[-1]]:
            yield (
                f"the section '{one.title}' of {script} is shown after '{seen[-1]}', which it "
                "precedes in the script; show the sections in the script's order",
                one.line,
            )
        seen.append(one.title)
    for section in sections:
        if section.title not in seen:
            yield (
                f"the section '{section.title}' of {script}, lines {section.first} to "
                f"{section.last_shown}, is never shown in book/{chapter}.md; give it a listing",
                None,
            )


def _homes(chapter: str, shown: list[Shown], printed: dict[str, str]) -> Iterator[Problem]:
    """A chapter against those before it: what they print it carries, and nothing else."""
    new = {one.title: chapter for one in shown if not one.carried}
    for one in shown:
        home = None if one.title in ORDINARY else printed.get(one.title)
        section = f"the section '{one.title}' of {house.script(chapter)}"
        if home and not one.carried:
            yield f"{section} is printed in book/{home}.md already; make it carried", one.line
        elif one.carried and not home:
            yield f"{section} is carried, but no earlier chapter prints it; list it", one.line
    printed.update(new | printed)


def _twins(
    chapter: str,
    sections: list[Section],
    shown: list[Shown],
    texts: dict[str, tuple[str, str]],
) -> Iterator[Problem]:
    """A script against those before it: the same title means the same text."""
    script = house.script(chapter)
    lines = {one.title: one.line for one in shown}
    for section in sections:
        if section.title in ORDINARY:
            continue
        text = section.text.rstrip()
        first, expected = texts.setdefault(section.title, (script, text))
        if text != expected:
            yield (
                f"the section '{section.title}' of {script} differs from the one of {first}; "
                "make them equal byte for byte, or give one a title of its own",
                lines.get(section.title),
            )


def note_sections(app: Sphinx, document: nodes.document) -> None:
    """Keep the sections of the script of the chapter that was read."""
    chapter = app.env.docname
    if not house.is_chapter(chapter):
        return
    domain = app.env.get_domain("sections")
    assert isinstance(domain, Sections)
    try:
        domain.cut[chapter] = house.sections_of(app.env, chapter)
        domain.shown.setdefault(chapter, [])
    except BookError as error:
        house.warn(error, chapter)


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_domain(Sections)
    app.connect("doctree-read", note_sections)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
