"""Figures of the chapter microrag."""

from statistics import fmean

from matplotlib.figure import Figure

from press.figures import style

ROW = r"^{} +\| {} +\| {} +\| +(\S+)%"
READERS = ["open", "both", "closed"]


def idea(run):
    """A question finds its passage; the reader copies from it or recites."""
    figure, ax = style.diagram(1.9)
    question = style.box(ax, 0.62, 1.55, "question", 0.9)
    index = style.box(ax, 0.62, 0.6, "index", 0.9, ec=style.ACCENT)
    passage = style.box(ax, 2.1, 0.6, "passage", 0.9)
    reader = style.box(ax, 3.3, 1.55, "reader", 0.9, ec=style.RUST)
    answer = style.box(ax, 4.6, 1.55, "answer", 0.9)
    style.arrow(ax, question, index, "BM25")
    style.arrow(ax, index, passage)
    style.arrow(ax, question, reader)
    style.arrow(ax, passage, reader, "copy")
    style.arrow(ax, reader, answer, "say")
    ax.text(0.1, 0.12, "blue: facts as text.  rust: facts in weights, if any.",
            color=style.GREY, size=style.SMALL)  # fmt: skip
    return figure


def memories(run):
    """What each reader answers without a passage, and against an edited one."""
    kinds = [
        ("no passage: the true fact", "taught, none", "true", style.RUST),
        ("edited passage: the true fact", "taught, edited", "true", style.GREY),
        ("edited passage: the new fact", "taught, edited", "edited", style.ACCENT),
    ]
    figure = Figure(figsize=(style.WIDTH, 2.5))
    ax = figure.subplots()
    for k, (label, row, truth, color) in enumerate(kinds):
        for i, reader in enumerate(READERS):
            pattern = ROW.format(row, reader, truth)
            values = [float(seed.fact(pattern)) for seed in run.seeds("over-seeds")]
            y = i + 0.26 * (k - 1)
            ax.barh(y, fmean(values), 0.22, color=color, label=label if i == 0 else None)
            ax.plot(values, [y] * len(values), ".", color=style.INK, markersize=3.5)
    ax.set_yticks(range(len(READERS)), READERS)
    ax.set(xlabel="answers about taught countries (%)", xlim=(0, 103), ylim=(2.5, -0.5))
    ax.grid(axis="x")
    ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.25), ncols=1, frameon=False)
    return figure
