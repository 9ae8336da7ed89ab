"""Cards for learning by heart: a deck for Anki, and the same as CSV.

A card is known by the chapter's identity and what it asks for, `nm:microgpt#causal mask`, and
Anki's number for it is made from that alone: a new edition's deck brings the cards up to date that
a learner has, with what they remember of them.
"""

import csv
import io
import re
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from zlib import crc32

import genanki  # type: ignore[import-untyped]

from press import edition
from recorder.archive import zipped

STEM = f"{edition.STEM}-cards"
MODEL = 1_764_510_301  # Anki's number for the kind of note: another one would double all cards
LOOK = """
.card { font-family: serif; font-size: 1.2rem; max-width: 38rem; margin: auto; padding: 0 1rem; }
pre { font-size: .8rem; text-align: left; white-space: pre; overflow-x: auto; }
img { max-width: 100%; }
.source { font-size: .8rem; opacity: .7; }
"""
SOURCE = '<p class="source">{{Source}}</p>'
PICTURE = re.compile(r'src="([^"]+)"')


@dataclass(frozen=True)
class Card:
    """A question and its answer, as HTML with TeX between \\( and \\)."""

    identity: str
    kind: str  # term, question or number
    chapter: str  # tier/name
    front: str
    back: str
    source: str  # where the book has it


def written(cards: Iterable[Card]) -> str:
    """Cards as CSV."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([field.name for field in fields(Card)])
    writer.writerows(map(astuple, cards))
    return out.getvalue()


def read(text: str) -> list[Card]:
    """Cards out of CSV."""
    return [Card(**row) for row in csv.DictReader(io.StringIO(text, newline=""))]


def pictures(cards: Iterable[Card]) -> set[tuple[str, str]]:
    """The pictures on cards: each with its chapter's tier."""
    return {
        (card.chapter.split("/")[0], name)
        for card in cards
        for name in PICTURE.findall(card.front + card.back)
    }


def deck(cards: Iterable[Card], shown: Mapping[str, bytes], title: str, moment: int) -> bytes:
    """The file for Anki, with the pictures `shown`; the same bytes of the same cards.

    `moment` is the time of the edition, in seconds since 1970.
    """
    decks: dict[str, genanki.Deck] = {}
    for card in cards:
        name = "::".join([title, *card.chapter.split("/")])
        known = decks.setdefault(name, genanki.Deck(crc32(name.encode()) | 1 << 32, name))
        known.add_note(note(card))
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in sorted(shown)]
        for file in files:
            file.write_bytes(shown[file.name])
        package = genanki.Package(list(decks.values()), list(map(str, files)))
        made = io.BytesIO()
        package.write_to_file(made, timestamp=moment)
    with zipfile.ZipFile(made) as archive:
        return zipped({name: archive.read(name) for name in archive.namelist()}, moment)


def note(card: Card) -> genanki.Note:
    kind = genanki.Model(
        MODEL,
        "No Magic",
        fields=[{"name": name} for name in ("Front", "Back", "Source")],
        templates=[
            {
                "name": "Card",
                "qfmt": "{{Front}}",
                "afmt": f"{{{{FrontSide}}}}<hr id=answer>{{{{Back}}}}{SOURCE}",
            }
        ],
        css=LOOK,
    )
    return genanki.Note(
        model=kind,
        fields=[card.front, card.back, card.source],
        tags=[card.kind, card.chapter.split("/")[1]],
        guid=genanki.guid_for(card.identity),
    )
