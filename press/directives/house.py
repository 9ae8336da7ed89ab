"""Which documents are chapters, and what of the house belongs to each.

A chapter is known by its document's name, tier/name, which is also the name of its script.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from docutils import nodes
from docutils.nodes import Element
from roman_numerals import RomanNumeral
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from recorder import data, header, layout, plan, sections
from recorder.errors import BookError
from recorder.header import Header
from recorder.plan import Run
from recorder.sections import Section
from recorder.transcript import Transcript

logger = logging.getLogger(__name__)

HEAD = re.compile(r"(?:---\n.*?^---$)?.*?^# [^\n]*", re.DOTALL | re.MULTILINE)
EXERCISES = ("exercise", "solution")
CHAPTER = re.compile(r"\d\d-[a-z0-9-]+/(?!index$)[^/]+")
OPENER = re.compile(r"\d\d-[a-z0-9-]+/index")


# What no margin note can stand beside: boxes and what floats.
NO_MARGIN = (
    *(nodes.citation, nodes.footnote, nodes.figure, nodes.title, nodes.table, nodes.sidebar),
    nodes.Admonition,
)


def box(node: Element) -> Element | None:
    """What keeps the margin from a node; an exercise, a box on screens alone, does not."""
    while (node := node.parent) is not None:
        if isinstance(node, NO_MARGIN) and not type(node).__name__.startswith(EXERCISES):
            return node
    return None


def is_chapter(document: str) -> bool:
    """Whether a document stands below a tier and is not the tier's opener."""
    return bool(CHAPTER.fullmatch(document))


def volume(documents: Iterable[str], document: str) -> str:
    """The number, a roman one, of the volume with a document: a tier's, or the one behind them."""
    tiers = sorted(name.split("/")[0] for name in documents if OPENER.fullmatch(name))
    place = document.split("/")[0]
    number = bisect_left(tiers, place) + 1 if place in tiers or place == "back" else 1
    return RomanNumeral(number).to_uppercase()


def reading_order(env: BuildEnvironment) -> list[str]:
    """All documents of the book's contents, in the order of its pages."""
    return list(env.collect_relations())


def root(env: BuildEnvironment) -> Path:
    """The folder that holds book/, scripts/ and build/."""
    return Path(env.srcdir).parent


def script(name: str) -> str:
    """A chapter's script as messages and captions name it."""
    return f"scripts/{name}.py"


def here(env: BuildEnvironment) -> str:
    """The chapter that is being read."""
    if not is_chapter(env.docname):
        raise BookError(
            f"book/{env.docname}.md is no chapter and has no script of its own; "
            "name the script that is meant"
        )
    return env.docname


def named(env: BuildEnvironment, name: str) -> str:
    """The chapter of a script's name, microgpt or 01-foundations/microgpt; "" is the one here."""
    if not name:
        return here(env)
    chapters = sorted(filter(is_chapter, env.found_docs))
    found = [chapter for chapter in chapters if name in (chapter, chapter.split("/")[1])]
    if len(found) != 1:
        names = [chapter.split("/")[1] for chapter in chapters]
        raise BookError(f"the book has no chapter '{name}'{nearest(name, names)}")
    return found[0]


def warn(error: BookError, location: str | tuple[str, int]) -> None:
    """Log what an author must mend; the same sentence once, however often it strikes."""
    logger.warning("%s", str(error), location=location, once=True)


def nearest(word: str, words: list[str]) -> str:
    """The end of a sentence that offers the word that was probably meant, and else all words."""
    close = get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; there are: {', '.join(words)}" if words else ""


def sections_of(env: BuildEnvironment, chapter: str) -> list[Section]:
    """The sections of a chapter's script, on which the document being read then depends."""
    path = layout.script_path(root(env), chapter)
    env.note_dependency(path)
    if not path.is_file():
        raise BookError(f"the chapter book/{chapter}.md has no script; write {script(chapter)}")
    return sections.read(path)


def header_of(env: BuildEnvironment, chapter: str) -> Header:
    """The header of a chapter, on which the document being read then depends."""
    seen = env.metadata[env.docname].setdefault("heads", {})
    if chapter not in seen:
        seen[chapter] = _head(layout.chapter_path(root(env), chapter))
    return read_header(env, chapter)


def outdated(_: Sphinx, env: BuildEnvironment, *changes: set[str]) -> list[str]:
    """The documents that a header was read for which is another now, or under another title.

    An edit of a chapter's text leaves them as they are: a dependency on its file would not.
    """
    return [
        document
        for document in env.found_docs
        for chapter, was in env.metadata.get(document, {}).get("heads", {}).items()
        if _head(layout.chapter_path(root(env), chapter)) != was
    ]


def _head(path: Path) -> str:
    """What others may print of a chapter: its header and its title; "" where it is no more."""
    found = HEAD.match(path.read_text(encoding="utf-8")) if path.is_file() else None
    return found[0] if found else ""


def read_header(env: BuildEnvironment, chapter: str) -> Header:
    """The header of a chapter, read once for each document that asks."""
    known = _known(env, "nomagic_headers")
    if chapter not in known:
        known[chapter] = header.read(layout.chapter_path(root(env), chapter))
    return cast(Header, known[chapter])


def _known(env: BuildEnvironment, what: str) -> dict[str, Any]:
    """What was read already for the document that is being read."""
    return cast(dict[str, Any], env.temp_data.setdefault(what, {}))


def runs_of(env: BuildEnvironment, chapter: str, experiment: str | None = None) -> list[Run]:
    """The main run of a chapter's script, or those of an experiment, one for each seed."""
    known = header_of(env, chapter).experiments
    if experiment and experiment not in known:
        raise BookError(
            f"the header of book/{chapter}.md has no experiment '{experiment}'"
            f"{nearest(experiment, list(known))}"
        )
    return plan.runs_of(root(env), chapter, experiment)


def transcript_of(env: BuildEnvironment, run: Run) -> Transcript:
    """A recorded run, on which the document being read then depends; read once for each."""
    known = _known(env, "nomagic_transcripts")
    if run.label not in known:
        files = [run.transcript, run.record]
        if run.long:  # it holds only as long as these are what they were
            files += [run.script, root(env) / data.FOLDER / data.SUMS]
        for file in files:
            env.note_dependency(file)
        known[run.label] = Transcript.of(run, also_stale=env.config.draft)
    return cast(Transcript, known[run.label])
