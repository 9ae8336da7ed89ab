"""Roles for numbers that a run printed.

    {fact}`loss`  {fact}`microgpt:loss`  {fact}`100 * (before - after) / before | .1f`
    {claim}`after < 0.5 * before and microgpt:loss < after`
    {fact}`mean(a - b) | .2f`  {claim}`mean(a - b) > 2 * error(a - b)`  {claim}`least(a - b) > 0`

A fact is printed as the run printed it. A claim is checked, and prints a mark when it is true: one
for one run, another for several seeds. The last line is for facts of experiments over seeds.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxRole
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator
from sphinx.writers.latex import LaTeXTranslator

from press.directives import arithmetic, house
from press.directives.arithmetic import Checked, Printed
from recorder.errors import BookError

MARK = "\N{CHECK MARK}"


class claim_mark(nodes.Inline, nodes.Element):  # noqa: N801
    """The mark of a true claim: `checked` has the comparison with its numbers; `place` counts."""


class Reader:
    """Reads the facts that a role names, and notes which long experiments they are of."""

    def __init__(self, env: BuildEnvironment) -> None:
        self.env = env
        self.long: list[tuple[str, str | None]] = []

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
        if runs[0].long:
            self.long.append((chapter, experiment))
        try:
            values = [house.transcript_of(self.env, run).fact(pattern) for run in runs]
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
            value = "?"
        # "As printed" forbids curly quotes and dashes in place of what the run wrote.
        node = nodes.inline("", value, classes=["fact"], support_smartquotes=False)
        node["long"] = reader.long
        return [node], []


class Claim(SphinxRole):
    """A comparison of facts, checked now."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        reader = Reader(self.env)
        try:
            checked = arithmetic.checked(self.text, reader.printed)
        except BookError as error:
            house.warn(error, self.get_location())
            return [], []
        place = self.env.new_serialno("claim") + 1
        return [claim_mark(checked=checked, place=place, long=reader.long)], []


def mark(checked: Checked) -> str:
    """One check for a claim of one run, two for one of several seeds."""
    return 2 * MARK if checked.seeds else MARK


def of_seeds(checked: Checked) -> str:
    """What a claim's note says of its seeds, "" for one run."""
    return f"{len(checked.seeds)} seeds" if checked.seeds else ""


def visit_claim_html(self: HTML5Translator, node: claim_mark) -> None:
    """A button that opens a note, without any script."""
    checked, note = node["checked"], f"claim-{node['place']}"
    said = self.encode(f"Checked: {checked.numbers}")
    button = f'<button type="button" popovertarget="{note}" title="{said}" aria-label="Checked">'
    parts = [f"<code>{self.encode(checked.claim)}</code>", self.encode(checked.numbers)]
    parts += [of_seeds(checked)] if checked.seeds else []
    lines = "".join(f"<span>{part}</span>" for part in parts)
    self.body.append(
        f'<span class="claim">{button}{mark(checked)}</button>'
        f'<span class="claim-note" id="{note}" popover="auto">{lines}</span></span>'
    )
    raise nodes.SkipNode


def visit_claim_latex(self: LaTeXTranslator, node: claim_mark) -> None:
    checked = node["checked"]
    self.body.append(r"\claimmarks{}" if checked.seeds else r"\claimmark{}")
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


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_role("fact", Fact())
    app.add_role("claim", Claim())
    app.add_node(claim_mark, html=(visit_claim_html, None), latex=(visit_claim_latex, None))
    app.connect("doctree-read", check_facts)
    app.connect("env-get-outdated", house.outdated)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
