"""Figures of the chapter microvae."""

import re
from statistics import NormalDist

import numpy as np
from matplotlib.figure import Figure

from press.figures import style

SHADES = " .:-=+*#%@"


def _nats(run, name):
    (found,) = re.findall(rf"(?m)^{name} +\| nats +(\S+) ", run.text)
    return float(found)


def _weighted(run):
    (found,) = re.findall(r"(?m)^weighted +\d+ \| nats +(\S+)$", run.text)
    return float(found)


def _precision(run, name):
    (found,) = re.findall(rf"(?m)^{name} +\| nats .* prec (\S+) ", run.text)
    return float(found)


def coin(run):
    """The pencil's bound against the load of the coin."""
    figure = Figure(figsize=(style.WIDTH, 2.5))
    ax = figure.subplots()
    q = np.linspace(1e-9, 1 - 1e-9, 401)
    bound = q * np.log(0.18 * 0.5 / q) + (1 - q) * np.log(0.02 * 0.5 / (1 - q))
    truth = np.log(0.1)
    ax.axhline(truth, color=style.GREY, linewidth=0.9, linestyle="--")
    ax.text(0.02, truth + 0.05, "log .10", color=style.GREY, size=style.SMALL)
    ax.plot(q, bound, "-", color=style.ACCENT)
    ax.plot([0.5, 0.5], [(np.log(0.18) + np.log(0.02)) / 2, truth], "-", color=style.RUST)
    ax.text(
        0.49, -2.52, "lost: KL from Bayes' rule", color=style.RUST, size=style.SMALL, ha="right"
    )
    for x, y, name in ((0.5, -2.81, "fair coin"), (0.9, truth, "Bayes' rule"), (1, -2.41, "heads")):
        ax.plot([x], [y], "o", color=style.ACCENT, markersize=4.5, clip_on=False)
        ax.annotate(
            name,
            (x, y),
            xytext=(0, -16),
            textcoords="offset points",
            ha="center",
            size=style.SMALL,
            color=style.INK,
        )
    ax.set(xlabel="probability $q$ of heads", ylabel="nats", xlim=(0, 1.02), ylim=(-4.8, -1.9))
    ax.grid(axis="y")
    return figure


def nats(run):
    """Nats a held-out digit by model: one variance above, a variance for each pixel below."""
    runs = run.seeds("over-seeds")
    exact = [
        ("no code", "no code"),
        ("PCA, 4 axes", "4 axes"),
        ("round Gaussians", r"\d+ Gaussians"),
        ("10 x PCA, 4 axes", r"10 x 4 axes"),
    ]
    rows = [(name, [_nats(one, pattern) for one in runs], None) for name, pattern in exact]
    coded = [
        (f"autoencoder, {k}", run.seeds(experiment))
        for k, experiment in ((2, "two-over-seeds"), (4, "over-seeds"), (8, "eight-over-seeds"))
    ]
    coded.append(("autoencoder, 4", run.seeds("own-over-seeds")))
    bounds = [
        (name, [_nats(one, "autoencoder") for one in found], [_weighted(one) for one in found])
        for name, found in coded
    ]
    own = [
        ("own pixels, no code", [_nats(one, "own pixels") for one in runs], None),
        ("own axes, no code", [_nats(one, "own axes") for one in runs], None),
    ]
    rows = [*rows[:2], *bounds[:3], *rows[2:], own[0], bounds[3], own[1]]
    figure = Figure(figsize=(style.WIDTH, 3.2))
    ax = figure.subplots()
    for y, (name, found, more) in enumerate(rows):
        coder = name.startswith("auto")
        if more:
            ax.plot([np.mean(found), np.mean(more)], [y, y], "-", color=style.RUST, linewidth=1.4)
            ax.plot([np.mean(more)], [y], "|", color=style.RUST, markersize=8, markeredgewidth=1.4)
        ax.scatter(
            found,
            [y] * len(found),
            s=22,
            zorder=3,
            marker="s" if coder else "o",
            facecolor=style.RUST if coder else style.PAPER,
            edgecolor=style.RUST if coder else style.ACCENT,
            linewidth=1,
        )
    ax.axhline(6.5, color=style.GREY, linewidth=0.8, linestyle="--")
    ax.text(49, 6.3, "one variance", color=style.GREY, size=style.SMALL, ha="right", va="bottom")
    ax.text(-9, 6.7, "a variance for each", color=style.GREY, size=style.SMALL, va="top")
    ax.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    ax.set(ylim=(len(rows) - 0.4, -0.6), xlim=(-10, 50), xlabel="nats a held-out digit")
    ax.grid(axis="x")
    return figure


def pictures(run):
    """Likelihood against the precision of what is drawn."""
    runs = run.seeds("over-seeds")
    figure = Figure(figsize=(style.WIDTH, 2.9))
    ax = figure.subplots()
    kinds = [
        ("4 axes", "PCA, 4 axes", True),
        ("autoencoder", "autoencoder", True),
        ("10 x 4 axes", "10 x PCA", True),
        ("with noise", "autoencoder\nwith its noise", False),
        ("own pixels", "own pixels", False),
        ("own axes", "own axes", False),
    ]
    for k, (pattern, name, filled) in enumerate(kinds):
        x = [_nats(one, pattern) for one in runs]
        y = [_precision(one, pattern) for one in runs]
        ink = style.RUST if "auto" in name else style.ACCENT
        ax.scatter(
            x,
            y,
            s=28,
            marker=[*style.MARKERS, "P"][k],
            edgecolor=ink,
            linewidth=1,
            zorder=3,
            facecolor=ink if filled else style.PAPER,
        )
        ax.annotate(
            name,
            (float(np.mean(x)), min(y)),
            xytext=(0, -7),
            textcoords="offset points",
            ha="center",
            va="top",
            size=style.SMALL,
            color=ink,
        )
    ax.set(
        xlabel="nats a held-out digit",
        ylabel="precision of drawings",
        ylim=(-0.16, 1.05),
        xlim=(2, 50),
    )
    ax.grid(axis="both")
    return figure


def plane(run):
    """The plane of two-number codes, decoded, with each class at its mean code."""
    two = run.experiment("plane")
    lines = [
        line.split("|")[1:-1] for line in two.text.splitlines() if re.match(r"p\d\.\d \|", line)
    ]
    picture = np.zeros((80, 80))  # a cell is a picture and the white around it
    for i, line in enumerate(lines):
        for j, part in enumerate(line):
            row = 10 * (i // 8) + i % 8 + 1
            picture[row, 10 * j + 1 : 10 * j + 9] = [SHADES.index(mark) / 9 for mark in part]
    figure = Figure(figsize=(3.9, 3.9))
    ax = figure.subplots()
    ax.imshow(
        picture, cmap=style.SHADES, vmin=0, vmax=1.2, interpolation="nearest", extent=(0, 8, 0, 8)
    )
    for label, x, y in two.rows(r"^class (\d) \| x (\S+) \+- \S+ \| y (\S+) \+-"):
        place = [8 * _below(v) for v in (x, y)]
        ax.text(
            *place,
            f"{label:.0f}",
            color=style.PAPER,
            size=8.5,
            weight="bold",
            ha="center",
            va="center",
            bbox={"boxstyle": "circle,pad=0.2", "fc": style.RUST, "ec": "none"},
        )
    ticks = [-1, 0, 1]
    ax.set_xticks([8 * _below(v) for v in ticks], [f"{v}".replace("-", "−") for v in ticks])
    ax.set_yticks([8 * _below(v) for v in ticks], [f"{v}".replace("-", "−") for v in ticks])
    ax.set(xlabel="first number of the code", ylabel="second number")
    ax.grid(False)
    return figure


def _below(value):
    """The share of a standard normal distribution below a value."""
    return NormalDist().cdf(value)
