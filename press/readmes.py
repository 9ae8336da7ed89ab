"""Write the lists of programs, scripts/<tier>/README.md and the path of README.md: `make readmes`.

A README is committed, so it says nothing that another machine would measure otherwise. That it
agrees with the headers is checked by `stale`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from press import path
from press.path import Stop
from recorder.errors import BookError
from recorder.layout import ROOT

PATH = re.compile(r"(^\| no\. \| chapter \|.*\n\|[-|]+\|\n)(?:\|.*\n)*", re.MULTILINE)


def readme(root: Path, tier: str) -> str:
    """The README of a tier."""
    opener = (root / "book" / tier / "index.md").read_text(encoding="utf-8")
    title = re.search(r"^# (.+)$", opener, re.MULTILINE)
    stops = [stop for stop in path.read(root) if stop.tier == tier]
    rows = "\n".join(map(row, stops))
    planned = "\n".join(f"- {name}" for name in path.planned(root, tier))
    return f"""# {title[1] if title else tier}

Each file here is a program that stands alone: Python 3.10 or later, nothing installed.

```text
python3 scripts/{tier}/{stops[0].name}.py
```

| program | teaches | builds on |
|---|---|---|
{rows}

## Planned

{planned}
"""


def row(stop: Stop) -> str:
    cells = [f"[{stop.name}]({stop.name}.py)", stop.header.teaches or ""]
    cells += [", ".join(stop.header.builds_on)]
    return f"| {' | '.join(cells)} |"


def stale(root: Path = ROOT) -> Iterator[str]:
    """A sentence for each README that does not say what the headers say."""
    stops = path.read(root)
    for tier in path.tiers(stops):
        file = root / "scripts" / tier / "README.md"
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        if text != readme(root, tier):
            shown = file.relative_to(root)
            yield f"{shown} is not what the chapters' headers say; run `make readmes`."
    if (root / "README.md").read_text(encoding="utf-8") != whole(root, stops):
        yield "README.md: the path is not what the chapters' headers say; run `make readmes`."


def whole(root: Path, stops: list[Stop]) -> str:
    """README.md with a row of its path for each chapter, in the place of those that it has."""
    rows = [f"| {stop.number} | `{stop.document}` | {stop.header.teaches} |" for stop in stops]
    text = (root / "README.md").read_text(encoding="utf-8")
    return PATH.sub(lambda head: head[1] + "".join(f"{row}\n" for row in rows), text, count=1)


def main() -> None:
    stops = path.read()
    for tier in path.tiers(stops):
        (ROOT / "scripts" / tier / "README.md").write_text(readme(ROOT, tier), encoding="utf-8")
    (ROOT / "README.md").write_text(whole(ROOT, stops), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except BookError as error:
        raise SystemExit(str(error)) from None
