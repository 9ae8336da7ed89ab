"""The mistakes of released editions that are known: book/errata.yml, a list, the newest last.

- edition: 1.0.0
  chapter: microgpt              # a script's name; "" for what belongs to no chapter
  page: 41                       # of the book on A4
  was: 'The loss is 2.1.'        # Markdown, as a chapter's
  is: 'The loss is 2.2.'
  matters_to: 'Who compared a loss of their own with it.'
"""

from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from recorder.errors import BookError

FILE = Path("book/errata.yml")


@dataclass(frozen=True)
class Erratum:
    """A mistake, and what is right. `matters_to` says who should look again at what they built."""

    edition: str
    chapter: str
    page: int
    was: str
    # `is` is a word of Python
    right: str
    matters_to: str


NAMES = {"is" if field.name == "right" else field.name: field for field in fields(Erratum)}


def read(root: Path) -> list[Erratum]:
    """All known mistakes of the book at `root`. BookError for an entry that is none."""
    try:
        entries = yaml.safe_load((root / FILE).read_text(encoding="utf-8")) or []
    except FileNotFoundError:
        raise BookError(
            f"{FILE} is missing; write an empty list, [], where none is known"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BookError(f"{FILE} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(entries, list):
        raise BookError(f"{FILE} must be a list of mistakes, each begun by a hyphen")
    return [_erratum(entry, number) for number, entry in enumerate(entries, 1)]


def _erratum(entry: object, number: int) -> Erratum:
    what = f"{FILE}, mistake {number}"
    if not isinstance(entry, dict) or entry.keys() != NAMES.keys():
        raise BookError(f"{what} must have {', '.join(NAMES)}, and nothing else")
    for name, field in NAMES.items():
        kind = int if field.type is int else str
        if type(entry[name]) is not kind:
            wanted = "a whole number" if kind is int else "text, in quotes"
            raise BookError(f"{what}: '{name}' must be {wanted}, not {entry[name]!r}")
    return Erratum(**{field.name: entry[name] for name, field in NAMES.items()})
