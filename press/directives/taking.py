"""What a reader takes from a chapter's page: its notebook, and its figures as one archive.

Both are written beside the page whenever the page is, so they say what it says. `press.build`
copies the notebooks to build/notebooks.
"""

from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from press import cards, citing, notebooks, pictures, programs
from press.citing import Citation
from press.directives import house
from press.directives.markdown import Markdown
from press.notebooks import Words
from recorder.errors import BookError

CARDS = (("apkg", "Cards for Anki"), ("csv", "Cards as CSV"))
BEFORE_CITING = 490


def add_to_page(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Write a chapter's notebook and figures, and offer them at the foot of its page."""
    citation = app.env.get_domain("citations").data["chapters"].get(page)
    if citation is None or doctree is None or app.builder.name != "html":
        return
    try:
        made = files(app, page, citation, doctree)
    except BookError as error:
        house.warn(error, page)
        return
    folder = (Path(app.outdir) / page).parent
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_, content) in made.items():
        (folder / name).write_bytes(content)
    whole = {f"../{cards.STEM}.{ending}": f"{text}, of the whole book" for ending, text in CARDS}
    context["body"] += box({name: text for name, (text, _) in made.items()} | whole)


def files(
    app: Sphinx, chapter: str, citation: Citation, doctree: nodes.document
) -> dict[str, tuple[str, bytes]]:
    """What to offer by name: the words of its link, and its content."""
    writer = Markdown(app.env, chapter)
    first, *others = writer.pieces(doctree)
    pieces = [first, Words(origin(citation, chapter)), *others]
    found = {
        f"{citation.name}.ipynb": (
            "Notebook: the chapter to run, cell by cell",
            notebooks.notebook(house.script(chapter), pieces),
        )
    }
    drawn = [writer.drawing(figure) for figure in doctree.findall(nodes.figure)]
    if drawn:
        found[f"{citation.name}-figures.zip"] = (
            "Figures: SVG, PDF and PNG, for slides",
            pictures.archive(house.root(app.env), citation, drawn),
        )
    return found


def origin(citation: Citation, chapter: str) -> str:
    """Where a notebook is from, and what it needs."""
    where = "" if citation.url else f" Its page is `{chapter}.html` of the book's web pages."
    return (
        f"*{citing.line(citation)}*{where} The cells of code are the program itself. It needs "
        f"Python 3.10 or later, and its data, in `{programs.NAME}`."
    )


def box(offers: dict[str, str]) -> str:
    links = "".join(
        f'<li><a href="{escape(name)}" download>{escape(text)}</a></li>'
        for name, text in offers.items()
    )
    return (
        '<section class="taking" id="to-take-away" aria-labelledby="taking-title">'
        f'<h2 id="taking-title">To take away</h2><ul>{links}</ul></section>\n'
    )


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("html-page-context", add_to_page, BEFORE_CITING)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
