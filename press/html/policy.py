"""The Content-Security-Policy that each page of the HTML edition states, and obeys.

A page loads what lies beside it and nothing else, and runs no script but the shipped files and its
own inline ones, each known by its hash. It holds from `file:` and from a server alike: `'self'`
does not cover files in every browser, hence `file:`. KaTeX places its letters by style attributes,
so these, and only these, may be written in the page.

A page with a Run panel (press.directives.running) may besides compile WebAssembly, which is Python,
and begin a worker from a script that it has put together itself; the worker obeys the same policy.
"""

import base64
import hashlib
import re
from typing import Any

from sphinx.builders import Builder
from sphinx.errors import ExtensionError
from sphinx.jinja2glue import BuiltinTemplateLoader
from sphinx.theming import Theme

CHARSET = '<meta charset="utf-8" />'
PANEL = '<form class="run"'
FOLD = '<summary><span class="toctree-toggle"'
SCRIPT = re.compile(
    r"<script(?![^>]*\bsrc=)(?![^>]*\btype=\"application/)[^>]*>(.*?)</script>", re.S
)


def digest(script: str) -> str:
    """How a policy names an inline script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def policy(page: str) -> str:
    """The least that a page needs."""
    own = "'self' file:"
    hashes = sorted({digest(script) for script in SCRIPT.findall(page)})
    runs = PANEL in page
    return "; ".join(
        [
            "default-src 'none'",
            " ".join([f"script-src {own}", *["'wasm-unsafe-eval'"] * runs, *hashes]),
            *["worker-src blob:"] * runs,
            f"style-src-elem {own}",
            "style-src-attr 'unsafe-inline'",
            f"img-src {own} data:",
            f"font-src {own}",
            f"form-action {own}",
            "base-uri 'none'",
        ]
    )


def stated(page: str) -> str:
    """A page with its policy, before anything that the policy could forbid; a piece as it is."""
    if "<head>" not in page:
        return page
    if CHARSET not in page:
        raise ExtensionError("a page has no place for its policy: its theme writes another head")
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy(page)}" />'
    return page.replace(CHARSET, f"{CHARSET}\n    {meta}", 1)


def named(page: str) -> str:
    """A page whose folds in the list of contents have a name for those who hear it."""
    return page.replace(FOLD, FOLD.replace("<summary>", '<summary aria-label="Chapters">'))


class Templates(BuiltinTemplateLoader):
    """Sphinx's templates; pages of the HTML edition come out with their policy and named folds."""

    def init(
        self, builder: Builder, theme: Theme | None = None, dirs: list[str] | None = None
    ) -> None:
        super().init(builder, theme, dirs)
        self.states_policy = builder.name == "html"

    def render(self, template: str, context: dict[str, Any]) -> str:  # type: ignore[override]
        page = super().render(template, context)
        return stated(named(page)) if self.states_policy else page
