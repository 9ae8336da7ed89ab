"""KaTeX's MathML as e-readers want it.

Browsers and readers follow MathML Core, which knows no `mathvariant` but `normal`, no alignment of
columns, and no elements inside letters and operators. KaTeX writes all three; here they are
rewritten to what means the same and is valid.
"""

import re
import unicodedata
from xml.etree import ElementTree as ET

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
TOKENS = ("mi", "mo", "mn", "mtext")
ROWS = ("mrow", "mstyle", "mtd", "mpadded")
QUAD = re.compile(r"\\q?quad(?![A-Za-z])")
THIN = "0.167em"
SCRIPTED = ("munder", "mover", "munderover", "msub", "msup", "msubsup")
APPLY = "\N{FUNCTION APPLICATION}"
ALPHABETS = {
    "bold": "BOLD",
    "italic": "ITALIC",
    "bold-italic": "BOLD ITALIC",
    "script": "SCRIPT",
    "bold-script": "BOLD SCRIPT",
    "fraktur": "FRAKTUR",
    "double-struck": "DOUBLE-STRUCK",
    "sans-serif": "SANS-SERIF",
    "bold-sans-serif": "SANS-SERIF BOLD",
    "sans-serif-italic": "SANS-SERIF ITALIC",
    "monospace": "MONOSPACE",
}

ET.register_namespace("", NAMESPACE)


def mended(katex: str) -> str:
    """The MathML in KaTeX's output for one formula, mended."""
    found = re.search(r"<math.*</math>", katex, re.DOTALL)
    if found is None:
        raise ValueError(f"KaTeX wrote no MathML: {katex}")
    root = ET.fromstring(found[0])
    for element in root.iter():
        unwrap(element)
        spell(element)
        align(element)
        enlarge(element)
        part(element)
    return " ".join(ET.tostring(piece, encoding="unicode") for piece in pieces(root))


def pieces(root: ET.Element) -> list[ET.Element]:
    """A display cut at its \\quad, so that a narrow page can set what stands beside it below it."""
    semantics = root[0]
    row, annotation = semantics
    spaces = [place for place, child in enumerate(row) if wide(child)]
    sources = QUAD.split(annotation.text or "")
    if root.get("display") != "block" or not spaces or len(sources) != len(spaces) + 1:
        return [root]
    ends = [*spaces, len(row)]
    starts = [0, *(place + 1 for place in spaces)]
    return [
        piece(list(row)[start:end], source.strip(), annotation)
        for start, end, source in zip(starts, ends, sources, strict=True)
    ]


def piece(row: list[ET.Element], source: str, annotation: ET.Element) -> ET.Element:
    """A formula of its own, set as the display of which it is a part."""
    root = ET.Element(f"{{{NAMESPACE}}}math", displaystyle="true")
    semantics = ET.SubElement(root, f"{{{NAMESPACE}}}semantics")
    ET.SubElement(semantics, f"{{{NAMESPACE}}}mrow").extend(row)
    ET.SubElement(semantics, annotation.tag, annotation.attrib).text = source
    return root


def wide(element: ET.Element) -> bool:
    """Whether an element is the space of a \\quad or \\qquad."""
    return name(element) == "mspace" and element.get("width") in ("1em", "2em")


def name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def unwrap(element: ET.Element) -> None:
    """Make a row of a letter or operator that holds elements: `\\underset`, `\\operatorname*`."""
    if name(element) in TOKENS and len(element):
        element.tag = f"{{{NAMESPACE}}}mrow"
        element.attrib.clear()
        for child in list(element):
            if child.text == APPLY:
                element.remove(child)


def spell(element: ET.Element) -> None:
    """Write a letter of another alphabet as the character that it is."""
    variant = element.get("mathvariant")
    alphabet = ALPHABETS.get(variant or "")
    if alphabet and element.text:
        del element.attrib["mathvariant"]
        element.text = "".join(letter(character, alphabet) for character in element.text)
    elif variant == "normal" and (name(element) != "mi" or len(element.text or "") != 1):
        del element.attrib["mathvariant"]  # upright as it is


def letter(character: str, alphabet: str) -> str:
    """letter("x", "BOLD") -> "𝐱"; a character that the alphabet lacks stays."""
    plain = re.sub(r"^(LATIN|GREEK) | LETTER\b", "", unicodedata.name(character, ""))
    older = alphabet.replace("FRAKTUR", "BLACK-LETTER")  # as in ℒ, ℝ and ℨ
    for full in (f"MATHEMATICAL {alphabet} {plain}", f"{older} {plain}"):
        try:
            return unicodedata.lookup(full)
        except KeyError:
            continue
    return character


def align(table: ET.Element) -> None:
    """Say in the style of each cell how its column is aligned and how far the next one is."""
    if name(table) != "mtable":
        return
    sides = table.attrib.pop("columnalign", "").split()
    gap = table.attrib.pop("columnspacing", "1em").split()
    for spacing in ("rowspacing", "width"):
        table.attrib.pop(spacing, None)
    for row in table:
        for column, cell in enumerate(row):
            side = sides[min(column, len(sides) - 1)] if sides else "center"
            right = gap[min(column, len(gap) - 1)] if column < len(row) - 1 else "0"
            cell.set("style", f"text-align: {side}; padding: .15em {right} .15em 0")


def part(row: ET.Element) -> None:
    """Put TeX's thin space before and after a function's name, as in n log n."""
    if name(row) not in ROWS:  # elsewhere each child has a part of its own: base, script
        return
    children = list(row)
    for place in reversed(range(len(children))):
        after = place + 2 if children[place + 1 : place + 2] and applies(children[place + 1]) else 0
        after = after or (place + 1 if limited(children[place]) else 0)
        if not after:
            continue
        if after < len(children) and name(children[after]) != "mo":
            row.insert(after, ET.Element(f"{{{NAMESPACE}}}mspace", width=THIN))
        if place and name(children[place - 1]) not in ("mo", "mspace"):
            row.insert(place, ET.Element(f"{{{NAMESPACE}}}mspace", width=THIN))


def applies(element: ET.Element) -> bool:
    return element.text == APPLY


def limited(element: ET.Element) -> bool:
    """Whether this is a function's name with something below it or above it."""
    return name(element) in SCRIPTED and any(applies(child) for child in element[0])


def enlarge(element: ET.Element) -> None:
    """Take the form of a prime that is made for superscripts."""
    if name(element) == "mo" and element.text and set(element.text) == {"\N{PRIME}"}:
        element.set("style", "font-feature-settings: 'ssty' 1")
