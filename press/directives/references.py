"""How works are cited, and that all that should be are.

Every chapter cites its original paper, the key `paper` of its header; every entry of the
bibliography is cited somewhere. (sphinxcontrib-bibtex warns of a citation without an entry.)
"""

import re
from collections.abc import Iterable
from pathlib import Path
from string import ascii_lowercase
from typing import ClassVar, cast

from pybtex.database import BibliographyData, Entry, parse_file  # type: ignore[import-untyped]
from pybtex.plugin import find_plugin  # type: ignore[import-untyped]
from pybtex.plugin import register_plugin as register_pybtex_plugin
from pybtex.scanner import PybtexSyntaxError  # type: ignore[import-untyped]
from pybtex.style import FormattedEntry  # type: ignore[import-untyped]
from pybtex.style.formatting.plain import Style as Plain  # type: ignore[import-untyped]
from pybtex.style.labels import BaseLabelStyle  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import ConfigError
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata
from sphinxcontrib.bibtex.domain import BibtexDomain
from sphinxcontrib.bibtex.plugin import register_plugin
from sphinxcontrib.bibtex.style.referencing import BracketStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

from press.directives import house
from recorder.errors import BookError

logger = logging.getLogger(__name__)

# What sphinxcontrib-bibtex asks for at each citation. Pybtex looks through all installed packages
# for them each time, an eighth of a build, but not for what was registered.
BACKENDS = ("docutils", "plaintext")


class RoundBrackets(AuthorYearReferenceStyle):
    """(Kingma and Ba, 2015), and in the sentence: Kingma and Ba (2015)."""

    def __init__(self) -> None:
        super().__init__(
            bracket_textual=BracketStyle("(", ")"),
            bracket_parenthetical=BracketStyle("(", ")", sep="; "),
        )


class AuthorsAndYear(BaseLabelStyle):  # type: ignore[misc]
    """Labels of the bibliography that are the citations: Kingma and Ba, 2015."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> list[str]:
        return [f"{authors(entry)}, {entry.fields.get('year', 'n.d.')}" for entry in sorted_entries]


class ByAuthor(Plain):  # type: ignore[misc]
    """Entries sorted by author and year, of which none is formatted twice: that takes its time."""

    default_label_style = AuthorsAndYear
    formatted: ClassVar[dict[tuple[str, str], FormattedEntry]] = {}  # by label and entry

    def format_entry(
        self, label: str, entry: Entry, bib_data: BibliographyData | None = None
    ) -> FormattedEntry:
        known = (label, f"{entry.key} {entry!r}")
        if known not in self.formatted:
            self.formatted[known] = super().format_entry(label, entry, bib_data)
        return self.formatted[known]


def recall(app: Sphinx, env: BuildEnvironment, documents: list[str]) -> None:
    """Have the entries that earlier builds formatted; what is formatted now joins them."""
    ByAuthor.formatted = env.__dict__.setdefault("nomagic_formatted", {})


def authors(entry: Entry) -> str:
    """Who wrote a work, as a citation names them; the work's title when nobody did."""
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [" ".join(person.prelast_names + person.last_names) for person in people]
    if not names:
        return str(entry.fields["title"])
    return f"{names[0]} et al." if len(names) > 2 else " and ".join(names)


def tell_years_apart(app: Sphinx, env: BuildEnvironment, documents: list[str]) -> None:
    """Write 2022a and 2022b for works of the same authors and year, in the order of their keys."""
    entries = cast(BibtexDomain, env.get_domain("cite")).bibdata.data.entries
    alike: dict[tuple[str, str], list[Entry]] = {}
    for key in sorted(entries):
        entry = entries[key]
        alike.setdefault((authors(entry), entry.fields.get("year", "n.d.")), []).append(entry)
    for (_, year), works in alike.items():
        for letter, entry in zip(ascii_lowercase, works, strict=False):
            entry.fields["year"] = year + letter if len(works) > 1 else year


def check_citations(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of chapters that do not cite their paper, and of entries that nobody cites."""
    domain = cast(BibtexDomain, env.get_domain("cite"))
    cited: dict[str, set[str]] = {}
    for reference in domain.citation_refs:
        keys = {target.key for target in reference.targets}
        cited.setdefault(reference.docname, set()).update(keys)
    for chapter in filter(house.is_chapter, house.reading_order(env)):
        check_paper(env, chapter, cited.get(chapter, set()))
    everywhere = set().union(*cited.values())
    for file, entries in domain.bibdata.bibfiles.items():
        for key in entries.keys:
            if key not in everywhere:
                logger.warning(
                    "no page cites '%s'; cite it or remove it", key, location=place(file, key)
                )


def check_paper(env: BuildEnvironment, chapter: str, cited: set[str]) -> None:
    try:
        paper = house.read_header(env, chapter).paper
    except BookError:  # a warning when the chapter was read
        return
    if paper is None:
        logger.warning(
            "the header names no original paper; add a line 'paper: <key of references.bib>'",
            location=chapter,
        )
    elif paper not in cited:
        logger.warning(
            "the chapter does not cite its original paper '%s'; cite it with {cite:p}`%s`",
            paper,
            paper,
            location=chapter,
        )


def place(file: Path, key: str) -> str:
    """The file and line where an entry of a bibliography begins."""
    text = file.read_text(encoding="utf-8")
    found = re.search(rf"^@\w+\{{\s*{re.escape(key)}\s*,", text, re.MULTILINE)
    return f"{file}:{text.count(chr(10), 0, found.start()) + 1}" if found else str(file)


def refuse_what_breaks_off(app: Sphinx, config: Config) -> None:
    """Say in a sentence where a file of works is no BibTeX, before anybody reads it."""
    for name in config.bibtex_bibfiles:
        try:
            parse_file(app.srcdir / name, "bibtex")
        except PybtexSyntaxError as error:
            raise ConfigError(
                f"{Path(name).name}, line {error.lineno}: {error.args[0]}; close the entry at or "
                "above this line, or put its comma"
            ) from error


def setup(app: Sphinx) -> ExtensionMetadata:
    register_plugin("sphinxcontrib.bibtex.style.referencing", "round", RoundBrackets)
    register_pybtex_plugin("pybtex.style.formatting", "by-author", ByAuthor)
    for name in BACKENDS:
        found = find_plugin("pybtex.backends", name)
        register_pybtex_plugin("pybtex.backends", name, found, force=True)
    app.setup_extension("sphinxcontrib.bibtex")
    app.connect("config-inited", refuse_what_breaks_off)
    app.connect("env-before-read-docs", recall)
    app.connect("env-before-read-docs", tell_years_apart)
    app.connect("env-check-consistency", check_citations)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
