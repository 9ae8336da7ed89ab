"""The HTML edition's look: complete, offline, and in the same colours as print and figures."""

import re
from pathlib import Path

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

import press
from press.figures import style

PRESS = Path(press.__file__).parent
SERVED = [PRESS / f"{room}/static" for room in ("html", "fonts", "katex")]
SHEETS = [SERVED[0] / name for name in ("nomagic.css", "pygments.css")]
SHEET = SHEETS[0].read_text(encoding="utf-8")


def colours(scheme: str) -> dict[str, str]:
    """The sheet's --nm- colours for light or dark pages, by the names of press.figures.style."""
    block = re.search(rf'html\[data-theme="{scheme}"\] \{{(.*?)\}}', SHEET, re.S)
    assert block
    found = re.findall(r"--nm-(\w+): (#\w{6})", block[1])
    return {name.upper(): colour.upper() for name, colour in found}


@pytest.mark.parametrize("scheme, figures", [("light", style.LIGHT), ("dark", style.DARK)])
def test_figures_and_pages_share_their_colours(scheme: str, figures: dict[str, str]) -> None:
    page = colours(scheme)
    assert page.keys() >= {"PAPER", "INK", "ACCENT", "RUST", "GREY", "HAIRLINE", "GROUND"}
    assert {name: figures[name] for name in page if name in figures} == {
        name: colour for name, colour in page.items() if name in figures
    }


def test_print_and_screen_share_their_colours() -> None:
    printed = (PRESS / "pdf/nomagic.sty").read_text(encoding="utf-8")
    defined = dict(re.findall(r"\\definecolor\{nm(\w+)\}\{HTML\}\{(\w{6})\}", printed))
    light = colours("light")
    assert len(defined) >= 6
    assert all(light[name.upper()] == f"#{colour}" for name, colour in defined.items())


def test_every_file_that_a_sheet_names_is_there() -> None:
    for sheet in SHEETS:
        for url in re.findall(r"url\(([^)]+)\)", sheet.read_text(encoding="utf-8")):
            served = [room / url for room in SERVED if (room / url).is_file()]
            assert len(served) == 1, f"{sheet.name}: {url}"


def test_every_variable_that_a_sheet_uses_is_set() -> None:
    used = {v for sheet in SHEETS for v in re.findall(r"var\((--nm-\w+)", sheet.read_text("utf-8"))}
    assert used <= set(re.findall(r"(--nm-\w+):", SHEET))


CONF = """
from press.html import pages

extensions = ["myst_parser", "sphinx_book_theme", "sphinx_copybutton"]
extensions += ["press.directives.mathematics", "press.html.pages"]
myst_enable_extensions = ["dollarmath"]
globals().update(pages.SETTINGS)
"""


def test_a_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "conf.py").write_text(CONF)
    (tmp_path / "index.md").write_text("# A book\n\n$x^2$\n\n```python\nx = 1\n```\n")
    out = tmp_path / "out"
    with patch_docutils(), docutils_namespace():
        app = Sphinx(
            *map(str, (tmp_path, tmp_path, out, tmp_path / "trees")),
            buildername="html",
            status=None,
        )
        app.build()
    page = (out / "index.html").read_text(encoding="utf-8")
    loaded = re.findall(r"<(?:script|link|img)[^>]+?(?:src|href)=\"([^\"]+)\"", page)
    local = [url.partition("?")[0] for url in loaded]
    assert all((out / url).is_file() for url in local), local
    assert {"_static/nomagic.css", "_static/katex/katex.min.css"} <= set(local)
    assert "mathjax" not in page.lower()
    assert (out / "_static/pygments.css").read_text() == SHEETS[1].read_text()
    assert not list(out.rglob("*.map")) and not list(out.rglob("katex*.js"))
