"""Figures of the chapter micrornn."""

from matplotlib.figure import Figure

from press.figures import style

KINDS = {"plain": "plain", "leaky": "leaky", "gru": "GRU"}


def paths(run):
    """The ways from one memory to the next: through the matrix, past it, past it by a valve."""
    figure, ax = style.diagram(2.6)
    left, step, count = 0.95, 1.25, 4
    for y, (kind, label) in zip((2.2, 1.4, 0.5), KINDS.items(), strict=True):
        ax.text(0.05, y, label, ha="left", va="center")
        places = [left + step * k for k in range(count)]
        memories = [style.box(ax, x, y, "h", width=0.26, height=0.26) for x in places]
        for x, one, other in zip(places, memories, memories[1:], strict=False):
            middle = x + step / 2
            box = style.box(ax, middle, y - 0.3, "U, tanh", width=0.62, height=0.24)
            style.arrow(ax, one, box)
            style.arrow(ax, box, other)
            if kind != "plain":
                style.arrow(ax, one, other, color=style.ACCENT, lw=1.6)
            if kind == "leaky":
                ax.text(middle, y + 0.14, "z", ha="center", va="center", color=style.ACCENT)
            if kind == "gru":
                valve = [(-0.08, -0.07), (0.08, 0.07), (0.08, -0.07), (-0.08, 0.07), (-0.08, -0.07)]
                ax.fill(*zip(*[(middle + dx, y + dy) for dx, dy in valve], strict=True),
                        fc=style.PAPER, ec=style.RUST, lw=1.1, ls="-", zorder=3)  # fmt: skip
                ax.text(middle, y + 0.18, "z(x, h)", ha="center", va="center", color=style.RUST)
    return figure


def held_out(run, kind):
    """The held-out loss of one network of a run."""
    return float(run.fact(rf"^{kind} .* held-out (\S+) \|"))


def best(run, view):
    """The least loss of the counts of a view."""
    [row] = run.rows(rf"^sounds +\| counts, {view} +\| (.+)$")
    return min(map(float, str(row).split()))


def ladder(run):
    """Held-out loss of all networks and counts over seeds, from the worst to the best."""
    seeds = {name: run.seeds(name) for name in (
        "over-seeds", "best-plain", "cut-over-seeds", "wide", "wide-open", "reversed-over-seeds",
        "open")}  # fmt: skip
    rows = [("counts, not told", [best(one, "past") for one in seeds["over-seeds"]], style.GREY)]
    for label, experiment, kind, color in (
        ("plain", "over-seeds", "plain", style.ACCENT),
        ("GRU, gradient cut", "cut-over-seeds", "gru", style.INK),
        ("plain at its best, 44 units", "best-plain", "relu", style.INK),
        ("leaky", "over-seeds", "leaky", style.ACCENT),
        ("GRU", "over-seeds", "gru", style.ACCENT),
        ("leaky, 42 units", "wide", "leaky", style.INK),
        ("the same, begins at 0.73", "wide-open", "leaky", style.INK),
        ("GRU, spelling reversed", "reversed-over-seeds", "gru", style.INK),
        ("GRU, begins at 0.88", "open", "gru", style.INK),
        ("LSTM, begins at 0.88", "open", "lstm", style.INK),
    ):
        rows.append((label, [held_out(one, kind) for one in seeds[experiment]], color))
    rows.append(("counts, told", [best(one, "place") for one in seeds["over-seeds"]], style.GREY))
    figure = Figure(figsize=(style.WIDTH, 0.7 + 0.22 * len(rows)))
    ax = figure.subplots()
    for y, (_, losses, color) in enumerate(rows):
        center = sum(losses) / len(losses)
        ax.scatter(losses, [y] * len(losses), s=13, color=color, alpha=0.75, lw=0, zorder=3)
        ax.plot([center] * 2, [y - 0.3, y + 0.3], color=color, lw=1.2, ls="-")
    ax.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    ax.invert_yaxis()
    ax.grid(axis="x")
    ax.set(xlabel="held-out loss (nats a sound)", xlim=(0, None))
    return figure


def reach(run):
    """What is left of the gradient so many tokens back, before and after training."""
    figure = Figure(figsize=(style.WIDTH, 2.5))
    panels = [(kind, label, "over-seeds") for kind, label in KINDS.items()]
    panels.insert(1, ("relu", "plain, best", "best-plain"))
    axes = figure.subplots(1, len(panels), sharey=True)
    for ax, (kind, label, experiment) in zip(axes, panels, strict=True):
        for when, color, width in (("before", style.GREY, 0.7), ("after", style.ACCENT, 1.6)):
            for one in run.seeds(experiment):
                [row] = one.rows(rf"^{kind} +\| reach, {when} +\| (.+)$")
                shares = [10 ** float(v) for v in str(row).split()]
                ax.plot(range(0, 2 * len(shares), 2), shares, "-", color=color, lw=width)
        ax.set_yscale("log")
        ax.set_title(label)
        ax.set_xticks(range(0, 13, 6))
        ax.grid(axis="y")
    axes[0].set_ylabel("share of the gradient")
    figure.supxlabel("tokens back from the guess", fontsize=style.SIZE)
    return figure


def gates(run):
    """What each unit of the GRU kept at each token of the last new word, sorted by its mean."""
    rows = run.rows(r"^gru +\| keeps at (\S+) +\|(.+)\|$")
    shades = " .:-=+*#%@"
    values = [[shades.index(c) / 9 for c in str(row)] for _, row in rows]
    order = sorted(range(len(values[0])), key=lambda k: -sum(row[k] for row in values))
    figure = Figure(figsize=(style.WIDTH, 2.6))
    ax = figure.subplots()
    style.matrix(ax, [[row[k] for k in order] for row in values], [str(name) for name, _ in rows],
                 [""] * len(order), vmin=0, vmax=1)  # fmt: skip
    ax.axhline([str(name) for name, _ in rows].index(":") + 1, color=style.RUST, linewidth=0.9)
    ax.set_xlabel("units, the ones that keep most first")
    return figure
