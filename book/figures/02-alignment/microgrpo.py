"""Figures of the chapter microgrpo."""

from matplotlib.figure import Figure

from press.figures import style

STEP = r"^step +(\d+) \| aloud ([\d.]+) \| symbols ([\d.]+) \| idle ([\d.]+)"
ROW = r"^{} +\| ([\d.]+) ([\d.]+) \| ([\d.]+) \|"
WAYS = ROW.format("taught") + r" ([\d.]+) ([\d.]+) \|"


def pencil(run):
    """The examples for pencil and paper: a group's advantages, and imitation in rounds."""
    figure = Figure(figsize=(style.WIDTH, 2.2))
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    group = (("=C.", 1), ("BBBC=C.", 1), ("BBBC=C.", 1), ("=B.", 0))
    mean = sum(right for _, right in group) / 4
    deviation = (mean * (1 - mean)) ** 0.5
    for y, (_, reward) in enumerate(group):
        earned = (reward - mean) / deviation
        left.barh(y, earned, 0.55, color=style.SERIES[0] if reward else style.SERIES[1])
        left.text(
            earned + (0.1 if reward else -0.1),
            y,
            f"{earned:+.2f}".replace("-", "\N{MINUS SIGN}"),
            ha="left" if reward else "right",
            va="center",
        )
    left.set_yticks(range(4), [said for said, _ in group])
    left.invert_yaxis()
    left.axvline(0, color=style.GREY, linewidth=0.8)
    left.set(xlim=(-3, 1.6), xticks=[], title="emma: what each answer earned")
    for side in ("left", "bottom"):
        left.spines[side].set_visible(False)
    left.tick_params(length=0)
    rounds = range(11)
    fresh = [(9 / 7) ** k / (1 + (9 / 7) ** k) for k in rounds]
    right.plot(rounds, fresh, color=style.SERIES[0], marker=style.MARKERS[0], label="drawn afresh")
    right.plot(rounds, [0.5] + [9 / 16] * 10, color=style.SERIES[1], marker=style.MARKERS[1],
               linestyle=style.DASHES[1], label="drawn once")  # fmt: skip
    right.set(xlabel="rounds of imitation", ylim=(0, 1), title="share of the better way")
    right.set_xticks((0, 5, 10))
    right.legend(loc="lower right")
    right.grid(axis="y")
    return figure


def climb(run):
    """The share aloud step by step, and what is right in the end, for every seed."""
    figure = Figure(figsize=(style.WIDTH, 2.7))
    left, right = figure.subplots(1, 2)
    runs = run.seeds("over-seeds")
    for k, one in enumerate(runs):
        steps, aloud, *_ = zip(*one.rows(STEP), strict=True)
        start = one.rows(WAYS)[0][2]
        middles = [0, *(step - 5 for step in steps)]  # of the ten steps that a row tells of
        left.plot(middles, [start, *aloud], label=f"{one.seed}", color=style.SERIES[0],
                  marker=style.MARKERS[k], linestyle=style.DASHES[k])  # fmt: skip
    left.set(xlabel="step of GRPO", ylabel="share aloud", ylim=(0, 1), xlim=(-1, 40))
    left.legend(title="seed", loc=(0.34, 0.36), ncols=2)
    left.grid(axis="y")
    who = ["taught", "coin", "own right", "grpo", "aloud only"]
    for k, one in enumerate(runs):
        values = [one.rows(ROW.format(name))[0][1] for name in who]
        right.plot([x + 0.12 * (k - 1.5) for x in range(len(who))], values, linestyle="none",
                   color=style.SERIES[0], marker=style.MARKERS[k], markersize=5)  # fmt: skip
    right.set_xticks(range(len(who)), [name.replace(" ", "\n") for name in who])
    right.set(ylabel="drawn answers right")
    right.grid(axis="y")
    return figure


def paid(run):
    """The change of the share aloud against what counting aloud earned more, before."""
    figure = Figure(figsize=(style.WIDTH, 3.0))
    ax = figure.subplots()
    kinds = (
        ("the number", ("over-seeds", "more-seeds"), "grpo", 1.0),
        ("half if aloud", ("variants",), "half", 0.5),
        ("a coin", ("over-seeds",), "coin", None),
        ("dots for thoughts", ("dots-over-seeds",), "grpo", 1.0),
    )
    for k, (label, experiments, name, pay) in enumerate(kinds):
        points = []
        for one in (one for experiment in experiments for one in run.seeds(experiment)):
            _, _, before, aloud, direct = one.rows(WAYS)[0]
            after = one.rows(ROW.format(name))[0][2]
            points.append((0.0 if pay is None else pay * aloud - direct, after - before))
        ax.plot(*zip(*points, strict=True), linestyle="none", color=style.SERIES[k],
                marker=style.MARKERS[k], markersize=6, label=label)  # fmt: skip
    ax.axhline(0, color=style.GREY, linewidth=0.8, zorder=0)
    ax.axvline(0, color=style.GREY, linewidth=0.8, zorder=0)
    ax.set(
        xlabel="earned aloud, less earned at once, before",
        ylabel="change of the share aloud",
        ylim=(-0.6, 0.6),
    )
    ax.legend(loc="upper left")
    return figure
