"""The directive `{formats}`: on the web pages, what a reader may take away.

The archive of the programs and the cards always, since they are made with the pages; the PDF, its
volumes and the EPUB when they are made, and lie in build/.
"""

from pathlib import Path

from docutils import nodes
from roman_numerals import RomanNumeral
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from press import cards, edition
from press.directives import house
from press.directives.listings import offer

BOOKS = {
    f"{edition.STEM}.pdf": "The book to print (PDF), with the programs in it",
    f"{edition.STEM}.epub": "The book for e-readers (EPUB)",
}
CARDS = {
    f"{cards.STEM}.apkg": "Cards of its terms, questions and numbers, for Anki",
    f"{cards.STEM}.csv": "The same cards as a table (CSV)",
}


class Formats(SphinxDirective):
    """A list of links."""

    def run(self) -> list[nodes.Node]:
        links: list[nodes.Node] = []
        for name, text in BOOKS.items():
            made = house.root(self.env) / "build" / name
            self.env.note_dependency(made)
            if made.is_file():
                links.append(link(name, text))
        volumes = house.root(self.env) / "build" / "volumes"
        if parts := sorted(volumes.glob("*.pdf")):
            links.append(in_volumes(parts))
        links.append(offer(self.env.docname, nodes.Text("All programs with their data (zip)")))
        links += [link(name, text) for name, text in CARDS.items()]
        items = nodes.bullet_list()
        items += [nodes.list_item("", nodes.paragraph("", "", one)) for one in links]
        return [addnodes.only("", items, expr="builder_html")]


def in_volumes(files: list[Path]) -> nodes.inline:
    """Links to the volumes of the PDF, each by its number and the name of its part."""
    line = nodes.inline("", "The PDF in volumes, one a part: ")
    for place, file in enumerate(files):
        number, _, name = file.stem.removeprefix(f"{edition.STEM}-").partition("-")
        line += nodes.Text(", " if place else "")
        line += link(file.name, f"{RomanNumeral(int(number)).to_uppercase()} {name}")
    return line


def link(name: str, text: str) -> nodes.reference:
    """To a file beside the first page."""
    return nodes.reference("", text, refuri=name, internal=True)


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_directive("formats", Formats)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
