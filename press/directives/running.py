"""The Run panel of each chapter: on its page the program runs, with the settings of the reader.

It stands in the first section that is called "The run", behind the whole transcript if that is
there. All that it shows comes from the script, the chapter's header and the record of the run. In
print and in e-readers a line gives the page's address instead, where the edition has one.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from docutils import nodes
from jinja2 import Environment
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

from press.directives import house
from press.directives.transcripts import provenance, transcript
from press.run import RUNTIME, pack
from recorder import constants, data
from recorder.errors import BookError
from recorder.layout import script_path
from recorder.plan import Run
from recorder.transcript import Transcript

SECTION = "The run"
ROOM = "_static/run"
TEMPLATE = Environment(autoescape=True).from_string(
    (pack.HERE / "panel.html").read_text(encoding="utf-8")
)
LOADER = (pack.HERE / "load.js").read_text(encoding="utf-8")


class run_panel(nodes.General, nodes.Element):  # noqa: N801
    """The panel of `chapter`; its other attributes are what the template shows."""


def insert(app: Sphinx, document: nodes.document) -> None:
    """Put the panel into a chapter that has just been read."""
    chapter = app.env.docname
    if not house.is_chapter(chapter):
        return
    for section in document.findall(nodes.section):
        if section[0].astext().startswith(SECTION):
            try:
                section.insert(place(section), panel(app.env, chapter))
            except BookError as error:
                house.warn(error, chapter)
            return


def place(section: nodes.section) -> int:
    """Behind the whole transcript, or else before the first subsection, or at the end."""
    whole = [
        child
        for child in section
        if isinstance(child, transcript) and any(isinstance(one, provenance) for one in child)
    ]
    if whole:
        return section.index(whole[0]) + 1
    parts = [child for child in section if isinstance(child, nodes.section)]
    return section.index(parts[0]) if parts else len(section)


def panel(env: BuildEnvironment, chapter: str) -> run_panel:
    """What the panel of a chapter shows, from what the book knows of it."""
    root = house.root(env)
    env.note_dependency(root / RUNTIME)
    house.sections_of(env, chapter)  # says so where there is no script
    script = script_path(root, chapter)
    [main] = house.runs_of(env, chapter)
    return run_panel(
        chapter=chapter,
        settings=constants.read(script.read_text(encoding="utf-8"), script),
        presets={
            name: {constant: repr(value) for constant, value in body.set.items()}
            for name, body in house.header_of(env, chapter).experiments.items()
            if not body.long and not body.seeds
        },
        seconds=house.transcript_of(env, main).record["user_seconds"],
    )


def visit_panel_html(self: HTML5Translator, node: run_panel) -> None:
    runtime = house.root(self.builder.env) / RUNTIME
    megabytes = f"{runtime.stat().st_size / 1e6:.1f}" if runtime.is_file() else ""
    self.body.append(
        TEMPLATE.render(
            room=f"{'../' * node['chapter'].count('/')}{ROOM}/",
            name=node["chapter"].split("/")[1],
            loader=LOADER,
            megabytes=megabytes,
            **{name: node[name] for name in ("settings", "presets", "seconds")},
        )
    )
    raise nodes.SkipNode


class Elsewhere(SphinxPostTransform):
    """Put the address of the page in the place of the panel where no program can run."""

    default_priority = 5
    builders = ("latex", "epub")

    def run(self, **kwargs: Any) -> None:
        citations = self.env.get_domain("citations").data["chapters"]
        for node in list(self.document.findall(run_panel)):
            url = citations[node["chapter"]].url
            link = nodes.reference("", url, refuri=url)
            words = nodes.Text("Run this program in a browser, with settings of your own: ")
            node.parent.replace(node, [nodes.paragraph("", "", words, link)] if url else [])


def give(app: Sphinx, exception: Exception | None) -> None:
    """Put beside the web pages what their panels load: programs, transcripts, data, Python."""
    if exception is not None or app.builder.name != "html":
        return
    root, out = house.root(app.env), Path(app.outdir) / ROOM
    if (root / RUNTIME).is_file():
        write(out, "runtime", (root / RUNTIME).read_bytes())
    data_files: set[str] = set()
    for chapter in sorted(filter(house.is_chapter, app.env.found_docs)):
        try:
            content = given(root, chapter)
        except (BookError, FileNotFoundError):  # told where the chapter is read
            continue
        data_files |= set(content["data"])
        name = f"chapters/{chapter.split('/')[1]}"
        write(out, name, pack.given(name, content))
    for file in sorted(data_files):
        with suppress(FileNotFoundError):  # told where the archive of the programs is made
            write(out, f"data/{file}", pack.data(file, (root / data.FOLDER / file).read_bytes()))


def given(root: Path, chapter: str) -> dict[str, Any]:
    """A chapter's program, what it printed, and the names of the data files that it names."""
    source = script_path(root, chapter).read_text(encoding="utf-8")
    files = sorted(Path(path).name for path in data.listed(root))
    return {
        "script": house.script(chapter),
        "source": source,
        "transcript": Transcript.of(Run(root, chapter)).text,
        "data": [name for name in files if name in source],
    }


def write(folder: Path, name: str, content: bytes) -> None:
    """Write one of the panel's files."""
    file = folder / f"{name}.js"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def serve(app: Sphinx) -> None:
    """Let the panel's own script lie beside the pages."""
    if isinstance(app.builder, StandaloneHTMLBuilder):
        app.config.html_static_path = [*app.config.html_static_path, str(pack.HERE / "static")]


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_node(run_panel, html=(visit_panel_html, None))
    app.add_post_transform(Elsewhere)
    app.connect("builder-inited", serve)
    app.connect("doctree-read", insert)
    app.connect("build-finished", give)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
