"""Figures of the chapter microqlora."""

from matplotlib.figure import Figure

from press.figures import style

CODE = r"^{} +\| (\S+) bits a weight \| error \S+ \| old (\S+)$"
AFTER = r"^{} names on {} +\| before \S+ \| after (\S+)$"
LATER = r"^later {} +\| with the pairs melted in (\S+) \| beside them \S+$"
FLOATS = r"^old names .* floats (\S+)$"
PAIRS = 16 * 448 / 2480  # bits a weight: pairs of rank 2, in 16 bits


def levels(run):
    """Where weights lie between the largest of a block and minus it, and levels on that axis."""
    figure = Figure(figsize=(style.WIDTH, 3.1))
    top, low = figure.subplots(2, 1, sharex=True, height_ratios=[1.1, 1])
    edges = [k / 8 - 1 for k in range(17)]
    for name, color, dash, width in (
        ("weights", style.ACCENT, "-", 1.4),
        ("normals", style.RUST, style.DASHES[2], 1.2),
    ):
        ((*shares,),) = run.rows(rf"^spread of {name} \|" + r" (\d+)" * 16 + "$")
        top.stairs([s / 10 for s in shares], edges, color=color, linestyle=dash, linewidth=width,
                   label="trained weights" if name == "weights" else "normal numbers")  # fmt: skip
    top.legend(loc="upper right")
    top.set(ylabel="share (%)", ylim=(0, None))
    nf4 = [v for row in run.rows(r"^NF4 \|" + r" (\S+)" * 8 + "$") for v in row]
    ((*nf2,),) = run.rows(r"^NF2 \|" + r" (\S+)" * 4 + "$")
    home = 1.05 / 2.55
    even = [2 * k / 15 - 1 for k in range(16)], [2 * k / 3 - 1 for k in range(4)]
    rows = [
        ("NF4", nf4, 1.0),
        ("even 4", even[0], 1.0),
        ("NF2", nf2, 1.0),
        ("even 2", even[1], 1.0),
        ("NF2 at home", nf2, home),
    ]
    for y, (_, values, share) in enumerate(rows):
        color = style.RUST if share < 1 else style.ACCENT
        low.plot([-1, 1], [y, y], "-", color=style.HAIRLINE, linewidth=0.6)
        low.vlines([share * v for v in values], y - 0.3, y + 0.3, color=color, linewidth=1.5)
    low.set_yticks(range(len(rows)), [name for name, *_ in rows])
    low.set(ylim=(4.6, -0.6), xlim=(-1.03, 1.03), xlabel="weight over the largest of its block")
    low.spines["left"].set_visible(False)
    low.tick_params(axis="y", length=0)
    return figure


def _seeds(run, pattern):
    """One printed number of every seed."""
    values = []
    for one in run.seeds("over-seeds"):
        (value,) = one.rows(pattern)
        values.append(value[1] if isinstance(value, tuple | list) else value)
    return values


def _above(values, floats):
    return [a - b for a, b in zip(values, floats, strict=True)]


def two_bits(run):
    """At two bits: old names as rounded and repaired, new names in either order; a dot a seed."""
    figure = Figure(figsize=(style.WIDTH, 2.5))
    left, right = figure.subplots(1, 2, sharey=True)
    names = ["NF2", "NF2, fitted", "even 2, fitted"]
    floats, mended = _seeds(run, FLOATS), _seeds(run, AFTER.format("old", "floats"))
    learned = _seeds(run, AFTER.format("new", "floats"))
    for ax, pairs in (
        (left, lambda name: (
            ("as rounded", _above(_seeds(run, CODE.format(name)), floats)),
            ("repaired", _above(_seeds(run, AFTER.format("old", name)), mended)))),
        (right, lambda name: (
            ("learned beside floats", _above(_seeds(run, LATER.format(name)), learned)),
            ("learned beside bytes", _above(_seeds(run, AFTER.format("new", name)), learned)))),
    ):  # fmt: skip
        for y, name in enumerate(names):
            for k, (label, values) in enumerate(pairs(name)):
                ax.plot(values, [y + 0.26 * k - 0.13] * len(values), style.MARKERS[k],
                        color=(style.RUST, style.ACCENT)[k], linestyle="none", alpha=0.85,
                        label=label if y == 0 else None)  # fmt: skip
        ax.axvline(0, color=style.GREY, linewidth=0.8, linestyle="-")
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), handletextpad=0.2)
    left.set_yticks(range(len(names)), names)
    left.set(ylim=(len(names) - 0.5, -0.5), xlabel="old names: nats above floats")
    right.set(xlabel="new names: nats above floats")
    return figure


def bits(run):
    """Loss on old names above floats, against bits a weight, with pairs and without."""
    figure = Figure(figsize=(style.WIDTH, 3.0))
    ax = figure.subplots()
    floats, mended = _seeds(run, FLOATS), _seeds(run, AFTER.format("old", "floats"))

    def point(x, values, name, shift, **look):
        mean = sum(values) / len(values)
        error = (sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values)) ** 0.5
        ax.errorbar([x], [mean], yerr=[error], linestyle="none", elinewidth=0.8, **look)
        ax.annotate(name, (x, mean), shift, textcoords="offset points", color=look["color"],
                    ha="right" if shift[0] < 0 else "left", va="center")  # fmt: skip

    for name, shift in (
        ("NF2", (6, 4)), ("even 2", (6, -4)), ("NF2, fitted", (6, 5)), ("even 2, fitted", (6, -6)),
        ("NF2, 16", (6, 0)), ("NF3", (-6, 6)), ("NF4, double", (-6, 1)), ("even 4", (6, 3)),
    ):  # fmt: skip
        (first, *_) = run.rows(CODE.format(name))
        point(first[0], _above(_seeds(run, CODE.format(name)), floats), name, shift,
              marker="o", color=style.ACCENT)  # fmt: skip
        if name in ("NF2", "NF2, fitted", "even 2, fitted"):
            repaired = _above(_seeds(run, AFTER.format("old", name)), mended)
            point(first[0] + PAIRS, repaired, f"{name}, pairs", shift, marker="s",
                  markerfacecolor="none", markeredgewidth=1.1, color=style.RUST)  # fmt: skip
    ax.axhline(0, color=style.GREY, linewidth=0.8, linestyle="-")
    ax.set(xlabel="bits a weight, scales and pairs counted", ylabel="old names: nats above floats",
           xlim=(2.2, 6.6))  # fmt: skip
    return figure
