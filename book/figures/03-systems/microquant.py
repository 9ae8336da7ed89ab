"""Figures of the chapter microquant."""

import numpy as np
from matplotlib.figure import Figure

from press.figures import style

ROW = r"^{} +\| (\d) bits \| (\w+) +\| (\S+) +\| +([\d,]+)" + 2 * r" \| +(\S+) \S+" + "$"


def _table(run, network):
    """(bits, sharing, kind, bytes, loss to the nearest, loss with errors handed on)."""
    return [
        (*row[:3], int(str(row[3]).replace(",", "")), *row[4:])
        for row in run.rows(ROW.format(network))
    ]


def grids(run):
    """One grid for two rows of weights, then a grid for each: three bits, symmetric."""
    figure, ax = style.diagram(1.75)
    rows = [[-0.92, -0.55, 0.18, 0.71], [-0.21, -0.08, 0.05, 0.17]]
    for x, title, tops in (
        (1.35, "one grid for both rows", [0.92, 0.92]),
        (3.9, "a grid for each row", [0.92, 0.21]),
    ):
        ax.text(x - 1.1, 1.55, title, color=style.INK)
        for y, row, top in zip((1.1, 0.45), rows, tops, strict=True):
            ax.plot([x - 1.1, x + 1.1], [y, y], color=style.HAIRLINE, lw=0.7, ls="-")
            step = top / 3
            for k in range(-3, 4):
                ax.plot(
                    [x + 1.1 * k * step] * 2, [y - 0.09, y + 0.09], "-", color=style.GREY, lw=0.8
                )
            for w in row:
                near = step * round(w / step)
                ax.plot([x + 1.1 * w, x + 1.1 * near], [y + 0.16, y], "-", color=style.RUST, lw=0.8)
                ax.plot([x + 1.1 * w], [y + 0.16], "o", color=style.ACCENT, ms=4)
    ax.text(0.25, 0.08, "dots: weights.  ticks: levels.  rust: where each weight is moved to.",
            color=style.GREY, size=style.SMALL)  # fmt: skip
    return figure


def valley(run):
    """The cost of moving two weights, with the two ways of rounding them."""
    figure = Figure(figsize=(style.WIDTH, 2.7))
    ax = figure.subplots()
    w, h = np.array([0.4, 0.3]), np.array([[2.0, 1.0], [1.0, 1.0]])
    x, y = np.meshgrid(np.linspace(-0.75, 1.55, 200), np.linspace(-0.4, 1.4, 200))
    d = np.stack([x - w[0], y - w[1]], -1)
    cost = np.einsum("...i,ij,...j->...", d, h, d)
    ax.contour(x, y, cost, levels=[0.05, 0.25, 0.65, 1.3, 2.2], colors=style.HAIRLINE,
               linewidths=0.9)  # fmt: skip
    points = [(i, j) for i in (0, 1) for j in (0, 1)]
    ax.scatter(*zip(*points, strict=True), marker="s", s=18, color=style.GREY, zorder=3)
    ax.scatter(*w, color=style.INK, s=22, zorder=4)
    ax.annotate("trained weights", w, (8, 2), textcoords="offset points", color=style.INK)
    arrow = {"arrowstyle": "-|>", "lw": 1.2, "shrinkA": 3, "shrinkB": 4}
    ax.annotate("", (0, 0), w, arrowprops={**arrow, "color": style.RUST})
    ax.annotate("", (0, 0.7), w, arrowprops={**arrow, "color": style.ACCENT})
    ax.annotate("", (0, 1), (0, 0.7), arrowprops={**arrow, "color": style.ACCENT})
    ax.text(-0.05, -0.14, "to the nearest: cost 0.65", color=style.RUST, ha="right")
    ax.text(-0.07, 0.68, "first weight rounded,\nthe second moved", color=style.ACCENT, ha="right",
            va="center")  # fmt: skip
    ax.text(-0.07, 1.05, "handed on: cost 0.25", color=style.ACCENT, ha="right", va="bottom")
    ax.set(xlabel="first weight", ylabel="second weight", xlim=(-0.75, 1.55), ylim=(-0.4, 1.4))
    ax.set_xticks([0, 1])
    ax.set_yticks([0, 1])
    return figure


def bytes_and_loss(run):
    """Held-out loss against packed bytes: each grid, nearest and handed on, beside float nets."""
    figure = Figure(figsize=(style.WIDTH, 3.1))
    ax = figure.subplots()
    rows = _table(run, "digits")
    for k, (way, label) in enumerate(((4, "to the nearest"), (5, "errors handed on"))):
        ax.scatter([row[3] for row in rows], [row[way] for row in rows], s=20,
                   color=style.SERIES[1 - k], marker=style.MARKERS[1 - k], label=label,
                   zorder=3 + k)  # fmt: skip
    nets = run.rows(r"^digits \| float32 \| +[\d,]+ weights \| +([\d,]+) bytes \| +(\S+) ")
    sizes = [int(str(size).replace(",", "")) for size, _ in nets]
    ax.plot(sizes, [loss for _, loss in nets], color=style.GREY, linestyle=style.DASHES[2],
            marker="D", label="float32, three sizes")  # fmt: skip
    for bits, x in ((2, 1080), (3, 1560), (4, 1990), (8, 3680)):
        ax.text(x, 4.0, f"{bits} bits", ha="center", color=style.GREY, size=style.SMALL)
    ticks = [0.1, 0.2, 0.5, 1, 2]
    ax.set(xscale="log", yscale="log", xlabel="bytes, scales included", ylabel="held-out loss")
    ax.set_ylim(0.07, 5)
    ax.set_yticks(ticks, [str(t) for t in ticks])
    ax.set_yticks([], minor=True)
    ticks = [1000, 2000, 4000, 8000, 13568]
    ax.set_xticks(ticks, [f"{t:,}" for t in ticks])
    ax.set_xticks([], minor=True)
    ax.grid(axis="y")
    ax.legend(loc="upper right", bbox_to_anchor=(1, 0.9))
    return figure


def names(run):
    """The GPT: loss at each number of bits a row, and what each matrix costs alone at 2 bits."""
    figure = Figure(figsize=(style.WIDTH, 2.5))
    left, right = figure.subplots(1, 2, width_ratios=[1, 1])
    (trained,) = run.rows(r"^names +\| trained .* bytes \| +(\S+) ")
    (counted,) = run.rows(r"^names +\| counted pairs \| (\S+)$")
    rows = [row for row in _table(run, "names") if row[1] == "row"]
    for k, (way, label) in enumerate(((4, "to the nearest"), (5, "errors handed on"))):
        look = {"color": style.SERIES[1 - k], "marker": style.MARKERS[1 - k]}
        losses = [row[way] for row in rows]
        left.plot(range(len(rows)), losses, linestyle=style.DASHES[1 - k], label=label, **look)
    left.axhline(counted, color=style.GREY, linewidth=0.9, linestyle="--")
    left.text(0, counted, "counted pairs", color=style.GREY, size=style.SMALL, va="bottom")
    left.set_xticks(range(len(rows)), [str(row[0]) for row in rows])
    left.set(xlabel="bits a weight", ylabel="held-out loss")
    left.legend(loc="upper left", bbox_to_anchor=(0, 0.82))
    alone = run.rows(r"^names +\| only (\w+) +in 2 bits \| (\S+) \S+$")
    colors = [style.RUST if name == "head" else style.ACCENT for name, _ in alone]
    right.barh(range(len(alone)), [loss - trained for _, loss in alone], 0.6, color=colors)
    right.set_yticks(range(len(alone)), [name for name, _ in alone])
    right.invert_yaxis()
    right.set_xlabel("nats lost")
    right.grid(axis="x")
    return figure


def outlier(run):
    """Loss of each way of rounding: as trained, with one channel made loud, and smoothed."""
    states = {
        "as trained": (style.ACCENT, "o", 4),
        "one loud": (style.RUST, "s", 3),
        "smoothed": (style.GREY, "D", 2),
    }
    losses = {}
    for state, how, loss in run.rows(r"^(as trained|one loud|smoothed) +\| (.+?) +\| +(\S+) \S+$"):
        how = how.replace("tensor", "one grid").replace("row", "a grid a row")
        losses.setdefault(how, {})[state] = loss
    figure = Figure(figsize=(style.WIDTH, 2.5))
    ax = figure.subplots()
    for y, found in enumerate(losses.values()):
        ax.plot([min(found.values()), max(found.values())], [y, y], "-", color=style.HAIRLINE,
                linewidth=1.6)  # fmt: skip
    for state, (color, marker, above) in states.items():
        ax.scatter([found[state] for found in losses.values()], range(len(losses)), color=color,
                   marker=marker, s=22, zorder=above, label=state)  # fmt: skip
    ax.set_yticks(range(len(losses)), list(losses))
    ax.invert_yaxis()
    ticks = [0.1, 0.2, 0.5, 1, 2]
    ax.set(xscale="log", xlabel="held-out loss")
    ax.set_xticks(ticks, [str(t) for t in ticks])
    ax.set_xticks([], minor=True)
    ax.grid(axis="x")
    ax.legend(loc="lower right")
    return figure
