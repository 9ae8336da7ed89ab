"""Directives that say what this copy is and how it was made.

    ```{edition}        version, day, commit and licence, and how to cite the book
    ```{colophon}       the machine, the versions, and what the runs took, by their records

How long typesetting took is not said: two copies of the same runs would differ by it.
"""

from collections.abc import Iterable
from importlib import metadata
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains import Domain
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from press import edition
from press.directives import house, sealed
from press.directives.path import Overview, table
from press.path import Stop
from recorder.errors import BookError
from recorder.records import Record
from recorder.wall import HOOK

TOOLS = ("Sphinx", "myst-parser", "sphinxcontrib-bibtex", "sphinx-book-theme", "matplotlib")


class Copy(Domain):
    """The edition and commit that the pages of this build name, and those pages."""

    name = "copy"
    label = "This copy"
    initial_data = {"named": None, "pages": set()}

    def clear_doc(self, docname: str) -> None:
        self.data["pages"].discard(docname)

    def merge_domaindata(self, docnames: Iterable[str], otherdata: dict[str, Any]) -> None:
        self.data["pages"] |= otherdata["pages"] & set(docnames)


def identity(env: BuildEnvironment) -> tuple[str, str, str]:
    """Version, day and commit."""
    this = edition.read(house.root(env))
    return this.version, f"{this.date:%-d %B %Y}", edition.commit(house.root(env))


def renewed(app: Sphinx, env: BuildEnvironment, *_: Any) -> set[str]:
    """The pages that name another edition or commit than this one."""
    data = env.get_domain("copy").data
    try:
        now = identity(env)
    except BookError:  # said where the edition is read
        return set()
    stale = set(data["pages"]) if data["named"] != now else set()
    data["named"] = now
    return stale


def title_page(env: BuildEnvironment) -> list[str]:
    """What an edition says of itself, in Markdown: one paragraph each."""
    version, day, commit = identity(env)
    this = edition.read(house.root(env))
    made = f", made from commit `{commit}`" if commit else ""
    cite = f"{this.by} ({this.date.year}). *{this.title}*. Version {version}."
    return [
        f"Edition {version} of {day}{made}.",
        f"To cite the book: {cite} Each chapter has a line of its own.",
        "Code and text are free under the MIT licence; data and fonts are under their own, which "
        "come with the sources.",
    ]


class Edition(SphinxDirective):
    """What stands on the back of a title page."""

    def run(self) -> list[nodes.Node]:
        self.env.get_domain("copy").data["pages"].add(self.env.docname)
        try:
            return self.parse_text_to_nodes("\n\n".join(title_page(self.env)))
        except BookError as error:
            house.warn(error, self.get_location())
            return []


class Colophon(Overview):
    """A table of the machine, the tools and the time."""

    def markdown(self, stops: list[Stop]) -> str:
        records = [record for stop in stops for record in self.records(stop, long=False)]
        once = [record for stop in stops for record in self.records(stop, long=True)]
        days = sorted({record["date"][:10] for record in records})
        seconds = sum(record["user_seconds"] for record in records)
        tools = ", ".join(f"{name} {metadata.version(name)}" for name in TOOLS)
        others = len(records) - len(stops)
        rows = [
            ("computed on", each(record["cpu"] for record in records)),
            ("by", each(f"{r['implementation']} {r['python']}" for r in records)),
            ("under", each(record["platform"] for record in records)),
            ("guarded by", each(record.get("sandbox", HOOK) for record in records)),
            ("on the day", " to ".join(dict.fromkeys((days[0], days[-1])))),
            ("in", f"{seconds:,.0f} seconds of one core, {seconds / 60:.0f} minutes"),
            ("with at most", f"{max(r['peak_memory'] for r in records) / 1e6:,.0f} MB of memory"),
            ("by running", f"{len(stops)} programs, and {others} experiments with them"),
            *([("with numbers of", self.recorded_once(once))] if once else []),
            ("and made with", tools),
        ]
        return table(("this copy was", "as recorded"), ("---", "---"), rows)

    def recorded_once(self, records: list[Record]) -> str:
        """What is told of the long runs."""
        by = each(f"{record['implementation']} {record['python']}" for record in records)
        return f"{len(records)} long runs, recorded once: {sealed.told(records)}, by {by}"

    def records(self, stop: Stop, long: bool) -> list[Record]:
        """The records of a chapter's runs, of the long ones or of the others."""
        experiments = [None, *stop.header.experiments]
        runs = [run for one in experiments for run in house.runs_of(self.env, stop.document, one)]
        return [house.transcript_of(self.env, run).record for run in runs if run.long == long]


def each(values: Iterable[str]) -> str:
    """The different values, in the order of the alphabet."""
    return "; ".join(sorted(set(values)))


def setup(app: Sphinx) -> ExtensionMetadata:
    app.add_domain(Copy)
    app.add_directive("edition", Edition)
    app.add_directive("colophon", Colophon)
    app.connect("env-get-outdated", renewed)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
