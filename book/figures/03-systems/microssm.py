"""Figures of the chapter microssm."""

from statistics import fmean

from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from press.figures import style

LAYERS = ["fixed", "ReLU first", "selective", "no step", "gate", "attention"]


def look(k):
    """The colour and dashes of the k-th line; a sixth is grey."""
    colours = [*style.SERIES, style.GREY]
    return {"color": colours[k], "linestyle": style.DASHES[k % len(style.DASHES)]}


def four(run):
    """The four questions as a square of signs, and a state whose pace is fixed or set."""
    figure, ax = style.diagram(2.7)
    for i, (order, signs) in enumerate((("ab", "+−"), ("ba", "−+"))):
        y = 1.25 - 0.55 * i
        ax.text(0.25, y + 0.27, order, ha="right", va="center", family="monospace")
        for j, sign in enumerate(signs):
            x = 0.4 + 0.75 * j
            fill = style.GROUND if sign == "+" else "none"
            ax.add_patch(Rectangle((x, y), 0.75, 0.55, fc=fill, ec=style.GREY, lw=0.7))
            colour = style.ACCENT if sign == "+" else style.RUST
            ax.text(x + 0.375, y + 0.27, sign, ha="center", va="center", color=colour, size=16)
    for j, name in enumerate(("first", "second")):
        ax.text(0.775 + 0.75 * j, 1.93, name, ha="center", size=style.SMALL)
    ax.text(1.15, 0.45, "both diagonals: the same sum", ha="center", color=style.GREY,
            size=style.SMALL)  # fmt: skip
    for row, (y, title) in enumerate(((2.02, "a fixed pace"), (0.62, "the token sets the pace"))):
        ax.text(2.55, y + 0.3, title, color=style.GREY, size=style.SMALL)
        for k in range(3):
            x = 2.8 + 0.95 * k
            ax.add_patch(Circle((x, y), 0.15, fc=style.GROUND, ec=style.INK, lw=0.8))
            ax.text(x, y, "h", ha="center", va="center", style="italic")
            ax.text(x, y - 0.52, "aBa"[k], ha="center", va="center", family="monospace")
            style.arrow(ax, (x, y - 0.42), (x, y - 0.16), color=style.GREY, lw=0.9)
            if k:
                style.arrow(ax, (x - 0.8, y), (x - 0.16, y), color=style.ACCENT, lw=1.3)
                if row:
                    style.arrow(ax, (x - 0.08, y - 0.42), (x - 0.42, y - 0.04), color=style.RUST,
                                lw=1.3)  # fmt: skip
    return figure


def state(run):
    """What each token left in the state, for four layers and the first question."""
    [question] = run.rows(r"^first of the questions \| (\S+)$")
    letters = question[0] if isinstance(question, tuple) else question
    names = ["fixed", "ReLU first", "selective", "gate"]
    figure = Figure(figsize=(style.WIDTH, 3.4))
    axes = figure.subplots(len(names), 1, sharex=True, sharey=True)
    for ax, name in zip(axes, names, strict=True):
        [cells] = run.rows(rf"^{name} +\| (\d\.\d\d(?: \d\.\d\d)+)$")
        text = cells[0] if isinstance(cells, tuple) else cells
        shares = list(map(float, str(text).split()))
        colours = [style.RUST if c.isupper() else style.SERIES[4] for c in letters]
        ax.bar(range(len(shares)), shares, color=colours, width=0.7)
        ax.set_title(name)
        ax.set(ylim=(0, 1.05), yticks=(0, 0.5, 1))
        ax.grid(axis="y")
    axes[-1].set_xticks(range(len(letters)), letters)
    figure.supylabel("share of the state", size=style.SIZE)
    return figure


def learning(run):
    """The share right while learning, one mark and the last of three, means of four seeds."""
    figure = Figure(figsize=(style.WIDTH, 3.0))
    axes = figure.subplots(1, 2, sharey=True)
    tasks = ("over-seeds", "one mark"), ("last-of-three-over-seeds", "the last of three")
    for ax, (experiment, title) in zip(axes, tasks, strict=True):
        for k, name in enumerate(LAYERS):
            table = []
            for one in run.seeds(experiment):
                [cells] = one.rows(rf"^{name} +\| while learning (.+)$")
                text = cells[0] if isinstance(cells, tuple) else cells
                table.append(list(map(float, str(text).split())))
            parts = range(1, len(table[0]) + 1)
            for row in table:
                ax.plot(parts, row, color=look(k)["color"], alpha=0.3, lw=0.6)
            ax.plot(parts, [fmean(column) for column in zip(*table, strict=True)], label=name,
                    **look(k))  # fmt: skip
        ax.set(title=title, xlabel="fifth of the training", ylim=(0, 1.02))
        ax.set_xticks(parts)
        ax.grid(axis="y")
    axes[0].set_ylabel("share right")
    axes[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
