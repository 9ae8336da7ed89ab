"""Where each entry of the bibliography is cited: links to chapters on screen, pages in print."""

from typing import Any, cast

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.typing import ExtensionMetadata
from sphinxcontrib.bibtex.domain import BibtexDomain

from press.directives import house


def mark_citations(app: Sphinx, document: nodes.document) -> None:
    """Set a target before each citation, so that the bibliography can point back to it."""
    for citation in list(document.findall(addnodes.pending_xref)):
        if citation.get("refdomain") == "cite":
            target = nodes.target("", "", ids=[back(citation["ids"][0])])
            citation.parent.insert(citation.parent.index(citation), target)


def back(citation_ref_id: str) -> str:
    return f"cited-{citation_ref_id}"


class CitedBy(SphinxPostTransform):
    """Say in each entry of the bibliography where the work is cited."""

    default_priority = 6  # after sphinxcontrib-bibtex has made the entries

    def run(self, **kwargs: Any) -> None:
        domain = cast(BibtexDomain, self.env.get_domain("cite"))
        keys = {citation.citation_id: citation.key for citation in domain.citations}
        places: dict[str, list[tuple[str, str]]] = {}
        for reference in domain.citation_refs:
            for target in reference.targets:
                place = (reference.docname, back(reference.citation_ref_id))
                places.setdefault(target.key, []).append(place)
        printed = self.app.builder.format == "latex"
        order = {document: n for n, document in enumerate(house.reading_order(self.env))}
        for entry in self.document.findall(nodes.citation):
            cited = places.get(keys.get(entry["ids"][0], ""), [])
            cited.sort(key=lambda place: order.get(place[0], len(order)))
            paragraph = cast(nodes.paragraph, entry[-1])
            paragraph += self.pages(cited) if printed else self.links(cited)

    def pages(self, cited: list[tuple[str, str]]) -> nodes.raw:
        labels = ",".join(f"{document}:{anchor}" for document, anchor in cited)
        return nodes.raw("", rf" \nmcited{{{labels}}}", format="latex")

    def links(self, cited: list[tuple[str, str]]) -> nodes.inline:
        """One link for each document, to its first citation."""
        line = nodes.inline("", " Cited in ", classes=["cited"])
        first: dict[str, str] = {}
        for document, anchor in cited:
            first.setdefault(document, anchor)
        for document, anchor in first.items():
            if len(line) > 1:
                line += nodes.Text(", ")
            address = self.app.builder.get_relative_uri(self.env.docname, document)
            name = self.name_of(document)
            line += nodes.reference("", name, refuri=f"{address}#{anchor}", internal=True)
        line += nodes.Text(".")
        return line

    def name_of(self, document: str) -> str:
        """A chapter's number, or the title of what has none."""
        number = self.env.toc_secnumbers.get(document, {}).get("")
        title = self.env.titles[document].astext()
        return f"chapter {number[0]}" if number else title


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("doctree-read", mark_citations)
    app.add_post_transform(CitedBy)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
