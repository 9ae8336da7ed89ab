"""Figures of the chapter microkv."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from press.figures import style


def _cell(ax, x, y, side, **options):
    options = {"ec": style.PAPER, "lw": 0.8, **options}
    ax.add_patch(Rectangle((x, y), side, side, **options))


def _triangle(ax, x, y, side, rows, first=0):
    """A causal mask of `rows` rows whose left upper corner is (x, y); rows from `first` on dark."""
    for i in range(rows):
        for j in range(i + 1):
            color = style.ACCENT if i >= first else style.HAIRLINE
            _cell(ax, x + j * side, y - (i + 1) * side, side, fc=color)


def triangle(run):
    """Rows computed for three tokens of an answer, everything anew and from memory."""
    figure, ax = style.diagram(1.75)
    side, top = 0.17, 1.3
    for x, title, first in ((0.1, "everything anew: 12 rows", 0), (2.75, "from memory: 5 rows", 1)):
        ax.text(x, 1.5, title, color=style.INK)
        left = x
        for step, rows in enumerate((3, 4, 5)):
            _triangle(ax, left, top, side, rows, 0 if not first or step == 0 else rows - 1)
            left += (rows + 0.7) * side
    ax.text(0.1, 0.12, "dark: computed in this step.  light: kept from an earlier one.",
            color=style.GREY, size=style.SMALL)  # fmt: skip
    return figure


def strips(run):
    """Four requests in slots of ten rows and in pages of four."""
    figure, ax = style.diagram(1.75)
    used, side = [4, 9, 3, 6], 0.115
    colors = style.SERIES[:4]
    hatch = {"fc": "none", "ec": style.GREY, "lw": 0.4, "hatch": "/////"}
    ax.text(0.1, 1.52, "slots of ten rows", color=style.INK)
    for k, rows in enumerate(used):
        for i in range(10):
            look = {"fc": colors[k]} if i < rows else hatch
            _cell(ax, 0.1 + (10.7 * k + i) * side, 1.22, side * 0.94, **look)
        ax.text(0.1 + 10.7 * k * side, 1.09, f"request {'abcd'[k]}", size=style.SMALL,
                color=style.GREY)  # fmt: skip
    ax.text(0.1, 0.76, "pages of four rows", color=style.INK)
    pages = [(0, 4), (1, 4), (2, 3), (1, 4), (3, 4), (1, 1), (3, 2)]
    for place, (k, rows) in enumerate(pages):
        for i in range(4):
            look = {"fc": colors[k]} if i < rows else hatch
            _cell(ax, 0.1 + (4.7 * place + i) * side, 0.46, side * 0.94, **look)
        ax.text(0.1 + (4.7 * place + 1.9) * side, 0.33, "abcd"[k], size=style.SMALL, ha="center",
                color=style.GREY)  # fmt: skip
    ax.text(0.1, 0.08, "hatched: reserved and unused, 18 rows above and 6 below.",
            color=style.GREY, size=style.SMALL)  # fmt: skip
    return figure


def race(run):
    """Rows that a window keeps, and the letter wanted: a word that fits, one that does not."""
    figure = Figure(figsize=(style.WIDTH, 2.6))
    panels = figure.subplots(1, 2, sharey=True)
    keep = 5
    for ax, letters in zip(panels, (5, 7), strict=True):
        steps = np.arange(letters)
        for k in steps:
            row = letters + k
            first = 0 if k == 0 else row - keep
            ax.add_patch(Rectangle((k - 0.4, first - 0.5), 0.8, row - first + 1, lw=0,
                                   fc=style.HAIRLINE))  # fmt: skip
            seen = k >= first
            ax.plot([k], [k], "o" if seen else "X", ms=6, ls="none",
                    color=style.ACCENT if seen else style.RUST)  # fmt: skip
        ax.set_title(f"{letters} letters, {keep} rows kept")
        ax.set(xlabel="sound to be said", xlim=(-0.6, 6.6), ylim=(-0.8, 13.8))
        ax.set_xticks(range(7))
    panels[0].set_ylabel("number of a row")
    for ax, text, point, place, color in (
        (panels[0], "rows in sight", (2, 7), (0.0, 11.6), style.GREY),
        (panels[0], "letter wanted", (4, 4), (3.4, 0.4), style.ACCENT),
        (panels[1], "gone", (5, 5), (5.1, 2.0), style.RUST),
    ):
        line = {"arrowstyle": "-", "color": color, "lw": 0.6}
        ax.annotate(text, point, place, color=color, arrowprops=line)
    return figure


def pages(run):
    """Requests at once and rows unused against the rows of a page; a dot a seed."""
    figure = Figure(figsize=(style.WIDTH, 2.5))
    left, right = figure.subplots(1, 2)
    rows = r"^pages +(\d+) \| unused +(\S+) .* at once +(\S+) "
    tables = np.array([one.rows(rows) for one in run.seeds("over-seeds")], dtype=float)
    sizes = tables[0, :, 0]
    for ax, column, color in ((left, 2, style.ACCENT), (right, 1, style.RUST)):
        ax.plot(np.tile(sizes, len(tables)), tables[:, :, column].ravel(), "o", color=color, ms=4)
        ax.set_xlabel("rows of a page")
        ax.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
        ax.set_ylim(bottom=0)
        ax.grid(axis="y")
    left.plot(sizes, tables[:, :, 2].mean(0), "-", color=style.ACCENT)
    left.set_title("requests at once")
    law = np.linspace(1, 22, 100)
    right.plot(law, (law - 1) / 2, "-", color=style.GREY, lw=0.9)
    right.set_title("rows unused in the end")
    return figure


def rules(run):
    """Loss against rows kept, one line a rule: means of the seeds, and a dot a seed."""
    figure = Figure(figsize=(style.WIDTH, 3.4))
    ax = figure.subplots()
    runs = run.seeds("over-seeds")
    whole = np.mean([one.rows(r"^keep all \| loss (\S+)")[0] for one in runs])
    ax.axhline(whole, color=style.GREY, linewidth=0.9, linestyle="--")
    looks = [
        ("window", style.SERIES[1], "s", "-"),
        ("random", style.GREY, "x", (0, (1.2, 1.4))),
        ("said", style.SERIES[3], "^", (0, (5, 1.6))),
        ("halves", style.SERIES[4], "v", (0, (6, 1.6, 1.2, 1.6))),
        ("task", style.SERIES[2], "D", (0, (9, 2.5))),
        ("heard", style.SERIES[0], "o", "-"),
        ("prompt", style.INK, "P", (0, (5, 1.6))),
    ]
    for name, color, marker, dash in looks:
        tables = np.array(
            [one.rows(rf"^keep +(\d+) \| {name:6} \| (\S+) ") for one in runs], dtype=float
        )
        budgets, losses = -tables[0, :, 0], tables[:, :, 1]
        ax.plot(np.tile(budgets, len(runs)), losses.ravel(), marker, ls="none", ms=3.2, color=color,
                alpha=0.75, mew=0.8)  # fmt: skip
        ax.plot(budgets, losses.mean(0), color=color, linestyle=dash, label=name)
    ax.set_xticks([-10, -8, -6, -4], ["10", "8", "6", "4"])
    ax.set(xlabel="rows that a head keeps", ylabel="held-out loss", xlim=(-10.3, -3.9))
    ax.grid(axis="y")
    style.name_lines(ax)
    return figure
