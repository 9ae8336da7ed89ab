"""A small book in a folder of its own, for the tests of the directives: build, change, build."""

import hashlib
import json
import re
from io import StringIO
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

CONF = """
extensions = [
    "myst_parser",
    "sphinxcontrib.bibtex",
    "sphinx_exercise",
    "press.directives.sections",
    "press.directives.listings",
    "press.directives.facts",
    "press.directives.sealed",
    "press.directives.transcripts",
    "press.directives.drawn",
    "press.directives.numbering",
    "press.directives.numrefs",
    "press.directives.references",
]
myst_enable_extensions = ["dollarmath", "colon_fence"]
nitpicky = numfig = True
html_theme = "basic"
bibtex_bibfiles = ["../references.bib"]
bibtex_default_style = "by-author"
bibtex_reference_style = "round"
latex_toplevel_sectioning = "part"
"""

INDEX = """# Book

```{toctree}
front/preface
```

```{toctree}
:numbered:

01-first/index
02-second/index
```

```{toctree}
back/solutions
back/bibliography
```
"""

REFERENCES = """
@article{adam, author={Kingma, Diederik P. and Ba, Jimmy}, title={Adam}, journal={A}, year={2015}}
@article{gpt, author={A, B. and C, D. and E, F.}, title={Letters}, journal={J}, year={2018}}
"""

CITATION = """title: "Small: A Book"
authors: [{name: The Small authors}]
version: 1.2.0
date-released: 2026-03-04
"""

ALPHA = '''"""Alpha."""
# === The tape ===
TAPE = []


# --- Add ---
def add(a, b):
    return a + b


# === Main ===
print("loss | 0.500")
'''

ALPHA_RUN = """start
names | 0.90
loss  | 0.500
steps | 1,000
end
"""

ALPHA_CHAPTER = """---
paper: adam
facts:
  loss: 'loss +\\| (\\d\\.\\d+)'
  names: 'names \\| (\\d\\.\\d+)'
  steps: 'steps \\| ([\\d,]+)'
experiments:
  no-add:
    set: {ADD: false}
    facts:
      loss_no_add: 'loss +\\| (\\d\\.\\d+)'
---
# Alpha

{cite:t}`adam`. The loss is {fact}`loss`, the gain {fact}`100 * (names - loss) | .1f`.
{claim}`loss < names` {claim}`loss_no_add > loss`

## The walk

```{listing} Docstring
```

```{listing} The tape
```

```{listing} Add
```

```{listing} Main
```

### Deeper

```{transcript}
```

```{transcript}
:from: ^names
:to: ^steps
```

```{transcript}
:experiment: no-add
```

```{drawn} learning-curves
:alt: A line that falls.

A line that falls to {fact}`loss`.
```

$$ x = 1 $$ (eq-alpha)

:::{exercise} A first one
:label: ex-alpha
Add.
:::
"""

BETA = ALPHA.replace("Alpha", "Beta").replace('print("loss | 0.500")', 'print("beta")')

BETA_CHAPTER = """---
paper: gpt
facts:
  word: '^(beta)$'
---
# Beta

As in {numref}`lst-alpha-the-tape`, {eq}`eq-alpha` and {numref}`fig-alpha-learning-curves`
{cite:p}`gpt,adam`.

```{listing} Docstring
```

```{carried}
The tape
Add
```

```{listing} Main
```

:::{exercise} Another
:label: ex-beta
Multiply.
:::
"""

SOLUTIONS = """# Solutions

The loss is {fact}`alpha:loss`, after {fact}`alpha:steps | .0f` steps.

```{transcript} alpha
:experiment: no-add
:from: loss
```

:::{solution} ex-alpha
Done.
:::

:::{solution} ex-beta
Done.
:::
"""


class SmallBook:
    """Two chapters in two tiers, which build without a warning until a test changes them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.read: list[str] = []
        self.write("book/conf.py", CONF)
        self.write("book/index.md", INDEX)
        self.write("book/front/preface.md", "# Preface\n\nHello.\n")
        self.write("book/01-first/index.md", "# First\n\n```{toctree}\nalpha\n```\n")
        self.write("book/02-second/index.md", "# Second\n\n```{toctree}\nbeta\n```\n")
        self.write("book/01-first/alpha.md", ALPHA_CHAPTER)
        self.write("book/02-second/beta.md", BETA_CHAPTER)
        self.write("book/back/solutions.md", SOLUTIONS)
        self.write("book/back/bibliography.md", "# Works\n\n```{bibliography}\n```\n\nThe end.\n")
        self.write("references.bib", REFERENCES)
        self.write("CITATION.cff", CITATION)
        self.write("scripts/01-first/alpha.py", ALPHA)
        self.write("scripts/02-second/beta.py", BETA)
        self.record("01-first/alpha", ALPHA_RUN)
        self.record("01-first/alpha--no-add", "loss | 0.700\n")
        self.record("02-second/beta", "beta\n")
        for ending in (".svg", "-dark.svg", ".pdf", "-300dpi.png"):
            self.write(f"build/figures/01-first/alpha-learning-curves{ending}", "<svg/>")
        self.write("build/figures/01-first/alpha.json", "{}")  # of what it was drawn

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def change(self, path: str, old: str, new: str) -> None:
        """Replace a piece of a file."""
        text = (self.root / path).read_text(encoding="utf-8")
        assert old in text
        self.write(path, text.replace(old, new, 1))

    def record(self, name: str, text: str) -> None:
        """Write a transcript with its record."""
        record = {
            "date": "2026-11-02T10:00:00+00:00",
            "implementation": "CPython",
            "python": "3.11.2",
            "cpu": "A Fine CPU",
            "platform": "Linux x86_64",
            "user_seconds": 41.26,
            "transcript_sha256": hashlib.sha256(text.encode()).hexdigest(),
        }
        self.write(f"build/runs/{name}.txt", text)
        self.write(f"build/runs/{name}.json", json.dumps(record))

    def build(self, builder: str = "html", parallel: int = 1) -> list[str]:
        """Build what is out of date; the warnings, without paths. `read` has the documents read."""
        warnings = StringIO()
        self.read = []
        book, out = self.root / "book", self.root / "build" / builder
        with patch_docutils(book), docutils_namespace():
            app = Sphinx(
                book,
                book,
                out,
                self.root / "build" / "doctrees" / builder,
                builder,
                status=None,
                warning=warnings,
                parallel=parallel,
            )
            app.connect("env-before-read-docs", lambda app, env, names: self.read.extend(names))
            app.build()
        self.read.sort()
        text = re.sub(r"\x1b\[[0-9;]*m", "", warnings.getvalue())
        return text.replace(f"{self.root}/", "").splitlines()

    def page(self, name: str) -> str:
        """A built HTML page."""
        return (self.root / "build" / "html" / f"{name}.html").read_text(encoding="utf-8")

    def tex(self) -> str:
        """The built LaTeX."""
        [file] = (self.root / "build" / "latex").glob("*.tex")
        return file.read_text(encoding="utf-8")

    def written(self) -> dict[str, int]:
        """When each HTML page was written."""
        html = self.root / "build" / "html"
        pages = (page for page in html.rglob("*.html") if page.parent != html)
        return {str(page.relative_to(html)): page.stat().st_mtime_ns for page in pages}
