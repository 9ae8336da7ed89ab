"""Figures of the chapter microconv."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from press.figures import style

NETWORKS = ("one maximum", "more maxima", "connected")


def slide(run):
    """A row of four pixels and the answers of a window of two, before and after a move."""
    figure = Figure(figsize=(style.WIDTH, 2.6))
    axes = figure.subplots(2, 2, sharex=True, gridspec_kw={"height_ratios": [1, 2.6]})
    for column, pixels in enumerate(([1, 3, 0, 0], [0, 0, 1, 3])):
        above, below = axes[:, column]
        answers = np.convolve(pixels, [2, 1])
        for i, level in enumerate(pixels):
            # A pixel lies between the two places whose windows see it.
            shade = {0: style.PAPER, 1: style.HAIRLINE, 3: style.INK}[level]
            above.add_patch(Rectangle((i, 0), 1, 1, facecolor=shade, edgecolor=style.GREY))
            above.text(i + 0.5, 0.5, str(level), ha="center", va="center", size=style.SIZE,
                       color=style.PAPER if level == 3 else style.INK)  # fmt: skip
        above.set(xlim=(-0.5, 4.5), ylim=(-0.05, 1.05))
        above.axis("off")
        above.set_title(("a picture", "the picture, moved by two")[column], size=style.SIZE)
        winner = int(answers.argmax())
        colours = [style.RUST if i == winner else style.ACCENT for i in range(5)]
        below.bar(range(5), answers, width=0.7, color=colours)
        below.axhline(7, color=style.RUST, linewidth=0.9, linestyle=(0, (5, 3)))
        below.axvline(1.5, color=style.GREY, linewidth=1.1, linestyle=":")
        below.set_ylim(0, 8.4)
        below.set_xticks(range(5), [f"{i + 1}" for i in range(5)])
        below.set_xlabel("place of the window")
        for i, answer in enumerate(answers):
            below.text(i, answer + 0.2, str(answer), ha="center", size=style.SMALL)
    axes[1, 0].set_ylabel("answer")
    return figure


def places(run):
    """The share read at each of 25 places, a table of shades for each network."""
    figure = Figure(figsize=(style.WIDTH, 2.2))
    axes = figure.subplots(1, 3, sharey=True)
    for ax, name in zip(axes, NETWORKS, strict=True):
        rows = run.rows(rf"^{name} +\| down +(-?\d+) \| " + " ".join([r"(\S+)"] * 5) + "$")
        shares = np.array([row[1:] for row in rows])
        ax.imshow(shares, cmap=style.SHADES, vmin=0, vmax=1)
        for i, j in np.ndindex(5, 5):
            ax.text(j, i, f"{shares[i, j]:.2f}".lstrip("0"), ha="center", va="center",
                    size=8, color=style.PAPER if shares[i, j] > 0.5 else style.INK)  # fmt: skip
        ax.set_title(name, size=style.SIZE)
        shifts = [f"{shift}".replace("-", "\N{MINUS SIGN}") for shift in range(-2, 3)]
        ax.set_xticks(range(5), shifts)
        ax.set_yticks(range(5), shifts)
        ax.set_xlabel("pixels to the right")
    axes[0].set_ylabel("pixels down")
    return figure


def networks(run):
    """Held-out accuracy in the middle and moved, a dot a seed."""
    runs, eight = run.seeds("over-seeds"), run.seeds("sharing-over-seeds")
    rows = [
        ("one maximum", "one maximum", runs),
        ("four maxima", "more maxima", runs),
        ("connected", "connected", runs),
        ("one maximum, 8 maps", "one maximum", eight),
        ("own windows, 8 maps", "own windows", eight),
    ]
    figure = Figure(figsize=(style.WIDTH, 2.3))
    ax = figure.subplots()
    for y, (_, name, tried) in enumerate(rows):
        found = [one.rows(rf"^{name} +\| middle (\S+) \| moved (\S+) ")[0] for one in tried]
        for k, (colour, marker) in enumerate(((style.ACCENT, "o"), (style.RUST, "s"))):
            ax.scatter(
                [pair[k] for pair in found],
                [y + 0.16 * (2 * k - 1)] * len(found),
                s=20,
                color=colour,
                marker=marker,
                zorder=3,
                label=("in the middle", "moved")[k] if y == 0 else None,
            )
    ax.set_yticks(range(len(rows)), [label for label, *_ in rows])
    ax.set_ylim(len(rows) - 0.5, -0.6)
    ax.set(xlim=(0, 1), xlabel="share of held-out digits read")
    ax.grid(axis="x")
    ax.legend(loc="upper left")
    return figure
