"""The chapters in the order in which they are read, and which builds on which.

book/path.txt has the order, a script's name on each line. The rest stands in the chapters' headers.
A chapter's number is its place in the book, tier after tier, wherever the path comes to it.
`python -m press.path` checks both and writes build/path.json, from which the map is drawn.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import yaml

from recorder import header
from recorder.errors import BookError
from recorder.header import Header
from recorder.layout import ROOT
from recorder.records import write_whole

FILE = Path("book/path.txt")
DRAWN = Path("build/path.json")
TITLE = re.compile(r"^# +(.+?)[ \t]*$", re.MULTILINE)
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Stop:
    """One chapter on the path; `document` is its tier/name."""

    document: str
    number: int
    header: Header

    @property
    def tier(self) -> str:
        return self.document.split("/")[0]

    @property
    def name(self) -> str:
        return self.document.split("/")[1]


def read(root: Path = ROOT) -> list[Stop]:
    """Every chapter of the book at `root`, in reading order; BookError for what does not fit."""
    names = (root / FILE).read_text(encoding="utf-8").split()
    documents = {path.stem: f"{path.parent.name}/{path.stem}" for path in chapters(root)}
    for place, name in enumerate(names):
        if name in names[:place]:
            raise BookError(f"{FILE} has {name} twice; remove one.")
        if name not in documents:
            raise BookError(f"{FILE}: the book has no chapter {name}{meant(name, documents)}.")
    for name in documents:
        if name not in names:
            raise BookError(f"{FILE} leaves out {name}; write it where it is to be read.")
    tiers = sorted({document.split("/")[0] for document in documents.values()})
    book = [name for tier in tiers for name in listed(root, tier, names, documents)]
    stops = [
        Stop(documents[name], book.index(name) + 1, header_of(root, documents[name]))
        for name in names
    ]
    check(stops)
    return stops


def listed(root: Path, tier: str, path: list[str], documents: Mapping[str, str]) -> list[str]:
    """The chapters of a tier in the order of its opener, which must be that of the path."""
    opener = (root / "book" / tier / "index.md").read_text(encoding="utf-8")
    lines = [line.strip() for part in TOCTREE.findall(opener) for line in part.split("\n")]
    names = [line for line in lines if line and line[0] != ":"]
    read = [name for name in path if documents[name].startswith(f"{tier}/")]
    if names != read:
        raise BookError(
            f"book/{tier}/index.md lists {', '.join(names) or 'no chapter'}, but {FILE} reads "
            f"{', '.join(read)}; give both one order."
        )
    return names


def chapters(root: Path) -> list[Path]:
    """The files of all chapters, tier after tier."""
    return sorted(path for path in root.glob("book/[0-9]*/*.md") if path.stem != "index")


def header_of(root: Path, document: str) -> Header:
    """A chapter's header, which must say what the chapter teaches."""
    found = header.read(root / "book" / f"{document}.md")
    for key, value in (("teaches", found.teaches), ("added", found.added)):
        if not value:
            raise BookError(f"book/{document}.md: the header has no line '{key}: ...'; write one.")
    return found


def title(root: Path, document: str) -> str:
    """The first heading of a chapter or of a tier's opener, as it is written."""
    text = (root / "book" / f"{document}.md").read_text(encoding="utf-8")
    found = TITLE.search(header.FRONT_MATTER.sub("", text))
    if not found:
        raise BookError(f"book/{document}.md has no title; begin it with a line '# ...'.")
    return found[1]


def algorithm(root: Path, document: str) -> str:
    """The name of the algorithm of a chapter: its title as far as the colon."""
    return title(root, document).partition(":")[0]


def tiers(stops: Iterable[Stop]) -> dict[str, list[Stop]]:
    """The chapters of each tier, by number."""
    found: dict[str, list[Stop]] = {}
    for stop in sorted(stops, key=lambda stop: stop.number):
        found.setdefault(stop.tier, []).append(stop)
    return found


def newest(stops: Iterable[Stop]) -> list[Stop]:
    """The chapters that joined the book last, all on one day."""
    last = max(stop.header.added for stop in stops if stop.header.added)
    return [stop for stop in stops if stop.header.added == last]


def planned(root: Path, tier: str) -> list[str]:
    """What the header of a tier's opener, book/<tier>/index.md, names as planned."""
    opener = root / "book" / tier / "index.md"
    found = header.FRONT_MATTER.match(opener.read_text(encoding="utf-8"))
    data = yaml.safe_load(found[1]) if found else None
    names = data.get("planned") if isinstance(data, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BookError(f"book/{tier}/index.md: the header needs a line 'planned: [one, another]'.")
    return names


def check(stops: list[Stop]) -> None:
    """Every chapter must build on chapters that there are, that come before it, in no circle."""
    builds_on = {stop.name: stop.header.builds_on for stop in stops}
    for stop in stops:
        for needed in stop.header.builds_on:
            if needed not in builds_on:
                raise BookError(
                    f"book/{stop.document}.md builds on {needed}, which is no chapter"
                    f"{meant(needed, builds_on)}."
                )
    try:
        TopologicalSorter(builds_on).prepare()
    except CycleError as error:
        circle = " builds on ".join(reversed(error.args[1]))
        raise BookError(f"The chapters' headers go in a circle: {circle}; break it.") from None
    for place, stop in enumerate(stops):
        before = {earlier.name for earlier in stops[:place]}
        for needed in stop.header.builds_on:
            if needed not in before:
                raise BookError(
                    f"{FILE}: {stop.name} builds on {needed}, which is read later; "
                    "move one of the two lines."
                )


def meant(name: str, names: Iterable[str]) -> str:
    """The end of a sentence that offers the name that was probably meant."""
    close = get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]}" if close else f"; there are {', '.join(names)}"


def main() -> None:
    try:
        stops = read()
    except BookError as error:
        sys.exit(str(error))
    drawn = [
        {"document": stop.document, "number": stop.number, "builds_on": stop.header.builds_on}
        for stop in stops
    ]
    content = json.dumps(drawn, indent=1).encode()
    file = ROOT / DRAWN
    if not file.is_file() or file.read_bytes() != content:
        write_whole(file, content)


if __name__ == "__main__":
    main()
