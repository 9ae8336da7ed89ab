"""Figures of the chapter microembedding."""

from math import cos, pi, sin

from matplotlib.figure import Figure

from press.figures import style

STEPS = {"emoji": 200, "sounds": 60}  # settings of the script, which prints every fifth
GEOMETRY = r"^{} +\| {} +\| alignment (\S+) \| uniformity (\S+) \| strangers"


def batch(run):
    """A batch of four pairs: what is pulled together and what is pushed apart."""
    figure, ax = style.diagram(2.35)
    names = ["whale", "crown", "drum", "crying face"]
    keywords = ["animal\nbeach ocean", "king\nroyal queen", "music\nsticks", "sad\ntear unhappy"]
    left, top, width, height = 1.75, 1.55, 0.88, 0.34
    for j, text in enumerate(keywords):
        ax.text(left + j * width, top + 0.42, text, ha="center", va="center", size=style.SMALL)
    for i, name in enumerate(names):
        y = top - i * height
        ax.text(left - width / 2 - 0.1, y, name, ha="right", va="center_baseline")
        for j in range(4):
            style.box(ax, left + j * width, y, "pull" if i == j else "push",
                      width=width - 0.06, height=height - 0.06,
                      ec=style.ACCENT if i == j else style.HAIRLINE,
                      lw=1.4 if i == j else 0.6)  # fmt: skip
    ax.text(left + 1.5 * width, 0.2, "each row and each column is a choice among four",
            color=style.GREY, size=style.SMALL, ha="center")  # fmt: skip
    return figure


def pencil(run):
    """The example for pencil and paper: two pairs on the unit circle, and where they turn."""
    figure, ax = style.diagram(2.3)
    x0, y0, scale = 1.55, 0.3, 1.6

    def at(x, y):
        return x0 + scale * x, y0 + scale * y

    arc = [at(cos(k * pi / 120), sin(k * pi / 120)) for k in range(61)]
    ax.plot(*zip(*arc, strict=True), color=style.HAIRLINE, lw=0.8, ls="-")
    for point, text, side in (
        ((1.0, 0.0), "$u_0 = (1, 0)$", (0.08, 0.0)),
        ((0.0, 1.0), "$u_1 = (0, 1)$", (-0.08, 0.08)),
        ((0.8, 0.6), "$v_1 = (0.8, 0.6)$", (0.08, 0.02)),
        ((0.6, 0.8), "$v_0 = (0.6, 0.8)$", (0.08, 0.06)),
    ):
        color = style.ACCENT if "u" in text else style.RUST
        style.arrow(ax, (x0, y0), at(*point), color=color, lw=1.1)
        x, y = at(*point)
        ax.text(x + side[0], y + side[1], text, color=color, va="center",
                ha="right" if side[0] < 0 else "left")  # fmt: skip
    for angle, turn in ((0.0, 1), (pi / 2, -1)):
        start, end = angle + turn * 0.05, angle + turn * 0.33
        style.arrow(ax, at(1.08 * cos(start), 1.08 * sin(start)),
                    at(1.08 * cos(end), 1.08 * sin(end)), bend=0.08 * turn,
                    color=style.INK, lw=1.2)  # fmt: skip
    note = "the short arrows: a step\nagainst the gradient turns\neach name to its keywords"
    ax.text(3.55, 0.75, note, color=style.GREY, size=style.SMALL, va="center")
    return figure


def curves(run):
    """Held-out MRR while it trains, with both losses, beside what needs no training."""
    figure = Figure(figsize=(style.WIDTH, 2.7))
    panels = figure.subplots(1, 2)
    levels = {
        "emoji": {"counts (PMI)": "counts", "TF-IDF with 3-grams": "TF-IDF, 3-grams"},
        "sounds": {"TF-IDF": "TF-IDF", "counts (PMI, weighed)": "counts"},
    }
    for ax, (task, rivals) in zip(panels, levels.items(), strict=True):
        start = float(run.fact(rf"^{task} +\| untrained +\| recall.* MRR (\S+)$"))
        for k, loss in enumerate(("InfoNCE", "no negatives")):
            way = run.fact(rf"^{task} +\| {loss} +\| curve ([^|]+) \|")
            values = [start, *map(float, way.split())]
            steps = [k * STEPS[task] // 5 for k in range(len(values))]
            ax.plot(steps, values, label=loss, color=style.SERIES[k], marker=style.MARKERS[k],
                    linestyle=style.DASHES[k])  # fmt: skip
        for name, label in rivals.items():
            found = dict(run.rows(rf"^{task} +\| (.+?) +\| recall.* MRR (\S+)$"))
            level = found[name]
            ax.axhline(level, color=style.GREY, linewidth=0.9, linestyle=style.DASHES[2])
            first, above = label == "counts", task == "emoji"
            ax.annotate(label, (0 if first else steps[-1], level), (0, 3 if above else -3),
                        color=style.GREY, textcoords="offset points",
                        ha="left" if first else "right",
                        va="bottom" if above else "top")  # fmt: skip
        ax.set_title(task)
        ax.set(xlabel="step", ylim=(0, None))
        ax.grid(axis="y")
    panels[0].set_ylim(0, 0.36)
    panels[0].set_ylabel("held-out MRR")
    panels[1].legend(loc="lower right")
    return figure


def geometry(run):
    """Where training takes a tower: alignment against uniformity, with both losses."""
    figure = Figure(figsize=(style.WIDTH, 2.7))
    ax = figure.add_subplot()
    for k, task in enumerate(("emoji", "sounds")):
        ends = {}
        for name in ("untrained", "InfoNCE", "no negatives"):
            (ends[name],) = run.rows(GEOMETRY.format(task, name))
        for name, side in (("InfoNCE", -1), ("no negatives", 1)):
            ax.annotate("", ends[name], ends["untrained"],
                        arrowprops={"arrowstyle": "-|>", "color": style.SERIES[k], "lw": 1.0,
                                    "linestyle": style.DASHES[0 if side < 0 else 1],
                                    "shrinkA": 3, "shrinkB": 3})  # fmt: skip
            ax.annotate(f"{task}, {name}", ends[name], (0, 7 * side), color=style.SERIES[k],
                        textcoords="offset points", ha="center" if side < 0 else "left",
                        va="bottom" if side > 0 else "top")  # fmt: skip
        points = list(zip(*ends.values(), strict=True))
        ax.plot(*points, color=style.SERIES[k], marker=style.MARKERS[k], linestyle="none",
                markersize=5)  # fmt: skip
        ax.annotate(f"{task}, untrained", ends["untrained"], (6, 0), color=style.SERIES[k],
                    textcoords="offset points", va="center")  # fmt: skip
    ax.set(xlabel="alignment: squared distance of partners", xlim=(-0.1, 2.6), ylim=(-4.2, 0.2),
           ylabel="uniformity")  # fmt: skip
    ax.grid()
    return figure


def words(run):
    """The cosine of each of nine words with each other, after training."""
    rows = run.rows(r"^map +\| (\S+) +\|(.+)$")
    names = [str(name) for name, _ in rows]
    values = [[int(cell) / 100 for cell in str(cells).split()] for _, cells in rows]
    figure = Figure(figsize=(style.WIDTH, 3.6))
    ax = figure.add_subplot()
    mesh = style.matrix(ax, values, names, names, vmin=-0.25, vmax=1.0)
    ax.tick_params(axis="x", labelrotation=90)
    bar = figure.colorbar(mesh, ax=ax, shrink=0.7)
    bar.set_label("cosine")
    bar.outline.set_visible(False)
    return figure
