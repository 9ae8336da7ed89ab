"""References by number, for which each page that they lead to is unpickled once.

Sphinx unpickles the whole page anew for each {numref}: a third of what a build with nothing but an
edit cost. The pages are only looked at, so that they can be kept.
"""

from functools import lru_cache
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import ExtensionMetadata

KEPT = 16  # pages at a time: the references of one lead to few


class Pages:
    """A Sphinx environment that keeps the last pages it was asked for."""

    def __init__(self, env: BuildEnvironment) -> None:
        self._env = env
        self.get_doctree = lru_cache(KEPT)(env.get_doctree)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)


class KeepingDomain(StandardDomain):
    """Sphinx's own domain, whose references by number look at kept pages."""

    def __init__(self, env: BuildEnvironment) -> None:
        super().__init__(env)
        self._pages = Pages(env)

    def _resolve_numref_xref(
        self, env: BuildEnvironment, *rest: Any
    ) -> nodes.reference | nodes.Element | None:
        return super()._resolve_numref_xref(self._pages, *rest)  # type: ignore[arg-type]


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_domain(KeepingDomain, override=True)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
