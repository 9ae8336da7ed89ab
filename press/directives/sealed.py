"""Says in the margin, at the first use of a long experiment, when and by what it was recorded.

Whatever shows something of a long experiment, a number, a claim's mark, a transcript or a figure,
lists it in the attribute `long` of its node, as pairs of chapter and experiment.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import PurePosixPath

from docutils import nodes
from docutils.nodes import Element
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import ExtensionMetadata

from press.directives import house
from recorder.errors import BookError
from recorder.layout import LONG
from recorder.records import Record

Used = tuple[str, str]  # the chapter and the name of a long experiment
WHOLE = (nodes.document, nodes.section)


def used(files: list[str]) -> list[Used]:
    """The long experiments whose transcripts are among these files, by paths from the root."""
    labels = [PurePosixPath(file).relative_to(LONG) for file in files if file.startswith(LONG)]
    parts = [label.with_suffix("").as_posix().split("--") for label in labels]
    return list(dict.fromkeys((name, experiment) for name, experiment, *_ in parts))


def note_first_uses(app: Sphinx, document: nodes.document) -> None:
    """Put a note before each block that uses a long experiment first."""
    for block, experiments in list(_first_uses(document)):
        try:
            note = _note(app.env, experiments)
        except BookError:  # said where the number is shown
            continue
        block.parent.insert(block.parent.index(block), note)


def _first_uses(document: nodes.document) -> Iterator[tuple[Element, list[Used]]]:
    """The blocks of a document, and the long experiments that are used there first."""
    met: set[Used] = set()
    found: dict[Element, list[Used]] = {}
    for node in document.findall(Element):
        uses: list[Used] = node.get("long", [])
        new = [use for use in dict.fromkeys(uses) if use not in met]
        if new:
            met.update(new)
            found.setdefault(_block(node), []).extend(new)
    yield from found.items()


def _block(node: Element) -> Element:
    """The outermost element around a node, or itself, that is only a part of a section."""
    block = node
    while (parent := node.parent) is not None:
        if not isinstance(node, WHOLE):
            block = node
        node = parent
    return block


def _note(env: BuildEnvironment, experiments: list[Used]) -> nodes.sidebar:
    note = nodes.sidebar("", classes=["margin", "recorded"])
    for chapter, experiment in experiments:
        name = experiment if chapter == env.docname else f"{chapter.split('/')[1]}: {experiment}"
        told = nodes.Text(f", {_told(env, chapter, experiment)}")
        note += nodes.paragraph("", "", nodes.emphasis("", name), told)
    return note


def _told(env: BuildEnvironment, chapter: str, experiment: str) -> str:
    """How often, when, by what and how long the runs of an experiment were recorded."""
    runs = house.runs_of(env, chapter, experiment)
    records = [house.transcript_of(env, run).record for run in runs]
    seeds = f"{len(runs)} seeds, " if runs[0].seed is not None else ""
    by = sorted({f"{record['implementation']} {record['python']}" for record in records})
    return f"{seeds}recorded once, {told(records)}, {', '.join(by)}."


def told(records: list[Record]) -> str:
    """When runs were recorded, and how long they took together."""
    days = sorted({date.fromisoformat(record["date"][:10]) for record in records})
    when = " to ".join(f"{day.day} {day:%B %Y}" for day in dict.fromkeys((days[0], days[-1])))
    return f"{when}, {duration(sum(record['user_seconds'] for record in records))}"


def duration(seconds: float) -> str:
    """duration(38) -> "38 seconds", 2460 -> "41 minutes", 9000 -> "2.5 hours"."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 90 * 60 else f"{seconds / 3600:.1f} hours"


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("doctree-read", note_first_uses)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
