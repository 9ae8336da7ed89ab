"""Terms of the glossary: linked from where they are used, in the index, and never used too soon.

{term}`causal mask` links to the glossary and is an entry of the index. The chapter whose header
names a term introduces it: it must link to it, and so must no chapter that is read earlier.
"""

from collections.abc import Iterator, Set
from typing import Any

from docutils import nodes
from docutils.nodes import Element
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains import Domain
from sphinx.environment import BuildEnvironment
from sphinx.roles import XRefRole
from sphinx.util.typing import ExtensionMetadata

from press import path
from press.directives import house
from press.path import Stop
from recorder.errors import BookError

GLOSSARY = "back/glossary"


class Terms(Domain):
    """Which terms each document links to: `used` has document -> term -> line."""

    name = "terms"
    label = "Terms"
    initial_data = {"used": {}}

    @property
    def used(self) -> dict[str, dict[str, int]]:
        return self.data["used"]  # type: ignore[no-any-return]

    def clear_doc(self, docname: str) -> None:
        self.used.pop(docname, None)

    def merge_domaindata(self, docnames: Set[str], otherdata: dict[str, Any]) -> None:
        self.used.update((name, otherdata["used"].get(name, {})) for name in docnames)


class Term(XRefRole):
    """A link to the glossary that is an index entry too."""

    def result_nodes(
        self, document: nodes.document, env: BuildEnvironment, node: Element, is_ref: bool
    ) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        term = node["reftarget"]
        used = env.get_domain("terms").data["used"].setdefault(env.docname, {})
        used.setdefault(term.lower(), self.lineno)
        anchor = f"term-use-{env.new_serialno('term')}"
        index = addnodes.index(entries=[("single", term, anchor, "", None)])
        return [index, nodes.target("", "", ids=[anchor]), node], []


def check_terms(app: Sphinx, env: BuildEnvironment) -> None:
    """Each term is defined, introduced by one chapter, and linked to in none before that."""
    try:
        stops = path.read(house.root(env))
    except BookError:  # said by press.directives.path
        return
    defined = {term for kind, term in env.get_domain("std").data["objects"] if kind == "term"}
    for sentence, place in complaints(stops, env.get_domain("terms").data["used"], defined):
        house.warn(BookError(sentence), place)


def complaints(
    stops: list[Stop], used: dict[str, dict[str, int]], defined: set[str]
) -> Iterator[tuple[str, str | tuple[str, int]]]:
    """What is wrong with the terms, and where; `used` as in Terms, `defined` by the glossary."""
    home: dict[str, int] = {}
    for place, stop in enumerate(stops):
        for term in stop.header.terms:
            if term in home:
                first = stops[home[term]].name
                yield f"the header introduces '{term}', as {first}'s does; keep one", stop.document
            elif term not in defined:
                lacking = f"the header introduces '{term}', which the glossary lacks"
                yield f"{lacking}; define it in book/{GLOSSARY}.md", stop.document
            elif term.lower() not in used.get(stop.document, {}):
                unused = f"the header introduces '{term}', but the chapter never links to it"
                yield f"{unused}; write {{term}}`{term}` at its first use", stop.document
            home.setdefault(term, place)
    for term in sorted(defined - home.keys()):
        lonely = f"no chapter introduces '{term}'"
        yield f"{lonely}; name it under 'terms' in the header of the one that does", GLOSSARY
    homes = {term.lower(): place for term, place in home.items()}
    for place, stop in enumerate(stops):
        for term, line in used.get(stop.document, {}).items():
            if homes.get(term, place) > place:
                late = f"'{term}' is used here, but {stops[homes[term]].name}, read later,"
                yield f"{late} introduces it; explain it here and move it", (stop.document, line)


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_domain(Terms)
    role = Term(innernodeclass=nodes.inline, warn_dangling=True)
    app.add_role_to_domain("std", "term", role, override=True)
    app.connect("env-check-consistency", check_terms)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
