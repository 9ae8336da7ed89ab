"""Figures of the chapter micromoe."""

import numpy as np
from matplotlib.figure import Figure

from press.figures import style


def _row(run, name):
    """Numbers, work, share right, loss and load of the busiest, from one row of the table."""
    ((numbers, work, *rest),) = run.rows(
        rf"^{name} +\| numbers +(\S+) \| work +(\S+) \| right (\S+) \| loss (\S+) \| busiest (\S+)$"
    )
    return [int(str(v).replace(",", "")) for v in (numbers, work)] + [float(v) for v in rest]


def _over_seeds(run, experiment, name):
    """The shares right of one row, one for each seed."""
    return np.array([_row(one, name)[2] for one in run.seeds(experiment)])


def one_lit(run):
    """A dense layer, whose units all work, beside four experts, of which one does."""
    figure, ax = style.diagram(2.25)
    idle = {"facecolor": "none", "edgecolor": style.GREY, "linewidth": 0.7}
    busy = {"facecolor": style.ACCENT, "edgecolor": style.ACCENT, "linewidth": 0.7}

    def units(x, y, count, look):
        """Hidden units in rows of four, from their upper left corner."""
        ax.scatter([x + 0.14 * (k % 4) for k in range(count)],
                   [y - 0.14 * (k // 4) for k in range(count)], s=34, **look)  # fmt: skip

    (dense, dense_work), (numbers, work) = _row(run, "dense")[:2], _row(run, "experts")[:2]
    units(0.53, 1.25, 12, busy)
    for x, text in ((0.74, "one dense layer"), (3.4, "a router and four experts")):
        ax.text(x, 2.06, text, ha="center", va="center", size=style.SIZE)
    style.box(ax, 1.95, 1.12, "router", width=0.66)
    ax.plot([1.5, 1.5], [0.1, 2.1], color=style.HAIRLINE, linewidth=0.7)
    for e in range(4):
        x = 2.74 + 0.66 * e
        chosen = e == 2
        units(x, 1.2, 8, busy if chosen else idle)
        ax.text(x + 0.21, 0.86, f"expert {e + 1}", ha="center", va="center", size=style.SMALL,
                color=style.INK if chosen else style.GREY)  # fmt: skip
    ax.annotate("", (4.27, 1.31), (1.95, 1.3), arrowprops={
        "arrowstyle": "-|>", "color": style.ACCENT, "lw": 1.0,
        "connectionstyle": "arc3,rad=-0.22"})  # fmt: skip
    ax.text(3.1, 1.72, "its gate: 0.7", ha="center", va="center", size=style.SMALL,
            color=style.ACCENT)  # fmt: skip
    for x, learned, done in ((0.74, dense, dense_work), (3.4, numbers, work)):
        ax.text(x, 0.46, f"learns {learned:,} numbers", ha="center", va="center")
        ax.text(x, 0.22, f"multiplies {done:,} times", ha="center", va="center")
    return figure


def work(run):
    """Share read against multiplications: dense layers, four experts, eight."""
    sizes = ["starved-over-seeds", "over-seeds", "fed-over-seeds"]
    lines = {
        "dense": [*((one, "dense") for one in sizes), ("faster-over-seeds", "large")],
        "four experts": [(one, "experts") for one in [*sizes, "faster-over-seeds"]],
        "eight experts": [("many-over-seeds", "experts")],
    }
    figure = Figure(figsize=(style.WIDTH, 2.9))
    ax = figure.subplots()
    looks = zip(style.SERIES, style.MARKERS, style.DASHES, strict=False)
    for (label, points), (color, marker, dash) in zip(lines.items(), looks, strict=False):
        x, means, errors = [], [], []
        for experiment, name in points:
            shares = _over_seeds(run, experiment, name)
            x.append(_row(run.seeds(experiment)[0], name)[1])
            means.append(shares.mean())
            errors.append(shares.std(ddof=1) / len(shares) ** 0.5)
            ax.scatter([x[-1]] * len(shares), shares, s=8, color=color, marker=marker, alpha=0.4)
        ax.errorbar(x, means, errors, color=color, marker=marker, linestyle=dash, label=label)
    ax.set(xscale="log", xlabel="multiplications for one picture", ylabel="read by other hands")
    ax.set_xticks([600, 900, 1500, 2600], ["600", "900", "1,500", "2,600"])
    ax.set_xticks([], minor=True)
    ax.grid(axis="y")
    ax.legend(loc="lower right")
    return figure


def who(run):
    """Which expert gets which way of showing a picture, for three weights of the balance."""
    titles = {"no balance": "weight 0", "experts": "weight 0.1", "heavy": "weight 100"}
    lines = run.text.splitlines()
    figure = Figure(figsize=(style.WIDTH, 2.0))
    figure.get_layout_engine().set(wspace=0.12)
    for k, (ax, (name, title)) in enumerate(
        zip(figure.subplots(1, 3), titles.items(), strict=True)
    ):
        start = next(i for i, line in enumerate(lines) if line.startswith(f"{name:10} |"))
        table = [list(map(float, line.split("|")[2].split())) for line in lines[start + 1 :][:4]]
        ways = [line.split("|")[1].strip() for line in lines[start + 1 :][:4]]
        style.matrix(ax, table, ways if k == 0 else [""] * 4, range(1, 5), vmin=0, vmax=1)
        for i, row in enumerate(table):
            for j, share in enumerate(row):
                color = style.PAPER if share > 0.6 else style.INK
                ax.text(j + 0.5, i + 0.5, f"{100 * share:.0f}", ha="center", va="center",
                        size=style.SMALL, color=color)  # fmt: skip
        right = _row(run, name)[2]
        ax.set_title(title, pad=16)
        ax.set_xlabel(f"reads {right:.2f}".replace("0.", "."))
    return figure


def rows(run):
    """All rows at equal work: a dot a seed, a line the mean."""
    names = [
        ("dense", "eight-seeds", "dense", style.GREY),
        ("experts, weight 0.1", "eight-seeds", "experts", style.ACCENT),
        ("no balance", "more-seeds", "no balance", style.ACCENT),
        ("bias rule", "rest-over-seeds", "by bias", style.ACCENT),
        ("told the way", "more-seeds", "told", style.ACCENT),
        ("router untrained", "deaf-over-seeds", "no gate", style.ACCENT),
        ("weight 100", "rest-over-seeds", "heavy", style.RUST),
        ("no gate", "rest-over-seeds", "no gate", style.RUST),
        ("by lot", "rest-over-seeds", "by lot", style.RUST),
        ("dense of 8 units", "starved-over-seeds", "dense", style.GREY),
    ]
    marks = {style.GREY: "s", style.ACCENT: "o", style.RUST: "D"}
    figure = Figure(figsize=(style.WIDTH, 3.1))
    ax = figure.subplots()
    for y, (_, experiment, name, color) in enumerate(names):
        shares = _over_seeds(run, experiment, name)
        ax.scatter(shares, [y] * len(shares), s=18, color=color, marker=marks[color], zorder=3)
        ax.plot([shares.mean()] * 2, [y - 0.35, y + 0.35], "-", color=style.INK, linewidth=1.4)
    ax.set_yticks(range(len(names)), [label for label, *_ in names])
    ax.invert_yaxis()
    ax.set(xlabel="read by other hands")
    ax.grid(axis="x")
    return figure
