"""The book in volumes, cut out of its finished PDF: one a tier, and one of what stands behind them.

Each opens with the title page and the contents of the whole, and its pages keep the numbers that
they have there. A link to a place in another volume opens that volume's file, which lies beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pikepdf import Pdf
from roman_numerals import RomanNumeral

from press.pdf import chapters

BEHIND = {"references": "Solutions and references"}


@dataclass(frozen=True)
class Volume:
    """Its number, from 1, its title, the name of its file, its pages in the whole, from 0."""

    number: int
    title: str
    file: str
    pages: range

    @property
    def name(self) -> str:
        """`"Volume II: Alignment"`"""
        return f"Volume {roman(self.number)}: {self.title}"


def roman(number: int) -> str:
    return RomanNumeral(number).to_uppercase()


def plan(
    starts: Mapping[str, int], pages: int, titles: Mapping[str, str], stem: str
) -> list[Volume]:
    """The volumes of a book of so many pages, whose documents begin on these.

    `titles` are those of its tiers. What stands before the tiers is in the first volume.
    """
    begins = [len(opening(starts)), *(starts[f"{tier}/index"] for tier in list(titles)[1:])]
    begins.append(min(page for name, page in starts.items() if name.startswith("back/")))
    named = {tier.partition("-")[2]: title for tier, title in titles.items()} | BEHIND
    ranges = map(range, begins, [*begins[1:], pages])
    return [
        Volume(number, title, f"{stem}-{number}-{name}.pdf", ranged)
        for number, ((name, title), ranged) in enumerate(zip(named.items(), ranges, strict=True), 1)
    ]


def opening(starts: Mapping[str, int]) -> range:
    """The pages before the first document: title and contents."""
    return range(min(starts.values()))


def cut(pdf: Pdf, volume: Volume, volumes: Sequence[Volume], starts: Mapping[str, int]) -> None:
    """Leave of a book one of its volumes; left pages stay left, if need be behind an empty one."""
    first = opening(starts)
    elsewhere = {
        target: other.file
        for target, page in chapters.targets_of(pdf).items()
        for other in volumes
        if page in other.pages
    }
    labels = chapters.keep(pdf, {*first, *volume.pages}, elsewhere)
    if (volume.pages.start - len(first)) % 2:
        wide, high = (float(length) for length in list(pdf.pages[0].mediabox)[2:])
        empty = Pdf.new()
        empty.add_blank_page(page_size=(wide, high))
        pdf.pages.insert(len(first), empty.pages[0])
        labels.insert(len(first), roman(len(first) + 1).lower())
    chapters.number(pdf, labels)
