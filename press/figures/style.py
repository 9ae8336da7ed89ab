"""The look of every figure: the book's typefaces and colours, in light and in dark.

Use the names at call time (`style.INK`, never `from press.figures.style import INK`): the driver
sets them before each drawing, once for light pages and once for dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Annotation, Text

FONTS = Path(__file__).resolve().parent.parent / "fonts"

WIDTH = 132 / 25.4  # inches: the text block in print
WIDE = 176 / 25.4  # with the margin and the space before it, for what cannot be narrower
SIZE = 9.5  # points, as the captions in print
SMALL = 8.5

# Every series differs in lightness as well as in hue, and the lines of a plot in their dashes too:
# the figures stay legible to colour-blind readers and on a grey printer.
LIGHT: dict[str, Any] = {
    "PAPER": "#FFFFFF",
    "INK": "#1B1B1B",
    "ACCENT": "#1D3F72",
    "RUST": "#9A3B12",
    "GREY": "#6B6F76",
    "HAIRLINE": "#C9CCD1",
    "GROUND": "#F8F7F3",
    "SERIES": ["#1D3F72", "#9A3B12", "#1E8476", "#BB8718", "#86AEDB"],
}
DARK: dict[str, Any] = {
    "PAPER": "#15171B",
    "INK": "#E4E1DA",
    "ACCENT": "#A3C2F2",
    "RUST": "#E58A60",
    "GREY": "#9CA1A9",
    "HAIRLINE": "#40444B",
    "GROUND": "#1D2025",
    "SERIES": ["#A3C2F2", "#DF7A4E", "#3FA594", "#F0D68A", "#5A82BE"],
}
DASHES: list[Any] = ["-", (0, (5, 1.6)), (0, (1.2, 1.4)), (0, (6, 1.6, 1.2, 1.6)), (0, (9, 2.5))]
MARKERS = ["o", "s", "^", "D", "v"]

PAPER = ""  # the page behind the figure
INK = ""  # text and what matters
ACCENT = ""
RUST = ""
GREY = ""  # axes, ticks, what should recede
HAIRLINE = ""
GROUND = ""  # the fill of boxes
SERIES: list[str] = []  # colours of data, in order
SHADES = LinearSegmentedColormap("shades", {})  # from the page to the accent: for matrices


@cache
def _add_fonts() -> None:
    for name in ("LibertinusSans", "LibertinusSerif", "MplusCodeLatin50"):
        for path in sorted(FONTS.glob(f"{name}-*.otf")):
            font_manager.fontManager.addfont(path)


def use(dark: bool = False) -> None:
    """Set the names above and matplotlib's settings for light or for dark pages."""
    globals().update(DARK if dark else LIGHT)
    globals()["SHADES"] = LinearSegmentedColormap.from_list("shades", [PAPER, SERIES[4], ACCENT])
    _add_fonts()
    mpl.rcdefaults()
    mpl.rcParams.update(
        {
            "figure.figsize": (WIDTH, 2.6),
            "figure.constrained_layout.use": True,
            "figure.facecolor": "none",
            "savefig.facecolor": "none",
            "axes.facecolor": "none",
            "font.family": "Libertinus Sans",
            "font.monospace": ["M PLUS Code Latin 50"],
            "font.size": SIZE,
            "axes.titlesize": SIZE,
            "axes.labelsize": SIZE,
            "legend.fontsize": SIZE,
            "xtick.labelsize": SMALL,
            "ytick.labelsize": SMALL,
            "mathtext.fontset": "custom",
            "mathtext.rm": "Libertinus Serif",
            "mathtext.it": "Libertinus Serif:italic",
            "mathtext.bf": "Libertinus Serif:semibold",
            "mathtext.bfit": "Libertinus Serif:italic:semibold",
            "mathtext.cal": "cmsy10",
            "mathtext.sf": "Libertinus Sans",
            "mathtext.tt": "M PLUS Code Latin 50",
            "mathtext.fallback": "stix",
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.titlecolor": INK,
            "axes.titlelocation": "left",
            "axes.edgecolor": GREY,
            "xtick.color": GREY,
            "ytick.color": GREY,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "axes.linewidth": 0.5,
            "xtick.major.width": 0.5,
            "ytick.major.width": 0.5,
            "xtick.minor.width": 0.4,
            "ytick.minor.width": 0.4,
            "xtick.major.size": 2.5,
            "ytick.major.size": 2.5,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "axes.xmargin": 0.02,
            "grid.color": HAIRLINE,
            "grid.linewidth": 0.5,
            "axes.prop_cycle": cycler(color=SERIES) + cycler(linestyle=DASHES),
            "lines.linewidth": 1.3,
            "lines.markersize": 3.5,
            "lines.markeredgewidth": 0.0,
            "patch.linewidth": 0.5,
            "hatch.linewidth": 0.5,
            "legend.frameon": False,
            "legend.handlelength": 2.4,
            "svg.fonttype": "path",
            "svg.hashsalt": "no-magic",
            "pdf.fonttype": 3,
        }
    )


def name_lines(ax: Axes, gap: float = 1.15) -> list[Annotation]:
    """Write each labelled line's name at its right end, in its colour; better than a legend.

    Names that would touch are moved apart by `gap` times their height. Call it last, when the
    limits of the axes and the size of the figure are settled.
    """
    lines = [line for line in ax.get_lines() if not str(line.get_label()).startswith("_")]
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    height = SIZE * gap * figure.dpi / 72  # pixels
    ends = []
    for line in lines:
        points = ax.transData.transform(np.column_stack(line.get_data(orig=False)))
        points = points[np.isfinite(points).all(axis=1)]
        ends.append(points[np.argmax(points[:, 0])])
    order = sorted(range(len(lines)), key=lambda i: ends[i][1])
    heights = [float(ends[i][1]) for i in order]
    for _ in range(100):  # push touching neighbours apart until none touch
        moved = False
        for k in range(len(heights) - 1):
            overlap = height - (heights[k + 1] - heights[k])
            if overlap > 0.01:
                heights[k] -= overlap / 2
                heights[k + 1] += overlap / 2
                moved = True
        if not moved:
            break
    names = []
    for i, y in zip(order, heights, strict=True):
        end = ax.transData.inverted().transform(ends[i])
        names.append(
            ax.annotate(
                str(lines[i].get_label()),
                xy=(end[0], end[1]),
                xytext=(5, (y - ends[i][1]) * 72 / figure.dpi),
                textcoords="offset points",
                va="center",
                color=lines[i].get_color(),
                annotation_clip=False,
            )
        )
    return names


def matrix(
    ax: Axes,
    values: Sequence[Sequence[float]],
    rows: Sequence[object] | None = None,
    columns: Sequence[object] | None = None,
    **options: Any,
) -> QuadMesh:
    """Draw a matrix as vector cells in SHADES, first row on top, with names at left and on top.

    `options` go to `Axes.pcolormesh` (vmin, vmax, cmap). NaN leaves a cell empty.
    """
    cells = np.ma.masked_invalid(np.asarray(values, dtype=float))
    options = {"cmap": SHADES, "edgecolors": PAPER, "linewidth": 0.6, **options}
    mesh = ax.pcolormesh(cells, **options)
    ax.invert_yaxis()
    ax.set_aspect("equal")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    for axis, names in ((ax.yaxis, rows), (ax.xaxis, columns)):
        names = names or []
        axis.set_ticks([i + 0.5 for i in range(len(names))], [str(name) for name in names])
    return mesh


def diagram(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """An empty figure for a drawing of an idea, with 1 unit = 1 inch and the origin below left."""
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(0, height))
    ax.set_axis_off()
    return figure, ax


def box(
    ax: Axes,
    x: float,
    y: float,
    text: str,
    width: float = 0.9,
    height: float = 0.32,
    **options: Any,
) -> FancyBboxPatch:
    """A rounded box centred on (x, y) with a text in it; `options` go to the patch (ec, fc)."""
    options = {"ec": GREY, "fc": GROUND, "lw": 0.7, **options}
    patch = FancyBboxPatch(
        (x - width / 2, y - height / 2),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.05",
        **options,
    )
    ax.add_patch(patch)
    ax.text(x, y, text, ha="center", va="center_baseline")
    return patch


def arrow(
    ax: Axes, start: Any, end: Any, text: str = "", bend: float = 0.0, **options: Any
) -> FancyArrowPatch:
    """An arrow between two points, or between two boxes (it then ends at their edges).

    `text` stands at its middle; `options` go to the patch (color, linestyle).
    """
    options = {"color": GREY, "lw": 0.8, "mutation_scale": 7, **options}
    ends: list[tuple[float, float]] = []
    for thing, name in ((start, "patchA"), (end, "patchB")):
        if isinstance(thing, FancyBboxPatch):
            options[name] = thing
            ends.append(
                (thing.get_x() + thing.get_width() / 2, thing.get_y() + thing.get_height() / 2)
            )
        else:
            ends.append(thing)
    patch = FancyArrowPatch(
        ends[0],
        ends[1],
        arrowstyle="-|>",
        shrinkA=1.5,
        shrinkB=1.5,
        connectionstyle=f"arc3,rad={bend}",
        **options,
    )
    ax.add_patch(patch)
    if text:
        (x0, y0), (x1, y1) = ends
        label(ax, (x0 + x1) / 2 + bend * (y1 - y0) / 2, (y0 + y1) / 2 - bend * (x1 - x0) / 2, text)
    return patch


def label(ax: Axes, x: float, y: float, text: str, **options: Any) -> Text:
    """A small text on the page's own ground, so that it can be read across a line."""
    options = {"ha": "center", "va": "center", "size": SMALL, "color": GREY, **options}
    ground = {"boxstyle": "square,pad=0.15", "fc": PAPER, "ec": "none"}
    return ax.text(x, y, text, bbox=ground, **options)


use()
