"""What is made of the finished PDF: where each document begins in it, and one PDF a chapter.

LaTeX's .aux file says which target each document begins at; the rest is the PDF's own: which page
the target is on, and how that page is called. A chapter's PDF is the book without the other pages:
the page numbers stay, links within the chapter work, and those that led out of it are gone.
(volumes.py makes larger pieces, with links from one to the other.)
"""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pikepdf
from pikepdf import Array, Dictionary, Name, NameTree, OutlineItem, Pdf
from roman_numerals import RomanNumeral

from press.directives.house import is_chapter

BEGINS = re.compile(r"^\\newlabel\{(.+)::doc\}\{.*\{([^{}]*)\}\{[^{}]*\}\}$", re.MULTILINE)


@dataclass(frozen=True)
class Span:
    """A chapter's first and last page, counted from 0, and its pages' numbers as printed."""

    first: int
    last: int
    labels: tuple[str, str]


def starts(pdf: Pdf, aux: str) -> dict[str, int]:
    """The page, from 0, on which each document begins, in the book's order."""
    targets = targets_of(pdf)
    return {name: targets[target] for name, target in BEGINS.findall(aux)}


def spans(pdf: Pdf, aux: str) -> dict[str, Span]:
    """Where each chapter stands: it ends where the next document begins."""
    begun = starts(pdf, aux)
    found = {}
    for name in filter(is_chapter, begun):
        first = begun[name]
        last = min((page for page in begun.values() if page > first), default=len(pdf.pages)) - 1
        labels = (str(pdf.pages[first].label), str(pdf.pages[last].label))
        found[name] = Span(first, last, labels)
    return found


def attach(pdf: Pdf, name: str, archive: bytes, description: str) -> None:
    """Attach an archive, without a date."""
    pdf.attachments[name] = pikepdf.AttachedFileSpec(
        pdf,
        archive,
        description=description,
        filename=name,
        mime_type="application/zip",
        creation_date="",
        mod_date="",
    )


def cut(pdf: Pdf, span: Span) -> str:
    """Leave of a book one chapter: its pages, their numbers, its bookmarks, links within it.

    Returns the chapter's title, which is that of its bookmark without the number.
    """
    for name in list(pdf.attachments):
        del pdf.attachments[name]
    labels = keep(pdf, range(span.first, span.last + 1), {})
    number(pdf, labels)
    with pdf.open_outline() as outline:
        return outline.root[0].title.partition(" ")[2]


def keep(pdf: Pdf, pages: Container[int], elsewhere: Mapping[str, str]) -> list[str]:
    """Leave of a book these pages, counted from 0, their bookmarks and the links between them.

    A link to a target that is `elsewhere` leads to the file that stands there; others go. Returns
    how the pages were called; `number` calls them so again.
    """
    indices = range(len(pdf.pages))
    labels = [str(pdf.pages[index].label) for index in indices if index in pages]
    kept_pages = {pdf.pages[index].obj.objgen for index in indices if index in pages}
    places = _places(pdf)
    kept = {name for name, page in places.items() if page in kept_pages}
    bookmarks = _bookmarks(pdf, kept)
    names = NameTree(pdf.Root.Names.Dests)
    for name in places.keys() - kept:
        del names[name]
    for index in reversed(indices):
        if index not in pages:
            del pdf.pages[index]
    _relink(pdf, kept, elsewhere)
    pdf.Root.OpenAction = Array([pdf.pages[0].obj, Name.Fit])
    with pdf.open_outline() as outline:
        outline.root[:] = bookmarks
    return labels


def number(pdf: Pdf, labels: Sequence[str]) -> None:
    """Call the pages by these numbers, arabic or roman ones."""
    runs: list[int | Dictionary] = []
    before: tuple[Name, int] | None = None
    for index, label in enumerate(labels):
        style, value = _numeral(label)
        if before != (style, value - 1):
            runs += [index, Dictionary(S=style, St=value)]
        before = (style, value)
    pdf.Root.PageLabels = Dictionary(Nums=Array(runs))


def _numeral(label: str) -> tuple[Name, int]:
    """`"12"` -> (Name.D, 12); `"ix"` -> (Name.r, 9)"""
    if label.isdigit():
        return Name.D, int(label)
    return Name.r, int(RomanNumeral.from_string(label.upper()))


def targets_of(pdf: Pdf) -> dict[str, int]:
    """The page, from 0, of each target of a link."""
    number = {page.obj.objgen: index for index, page in enumerate(pdf.pages)}
    return {name: number[page] for name, page in _places(pdf).items()}


def _places(pdf: Pdf) -> dict[str, tuple[int, int]]:
    """The page, as an object of the file, of each target of a link."""
    names = NameTree(pdf.Root.Names.Dests)
    return {str(name): names[name].D[0].objgen for name in map(str, names)}


def _bookmarks(pdf: Pdf, kept: set[str]) -> list[OutlineItem]:
    """The highest bookmarks that lead to a kept target, each with those below it."""

    def leading(items: list[OutlineItem]) -> Iterator[OutlineItem]:
        for item in items:
            if item.action is not None and str(item.action.D) in kept:
                yield item
            else:
                yield from leading(item.children)

    with pdf.open_outline() as outline:
        return list(leading(outline.root))


def _relink(pdf: Pdf, targets: Container[str], elsewhere: Mapping[str, str]) -> None:
    """Let links to places that are no more lead to another file, or take them away."""
    for page in pdf.pages:
        links = page.obj.get("/Annots", Array())
        alive = [link for link in links if _alive(link, targets, elsewhere)]
        if len(alive) < len(links):
            page.obj.Annots = Array(alive)


def _alive(link: pikepdf.Object, targets: Container[str], elsewhere: Mapping[str, str]) -> bool:
    """Whether a link leads somewhere, which it may have been changed for."""
    action = link.get("/A", Dictionary())
    if action.get("/S") != Name.GoTo or str(action.D) in targets:
        return True
    if file := elsewhere.get(str(action.D)):
        action.S, action.F = Name.GoToR, pikepdf.String(file)
    return bool(file)
