"""What no document may hold, so that all it holds is shown and none of it obeyed.

Sphinx escapes text on its way to HTML, TeX and EPUB. Three doors would lead around that: raw HTML
or LaTeX, a formula that defines commands, and a file from outside this folder. Each is a warning,
which ends the build. What else a formula may say is KaTeX's list of commands, which knows none that
reads or writes a file or runs a program; it is asked for the PDF too.
"""

import os
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from press.directives import house
from recorder.errors import BookError

# KaTeX knows these, and does not look into what they define or quote; TeX would.
HIDES = re.compile(
    r"\\(?:[egx]?def|(?:future)?let|global|long|(?:new|renew|provide)command|verb|char"
    r"|includegraphics|html[A-Za-z]+|href|url)(?![A-Za-z])|\^\^"
)


def check(app: Sphinx, document: nodes.document) -> None:
    """Say what of a document that has just been read may not be there."""
    book = f"book/{app.env.docname}.md"
    for raw in document.findall(nodes.raw):
        warn(raw, f"{book} holds raw {raw['format']}; say it in Markdown")
    for kind in (nodes.math, nodes.math_block):
        for formula in document.findall(kind):
            if found := HIDES.search(formula.astext()):
                warn(formula, f"a formula of {book} holds {found[0]}; write it without")


def check_files(app: Sphinx, document: nodes.document) -> None:
    """Say which files from outside a document takes in, now that all that it takes are known."""
    for file in sorted(app.env.dependencies[app.env.docname]):
        path = Path(os.path.normpath(Path(app.srcdir) / file))
        if not path.is_relative_to(house.root(app.env)):
            warn(document, f"book/{app.env.docname}.md takes in {path}; name a file of the book")


def warn(node: nodes.Node, sentence: str) -> None:
    line, source = node.line, node.source
    while line is None and node.parent is not None:
        node = node.parent
        line, source = node.line, node.source
    house.warn(BookError(sentence), f"{source}:{line}" if line else f"{source}")


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("doctree-read", check, priority=100)  # before others put in their own
    app.connect("doctree-read", check_files, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
