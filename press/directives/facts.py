"""Roles for numbers that a run printed.

    {fact}`loss`  {fact}`microgpt:loss`  {fact}`100 * (before - after) / before | .1f`
    {claim}`after < 0.5 * before and microgpt:loss < after`

A fact is printed as the run printed it. A claim is checked, and prints a mark when it is true.
"""

from functools import partial

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxRole
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator
from sphinx.writers.latex import LaTeXTranslator

from press.directives import arithmetic, house
from recorder.errors import BookError


class claim_mark(nodes.Inline, nodes.Element):  # noqa: N801
    """The mark of a true claim; `checked` is the comparison with its numbers."""


def printed(env: BuildEnvironment, name: str) -> str:
    """The value of the fact `name`, or `chapter:name`, as printed."""
    script, _, fact = name.rpartition(":")
    chapter = house.named(env, script)
    facts = house.header_of(env, chapter).all_facts
    if fact not in facts:
        close = house.nearest(fact, list(facts))
        raise BookError(f"the header of book/{chapter}.md has no fact '{fact}'{close}")
    experiment, pattern = facts[fact]
    transcript = house.transcript_of(env, chapter, experiment)
    try:
        return transcript.fact(pattern)
    except BookError as error:
        raise BookError(f"the fact '{fact}' of book/{chapter}.md: {error}") from error


class Fact(SphinxRole):
    """A fact as printed, or arithmetic on facts in a given format."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        try:
            value = arithmetic.shown(self.text, partial(printed, self.env))
        except BookError as error:
            house.warn(error, self.get_location())
            value = "?"
        # "As printed" forbids curly quotes and dashes in place of what the run wrote.
        return [nodes.inline("", value, classes=["fact"], support_smartquotes=False)], []


class Claim(SphinxRole):
    """A comparison of facts, checked now."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        try:
            numbers = arithmetic.checked(self.text, partial(printed, self.env))
        except BookError as error:
            house.warn(error, self.get_location())
            return [], []
        return [claim_mark(checked=f"{self.text}: {numbers}", numbers=numbers)], []


def visit_claim_html(self: HTML5Translator, node: claim_mark) -> None:
    self.body.append(self.starttag(node, "span", "", CLASS="claim", title=node["checked"]))
    self.body.append('<span aria-hidden="true">\N{CHECK MARK}</span>')
    hidden = self.encode(f"(checked: {node['numbers']})")
    self.body.append(f'<span class="visually-hidden">{hidden}</span></span>')
    raise nodes.SkipNode


def visit_claim_latex(self: LaTeXTranslator, node: claim_mark) -> None:
    self.body.append(r"\claimmark{}")
    raise nodes.SkipNode


def check_facts(app: Sphinx, document: nodes.document) -> None:
    """Check every fact of a chapter's header, whether its text uses it or not."""
    chapter = app.env.docname
    if not house.is_chapter(chapter):
        return
    try:
        header = house.header_of(app.env, chapter)
    except BookError as error:
        house.warn(error, chapter)
        return
    for fact in header.all_facts:
        try:
            printed(app.env, f"{chapter}:{fact}")
        except BookError as error:
            house.warn(error, chapter)


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_role("fact", Fact())
    app.add_role("claim", Claim())
    app.add_node(claim_mark, html=(visit_claim_html, None), latex=(visit_claim_latex, None))
    app.connect("doctree-read", check_facts)
    app.connect("env-get-outdated", house.outdated)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
