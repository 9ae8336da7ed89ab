"""The directives that show a chapter's script: `listing` prints a section, `carried` refers back.

```{listing} Score every earlier token
```

```{carried}
The tape
Add
```

The node of each has the titles of what it shows as its `sections`.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.directives.code import LiteralInclude
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator
from sphinx.writers.latex import LaTeXTranslator

from press import programs
from press.directives import house
from press.directives.sections import Sections, Shown
from recorder.errors import BookError
from recorder.sections import Section

logger = logging.getLogger(__name__)


class programs_reference(nodes.Inline, nodes.Element):  # noqa: N801
    """On the web, leads to the archive of all programs; elsewhere only what it holds."""


class home_reference(nodes.Inline, nodes.Element):  # noqa: N801
    """Stands for the number of the listing, in an earlier chapter, of the section `title`."""


def offer(document: str, content: nodes.Node) -> programs_reference:
    """A link from a document to the programs, which run only with their data."""
    place = "../" * document.count("/") + programs.NAME
    return programs_reference("", content, place=place)


def visit_programs_html(self: HTML5Translator, node: programs_reference) -> None:
    if self.builder.name == "html":
        title = "All programs with their data, as one archive"
        self.body.append(f'<a class="download" href="{node["place"]}" title="{title}" download>')


def depart_programs_html(self: HTML5Translator, node: programs_reference) -> None:
    if self.builder.name == "html":
        self.body.append("</a>")


def ignore(self: LaTeXTranslator, node: programs_reference) -> None:
    """On paper the name alone is printed."""


def label(chapter: str, title: str) -> str:
    """label("01-foundations/microgpt", "The tape") -> "lst-microgpt-the-tape"."""
    return f"lst-{chapter.split('/')[1]}-{nodes.make_id(title)}"


def show(directive: SphinxDirective, title: str, line: int, carried: bool) -> Section:
    """The section of this chapter's script, noted as shown. BookError when there is none."""
    env = directive.env
    chapter = house.here(env)
    sections = {section.title: section for section in house.sections_of(env, chapter)}
    if title not in sections:
        raise BookError(
            f"{house.script(chapter)} has no section '{title}'"
            f"{house.nearest(title, list(sections))}"
        )
    domain = env.get_domain("sections")
    assert isinstance(domain, Sections)
    domain.shown.setdefault(chapter, []).append(Shown(title, line, carried))
    return sections[title]


class Listing(LiteralInclude):
    """One section of the chapter's script, with its true line numbers and a caption."""

    option_spec = {}

    def run(self) -> list[nodes.Node]:
        title = self.arguments[0]
        try:
            section = show(self, title, self.lineno, carried=False)
        except BookError as error:
            house.warn(error, self.get_location())
            return []
        script = f"/../{house.script(self.env.docname)}"
        self.arguments = [script]
        self.options = {
            "language": "python",
            "lineno-match": None,
            "lines": f"{section.first}-{section.last_shown}",
        }
        listing = nodes.container("", literal_block=True, classes=["literal-block-wrapper"])
        listing += [self.caption(title, script), *super().run()]
        listing["sections"] = [title]
        self.set_source_info(listing)
        self.options["name"] = label(self.env.docname, title)
        self.add_name(listing)
        return [listing]

    def caption(self, title: str, script: str) -> nodes.caption:
        """The section's title, and the file's name, which on the web gives all programs."""
        file = offer(self.env.docname, nodes.literal("", script.rsplit("/", 1)[1]))
        origin = nodes.inline("", "", file, classes=["script"])
        return nodes.caption("", "", nodes.Text(f"{title}, "), origin)


class Carried(SphinxDirective):
    """Sections that an earlier chapter prints, one title a line, shown as references to there."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        items = nodes.bullet_list()
        for offset, title in enumerate(self.content):
            line = self.lineno + 1 + offset
            if title.strip():
                try:
                    items += self.item(title.strip(), line)
                except BookError as error:
                    house.warn(error, (self.env.docname, line))
        if not self.content:
            logger.warning("nothing is carried; name a section", location=self.get_location())
        opening = nodes.paragraph("", "Carried unchanged from an earlier chapter:")
        box = nodes.container("", opening, items, classes=["carried"])
        box["sections"] = [title.strip() for title in self.content if title.strip()]
        self.set_source_info(box)
        return [box]

    def item(self, title: str, line: int) -> nodes.list_item:
        """The title, the section's lines in this script, and the listing that prints them."""
        section = show(self, title, line, carried=True)
        lines = nodes.Text(f", lines {section.first}\N{EN DASH}{section.last_shown}: ")
        home = home_reference(title=title, refdoc=self.env.docname)
        return nodes.list_item("", nodes.paragraph("", "", nodes.emphasis("", title), lines, home))


class FindHomes(SphinxPostTransform):
    """Turn each `home_reference` into a numbered reference, now that all chapters are known."""

    default_priority = 4  # before Sphinx resolves references

    def run(self, **kwargs: Any) -> None:
        domain = self.env.get_domain("sections")
        assert isinstance(domain, Sections)
        for node in list(self.document.findall(home_reference)):
            home = domain.home(node["title"])
            if home is None:  # a warning already
                node.replace_self(nodes.Text("?"))
                continue
            target = label(home, node["title"])
            node.replace_self(
                addnodes.pending_xref(
                    "",
                    nodes.literal("", target),
                    refdomain="std",
                    reftype="numref",
                    reftarget=target,
                    refdoc=node["refdoc"],
                    refexplicit=False,
                    refwarn=True,
                )
            )


def put_programs(app: Sphinx, exception: Exception | None) -> None:
    """Put the archive of the programs beside the web pages."""
    if exception is not None or app.builder.name != "html":
        return
    try:
        archive = programs.archive(house.root(app.env))
    except BookError as error:
        house.warn(error, "")
        return
    (Path(app.outdir) / programs.NAME).write_bytes(archive)


def setup(app: Sphinx) -> ExtensionMetadata:
    app.setup_extension("press.directives.sections")
    app.add_directive("listing", Listing)
    app.add_directive("carried", Carried)
    app.add_node(home_reference)
    app.add_node(
        programs_reference,
        html=(visit_programs_html, depart_programs_html),
        latex=(ignore, ignore),
    )
    app.add_post_transform(FindHomes)
    app.connect("build-finished", put_programs)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
