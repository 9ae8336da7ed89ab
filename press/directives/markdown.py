"""A chapter in the Markdown of notebooks: what Sphinx made of its roles and directives, as text.

Facts are their values, claims check marks, citations and references what the page reads; formulas
stay TeX. A link leads to the published page where the edition has an address, else it is text.
What a notebook has no words for is told, never left out.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

from docutils import nodes
from docutils.nodes import Element, Node
from sphinx import addnodes
from sphinx.environment import BuildEnvironment

from press import edition, notebooks
from press.directives import facts, house
from press.directives.listings import programs_reference
from press.directives.mathematics import formula
from press.directives.running import run_panel
from press.directives.sections import Sections
from press.directives.transcripts import provenance, transcript, transcript_caption
from press.notebooks import Code, Words
from press.pictures import PNG, Picture
from recorder.errors import BookError

SPECIAL = re.compile(r"([\\`*_\[\]<>|$])")
OPENING = re.compile(r"^(\d*)(?=[.)]\s|[-+#]+\s)")  # would begin a list or a heading
BAR = re.compile(r"(?<!\\)\|")
FORMULA = re.compile(r"(?<!\\)\$[^$]+\$")
SILENT = (
    *(nodes.target, nodes.comment, nodes.substitution_definition, nodes.system_message),
    *(addnodes.index, nodes.colspec, nodes.title),
    run_panel,  # a notebook runs by itself
)


class Markdown:
    """Writes one chapter whose references are resolved."""

    def __init__(self, env: BuildEnvironment, document: str) -> None:
        self.env, self.document = env, document
        base = edition.read(house.root(env)).url
        self.page = f"{base}/{document}.html" if base else ""
        domain = env.get_domain("sections")
        assert isinstance(domain, Sections)
        self.program = notebooks.program(domain.cut.get(document, []))

    def pieces(self, tree: nodes.document) -> Iterator[Words | Code]:
        """The chapter's words, a cell for each stretch between headings and code, and its code."""
        texts: list[Words] = []
        for block in self.blocks(tree):
            if texts and (isinstance(block, Code) or block.text.startswith("#")):
                yield joined(texts)
                texts = []
            if isinstance(block, Code):
                yield block
            else:
                texts.append(block)
        if texts:
            yield joined(texts)

    def blocks(self, node: Element) -> Iterator[Words | Code]:
        """What stands in the document or in a section."""
        for child in node.children:
            match child:
                case nodes.section():
                    yield Words(f"{'#' * depth(child)} {self.number(child)}{self.title(child)}")
                    yield from self.blocks(child)
                case nodes.container(attributes={"sections": titles}):
                    if "carried" in child["classes"]:
                        yield Words(self.text(child))
                    yield from (self.program[title] for title in titles)
                case nodes.figure():
                    yield self.figure(child)
                case _ if text := self.text(child):
                    yield Words(text)

    def number(self, section: nodes.section) -> str:
        """A section's number and a space, as references name it; "" where it has none."""
        numbers = self.env.toc_secnumbers.get(self.document, {})
        anchor = f"#{section['ids'][0]}" if depth(section) > 1 else ""
        number = numbers.get(anchor) or ()
        return f"{'.'.join(map(str, number))} " if number else ""

    def title(self, node: Node) -> str:
        return self.inline(next(node.findall(nodes.title)))

    def figure(self, node: nodes.figure) -> Words:
        """A picture with its number and its caption."""
        drawing = self.drawing(node)
        name, picture = drawing.file(PNG)
        alternative = escaped(next(node.findall(nodes.image))["alt"])
        caption = self.inline(next(node.findall(nodes.caption)))
        text = f"![{alternative}](attachment:{name})\n\n*Figure {drawing.number}.* {caption}"
        return Words(text, {name: picture})

    def drawing(self, node: nodes.figure) -> Picture:
        """The files of a figure, its number, its caption as plain text."""
        image = next(node.findall(nodes.image))
        file = Path(self.env.srcdir, image["candidates"]["image/svg+xml"]).resolve()
        caption = " ".join(next(node.findall(nodes.caption)).astext().split())
        return Picture(file.with_suffix(""), self.counted("figure", node["ids"]), caption)

    def counted(self, kind: str, identities: list[str]) -> str:
        """The number of a figure, an equation or an exercise."""
        numbers = self.env.toc_fignumbers.get(self.document, {}).get(kind, {})
        found = (numbers[identity] for identity in identities if identity in numbers)
        return ".".join(map(str, next(found, ())))

    # --- Blocks

    def text(self, node: Node) -> str:
        """A block; "" for what nobody sees."""
        match node:
            case nodes.paragraph() | nodes.rubric() | nodes.caption():
                return OPENING.sub(r"\1\\", self.inline(node))
            case nodes.math_block():
                number = self.counted("displaymath", node["ids"])
                tag = f" \\tag{{{number}}}" if number else ""
                return f"$$\n{formula(node)[0]}{tag}\n$$"
            case nodes.literal_block():
                return fenced(node.astext(), node.get("language", ""))
            case nodes.bullet_list():
                return "\n".join(indented("- ", self.texts(item)) for item in node)
            case nodes.enumerated_list():
                items = enumerate(node, node.get("start", 1))
                return "\n".join(indented(f"{n}. ", self.texts(item)) for n, item in items)
            case nodes.definition_list_item(children=[nodes.term() as term, *_, defined]):
                return f"**{self.inline(term)}**\n\n{self.texts(defined)}"
            case nodes.table():
                return self.table(node)
            case nodes.Element() if type(node).__name__.startswith("exercise"):
                number = self.counted("exercise", node["ids"])
                return f"**Exercise {number} {self.title(node)}**\n\n{self.texts(node)}"
            case nodes.sidebar() | nodes.block_quote() | nodes.Admonition():
                return indented("> ", self.texts(node), "> ")
            case transcript_caption() | provenance():
                return f"*{self.inline(node)}*"
            case nodes.container() | transcript() | nodes.section() | nodes.definition_list():
                return self.texts(node)
            case _ if isinstance(node, SILENT):
                return ""
        raise BookError(f"a notebook has no words for {type(node).__name__}: {node.astext()[:60]}")

    def texts(self, node: Node) -> str:
        return "\n\n".join(filter(None, map(self.text, node.children)))

    def table(self, node: nodes.table) -> str:
        rows = [[in_cell(self.texts(cell)) for cell in row] for row in node.findall(nodes.row)]
        rows.insert(1, ["---"] * len(rows[0]))
        return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)

    # --- Inline

    def inline(self, node: Element) -> str:
        """All that stands in a line."""
        return "".join(map(self.word, node.children)).strip()

    def word(self, node: Node) -> str:
        match node:
            case nodes.Text():
                return escaped(node.replace("\n", " "))
            case nodes.emphasis() | nodes.strong():
                mark = "*" if isinstance(node, nodes.emphasis) else "**"
                return f"{mark}{self.inline(node)}{mark}"
            case nodes.literal():
                text = node.astext()
                return f"`` {text} ``" if "`" in text else f"`{text}`"
            case nodes.math():
                return f"${formula(node)[0]}${escaped(node.get('tail', ''))}"
            case facts.claim_mark():
                return facts.mark(node["checked"])
            case nodes.reference():
                return self.link(node)
            case nodes.inline() | programs_reference() | nodes.generated():
                return "".join(map(self.word, node.children))
            case _ if isinstance(node, SILENT):
                return ""
        raise BookError(f"a notebook has no words for {type(node).__name__}: {node.astext()[:60]}")

    def link(self, node: nodes.reference) -> str:
        text = self.inline(node)
        address = node.get("refuri", "")
        if node.get("internal") or not address:
            fragment = f"#{node['refid']}" if "refid" in node else ""
            address = urljoin(self.page, address or fragment) if self.page else ""
        return f"[{text}]({address})" if address else text


def joined(texts: list[Words]) -> Words:
    """One cell of several pieces."""
    pictures = {name: picture for words in texts for name, picture in words.pictures.items()}
    return Words("\n\n".join(words.text for words in texts), pictures)


def depth(section: Node) -> int:
    """How many sections a section stands in, with itself."""
    found = 0
    while section is not None:
        found += isinstance(section, nodes.section)
        section = section.parent
    return found


def in_cell(text: str) -> str:
    """A text whose bars do not end the cell of a table that it stands in."""
    text = FORMULA.sub(lambda formula: BAR.sub(r"\\vert ", formula[0]), text)
    return BAR.sub(r"\|", text)


def escaped(text: str) -> str:
    """Text of which Markdown reads nothing but letters."""
    return SPECIAL.sub(r"\\\1", text)


def fenced(text: str, language: str) -> str:
    return f"```{language}\n{text}\n```"


def indented(mark: str, text: str, others: str | None = None) -> str:
    """A text whose first line has a mark, and whose others stand as deep."""
    others = " " * len(mark) if others is None else others
    first, *rest = text.split("\n")
    return "\n".join([mark + first, *(f"{others}{line}".rstrip() for line in rest)])
