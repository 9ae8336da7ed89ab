"""The chapters in the order in which they are read, and which builds on which.

book/path.txt has the order, a script's name on each line. The rest stands in the chapters' headers.
`python -m press.path` checks both and writes build/path.json, from which the map is drawn.
"""

import json
import sys
from collections.abc import Iterable
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


@dataclass(frozen=True)
class Stop:
    """One chapter on the path; `document` is its tier/name."""

    document: str
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
    stops = [Stop(documents[name], header_of(root, documents[name])) for name in names]
    check(stops)
    return stops


def chapters(root: Path) -> list[Path]:
    """The files of all chapters, tier after tier."""
    return sorted(path for path in root.glob("book/[0-9]*/*.md") if path.stem != "index")


def header_of(root: Path, document: str) -> Header:
    """A chapter's header, which must say what the chapter teaches."""
    found = header.read(root / "book" / f"{document}.md")
    if not found.teaches:
        raise BookError(f"book/{document}.md: the header has no line 'teaches: ...'; write one.")
    return found


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
    drawn = [{"document": stop.document, "builds_on": stop.header.builds_on} for stop in stops]
    content = json.dumps(drawn, indent=1).encode()
    file = ROOT / DRAWN
    if not file.is_file() or file.read_bytes() != content:
        write_whole(file, content)


if __name__ == "__main__":
    main()
