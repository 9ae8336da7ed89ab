"""Figures of the chapter microoptimizer."""

import numpy as np
from matplotlib.figure import Figure

from press.figures import style

JORDAN, CUBIC = (3.4445, -4.7750, 2.0315), (1.5, -0.5, 0.0)


def pencil(run):
    """What the steps of descent, Adam and Muon make of the unit circle, for G = (2 1; 1 2)."""
    figure = Figure(figsize=(style.WIDTH, 2.0))
    angles = np.linspace(0, 2 * np.pi, 200)
    circle = np.array([np.cos(angles), np.sin(angles)])
    steps = {
        "descent: 3 and 1": [[2, 1], [1, 2]],
        "Adam: 2 and 0": [[1, 1], [1, 1]],
        "Muon: 1 and 1": [[1, 0], [0, 1]],
    }
    for k, (ax, (title, step)) in enumerate(
        zip(figure.subplots(1, 3, sharex=True, sharey=True), steps.items(), strict=True)
    ):
        ax.plot(*circle, color=style.GREY, linewidth=0.8, linestyle=style.DASHES[2])
        ax.plot(*(np.array(step) @ circle), color=style.SERIES[k], linewidth=1.6)
        for direction in ((1, 1), (1, -1)):
            x, y = np.array(step) @ np.array(direction) / np.sqrt(2)
            ax.plot(
                [0, x],
                [0, y],
                color=style.INK,
                linewidth=0.9,
                marker="o",
                markersize=2.5,
                linestyle="-",
            )
        ax.set_title(title)
        ax.set_aspect("equal")
        ax.set(xticks=[], yticks=[], xlim=(-2.5, 2.5), ylim=(-2.5, 2.5))
        ax.spines[:].set_visible(False)
    return figure


def turned(values, turns, coefficients):
    """Where singular values go in so many turns."""
    a, b, c = coefficients
    for _ in range(turns):
        values = a * values + b * values**3 + c * values**5
    return values


def turns(run):
    """The polynomial after one, three and five turns; singular values of the run."""
    figure = Figure(figsize=(style.WIDTH, 2.9))
    left, right = figure.subplots(1, 2)
    values = np.geomspace(0.001, 1, 400)
    for count, label, k in (
        (0, "no turn", 4),
        (1, "1 turn", 0),
        (3, "3 turns", 1),
        (5, "5 turns", 2),
    ):
        look = {"color": style.SERIES[k], "linestyle": style.DASHES[k]}
        [row] = run.rows(rf"^singular \| muon, {count} turns +\| (.+)$")
        shown = [float(v) for v in str(row).split()]
        places = [1 + 4 * i for i in range(len(shown))]
        right.plot(places, shown, marker=style.MARKERS[k], markersize=3, label=label, **look)
        if count:
            left.plot(values, turned(values, count, JORDAN), **look)
    right.plot([], [], color=style.GREY, linestyle=style.DASHES[3], label="5 of the cubic")
    left.plot(values, turned(values, 5, CUBIC), color=style.GREY, linestyle=style.DASHES[3])
    left.set_xscale("log")
    left.set(xlabel="singular value before", ylabel="after", ylim=(0, 1.3))
    right.set(xlabel="rank of the singular value", ylabel="its size", ylim=(0, 1.3))
    for ax in (left, right):
        ax.grid(axis="y")
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def races(run):
    """Held-out loss against steps and against multiply-adds, means of the seeds."""
    figure = Figure(figsize=(style.WIDTH, 2.9))
    by_steps, by_work = figure.subplots(1, 2, sharey=True)
    seeds = run.seeds("over-seeds")
    row = r"^{} +\| step +(\d+) \| +(\S+) M .* held out (\S+)"
    sides = {
        by_steps: (0, ("descent", "momentum", "adam", "unflattened", "muon")),
        by_work: (1, ("adam, long", "three turns", "muon")),
    }
    colours = {"descent": 4, "momentum": 3, "adam": 0, "adam, long": 0, "unflattened": 2, "muon": 1,
               "three turns": 2}  # fmt: skip
    for ax, (place, names) in sides.items():
        for name in names:
            all_rows = np.array([seed.rows(row.format(name)) for seed in seeds], dtype=float)
            mean, k = all_rows.mean(axis=0), colours[name]
            ax.plot(mean[:, place], mean[:, 2], color=style.SERIES[k], linestyle=style.DASHES[k],
                    label=name)  # fmt: skip
            ends = all_rows[:, -1]
            ax.scatter(ends[:, place], ends[:, 2], s=5, color=style.SERIES[k], alpha=0.7, lw=0)
        ax.grid(axis="y")
        ax.legend(loc="upper right")
    by_steps.set(xlabel="steps", ylabel="held-out loss (nats)", ylim=(0.18, 0.6))
    by_work.set(xlabel="millions of multiply-adds")
    return figure


def rates(run):
    """Loss on the quarters against the rate, at the best of the decays."""
    figure = Figure(figsize=(style.WIDTH, 2.9))
    ax = figure.subplots()
    rules = [("adam", 0), ("muon", 1), ("unflattened", 2), ("momentum", 3), ("descent", 4)]
    for name, k in rules:
        best: dict[float, float] = {}
        for rate, loss in run.experiment("choose").rows(
            rf"^{name} +\| rate (\S+) +\| decay \S+ +\| quarters (\S+)"
        ):
            best[float(rate)] = min(float(loss), best.get(float(rate), np.inf))
        ax.plot(list(best), list(best.values()), color=style.SERIES[k], marker=style.MARKERS[k],
                linestyle=style.DASHES[k], label=name)  # fmt: skip
    ax.set_xscale("log")
    ticks = [0.02, 0.04, 0.08, 0.16, 0.32, 0.5, 1, 2]
    ax.set_xticks(ticks, [f"{tick:g}".lstrip("0") for tick in ticks])
    ax.minorticks_off()
    ax.set(xlabel="rate", ylabel="loss on the quarters (nats)", ylim=(0.15, 0.4))
    ax.grid(axis="y")
    ax.legend(loc="upper center", ncols=3)
    return figure
