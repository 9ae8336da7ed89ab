"""Figures of the chapter microdiffusion."""

import re

import numpy as np
from matplotlib.figure import Figure

from press.figures import style

SHADES = " .:-=+*#%@"
NAMES = {
    "network": "network",
    "one": "one Gaussian",
    "several": "several Gaussians",
    "blurred": "blurred copies",
    "perfect": "perfect guesser",
}
PATTERNS = {
    "network": "network",
    "one": "one Gaussian",
    "several": r"\d+ Gaussians",
    "blurred": r"blurred \S+",
    "perfect": "perfect",
}


def _pictures(run, name):
    """[digits][columns] of 8 x 8 levels, read from the transcript's shades."""
    lines = [
        line.split("|")[1:-1]
        for line in run.text.splitlines()
        if re.match(rf"{name} \d\.\d \|", line)
    ]
    return [
        [
            [[SHADES.index(mark) / 9 for mark in row[k]] for row in lines[i : i + 8]]
            for k in range(len(lines[i]))
        ]
        for i in range(0, len(lines), 8)
    ]


def _bands(run, who):
    """Errors in ten bands of levels."""
    (found,) = re.findall(rf"(?m)^{PATTERNS[who]} +\|((?: +\d+\.\d{{3}}){{10}})$", run.text)
    return [float(part) for part in found.split()]


def _apart(run, who):
    (found,) = re.findall(rf"(?m)^{PATTERNS[who]} +\| error .* apart (\S+) ", run.text)
    return float(found)


def _guess(x, a, points, width):
    """The best guess of the noise in x, for points on a line."""
    c = a * width**2 + 1 - a
    centres = np.sqrt(a) * points
    weights = np.exp(-((x[:, None] - centres) ** 2) / (2 * c))
    weights /= weights.sum(1, keepdims=True)
    return np.sqrt(1 - a) * (x - weights @ centres) / c


def paths(run):
    """Noise on its way to five points on a line, by the perfect guess and by a blurred one."""
    figure = Figure(figsize=(style.WIDTH, 2.5))
    axes = figure.subplots(1, 2, sharey=True)
    points = np.array([-1.6, -1.1, 0.2, 0.9, 1.5])
    signal = np.cos(0.95 * np.pi / 2 * np.linspace(1, 0, 301)) ** 2
    for ax, width, title in zip(
        axes, (0.0, 0.35), ("perfect guesses", "blurred guesses"), strict=True
    ):
        x = np.linspace(-2.1, 2.1, 29)
        way = [x]
        for a, b in zip(signal, signal[1:], strict=False):
            noise = _guess(x, a, points, width)
            x = np.sqrt(b) * (x - np.sqrt(1 - a) * noise) / np.sqrt(a) + np.sqrt(1 - b) * noise
            way.append(x)
        ax.plot(np.linspace(0, 1, 301), way, "-", color=style.ACCENT, linewidth=0.7)
        ax.scatter([1.06] * 5, points, marker="<", s=26, color=style.RUST, zorder=3)
        ax.set_title(title, size=style.SIZE)
        ax.set(xlim=(-0.02, 1.12))
        ax.set_xticks([0, 1], ["noise", "data"])
    axes[0].set_ylabel("value")
    return figure


def out_of_noise(run):
    """Three digits of the network and three of the perfect guesser, from noise to the end."""
    rows = [*_pictures(run, "network"), *_pictures(run, "perfect")]
    figure = Figure(figsize=(style.WIDTH, 4.6))
    grid = figure.subplots(len(rows), 7)
    for i, row in enumerate(rows):
        for k, (ax, picture) in enumerate(zip(grid[i], row, strict=True)):
            ax.imshow(picture, cmap=style.SHADES, vmin=0, vmax=1, interpolation="nearest")
            ax.set_xticks([])
            ax.set_yticks([])
            ax.grid(False)
            for spine in ax.spines.values():
                spine.set(visible=True, color=style.RUST if k == 6 else style.HAIRLINE)
        if i % 3 == 1:
            grid[i][0].set_ylabel("network" if i < 3 else "perfect guesser")
    titles = ["level 50", "30", "20", "10", "5", "0", "nearest"]
    for ax, title in zip(grid[0], titles, strict=True):
        ax.set_title(title, size=style.SMALL)
    return figure


def bands(run):
    """Error at little and at much noise: as it is, and beside the best linear guesser's."""
    runs = run.seeds("over-seeds")
    figure = Figure(figsize=(style.WIDTH, 2.8))
    left, right = figure.subplots(1, 2)
    middle = [5 * i + 3 for i in range(10)]
    line = np.array([_bands(one, "one") for one in runs])
    for k, who in enumerate(("perfect", "one", "network", "several", "blurred")):
        found = np.array([_bands(one, who) for one in runs])
        for ax, values in ((left, found), (right, found / line)):
            ax.plot(middle, values.mean(0), color=style.SERIES[k], marker=style.MARKERS[k],
                    linestyle=style.DASHES[k], label=NAMES[who], markersize=3)  # fmt: skip
            ax.fill_between(middle, values.min(0), values.max(0), color=style.SERIES[k],
                            alpha=0.2, linewidth=0)  # fmt: skip
    left.axhline(1, color=style.GREY, linewidth=0.9, linestyle="--")
    left.text(50, 1.1, "guessing nothing", color=style.GREY, size=style.SMALL, ha="right")
    ticks = [0.01, 0.1, 1, 10]
    left.set(yscale="log", xlabel="level of noise", ylabel="held-out error", ylim=(0.004, 60))
    left.set_yticks(ticks, [f"{t:g}" for t in ticks])
    left.set_yticks([], minor=True)
    right.set(xlabel="level of noise", ylabel="times the Gaussian's", ylim=(0.72, 1.28))
    for ax in (left, right):
        ax.grid(axis="y")
    left.legend(loc="lower left", fontsize=style.SMALL)
    return figure


def judged(run):
    """Share told apart from other writers' digits, a dot a seed."""
    runs = run.seeds("over-seeds")
    figure = Figure(figsize=(style.WIDTH, 2.3))
    ax = figure.subplots()
    rows = [(NAMES[who], [_apart(one, who) for one in runs]) for who in NAMES]
    longer = [_apart(one, "network") for one in run.seeds("longer-over-seeds")]
    rows.insert(1, ("network, 5,000 steps", longer))
    for y, (_, shares) in enumerate(rows):
        ax.plot([min(shares), max(shares)], [y, y], "-", color=style.HAIRLINE, linewidth=1.6)
        ax.scatter(shares, [y] * len(shares), s=20, zorder=3,
                   color=style.RUST if y < 2 else style.ACCENT,
                   marker="s" if y < 2 else "o")  # fmt: skip
    floor = [one.rows(r"^digits learnt, ten draws \| apart (\S+) ")[0] for one in runs]
    ax.axvspan(min(floor), max(floor), color=style.HAIRLINE, alpha=0.6)
    ax.text(min(floor) + 0.002, 0, "digits learnt", color=style.GREY, size=style.SMALL, va="center")
    ax.set_yticks(range(len(rows)), [name for name, _ in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel("share told apart from other writers' digits")
    ax.grid(axis="x")
    return figure


def steps(run):
    """Share told apart against the number of steps, two samplers, with the clock."""
    runs = run.seeds("over-seeds")
    figure = Figure(figsize=(style.WIDTH, 2.4))
    ax = figure.subplots()
    tables = [one.rows(r"^steps +(\d+) \| apart: ancestral (\S+), DDIM (\S+) \|") for one in runs]
    taken = [row[0] for row in tables[0]]
    for k, label in ((1, "ancestral: noise drawn afresh"), (2, "DDIM: the same noise, less")):
        found = np.array([[row[k] for row in table] for table in tables])
        ax.plot(taken, found.mean(0), color=style.SERIES[k - 1], marker=style.MARKERS[k - 1],
                linestyle=style.DASHES[k - 1], label=label)  # fmt: skip
        ax.fill_between(taken, found.min(0), found.max(0), color=style.SERIES[k - 1], alpha=0.2,
                        linewidth=0)  # fmt: skip
    ax.set(xscale="log", xlabel="steps from noise to digit", ylabel="share told apart")
    ax.set_xticks(taken, [f"{t:.0f}" for t in taken])
    ax.set_xticks([], minor=True)
    ax.grid(axis="y")
    ax.legend(loc="upper right")
    return figure
