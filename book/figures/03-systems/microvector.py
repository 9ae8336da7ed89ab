"""Figures of the chapter microvector."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Arc

from press.figures import style

PLACES = {"A": 0, "B": 1, "C": 2, "D": 10, "E": 11, "F": 12}
NEAREST = ["AB", "BC", "AC", "DE", "EF", "DF"]
STEP = 0.385  # inches a kilometre
CHAIN = ["AB", "BC", "CD", "DE", "EF"]


def _street(ax, y, links, names, title):
    for pair in links:
        left, right = (PLACES[name] for name in pair)
        wide = STEP * (right - left)
        ax.add_patch(Arc((0.25 + STEP * (left + right) / 2, y), wide, min(0.5, 0.4 * wide + 0.1),
                         theta1=0, theta2=180, color=style.ACCENT, lw=1.1))  # fmt: skip
    for name in names:
        x = 0.25 + STEP * PLACES[name]
        ax.plot([x], [y], "o", ms=5, color=style.INK)
        ax.text(x, y - 0.2, name, ha="center", size=style.SMALL, color=style.GREY)
    ax.text(0.25 + 6 * STEP, y - 0.02, title, ha="center", size=style.SMALL, color=style.GREY)


def houses(run):
    """Six houses on a road: nearest links, links in different directions, and a level above."""
    figure, ax = style.diagram(2.7)
    _street(ax, 2.3, NEAREST, PLACES, "the two nearest")
    _street(ax, 1.6, CHAIN, PLACES, "two in different directions")
    _street(ax, 0.87, ["AD"], "AD", "level 1")
    _street(ax, 0.27, CHAIN, PLACES, "the ground")
    return figure


def _points(run, name, pairs=5):
    """[[recall, distances]] of a way of searching."""
    pattern = rf"^{name} +\| " + r" \| ".join([r"(\S+) +(\d+)"] * pairs) + "$"
    return np.array(run.rows(pattern), dtype=float).reshape(-1, 2)


def curves(run):
    """Recall that is missing against distances, a line a way, dots of four seeds."""
    figure = Figure(figsize=(style.WIDTH, 3.3))
    ax = figure.subplots()
    runs = run.seeds("over-seeds")
    looks = [
        ("layers diverse", style.SERIES[0], "o", "-"),
        ("flat diverse", style.INK, "x", (0, (1.2, 1.4))),
        ("cells 220", style.SERIES[1], "s", (0, (5, 1.6))),
        ("random trees", style.SERIES[2], "^", (0, (9, 2.5))),
        ("k-d tree", style.SERIES[3], "v", (0, (6, 1.6, 1.2, 1.6))),
    ]
    for name, color, marker, dash in looks:
        tables = np.array([_points(one, name) for one in runs])
        missed, spent = 1 - tables[:, :, 0], tables[:, :, 1]
        some = missed.mean(0) > 5e-4  # fewer than one neighbour of 2,000 cannot be told from none
        ax.plot(spent[:, some].ravel(), np.maximum(missed[:, some], 4e-4).ravel(), marker,
                ls="none", ms=3.2, color=color, alpha=0.75, mew=0.8)  # fmt: skip
        ax.plot(spent.mean(0)[some], missed.mean(0)[some], color=color, linestyle=dash, label=name)
    ax.axvline(3000, color=style.GREY, lw=0.9, ls="--")
    ax.set(xscale="log", yscale="log", xlabel="distances a query", xlim=(90, 6000),
           ylabel="neighbours that are missed")  # fmt: skip
    ax.set_xticks([100, 300, 1000, 3000], ["100", "300", "1,000", "3,000"])
    ax.set_yticks([0.001, 0.01, 0.1, 0.5], [".001", ".01", ".1", ".5"])
    ax.minorticks_off()
    ax.grid(axis="y")
    style.name_lines(ax)
    return figure


def widths(run):
    """Distances for a recall of .97 with levels and without, over the columns of the data."""
    figure = Figure(figsize=(style.WIDTH, 2.7))
    ax = figure.subplots()
    names = ["circle", "width-4", "width-8", "even", None]
    for look, marker, color in (
        ("layers diverse", "o", style.SERIES[0]),
        ("flat diverse", "x", style.RUST),
    ):
        for place, name in enumerate(names):
            runs = run.seeds(f"{name}-over-seeds" if name else "over-seeds")
            prices = [float(one.fact(rf"^{look} +\| recall 0.97 for +(\S+)").replace(",", ""))
                      for one in runs]  # fmt: skip
            side = -0.1 if marker == "o" else 0.1
            ax.plot([place + side] * len(prices), prices, marker, color=color, ms=5, mew=1.2,
                    fillstyle="none", ls="none")  # fmt: skip
    ax.set(yscale="log", ylabel="distances for recall .97", ylim=(25, 1500), xlim=(-0.3, 4.3))
    ax.set_xticks(range(5), ["circle,\n2", "even,\n4", "even,\n8", "even,\n32", "words,\n32"])
    ax.set_yticks([30, 100, 300, 1000], ["30", "100", "300", "1,000"])
    ax.minorticks_off()
    ax.grid(axis="y")
    ax.text(0.3, 36, "with levels", color=style.SERIES[0])
    ax.text(0.3, 110, "without", color=style.RUST)
    return figure
