"""A chapter as others cite it: BibTeX, RIS, one plain line, the tags that machines read.

A chapter is known as `nm:` and its script's name, whatever its number and the edition; its address,
where the edition has one, is made from the same name.
"""

import re
from dataclasses import dataclass
from typing import Any

from press.edition import Author, Edition

LANGUAGE = "en"
CAPITALS = re.compile(r"(?<=\s)([^\s{}]*[A-Z][^\s{}]*)")
SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
SPECIAL |= {sign: f"\\{sign}" for sign in "&%$#_{}"}


@dataclass(frozen=True)
class Citation:
    """A chapter of an edition; `pages` are its first and last of the PDF, where there is one."""

    name: str
    title: str
    edition: Edition
    pages: tuple[str, str] | None = None

    @property
    def identity(self) -> str:
        return f"nm:{self.name}"

    @property
    def url(self) -> str:
        """The address that never changes, "" without a base."""
        return f"{self.edition.url}/{self.name}.html" if self.edition.url else ""

    @property
    def pdf(self) -> str:
        """The address of the chapter's own PDF, "" without a base."""
        return f"{self.edition.url}/{self.name}.pdf" if self.edition.url else ""


def line(citation: Citation) -> str:
    """One line for a list of references."""
    first, last = citation.pages or ("", "")
    pages = f", page {first}" if first == last else f", pages {first}\N{EN DASH}{last}"
    where = f" {citation.url}" if citation.url else ""
    return f"{opening(citation)}{pages if first else ''}. {citation.identity}.{where}"


def opening(citation: Citation) -> str:
    """The plain line as far as the pages."""
    edition = citation.edition
    return (
        f"{edition.by} ({edition.date.year}). {citation.title}. "
        f"In {edition.title}, version {edition.version}"
    )


def bibtex(citation: Citation) -> str:
    """An @incollection, whose key is the chapter's identity."""
    edition = citation.edition
    fields = {
        "author": " and ".join(map(_bibtex_author, edition.authors)),
        "title": CAPITALS.sub(r"{\1}", _tex(citation.title)),
        "booktitle": _tex(edition.title),
        "publisher": _tex(edition.by),
        "year": str(edition.date.year),
        "note": f"Version {_tex(edition.version)}",
    }
    if citation.pages:
        fields["pages"] = "--".join(dict.fromkeys(citation.pages))
    if citation.url:
        fields["url"] = citation.url
    lines = [f"  {name:9} = {{{value}}},\n" for name, value in fields.items()]
    return f"@incollection{{{citation.identity},\n{''.join(lines)}}}\n"


def ris(citation: Citation) -> str:
    """A record of type CHAP."""
    edition = citation.edition
    fields = [("TY", "CHAP"), ("ID", citation.identity)]
    fields += [("AU", _inverted(author)) for author in edition.authors]
    fields += [("TI", citation.title), ("T2", edition.title), ("ET", edition.version)]
    fields += [("PB", edition.by), ("PY", str(edition.date.year))]
    fields += [("DA", f"{edition.date:%Y/%m/%d}"), ("LA", LANGUAGE)]
    if citation.pages:
        fields += zip(("SP", "EP"), citation.pages, strict=True)
    if citation.url:
        fields.append(("UR", citation.url))
    return "".join(f"{tag}  - {value}\n" for tag, value in [*fields, ("ER", "")])


def tags(citation: Citation) -> list[tuple[str, str]]:
    """Highwire's meta tags. Some readers know a book by its inbook, others by its book title."""
    edition = citation.edition
    found = [("citation_title", citation.title)]
    found += [("citation_author", str(author)) for author in edition.authors]
    found += [
        ("citation_inbook_title", edition.title),
        ("citation_book_title", edition.title),
        ("citation_publication_date", f"{edition.date:%Y/%m/%d}"),
        ("citation_publisher", edition.by),
        ("citation_language", LANGUAGE),
    ]
    if citation.pages:
        found += zip(("citation_firstpage", "citation_lastpage"), citation.pages, strict=True)
    if citation.url:
        found += [("citation_public_url", citation.url), ("citation_pdf_url", citation.pdf)]
    return found


def linked_data(citation: Citation) -> dict[str, Any]:
    """The chapter in its book, in the words of schema.org."""
    edition = citation.edition
    shared = {
        "author": [_agent(author) for author in edition.authors],
        "datePublished": edition.date.isoformat(),
        "inLanguage": LANGUAGE,
    }
    book = {"@type": "Book", "name": edition.title, "bookEdition": edition.version, **shared}
    if edition.url:
        book["url"] = edition.url
    chapter = {
        "@context": "https://schema.org",
        "@type": "Chapter",
        "identifier": citation.identity,
        "name": citation.title,
        **shared,
        "isPartOf": book,
    }
    if citation.pages:
        chapter |= dict(zip(("pageStart", "pageEnd"), citation.pages, strict=True))
    if citation.url:
        chapter["url"] = citation.url
    return chapter


def _agent(author: Author) -> dict[str, str]:
    return {"@type": "Person" if author.given else "Organization", "name": str(author)}


def _bibtex_author(author: Author) -> str:
    """Braces keep a body's name in one piece; a person's family name comes first."""
    if author.given:
        return f"{_tex(author.family)}, {_tex(author.given)}"
    return f"{{{_tex(author.family)}}}"


def _inverted(author: Author) -> str:
    return f"{author.family}, {author.given}" if author.given else author.family


def _tex(text: str) -> str:
    return "".join(SPECIAL.get(sign, sign) for sign in text)
