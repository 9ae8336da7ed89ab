"""Figures of the chapter microautograd."""

from matplotlib.figure import Figure

from press.figures import style


def graph(run):
    """The pencil example, y = h + s with s = r r, r = h h, h = w x: values, slopes, gradients."""
    figure, ax = style.diagram(2.3)
    places = {  # name: place, text, width, gradient, on which side of the box it stands
        "w": (0.42, 1.62, "$w = 1$", 0.6, "33 · 2 = 66", 1),
        "x": (0.42, 0.78, "$x = 2$", 0.6, "33 · 1 = 33", -1),
        "h": (1.5, 1.2, "$h = w x = 2$", 0.9, "1 + 16 + 16 = 33", 1),
        "r": (2.45, 0.6, "$r = h h = 4$", 0.86, "4 + 4 = 8", -1),
        "s": (3.64, 0.6, "$s = r r = 16$", 0.92, "1", -1),
        "y": (4.6, 1.2, "$y = h + s = 18$", 1.08, "1", 1),
    }
    boxes = {}
    for name, (x, y, text, width, gradient, side) in places.items():
        boxes[name] = style.box(ax, x, y, text, width=width)
        ax.text(x, y + 0.29 * side, gradient, color=style.RUST, ha="center", va="center")
    for start, end, slope, bend in (
        ("w", "h", "2", 0.0),
        ("x", "h", "1", 0.0),
        ("h", "r", "2", 0.3),
        ("h", "r", "2", -0.3),
        ("r", "s", "4", 0.5),
        ("r", "s", "4", -0.5),
        ("h", "y", "1", -0.16),
        ("s", "y", "1", 0.0),
    ):
        style.arrow(ax, boxes[start], boxes[end], slope, bend=bend)
    ax.text(0.12, 0.05, "values: from left to right", color=style.GREY, size=style.SMALL)
    ax.text(style.WIDTH - 0.1, 0.05, "gradients: from right to left", color=style.RUST,
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
    rows = run.rows(r"step 1e-(\d+) \| largest error (\S+)$")
    steps = [10.0 ** -int(digits) for digits, _ in rows]
    errors = [float(error) for _, error in rows]
    figure = Figure()
    ax = figure.add_subplot()
    ax.loglog(steps, errors, marker="o", color=style.ACCENT)
    ax.set(xlabel="step", ylabel="largest error")
    ax.invert_xaxis()
    ax.grid(axis="y")
    best = min(range(len(errors)), key=errors.__getitem__)
    ax.annotate(
        "too long: the curve bends\nbetween the two ends",
        (steps[1], errors[1]), (14, 8), textcoords="offset points", color=style.GREY,
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
    ax.set_ylim(min(errors) / 60, None)
    return figure


def learning_curves(run):
    """Agreement with the true gradient, and held-out accuracy, epoch by epoch and seed by seed."""
    figure = Figure(figsize=(style.WIDTH, 2.7))
    cosines, accuracies = figure.subplots(1, 2)
    row = r"^{} +\| epoch +(\d+) .* held out (\S+) \| cosines \S+ (\S+) "
    kinds = {
        "all parts added": ("over-seeds", "added"),
        "first part kept": ("first-over-seeds", "one kept"),
        "last part kept": ("over-seeds", "one kept"),
        "last kept, four rounds": ("deeper-over-seeds", "one kept"),
    }
    for k, (label, (experiment, name)) in enumerate(kinds.items()):
        for i, seed in enumerate(run.seeds(experiment)):
            epochs, accuracy, cosine = zip(*seed.rows(row.format(name)), strict=True)
            options = {
                "color": style.SERIES[k], "linestyle": style.DASHES[k], "linewidth": 0.9,
                "label": "" if i else label,
            }  # fmt: skip
            accuracies.plot(epochs, accuracy, **options)
            cosines.plot(epochs, cosine, **options)
    near = float(run.fact(r"^nearest digit +\| held out (\S+)"))
    accuracies.axhline(near, color=style.GREY, linewidth=0.8)
    accuracies.annotate("nearest neighbour", (epochs[-1], near), (0, 3), va="bottom", ha="right",
                        textcoords="offset points", color=style.GREY)  # fmt: skip
    cosines.set(xlabel="epoch", ylabel="cosine with the true gradient of $W_2$", ylim=(-0.3, 1.06))
    accuracies.set(xlabel="epoch", ylabel="held-out accuracy", ylim=(0, 1.08))
    for ax in (cosines, accuracies):
        ax.set_xticks(range(2, len(epochs) + 1, 2))
        ax.grid(axis="y")
    figure.legend(*cosines.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure
