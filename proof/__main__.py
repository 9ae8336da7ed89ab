"""`make prove`: run the parts one after the other, and print their table."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence

from proof import faults, long, properties, reproducible, seeds, surroundings, versions, wasm
from proof.table import Row, laid_out
from recorder.errors import BookError

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
ON_DEMAND: dict[str, Callable[[], Iterable[Row]]] = {"long": long.prove}  # takes hours


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0 when all that could be tried held."""
    parser = argparse.ArgumentParser(prog="python -m proof", description=__doc__)
    parts = PARTS | ON_DEMAND
    named = f"only these of {', '.join(PARTS)}; {', '.join(ON_DEMAND)} takes hours"
    parser.add_argument("parts", nargs="*", help=named)
    chosen = parser.parse_args(arguments).parts or list(PARTS)
    if unknown := [part for part in chosen if part not in parts]:
        parser.error(f"there is no part {unknown[0]}; there are {', '.join(parts)}")
    rows = []
    try:
        for part in chosen:
            for row in parts[part]():
                print(row, flush=True)
                rows.append(row)
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    print()
    print(laid_out(rows))
    return 1 if any(row.failed for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
