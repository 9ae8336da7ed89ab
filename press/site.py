"""Gather in build/site/ what a host of static pages needs: `python -m press.site`, or `make site`.

The web pages stand at its root as they are, with PDF and EPUB; beside them the PDF of each chapter,
and what machines read: catalog.json (chapters, tiers, papers, what builds on what, minutes),
llms.txt and, where CITATION.cff has a `url`, sitemap.xml. All of it is made of headers and records.
"""

import json
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from pybtex.database import Entry, parse_file  # type: ignore[import-untyped]

from press import build, costs, edition, path
from press.directives import running
from press.edition import Edition
from press.path import Stop
from recorder.errors import BookError
from recorder.layout import ROOT

RUNTIME = f"{running.ROOM}/runtime.js"
BRACES = re.compile(r"[{}]")


def catalog(root: Path) -> dict[str, Any]:
    """What the book holds, for programs; addresses go from the site's root."""
    this, stops = edition.read(root), path.read(root)
    papers = parse_file(str(root / "references.bib"), "bibtex").entries
    return {
        "title": this.title,
        "edition": this.number,
        "date": this.date.isoformat(),
        "url": this.url or None,
        "tiers": [
            {"tier": tier, "title": path.title(root, f"{tier}/index"), "page": f"{tier}/index.html"}
            for tier in path.tiers(stops)
        ],
        "chapters": [chapter(root, stop, papers) for stop in stops],
    }


def chapter(root: Path, stop: Stop, papers: dict[str, Entry]) -> dict[str, Any]:
    """A chapter, in the order of the path; minutes to read it, seconds to run it here."""
    cost = costs.of(root, stop)
    return {
        "identity": f"nm:{stop.name}",
        "number": stop.number,
        "tier": stop.tier,
        "title": path.title(root, stop.document),
        "algorithm": path.algorithm(root, stop.document),
        "teaches": stop.header.teaches,
        "builds_on": list(stop.header.builds_on),
        "added": f"{stop.header.added}",
        "paper": paper(stop.header.paper, papers),
        "page": f"{stop.document}.html",
        "pdf": f"{stop.name}.pdf",
        "notebook": f"{stop.document}.ipynb",
        "script": f"scripts/{stop.document}.py",
        "lines": cost.lines,
        "reading_minutes": round(cost.reading),
        "run_seconds": cost.script,
        "experiments_seconds": round(cost.experiments, 2),
        "memory_bytes": cost.memory,
    }


def paper(key: str | None, papers: dict[str, Entry]) -> dict[str, Any] | None:
    """The original paper as the bibliography has it."""
    if key is None or key not in papers:
        return None
    entry = papers[key]
    fields = {name: BRACES.sub("", text) for name, text in entry.fields.items()}
    authors = [BRACES.sub("", str(person)) for person in entry.persons.get("author", ())]
    known = {name: fields[name] for name in ("title", "year", "doi", "url") if name in fields}
    return {"key": key, "authors": authors, **known}


def llms(root: Path, this: Edition) -> str:
    """The book for language models, in the form of llmstxt.org."""
    base = f"{this.url}/" if this.url else ""
    stops = path.read(root)
    lines = [f"# {this.title}", "", f"> {edition.SUBTITLE}. Edition: {this.number}.", ""]
    for tier, chapters in path.tiers(stops).items():
        lines += [f"## {path.title(root, f'{tier}/index')}", ""]
        for stop in chapters:
            link = f"[{path.title(root, stop.document)}]({base}{stop.document}.html)"
            lines.append(f"- {link}: {stop.header.teaches}")
        lines.append("")
    lines += ["## Optional", "", f"- [Catalog]({base}catalog.json): chapters, papers, minutes", ""]
    return "\n".join(lines)


def sitemap(url: str, pages: Iterable[str], day: str) -> str:
    """The addresses of all pages, for engines of search."""
    entries = "".join(
        f"<url><loc>{escape(f'{url}/{page}')}</loc><lastmod>{day}</lastmod></url>\n"
        for page in pages
    )
    scheme = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {scheme}>\n{entries}</urlset>\n'


def gather(root: Path, target: Path) -> None:
    """Put the site in a folder, in the place of what was there.

    Raises BookError when a part of it is not made yet.
    """
    made, this = root / "build", edition.read(root)
    part = target.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    if not (made / "html" / "index.html").is_file():
        raise BookError("build/html is missing; `make site` makes it.")
    if not (made / "html" / RUNTIME).is_file():
        raise BookError(
            f"build/html/{RUNTIME} is missing, without which no page runs its program; "
            "`make site` makes it where npm reaches its registry."
        )
    shutil.copytree(made / "html", part, ignore=shutil.ignore_patterns(".*"))
    for stop in path.read(root):
        of_chapter = made / "chapters" / f"{stop.name}.pdf"
        if not of_chapter.is_file():
            raise BookError(f"{of_chapter.relative_to(root)} is missing; `make site` makes it.")
        shutil.copyfile(of_chapter, part / of_chapter.name)
    pages = sorted(page.relative_to(part).as_posix() for page in part.rglob("*.html"))
    texts = {"catalog.json": json.dumps(catalog(root), indent=1, ensure_ascii=False) + "\n"}
    texts["llms.txt"] = llms(root, this)
    if this.url:
        texts["sitemap.xml"] = sitemap(this.url, pages, this.date.isoformat())
    for name, text in texts.items():
        (part / name).write_text(text, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)


def main() -> None:
    target = build.BUILD / "site"
    try:
        with build.locked():
            gather(ROOT, target)
    except BookError as error:
        sys.exit(str(error))
    files = [file for file in target.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"The site is in build/site: {len(files)} files, {size:.1f} MB")


if __name__ == "__main__":
    main()
