"""Rows of the tables that `make bench` prints."""


def row(name: str, *cells: object) -> None:
    """A name, and what was measured of it in columns of equal width; floats get one digit."""
    texts = (f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in cells)
    print(f"{name:44}" + "".join(f"{text:>14}" for text in texts), flush=True)
