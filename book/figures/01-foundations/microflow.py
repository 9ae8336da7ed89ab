"""Figures of the chapter microflow."""

import numpy as np
from matplotlib.figure import Figure

from press.figures import style

POINTS = np.array([-1.6, -1.1, 0.2, 0.9, 1.5])


def _apart(run, who, how):
    """Share told apart of one row of the table."""
    (found,) = run.rows(rf"^{who} +\| {how} \| apart (\S+) ")
    return found[0] if isinstance(found, tuple) else found


def _curve(runs, who, method):
    """Calls of the network, and [seeds][calls] shares told apart."""
    tables = [run.rows(rf"^{who} +\| {method} +(\d+) \| apart (\S+) ") for run in runs]
    return [row[0] for row in tables[0]], np.array([[row[1] for row in t] for t in tables])


def _ends(noise):
    """Where the paths of the mean speed to five points on a line go, in 400 steps."""
    way = [noise]
    for t in np.arange(400) / 400:
        x = way[-1]
        gaps = (x[:, None] - t * POINTS) ** 2 / (2 * (1 - t) ** 2)
        weights = np.exp(gaps.min(1, keepdims=True) - gaps)
        mean = weights @ POINTS / weights.sum(1)
        way.append(x + (mean - x) / (1 - t) / 400)
    return np.array(way)


def lines(run):
    """Lines by lot, the paths of their mean speed, and lines to the paths' own ends."""
    figure = Figure(figsize=(style.WIDTH, 2.4))
    axes = figure.subplots(1, 3, sharey=True)
    noise = np.linspace(-2.1, 2.1, 25)
    way, lot = _ends(noise), np.random.default_rng(3).permutation(np.repeat(POINTS, 5))
    drawings = (
        ("pairs by lot", [0, 1], np.array([noise, lot])),
        ("paths of the mean", np.linspace(0, 1, 401), way),
        ("to their own ends", [0, 1], way[[0, -1]]),
    )
    for ax, (title, times, ways) in zip(axes, drawings, strict=True):
        ax.plot(times, ways, "-", color=style.ACCENT, linewidth=0.7)
        ax.scatter([1.08] * 5, POINTS, marker="<", s=22, color=style.RUST, zorder=3)
        ax.set_title(title, size=style.SIZE)
        ax.set(xlim=(-0.02, 1.16))
        ax.set_xticks([0, 1], ["noise", "data"])
    axes[0].set_ylabel("value")
    return figure


def paths(run):
    """The first number of eight codes on their way, before and after reflow."""
    figure = Figure(figsize=(style.WIDTH, 2.5))
    axes = figure.subplots(1, 2, sharey=True)
    for ax, who, title in zip(
        axes, ("flow", "reflow"), ("before reflow", "after reflow"), strict=True
    ):
        ways = np.array(run.rows(rf"^path of {who} \d+ \| +" + r" +".join([r"(\S+)"] * 11) + "$"))
        ax.plot(np.linspace(0, 1, 11), ways.T, "-", color=style.ACCENT, linewidth=1.1)
        ax.set_title(title, size=style.SIZE)
        ax.set_xlabel("time")
        ax.grid(axis="y")
    axes[0].set_ylabel("first number of the code")
    return figure


def calls(run):
    """Share told apart against calls of the network: by either method, uncrossed, after reflow."""
    runs, pairs = run.seeds("all-over-seeds"), run.seeds("uncrossed-over-seeds")
    figure = Figure(figsize=(style.WIDTH, 2.9))
    ax = figure.subplots()
    curves = (
        ("pairs by lot, Euler", *_curve(runs, "flow", "Euler")),
        ("pairs by lot, Heun", *_curve(runs, "flow", "Heun")),
        ("uncrossed pairs, Euler", *_curve(pairs, "flow", "Euler")),
    )
    for k, (label, taken, found) in enumerate(curves):
        ax.plot(taken, found.mean(0), color=style.SERIES[k], marker=style.MARKERS[k],
                linestyle=style.DASHES[k], label=label, markersize=4)  # fmt: skip
        ax.fill_between(taken, found.min(0), found.max(0), color=style.SERIES[k], alpha=0.2,
                        linewidth=0)  # fmt: skip
    once = [_apart(one, "reflow", "Euler  1") for one in runs]
    ax.errorbar([1], [np.mean(once)], [[np.mean(once) - min(once)], [max(once) - np.mean(once)]],
                color=style.SERIES[3], marker=style.MARKERS[3], markersize=6, linestyle="none",
                label="reflow, one call", zorder=4)  # fmt: skip
    for who, label in (("1 Gaussian", "one Gaussian"), ("20 Gaussians", "twenty Gaussians")):
        level = np.mean([_apart(one, who, "at once ") for one in runs])
        ax.axhline(level, color=style.GREY, linewidth=0.9, linestyle=":")
        ax.text(52, level - 0.004, label, color=style.GREY, size=style.SMALL, ha="right", va="top")
    ax.set(xscale="log", xlabel="calls of the network", ylabel="share told apart")
    ax.set_ylim(0.6, 1.0)
    ax.set_xticks([1, 2, 4, 8, 50], ["1", "2", "4", "8", "50"])
    ax.set_xticks([], minor=True)
    ax.grid(axis="y")
    ax.legend(loc="upper right")
    return figure


def one_step(run):
    """Share told apart after one call of the network, a dot a seed."""
    runs, pairs = run.seeds("all-over-seeds"), run.seeds("uncrossed-over-seeds")
    rows = [
        ("by lot again", "by lot", "Euler  1", runs),
        ("ends shuffled", "shuffled", "Euler  1", runs),
        ("reflow", "reflow", "Euler  1", runs),
        ("start only", "start only", "Euler  1", runs),
        ("uncrossed pairs", "flow", "Euler  1", pairs),
        ("one Gaussian", "1 Gaussian", "at once ", runs),
        ("twenty Gaussians", "20 Gaussians", "at once ", runs),
    ]
    figure = Figure(figsize=(style.WIDTH, 2.4))
    ax = figure.subplots()
    for y, (_, who, how, tried) in enumerate(rows):
        shares = [_apart(one, who, how) for one in tried]
        ax.plot([min(shares), max(shares)], [y, y], "-", color=style.HAIRLINE, linewidth=1.6)
        ax.scatter(shares, [y] * len(shares), s=20, zorder=3,
                   color=style.RUST if y == 2 else style.ACCENT,
                   marker="s" if y == 2 else "o")  # fmt: skip
    ax.set_yticks(range(len(rows)), [name for name, *_ in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel("share told apart, one call of the network or none")
    ax.grid(axis="x")
    return figure
