"""Figures of the chapter microrope."""

from math import cos, pi, sin
from statistics import fmean

from matplotlib.figure import Figure
from matplotlib.patches import Circle, Wedge

from press.figures import style

BANDS = ["up to 6", "7 and 8", "9 and more"]
WAYS = ["none", "learned", "sinusoidal", "rotary", "ALiBi", "learned bias"]
SEEN = 6  # hardly any short word has two places so far apart


def losses(run, who):
    """The losses of one row of the table, a band each."""
    if who.startswith("counts"):
        pattern = rf"^{who} +\| +(\S+) +\| +(\S+) +\| +(\S+)$"
    else:
        pattern = rf"^{who} +\| +(\S+) +\S+% \| +(\S+) +\S+% \| +(\S+) +\S+%$"
    [row] = run.rows(pattern)
    return [float(v) for v in row]


def look(k):
    """The colour and dashes of the k-th line; a sixth is grey."""
    colours = [*style.SERIES, style.GREY]
    return {"color": colours[k], "linestyle": style.DASHES[k % len(style.DASHES)]}


def clock(run):
    """Two hands, a query's and a key's, at places 1 and 3 and at places 4 and 6."""
    figure, ax = style.diagram(1.9)
    for x, m, n in ((1.4, 1, 3), (3.8, 4, 6)):
        y, radius, start = 1.05, 0.62, 10
        ends = {"q": start + 40 * m, "k": start + 40 * n}
        ax.add_patch(Circle((x, y), radius, fc="none", ec=style.HAIRLINE, lw=0.8))
        ax.add_patch(Wedge((x, y), 0.26, ends["q"], ends["k"], fc=style.GROUND, ec=style.GREY,
                           lw=0.6))  # fmt: skip
        for (name, angle), place in zip(ends.items(), (m, n), strict=True):
            t = angle * pi / 180
            colour = style.ACCENT if name == "q" else style.RUST
            style.arrow(ax, (x, y), (x + radius * cos(t), y + radius * sin(t)), color=colour,
                        lw=1.6 if name == "q" else 1.1)  # fmt: skip
            ax.text(x + 0.8 * cos(t), y + 0.76 * sin(t), f"{name} at {place}", ha="center",
                    va="center", color=colour)  # fmt: skip
    ax.text(2.6, 0.13, "both hands have moved on by three places; the angle is the same",
            ha="center", color=style.GREY, size=style.SMALL)  # fmt: skip
    return figure


def by_length(run):
    """Held-out loss against the length of the words, six ways and the count."""
    figure = Figure(figsize=(style.WIDTH, 3.3))
    ax = figure.subplots()
    runs = run.seeds("over-seeds")
    for k, who in enumerate(WAYS):
        table = [losses(one, who) for one in runs]
        for x, band in enumerate(zip(*table, strict=True)):
            ax.scatter([x] * len(band), band, s=7, color=look(k)["color"], alpha=0.6, lw=0)
        ax.plot(range(3), [fmean(band) for band in zip(*table, strict=True)], label=who, **look(k))
    means = [fmean(band) for band in zip(*(losses(one, "counts, told") for one in runs),
                                         strict=True)]  # fmt: skip
    ax.plot(range(3), means, color=style.INK, lw=0.9, ls=":", label="counts, told")
    ax.set_xticks(range(3), BANDS)
    ax.set(xlabel="letters of the word", ylabel="held-out loss (nats)", ylim=(0, None))
    ax.grid(axis="y")
    style.name_lines(ax)
    return figure


def by_sound(run):
    """Held-out loss of each sound of the longest words, the mean over seeds."""
    figure = Figure(figsize=(style.WIDTH, 2.9))
    ax = figure.subplots()
    chosen = ["none", "learned", "rotary", "ALiBi"]
    for who in chosen:
        rows = [one.rows(rf"^{who} +\| sound by sound (.+)$")[0] for one in run.seeds("over-seeds")]
        table = [list(map(float, str(row).split())) for row in rows]
        means = [fmean(column) for column in zip(*table, strict=True)]
        ax.plot(range(1, len(means) + 1), means, label=who, **look(WAYS.index(who)))
    ax.set(xlabel="sound of a word of nine letters or more", ylabel="held-out loss (nats)",
           ylim=(0, None))  # fmt: skip
    ax.set_xticks(range(1, len(means) + 1))
    ax.grid(axis="y")
    style.name_lines(ax)
    return figure


def fade(run):
    """What a rotation leaves of a score, by distance, for three bases."""
    figure = Figure(figsize=(style.WIDTH, 2.5))
    ax = figure.subplots()
    rows = run.rows(r"^turn by base +([\d,]+) \| (.+)$")
    for k, (base, cells) in enumerate(rows):
        means = list(map(float, str(cells).split()))
        label = f"base {int(str(base).replace(',', '')):,}"
        ax.plot(range(len(means)), means, label=label, marker=style.MARKERS[k],
                color=style.SERIES[k], linestyle=style.DASHES[k])  # fmt: skip
    ax.axvspan(SEEN, len(means) - 1, color=style.HAIRLINE, alpha=0.4, lw=0)
    ax.axhline(0, color=style.GREY, lw=0.5, ls="-")
    ax.annotate("hardly met\nin training", (SEEN, -0.42), (4, 0), textcoords="offset points",
                color=style.GREY, size=style.SMALL, va="bottom")  # fmt: skip
    ax.set(xlabel="distance", ylabel="mean cosine", ylim=(-0.45, 1.05))
    style.name_lines(ax)
    return figure


def restart(run):
    """Loss on short and on long words, with places that begin again and that go on."""
    figure = Figure(figsize=(style.WIDTH, 2.8))
    axes = figure.subplots(1, 2, sharey=True)
    again, on = run.seeds("over-seeds"), run.seeds("absolute")
    for ax, band, title in zip(axes, (0, 2), ("up to 6 letters", "9 letters and more"),
                               strict=True):  # fmt: skip
        for k, who in enumerate(WAYS):
            if who == "sinusoidal":
                continue
            # who is told nothing cannot notice where places begin
            sides = again, again if who == "none" else on
            table = [[losses(one, who)[band] for one in side] for side in sides]
            for x, values in enumerate(table):
                ax.scatter([x] * len(values), values, s=7, color=look(k)["color"], alpha=0.6, lw=0)
            ax.plot((0, 1), [fmean(values) for values in table], label=who, **look(k))
        ax.set_xticks((0, 1), ["begin again", "go on"])
        ax.set(title=title, xlim=(-0.15, 1.15), ylim=(0, 4.7))
        ax.grid(axis="y")
    axes[0].set_ylabel("held-out loss (nats)")
    axes[0].legend(loc="upper left")
    return figure
