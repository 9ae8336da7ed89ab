"""Figures of the chapter microquant."""

import numpy as np
from matplotlib.figure import Figure

from press.figures import style

ROW = r"^{} +(\d) bits \| (\w+) +\| (\S+) +(\w+) \| +([\d,]+)" + 2 * r" \| +(\S+) \S+" + "$"
CORNERS = [
    ("widest", 0, "widest, nearest"),
    ("fitted", 0, "fitted, nearest"),
    ("widest", 1, "widest, handed on"),
    ("fitted", 1, "fitted, handed on"),
]


def _table(run, network):
    """{(bits, sharing, kind, scale): (bytes, loss to the nearest, loss with errors handed on)}."""
    return {
        tuple(row[:4]): (int(str(row[4]).replace(",", "")), *row[5:])
        for row in run.rows(ROW.format(network))
    }


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


def two_bits(run):
    """Loss at two bits and a symmetric grid, each repair alone and both; a dot a seed."""
    runs = run.seeds("over-seeds")
    figure = Figure(figsize=(style.WIDTH, 2.5))
    ax, labels = figure.subplots(), []
    for sharing, label, color in (
        ("tensor", "a matrix", style.RUST),
        ("row", "a row", style.ACCENT),
    ):
        for scale, way, name in CORNERS:
            y = len(labels) + (sharing == "row") * 0.5
            losses = [
                _table(one, "MLP 32")[2, sharing, "symmetric", scale][1 + way] for one in runs
            ]
            ax.plot([min(losses), max(losses)], [y, y], "-", color=style.HAIRLINE, linewidth=1.6)
            ax.scatter(losses, [y] * len(losses), s=20, color=color, zorder=3,
                       marker="s" if sharing == "tensor" else "o")  # fmt: skip
            labels.append((y, f"{label}: {name}"))
    floats = [one.rows(r"^MLP 32 \| float32 .* bytes \| +(\S+) ")[0] for one in runs]
    ax.axvline(sum(floats) / len(floats), color=style.GREY, linewidth=0.9, linestyle="--")
    ax.set_yticks([y for y, _ in labels], [label for _, label in labels])
    ax.invert_yaxis()
    ticks = [0.3, 0.5, 1, 2, 3]
    ax.set(xscale="log", xlabel="held-out loss")
    ax.set_xticks(ticks, [str(t) for t in ticks])
    ax.set_xticks([], minor=True)
    ax.grid(axis="x")
    return figure


def bytes_and_loss(run):
    """Mean loss against bytes at 2, 3, 4 and 8 bits, a line a network."""
    runs = run.seeds("over-seeds")
    figure = Figure(figsize=(style.WIDTH, 3.1))
    ax = figure.subplots()
    looks = zip((" 8", 12, 24, 32), style.SERIES, style.MARKERS, style.DASHES, strict=False)
    for units, color, marker, dash in looks:
        tables = [_table(one, f"MLP {units}") for one in runs]
        grids = [(bits, "row", "zero-point", "widest") for bits in (2, 3, 4, 8)]
        sizes = [tables[0][grid][0] for grid in grids]
        losses = np.array([[table[grid][2] for grid in grids] for table in tables])
        errors = losses.std(0, ddof=1) / len(runs) ** 0.5
        ax.errorbar(sizes, losses.mean(0), errors, color=color, marker=marker, linestyle=dash,
                    elinewidth=0.8, label=f"{units} hidden units")  # fmt: skip
        for bits, x, y in zip((2, 3, 4, 8), sizes, losses.mean(0), strict=True):
            ax.annotate(str(bits), (x, y), (4, 4), textcoords="offset points", color=style.GREY,
                        size=style.SMALL)  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="bytes, scales included", ylabel="held-out loss")
    ticks = [0.3, 0.4, 0.5, 0.6]
    ax.set_yticks(ticks, [str(t) for t in ticks])
    ax.set_yticks([], minor=True)
    ticks = [200, 500, 1000, 2000, 3614]
    ax.set_xticks(ticks, [f"{t:,}" for t in ticks])
    ax.set_xticks([], minor=True)
    ax.grid(axis="y")
    ax.legend(loc="upper right")
    return figure


def names(run):
    """The GPT: loss at each number of bits a row, and what each matrix costs alone at 2 bits."""
    figure = Figure(figsize=(style.WIDTH, 2.5))
    left, right = figure.subplots(1, 2, width_ratios=[1, 1])
    (trained,) = run.rows(r"^names +\| trained .* bytes \| +(\S+) ")
    (counted,) = run.rows(r"^names +\| counted pairs \| (\S+)$")
    table = _table(run, "names")
    for k, (scale, way, label) in enumerate(CORNERS[:3]):
        rows = [
            table.get((bits, "row", "symmetric", scale), table[8, "row", "symmetric", "widest"])
            for bits in (8, 4, 3, 2)
        ]
        left.plot(range(4), [row[1 + way] for row in rows], linestyle=style.DASHES[k],
                  label=label, color=style.SERIES[k], marker=style.MARKERS[k])  # fmt: skip
    left.axhline(counted, color=style.GREY, linewidth=0.9, linestyle="--")
    left.text(0, counted, "counted pairs", color=style.GREY, size=style.SMALL, va="top")
    left.set_xticks(range(4), ["8", "4", "3", "2"])
    left.set(xlabel="bits a weight", ylabel="held-out loss")
    left.legend(loc="upper left")
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
    figure = Figure(figsize=(style.WIDTH, 2.3))
    ax = figure.subplots()
    for y, found in enumerate(losses.values()):
        ax.plot([min(found.values()), max(found.values())], [y, y], "-", color=style.HAIRLINE,
                linewidth=1.6)  # fmt: skip
    for state, (color, marker, above) in states.items():
        ax.scatter([found[state] for found in losses.values()], range(len(losses)), color=color,
                   marker=marker, s=22, zorder=above, label=state)  # fmt: skip
    ax.set_yticks(range(len(losses)), list(losses))
    ax.invert_yaxis()
    ticks = [0.3, 0.5, 1, 2]
    ax.set(xscale="log", xlabel="held-out loss")
    ax.set_xticks(ticks, [str(t) for t in ticks])
    ax.set_xticks([], minor=True)
    ax.grid(axis="x")
    ax.legend(loc="lower right")
    return figure
