"""Figures of the chapter microsampling."""

from matplotlib.figure import Figure

from press.figures import style


def icicle(run):
    """All names of the model for pencil and paper: width is probability."""
    figure, ax = style.diagram(1.55)
    left, width, height = 0.1, style.WIDTH - 0.2, 0.42
    sixth = 1 / 6
    rows = [
        [("nothing .2", 0.2, True), ("a .5", 0.5, False), ("b .3", 0.3, False)],
        [("", 0.2, False), ("ax .167", sixth, True), ("ay .167", sixth, True),
         ("az .167", sixth, True), ("b .18", 0.18, True), ("bx .12", 0.12, True)],
    ]  # fmt: skip
    for y, row in zip((1.24, 0.76), rows, strict=True):
        x = left
        for text, share, ends in row:
            color = style.RUST if text.startswith("nothing") else style.ACCENT
            if text:
                ax.add_patch(
                    style.FancyBboxPatch(
                        (x + 0.02, y - height / 2), share * width - 0.04, height,
                        boxstyle="square,pad=0", fc=style.SHADES(0.2) if ends else "none",
                        ec=color if ends else style.GREY, lw=0.9,
                    )
                )  # fmt: skip
            middle = x + share * width / 2
            ax.text(middle, y, text, ha="center", va="center_baseline",
                    color=style.INK if ends else style.GREY)  # fmt: skip
            x += share * width
    legend = "filled: whole names.  outlined: beginnings, cut again in the row below"
    ax.text(style.WIDTH / 2, 0.24, legend, ha="center", color=style.GREY, size=style.SMALL)
    return figure


SEARCHES = {"    1": "greedy", "    4": "4", "   16": "16", "   32": "32", "exact": "exact"}


def read_aloud(run, search, by, what):
    """A number of one search among the sounds."""
    return float(run.fact(rf"^sounds \| {search} by {by} *\|.* {what} (\S+)"))


def beams(run):
    """Wrong sounds and length against how hard was searched, early and late in training."""
    figure = Figure(figsize=(style.WIDTH, 2.7))
    lines = [("early-over-seeds", "sum", "175 steps, by sum", 1),
             ("early-over-seeds", "mean", "175 steps, by mean", 3),
             ("over-seeds", "sum", "700 steps, by sum", 0),
             ("over-seeds", "mean", "700 steps, by mean", 2)]  # fmt: skip
    for ax, what, label in zip(
        figure.subplots(1, 2), ("wrong", "length"), ("wrong sounds", "sounds said"), strict=True
    ):
        for name, by, title, k in lines:
            searches = list(SEARCHES)[: 4 if by == "mean" else 5]
            means = []
            for x, search in enumerate(searches):
                values = [read_aloud(one, search, by, what) for one in run.seeds(name)]
                ax.scatter([x] * len(values), values, s=6, color=style.SERIES[k], alpha=0.6, lw=0)
                means.append(sum(values) / len(values))
            ax.plot(range(len(means)), means, color=style.SERIES[k], linestyle=style.DASHES[k],
                    label=title)  # fmt: skip
        if what == "length":
            truth = [float(one.fact(r"^sounds \| truth \| length (\S+)$"))
                     for one in run.seeds("over-seeds")]  # fmt: skip
            ax.axhline(sum(truth) / len(truth), color=style.GREY, linewidth=0.8)
            ax.text(3.2, sum(truth) / len(truth) + 0.2, "truth", color=style.GREY, size=style.SMALL)
        ax.set_xticks(range(5), SEARCHES.values())
        ax.set(xlabel="width of the beam", ylabel=label, ylim=(0, None if what == "wrong" else 6.6))
        ax.grid(axis="y")
    figure.legend(*figure.get_axes()[0].get_legend_handles_labels(), loc="outside upper center",
                  ncols=2)  # fmt: skip
    return figure


def rules(run):
    """What each rule misses and how many distinct names it draws, less what a temperature does."""
    names = ["min-p", "top-p", "typical", "hot min-p", "top-k"]
    splits = ((-0.16, "over-seeds", style.ACCENT), (0.16, "one-by-one", style.RUST))
    figure = Figure(figsize=(style.WIDTH, 2.5))
    panels = figure.subplots(1, 2, sharey=True)
    for ax, what, label in zip(
        panels, ("missed", "distinct"), ("missed more (nats a letter)", "distinct names more"),
        strict=True,
    ):  # fmt: skip
        for shift, name, color in splits:
            for y, rule in enumerate(names):
                pair = [[float(one.fact(rf"^{r} +[\d.]+ \|.* {what} (\S+)"))
                         for r in (rule, "temperature")] for one in run.seeds(name)]  # fmt: skip
                values = [mine - base for mine, base in pair]
                ax.scatter(values, [y + shift] * len(values), s=14, lw=0.8, zorder=3,
                           fc=color if shift < 0 else "none", ec=color)  # fmt: skip
                center = sum(values) / len(values)
                ax.plot(
                    [center] * 2, [y + shift - 0.14, y + shift + 0.14], color=color, lw=1.2, ls="-"
                )
        ax.axvline(0, color=style.GREY, linewidth=0.8)
        ax.set(xlabel=label)
        ax.grid(axis="x")
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    return figure
