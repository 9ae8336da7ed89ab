"""Figures of the chapter microspeculative."""

from matplotlib.figure import Figure

from press.figures import style


def slips(run):
    """Twenty drafts by hand: what was guessed, what is kept, what comes out."""
    figure, ax = style.diagram(2.05)
    side, left, top = 0.195, 0.98, 1.62
    rows = [
        ("drafted", "aaaaa" + "eeeee" + ".........."),
        ("kept", "aaaaa" + "eeeee" + "....xxxxxx"),
        ("written", "aaaaa" + "eeeee" + "....aaaaae"),
    ]
    color = {"a": style.SERIES[0], "e": style.SERIES[2], ".": style.SERIES[3], "x": style.GREY}
    for y, (name, cells) in enumerate(rows):
        place = top - 0.48 * y
        ax.text(left - 0.2, place, name, ha="right", va="center_baseline")
        for i, cell in enumerate(cells):
            fixed = y == 2 and i >= 14
            ax.add_patch(
                style.FancyBboxPatch(
                    (left + i * side - 0.08, place - 0.11), 0.16, 0.22, boxstyle="square,pad=0",
                    fc="none", ec=style.RUST if fixed else color[cell], lw=1.4 if fixed else 0.9,
                    ls=":" if cell == "x" else "-",
                )
            )  # fmt: skip
            ax.text(left + i * side, place, "" if cell == "x" else cell, ha="center",
                    va="center_baseline", family="monospace", color=style.INK)  # fmt: skip
    ax.text(
        left - 0.08, 0.14, "out of 20: a 10, e 6, end 4, what the target asks for",
        color=style.GREY, size=style.SMALL,
    )  # fmt: skip
    return figure


def chances(run):
    """Target, draft and what they share after one beginning of a name."""
    rows = run.rows(r"^after \w+ \| (\S+) +\| (\S+) (\S+) \| kept (\S+),")
    rows = [row for row in rows if row[0] != "all"]
    figure = Figure(figsize=(style.WIDTH, 2.5))
    ax = figure.subplots()
    for i, row in enumerate(rows):
        p, q, both = map(float, row[1:])
        for x, whole, color, hatch in (
            (i - 0.2, p, style.ACCENT, "////"),
            (i + 0.2, q, style.RUST, None),
        ):
            ax.bar(x, both, 0.4, color=color, alpha=0.4, lw=0)
            ax.bar(x, whole - both, 0.4, bottom=both, fc="none", ec=color, hatch=hatch)
    names = {"others": "others", ".": "end"}
    ax.set_xticks(range(len(rows)), [names.get(row[0], row[0]) for row in rows])
    ax.tick_params(axis="x", length=0)
    ax.set(ylabel="chance", ylim=(0, None))
    ax.grid(axis="y")
    for x, y, text, color in (
        (0.24, 0.93, "blue, hatched: the target's, which the draft lacks", style.ACCENT),
        (0.24, 0.83, "rust: the draft's, rejected", style.RUST),
        (0.24, 0.73, "filled: what both have", style.GREY),
    ):
        ax.text(x, y, text, transform=ax.transAxes, color=color, size=style.SMALL)
    return figure


DRAFT = r"^([1-9]) letters{note} +\| (\S+) (\S+) \| (\S+) \|"


def drafts(run):
    """How often a draft is kept, against what it loses on people's and on the target's names."""
    figure = Figure(figsize=(style.WIDTH, 2.9))
    axes = figure.subplots(1, 2, sharey=True)
    runs = run.seeds("over-seeds")
    for k, note in enumerate(("", ", own")):
        found = [one.rows(DRAFT.format(note=note)) for one in runs]
        for column, ax in enumerate(axes, 1):
            for same in zip(*found, strict=True):
                points = [(float(row[column]), float(row[3])) for row in same]
                ax.scatter(*zip(*points, strict=True), s=7, lw=0, alpha=0.5,
                           color=style.SERIES[k])  # fmt: skip
                x, y = (sum(values) / len(values) for values in zip(*points, strict=True))
                ax.plot(x, y, color=style.SERIES[k], marker=style.MARKERS[k], markersize=5,
                        linestyle="")  # fmt: skip
                ax.annotate(str(same[0][0]), (x, y), xytext=(0, 6), textcoords="offset points",
                            ha="center", color=style.SERIES[k])  # fmt: skip
    for k, label in enumerate(("taught by people", "taught by the target")):
        axes[0].text(0.03, 0.1 - 0.07 * k, label, transform=axes[0].transAxes,
                     color=style.SERIES[k])  # fmt: skip
    axes[0].set(ylabel="share of drafts kept, alpha", ylim=(0.64, 0.82))
    axes[0].set_xlabel("loss on people's names")
    axes[1].set_xlabel("loss on the target's own names")
    for ax in axes:
        ax.grid(axis="y")
        ax.margins(x=0.08)
    return figure


def measured(run, column):
    """Means over the seeds of a column of the table of lengths: {length: value}."""
    pattern = r"^length (\d+) \| (\S+) \| (\S+) \| (\S+) \|"
    found = [one.rows(pattern) for one in run.seeds("over-seeds")]
    return {int(same[0][0]): [float(row[column]) for row in same]
            for same in zip(*found, strict=True)}  # fmt: skip


def lengths(run):
    """Tokens a call against the drafts of a call: names, a stream of names, the formula."""
    figure = Figure(figsize=(style.WIDTH, 2.8))
    ax = figure.subplots()
    for k, column, label in ((1, 3, "formula"), (2, 2, "stream"), (0, 1, "names")):
        points = measured(run, column)
        means = [sum(values) / len(values) for values in points.values()]
        ax.plot(list(points), means, label=label, color=style.SERIES[k],
                linestyle=style.DASHES[k])  # fmt: skip
        if column != 3:
            for x, values in points.items():
                ax.scatter([x] * len(values), values, s=9, color=style.SERIES[k], lw=0)
    ax.axhline(1, color=style.GREY, lw=0.8, linestyle=style.DASHES[2])
    ax.text(8, 1.06, "the target alone", ha="right", color=style.GREY, size=style.SMALL)
    ax.set(xlabel="tokens drafted before a call", ylabel="tokens a call", ylim=(0.8, 4))
    ax.set_xticks(list(measured(run, 1)))
    ax.grid(axis="y")
    style.name_lines(ax)
    return figure


def pays(run):
    """What a call is worth when a drafted token costs a share of it."""
    figure = Figure(figsize=(style.WIDTH, 2.7))
    ax = figure.subplots()
    points = measured(run, 1)
    for k, cost in enumerate((0, 0.05, 0.1, 0.3)):
        gains = {n: sum(values) / len(values) / (1 + cost * n) for n, values in points.items()}
        ax.plot(list(gains), list(gains.values()), color=style.SERIES[k], marker=style.MARKERS[k],
                linestyle=style.DASHES[k], label=f"c = {cost}" if cost else "free")  # fmt: skip
    ax.axhline(1, color=style.GREY, lw=0.8, linestyle=style.DASHES[2])
    ax.set(xlabel="tokens drafted before a call", ylabel="tokens for the price of one",
           ylim=(0.7, 3.2))  # fmt: skip
    ax.set_xticks(list(points))
    ax.grid(axis="y")
    style.name_lines(ax)
    return figure
