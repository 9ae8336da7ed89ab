"""What the HTML edition asks of Sphinx and of its theme. The look is in static/nomagic.css."""

import shutil
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.search import IndexBuilder, js_index
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

from press.directives.facts import claim_mark

HERE = Path(__file__).resolve().parent
FONTS = HERE.parent / "fonts"

UNUSED = ["*.map", "fontawesome.js*", "fa-brands-*", "*-macros.html", "logo_*"]

SETTINGS: dict[str, Any] = {
    "html_theme": "sphinx_book_theme",
    "html_title": "No Magic",
    "templates_path": [str(HERE / "templates")],
    "template_bridge": "press.html.policy.Templates",
    "html_static_path": [str(HERE / "static"), str(FONTS / "static")],
    "html_css_files": [("nomagic.css", {"priority": 900})],
    "html_js_files": [("copy.js", {"defer": "defer"})],
    "html_context": {"default_mode": "auto"},  # the reader's system decides, then the switch
    "html_theme_options": {
        "article_header_start": ["toggle-primary-sidebar.html"],
        "footer_content_items": [],
        "home_page_in_toc": False,
        "logo": {"text": "No Magic"},
        "max_navbar_depth": 2,
        "navbar_end": [],
        "navbar_persistent": [],  # else a second search box
        "primary_sidebar_end": [],  # else a place for advertisements
        "search_bar_text": "Search",
        "shorten_urls": False,
        "show_navbar_depth": 1,  # the chapters of other parts are folded
        "show_toc_level": 2,
        "use_download_button": False,
        "use_fullscreen_button": False,
    },
    "html_favicon": str(HERE / "icon.svg"),
    "html_copy_source": False,
    "html_show_sourcelink": False,
    "html_show_search_summary": False,  # fetches pages, which browsers refuse from file://
    "html_show_sphinx": False,
    "html_permalinks_icon": "#",
    "html_secnumber_suffix": "\N{EN SPACE}",
    "myst_update_mathjax": False,  # formulas are rendered by KaTeX (press.directives.mathematics)
    "copybutton_selector": "div.highlight:not(.transcript *) > pre",
    "copybutton_exclude": ".linenos, .gp, .go",
}


class CloseUp(SphinxPostTransform):
    """Take away the space before the mark of a claim, so that it keeps to its sentence."""

    default_priority = 900
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for mark in self.document.findall(claim_mark):
            place = mark.parent.index(mark)
            before = mark.parent[place - 1] if place else None
            if isinstance(before, nodes.Text):
                mark.parent[place - 1] = nodes.Text(before.rstrip())


class Writer(HTML5Translator):
    """Sphinx's own, but for an id that sphinx-exercise repeats and a role that HTML gave up."""

    def visit_section(self, node: nodes.section) -> None:
        if node["ids"] in (["exercise-content"], ["solution-content"]):
            node["ids"] = []
        super().visit_section(node)

    def visit_citation(self, node: nodes.citation) -> None:
        super().visit_citation(node)
        self.body[-1] = self.body[-1].replace('role="doc-biblioentry"', 'role="listitem"')


def serve_early(app: Sphinx) -> None:
    """Serve the sheet of sphinx-exercise before the pages are written, not only after.

    A page names each sheet with its checksum. Without this a clean build would find no sheet to
    take it from, and the next build would.
    """
    spec = find_spec("sphinx_exercise")
    if isinstance(app.builder, StandaloneHTMLBuilder) and spec and spec.origin:
        sheet = Path(spec.origin).parent / "assets" / "html" / "exercise.css"
        app.config.html_static_path = [*app.config.html_static_path, str(sheet)]


def mend_search(app: Sphinx) -> list[Any]:
    """Give the index of the search what a clean build would: Sphinx's own errs after an edit."""
    if indexer := getattr(app.builder, "indexer", None):
        forget_words(indexer)
        remember_entries(indexer, Path(app.outdir) / "searchindex.js")
    return []  # no page is added


def forget_words(indexer: IndexBuilder) -> None:
    """Drop words that no page holds any longer: Sphinx keeps them."""
    for words in (indexer._mapping, indexer._title_mapping):
        for word in [word for word, pages in words.items() if not pages]:
            del words[word]


def remember_entries(indexer: IndexBuilder, last: Path) -> None:
    """Keep the index entries of the pages that are not written anew: Sphinx drops them."""
    written = indexer._index_entries
    kept: dict[str, list[tuple[str, str, str]]] = {}
    with suppress(FileNotFoundError):
        frozen = js_index.loads(last.read_text(encoding="utf-8"))
        for text, places in frozen["indexentries"].items():
            for number, target, main in places:
                page = frozen["docnames"][number]
                if page in indexer._titles and page not in written:
                    kept.setdefault(page, []).append((text, target, "main" if main else ""))
    indexer._index_entries = dict(sorted({**kept, **written}.items()))


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Put the book's colours of code over the theme's, and leave out what no page asks for."""
    if exception or not isinstance(app.builder, StandaloneHTMLBuilder):
        return
    static = Path(app.outdir) / "_static"
    if static.is_dir():
        shutil.copyfile(HERE / "static" / "pygments.css", static / "pygments.css")
        for pattern in UNUSED:
            for path in static.rglob(pattern):
                path.unlink()


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_post_transform(CloseUp)
    app.connect("builder-inited", serve_early)
    app.connect("html-collect-pages", mend_search)
    # The theme overlooks the default translator where any other format has one of its own.
    app.set_translator("html", Writer)
    app.connect("build-finished", finish, priority=900)  # after the theme, which writes the file
    return {"parallel_read_safe": True, "parallel_write_safe": True}
