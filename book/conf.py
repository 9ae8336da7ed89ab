"""What the book is to Sphinx. How each format is made of it, and looks, is the press's to say."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from press import edition  # noqa: E402
from press.epub import pages as epub  # noqa: E402
from press.html import pages as html  # noqa: E402
from press.pdf import latex as pdf  # noqa: E402

this = edition.read(ROOT)
project, author = this.name, this.by
version = release = this.number
language = "en"

extensions = [
    "myst_parser",
    "sphinxcontrib.bibtex",
    "sphinx_book_theme",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_exercise",
    "press.directives.changed",
    "press.directives.sections",
    "press.directives.listings",
    "press.directives.facts",
    "press.directives.sealed",
    "press.directives.transcripts",
    "press.directives.running",
    "press.directives.drawn",
    "press.directives.numbering",
    "press.directives.numrefs",
    "press.directives.path",
    "press.directives.formats",
    "press.directives.terms",
    "press.directives.references",
    "press.directives.cited",
    "press.directives.citing",
    "press.directives.taking",
    "press.directives.cards",
    "press.directives.summaries",
    "press.directives.errata",
    "press.directives.colophon",
    "press.directives.escaped",
]
exclude_patterns = ["figures", "back/solutions"]
nitpicky = True
numfig = True

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "attrs_inline"]
myst_footnote_transition = False

bibtex_bibfiles = ["../references.bib"]
bibtex_default_style = "by-author"
bibtex_reference_style = "round"

# Each format's settings and its look are in its room of the press.
extensions += ["press.directives.mathematics"]
html_baseurl = f"{this.url}/" if this.url else ""  # of canonical links
for room in (html, pdf, epub):
    extensions.append(room.__name__)
    globals().update(room.SETTINGS)
