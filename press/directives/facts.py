"""Roles for numbers that a run printed.

    {fact}`loss`  {fact}`microgpt:loss`  {fact}`100 * (before - after) / before | .1f`
    {claim}`after < 0.5 * before and microgpt:loss < after`
    {fact}`mean(a - b) | .2f`  {claim}`mean(a - b) > 2 * error(a - b)`  {claim}`least(a - b) > 0`

A fact is printed as the run printed it. A claim is checked, and prints a mark when it is true: one
for one run, another for several seeds. The last line is for facts of experiments over seeds.
"""

import re
from collections.abc import Callable
from html import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxRole
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator
from sphinx.writers.latex import LaTeXTranslator

from press.directives import arithmetic, draft, house, sealed
from press.directives.arithmetic import Checked, FalseClaimError, Printed
from recorder.errors import BookError

TORN = re.compile(r"\{[a-z:]+\}`")
VERBATIM = (nodes.literal, nodes.literal_block, nodes.raw)
MARK = "\N{CHECK MARK}"


class claim_mark(nodes.Inline, nodes.Element):  # noqa: N801
    """The mark of a true claim: `checked` has the comparison with its numbers; `place` counts."""


class Reader:
    """Reads the facts that a role names, and notes which long experiments they are of.

    It is `stale` once it has given a number that a draft must mark.
    """

    def __init__(self, env: BuildEnvironment, read: draft.Read = house.transcript_of) -> None:
        self.env = env
        self.read = read
        self.long: list[sealed.Used] = []
        self.stale = False

    def printed(self, name: str) -> Printed:
        """The value of the fact `name`, or `chapter:name`, as printed; one a seed of several."""
        script, _, fact = name.rpartition(":")
        chapter = house.named(self.env, script)
        facts = house.header_of(self.env, chapter).all_facts
        if fact not in facts:
            close = house.nearest(fact, list(facts))
            raise BookError(f"the header of book/{chapter}.md has no fact '{fact}'{close}")
        experiment, pattern = facts[fact]
        runs = house.runs_of(self.env, chapter, experiment)
        if experiment and runs[0].long:
            self.long.append((chapter, experiment))
        self.stale |= draft.is_stale(self.env, runs)
        transcripts = [self.read(self.env, run) for run in runs]
        try:
            values = [transcript.fact(pattern) for transcript in transcripts]
        except BookError as error:
            raise BookError(f"the fact '{fact}' of book/{chapter}.md: {error}") from error
        if runs[0].seed is None:
            return values[0]
        return {run.seed or 0: value for run, value in zip(runs, values, strict=True)}


class Fact(SphinxRole):
    """A fact as printed, or arithmetic on facts in a given format."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        reader = Reader(self.env)
        try:
            value = arithmetic.shown(self.text, reader.printed)
        except BookError as error:
            house.warn(error, self.get_location())
            if self.env.config.draft:
                return draft.amiss(error), []
            value = "?"
        classes = ["fact", draft.STALE] if reader.stale else ["fact"]
        # "As printed" forbids curly quotes and dashes in place of what the run wrote.
        node = nodes.inline("", value, classes=classes, support_smartquotes=False)
        node["long"] = reader.long
        return [node], []


class Claim(SphinxRole):
    """A comparison of facts, checked now."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        reader = Reader(self.env)
        try:
            checked = arithmetic.checked(self.text, reader.printed)
        except FalseClaimError as error:
            if self.env.config.draft:
                return draft.crossed_out(self.env, self.text, error.numbers, self.printer), []
            house.warn(error, self.get_location())
            return [], []
        except BookError as error:
            house.warn(error, self.get_location())
            return draft.amiss(error) if self.env.config.draft else [], []
        place = self.env.new_serialno("claim") + 1
        return [claim_mark("", checked=checked, place=place, long=reader.long)], []

    def printer(self, read: draft.Read) -> Callable[[str], Printed]:
        """What gives the values of facts from transcripts that are read so."""
        return Reader(self.env, read).printed


def mark(checked: Checked) -> str:
    """One check for a claim of one run, two for one of several seeds."""
    return 2 * MARK if checked.seeds else MARK


def note(checked: Checked) -> list[str]:
    """A claim's note as lines of HTML: what is claimed, its numbers, of how many seeds."""
    lines = [f"<code>{escape(checked.claim)}</code>", escape(checked.numbers)]
    return lines + ([f"{len(checked.seeds)} seeds"] if checked.seeds else [])


def visit_claim_html(self: HTML5Translator, node: claim_mark) -> None:
    """A mark that opens its note without a script: by a button, and in an EPUB by a link."""
    checked, name = node["checked"], f"claim-{node['place']}"
    if self.builder.name == "epub":
        link = f'href="#{name}" epub:type="noteref" role="doc-noteref"'
        opens = f'<a class="internal" id="{name}-mark" {link}>{mark(checked)}</a>'
    else:
        title = f'title="{escape(checked.numbers)}"'
        opens = (
            f'<button type="button" popovertarget="{name}" {title} aria-label="Checked">'
            f'{mark(checked)}</button><span class="claim-note" id="{name}" popover="auto">'
            f"{''.join(f'<span>{line}</span>' for line in note(checked))}</span>"
        )
    self.body.append(f'<span class="claim">{opens}</span>')
    raise nodes.SkipNode


def visit_claim_latex(self: LaTeXTranslator, node: claim_mark) -> None:
    """A mark with its numbers in the margin, or behind it where there is none."""
    checked = node["checked"]
    command = r"\nmcheckedhere" if house.box(node) else r"\nmchecked"
    marks = 2 if checked.seeds else 1
    self.body.append(rf"\claimmark{{{marks}}}{command}{{{marks}}}{{{self.encode(checked.brief)}}}")
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
            Reader(app.env).printed(f"{chapter}:{fact}")
        except BookError as error:
            house.warn(error, chapter)


def refuse_torn(app: Sphinx, document: nodes.document) -> None:
    """No role may stand on a page as text, as it does in a table whose bar cut it in two."""
    for text in document.findall(nodes.Text):
        if (torn := TORN.search(text)) and not isinstance(text.parent, VERBATIM):
            sentence = f"{torn[0]} is not closed where it stands; in a table, write \\| for |"
            house.warn(BookError(sentence), (app.env.docname, text.parent.line or 1))


def setup(app: Sphinx) -> ExtensionMetadata:
    app.setup_extension("press.directives.draft")
    app.add_role("fact", Fact())
    app.add_role("claim", Claim())
    app.add_node(claim_mark, html=(visit_claim_html, None), latex=(visit_claim_latex, None))
    app.connect("doctree-read", check_facts)
    app.connect("doctree-read", refuse_torn)
    app.connect("env-get-outdated", house.outdated)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
