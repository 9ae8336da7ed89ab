"""Figures of the chapter microgpt."""

from matplotlib.figure import Figure

from press.figures import style


def pencil(run):
    """The example for pencil and paper: scores, weights, values, outputs of three tokens."""
    figure, ax = style.diagram(2.0)
    exps = [["1", "", ""], ["1", "1", ""], ["1", "2", "1"]]
    weights = [["1", "", ""], ["1/2", "1/2", ""], ["1/4", "1/2", "1/4"]]
    lightness = [[1.0, 0, 0], [0.5, 0.5, 0], [0.25, 0.5, 0.25]]
    side, top = 0.4, 1.36
    for left, cells, title in ((0.62, exps, "$e^{q_i k_j}$"), (2.22, weights, "$P$")):
        for i, row in enumerate(cells):
            for j, text in enumerate(row):
                x, y = left + j * side, top - i * side
                shade = style.SHADES(0.55 * lightness[i][j]) if title == "$P$" else "none"
                ax.add_patch(
                    style.FancyBboxPatch(
                        (x - side / 2, y - side / 2), side, side, boxstyle="square,pad=0",
                        fc=shade if text else "none", ec=style.HAIRLINE, lw=0.6,
                        hatch=None if text else "////",
                    )
                )  # fmt: skip
                ax.text(x, y, text, ha="center", va="center_baseline")
        for j, name in enumerate("at:"):
            ax.text(left + j * side, top + 0.29, name, ha="center", va="center", color=style.GREY,
                    family="monospace")  # fmt: skip
            if left < 1:
                ax.text(left - 0.36, top - j * side, name, ha="center", va="center_baseline",
                        color=style.GREY, family="monospace")  # fmt: skip
        ax.text(left + side, top + 0.53, title, ha="center", va="center")
    style.arrow(ax, (1.68, 0.96), (1.98, 0.96))
    for left, column, title, color in (
        (3.7, ["4", "8", "0"], "$v_j$", style.INK),
        (4.75, ["4", "6", "5"], "output", style.RUST),
    ):
        for i, text in enumerate(column):
            ax.text(left, top - i * side, text, ha="center", va="center_baseline", color=color)
        ax.text(left, top + 0.53, title, ha="center", va="center", color=color)
    ax.text(3.4, 0.96, "·", ha="center", va="center", size=14)
    style.arrow(ax, (4.0, 0.96), (4.4, 0.96))
    ax.text(style.WIDTH / 2, 0.14, "hatched: the future, never scored", color=style.GREY,
            size=style.SMALL, ha="center")  # fmt: skip
    return figure


def network(run):
    """What happens to the rows of a batch on their way from ids to logits."""
    figure, ax = style.diagram(1.95)
    y, right = 0.5, style.WIDTH
    stations = [style.box(ax, 0.42, y, "token +\nposition", width=0.66, height=0.44)]
    for x, parts in (
        (1.55, ("norm", "q, k, v", "attend", "output")),
        (3.4, ("norm", "up", "relu", "down")),
    ):
        places = [(x - 0.45, 1.02), (x - 0.45, 1.5), (x + 0.45, 1.5), (x + 0.45, 1.02)]
        boxes = [
            style.box(ax, *place, part, width=0.66, height=0.3,
                      ec=style.RUST if part == "attend" else style.GREY)
            for place, part in zip(places, parts, strict=True)
        ]  # fmt: skip
        stations.append(style.box(ax, x + 0.45, y, "+", 0.24, 0.24, ec=style.ACCENT))
        style.arrow(ax, (x - 0.45, y), boxes[0])
        for start, end in zip(boxes, [*boxes[1:], stations[-1]], strict=True):
            style.arrow(ax, start, end)
    stations.append(style.box(ax, right - 0.4, y, "norm,\nhead", width=0.6, height=0.44))
    for start, end in zip(stations, stations[1:], strict=False):
        style.arrow(ax, start, end, color=style.ACCENT, lw=1.6)
    legend = "blue: the row of each token, to which the layers add.  "
    legend += "rust: the only place where rows meet."
    ax.text(0.09, 0.1, legend, color=style.GREY, size=style.SMALL)
    return figure


def loss(run, task, who="gpt"):
    """Held-out loss of the network, or of the best count of a view."""
    if who in ("past", "place"):
        [row] = run.rows(rf"^{task} +\| counts, {who} +\| (.+)$")
        return min(map(float, str(row).split()))
    return float(run.fact(rf"^{task} +\| {who} +\| held-out (\S+)$"))


def against_data(run):
    """Held-out loss on the sounds against the words to learn from: network and best counts."""
    figure = Figure(figsize=(style.WIDTH, 2.9))
    ax = figure.subplots()
    sizes = {f"few-{n}": n for n in (250, 500, 1000, 2000, 4000)}
    sizes["over-seeds"] = int(str(run.fact(r"^sounds \| ([\d,]+) to train on")).replace(",", ""))
    lines = {"past": "table, not told", "place": "table, told", "gpt": "network"}
    for k, (who, label) in zip((2, 1, 0), lines.items(), strict=True):
        means = []
        for experiment, n in sizes.items():
            losses = [loss(one, "sounds", who) for one in run.seeds(experiment)]
            ax.scatter([n] * len(losses), losses, s=6, color=style.SERIES[k], alpha=0.7, lw=0)
            means.append((n, sum(losses) / len(losses)))
        ax.plot(*zip(*means, strict=True), label=label, color=style.SERIES[k],
                linestyle=style.DASHES[k])  # fmt: skip
    ax.set_xscale("log")
    ax.set_xticks(list(sizes.values()), [f"{n:,}" for n in sizes.values()])
    ax.minorticks_off()
    ax.set(xlabel="words to learn from", ylabel="held-out loss (nats)", ylim=(0, None))
    ax.grid(axis="y")
    style.name_lines(ax)
    return figure


def attention(run):
    """The weights of both heads while the unknown word is read, from the printed tenths."""
    heads = sorted(set(run.rows(r"^head (\d) \|    \|")))
    figure = Figure(figsize=(style.WIDTH, 2.1))
    for ax, head in zip(figure.subplots(1, len(heads)), heads, strict=True):
        columns = str(run.rows(rf"^head {head} \|    \|(.+)$")[0]).split()
        rows = run.rows(rf"^head {head} \| (?!average)(\S+) +\|(.+)$")
        values = [[0 if cell == "." else int(cell) / 10 for cell in str(cells).split()]
                  for _, cells in rows]  # fmt: skip
        style.matrix(ax, values, [sound for sound, _ in rows], columns, vmin=0, vmax=1)
        ax.tick_params(axis="x", labelsize=7)
        ax.set_title(f"head {head}")
        ax.axvline(columns.index(":") + 1, color=style.RUST, linewidth=0.8)
    figure.get_axes()[0].set_ylabel("about to say")
    return figure


def controls(run):
    """Held-out loss on the sounds of networks trained from the start with one switch changed."""
    names = {
        "over-seeds": "whole",
        "absolute": "positions go on",
        "no-positions": "no positions",
        "mean": "plain mean",
    }
    counts = {"place": "table, told", "past": "table, not told"}
    rows = [(label, [loss(one, "sounds") for one in run.seeds(name)], style.INK)
            for name, label in names.items()]  # fmt: skip
    rows += [(label, [loss(one, "sounds", view) for one in run.seeds("over-seeds")], style.GREY)
             for view, label in counts.items()]  # fmt: skip
    figure = Figure(figsize=(style.WIDTH, 0.7 + 0.24 * len(rows)))
    ax = figure.subplots()
    for y, (_, losses, color) in enumerate(rows):
        color = color if y else style.ACCENT
        center = sum(losses) / len(losses)
        ax.scatter(losses, [y] * len(losses), s=14, color=color, alpha=0.75, lw=0, zorder=3)
        ax.plot([center] * 2, [y - 0.3, y + 0.3], color=color, lw=1.2, ls="-")
        if not y:
            ax.axvline(center, color=color, linewidth=0.6, linestyle=style.DASHES[2])
    ax.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    ax.invert_yaxis()
    ax.grid(axis="x")
    ax.set(xlabel="held-out loss (nats)", xlim=(0, None))
    return figure
