"""Figures of the chapter microautograd."""

from matplotlib.figure import Figure

from press.figures import style


def graph(run):
    """The pencil example, y = h + h h with h = w x: values, slopes and gradients."""
    figure, ax = style.diagram(2.3)
    places = {  # name: place, text, width, gradient, on which side of the box it stands
        "w": (0.6, 1.62, "$w = 2$", 0.66, "13 · 3 = 39", 1),
        "x": (0.6, 0.78, "$x = 3$", 0.66, "13 · 2 = 26", -1),
        "h": (1.95, 1.2, "$h = w x = 6$", 0.96, "1 + 6 + 6 = 13", 1),
        "r": (3.3, 0.78, "$r = h h = 36$", 0.96, "1", -1),
        "y": (4.55, 1.2, "$y = h + r = 42$", 1.1, "1", 1),
    }
    boxes = {}
    for name, (x, y, text, width, gradient, side) in places.items():
        boxes[name] = style.box(ax, x, y, text, width=width)
        ax.text(x, y + 0.29 * side, gradient, color=style.RUST, ha="center", va="center")
    for start, end, slope, bend in (
        ("w", "h", "3", 0.0),
        ("x", "h", "2", 0.0),
        ("h", "r", "6", 0.22),
        ("h", "r", "6", -0.22),
        ("h", "y", "1", -0.28),
        ("r", "y", "1", 0.0),
    ):
        style.arrow(ax, boxes[start], boxes[end], slope, bend=bend)
    ax.text(0.27, 0.12, "values: from left to right", color=style.GREY, size=style.SMALL)
    ax.text(style.WIDTH - 0.1, 0.12, "gradients: from right to left", color=style.RUST,
            size=style.SMALL, ha="right")  # fmt: skip
    return figure


def tape(run):
    """The recorded operations of the classifier with two rounds, and who feeds whom."""
    figure, ax = style.diagram(1.95)
    names = ["times", "relu", "times", "relu", "plus"] + ["times", "relu", "plus"]
    names += ["times", "cross-\nentropy"]
    left, step, y = 0.26, (style.WIDTH - 0.56) / 9, 1.08
    boxes = [
        style.box(ax, left + i * step, y, name, width=0.4 + 0.1 * (i == 9), height=0.4)
        for i, name in enumerate(names)
    ]
    for start, end in zip(boxes, boxes[1:], strict=False):
        style.arrow(ax, start, end)
    for name, uses in {"$W_1$": [0], "$W_2$": [2, 5], "$W_3$": [8]}.items():
        x = left + step * sum(uses) / len(uses)
        weight = style.box(ax, x, 0.3, name, width=0.4, height=0.28, ec=style.ACCENT)
        for i in uses:
            style.arrow(ax, weight, boxes[i], color=style.ACCENT)
    for start, end in ((1, 4), (4, 7)):
        x, next_x = left + start * step + 0.06, left + end * step - 0.06
        style.arrow(ax, (x, y + 0.21), (next_x, y + 0.21), bend=-0.3, color=style.RUST)
        ax.text(left + step * (start + end) / 2, y + 0.54, "the same rows again",
                color=style.RUST, size=style.SMALL, ha="center", va="bottom")  # fmt: skip
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
        (steps[-4], errors[-4]), (0, 32), textcoords="offset points", color=style.GREY,
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
    runs = {"gradients add up": "added", "they overwrite  ": "overwritten"}
    for k, (name, label) in enumerate(runs.items()):
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
    accuracies.annotate("nearest neighbour", (epochs[-1], near), (0, 3), va="bottom", ha="right",
                        textcoords="offset points", color=style.GREY)  # fmt: skip
    losses.set(xlabel="epoch", ylabel="training loss (nats)")
    accuracies.set(xlabel="epoch", ylabel="held-out accuracy")
    for ax in (losses, accuracies):
        ax.set_xticks(range(2, len(epochs) + 1, 2))
        ax.grid(axis="y")
    accuracies.set_ylim(top=1.04)
    accuracies.set_yticks([tick for tick in accuracies.get_yticks() if tick < near - 0.05])
    losses.legend(loc="upper right")
    return figure
