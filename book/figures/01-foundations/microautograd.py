"""Figures of the chapter microautograd."""

from matplotlib.figure import Figure

from book.figures import style


def graph(run):
    """The pencil example, y = h + h h with h = w x: values, slopes and gradients."""
    figure, ax = style.diagram(2.15)
    places = {
        "w": (0.62, 1.62, "$w = 2$"),
        "x": (0.62, 0.72, "$x = 3$"),
        "h": (2.05, 1.17, "$h = w x = 6$"),
        "r": (3.42, 0.72, "$r = h h = 36$"),
        "y": (4.62, 1.17, "$y = h + r = 42$"),
    }
    boxes = {
        name: style.box(ax, x, y, text, width={"w": 0.66, "x": 0.66, "y": 1.08}.get(name, 0.96))
        for name, (x, y, text) in places.items()
    }
    gradients = {"w": "13 · 3 = 39", "x": "13 · 2 = 26", "h": "1 + 6 + 6 = 13", "r": "1", "y": "1"}
    for name, gradient in gradients.items():
        x, y, _ = places[name]
        ax.text(x, y - 0.29, gradient, color=style.RUST, ha="center", va="center")
    for start, end, slope, bend in (
        ("w", "h", "3", 0.0),
        ("x", "h", "2", 0.0),
        ("h", "r", "6", 0.22),
        ("h", "r", "6", -0.22),
        ("h", "y", "1", -0.22),
        ("r", "y", "1", 0.0),
    ):
        style.arrow(ax, boxes[start], boxes[end], slope, bend=bend)
    ax.text(0.3, 2.0, "computed from left to right", color=style.GREY, size=style.SMALL)
    ax.text(4.9, 0.22, "pulled back from right to left", color=style.RUST, size=style.SMALL,
            ha="right")  # fmt: skip
    return figure


def tape(run):
    """The recorded operations of the classifier with two rounds, and who writes to whom."""
    figure, ax = style.diagram(2.3)
    names = ["times", "relu", "times", "relu", "plus", "times", "relu", "plus", "times", "cross-\nentropy"]  # fmt: skip
    left, step = 0.36, (style.WIDTH - 0.72) / (len(names) - 1)
    centres = [left + i * step for i in range(len(names))]
    y = 1.2
    boxes = [
        style.box(ax, x, y, name, width=0.46, height=0.34)
        for x, name in zip(centres, names, strict=True)
    ]
    for start, end in zip(boxes, boxes[1:], strict=False):
        style.arrow(ax, start, end)
    weights = {"$W_1$": [0], "$W_2$": [2, 5], "$W_3$": [8]}
    for name, uses in weights.items():
        x = sum(centres[i] for i in uses) / len(uses)
        low = style.box(ax, x, 0.45, name, width=0.42, height=0.28, ec=style.ACCENT)
        for i in uses:
            style.arrow(ax, low, boxes[i], color=style.ACCENT)
    for start, end in ((1, 4), (4, 7)):
        style.arrow(
            ax,
            (centres[start] + 0.06, y + 0.18),
            (centres[end] - 0.06, y + 0.18),
            bend=-0.34,
            color=style.RUST,
        )
    for start, end in ((1, 4), (4, 7)):
        ax.text((centres[start] + centres[end]) / 2, y + 0.68, "the same rows again",
                color=style.RUST, size=style.SMALL, ha="center")  # fmt: skip
    return figure


def step_sizes(run):
    """The error of finite differences for every size of step, from the transcript."""
    rows = run.rows(r"step 1e-(\d+) \| relative error (\S+)$")
    steps = [10.0 ** -int(digits) for digits, _ in rows]
    errors = [float(error) for _, error in rows]
    figure = Figure()
    ax = figure.add_subplot()
    ax.loglog(steps, errors, marker="o", color=style.ACCENT)
    ax.set(xlabel="step", ylabel="relative error")
    ax.invert_xaxis()
    ax.grid(axis="y")
    best = min(range(len(errors)), key=errors.__getitem__)
    ax.annotate(
        "too long: the curve bends\nbetween the two ends",
        (steps[1], errors[1]), (10, 8), textcoords="offset points", color=style.GREY,
    )  # fmt: skip
    ax.annotate(
        "too short: the digits\nof the two ends cancel",
        (steps[-4], errors[-4]), (-8, 10), textcoords="offset points", color=style.GREY,
        ha="right",
    )  # fmt: skip
    ax.annotate(
        "best", (steps[best], errors[best]), (0, -12), textcoords="offset points",
        color=style.ACCENT, ha="center",
    )  # fmt: skip
    ax.set_ylim(min(errors) / 8, None)
    return figure


def learning_curves(run):
    """Loss and held-out accuracy of the right and the broken gradient, epoch by epoch."""
    figure = Figure(figsize=(style.WIDTH, 2.5))
    losses, accuracies = figure.subplots(1, 2)
    for k, (name, label) in enumerate((("gradients add up", "added"), ("they overwrite  ", "overwritten"))):  # fmt: skip
        rows = run.rows(rf"^{name} \| epoch +(\d+) \| loss (\S+) \| held out (\S+)$")
        epochs, loss, accuracy = zip(*rows, strict=True)
        options = {
            "color": style.SERIES[k], "linestyle": style.DASHES[k],
            "marker": style.MARKERS[k], "label": label,
        }  # fmt: skip
        losses.semilogy(epochs, loss, **options)
        accuracies.plot(epochs, accuracy, **options)
    near = float(run.fact(r"^nearest neighbour \| held out (\S+)$"))
    accuracies.axhline(near, color=style.GREY, linewidth=0.8, linestyle=style.DASHES[2])
    accuracies.text(epochs[-1], near, "nearest neighbour", color=style.GREY, size=style.SMALL,
                    ha="right", va="bottom")  # fmt: skip
    losses.set(xlabel="epoch", ylabel="training loss (nats)")
    accuracies.set(xlabel="epoch", ylabel="held-out accuracy")
    for ax in (losses, accuracies):
        ax.set_xticks(range(2, len(epochs) + 1, 2))
        ax.grid(axis="y")
    accuracies.set_ylim(top=1.04)
    losses.legend(loc="upper right")
    return figure
