"""What is made of the finished PDF: where each chapter stands in it, and one PDF a chapter.

LaTeX's .aux file says which target each document begins at; the rest is the PDF's own: which page
the target is on, and how that page is called. A chapter's PDF is the book without the other pages:
the page numbers stay, links within the chapter work, and those that led out of it are gone.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pikepdf
from pikepdf import Array, Dictionary, Name, NameTree, OutlineItem, Pdf

from press.directives.house import is_chapter

BEGINS = re.compile(r"^\\newlabel\{(.+)::doc\}\{.*\{([^{}]*)\}\{[^{}]*\}\}$", re.MULTILINE)


@dataclass(frozen=True)
class Span:
    """A chapter's first and last page, counted from 0, and its pages' numbers as printed."""

    first: int
    last: int
    labels: tuple[str, str]


def spans(pdf: Pdf, aux: str) -> dict[str, Span]:
    """Where each chapter stands: it ends where the next document begins."""
    targets = _targets(pdf)
    starts = {name: targets[target] for name, target in BEGINS.findall(aux)}
    found = {}
    for name in filter(is_chapter, starts):
        first = starts[name]
        last = min((page for page in starts.values() if page > first), default=len(pdf.pages)) - 1
        labels = (str(pdf.pages[first].label), str(pdf.pages[last].label))
        found[name] = Span(first, last, labels)
    return found


def attach(pdf: Pdf, scripts: Mapping[str, Path]) -> None:
    """Attach scripts, by the names that they get, and without a date."""
    for name, path in scripts.items():
        pdf.attachments[name] = pikepdf.AttachedFileSpec(
            pdf,
            path.read_bytes(),
            description=f"{path.parent.parent.name}/{path.parent.name}/{path.name}",
            filename=name,
            mime_type="text/x-python",
            creation_date="",
            mod_date="",
        )


def cut(pdf: Pdf, span: Span) -> str:
    """Leave of a book one chapter: its pages, their numbers, its bookmarks, links within it.

    Returns the chapter's title, which is that of its bookmark without the number.
    """
    pages = {page.obj.objgen for page in pdf.pages[span.first : span.last + 1]}
    places = _places(pdf)
    kept = {name for name, page in places.items() if page in pages}
    bookmarks = _bookmarks(pdf, kept)
    for name in list(pdf.attachments):
        del pdf.attachments[name]
    names = NameTree(pdf.Root.Names.Dests)
    for name in places.keys() - kept:
        del names[name]
    del pdf.pages[span.last + 1 :]
    del pdf.pages[: span.first]
    _unlink(pdf, kept)
    labels = Dictionary(S=Name.D, St=int(span.labels[0]))
    pdf.Root.PageLabels = Dictionary(Nums=Array([0, labels]))
    pdf.Root.OpenAction = Array([pdf.pages[0].obj, Name.Fit])
    with pdf.open_outline() as outline:
        outline.root[:] = bookmarks
    return bookmarks[0].title.partition(" ")[2]


def _targets(pdf: Pdf) -> dict[str, int]:
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


def _unlink(pdf: Pdf, targets: set[str]) -> None:
    """Take away the links to places that are no more."""
    for page in pdf.pages:
        links = page.obj.get("/Annots", Array())
        alive = [link for link in links if _alive(link, targets)]
        if len(alive) < len(links):
            page.obj.Annots = Array(alive)


def _alive(link: pikepdf.Object, targets: set[str]) -> bool:
    action = link.get("/A", Dictionary())
    return action.get("/S") != Name.GoTo or str(action.D) in targets
