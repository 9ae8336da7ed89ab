"""Directives for pages about the book as a whole; all they say comes from headers and records.

```{chapters}       the chapters tier by tier, by the names of their algorithms
```{newest}         those that joined the book last
```{path}           the chapters in reading order: what each teaches, and after which
```{course}         a plan: one line "when | chapters | exercises" for each sitting
```{programs}       every script with its length and what its run and experiments cost
```{planned}        what the opener's header says is planned for its tier
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from press import costs, path
from press.costs import Cost
from press.directives import house
from press.path import Stop
from recorder import layout
from recorder.errors import BookError


def cost(env: BuildEnvironment, stop: Stop) -> Cost:
    """What a chapter costs, on which the page depends."""
    root = house.root(env)
    env.note_dependency(layout.chapter_path(root, stop.document))
    return costs.of(root, stop, partial(house.transcript_of, env))


def link(stop: Stop) -> str:
    return f"{{doc}}`{stop.name} </{stop.document}>`"


def table(heads: Iterable[str], marks: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown; `marks` align its columns."""
    lines = [heads, marks, *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


class Overview(SphinxDirective):
    """A directive that writes Markdown from the path through the book."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        try:
            stops = path.read(house.root(self.env))
            for stop in stops:
                house.header_of(self.env, stop.document)  # the page depends on every header
            self.env.note_dependency(house.root(self.env) / path.FILE)
            return self.parse_text_to_nodes(self.markdown(stops), allow_section_headings=True)
        except BookError as error:
            house.warn(error, self.get_location())
            return []

    def markdown(self, stops: list[Stop]) -> str:
        raise NotImplementedError


class Contents(Overview):
    """The chapters tier by tier, by the names of their algorithms."""

    def markdown(self, stops: list[Stop]) -> str:
        parts = []
        for tier, chapters in path.tiers(stops).items():
            opener = f"{tier}/index"
            title = path.title(house.root(self.env), opener)
            rows = [
                [f"{stop.number}", self.linked(stop), f"{stop.header.teaches}"] for stop in chapters
            ]
            parts.append(f"### {{doc}}`{title} </{opener}>`")
            parts.append(table(("no.", "algorithm", "teaches"), ("--:", "---", "---"), rows))
        return "\n\n".join(parts)

    def linked(self, stop: Stop) -> str:
        """The algorithm of a chapter, linked to it."""
        name = path.algorithm(house.root(self.env), stop.document)
        return f"{{doc}}`{name} </{stop.document}>` *{stop.name}*"


class Newest(Overview):
    """The chapters that joined the book last."""

    def markdown(self, stops: list[Stop]) -> str:
        return f"New in the book: {', '.join(link(stop) for stop in path.newest(stops))}."


class Chapters(Overview):
    """The chapters in reading order."""

    def markdown(self, stops: list[Stop]) -> str:
        rows = (
            [str(stop.number), link(stop), f"{stop.header.teaches}{self.after(stops, stop)}"]
            for stop in stops
        )
        return table(("no.", "chapter", "teaches"), ("--:", "---", "---"), rows)

    def after(self, stops: list[Stop], stop: Stop) -> str:
        """What must be read before a chapter, as the end of its line."""
        needed = [str(other.number) for other in stops if other.name in stop.header.builds_on]
        return f" *(after {', '.join(needed)})*" if needed else ""


class Course(Overview):
    """A plan of sittings, with what each costs in reading and in computing."""

    def markdown(self, stops: list[Stop]) -> str:
        by_name = {stop.name: stop for stop in stops}
        met: list[str] = []
        rows = []
        for line in self.content:
            when, names, exercises = self.sitting(line, by_name)
            self.check_order(names, by_name, met)
            rows.append(self.row(when, [by_name[name] for name in names], exercises))
            met += names
        heads = ("when", "read", "do", "reading", "computing")
        return table(heads, ("---", "---", "---", "--:", "--:"), rows)

    def sitting(self, line: str, by_name: dict[str, Stop]) -> tuple[str, list[str], list[str]]:
        """The parts of a line `when | chapters | exercises`; only the first must hold anything."""
        parts = [part.strip() for part in line.split("|")]
        if len(parts) != 3:
            raise BookError(f"'{line}' is no sitting; write: when | chapters | exercises")
        for name in parts[1].split():
            if name not in by_name:
                raise BookError(f"the book has no chapter '{name}'{path.meant(name, by_name)}")
        return parts[0], parts[1].split(), parts[2].split()

    def check_order(self, names: list[str], by_name: dict[str, Stop], met: list[str]) -> None:
        for place, name in enumerate(names):
            for needed in by_name[name].header.builds_on:
                if needed not in [*met, *names[:place]]:
                    raise BookError(
                        f"the course reads {name} before {needed}, on which it builds; "
                        "move one of them"
                    )

    def row(self, when: str, chapters: list[Stop], exercises: list[str]) -> list[str]:
        sittings = [cost(self.env, stop) for stop in chapters]
        reading = sum(one.reading for one in sittings)
        computing = sum(one.script + one.experiments for one in sittings) / 60
        return [
            when,
            ", ".join(map(link, chapters)),
            ", ".join(f"{{ref}}`{exercise}`" for exercise in exercises),
            f"{reading / 60:.1f} h" if chapters else "",
            f"{computing:.0f} min" if chapters else "",
        ]


class Programs(Overview):
    """Every script, and what it cost to run it here."""

    def markdown(self, stops: list[Stop]) -> str:
        rows = [[link(stop), *numbers(cost(self.env, stop))] for stop in stops]
        heads = ("program", "lines", "seconds", "with experiments", "memory, MB")
        return table(heads, ("---", "--:", "--:", "--:", "--:"), rows)


def numbers(one: Cost) -> list[str]:
    """A program's lines, seconds, seconds with its experiments, and megabytes."""
    whole = one.script + one.experiments
    return [f"{one.lines}", f"{one.script:.0f}", f"{whole:.0f}", f"{one.memory / 1e6:.0f}"]


class Planned(SphinxDirective):
    """What a tier will hold, from the header of its opener."""

    def run(self) -> list[nodes.Node]:
        try:
            planned = path.planned(house.root(self.env), self.env.docname.split("/")[0])
        except BookError as error:
            house.warn(error, self.get_location())
            return []
        return self.parse_text_to_nodes(f"Planned for this part: {'; '.join(planned)}.")


def check_path(app: Sphinx, env: BuildEnvironment, *_: Any) -> None:
    """The path and the headers must agree, whatever page is being built."""
    try:
        path.read(house.root(env))
    except BookError as error:
        house.warn(error, str(path.FILE))


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_directive("chapters", Contents)
    app.add_directive("newest", Newest)
    app.add_directive("path", Chapters)
    app.add_directive("course", Course)
    app.add_directive("programs", Programs)
    app.add_directive("planned", Planned)
    app.connect("env-check-consistency", check_path)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
