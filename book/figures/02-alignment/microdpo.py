"""Figures of the chapter microdpo."""

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from press.figures import style

ROW = (
    r"^{} +([\d.]+) +\| +([\d.]+) +([\d.]+) \| "
    r"+([-+][\d.]+) +([-+][\d.]+) [\d.]+ \| +[\d.]+ +([\d.]+) "
)
REAL = r"^real, girls' +\| +([\d.]+) .*\| +[\d.]+ ([\d.]+) "


def tilt(run):
    """The example for pencil and paper: a reference, and the best policies for two betas."""
    figure = Figure(figsize=(style.WIDTH, 1.9))
    figure.get_layout_engine().set(wspace=0.12)
    groups = (
        ("reference", ("1/2", "1/4", "1/4")),
        ("$\\beta = 1$", ("1/4", "1/4", "1/2")),
        ("$\\beta = 1/2$", ("1/11", "2/11", "8/11")),
    )
    for k, (ax, (title, texts)) in enumerate(
        zip(figure.subplots(1, 3, sharey=True), groups, strict=True)
    ):
        heights = [int(text.split("/")[0]) / int(text.split("/")[1]) for text in texts]
        color = style.ACCENT if k else style.GREY
        ax.bar(range(3), heights, width=0.6, color=color)
        for x, (height, text) in enumerate(zip(heights, texts, strict=True)):
            ax.text(x, height + 0.02, text, ha="center")
        ax.set_title(title)
        ax.set_xticks(range(3), ["$r = 0$", r"$\ln 2$", r"$\ln 4$"])
        ax.tick_params(length=0)
        ax.set_ylim(0, 0.9)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
    return figure


def frontier(run):
    """Share judged a girl's against KL per name, for every policy of the run."""
    figure = Figure(figsize=(style.WIDTH, 3.0))
    ax = figure.subplots()
    start = float(run.fact(r"^reference +\| +([\d.]+) +0\.00 "))
    rows = sorted((kl, share, beta) for beta, share, kl, *_ in run.rows(ROW.format("dpo")))
    ax.plot([0, *[r[0] for r in rows]], [start, *[r[1] for r in rows]], label="DPO",
            color=style.SERIES[0], marker=style.MARKERS[0], linestyle=style.DASHES[0])  # fmt: skip
    # of 250 samples: two standard errors each way
    errors = [2 * (share * (1 - share) / 250) ** 0.5 for _, share, _ in rows]
    ax.errorbar([r[0] for r in rows], [r[1] for r in rows], errors, linestyle="none",
                color=style.SERIES[0], elinewidth=0.8, capsize=2)  # fmt: skip
    for kl, share, beta in rows:
        ax.annotate(f"{beta:g}", (kl, share), (4, -10), textcoords="offset points",
                    color=style.SERIES[0], size=style.SMALL)  # fmt: skip
    best = run.rows(r"^best of +(\d+) \| +([\d.]+) +([\d.]+) ")
    ax.plot([0, *[b[2] for b in best]], [start, *[b[1] for b in best]], label="best of n",
            color=style.SERIES[2], marker=style.MARKERS[2], linestyle=style.DASHES[1])  # fmt: skip
    for n, share, kl in best:
        ax.annotate(f"{n}", (kl, share), (-4, 4), textcoords="offset points", ha="right",
                    color=style.SERIES[2], size=style.SMALL)  # fmt: skip
    free = run.rows(ROW.format("no ref"))
    ax.plot([r[2] for r in free], [r[1] for r in free], label="DPO, no reference", linestyle="none",
            color=style.SERIES[1], marker=style.MARKERS[1], markersize=5)  # fmt: skip
    for beta, share, kl, *_ in free:
        ax.annotate(f"{beta:g}", (kl, share), (5, -10), textcoords="offset points",
                    color=style.SERIES[1], size=style.SMALL)  # fmt: skip
    tuned = run.rows(r"^fine-tuned +\| +([\d.]+) +([\d.]+) ")
    ax.plot([t[1] for t in tuned], [t[0] for t in tuned], label="fine-tuned", linestyle="none",
            color=style.SERIES[3], marker=style.MARKERS[3], markersize=5)  # fmt: skip
    real = run.rows(REAL)[0][0]
    ax.axhline(real, color=style.GREY, linewidth=0.9, linestyle=style.DASHES[2])
    ax.set(
        xlabel="KL to the reference (nats a name)",
        ylabel="judged a girl's",
        xlim=(-0.05, 1.08 * rows[-1][0]),
    )
    ax.set_ylim(None, 1.02)
    ax.legend(loc="lower right")
    return figure


def displaced(run):
    """Held-out log-probabilities and the share of names in -a, against beta."""
    figure = Figure(figsize=(style.WIDTH, 2.5))
    left, right = figure.subplots(1, 2)
    betas, _, _, chosen, rejected, in_a = zip(*run.rows(ROW.format("dpo")), strict=True)
    for values, label, k in ((chosen, "chosen", 0), (rejected, "rejected", 1)):
        left.plot(betas, values, label=label, color=style.SERIES[k], marker=style.MARKERS[k],
                  linestyle=style.DASHES[k])  # fmt: skip
    left.axhline(0, color=style.GREY, linewidth=0.6)
    left.set(ylabel="change of log-probability (nats)")
    left.legend(loc="lower left")
    right.plot(betas, in_a, color=style.SERIES[0], marker=style.MARKERS[0])
    right.axhline(run.rows(REAL)[0][1], color=style.GREY, linewidth=0.9, linestyle=style.DASHES[2])
    right.set(ylabel="share of names in -a", ylim=(0, 1))
    for ax in (left, right):
        ax.set_xscale("log")
        ax.set_xlim(14, 0.07)
        ax.set_xticks(betas, [f"{beta:g}" for beta in betas])
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_xlabel("beta")
        ax.grid(axis="y")
    return figure
