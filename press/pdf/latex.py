"""What the printed book asks of Sphinx: settings, structure and the shape of its LaTeX.

The look is in nomagic.sty beside this file. Here is what LaTeX alone cannot decide: which documents
are front matter, parts, chapters and back matter, and what a margin note, an exercise, an epigraph
and a column of numbers become.
"""

import re
from math import ceil
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.nodes import Element
from pygments.style import Style  # type: ignore[import-untyped]
from pygments.token import (  # type: ignore[import-untyped]
    Comment,
    Error,
    Generic,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Token,
)
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.latex.nodes import thebibliography
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.texescape import escape
from sphinx.writers.latex import LaTeXTranslator

from press import edition, paper
from press.directives import house
from recorder.layout import ROOT

HERE = Path(__file__).resolve().parent
FONTS = HERE.parent / "fonts"
THIS = edition.read(ROOT)

# What leaves no trace between paragraphs: margin notes, anchors, index entries, tables of contents,
# and figures, which float.
UNSEEN = (nodes.sidebar, nodes.target, nodes.Invisible, nodes.compound, nodes.figure)
ROWS = 29  # of a table that stays on its page: Sphinx breaks one with more over pages anyway
LONG, MEASURE = 36, 78  # lines of a table that pages may break; letters of a line
WIDE, BETWEEN = 40, 4  # letters: a column counts as no wider; what lies between two
HANGING = (nodes.entry, nodes.list_item, nodes.definition, nodes.citation, nodes.footnote)

PROMISE = (
    "Every listing in this book is part of a program that runs; every number was printed by one."
)


def tex(text: str) -> str:
    return escape(text, "lualatex")


def title_page() -> str:
    """The back of the title page: what this edition is, in LaTeX, one paragraph each."""
    this, (before, commit, after) = THIS, edition.imprint(ROOT)
    made = rf"\texttt{{{tex(commit)}}}" if commit else ""
    label = tex(this.label[0].upper() + this.label[1:])
    paragraphs = [
        f"{tex(before)}{made}{tex(after)}",
        "Code and text are free under the MIT licence; data and fonts are under their own, which "
        "come with the sources.",
        rf"To cite the book: {tex(this.by)} ({this.date.year}). \emph{{{tex(this.title)}}}. "
        f"{label}. The foot of each chapter's first page says how to cite it.",
        PROMISE,
    ]
    return "\n\n".join(paragraphs)


class PrintStyle(Style):  # type: ignore[misc]
    """Colours of printed code: few, and legible in grey."""

    styles: ClassVar[dict[Any, str]] = {
        Token: "#1B1B1B",
        Comment: "#4F6B52",
        Keyword: "#1D3F72",
        Keyword.Constant: "#1D3F72",
        Operator.Word: "#1D3F72",
        Name.Builtin: "#1B1B1B",
        Name.Function: "bold #1B1B1B",
        Name.Class: "bold #1B1B1B",
        Name.Decorator: "#6B6F76",
        String: "#9A3B12",
        String.Doc: "#4F6B52",
        Number: "#1B1B1B",
        Literal: "#1B1B1B",
        Operator: "#1B1B1B",
        Punctuation: "#1B1B1B",
        Generic.Output: "#1B1B1B",
        Generic.Prompt: "#6B6F76",
        Error: "#1B1B1B",
    }


SETTINGS: dict[str, Any] = {
    "pygments_style": "press.pdf.latex.PrintStyle",
    "numfig_format": {"figure": "Figure %s"},
    "latex_documents": [("index", f"{edition.STEM}.tex", THIS.name, THIS.by, "manual", True)],
    "latex_engine": "lualatex",
    "latex_toplevel_sectioning": "part",
    "latex_docclass": {"manual": "book"},
    "latex_use_xindy": False,
    "latex_domain_indices": False,
    "latex_show_urls": "no",
    "latex_table_style": ["booktabs"],
    "latex_additional_files": [
        str(HERE / "nomagic.sty"),
        str(HERE / "nomagic.lua"),
        *sorted(map(str, FONTS.glob("*.otf"))),
    ],
    "latex_elements": {
        "papersize": paper.PAPERS[paper.chosen()],
        "pointsize": "11pt",
        "extraclassoptions": "openany,twoside",
        "polyglossia": "",
        "babel": r"\usepackage{babel}",
        "amsmath": r"\usepackage{amsmath}",
        "fncychap": "",
        "fontpkg": "",
        "fvset": "",
        "cmappkg": "",
        "figure_align": "htbp",
        "releasename": "Edition",
        "transition": "\n\n\\nmtransition\n\n",
        "sphinxsetup": "verbatimwrapslines=false, verbatimwithframe=false",
        "preamble": "\\usepackage{nomagic}\n"
        rf"\renewcommand\nmsubtitle{{{edition.SUBTITLE}}}"
        "\n"
        rf"\renewcommand\nmcopyright{{{title_page()}}}",
    },
}


class BookTranslator(LaTeXTranslator):
    """Sphinx's LaTeX, with this book's parts and environments."""

    matter = ""  # what part of the book has begun: front, main or back
    waiting: list[str]  # margin notes for the paragraph that comes next
    shown: set[tuple[str, str]]  # documents that said where another one stands

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.waiting = []
        self.shown = set[tuple[str, str]]()

    # --- Structure

    def visit_title(self, node: Element) -> None:
        """Front and back documents are chapters; sections of a tier's text are no chapters."""
        if isinstance(node.parent, nodes.sidebar) and "margin" in node.parent["classes"]:
            if not node.astext():
                raise nodes.SkipNode
            self.body.append(r"\nmmargintitle{")
            self.context.append("}")
            return
        if not isinstance(node.parent, nodes.section) or self.this_is_the_title:
            super().visit_title(node)
            return
        document = self.curfilestack[-1]
        apart = document.startswith(("front/", "back/"))
        matter = document.partition("/")[0] if apart else "main"
        if matter != self.matter:
            self.matter = matter
            if matter != "front":
                self.body.append(f"\\nm{matter}matter\n")
        if document.endswith("/index") and self.depth(node):
            self.body.append(r"\nmpartsection{")
            self.context.append("}\n" + self.hypertarget_to(node.parent))
            self.in_title = 1
            return
        self.sectionlevel = self.depth(node)
        super().visit_title(node)

    def depth(self, title: Element) -> int:
        """The level of a section by its place in its own document, wherever a toctree put that."""
        level = 0 if self.curfilestack[-1].endswith("/index") else 1
        node = title.parent.parent
        while isinstance(node, nodes.section):
            level += 1
            node = node.parent
        return level

    # --- Listings

    def visit_literal_block(self, node: Element) -> None:
        """Tell the style how many lines are coming, so that it can choose where to break."""
        self.body.append(f"\n\\nmlines{{{len(node.astext().splitlines())}}}%")
        super().visit_literal_block(node)

    # --- Paragraphs and margin notes

    def visit_sidebar(self, node: Element) -> None:
        if "margin" not in node["classes"]:
            super().visit_sidebar(node)
            return
        self.pushbody([])
        self.in_minipage += 1
        self.context.append("")

    def depart_sidebar(self, node: Element) -> None:
        if "margin" not in node["classes"]:
            self.depart_topic(node)
            return
        self.in_minipage -= 1
        self.context.pop()
        note = "".join(self.popbody()).strip()
        following = node.next_node(descend=False, siblings=True)
        while isinstance(following, (nodes.sidebar, nodes.target, nodes.comment)):
            following = following.next_node(descend=False, siblings=True)
        kind = "nmrecorded" if "recorded" in node["classes"] else "nmmargin"
        command = rf"\{kind}{{{note}}}"
        if isinstance(following, nodes.paragraph):
            self.waiting.append(command)
        else:
            self.body.append(f"\n{command}\n")

    def visit_paragraph(self, node: Element) -> None:
        """A paragraph is indented only after another one."""
        before = node.parent.index(node) - 1
        while before >= 0 and isinstance(node.parent[before], UNSEEN):
            before -= 1
        after = node.parent[before] if before >= 0 else None
        if not isinstance(after, nodes.paragraph) and not isinstance(node.parent, HANGING):
            self.body.append("\n\\noindent{}%")
        super().visit_paragraph(node)
        if self.waiting and self.in_minipage == 0:
            self.body.append("%\n".join([*self.waiting, ""]))
            self.waiting.clear()

    # --- Links

    def depart_reference(self, node: Element) -> None:
        """Paper shows no address behind a word, so the margin does, or the page stands there."""
        super().depart_reference(node)
        self.body += self.place(node)
        scheme, slashes, address = node.get("refuri", "").partition("//")
        if scheme not in ("http:", "https:") or node.astext().endswith(address):
            return
        box = house.box(node)
        pieces = re.split(r"(?<=[/._-])", address.rstrip("/"))
        shown = "{" + r"\allowbreak{}".join(map(self.encode, pieces)) + "}"
        if isinstance(box, (nodes.sidebar, nodes.footnote)):
            self.body.append(r"\nmaddress" + shown)
        elif box is None:
            self.body.append(r"\nmlink" + shown)

    def place(self, link: Element) -> list[str]:
        """Where the document of a link begins, when a document leads there for the first time."""
        here, there = self.curfilestack[-1], link.get("refuri", "").removeprefix("%")
        documents = self.builder.env.found_docs
        if there == here or there not in documents or (here, there) in self.shown:
            return []
        if house.box(link) is not None:
            return []
        self.shown.add((here, there))
        volume = house.volume(documents, there)
        other = volume if volume != house.volume(documents, here) else ""
        return [rf"\nmpage{{{other}}}{{{there}::doc}}"]

    def visit_index(self, node: Element) -> None:
        """Write hyphens as they are: makeindex takes an entry spelled in two ways for two."""
        at = len(self.body)
        try:
            super().visit_index(node)
        finally:  # it raises SkipNode
            self.body[at:] = [text.replace(r"\sphinxhyphen{}", "-") for text in self.body[at:]]

    # --- Boxes

    def visit_block_quote(self, node: Element) -> None:
        if "epigraph" in node["classes"]:
            self.body.append("\n\\begin{nmepigraph}\n")
        else:
            super().visit_block_quote(node)

    def depart_block_quote(self, node: Element) -> None:
        if "epigraph" in node["classes"]:
            self.body.append("\n\\end{nmepigraph}\n")
        else:
            super().depart_block_quote(node)

    # --- Tables

    def visit_table(self, node: Element) -> None:
        """Align left, and set columns of numbers as their Markdown marks say."""
        if node.get("align", "default") == "default":
            node["align"] = "left"
        if self.next_table_colspec is None:
            sides = [_side(entry) for entry in _last_row(node)]
            if _lines(node) > LONG or len(list(node.findall(nodes.row))) > ROWS:
                node["classes"].append("longtable")
                self.next_table_colspec = _shares(node, sides)
            elif any(side != "L" for side in sides):
                self.next_table_colspec = "".join(sides)
        super().visit_table(node)

    def visit_entry(self, node: Element) -> None:
        """Keep the words of a cell at their own distance: a column is too narrow to justify."""
        super().visit_entry(node)
        self.body.append("\\raggedright\n")


def _shares(table: Element, sides: list[str]) -> str:
    """The columns of a table that pages break: words share what numbers leave, by their lengths.

    (A table that stays on its page is measured by LaTeX instead.)
    """
    parts = _parts(table)
    words = sum(part for side, part in zip(sides, parts, strict=True) if side == "L")
    free = MEASURE - sum(part for side, part in zip(sides, parts, strict=True) if side != "L")
    return "".join(
        f"\\X{{{part * free}}}{{{words * MEASURE}}}" if side == "L" else side.lower()
        for side, part in zip(sides, parts, strict=True)
    )


def _parts(table: Element) -> list[int]:
    """How wide each column would like to be, in letters."""
    columns = zip(*(row.children for row in table.findall(nodes.row)), strict=True)
    longest = [max(len(cell.astext()) for cell in column) for column in columns]
    return [min(length, WIDE) + BETWEEN for length in longest]


def _lines(table: Element) -> int:
    """About how many lines a table takes in print."""
    parts = _parts(table)
    wide = [MEASURE * part / sum(parts) for part in parts]
    return sum(
        max(ceil(len(cell.astext()) / width) for cell, width in zip(row, wide, strict=True))
        for row in table.findall(nodes.row)
    )


def _last_row(table: Element) -> list[Element]:
    rows = list(table.findall(nodes.row))
    return [child for child in rows[-1].children if isinstance(child, Element)] if rows else []


def _side(entry: Element) -> str:
    classes: list[str] = entry.get("classes", [])
    return "R" if "text-right" in classes else "C" if "text-center" in classes else "L"


# --- Exercises and solutions, whose LaTeX sphinx-exercise leaves as a plain note


def visit_exercise(self: LaTeXTranslator, node: Element) -> None:
    """The label of an exercise refers to its own number, which LaTeX does not count."""
    numbers = self.builder.env.toc_fignumbers.get(self.curfilestack[-1], {}).get("exercise", {})
    number = ".".join(map(str, numbers.get(node["label"], ())))
    labels = self.hypertarget(node["label"]) + rf"\label{{exercise:{node['label']}}}"
    self.body.append(rf"{{\nmnumber{{{number}}}{labels}}}")
    self.body.append("\n\\begin{nmexercise}")


def depart_exercise(self: LaTeXTranslator, node: Element) -> None:
    self.body.append("\n\\end{nmexercise}\n")


def visit_solution(self: LaTeXTranslator, node: Element) -> None:
    self.body.append(self.hypertarget(node["label"]))
    self.body.append("\n\\begin{nmsolution}")


def depart_solution(self: LaTeXTranslator, node: Element) -> None:
    self.body.append("\n\\end{nmsolution}\n")


# --- The tiers


class ChaptersLast(SphinxPostTransform):
    """A tier's text stands on its part page, all of it, before its chapters."""

    default_priority = 1
    formats = ("latex",)

    def run(self, **kwargs: Any) -> None:
        for opener in list(self.document.findall(addnodes.start_of_file)):
            if not opener["docname"].endswith("/index"):
                continue
            chapters = [node for node in opener.findall(addnodes.start_of_file) if node != opener]
            for chapter in chapters:
                chapter.parent.remove(chapter)
            opener += chapters


class BibliographyStays(SphinxPostTransform):
    """Sphinx gathers all entries at the end of the book: put them back into their document."""

    default_priority = 760  # after Sphinx's own
    formats = ("latex",)

    def run(self, **kwargs: Any) -> None:
        gathered = [child for child in self.document if isinstance(child, thebibliography)]
        for entries in gathered:
            for file in self.document.findall(addnodes.start_of_file):
                if file["docname"] == next(entries.findall(nodes.citation))["docname"]:
                    self.document.remove(entries)
                    file += entries


def prepare(app: Sphinx) -> None:
    """Exercises get our environments, whatever order the extensions were loaded in."""
    if app.builder.name != "latex":
        return
    # In print the index is no document: LaTeX makes it. The other formats still find a false entry.
    app.config.suppress_warnings.append("toc.not_readable")
    if "sphinx_exercise" in app.extensions:
        from sphinx_exercise import nodes as kinds  # type: ignore[import-untyped]

        for kind in (kinds.exercise_node, kinds.exercise_enumerable_node):
            app.add_node(kind, override=True, latex=(visit_exercise, depart_exercise))
        app.add_node(kinds.solution_node, override=True, latex=(visit_solution, depart_solution))


def setup(app: Sphinx) -> dict[str, Any]:
    app.set_translator("latex", BookTranslator)
    app.add_post_transform(ChaptersLast)
    app.add_post_transform(BibliographyStays)
    app.connect("builder-inited", prepare)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
