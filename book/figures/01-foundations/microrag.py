"""Figures of the chapter microrag."""

from matplotlib.figure import Figure

from press.figures import style

RIGHT = r"^right \| {} +\| sentence +(\S+)%"


def idea(run):
    """A question finds its passage; the reader says words or copies them."""
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
    ax.text(0.1, 0.12, "blue: knowledge, edited as text.  rust: skill, trained once.",
            color=style.GREY, size=style.SMALL)  # fmt: skip
    return figure


def learning_curve(run):
    """Training and held-out loss of the reader."""
    rows = run.rows(r"^step +(\d+) \| train (\S+) \| held-out (\S+)$")
    steps, train, held = zip(*rows, strict=True)
    figure = Figure(figsize=(style.WIDTH, 2.2))
    ax = figure.subplots()
    for k, (values, label) in enumerate(((train, "training"), (held, "held out"))):
        ax.plot(steps, values, label=label, color=style.SERIES[k], marker=style.MARKERS[k],
                linestyle=style.DASHES[k])  # fmt: skip
    ax.set(xlabel="step", ylabel="loss (nats a word)", yscale="log")
    ax.legend()
    ax.grid(axis="y")
    return figure


def conditions(run):
    """Exact match under every condition of the run."""
    names = {
        "right passage": "the right passage",
        "BM25's passage": "bm25's passage",
        "edited, new fact": "edited index, the new fact",
        "edited, old fact": "edited index, the old fact",
        "other country's passage": "another country's passage",
        "no passage": "no passage",
        "asked in a new frame": "asked in a new frame",
        "asked in new words": "asked in new words",
        "usual fact": "no reader, the usual fact",
    }
    values = [float(run.fact(RIGHT.format(label))) for label in names.values()]
    figure = Figure(figsize=(style.WIDTH, 2.6))
    ax = figure.subplots()
    colors = [style.ACCENT] * 3 + [style.RUST] * 5 + [style.GREY]
    ax.hlines(range(len(names)), 0, values, color=colors, linewidth=1.2)
    ax.scatter(values, range(len(names)), color=colors, s=18, zorder=3)
    ax.set_yticks(range(len(names)), list(names))
    ax.set(xlabel="held-out answers right to the word (%)", xlim=(-1, 101))
    ax.invert_yaxis()
    return figure
