"""Write scripts/<tier>/README.md from the chapters' headers and the last runs: `make readmes`.

A README is committed, and so are its seconds: those of the machine named in it. That the rest
agrees with the headers is checked without running anything, by `stale`.
"""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from press import path
from press.path import Stop
from recorder.errors import BookError
from recorder.layout import ROOT
from recorder.transcript import Transcript

ROW = re.compile(r"^\| \[(\w+)\]\(.*\| (\d+) \|$", re.MULTILINE)
MACHINE = re.compile(r"^Seconds of user time.*$", re.MULTILINE)


def tiers(stops: list[Stop]) -> list[str]:
    return sorted({stop.tier for stop in stops})


def readme(root: Path, tier: str, seconds: Mapping[str, str], machine: str) -> str:
    """The README of a tier, given each script's `seconds` and where they were measured."""
    opener = (root / "book" / tier / "index.md").read_text(encoding="utf-8")
    title = re.search(r"^# (.+)$", opener, re.MULTILINE)
    stops = [stop for stop in path.read(root) if stop.tier == tier]
    rows = "\n".join(row(stop, seconds.get(stop.name, "?")) for stop in stops)
    planned = "\n".join(f"- {name}" for name in path.planned(root, tier))
    return f"""# {title[1] if title else tier}

Each file here is a program that stands alone: Python 3.10 or later, nothing installed.

```text
python3 scripts/{tier}/{stops[0].name}.py
```

| program | teaches | builds on | s |
|---|---|---|--:|
{rows}

{machine}

## Planned

{planned}
"""


def row(stop: Stop, seconds: str) -> str:
    cells = [f"[{stop.name}]({stop.name}.py)", stop.header.teaches or ""]
    cells += [", ".join(stop.header.builds_on), seconds]
    return f"| {' | '.join(cells)} |"


def measured(stops: list[Stop], root: Path) -> tuple[dict[str, str], str]:
    """Each script's seconds, rounded up, by the records, and the sentence that says where."""
    records = {stop.name: Transcript.load(stop.document, None, root).record for stop in stops}
    seconds = {name: f"{math.ceil(record['user_seconds'])}" for name, record in records.items()}
    machines = {
        f"{record['cpu']}, {record['implementation']} {record['python']}"
        for record in records.values()
    }
    return seconds, f"Seconds of user time on one core of {'; '.join(sorted(machines))}."


def stale(root: Path = ROOT) -> Iterator[str]:
    """A sentence for each README that does not say what the headers say."""
    stops = path.read(root)
    for tier in tiers(stops):
        file = root / "scripts" / tier / "README.md"
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        machine = MACHINE.search(text)
        if text != readme(root, tier, dict(ROW.findall(text)), machine[0] if machine else ""):
            shown = file.relative_to(root)
            yield f"{shown} is not what the chapters' headers say; run `make readmes`."
    main = (root / "README.md").read_text(encoding="utf-8")
    for place, stop in enumerate(stops, 1):
        if (line := f"| {place} | `{stop.document}` | {stop.header.teaches} |") not in main:
            yield f"README.md: the path needs the line {line}"


def main() -> None:
    stops = path.read()
    for tier in tiers(stops):
        own = [stop for stop in stops if stop.tier == tier]
        text = readme(ROOT, tier, *measured(own, ROOT))
        (ROOT / "scripts" / tier / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except BookError as error:
        raise SystemExit(str(error)) from None
