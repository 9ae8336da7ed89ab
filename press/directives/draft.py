"""With DRAFT=1 a page is made whatever its runs came to: marked, and with a line at its top.

The recorder then runs changed scripts and none of their experiments, whose old numbers stay.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import ExtensionMetadata

from press.directives import house
from recorder import data, records
from recorder.errors import BookError
from recorder.plan import all_runs

AMISS = "amiss"  # the class of what does not hold


def mark(env: BuildEnvironment, error: BookError) -> list[nodes.Node]:
    """What stands in a draft in the place of what is not as it must be; elsewhere nothing does."""
    return [nodes.strong("", f"[{error}]", classes=[AMISS])] if env.config.draft else []


def stale(env: BuildEnvironment, chapter: str) -> list[str]:
    """The runs of a chapter that are not what running them now would give."""
    root = house.root(env)
    sums = data.verified(root)
    runs = [run for run in all_runs(root) if run.name == chapter]
    old = [run for run in runs if not records.is_fresh(run, sums)]
    return [run.experiment or "the script itself" for run in old]


def say(app: Sphinx, document: nodes.document) -> None:
    """Put a line at the top of a chapter that says what was not run again, and what is marked."""
    if not app.config.draft or not house.is_chapter(app.env.docname):
        return
    lines = []
    try:
        if old := stale(app.env, app.env.docname):
            lines.append(f"Not run again, so its numbers may be old: {', '.join(old)}.")
    except BookError as error:
        lines.append(str(error))
    if amiss := [node for node in document.findall(nodes.strong) if AMISS in node["classes"]]:
        lines.append(f"What no longer holds is marked, {len(amiss)} times.")
    if lines:
        place = next(document.findall(nodes.title))
        text = nodes.paragraph("", f"This page is a draft. {' '.join(lines)}")
        place.parent.insert(place.parent.index(place) + 1, nodes.warning("", text))


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_config_value("draft", False, "env", bool)
    app.connect("doctree-read", say)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
