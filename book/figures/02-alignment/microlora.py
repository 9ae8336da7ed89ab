"""Figures of the chapter microlora."""

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from press.figures import style

ROW = r"^{} +\| trained +([\d,]+) \| Adam +[\d,]+ \| new (\S+) \| old (\S+)$"


def _row(run, name):
    """(trained numbers, loss on the new names, loss on the old ones) of a printed row."""
    ((size, new, old),) = run.rows(ROW.format(name))
    return int(str(size).replace(",", "")), new, old


def thin(run):
    """A frozen matrix and the pair beside it, drawn to scale at rank 1, and what melting does."""
    figure, ax = style.diagram(1.95)
    side, thick = 0.8, 0.11

    def block(x, y, wide, high, text, color, fill):
        ax.add_patch(Rectangle((x - wide / 2, y - high / 2), wide, high, fc=fill, ec=color, lw=0.8))
        if text:
            ax.text(x, y, text, ha="center", va="center", color=color)

    top, low = 1.2, 0.35
    ax.text(0.2, 0.78, "$x$", ha="center", va="center")
    block(1.3, top, side, side, "$W$", style.GREY, style.GROUND)
    ax.text(1.3, top + 0.48, "frozen", ha="center", va="bottom", size=style.SMALL,
            color=style.GREY)  # fmt: skip
    block(0.95, low, side, thick, "", style.RUST, style.PAPER)
    ax.text(0.95, low - 0.19, "$A$", ha="center", va="center", color=style.RUST)
    ax.text(1.55, low + 0.1, "$z$", ha="center", va="bottom", size=style.SMALL)
    block(1.95, low, thick, side * 0.62, "", style.RUST, style.PAPER)
    ax.text(2.13, low - 0.19, "$B$", ha="center", va="center", color=style.RUST)
    plus = style.box(ax, 2.75, 0.78, "+", 0.24, 0.24, ec=style.ACCENT)
    style.arrow(ax, (0.28, 0.86), (0.88, top), color=style.ACCENT)
    style.arrow(ax, (0.28, 0.7), (0.53, low + 0.03), color=style.RUST)
    style.arrow(ax, (1.37, low), (1.86, low), color=style.RUST)
    style.arrow(ax, (1.72, top), plus, color=style.ACCENT)
    style.arrow(ax, (2.03, low + 0.08), plus, color=style.RUST)
    ax.text(2.37, 0.66, r"$\frac{\alpha}{r}$", ha="right", va="center", color=style.RUST)
    end = style.box(ax, 3.2, 0.78, "$y$", 0.24, 0.24, ec=style.HAIRLINE)
    style.arrow(ax, plus, end, color=style.ACCENT)
    left = 4.05
    block(left + 0.62, 0.9, side, side, r"$W\!+\!\frac{\alpha}{r} BA$", style.INK, style.GROUND)
    ax.text(left - 0.42, 0.86, "or", ha="center", va="center", color=style.GREY)
    ax.text(left + 0.62, 0.28, "melted:\nno second path", ha="center", va="center",
            size=style.SMALL, color=style.GREY)  # fmt: skip
    return figure


def price(run):
    """Left, loss on new names against trained numbers; right, the old loss beside the new."""
    loras = [(f"LoRA, rank {r}", f"r = {r}") for r in (1, 2, 4)]
    fulls = [(f"full, rate {r}", f"full, {r}") for r in ("0.003", "0.01", "0.03")]
    figure = Figure(figsize=(style.WIDTH, 2.9))
    left, right = figure.subplots(1, 2)
    counts = min(run.rows(r"^counts, \d letters back \| new (\S+)$"))
    both = min(run.rows(r"^counts of both, \d letters back, \d+ times \| new (\S+)$"))
    base = _row(run, "base")
    full = min((_row(run, name) for name, _ in fulls), key=lambda row: row[1])
    points = [_row(run, name) for name, _ in loras]
    left.plot([p[0] for p in points], [p[1] for p in points], marker="o", color=style.ACCENT)
    left.annotate("LoRA", points[0][:2], (5, 3), textcoords="offset points", color=style.ACCENT)
    head = _row(run, "head only")
    for row, name, mark, color, shift in (
        (_row(run, r"end mark, rate 0\.1"), "end mark", "s", style.RUST, (0, -13)),
        (head, "head only", "s", style.RUST, (-6, -5)),
        (full, "full, best", "D", style.INK, (-7, -3)),
        (_row(run, "from scratch"), "from scratch", "v", style.GREY, (4, 7)),
    ):
        left.plot([row[0]], [row[1]], marker=mark, color=color, linestyle="none", markersize=5)
        left.annotate(name, row[:2], shift, textcoords="offset points", color=color,
                      ha="right" if row[0] > 400 else "center")  # fmt: skip
    for loss, name in ((base[1], "base"), (counts, "counts"), (both, "counts with a base")):
        left.axhline(loss, color=style.GREY, linewidth=0.8, linestyle=style.DASHES[1])
        left.annotate(name, (10, loss), (0, 2), textcoords="offset points", color=style.GREY)
    left.set(xscale="log", xlabel="trained numbers", ylabel="loss on new names", xlim=(9, 6000))
    left.set_xticks([10, 100, 1000], ["10", "100", "1,000"])
    left.minorticks_off()
    _forgotten(right, run.seeds("over-seeds"))
    return figure


def _forgotten(ax, seeds):
    """Old loss against new, means of the seeds: a curve of three rates for each of two methods."""

    def mean(name):
        rows = [_row(run, name)[1:] for run in seeds]
        return [sum(values) / len(rows) for values in zip(*rows, strict=True)]

    loras = [
        ("LoRA, rate 0.003", "0.003", (7, 2)),
        ("LoRA, rank 4", "0.01", (6, -3)),
        ("LoRA, rate 0.03", "LoRA, 0.03", (7, -4)),  # which names the curve
    ]
    fulls = [
        (r"full, 0\.003, \d+ steps", "0.003, early", (-6, -7)),
        ("full, rate 0.003", "0.003", (-6, -7)),
        ("full, rate 0.01", "0.01", (-6, -7)),
        ("full, rate 0.03", "full, 0.03", (7, -4)),
    ]
    base = mean("base")
    for rows, mark, color, line in (
        (loras, "o", style.ACCENT, "-"),
        (fulls, "D", style.INK, style.DASHES[1]),
    ):
        points = [base, *(mean(row) for row, *_ in rows)]
        ax.plot(*zip(*points, strict=True), marker=mark, color=color, linestyle=line,
                linewidth=0.8, markersize=4)  # fmt: skip
        for (_, text, shift), point in zip(rows, points[1:], strict=True):
            ax.annotate(text, point, shift, textcoords="offset points", color=color,
                        ha="left" if shift[0] > 0 else "right", size=style.SMALL)  # fmt: skip
    for row, name, mark, shift, ha in (
        ("base", "base", "^", (2, -11), "right"),
        ("LoRA, rank 1", "rank 1", "o", (7, -3), "left"),
        ("the six matrices", "the six", "P", (6, 6), "left"),
        ("embeddings and head", "the rest", "X", (-6, 2), "right"),
        ("LoRA and the rest", "LoRA and the rest", "s", (-7, 4), "right"),
    ):
        point = mean(row)
        color = style.ACCENT if name == "rank 1" else style.INK if name == "base" else style.RUST
        ax.plot(*point, marker=mark, color=color, linestyle="none", markersize=4.5)
        ax.annotate(name, point, shift, textcoords="offset points", color=color, ha=ha,
                    size=style.SMALL)  # fmt: skip
    ax.set(xlabel="loss on new names", ylabel="loss on old names", xlim=(2.09, None))
    ax.set_ylim(2.22, None)


def directions(run):
    """Left, the share of each update that directions hold; right, the loss after cutting it."""
    rows = run.rows(
        r"^update \| (\w+) +\| 1 direction holds +(\d+)%, 4 +(\d+)% \| by chance +(\d+)%, +(\d+)%$"
    )
    cuts = run.rows(r"^update \| cut to rank (\d) \| new (\S+)$")
    figure = Figure(figsize=(style.WIDTH, 2.5))
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
    for k, (label, ours, chance) in enumerate((("1 direction", 1, 3), ("4 directions", 2, 4))):
        x = [i + 0.4 * k - 0.2 for i in range(len(rows))]
        left.bar(x, [row[ours] for row in rows], 0.34, color=style.SERIES[4 if k else 0],
                 label=label)  # fmt: skip
        left.hlines([row[chance] for row in rows], [v - 0.19 for v in x], [v + 0.19 for v in x],
                    color=style.RUST, linewidth=1.6,
                    label=None if k else "random matrix")  # fmt: skip
    left.set_xticks(range(len(rows)), [row[0] for row in rows])
    left.set(ylabel="share of the squares (%)", ylim=(0, 100))
    left.legend(loc="upper center", ncols=3, columnspacing=0.9, handlelength=1.2,
                bbox_to_anchor=(0.5, 1.2))  # fmt: skip
    full = run.rows(ROW.format(r"full, rate 0\.01"))[0][1]
    right.plot([r for r, _ in cuts], [loss for _, loss in cuts], marker="o", color=style.ACCENT)
    right.axhline(full, color=style.INK, linewidth=0.9, linestyle=style.DASHES[1])
    right.annotate("uncut", (0, full), (0, -3), textcoords="offset points", ha="left", va="top")
    right.set(xlabel="cut to rank", ylabel="loss on new names",
              ylim=(min(full, *(loss for _, loss in cuts)) - 0.015, None))  # fmt: skip
    right.set_xticks([r for r, _ in cuts])
    return figure
