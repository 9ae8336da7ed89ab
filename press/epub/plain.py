"""A formula as text with raised and lowered letters, for readers that know no MathML.

Such a reader shows what MathML holds letter by letter: 14 for a quarter, x2 for a square. So a page
holds both, and its style sheet shows the one that the reader can set.
"""

import re
import unicodedata
from collections.abc import Callable
from html import escape
from xml.etree import ElementTree as ET

from press.epub.mathml import applies, name

COMBINING = {
    "^": "\N{COMBINING CIRCUMFLEX ACCENT}",
    "~": "\N{COMBINING TILDE}",
    "\N{MODIFIER LETTER MACRON}": "\N{COMBINING MACRON}",
    "\N{MACRON}": "\N{COMBINING MACRON}",
    "\N{OVERLINE}": "\N{COMBINING MACRON}",
    "\N{DOT ABOVE}": "\N{COMBINING DOT ABOVE}",
    "\N{RIGHTWARDS ARROW}": "\N{COMBINING RIGHT ARROW ABOVE}",
}
BRACES = ("\N{TOP CURLY BRACKET}", "\N{BOTTOM CURLY BRACKET}")
LARGE = ("\N{N-ARY SUMMATION}", "\N{N-ARY PRODUCT}", "\N{INTEGRAL}")
PAIRED = ("fence", "stretchy")  # attributes of brackets, and of bars used as such
SPACES_FROM = 0.1  # em; what is narrower moves letters by a hair


def plain(element: ET.Element) -> str:
    """A formula's text, as HTML."""
    return WRITTEN.get(name(element), row)(element)


def row(element: ET.Element) -> str:
    """What stands in a row, with space where TeX has it."""
    parts = [part for part in element if not applies(part)]
    written = ""
    for place, part in enumerate(parts):
        text = plain(part)
        if name(part) == "mo":
            text = spaced(part, text, place > 0 and operand(parts[place - 1]))
        elif is_fraction(part) and (
            any(multiplies(other, "Pe") for other in parts[max(place - 1, 0) : place])
            or any(multiplies(other, "Ps") for other in parts[place + 1 : place + 2])
        ):
            text = f"({text})"
        written += text
    return re.sub(" +", " ", written)


def is_fraction(element: ET.Element) -> bool:
    """Whether this is a fraction, in whatever style."""
    while name(element) in ROWS and len(element) == 1:
        element = element[0]
    return name(element) == "mfrac" and not element.get("linethickness")


def multiplies(element: ET.Element, bracket: str) -> bool:
    """Whether what stands beside a fraction could be taken for a part of it, as a bracket can."""
    sign = element.text or ""
    kind = unicodedata.category(sign[:1] or " ")
    return name(element) != "mo" or sign in LARGE or kind == bracket


def spaced(operator: ET.Element, text: str, infix: bool) -> str:
    """An operator between two operands stands apart, a comma from what follows it."""
    sign = operator.text or ""
    if sign in (",", ";"):
        return f"{text} "
    if sign in LARGE or is_paired(operator):
        return text
    relates = sign == ":" or unicodedata.category(sign[:1] or " ") == "Sm"
    return f" {text} " if relates and infix else text


def operand(element: ET.Element) -> bool:
    """Whether an operator after this one stands between two: not so after another or a bracket."""
    sign = element.text or ""
    if name(element) != "mo" or (sign == "\N{DIVIDES}" and is_paired(element)):
        return True
    return unicodedata.category(sign[:1] or " ") in ("Pe", "Po", "Lm", "Sk")


def is_paired(operator: ET.Element) -> bool:
    """Whether this is a bracket, or a bar used as one."""
    return any(key in operator.attrib for key in PAIRED)


def leaf(element: ET.Element) -> str:
    """Letters and signs; a single letter leans, unless it is upright, bold or of a script."""
    text = (element.text or "").replace("\N{FUNCTION APPLICATION}", "")
    usual = unicodedata.normalize("NFKC", text)
    if name(element) == "mi" and "MATHEMATICAL BOLD" in unicodedata.name(text[:1] or " ", ""):
        return f"<b>{escape(usual)}</b>"
    leans = name(element) == "mi" and len(text) == 1 and not element.get("mathvariant")
    return f"<i>{escape(text)}</i>" if leans and text.isalpha() else escape(text)


def grouped(element: ET.Element) -> str:
    """The text of a part, in brackets unless it is one thing."""
    part = element
    while name(part) in ROWS and len(part) == 1:
        part = part[0]
    many = name(part) == "mfrac" or (name(part) in ROWS and len(part) > 1)
    return f"({plain(part)})" if many else plain(part)


def fraction(element: ET.Element) -> str:
    above, below = element
    if element.get("linethickness", "").startswith("0"):  # a binomial, whose brackets stand around
        return f"{plain(above)} over {plain(below)}"
    return f"{grouped(above)}/{grouped(below)}"


def scripted(*tags: str) -> Callable[[ET.Element], str]:
    """How a base is written with what stands below and above it."""

    def written(element: ET.Element) -> str:
        base, *scripts = element
        text = plain(base)
        for tag, script in zip(tags, scripts, strict=True):
            sign = script.text or ""
            accented = unicodedata.normalize("NFC", f"{base.text}{COMBINING.get(sign, '')}")
            if sign in COMBINING and len(accented) == 1:
                text = f"<i>{accented}</i>"
            elif set(sign) == {"\N{PRIME}"}:
                text += sign
            elif sign not in BRACES:
                text += f"<{tag}>{plain(script)}</{tag}>"
        return text

    return written


def root(element: ET.Element) -> str:
    return f"\N{SQUARE ROOT}({row(element)})"


def table(element: ET.Element) -> str:
    """Equations each on a line of its own; the rows of anything else, parted by semicolons."""
    sides = ["right" in (cell.get("style") or "") for line in element for cell in line]
    equations = any(sides)
    lines = [("" if equations else ", ").join(map(plain, line)) for line in element]
    return ("<br/>" if equations else "; ").join(lines)


def space(element: ET.Element) -> str:
    width = element.get("width", "0em").removesuffix("em")
    return " " if float(width) >= SPACES_FROM else ""


ROWS = ("mrow", "mstyle", "mtd", "mpadded", "math", "semantics")
WRITTEN: dict[str, Callable[[ET.Element], str]] = {
    **dict.fromkeys(("mi", "mn", "mo", "mtext"), leaf),
    **dict.fromkeys(("msub", "munder"), scripted("sub")),
    **dict.fromkeys(("msup", "mover"), scripted("sup")),
    **dict.fromkeys(("msubsup", "munderover"), scripted("sub", "sup")),
    "mfrac": fraction,
    "msqrt": root,
    "mtable": table,
    "mspace": space,
    "mphantom": lambda _: "",
}
