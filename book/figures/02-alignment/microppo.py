"""Figures of the chapter microppo."""

from statistics import fmean

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from press.figures import style

ROW = r"^{} +\| +([\d.]+) +[\d.]+ +(-?[\d.]+) +(-?[\d.]+) \|"


def pencil(run):
    """What one draw sends with and without a baseline, and the clipped objective."""
    figure = Figure(figsize=(style.WIDTH, 2.3))
    left, right = figure.subplots(1, 2)
    drawn = r"^pencil \| less {} .* ([-+][\d.]+), if bob ([-+][\d.]+)"
    pulls = [[float(v) for v in run.rows(drawn.format(guess))[0]] for guess in (0.0, 0.7)]
    for k, (values, name) in enumerate(zip(zip(*pulls, strict=True), ("ada", "bob"), strict=True)):
        places = [x + 0.36 * k for x in range(2)]
        left.bar(places, values, width=0.32, color=style.SERIES[k], label=f"{name} is drawn")
        for x, value in zip(places, values, strict=True):
            text = f"{value:+.2f}".replace("-", "−").replace("0.", ".")
            height = value + (0.015 if value > 0 else -0.06)
            left.text(x, height, text, ha="center", size=style.SMALL)
    for x, values in enumerate(pulls):
        left.plot(
            [x - 0.22, x + 0.58], [fmean(values)] * 2, color=style.INK, linestyle=style.DASHES[1]
        )
    left.text(1.66, fmean(pulls[0]), "mean", va="center", size=style.SMALL)
    left.axhline(0, color=style.GREY, linewidth=0.6)
    left.set_xticks([0.18, 1.18], ["score", "score less .7"])
    left.set(ylim=(-0.34, 0.62), xlim=(-0.3, 2.05), ylabel="to ada's logit")
    left.set_yticks([])
    left.legend(loc="upper right", fontsize=style.SMALL)
    for k, gain in enumerate((1, -1)):
        ratios = [0.6, 1.2, 1.5] if gain > 0 else [0.6, 0.8, 1.5]
        heights = [gain * (min(q, 1.2) if gain > 0 else max(q, 0.8)) for q in ratios]
        right.plot(ratios, heights, color=style.SERIES[k], linestyle=style.DASHES[k])
        at = 1.2 if gain > 0 else -1.3
        right.plot([1.3], [at], color=style.SERIES[k], marker=style.MARKERS[k], markersize=5)
        text, shift = ("no pull", 0.14) if gain > 0 else ("pulled back", -0.32)
        right.text(1.3, at + shift, text, ha="center", size=style.SMALL, color=style.SERIES[k])
        text, shift = ("advantage +1", 0.42) if gain > 0 else ("advantage −1", 0.28)
        right.text(0.6, heights[0] + shift, text, size=style.SMALL, color=style.SERIES[k])
    right.axhline(0, color=style.GREY, linewidth=0.6)
    right.set(xlabel="ratio of new chance to old", ylabel="to be raised", ylim=(-1.9, 1.75))
    right.set_xticks([0.6, 0.8, 1, 1.2, 1.4], [".6", ".8", "1", "1.2", "1.4"])
    right.set_yticks([])
    return figure


def reached(runs, name):
    """[(the referee's share, KL, reached)], one for each seed."""
    return [tuple(float(v) for v in one.rows(ROW.format(name))[0]) for one in runs]


def rates(run):
    """What each way reaches against its learning rate, with the seeds."""
    figure = Figure(figsize=(style.WIDTH, 2.9))
    ax = figure.subplots()
    main, more = run.seeds("over-seeds"), run.seeds("more")
    grid = (0.0015, 0.003, 0.006, 0.012)
    for k, (name, label, own, known) in enumerate((
        ("raw", "REINFORCE, raw score", 0.006, "raw"),
        ("mean", "REINFORCE, less the mean", 0.006, "mean"),
        ("ppo", "PPO", 0.003, "ppo"),
        ("open", "PPO, no clip", 0.003, "ppo, unclipped"),
    )):  # fmt: skip
        points = {}
        for rate in grid:
            if rate == own:
                points[rate] = reached(main, known)
            elif name != "open" or rate > own:
                points[rate] = reached(more, f"{name} {rate}")
        color, x = style.SERIES[(0, 1, 2, 3)[k]], [rate * 1.035 ** (k - 1.5) for rate in points]
        ax.plot(x, [fmean(v for *_, v in rows) for rows in points.values()], color=color,
                label=label, linestyle=style.DASHES[k])  # fmt: skip
        for at, rows in zip(x, points.values(), strict=True):
            ax.plot([at] * len(rows), [v for *_, v in rows], color=color, marker=style.MARKERS[k],
                    markersize=3.2, linestyle="none")  # fmt: skip
    best = fmean(v for *_, v in reached(main, "the best there is"))
    four = fmean(v for *_, v in reached(main, "best of 4"))
    for value, text, side in (
        (best + 0.003, "the best there is", "bottom"), (four - 0.004, "best of 4, untrained", "top")
    ):  # fmt: skip
        ax.text(0.00142, value, text, va=side, size=style.SMALL, color=style.GREY)
    for value in (best, four):
        ax.axhline(value, color=style.GREY, linewidth=0.9, linestyle=style.DASHES[2])
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(grid))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(grid, [".0015", ".003", ".006", ".012"])
    ax.set(xlabel="learning rate", ylabel="reached: score − .1 KL", ylim=(0.57, best + 0.032))
    ax.legend(loc="lower left", ncols=2, fontsize=style.SMALL)
    return figure


def frontier(run):
    """The referee's share against KL, on a logarithmic scale, with the seeds."""
    figure = Figure(figsize=(style.WIDTH, 3.2))
    ax = figure.subplots()
    main, more = run.seeds("over-seeds"), run.seeds("more")
    lines = (
        ("best of n", [(main, f"best of {n}", f"{n}") for n in (2, 4, 16)]),
        ("DPO", [(more, "dpo 3", "3"), (main, "dpo 1", "1"), (more, "dpo 0.3", ".3")]),
        ("REINFORCE", [(more, "mean 0.003", ""), (main, "mean", ""), (more, "mean 0.012", "")]),
        ("PPO", [(more, "ppo 0.0015", ""), (main, "ppo", ""), (main, "pushed", "pushed")]),
        ("imitation", [(main, "imitate 4", "4"), (more, "imitate 16", "16")]),
    )  # fmt: skip
    for k, (label, points) in enumerate(lines):
        seeds = [reached(runs, name) for runs, name, _ in points]
        means = [
            (fmean(kl for _, kl, _ in rows), fmean(share for share, *_ in rows)) for rows in seeds
        ]
        color = style.SERIES[k]
        ax.plot(*zip(*means, strict=True), color=color, marker=style.MARKERS[k], markersize=4.5,
                linestyle=style.DASHES[k], label=label)  # fmt: skip
        for rows in seeds:
            ax.plot([kl for _, kl, _ in rows], [share for share, *_ in rows], color=color,
                    marker="x", markersize=3, markeredgewidth=0.7, linestyle="none")  # fmt: skip
        shift = (-4, 4) if label == "best of n" else (0, -13)
        for (kl, share), (*_, text) in zip(means, points, strict=True):
            ax.annotate(text, (kl, share), shift, textcoords="offset points", size=style.SMALL,
                        ha="right" if shift[0] else "center", color=color)  # fmt: skip
    start = fmean(float(one.rows(r"^reference +\| +([\d.]+) ")[0]) for one in main)
    ax.axhline(start, color=style.GREY, linewidth=0.9, linestyle=style.DASHES[2])
    ax.text(
        4.2, start + 0.006, "the reference, at 0", ha="right", size=style.SMALL, color=style.GREY
    )
    ax.set_xscale("log")
    ax.set_xticks([0.2, 0.5, 1, 2, 4], [".2", ".5", "1", "2", "4"])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set(xlabel="KL to the reference (nats a name)", ylabel="a girl's, says the referee",
           xlim=(0.15, 4.4))  # fmt: skip
    ax.legend(loc="lower right", fontsize=style.SMALL, bbox_to_anchor=(1, 0.08))
    return figure
