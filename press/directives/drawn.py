"""The `drawn` directive: a figure that book/figures drew from a chapter's runs.

```{drawn} learning-curves          in a chapter; elsewhere {drawn} microgpt:learning-curves
                                    or {drawn} front/map:chapters, a figure of no chapter
:alt: One sentence or two for who cannot see it.
The caption.
```
"""

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from press.directives import house, sealed
from recorder.errors import BookError
from recorder.records import read_json

FILES = ("{}.svg", "{}-dark.svg", "{}.pdf", "{}-300dpi.png")


class Drawn(SphinxDirective):
    """A numbered figure, light and dark on screen and as PDF in print."""

    has_content = True
    required_arguments = 1
    option_spec = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        try:
            return [self.figure()]
        except BookError as error:
            house.warn(error, self.get_location())
            return []

    def figure(self) -> nodes.figure:
        script, _, name = self.arguments[0].rpartition(":")
        module = house.root(self.env) / "book" / "figures" / f"{script}.py"
        chapter = script if module.is_file() else house.named(self.env, script)
        base = self.base(chapter, name)
        light = self.image(f"{base}.*", "only-light")
        dark = addnodes.only("", self.image(f"{base}-dark.*", "only-dark"))
        dark["expr"] = "builder_html"
        # The theme hides a caption beside a hidden image, so the images stand one level below.
        images = nodes.container("", light, dark)
        figure = nodes.figure("", images, self.caption(name))
        self.set_source_info(figure)
        self.options["name"] = f"fig-{chapter.split('/')[1]}-{name}"
        self.add_name(figure)
        figure["long"] = self.long(chapter, name)
        return figure

    def long(self, chapter: str, name: str) -> list[sealed.Used]:
        """The long experiments of which it was drawn, as the stamp beside it says."""
        stamp = house.root(self.env) / "build" / "figures" / f"{chapter}.json"
        self.env.note_dependency(stamp)
        return sealed.used(list(read_json(stamp).get(name, {}).get("read", ())))

    def base(self, chapter: str, name: str) -> str:
        """The figure's path, from the book's folder, without its ending; its files are there."""
        base = f"build/figures/{chapter}-{name}"
        for file in FILES:
            path = house.root(self.env) / file.format(base)
            self.env.note_dependency(path)
            if not path.is_file():
                function = name.replace("-", "_")
                raise BookError(
                    f"the figure {file.format(base)} is not there; run `make figures`, which "
                    f"calls {function}() of book/figures/{chapter}.py"
                )
        return f"/../{base}"

    def image(self, uri: str, scheme: str) -> nodes.image:
        if not self.options.get("alt"):
            raise BookError(
                f"the figure '{self.arguments[0]}' has no text for who cannot see it; add :alt:"
            )
        return nodes.image("", uri=uri, alt=self.options["alt"], classes=[scheme])

    def caption(self, name: str) -> nodes.caption:
        match self.parse_content_to_nodes():
            case [nodes.paragraph() as paragraph]:
                return nodes.caption(paragraph.rawsource, "", *paragraph.children)
        raise BookError(f"the figure '{name}' needs a caption, of one paragraph")


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_directive("drawn", Drawn)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
