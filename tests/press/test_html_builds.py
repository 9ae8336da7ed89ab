"""The HTML edition comes out the same, whatever was built before it."""

from pathlib import Path

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

CONF = """
from copy import deepcopy

from press.html import pages

extensions = ["myst_parser", "sphinx_book_theme", "sphinx_copybutton", "sphinx_exercise"]
extensions += ["press.directives.mathematics", "press.html.pages"]
myst_enable_extensions = ["dollarmath"]
globals().update(deepcopy(pages.SETTINGS))  # the theme writes into them
"""
INDEX = """# A book

```{toctree}
one
two
```
"""
PAGE = """# {title}

$x^2$

```text
<script>alert(1)</script>
```

```{{exercise}} Add
:label: ex-{title}
Add.
```

```{{exercise}} Multiply
Multiply.
```
"""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A book of two chapters in the book's own theme."""
    made = tmp_path / "book"
    made.mkdir()
    (made / "conf.py").write_text(CONF)
    (made / "index.md").write_text(INDEX)
    for title in ("one", "two"):
        (made / f"{title}.md").write_text(PAGE.format(title=title))
    return made


def build(book: Path, out: str) -> dict[str, bytes]:
    """Build what is stale into a folder; all that is then in it."""
    made, trees = book.parent / out, book.parent / f"{out}-trees"
    with patch_docutils(), docutils_namespace():
        paths = (book, book, made, trees)
        Sphinx(*map(str, paths), buildername="html", status=None).build()
    files = (path for path in sorted(made.rglob("*")) if path.is_file())
    return {str(path.relative_to(made)): path.read_bytes() for path in files}


def test_an_edit_and_its_reverse_leave_what_a_clean_build_makes(book: Path) -> None:
    page = (book / "one.md").read_text()
    build(book, "edited")
    (book / "one.md").write_text(page + "\nMore.\n")
    assert b"More." in build(book, "edited")["one.html"]
    (book / "one.md").write_text(page)
    edited, clean = build(book, "edited"), build(book, "clean")
    assert [name for name in edited.keys() | clean if edited.get(name) != clean.get(name)] == []


def test_text_that_looks_like_a_script_is_text(book: Path) -> None:
    page = build(book, "html")["one.html"].decode()
    assert "&lt;script&gt;alert" in page and "<script>alert" not in page


def test_no_id_stands_twice_and_no_event_has_a_handler(book: Path) -> None:
    page = build(book, "html")["one.html"].decode()
    assert "exercise-content" not in page
    assert " onclick=" not in page
    assert 'http-equiv="Content-Security-Policy"' in page
