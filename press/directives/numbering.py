"""One numbering of the chapters through all tiers, on screen as in print.

Sphinx numbers each tier's chapters from 1, or below the tier's own number; LaTeX counts chapters
through all parts. Here Sphinx's numbers of sections, figures, listings, equations and exercises
are rewritten to LaTeX's, each time after Sphinx has collected them. Front matter, back matter and
the openers of tiers have no number.
"""

from collections.abc import Set
from copy import deepcopy
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains import Domain
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import ExtensionMetadata

from press.directives import house

DEPTH = 2  # chapters and their sections bear numbers

BEFORE_SPHINX, AFTER_SPHINX = 100, 900  # priorities; Sphinx's own is 500


class Numbers(Domain):
    """The numbers of the last build, as Sphinx collected them and as they were rewritten."""

    name = "numbers"
    label = "Numbering"
    initial_data = {"sphinx": ({}, {}), "book": ({}, {})}

    def merge_domaindata(self, docnames: Set[str], otherdata: dict[str, Any]) -> None:
        """Numbers are given when all documents are read, by one process."""


def restore(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Give Sphinx back the numbers it collected last, so that it sees what changed."""
    env.toc_secnumbers, env.toc_fignumbers = env.get_domain("numbers").data["sphinx"]
    return []


def number(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Rewrite all numbers; when one changed, every page is stale, since any may refer to it."""
    data = env.get_domain("numbers").data
    data["sphinx"] = deepcopy((env.toc_secnumbers, env.toc_fignumbers))
    chapters = filter(house.is_chapter, house.reading_order(env))
    numbers = {chapter: place for place, chapter in enumerate(chapters, 1)}
    for document in env.toc_secnumbers:
        number_sections(env, document, numbers.get(document))
    number_figures(env, numbers)
    changed = data["book"] != (env.toc_secnumbers, env.toc_fignumbers)
    data["book"] = deepcopy((env.toc_secnumbers, env.toc_fignumbers))
    return list(env.all_docs) if changed else []


def number_sections(env: BuildEnvironment, document: str, chapter: int | None) -> None:
    """Number a document's sections 3, 3.1, 3.2 for chapter 3, and none without a chapter."""
    collected = env.toc_secnumbers[document]
    above = len(collected.get("", ())) or 1
    numbers: dict[str, tuple[int, ...]] = {}
    for anchor, parts in collected.items():
        own = parts[above:]
        numbers[anchor] = (chapter, *own) if chapter and len(own) < DEPTH else ()
    env.toc_secnumbers[document] = numbers
    env.titles[document]["secnumber"] = numbers.get("") or None
    for reference in env.tocs[document].findall(nodes.reference):
        if reference.get("refuri") == document:
            reference["secnumber"] = numbers.get(reference["anchorname"]) or None


def number_figures(env: BuildEnvironment, chapters: dict[str, int]) -> None:
    """Count figures and the like from 1 in each chapter, and through all the other documents."""
    elsewhere: dict[str, int] = {}
    for document in house.reading_order(env):
        prefix = (chapters[document],) if document in chapters else ()
        counts = {} if prefix else elsewhere
        for kind, figures in env.toc_fignumbers.get(document, {}).items():
            for figure in figures:
                counts[kind] = counts.get(kind, 0) + 1
                figures[figure] = (*prefix, counts[kind])


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_domain(Numbers)
    app.connect("env-get-updated", restore, BEFORE_SPHINX)
    app.connect("env-get-updated", number, AFTER_SPHINX)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
