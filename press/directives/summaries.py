"""The directive `{summaries}`: a page a tier, with what its chapters come to.

Of each chapter it has the line that says what it teaches, and, from its header, the formula that it
derives, the line of code that computes it, and the headline numbers of its run.
"""

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from press import path
from press.directives import house, numerals
from press.directives.facts import Reader
from press.directives.path import link
from press.path import Stop
from recorder import layout
from recorder.errors import BookError
from recorder.header import Summary

SUMMARY = "summary"
# A page of its own, in small type, whose paragraphs are set apart by space
NEW_PAGE = r"\clearpage"
SMALL = (
    r"\begingroup\small\setlength\parindent{0pt}\setlength\parskip{4pt plus 2pt}"
    r"\abovedisplayskip=2pt plus 2pt\belowdisplayskip=2pt plus 2pt",
    r"\par\endgroup",
)


class Summaries(SphinxDirective):
    """A section for each tier."""

    def run(self) -> list[nodes.Node]:
        root = house.root(self.env)
        self.env.note_dependency(root / path.FILE)
        try:
            tiers = path.tiers(path.read(root))
            return [self.page(tier, chapters) for tier, chapters in tiers.items()]
        except BookError as error:
            house.warn(error, self.get_location())
            return []

    def page(self, tier: str, stops: list[Stop]) -> nodes.section:
        """A tier's section."""
        root = house.root(self.env)
        self.env.note_dependency(layout.chapter_path(root, f"{tier}/index"))
        title = path.title(root, f"{tier}/index")
        section = nodes.section("", nodes.title("", title), names=[title], classes=[SUMMARY])
        self.state.document.note_implicit_target(section, section)
        section += self.parse_text_to_nodes("\n\n".join(map(self.chapter, stops)))
        return section

    def chapter(self, stop: Stop) -> str:
        """One chapter in Markdown."""
        house.header_of(self.env, stop.document)  # the page depends on it
        parts = [f"**{stop.number} {link(stop)}**: {stop.header.teaches}."]
        if stop.header.summary:
            parts.append(f"$$\n{self.formula(stop, stop.header.summary)}\n$$")
            parts.append(f"`{self.line(stop, stop.header.summary)}`")
        parts.append(" \N{MIDDLE DOT} ".join(self.numbers(stop)))
        return "\n\n".join(filter(None, parts))

    def formula(self, stop: Stop, summary: Summary) -> str:
        """The TeX of the chapter's formula."""
        file = layout.chapter_path(house.root(self.env), stop.document)
        self.env.note_dependency(file)
        text = file.read_text(encoding="utf-8")
        head, label, _ = text.partition(f"$$ ({summary.formula})")
        if not label:
            labels = re.findall(r"^\$\$ \((.+)\)$", text, re.MULTILINE)
            raise BookError(
                f"book/{stop.document}.md: 'summary' names the formula '{summary.formula}', which "
                f"the chapter does not have{house.nearest(summary.formula, labels)}"
            )
        return head.rpartition("$$\n")[2].strip().rstrip(" .,")

    def line(self, stop: Stop, summary: Summary) -> str:
        """The line of code, which must stand in the chapter's script, be it on several lines."""
        file = layout.script_path(house.root(self.env), stop.document)
        self.env.note_dependency(file)
        code = " ".join(summary.line.split())
        if code not in " ".join(file.read_text(encoding="utf-8").split()):
            raise BookError(
                f"book/{stop.document}.md: 'summary' has a line that does not stand in "
                f"{house.script(stop.document)}: {code}"
            )
        return code

    def numbers(self, stop: Stop) -> Iterator[str]:
        """The headlines by the names that the header gives them."""
        reader = Reader(self.env)
        for name in stop.header.headline:
            value = reader.printed(f"{stop.document}:{name}")
            assert isinstance(value, str)  # a headline has no seeds
            yield f"*{name.replace('_', ' ')}* {numerals.printed(value)}"


class FitPage(SphinxPostTransform):
    """Set each tier's section in small type, on a page of its own."""

    default_priority = 900
    formats = ("latex",)

    def run(self, **kwargs: Any) -> None:
        for section in list(self.document.findall(nodes.section)):
            if SUMMARY in section["classes"]:
                page, before, after = (
                    nodes.raw("", code, format="latex") for code in (NEW_PAGE, *SMALL)
                )
                section.insert(1, before)
                section += after
                section.parent.insert(section.parent.index(section), page)


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_directive("summaries", Summaries)
    app.add_post_transform(FitPage)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
