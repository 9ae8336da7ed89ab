"""Cards out of the book: its terms, its questions and its numbers, none of them typed twice.

A term of the glossary asks for its meaning. A paragraph that ends in a question, right before a
listing, a transcript or a figure, asks just that; what is shown and the paragraph after it answer.
A headline of a chapter's header asks for the number, in its piece of the run.

What the page of a chapter gives stands beside it as CSV, and is made with it. From these files the
deck and the CSV of the whole book are gathered after the build.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time
from html import escape
from pathlib import Path
from typing import Any, TypeGuard

from docutils import nodes
from docutils.nodes import Element, Node
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import ExtensionMetadata

from press import cards, edition, path
from press.cards import Card
from press.directives import house
from press.directives.facts import MARK
from press.directives.markdown import Markdown
from press.directives.terms import GLOSSARY
from press.directives.transcripts import transcript
from press.notebooks import Code
from recorder import plan
from recorder.errors import BookError
from recorder.patterns import compiled
from recorder.transcript import Transcript

BLANK = "[...]"
ENDS = f" *{MARK}"
AROUND = 8  # lines of the run before a number


def html_of(markdown: str) -> str:
    """A card's side: Markdown as HTML, formulas as Anki wants them."""
    return str(PARSER.render(markdown)).strip()


def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin)
    for kind, (before, after) in {"inline": (r"\(", r"\)"), "block": (r"\[", r"\]")}.items():

        def formula(
            self: Any, tokens: Any, place: int, *_: Any, before: str = before, after: str = after
        ) -> str:
            content = tokens[place].content.strip()
            return f"{before}{escape(content, quote=False)}{after}"

        made.add_render_rule(f"math_{kind}", formula)
    return made


PARSER = _parser()


def write(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Write the cards of a chapter, or of the glossary, beside its page."""
    if doctree is None or app.builder.name != "html":
        return
    try:
        if house.is_chapter(page):
            made = [*questions(app.env, page, doctree), *numbers(app.env, page)]
        elif page == GLOSSARY:
            made = list(terms(app.env, doctree))
        else:
            return
    except BookError as error:
        house.warn(error, page)
        return
    file = Path(app.outdir) / f"{page}-cards.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(cards.written(made), encoding="utf-8")


def identity(chapter: str, what: str) -> str:
    return f"nm:{chapter.split('/')[1]}#{what}"


def title(env: BuildEnvironment, chapter: str) -> str:
    return str(env.titles[chapter].astext())


def terms(env: BuildEnvironment, doctree: nodes.document) -> Iterator[Card]:
    """A card for each term, which `at_home` gives to a chapter."""
    writer = Markdown(env, GLOSSARY)
    for item in doctree.findall(nodes.definition_list_item):
        term, meaning = next(item.findall(nodes.term)), next(item.findall(nodes.definition))
        front = html_of(f"What is **{writer.inline(term)}**?")
        name = term.astext().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        yield Card(name, "term", "", front, html_of(writer.texts(meaning)), "Glossary")


def at_home(env: BuildEnvironment, made: list[Card]) -> Iterator[Card]:
    """The terms' cards as cards of the chapters that introduce them; others as they are.

    One that no chapter introduces is left out: `terms.check_terms` has told of it.
    """
    homes = {term: stop for stop in path.read(house.root(env)) for term in stop.header.terms}
    for card in made:
        if card.chapter:
            yield card
        elif stop := homes.get(card.identity):
            known, source = identity(stop.document, card.identity), title(env, stop.document)
            yield replace(card, identity=known, chapter=stop.document, source=source)


def questions(env: BuildEnvironment, chapter: str, doctree: nodes.document) -> Iterator[Card]:
    """A card for each question that the chapter asks before it shows the answer."""
    writer = Markdown(env, chapter)
    for section in doctree.findall(nodes.section):
        asked = 0
        blocks = [child for child in section if not isinstance(child, nodes.target | nodes.sidebar)]
        for question, shown, *after in zip(blocks, blocks[1:], [*blocks[2:], None], strict=False):
            if not (shows(shown) and asks(writer, question)):
                continue
            asked += 1
            names = shown.get("names") or [f"{section['ids'][0]}-{asked}"]
            answer = [side(writer, shown)]
            answer += [writer.text(part) for part in after if isinstance(part, nodes.paragraph)]
            yield Card(
                identity(chapter, names[0]),
                "question",
                chapter,
                html_of(writer.text(question)),
                html_of("\n\n".join(answer)),
                f"{title(env, chapter)}; {section[0].astext()}",
            )


def asks(writer: Markdown, block: Node) -> bool:
    """Whether a block is a paragraph that ends in a question, be it marked as true."""
    return isinstance(block, nodes.paragraph) and writer.text(block).rstrip(ENDS).endswith("?")


def shows(block: Node) -> TypeGuard[Element]:
    listing = isinstance(block, nodes.container) and "literal-block-wrapper" in block["classes"]
    return listing or isinstance(block, transcript | nodes.figure)


def side(writer: Markdown, shown: Element) -> str:
    """What is shown, as Markdown: a listing is its code."""
    if isinstance(shown, nodes.figure):
        return writer.figure(shown).text.replace("(attachment:", "(")
    parts = writer.blocks(nodes.container("", shown.deepcopy()))
    return "\n\n".join(
        f"```python\n{part.text.rstrip()}\n```" if isinstance(part, Code) else part.text
        for part in parts
    )


def numbers(env: BuildEnvironment, chapter: str) -> Iterator[Card]:
    """A card for each headline: its line of the run with a gap, and what stands above it."""
    header = house.read_header(env, chapter)
    for name in header.headline:
        experiment, pattern = header.all_facts[name]
        [run] = plan.runs_of(house.root(env), chapter, experiment)
        text = Transcript.of(run).text
        found = next(compiled(pattern, re.MULTILINE).finditer(text), None)
        if found is None:  # told where the header's facts are checked
            continue
        above = text[: found.start(1)].rpartition("\n\n")[2].split("\n")[-AROUND:]
        below = text[found.end(1) :].split("\n")[0]
        lines = "\n".join(above)
        setting = f", experiment {experiment}" if experiment else ""
        where = f"{title(env, chapter)}; the run{setting}"
        front = html_of(f"What did the run print?\n\n```text\n{lines}{BLANK}{below}\n```")
        yield Card(
            identity(chapter, name), "number", chapter, front, html_of(f"**{found[1]}**"), where
        )


def gather(app: Sphinx, exception: Exception | None) -> None:
    """Make the deck and the CSV of the whole book."""
    if exception is not None or app.builder.name != "html":
        return
    order = [*filter(house.is_chapter, house.reading_order(app.env))]
    files = [Path(app.outdir) / f"{page}-cards.csv" for page in (GLOSSARY, *order)]
    texts = [file.read_text(encoding="utf-8") for file in files if file.is_file()]
    found = [card for text in texts for card in cards.read(text)]
    try:
        made = sorted(at_home(app.env, found), key=lambda card: order.index(card.chapter))
    except BookError as error:
        house.warn(error, "")
        return
    drawn = house.root(app.env) / "build" / "figures"
    shown = {name: (drawn / tier / name).read_bytes() for tier, name in cards.pictures(made)}
    this = edition.read(house.root(app.env))
    moment = int(datetime.combine(this.date, time(), UTC).timestamp())
    out = Path(app.outdir)
    (out / f"{cards.STEM}.apkg").write_bytes(cards.deck(made, shown, this.name, moment))
    (out / f"{cards.STEM}.csv").write_text(cards.written(made), encoding="utf-8")


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("html-page-context", write)
    app.connect("build-finished", gather)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
