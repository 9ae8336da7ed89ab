"""The directive `{errata}`: known mistakes, edition by edition; and how to report another one.

Each chapter's page ends in what a report should name. That has the commit in it, which changes when
no page does, so a page is written with an empty foot, and after each build all feet are filled.
"""

import re
from html import escape
from pathlib import Path
from urllib.parse import quote

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from press import edition, errata
from press.citing import Citation
from press.directives import house
from press.errata import Erratum
from recorder.errors import BookError

NONE = "No mistake is known yet."
EMPTY = '<section class="report"></section>'
FOOT = re.compile(r'<section class="report".*?</section>', re.DOTALL)
AFTER_CITING = 510


class Errata(SphinxDirective):
    """What was wrong, and is."""

    def run(self) -> list[nodes.Node]:
        root = house.root(self.env)
        self.env.note_dependency(root / errata.FILE)
        try:
            text = "\n".join(map(self.item, reversed(errata.read(root)))) or NONE
        except BookError as error:
            house.warn(error, str(errata.FILE))
            return []
        return self.parse_text_to_nodes(text)

    def item(self, mistake: Erratum) -> str:
        """One mistake as an item of a list."""
        place = f"version {mistake.edition}, page {mistake.page}"
        if mistake.chapter:
            chapter = house.named(self.env, mistake.chapter)
            place = f"{{doc}}`{mistake.chapter} </{chapter}>`, {place}"
        parts = [f"was: {mistake.was}", f"is: {mistake.right}", f"matters to: {mistake.matters_to}"]
        return "\n".join([f"* {place}", *(f"  * {part}" for part in parts)])


def add_to_page(
    app: Sphinx, page: str, template: str, context: dict[str, object], doctree: object
) -> None:
    """End a chapter's page with a foot."""
    if page in app.env.get_domain("citations").data["chapters"] and app.builder.name == "html":
        context["body"] = f"{context['body']}{EMPTY}\n"


def foot(citation: Citation, commit: str) -> str:
    """What a report should name, and where to send it if the edition has an address."""
    text = report(citation, commit)
    where = address(citation, text)
    send = f'<p><a href="{escape(where)}">Send this, filled in.</a></p>' if where else ""
    return (
        '<section class="report" id="report-a-mistake" aria-labelledby="report-title">'
        '<h2 id="report-title">Report a mistake</h2>'
        '<div class="highlight-text notranslate"><div class="highlight">'
        f"<pre>{escape(text)}</pre></div></div>{send}"
        '<p><a href="../back/errata.html">Known mistakes</a></p></section>'
    )


def report(citation: Citation, commit: str) -> str:
    """The lines of a report, those that the page knows filled in."""
    made = f", commit {commit}" if commit else ""
    return (
        f"Chapter: {citation.title} ({citation.identity})\n"
        f"Version: {citation.edition.label}{made}\n"
        "Section or page: \n"
        "It says: \n"
        "It should say: \n"
    )


def address(citation: Citation, text: str) -> str:
    """Where a report goes: a letter, or an issue of the repository; "" where neither is known."""
    this = citation.edition
    subject = f"Mistake in {citation.identity}"
    if this.contact:
        return f"mailto:{this.contact}?subject={quote(subject)}&body={quote(text)}"
    if this.repository:
        return f"{this.repository}/issues/new?title={quote(subject)}&body={quote(text)}"
    return ""


def fill(app: Sphinx, exception: Exception | None) -> None:
    """Put today's foot on each chapter's page."""
    if exception is not None or app.builder.name != "html":
        return
    commit = edition.commit(house.root(app.env))
    for chapter, citation in app.env.get_domain("citations").data["chapters"].items():
        path = Path(app.outdir) / f"{chapter}.html"
        page = path.read_text(encoding="utf-8")
        before, after = FOOT.split(page, 1)
        now = f"{before}{foot(citation, commit)}{after}"
        if now != page:
            path.write_text(now, encoding="utf-8")


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_directive("errata", Errata)
    app.connect("html-page-context", add_to_page, AFTER_CITING)
    app.connect("build-finished", fill)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
