"""How a chapter is cited: its page tells machines in the head, and readers in a box at the end.

Beside the page stand its citation as .bib and .ris, and at the top of the HTML edition one short
page a chapter, NAME.html, that leads to it: the address to cite, which no numbering changes. In
print a line at the foot of a chapter's first page says the same.

The pages come from the PDF, which leaves them in build/pages.json; a chapter whose citation
changed is written anew, and no other.
"""

import json
from collections.abc import Set
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.domains import Domain
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.texescape import escape as tex
from sphinx.util.typing import ExtensionMetadata

from press import citing, edition
from press.citing import Citation
from press.directives import house
from recorder.errors import BookError
from recorder.records import read_json

PAGES = Path("build/pages.json")
FORMATS = {"bib": ("BibTeX", "bibtex", citing.bibtex), "ris": ("RIS", "text", citing.ris)}
DOOR = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="0; url={page}">
<title>{title}</title>
</head>
<body><h1>{title}</h1><p><a href="{page}">{identity}</a></p></body>
</html>
"""


class Citations(Domain):
    """The citation of each chapter, as of the last build."""

    name = "citations"
    label = "Citations of chapters"
    initial_data = {"chapters": {}}

    @property
    def chapters(self) -> dict[str, Citation]:
        found: dict[str, Citation] = self.data["chapters"]
        return found

    def merge_domaindata(self, docnames: Set[str], otherdata: dict[str, Any]) -> None:
        """Citations are made when all documents are read, by one process."""


def citations(env: BuildEnvironment) -> dict[str, Citation]:
    """The citation of each chapter, as of now."""
    this = edition.read(house.root(env))
    pages = read_json(house.root(env) / PAGES)
    found = {}
    for chapter in filter(house.is_chapter, house.reading_order(env)):
        first, last = pages.get(chapter, (None, None))
        found[chapter] = Citation(
            name=chapter.split("/")[1],
            title=env.titles[chapter].astext(),
            edition=this,
            pages=(first, last) if first else None,
        )
    return found


def collect(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Make all citations; the chapters whose citation changed are stale."""
    data = env.get_domain("citations").data
    before = data["chapters"]
    try:
        data["chapters"] = citations(env)
    except BookError as error:
        house.warn(error, f"{house.root(env) / edition.FILE}:1")
    return [name for name, made in data["chapters"].items() if before.get(name) != made]


# --- HTML


def add_to_page(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Put tags in the head of a chapter's page, the box at its end, and the files beside it."""
    citation = app.env.get_domain("citations").data["chapters"].get(page)
    if citation is None or app.builder.name != "html":
        return
    assert isinstance(app.builder, StandaloneHTMLBuilder)
    context["metatags"] += head(citation)
    context["body"] += box(citation, app.builder)
    out = Path(app.outdir)
    (out / page).parent.mkdir(parents=True, exist_ok=True)
    for ending, (_, _, write) in FORMATS.items():
        (out / f"{page}.{ending}").write_text(write(citation), encoding="utf-8")
    door = DOOR.format(
        page=f"{page}.html", title=escape(citation.title), identity=citation.identity
    )
    (out / f"{citation.name}.html").write_text(door, encoding="utf-8")


def head(citation: Citation) -> str:
    """Highwire's tags, and the chapter as linked data."""
    lines = [
        f'<meta name="{name}" content="{escape(value)}">' for name, value in citing.tags(citation)
    ]
    # No "<" of a title may begin or end an element.
    data = json.dumps(citing.linked_data(citation), ensure_ascii=False).replace("<", "\\u003c")
    return "\n".join([*lines, f'<script type="application/ld+json">{data}</script>', ""])


def box(citation: Citation, builder: StandaloneHTMLBuilder) -> str:
    """The plain line, and BibTeX and RIS to unfold or to take as files."""

    def block(text: str, language: str) -> str:
        code = builder.highlighter.highlight_block(text, language)
        return f'<div class="highlight-{language} notranslate">{code}</div>'

    folded = "".join(
        f"<details><summary>{name}</summary>{block(write(citation), language)}"
        f'<p><a href="{citation.name}.{ending}" download>{citation.name}.{ending}</a></p></details>'
        for ending, (name, language, write) in FORMATS.items()
    )
    return (
        '<section class="citing" id="how-to-cite" aria-labelledby="citing-title">'
        f'<h2 id="citing-title">How to cite</h2>{block(citing.line(citation), "text")}{folded}'
        "</section>\n"
    )


# --- Print


class CiteInPrint(SphinxPostTransform):
    """Give each chapter's heading what the foot of its first page says."""

    default_priority = 5  # after the tiers are put in order
    formats = ("latex",)

    def run(self, **kwargs: Any) -> None:
        made = self.env.get_domain("citations").data["chapters"]
        order = house.reading_order(self.env)
        after = dict(zip(order, order[1:], strict=False))
        for file in self.document.findall(addnodes.start_of_file):
            chapter = file["docname"]
            title = next(file.findall(nodes.title), None)
            if chapter in made and chapter in after and title is not None:
                command = in_print(made[chapter], chapter, after[chapter])
                title.parent.insert(1, nodes.raw("", command, format="latex"))


def in_print(citation: Citation, chapter: str, following: str) -> str:
    """The LaTeX of a chapter's line; its pages run to where the next document begins."""
    where = f" {citation.url}" if citation.url else ""
    parts = (tex(citing.opening(citation), "lualatex"), tex(citation.identity + "." + where))
    return f"\n\\nmcite{{{parts[0]}}}{{{chapter}::doc}}{{{following}::doc}}{{{parts[1]}}}\n"


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_domain(Citations)
    app.add_post_transform(CiteInPrint)
    app.connect("env-get-updated", collect, 950)  # after the numbering, which makes reading sure
    app.connect("html-page-context", add_to_page)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
