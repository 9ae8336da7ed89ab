"""Formulas in HTML: rendered at build time, once, numbered as they are referred to."""

import re
from io import StringIO
from pathlib import Path

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from press.directives import mathematics

CONF = """
extensions = ["myst_parser", "press.directives.mathematics"]
myst_enable_extensions = ["dollarmath", "amsmath"]
html_theme = "basic"
numfig = nitpicky = True
"""
INDEX = """# Book

```{toctree}
:numbered:

one
two
```
"""
ONE = r"""# One

Inline $\beta_1 < 1$ and {eq}`eq-two` and {eq}`eq-one`.

$$ a^2 + b^2 = c^2 $$ (eq-one)

$$
x &= 1 \\
y &= 2
$$

\begin{equation}
z = 3
\end{equation}
"""
TWO = r"""# Two

$$ \frac{1}{2} $$ (eq-two)
"""


class Pages:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = root / "book"
        self.source.mkdir()
        for name, text in (
            ("conf.py", CONF),
            ("index.md", INDEX),
            ("one.md", ONE),
            ("two.md", TWO),
        ):
            (self.source / name).write_text(text)

    def build(self, jobs: int = 1) -> str:
        """Build what is stale and give the warnings."""
        warnings = StringIO()
        out, trees = self.root / "html", self.root / "trees"
        with patch_docutils(), docutils_namespace():
            app = Sphinx(
                *map(str, (self.source, self.source, out, trees)),
                buildername="html",
                status=None,
                warning=warnings,
                parallel=jobs,
            )
            app.build()
        return re.sub(r"\x1b\[[0-9;]*m", "", warnings.getvalue())

    def page(self, name: str) -> str:
        return (self.root / "html" / f"{name}.html").read_text()


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    return Pages(tmp_path)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What each node process was given."""
    seen: list[list[str]] = []
    render = mathematics.render

    def counted(formulas: list[mathematics.Formula]) -> list[tuple[str | None, str | None]]:
        seen.append([tex for tex, _ in formulas])
        return render(formulas)

    monkeypatch.setattr(mathematics, "render", counted)
    return seen


def test_formulas_are_html_that_needs_no_script(pages: Pages) -> None:
    assert pages.build() == ""
    one = pages.page("one")
    assert one.count('<span class="katex">') == 4
    assert '<annotation encoding="application/x-tex">\\beta_1 &lt; 1</annotation>' in one
    assert "katex/katex.min.css" in one and "MathJax" not in one
    assert "katex.min" not in pages.page("index")
    static = pages.root / "html/_static/katex"
    named = re.findall(r"url\((fonts/[^)]+)\)", (static / "katex.min.css").read_text())
    assert len(named) == 20 and all((static / path).is_file() for path in named)


def test_numbers_agree_with_references(pages: Pages) -> None:
    pages.build()
    one = pages.page("one")
    assert re.findall(r'class="eqno">\(([\d.]+)\)', one) == ["1.1", "1.2"]
    assert re.findall(r'class="eqno">\(([\d.]+)\)', pages.page("two")) == ["2.1"]
    references = dict(re.findall(r'href="([^"]*#equation-[^"]*)">\(?([\d.]+)', one))
    assert references["two.html#equation-eq-two"] == "2.1"
    assert references["#equation-eq-one"] == "1.1"
    assert 'class="tag"' not in one and "eqn-num" not in one  # KaTeX numbers nothing


def test_punctuation_stays_with_its_formula(pages: Pages) -> None:
    (pages.source / "two.md").write_text("# Two\n\nIf ($a = b$), or $c$ and $d$-th: $e$\n")
    pages.build()
    two = pages.page("two")
    kept = re.findall(r'class="after">([^<]*)</span></span></span></span></span>([^<]*)', two)
    assert kept == [("),", " or "), ("-", "th: ")]
    assert two.count('class="unbroken"') == 2


def test_one_process_renders_what_is_new(pages: Pages, batches: list[list[str]]) -> None:
    pages.build()
    assert len(batches) == 1 and len(batches[0]) == 5
    pages.build()
    assert len(batches) == 1
    (pages.source / "two.md").write_text(TWO + "\nAnd $q$.\n")
    pages.build()
    assert batches[1:] == [["q"]]
    assert ">q</annotation>" in pages.page("two")


def test_parallel_builds_give_the_same(tmp_path: Path) -> None:
    made = []
    for jobs in (1, 2):
        (tmp_path / str(jobs)).mkdir()
        pages = Pages(tmp_path / str(jobs))
        # MyST gives a numbered bare environment an address at random.
        (pages.source / "one.md").write_text(ONE.replace("{equation}", "{equation*}"))
        for i in range(12):  # Sphinx reads in parallel from six documents on
            (pages.source / f"p{i}.md").write_text(f"---\norphan: true\n---\n# P\n\n$x_{{{i}}}$\n")
        assert pages.build(jobs) == ""
        made.append([pages.page(name) for name in ("one", "two", "p0", "p11")])
    assert made[0] == made[1]


def test_wrong_tex_is_told_with_its_place_at_every_build(pages: Pages) -> None:
    (pages.source / "two.md").write_text(TWO + "\nText.\n\nAnd $\\frac{1}$.\n")
    for _ in range(2):
        warnings = pages.build()
        assert "two.md:7: WARNING: TeX: " in warnings and "\\frac" in warnings
        assert warnings.count("WARNING") == 1
    (pages.source / "two.md").write_text(TWO)
    assert pages.build() == ""


@pytest.mark.parametrize("tex", [r"\undefined", r"x_{1", r"a & b", "\u4e2d"])
def test_what_latex_would_refuse_katex_refuses(tex: str) -> None:
    ((html, error),) = mathematics.render([(tex, False)])
    assert html is None and error


@pytest.mark.parametrize("tex", [r"\underset{n \times m}{A} B", r"\operatorname*{mean}_i x_i"])
def test_mathml_holds_rows_in_rows_and_text_in_letters(tex: str) -> None:
    ((html, _),) = mathematics.render([(tex, True)])
    assert html
    mathml = html[html.index("<math") : html.index("</math>")]
    assert "<munder>" in mathml
    assert not re.search(r"<(mi|mo|mn)\b[^>]*><\w", mathml)
    for tag in ("mi", "mo", "mrow", "munder"):
        assert len(re.findall(rf"<{tag}\b", mathml)) == mathml.count(f"</{tag}>")


def test_mathml_has_no_empty_column_spacing() -> None:
    ((html, _),) = mathematics.render([(r"\begin{align*} a &= b \\ c &= d \end{align*}", True)])
    assert html and 'columnspacing=""' not in html
