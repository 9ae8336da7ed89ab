"""Figures of the chapter microreward."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from press.figures import style

CURVE = r"\| +(\S+) \| " + " ".join([r"(\S+)"] * 6) + r" \| +\S+$"
NS = [1, 4, 16, 64, 256, 1024]
NAMES = {"network, mean": "networks, mean", "  committee  ": "their committee",
         "linear, mean ": "linear, mean", "letter, mean ": "last letter, mean"}  # fmt: skip


def _curves(run, pairs, name):
    """[[ranked rightly, then a share for each n]] of the rows of this name."""
    return np.array(run.rows(rf"^ +{pairs} \| {name} {CURVE}"), float)


def weights(run):
    """The example for pencil and paper: who is the best of n, for three n."""
    figure = Figure(figsize=(style.WIDTH, 2.0))
    girls = np.array([0, 0, 1, 1, 1, 0])
    for ax, n, total in zip(
        figure.subplots(1, 3, sharey=True), (1, 2, 4), ("3/6", "21/36", "609/1296"), strict=True
    ):
        ends = (np.arange(7) / 6) ** n
        bars = ax.bar(range(1, 7), np.diff(ends), width=0.75)
        for bar, girl in zip(bars, girls, strict=True):
            bar.set(facecolor=style.ACCENT if girl else "none",
                    edgecolor=style.ACCENT if girl else style.RUST, linewidth=1.1)  # fmt: skip
        share = float(np.diff(ends) @ girls)
        ax.set_title(f"best of {n}: {total} = {share:.2f}".replace("0.", "."))
        ax.set_xticks(range(1, 7))
        ax.set(xlabel="place in the judge's order", ylim=(0, 0.56), yticks=[])
        ax.spines["left"].set_visible(False)
        ax.tick_params(length=0)
    return figure


def _panel(ax, title):
    ax.set_xscale("log")
    ax.set_xticks(NS, [f"{n:,}" for n in NS])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set(xlabel="best of n", title=title, ylim=(0, 1.03))
    ax.grid(axis="y")


def curves(run):
    """Left, single judges of one run; right, means over seeds of every kind, all of 25 pairs."""
    figure = Figure(figsize=(style.WIDTH, 3.3))
    left, right = figure.subplots(1, 2, sharey=True)
    for row in _curves(run, 25, r"network \d+ +"):
        left.plot(NS, row[1:], color=style.SERIES[0], linewidth=0.9, alpha=0.75, linestyle="-")
    _panel(left, "twelve networks")
    left.set_ylabel("girls' names, to the referee")
    for k, (name, label) in enumerate(NAMES.items()):
        rows = np.array([_curves(one, 25, name)[0, 1:] for one in run.seeds("over-seeds")])
        error = rows.std(0, ddof=1) / len(rows) ** 0.5
        right.errorbar(NS, rows.mean(0), error, label=label, color=style.SERIES[k],
                       linestyle=style.DASHES[k], marker=style.MARKERS[k], markersize=4,
                       elinewidth=0.8, capsize=2)  # fmt: skip
    _panel(right, "means of four seeds")
    right.legend(loc="lower right")
    return figure


def lottery(run):
    """Each network of 25 pairs: how well it ranks pairs, and what its best of 4 and 1,024 are."""
    figure = Figure(figsize=(style.WIDTH, 3.1))
    seeds = [(one.seed, _curves(one, 25, r"network \d+ +")) for one in run.seeds("over-seeds")]
    inner = np.concatenate([rows - rows.mean(0) for _, rows in seeds])
    for ax, n in zip(figure.subplots(1, 2, sharey=True), (4, 1024), strict=True):
        column = 1 + NS.index(n)
        for k, (seed, rows) in enumerate(seeds):
            ax.plot(rows[:, 0], rows[:, column], style.MARKERS[k], markersize=4.5, mew=1.1,
                    fillstyle="none", color=style.SERIES[k], label=f"seed {seed}")  # fmt: skip
        slope = np.corrcoef(inner[:, 0], inner[:, column])[0, 1]
        ax.set(xlabel="held-out pairs ranked rightly", ylim=(0, 1.05),
               title=f"best of {n:,}, correlation {slope:.2f}")  # fmt: skip
        ax.grid(axis="y")
    figure.axes[0].set_ylabel("girls' names, to the referee")
    figure.axes[0].legend(loc="lower right", ncols=2)
    return figure


def sizes(run):
    """Pairs ranked rightly against how many were learned from, a dot a seed."""
    figure = Figure(figsize=(style.WIDTH, 2.8))
    ax = figure.subplots()
    names = {"network": "network", "linear": "linear", "bayes": "naive Bayes",
             "letter": "last letter"}  # fmt: skip
    at = {25: "over-seeds", 100: "over-seeds", 400: "many-over-seeds", 1200: "many-over-seeds"}
    for k, (name, label) in enumerate(names.items()):
        rows = np.array([
            [_curves(one, size, f"{name}, mean *")[0, 0] for one in run.seeds(which)]
            for size, which in at.items()
        ])  # fmt: skip
        places = np.array(list(at)) * 1.04 ** (k - 1.5)
        for place, values in zip(places, rows, strict=True):
            ax.plot([place] * len(values), values, linestyle="none", marker=style.MARKERS[k],
                    markersize=3, color=style.SERIES[k], alpha=0.6)  # fmt: skip
        ax.plot(places, rows.mean(1), label=label, color=style.SERIES[k], linestyle=style.DASHES[k])
    ax.set_xscale("log")
    ax.set_xticks(list(at), [f"{size:,}" for size in at])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set(xlabel="pairs", ylabel="held-out pairs ranked rightly", ylim=(0.5, 1))
    ax.legend(loc="lower right")
    ax.grid(axis="y")
    return figure
