"""With DRAFT=1 a page is made whatever its runs came to, and says what is not the book's.

The recorder then runs changed scripts and none of their experiments, whose old numbers stay: they
are marked, and so is what could not be read. A claim that is false now stands crossed out with its
numbers, and with those that it had before. A line at the top says what differs, and a list ends the
build.
"""

import ast
from collections.abc import Callable
from contextlib import suppress

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import ExtensionMetadata

from press import edition
from press.directives import arithmetic, house
from press.directives.arithmetic import FalseClaimError, Printed
from recorder import data, guard, records
from recorder.errors import BookError
from recorder.plan import Run, all_runs, long_runs
from recorder.transcript import Transcript

AMISS, STALE = "amiss", "stale"  # the classes of what does not hold, and of what was not run again
Read = Callable[[BuildEnvironment, Run], Transcript]
Printer = Callable[[Read], Callable[[str], Printed]]


def before(env: BuildEnvironment, run: Run) -> Transcript:
    """A run as it was before the changes that are drafted."""
    was = records.before(run)
    env.note_dependency(was.record)
    return Transcript.of(was) if was.record.exists() else house.transcript_of(env, run)


def amiss(error: BookError) -> list[nodes.Node]:
    """What stands in a draft in the place of what cannot be read."""
    return [nodes.strong("", f"[{error}]", classes=[AMISS])]


def crossed_out(env: BuildEnvironment, claim: str, now: str, printed: Printer) -> list[nodes.Node]:
    """A false claim, its numbers now, and those before; it is noted for the list."""
    said = f" now {now}"
    try:
        said += f"; before {arithmetic.checked(claim, printed(before)).numbers}"
    except FalseClaimError as error:
        said += f"; before {error.numbers}"
    except BookError as error:
        said += f"; before: {error}"
    env.metadata[env.docname].setdefault(AMISS, []).append(f"{claim}:{said}")
    gone = nodes.inline("", claim, classes=["gone"], support_smartquotes=False)
    return [nodes.strong("", "", nodes.Text("["), gone, nodes.Text(f"{said}]"), classes=[AMISS])]


def changed(env: BuildEnvironment) -> dict[str, list[Run]]:
    """The chapters that are not the book's: their runs that are not what running them would give.

    A chapter whose changed script was run again, and has no experiment, has none.
    """
    found: dict[str, list[Run]] | None = env.temp_data.get("nomagic_changed")
    if found is None:
        root = house.root(env)
        sums = data.verified(root)
        runs = [*all_runs(root), *long_runs(root)]
        found = {run.name: [] for run in runs if records.before(run).record.exists()}
        for run in runs:
            if not records.is_fresh(run, sums):
                found.setdefault(run.name, []).append(run)
        env.temp_data["nomagic_changed"] = found
    return found


def is_stale(env: BuildEnvironment, runs: list[Run]) -> bool:
    """Whether a number of these runs is marked."""
    return bool(env.config.draft) and any(run in changed(env).get(run.name, ()) for run in runs)


def difference(env: BuildEnvironment, chapter: str) -> str:
    """How a script differs from the commit that is checked out, in a sentence."""
    path = house.script(chapter)
    old = _constants(edition.committed(house.root(env), path))
    new = _constants((house.root(env) / path).read_text(encoding="utf-8"))
    sets = [
        f"{name} = {value} instead of {old[name]}"
        for name, value in new.items()
        if name in old and old[name] != value
    ]
    return f"{path} has {', '.join(sets)}." if sets else f"{path} was changed."


def _constants(source: str) -> dict[str, str]:
    """The settings of a script and their values as Python writes them."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # said where the script is run
        return {}
    return {name: ast.unparse(node.value) for name, node in guard.constants(tree).items()}


def say(app: Sphinx, document: nodes.document) -> None:
    """Put a line at the top of a chapter that differs from the book's, and says how."""
    if not app.config.draft or not house.is_chapter(app.env.docname):
        return
    try:
        lines = list(_lines(app.env, document))
    except BookError as error:
        lines = [str(error)]
    if lines:
        app.env.metadata[app.env.docname]["drafted"] = True
        place = next(document.findall(nodes.title))
        text = nodes.paragraph("", f"This page is a draft. {' '.join(lines)}")
        place.parent.insert(place.parent.index(place) + 1, nodes.warning("", text))


def _lines(env: BuildEnvironment, document: nodes.document) -> list[str]:
    lines = []
    if env.docname in changed(env):
        lines.append(difference(env, env.docname))
    if old := [run.experiment or "the script itself" for run in changed(env).get(env.docname, ())]:
        lines.append(f"Not run again: {', '.join(dict.fromkeys(old))}.")
    if marked := _count(document, STALE):
        lines.append(f"Numbers of runs that were not repeated are marked: {marked}.")
    if wrong := _count(document, AMISS):
        lines.append(f"What does not hold, or cannot be read, is marked: {wrong}.")
    return lines


def _count(document: nodes.document, mark: str) -> int:
    return sum(mark in node.get("classes", ()) for node in document.findall(nodes.Element))


def outdated(app: Sphinx, env: BuildEnvironment, *_: set[str]) -> list[str]:
    """In a draft the pages that say something of changed chapters, or did when last read."""
    if not app.config.draft:
        return []
    chapters: set[str] = set()
    with suppress(BookError):  # said on the pages
        chapters.update(changed(env))
    env.temp_data.pop("nomagic_changed", None)
    return [
        document
        for document in env.found_docs
        for known in (env.metadata.get(document, {}),)
        if known.get("drafted") or chapters & known.get("heads", {}).keys()
    ]


def sum_up(app: Sphinx, error: Exception | None) -> None:
    """End the build of a draft with the list of what no longer holds."""
    if not app.config.draft or error:
        return
    wrong = {name: known[AMISS] for name, known in app.env.metadata.items() if AMISS in known}
    print(f"Claims that do not hold in this draft: {sum(map(len, wrong.values())) or 'none'}")
    for document, claims in sorted(wrong.items()):
        print(f"  book/{document}.md", *(f"    {claim}" for claim in claims), sep="\n")


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_config_value("draft", False, "", bool)
    app.connect("doctree-read", say)
    app.connect("env-get-outdated", outdated)
    app.connect("build-finished", sum_up)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
