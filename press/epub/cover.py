"""The cover: the title, and below it every program of the book, line by line, as thin bars."""

import io
import re
import tokenize
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from recorder.layout import ROOT

FONTS = Path(__file__).resolve().parent.parent / "fonts"
WIDTH, HEIGHT = 1200, 1800  # pixels
MARGIN, GAP, TOP, FOOT = 110, 26, 560, 1640  # of the programs' field
COLUMNS = 79
GROUND, PAPER = "#1D3F72", "#FFFFFF"
CODE, COMMENT, STRING = "#A3C2F2", "#5A82BE", "#E58A60"

Bar = tuple[int, int, int, str]  # row, first column, column after the last, colour


def bars(code: str) -> list[Bar]:
    """What stands on each line of a program: code, comments, strings."""
    found: list[Bar] = []
    kinds = {tokenize.COMMENT: COMMENT, tokenize.STRING: STRING}
    rows = code.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if not token.string.strip():
            continue
        documents = token.type == tokenize.STRING and token.string.startswith('"""')
        colour = COMMENT if documents else kinds.get(token.type, CODE)
        for row in range(token.start[0] - 1, token.end[0]):
            first = token.start[1] if row == token.start[0] - 1 else indent(rows[row])
            last = token.end[1] if row == token.end[0] - 1 else len(rows[row])
            found.append((row, first, last, colour))
    return found


def indent(row: str) -> int:
    return len(row) - len(row.lstrip())


def programs() -> list[str]:
    return [path.read_text("ascii") for path in sorted((ROOT / "scripts").glob("[0-9]*/*.py"))]


def field(codes: list[str]) -> PolyCollection:
    """The programs side by side, each a column as high as it is long."""
    each = (WIDTH - 2 * MARGIN + GAP) / len(codes)
    row = (FOOT - TOP) / max(code.count("\n") for code in codes)
    column = (each - GAP) / COLUMNS
    shapes, colours = [], []
    for place, code in enumerate(codes):
        left = MARGIN + place * each
        for line, first, last, colour in bars(code):
            x0, x1 = left + first * column, left + last * column
            y0 = TOP + line * row
            y1 = y0 + 0.62 * row
            shapes.append([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
            colours.append(colour)
    return PolyCollection(shapes, facecolors=colours, edgecolors="none")


def draw(target: Path, title: str, subtitle: str, author: str) -> None:
    """Write the cover as PNG, the same bytes from the same programs."""
    size = (WIDTH / 100, HEIGHT / 100)
    figure = Figure(size, dpi=100, facecolor=GROUND)
    figure.set_layout_engine("none")  # whatever the style of the book's figures asks for
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))
    axes.set_axis_off()

    def write(y: float, text: str, font: str, size: float, colour: str) -> None:
        face = FontProperties(fname=FONTS / f"{font}.otf", size=size * 0.72)
        axes.text(MARGIN - 4, y, text, fontproperties=face, color=colour, va="baseline")

    write(290, title, "LibertinusSerif-Semibold", 178, PAPER)
    first, second = re.split(r"(?<=,) ", subtitle, maxsplit=1)
    write(390, first, "LibertinusSerif-Italic", 54, PAPER)
    write(456, second, "LibertinusSerif-Italic", 54, PAPER)
    write(1720, author, "LibertinusSans-Regular", 34, CODE)
    axes.add_collection(field(programs()))
    figure.savefig(target, metadata={"Software": None})
