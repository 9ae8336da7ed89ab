"""Figures of the chapter microsft."""

import numpy as np
from matplotlib.figure import Figure

from press.figures import style

STEP = r"^step +(\d+) \| sounds ([\d.]+) \| form ([\d.]+) "
LOSS, END, SOUNDS, FORM, BOTH = range(5)


def _row(run, name):
    """The ten numbers of one row: five in the new form, five in the old."""
    fives = r" +\|" + r" +([\d.]+)" * 5
    return run.rows(rf"^{name}{fives}{fives}$")[0]


def masks(run):
    """One pair under three losses: the weight of each guess."""
    figure = Figure(figsize=(style.WIDTH, 1.75))
    ax = figure.add_subplot()
    symbols = ["?", "t", "o", ":", "T", "UW", "!"]
    for x, symbol in enumerate(symbols):
        asked = symbol in ("T", "UW", "!")
        style.box(ax, x, 3.2, symbol, 0.72, 0.62, ec=style.RUST if asked else style.GREY)
    weights = {
        "everything": ["", *["1/6"] * 6],
        "answer": [*[""] * 4, *["1/3"] * 3],
        "no end": [*[""] * 4, "1/2", "1/2", ""],
    }
    for k, (name, row) in enumerate(weights.items()):
        y = 2.1 - 0.9 * k
        ax.text(-0.75, y, name, ha="right", va="center")
        for x, weight in enumerate(row):
            ax.text(x, y, weight or "\N{MIDDLE DOT}", ha="center", va="center",
                    color=style.INK if weight else style.GREY)  # fmt: skip
    ax.set(xlim=(-2.6, 6.6), ylim=(-0.2, 3.7))
    ax.axis("off")
    return figure


def steps(run):
    """Form and content step by step, after the dictionary and after shuffled sounds."""
    figure = Figure(figsize=(style.WIDTH, 2.6))
    panels = figure.subplots(1, 2, sharey=True)
    for ax, experiment, title in zip(
        panels,
        ("over-seeds", "shuffled-over-seeds"),
        ("after the dictionary", "after shuffled sounds"),
        strict=True,
    ):
        for k, one in enumerate(run.seeds(experiment)):
            step, sounds, form = zip(*one.rows(STEP), strict=True)
            for series, values, label in ((0, form, "form"), (1, sounds, "sounds")):
                ax.plot(step, values, color=style.SERIES[series], linestyle=style.DASHES[series],
                        marker=style.MARKERS[k], label=label if k == 0 else None)  # fmt: skip
        ax.set(xlabel="step of fine-tuning", title=title, ylim=(-0.03, 1.03))
        ax.grid(axis="y")
    panels[0].set_ylabel("share of words")
    panels[0].legend(loc="center right")
    return figure


def ways(run):
    """Words right in both forms, by the way of fine-tuning."""
    figure = Figure(figsize=(style.WIDTH, 2.7))
    panels = figure.subplots(1, 2, sharey=True)
    runs = run.seeds("over-seeds")
    names = ["answer", "replay", "marks", "marks, old", "fresh"]
    bound = np.mean([_row(one, "dictionary")[5 + BOTH] for one in runs])
    for ax, start, title in zip(panels, (0, 5), ("asked in the new form", "in the old form"),
                                strict=True):  # fmt: skip
        for k, one in enumerate(runs):
            values = [_row(one, name)[start + BOTH] for name in names]
            ax.plot([x + 0.12 * (k - 1.5) for x in range(len(names))], values, linestyle="none",
                    color=style.SERIES[0], marker=style.MARKERS[k], markersize=5)  # fmt: skip
        ax.axhline(bound, color=style.RUST, linestyle=style.DASHES[1])
        ax.set_xticks(range(len(names)), [name.replace(", ", ",\n") for name in names])
        ax.set(title=title, ylim=(-0.012, None))
        ax.grid(axis="y")
    panels[0].set_ylabel("words right")
    return figure


def pairs(run):
    """Words right against the number of pairs; what the mask takes off the loss."""
    figure = Figure(figsize=(style.WIDTH, 2.7))
    left, right = figure.subplots(1, 2)
    runs = run.seeds("rivals-over-seeds")
    main = [one for one in run.seeds("over-seeds") if one.seed in [two.seed for two in runs]]
    ways = {
        "marks": {4: "4 marks", 16: "16 marks", 64: "marks", 256: "256 marks"},
        "all numbers": {16: "16 answers", 64: "answer", 256: "256 answers"},
    }
    for k, (label, names) in enumerate(ways.items()):
        values = np.array([[_row(two if pairs == 64 else one, name)[BOTH]
                            for pairs, name in names.items()]
                           for one, two in zip(runs, main, strict=True)])  # fmt: skip
        left.plot([*names], values.mean(0), color=style.SERIES[k], linestyle=style.DASHES[k],
                  label=label)  # fmt: skip
        for seed, row in enumerate(values):
            left.plot([*names], row, linestyle="none", color=style.SERIES[k],
                      marker=style.MARKERS[seed])  # fmt: skip
    left.set_xscale("log")
    left.set_xticks((4, 16, 64, 256), ("4", "16", "64", "256"), minor=False)
    left.set_xticks((), minor=True)
    left.set(xlabel="pairs", ylabel="words right", ylim=(0, None))
    left.legend(loc="lower right")
    left.grid(axis="y")
    kinds = (("16 all", "16 answers"), ("64 all", "answer"), ("256 all", "256 answers"))
    for k, (title, column) in enumerate((("sounds", LOSS), ("end", END))):
        for seed, (one, two) in enumerate(zip(runs, main, strict=True)):
            saved = [_row(one, all_)[column] - _row(two if mask == "answer" else one, mask)[column]
                     for all_, mask in kinds]  # fmt: skip
            right.plot([x + 0.22 * (k - 0.5) + 0.04 * seed for x in range(3)], saved,
                       linestyle="none", color=style.SERIES[k], marker=style.MARKERS[seed],
                       markersize=5, label=title if seed == 0 else None)  # fmt: skip
    right.axhline(0, color=style.GREY, linewidth=0.8, zorder=0)
    right.set_xticks(range(3), ("16", "64", "256"))
    right.set(xlabel="pairs", ylabel="nats that the mask saves")
    right.legend(loc="upper right")
    right.grid(axis="y")
    return figure
