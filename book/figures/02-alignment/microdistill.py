"""Figures of the chapter microdistill."""

import numpy as np
from matplotlib.figure import Figure

from press.figures import style

SIGNS = " .:-=+*#%@"  # the run prints pictures with these, one for each tenth of ink


def _right(run, table, name):
    """The share right in one row of a table."""
    ((share,),) = [row if isinstance(row, tuple) else (row,) for row in run.rows(
        rf"^{table} +\| {name} +\| right (\S+)$")]  # fmt: skip
    return share


def _over_seeds(run, table, name):
    return np.array([_right(one, table, name) for one in run.seeds("over-seeds")])


def _shares(run, name):
    """Ten shares of a printed answer, from thousandths."""
    found = run.rows(rf"^answer  \| {name} +\|" + r" +(\d+)" * 10 + "$")
    return np.array(found[0], float) / 1000


def _picture(run, place):
    """The picture that stands at `place` among those beside one another."""
    lines = [line for line in run.text.splitlines() if set(line) <= set(SIGNS) and line][:8]
    rows = [line.ljust(54)[19 * place : 19 * place + 16 : 2] for line in lines]
    return np.array([[SIGNS.index(sign) for sign in row] for row in rows]) / 9


def nines(run):
    """The third nine, and four things to say about it, each with what it teaches."""
    figure = Figure(figsize=(style.WIDTH, 2.9))
    grid = figure.add_gridspec(4, 2, width_ratios=[1, 2.3])
    picture = figure.add_subplot(grid[1:3, 0])
    picture.imshow(_picture(run, 2), cmap=style.SHADES, vmin=0, vmax=1)
    picture.set_xticks([])
    picture.set_yticks([])
    picture.spines[:].set_visible(False)
    own = _shares(run, r"picture 3 \| T = 4\.0")
    even = np.full(10, (1 - own.max()) / 9)
    even[own.argmax()] = own.max()
    rows = [
        ("its own answer", own, r"answers, T = 4\.0"),
        ("the mean answer to nines", _shares(run, r"all 9s +\| mean"), "mean answer of its class"),
        ("the answer to the first nine", _shares(run, r"picture 1 \| T = 4\.0"),
         "answer to another of its class"),
        ("its largest share, the rest even", even, "own largest share, rest even"),
    ]  # fmt: skip
    for k, (title, shares, name) in enumerate(rows):
        ax = figure.add_subplot(grid[k, 1])
        ax.bar(range(10), shares, color=style.ACCENT if k == 0 else style.RUST, width=0.7)
        taught = _over_seeds(run, "thirty", name).mean()
        ax.set_title(title, pad=2)
        ax.text(1.0, 1.04, f"teaches {taught:.2f}".replace("0.", "."), ha="right", va="bottom",
                transform=ax.transAxes, color=style.INK)  # fmt: skip
        ax.set(ylim=(0, 0.72), yticks=[], xlim=(-0.6, 9.6))
        ax.set_xticks(range(10), [str(d) for d in range(10)] if k == 3 else [""] * 10)
    return figure


def thirty(run):
    """All kinds of answers to thirty pictures: a dot a seed, a line the mean."""
    rows = [
        ("labels", "labels", style.GREY),
        ("labels, smoothed", "labels, smoothed", style.GREY),
        ("labels, bent copies", "labels, ten bent copies of each", style.GREY),
        ("answers, T = 1", r"answers, T = 1\.0", style.ACCENT),
        ("answers, T = 2", r"answers, T = 2\.0", style.ACCENT),
        ("answers, T = 4", r"answers, T = 4\.0", style.ACCENT),
        ("answers, T = 10", r"answers, T = 10\.0", style.ACCENT),
        ("logits", "logits", style.ACCENT),
        ("mean of its class", "mean answer of its class", style.RUST),
        ("largest share alone", "own largest share, rest even", style.RUST),
        ("another's answer", "answer to another of its class", style.RUST),
    ]
    marks = {style.GREY: "s", style.ACCENT: "o", style.RUST: "D"}
    figure = Figure(figsize=(style.WIDTH, 3.2))
    ax = figure.subplots()
    for y, (_, name, color) in enumerate(rows):
        shares = _over_seeds(run, "thirty", name)
        ax.scatter(shares, [y] * len(shares), s=18, color=color, marker=marks[color], zorder=3)
        ax.plot([shares.mean()] * 2, [y - 0.35, y + 0.35], "-", color=style.INK, linewidth=1.4)
    bent = _over_seeds(run, "thirty", "nearest of ten bent copies of each").mean()
    ax.axvline(bent, color=style.GREY, linewidth=0.9, linestyle="--")
    ax.set_yticks(range(len(rows)), [label for label, *_ in rows])
    ax.invert_yaxis()
    ax.set(xlabel="read by other hands")
    ax.grid(axis="x")
    return figure


def time(run):
    """What more steps do for labels and for answers, cold and warm."""
    figure = Figure(figsize=(style.WIDTH, 2.5))
    ax = figure.subplots()
    patient = run.experiment("patience")
    lines = [
        ("answers, T = 4", r"answers, T = 4\.0"),
        ("answers, T = 1", r"answers, T = 1\.0"),
        ("labels", "labels"),
    ]
    looks = zip(style.SERIES, style.MARKERS, style.DASHES, strict=False)
    for (label, name), (color, marker, dash) in zip(lines, looks, strict=False):
        seeds = [_over_seeds(run, table, name) for table in ("thirty", "time")]
        errors = [one.std(ddof=1) / len(one) ** 0.5 for one in seeds]
        means = [one.mean() for one in seeds]
        last = _right(patient, "time", name)
        ax.errorbar([400, 1600], means, errors, color=color, marker=marker, linestyle=dash)
        ax.plot([4000], [last], color=color, marker=marker, linestyle="none",
                markerfacecolor=style.PAPER, markeredgecolor=color, markeredgewidth=1)  # fmt: skip
        ax.annotate(label, (4000, last), (8, -3), textcoords="offset points", color=color)
    ax.set(xscale="log", xlabel="steps", ylabel="read by other hands", xlim=(350, 11000))
    ax.set_xticks([400, 1600, 4000], ["400", "1,600", "4,000"])
    ax.set_xticks([], minor=True)
    ax.grid(axis="y")
    return figure


def unshown(run):
    """Recall of a digit never shown against temperature, at once and with one bias raised."""
    figure = Figure(figsize=(style.WIDTH, 2.7))
    ax = figure.subplots()
    heats = [1, 2, 4, 10]
    kinds = [rf"answers, T = {t}\.0" for t in heats]
    found = {
        kind: np.array([one.rows(rf"^no \d    \| {kind} +\| .* \ds (\S+) \| raised (\S+)$")[0]
                        for one in run.seeds("over-seeds")], float)
        for kind in [*kinds, "labels", "mean answer of its class"]
    }  # fmt: skip
    for column, (label, color, marker, dash) in enumerate((
        ("at once", style.SERIES[0], "o", style.DASHES[0]),
        ("bias raised", style.SERIES[1], "s", style.DASHES[1]),
    )):  # fmt: skip
        means = [found[kind][:, column].mean() for kind in kinds]
        ax.plot(heats, means, color=color, marker=marker, linestyle=dash)
        ax.text(11.5, means[-1], label, color=color, va="center")
        for heat, kind in zip(heats, kinds, strict=True):
            shares = found[kind][:, column]
            ax.scatter([heat] * len(shares), shares, s=9, color=color, marker=marker, alpha=0.45)
    for name, text in (("mean answer of its class", "class means, raised"),
                       ("labels", "labels, raised")):  # fmt: skip
        level = found[name][:, 1].mean()
        ax.axhline(level, color=style.GREY, linewidth=0.9, linestyle="--")
        ax.text(11.5, level - 0.02, text, color=style.GREY, va="top")
    ax.set(xscale="log", xlabel="temperature", ylabel="3s read as 3", xlim=(0.9, 31),
           ylim=(-0.03, 1.0))  # fmt: skip
    ax.set_xticks(heats, [str(t) for t in heats])
    ax.set_xticks([], minor=True)
    return figure
