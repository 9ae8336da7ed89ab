"""What the EPUB edition asks of Sphinx: pages for e-readers, in the look of epub.css.

Formulas are MathML, listings wrap line by line, each exercise leads to its solution. What makes one
file of the pages is in package.py.
"""

import re
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.nodes import Element
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.epub3 import Epub3Builder
from sphinx.errors import SphinxError
from sphinx.util.math import get_node_equation_number
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator
from sphinx_exercise import nodes as kinds  # type: ignore[import-untyped]

from press import edition
from press.directives import facts, house, mathematics
from press.directives.facts import claim_mark
from press.epub.mathml import mended
from press.epub.package import Entry, package
from recorder.errors import BookError

DEPTH = 3  # of the contents: tiers, chapters, their sections
HANG = 2  # columns by which the rest of a wrapped line of code stands in from its beginning
DEEPEST = 16  # columns from where on it stands in no farther, lest nothing fits
SUFFIX = ".xhtml"

SETTINGS: dict[str, Any] = {
    "html_theme_path": [str(Path(__file__).resolve().parent)],
    "epub_theme": "reader",
    "epub_show_urls": "no",
    "epub_description": edition.SUBTITLE,
    "epub_contributor": "The No Magic authors",
    "epub_copyright": "The No Magic authors. MIT licence; data and fonts under their own.",
    "epub_identifier": edition.STEM,
    "epub_uid": "book",
}
SUBJECTS = ["Machine learning", "Algorithms", "Python (Computer program language)"]
COVER = (
    "No Magic. Below the title every program of the book, line by line, as a column of thin bars."
)


class ReaderBuilder(Epub3Builder):
    """Sphinx's EPUB builder, which here writes the pages alone."""

    def copy_assets(self) -> None:
        """Copy nothing: style and fonts come with the package."""

    def handle_finish(self) -> None:
        """Leave the package to `bind`, which also runs when no page has changed."""

    def contents(self) -> list[Entry]:
        """The book's contents, numbered as its pages are."""
        root = self.config.root_doc
        tree = self.env.get_and_resolve_doctree(
            root, self, tags=self.tags, prune_toctrees=False, includehidden=True
        )
        entries = [Entry("Title page", self.get_target_uri(root), [])]
        for toctree in tree.findall(addnodes.compact_paragraph):
            if toctree.get("toctree"):
                entries += lines(toctree, 1)
        return entries

    def pages(self) -> list[str]:
        """The pages in the order of reading."""
        return [name + SUFFIX for name in house.reading_order(self.env)]


def lines(parent: Element, depth: int) -> list[Entry]:
    """The entries of one level of a table of contents."""
    lists = [part for part in parent.children if isinstance(part, nodes.bullet_list)]
    items = [item for part in lists for item in part.children if isinstance(item, Element)]
    return [entry(item, depth) for item in items]


def entry(item: Element, depth: int) -> Entry:
    """One line of the contents, with its number, and those below it."""
    link = next(item.findall(nodes.reference))
    number = ".".join(map(str, link.get("secnumber") or ()))
    text = f"{number}\N{EN SPACE}{link.astext()}" if number else link.astext()
    return Entry(text, link["refuri"], lines(item, depth + 1) if depth < DEPTH else [])


class ReaderTranslator(HTML5Translator):
    """Sphinx's HTML, with this book's formulas, lines of code and margin notes for e-readers."""

    # --- Mathematics

    def visit_math(self, node: nodes.math, math_env: str = "") -> None:
        tail = node.get("tail", "")
        formula = mended(mathematics.html_of(self, node))
        if tail:  # the punctuation after it stays with it
            formula = f'<span class="unbroken">{formula}{self.encode(tail)}</span>'
        self.body.append(formula)
        raise nodes.SkipNode

    def visit_math_block(self, node: nodes.math_block, math_env: str = "") -> None:
        formula = mended(mathematics.html_of(self, node))
        self.body.append(self.starttag(node, "div", "", CLASS="math"))
        self.body.append(f'<div class="formula">{formula}</div>')
        if node["number"]:
            self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})</span>')
        self.body.append("</div>\n")
        raise nodes.SkipNode

    # --- Code

    def visit_literal_block(self, node: nodes.literal_block) -> None:
        language = node.get("language", "default")
        first = node["highlight_args"].get("linenostart", 1) if "highlight_args" in node else 1
        coloured = self.highlighter.highlight_block(node.rawsource, language, location=node)
        code = re.sub(r"^.*?<pre><span></span>|</pre>.*?$", "", coloured, flags=re.DOTALL)
        numbered = enumerate(code.rstrip("\n").split("\n"), first)
        shown = "".join(
            line(text, number if node.get("linenos") else None) for number, text in numbered
        )
        self.body.append(self.starttag(node, "pre", "", CLASS="highlight") + shown + "</pre>\n")
        raise nodes.SkipNode

    # --- Boxes and notes

    def visit_section(self, node: nodes.section) -> None:
        """The content of an exercise or a solution is no section; all of them have one id."""
        if node["ids"] in (["exercise-content"], ["solution-content"]):
            self.section_level += 1
            self.body.append('<div class="content">\n')
        else:
            super().visit_section(node)

    def depart_section(self, node: nodes.section) -> None:
        self.section_level -= 1
        box = node["ids"] in (["exercise-content"], ["solution-content"])
        self.body.append("</div>\n" if box else "</section>\n")

    def visit_title(self, node: nodes.title) -> None:
        """Leave out the title that a margin note without one has all the same."""
        if isinstance(node.parent, nodes.sidebar) and not node.astext():
            raise nodes.SkipNode
        super().visit_title(node)

    def visit_citation(self, node: Element) -> None:
        """An entry of the bibliography, without the role that EPUB gave up."""
        self.body.append(self.starttag(node, "div", CLASS="citation"))

    def depart_citation(self, node: Element) -> None:
        self.body.append("</div>\n")


def line(code: str, number: int | None) -> str:
    """A line of coloured code, which hangs below its own indentation where it wraps."""
    text = re.sub(r"<[^>]+>", "", code)
    indent = len(text) - len(text.lstrip(" "))
    hang = (min(indent, DEEPEST) + HANG) / 2  # in em: a letter is half as wide
    code = re.sub(r"^( +)", r'<span class="indent">\1</span>', code)
    told = f' data-line="{number}"' if number else ""
    style = f"padding-left: {hang:g}em; text-indent: -{hang:g}em"
    return f'<span class="line"{told} style="{style}">{code}\n</span>'


def lead_to_solutions(app: Sphinx, document: nodes.document, name: str) -> None:
    """Let each exercise end in a link to its solution, whose place is named after the exercise."""
    if not isinstance(app.builder, ReaderBuilder):
        return
    for solution in document.findall(kinds.solution_node):
        solution["ids"].append(f"solution-{solution['target_label']}")
    known = getattr(app.env, "sphinx_exercise_registry", {}).values()
    solved = {entry["node"].get("target_label"): entry["docname"] for entry in known}
    for kind in (kinds.exercise_node, kinds.exercise_enumerable_node):
        for exercise in document.findall(kind):
            if home := solved.get(exercise["label"]):
                uri = app.builder.get_relative_uri(name, home) + f"#solution-{exercise['label']}"
                link = nodes.reference("", "Solution", refuri=uri, internal=True)
                exercise += nodes.paragraph("", "", link, classes=["to-solution"])


def lay_notes_of_claims(app: Sphinx, document: nodes.document, name: str) -> None:
    """End a page with the notes of its claims, which readers show when a mark is tapped."""
    marks = list(document.findall(claim_mark))
    if not isinstance(app.builder, ReaderBuilder) or not marks:
        return
    notes = "".join(note_of_claim(mark) for mark in marks)
    heads = 'epub:type="footnotes" role="doc-endnotes" class="claim-notes"'
    document += nodes.raw("", f"<section {heads}>\n{notes}</section>\n", format="html")


def note_of_claim(mark: claim_mark) -> str:
    """A claim's note, which leads back to its mark."""
    place = f"claim-{mark['place']}"
    back = f'<a href="#{place}-mark" role="doc-backlink">{facts.mark(mark["checked"])}</a>'
    said = "; ".join(facts.note(mark["checked"]))
    return f'<aside epub:type="footnote" id="{place}"><p>{back} {said}</p></aside>\n'


def about(app: Sphinx) -> dict[str, Any]:
    """What the package says of the book."""
    config = app.config
    identifier = uuid.uuid5(uuid.NAMESPACE_OID, f"nm:{edition.STEM}:{config.version}")
    modified = datetime.fromtimestamp(int(edition.epoch(house.root(app.env))), UTC)
    return {
        "title": config.project,
        "author": config.author,
        "language": config.language,
        "version": config.version,
        "identifier": identifier.urn,
        "description": config.epub_description,
        "rights": config.epub_copyright,
        "subjects": SUBJECTS,
        "cover": COVER,
        "modified": f"{modified:%Y-%m-%dT%H:%M:%SZ}",
    }


def bind(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and isinstance(app.builder, ReaderBuilder):
        builder = app.builder
        try:
            package(Path(app.outdir), builder.pages(), builder.contents(), about(app))
        except BookError as error:
            raise SphinxError(str(error)) from error


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_builder(ReaderBuilder, override=True)
    app.set_translator("epub", ReaderTranslator)
    app.connect("doctree-resolved", lead_to_solutions)
    app.connect("doctree-resolved", lay_notes_of_claims)
    app.connect("build-finished", bind)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
