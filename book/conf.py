"""How Sphinx makes HTML, PDF and EPUB of the book."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from book import edition  # noqa: E402
from book.theme import epub, html  # noqa: E402
from book.theme.latex import SETTINGS  # noqa: E402

project = "No Magic"
author = edition.read(ROOT).by
version = release = edition.read(ROOT).version
language = "en"

extensions = [
    "myst_parser",
    "sphinxcontrib.bibtex",
    "sphinx_book_theme",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_exercise",
    "book.extensions.changed",
    "book.extensions.sections",
    "book.extensions.listings",
    "book.extensions.facts",
    "book.extensions.transcripts",
    "book.extensions.drawn",
    "book.extensions.numbering",
    "book.extensions.numrefs",
    "book.extensions.path",
    "book.extensions.terms",
    "book.extensions.references",
    "book.extensions.cited",
    "book.extensions.citing",
    "book.extensions.colophon",
    "book.extensions.escaped",
]
exclude_patterns = ["theme", "figures", "extensions", "back/solutions"]
nitpicky = True
numfig = True

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "attrs_inline"]
myst_footnote_transition = False

bibtex_bibfiles = ["../references.bib"]
bibtex_default_style = "by-author"
bibtex_reference_style = "round"

# --- HTML (the settings are in book/theme/html.py, the look in book/theme/static)
extensions += ["book.extensions.mathematics", "book.theme.html"]
globals().update(html.SETTINGS)

# --- PDF (the settings are with the design, in book/theme/latex.py)
extensions.append("book.theme.latex")
globals().update(SETTINGS)

# --- EPUB (the settings are in book/theme/epub.py, the look in book/theme/reader)
extensions.append("book.theme.epub")
globals().update(epub.SETTINGS)
