"""`make prove`: run the parts one after the other, and print their table.

The rows of each part are kept in build/proof/rows, so that parts can be proved on machines of their
own (`seeds:2` is one seed, `versions:3.10` one Python); `table` prints all that lie there.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from proof import again, faults, long, properties, reproducible, seeds, surroundings, versions, wasm
from proof.table import Row, keep, kept, laid_out
from recorder.errors import BookError
from recorder.layout import ROOT

# A part yields a row for each kind of trial, and prints by itself what did not hold.
PARTS: dict[str, Callable[[], Iterable[Row]]] = {
    "properties": properties.prove,
    "faults": faults.rows,
    "seeds": seeds.prove,
    "versions": versions.prove,
    "wasm": wasm.prove,
    "surroundings": surroundings.prove,
    "reproducible": reproducible.prove,
}
PIECES: dict[str, Callable[[], Iterable[Row]]] = {
    **{f"seeds:{seed}": partial(seeds.prove, only=str(seed)) for seed in seeds.OTHERS},
    **{f"versions:{v}": partial(versions.prove, only=v) for v in versions.VERSIONS},
}
ROWS = ROOT / "build" / "proof" / "rows"


def table() -> Iterator[Row]:
    """The rows of all parts that were proved, wherever that was; prints the spreads over seeds."""
    seeds.spreads()
    for path in sorted(ROWS.glob("*.json")):
        yield from kept(path)


ON_DEMAND: dict[str, Callable[[], Iterable[Row]]] = {
    "long": long.prove,  # takes hours
    "again": again.prove,  # a part of `make test`
    "table": table,
}


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0 when all that could be tried held."""
    parser = argparse.ArgumentParser(prog="python -m proof", description=__doc__)
    parts = PARTS | PIECES | ON_DEMAND
    named = f"only these of {', '.join(parts)}; {', '.join(PARTS)} where none is named"
    parser.add_argument("parts", nargs="*", help=named)
    chosen = parser.parse_args(arguments).parts or list(PARTS)
    if unknown := [part for part in chosen if part not in parts]:
        parser.error(f"there is no part {unknown[0]}; there are {', '.join(parts)}")
    rows = []
    try:
        for part in chosen:
            rows += _proved(part, parts[part])
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    print()
    print(laid_out(rows))
    return 1 if any(row.failed for row in rows) else 0


def _proved(part: str, rows: Callable[[], Iterable[Row]]) -> list[Row]:
    """The rows of a part, each printed when it is known, and kept."""
    found = []
    for row in rows():
        print(row, flush=True)
        found.append(row)
    if part not in ON_DEMAND:
        keep(ROWS / f"{part.replace(':', '-')}.json", found)
    elif tested := os.environ.get("TESTED"):  # the table of `make test`
        keep(Path(tested), [*kept(Path(tested)), *found])
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
