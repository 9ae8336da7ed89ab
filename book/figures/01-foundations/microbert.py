"""Figures of the chapter microbert."""

from matplotlib.figure import Figure

from press.figures import style

NATS = {
    "counts, left": ("over-seeds", "counts, left", 2),
    "counts, both sides": ("over-seeds", "counts, both sides", 0),
    "counts, 26 tried": ("over-seeds", "counts, left, 26 letters tried", 1),
    "left network": ("left-and-sparse", "left network", 2),
    "masked, one eye shut": ("over-seeds", "masked network, right eye shut", 2),
    "masked network": ("over-seeds", "masked network", 0),
    "causal, 26 tried": ("over-seeds", "causal network, 26 letters tried", 1),
    "sparse, 26 tried": ("left-and-sparse", "sparse network, 26 letters tried", 1),
}
WHO = ["scratch", "causal", "masked", "pieces", "last letter"]


def eyes(run):
    """Who sees whom, and who answers: a network that reads on, and one with holes."""
    figure, ax = style.diagram(2.15)
    side, top = 0.25, 1.6
    for left, shown, answers, title, causal in (
        (0.42, ".emma.", ["e", "m", "m", "a", ".", ""], "reading on", True),
        (3.0, ".e_m_.", ["", "", "m", "", "a", ""], "filling holes", False),
    ):
        for i in range(6):
            for j in range(6):
                seen = j <= i or not causal
                ax.add_patch(
                    style.FancyBboxPatch(
                        (left + (j - 0.5) * side, top - (i + 0.5) * side), side, side,
                        boxstyle="square,pad=0", ec=style.HAIRLINE, lw=0.6,
                        fc=style.SHADES(0.45) if seen else "none",
                    )
                )  # fmt: skip
            for x, y in ((left + i * side, top + side), (left - side, top - i * side)):
                ax.text(x, y, shown[i], ha="center", va="center", family="monospace",
                        color=style.RUST if shown[i] == "_" else style.INK)  # fmt: skip
            if answers[i]:
                x, y = left + 5.5 * side, top - i * side
                style.arrow(ax, (x + 0.04, y), (x + 0.3, y))
                ax.text(x + 0.42, y, answers[i], ha="center", va="center_baseline",
                        family="monospace", color=style.ACCENT)  # fmt: skip
        ax.text(left + 2.5 * side, top + 0.48, title, ha="center", va="center")
    ax.text(style.WIDTH / 2, 0.06, "filled: seen.  blue: the answer of a row.", color=style.GREY,
            size=style.SMALL, ha="center")  # fmt: skip
    return figure


def holes(run):
    """Loss at a hole of counts and of networks, over seeds."""
    figure = Figure(figsize=(style.WIDTH, 2.7))
    ax = figure.subplots()
    colors = [style.ACCENT, style.RUST, style.GREY]
    for y, (experiment, who, color) in enumerate(NATS.values()):
        losses = [float(one.fact(rf"^{who} +\| (\S+) nats")) for one in run.seeds(experiment)]
        center = sum(losses) / len(losses)
        ax.scatter(losses, [y] * len(losses), s=14, color=colors[color], alpha=0.75, lw=0,
                   marker=style.MARKERS[color], zorder=3)  # fmt: skip
        ax.plot([center] * 2, [y - 0.3, y + 0.3], color=colors[color], lw=1.2, ls="-")
    ax.axhline(2.5, color=style.HAIRLINE, linewidth=0.8)
    ax.set_yticks(range(len(NATS)), list(NATS))
    ax.invert_yaxis()
    ax.grid(axis="x")
    ax.set(xlabel="loss at a hole (nats)")
    return figure


def labels(run):
    """Held-out names sorted right with a hundred labels, a line for each seed."""
    figure = Figure(figsize=(style.WIDTH, 2.5))
    ax = figure.subplots()
    for k, one in enumerate(run.seeds("over-seeds")):
        right = [float(one.fact(rf"^100 labels, {who} +\| (\S+)% right")) for who in WHO]
        ax.plot(range(len(WHO)), right, color=style.GREY, lw=0.7, ls="-", alpha=0.6)
        ax.scatter(range(len(WHO)), right, s=16, lw=0, zorder=3, marker=style.MARKERS[k],
                   color=[style.ACCENT] * 3 + [style.RUST] * 2)  # fmt: skip
    ax.set_xticks(range(len(WHO)), WHO)
    ax.grid(axis="y")
    ax.set_ylabel("sorted right (%)")
    return figure
