"""Figures of the chapter microattention."""

import re

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from press.figures import style

RIGHT = r"^recall \| {} +\| held-out \S+ \| right +(\S+)%"
NEAR = r"^recall \| {} +\| .* near +(\S+)% \| far +(\S+)%$"
KEPT = r"^cost   \| (\S.*?) +\| after 16 \| .* kept +([\d,]+) ="


def memories(run):
    """What five tokens leave behind in each variant, a cell for a block of four floats."""
    figure, ax = style.diagram(2.1)
    side, gap, tokens = 0.105, 0.03, 5
    kinds = [("multi-head", 8), ("grouped", 4), ("multi-query", 2), ("latent 16", 4),
             ("window", 8), ("linear", 0)]  # fmt: skip
    for column, (name, blocks) in enumerate(kinds):
        left = 0.22 + column * 0.85
        for token in range(tokens):
            x = left + token * (side + gap)
            gone = name == "window" and token < 3
            for block in range(blocks):
                value = block >= blocks // 2 and name != "latent 16"
                fill = style.RUST if name == "latent 16" else (
                    style.GROUND if value else style.ACCENT)  # fmt: skip
                ax.add_patch(
                    Rectangle((x, 0.52 + block * side), side, side, lw=0.5,
                              fc="none" if gone else fill,
                              ec=style.HAIRLINE if gone else style.GREY,
                              ls=":" if gone else "-")
                )  # fmt: skip
        if not blocks:
            for row in range(4):
                for k in range(5):
                    ax.add_patch(
                        Rectangle((left + k * side, 0.52 + row * side), side, side, lw=0.5,
                                  fc=style.ACCENT if k == 4 else style.GROUND, ec=style.GREY)
                    )  # fmt: skip
        ax.text(left + 0.3, 1.62, name, ha="center", size=style.SMALL)
        note = "one for all" if not blocks else "1 2 3 4 5"
        ax.text(left + 0.3, 0.32, note, ha="center", size=style.SMALL, color=style.GREY)
    ax.text(0.22, 0.07, "blue: keys (linear: z)   pale: values (linear: M)   rust: latents",
            size=style.SMALL, color=style.GREY)  # fmt: skip
    return figure


def quality(run):
    """Right answers against what is kept after sixteen records, over the seeds."""
    figure = Figure(figsize=(style.WIDTH, 3.0))
    ax = figure.subplots()
    round_ones = {"multi-head", "grouped-query", "multi-query", "linear"}
    texts = [a.text + b.text for a, b in zip(
        run.seeds("over-seeds"), run.seeds("others-over-seeds"), strict=True)]  # fmt: skip

    def rights(name):
        pattern = re.compile(RIGHT.format(name), re.M)
        found = [float(pattern.search(text)[1]) for text in texts]
        return sum(found) / len(found), min(found), max(found)

    for name, kept in run.rows(KEPT):
        kept = float(str(kept).replace(",", ""))
        mean, low, high = rights(name)
        colour = style.ACCENT if name in round_ones else style.RUST
        ax.plot([kept, kept], [low, high], color=colour, lw=1.2, ls="-", marker="")
        ax.scatter([kept], [mean], color=colour, marker="o" if name in round_ones else "s",
                   s=26, zorder=3)  # fmt: skip
        ax.annotate(name, (kept, mean), (6, 3), textcoords="offset points",
                    size=style.SMALL)  # fmt: skip
    for name, right in (("mean", rights("mean")[0]),
                        ("nothing", float(run.fact(RIGHT.format("nothing"))))):  # fmt: skip
        ax.axhline(right, color=style.GREY, linewidth=0.9,
                   linestyle=style.DASHES[1 if name == "mean" else 2])  # fmt: skip
        ax.annotate(name, (820, right), (0, 3), textcoords="offset points", ha="right",
                    color=style.GREY, size=style.SMALL)  # fmt: skip
    ax.set_xscale("log", base=2)
    ax.set_xticks([64, 128, 256, 512], ["64", "128", "256", "512"])
    ax.set(xlim=(56, 860), ylim=(0, 75), xlabel="floats kept after 16 records",
           ylabel="right answers (%)")  # fmt: skip
    ax.minorticks_off()
    ax.grid(axis="y")
    return figure


def near_far(run):
    """Right answers about the nearer and the farther eight records."""
    names = ["multi-head", "grouped-query", "multi-query", "latent 16", "latent 8", "linear",
             "mean", "window 8", "cut to 8"]  # fmt: skip
    pairs = [run.rows(NEAR.format(name))[0] for name in names]
    figure = Figure(figsize=(style.WIDTH, 2.5))
    ax = figure.subplots()
    near, far = zip(*pairs, strict=True)
    rows = range(len(names))
    ax.hlines(rows, far, near, color=style.HAIRLINE, linewidth=1.4)
    ax.scatter(near, rows, color=style.ACCENT, marker="o", s=24, zorder=3, label="nearer eight")
    ax.scatter(far, rows, color=style.RUST, marker="s", s=20, zorder=3, label="farther eight")
    ax.axvline(10, color=style.GREY, linewidth=0.9, linestyle=style.DASHES[2])
    ax.annotate("chance", (10, 4.6), (3, 0), textcoords="offset points", color=style.GREY,
                size=style.SMALL)  # fmt: skip
    ax.set_yticks(list(rows), names)
    ax.invert_yaxis()
    ax.set(xlim=(0, 90), xlabel="right answers (%)")
    ax.legend(loc="center right")
    return figure


def learning(run):
    """Mean loss on fresh sequences in each third of the training."""
    figure = Figure(figsize=(style.WIDTH, 2.6))
    ax = figure.subplots()
    names = ["multi-head", "grouped-query", "multi-query", "latent 16", "linear"]
    for k, name in enumerate(names):
        (losses,) = run.rows(rf"^recall \| {name} +\| train (\S+) (\S+) (\S+)$")
        ax.plot([1, 2, 3], losses, color=style.SERIES[k], marker=style.MARKERS[k],
                linestyle=style.DASHES[k], label=name)  # fmt: skip
    ax.set_xticks([1, 2, 3], ["first hundred", "second", "third"])
    ax.set(ylabel="loss (nats)", xlabel="steps", xlim=(0.75, 3.15))
    ax.legend(loc="lower left")
    ax.grid(axis="y")
    return figure
