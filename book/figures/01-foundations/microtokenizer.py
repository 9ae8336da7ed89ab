"""Figures of the chapter microtokenizer."""

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter

from press.figures import style

ROW = r"^ *(\d+) \| (\S+) \| (\S+) \| (\S+) \| +(\S+) \| (\S+) \| (\S+) \| +\d+$"  # merges, curves


def cuts(run):
    """The sentence as boxes, a token each, for four sizes of vocabulary."""
    rows = [row for row in run.rows(r"^cut +(\d+) \| (.+)$") if row[0] in (0, 125, 500, 2000)]
    letters = sum(len(token) for token in rows[0][1].split("|"))
    figure, ax = style.diagram(0.2 + 0.42 * len(rows))
    left, gap = 0.82, 0.035
    width = (style.WIDTH - left - 0.06) / letters
    for k, (merges, text) in enumerate(rows):
        y = 0.42 * (len(rows) - k) - 0.14
        ax.text(left - 0.12, y, f"{merges} merges", ha="right", va="center_baseline",
                color=style.GREY, size=style.SMALL)  # fmt: skip
        x = left
        for token in text.split("|"):
            long = len(token) * width
            edge = style.GREY if len(token) == 1 else style.ACCENT
            style.box(ax, x + long / 2, y, "", width=long - gap, height=0.28, ec=edge)
            for i, letter in enumerate(token):
                ax.text(
                    x + (i + 0.5) * width, y, letter.replace(" ", "_"), ha="center",
                    va="center_baseline", family="monospace", size=style.SIZE,
                    color=style.GREY if letter == " " else style.INK,
                )  # fmt: skip
            x += long
    return figure


def trees(run):
    """The worked example: each piece's letters, and the merges that join them."""
    figure, ax = style.diagram(1.75)
    step, y0, rise = 0.205, 0.42, 0.3
    pieces = [
        ("she", {}),
        ("_sells", {"1": (0, 1, 1), "2": (2, 3, 1), "3": (4, 5, 1), "4": ("2", "3", 2)}),
        ("_sea", {"1": (0, 1, 1)}),
        ("_shells", {"1": (0, 1, 1), "2": (3, 4, 1), "3": (5, 6, 1), "4": ("2", "3", 2)}),
    ]
    names = {"1": "_s", "2": "el", "3": "ls", "4": "ells"}
    space = (style.WIDTH - 0.3 - step * sum(len(p) for p, _ in pieces)) / 3
    x = 0.15
    for piece, merges in pieces:
        tops = {i: (x + (i + 0.5) * step, y0 + 0.09) for i in range(len(piece))}
        for i, letter in enumerate(piece):
            ax.text(tops[i][0], y0, letter, ha="center", va="center_baseline",
                    family="monospace")  # fmt: skip
        for number, (a, b, level) in merges.items():
            (xa, ya), (xb, yb) = tops[a], tops[b]
            y = y0 + 0.12 + rise * level
            ax.plot([xa, xa, xb, xb], [ya + 0.05, y, y, yb + 0.05], color=style.ACCENT, lw=0.9,
                    linestyle="-")  # fmt: skip
            middle = (xa + xb) / 2
            ax.text(middle, y + 0.04, number, ha="center", va="bottom", color=style.RUST,
                    size=style.SMALL)  # fmt: skip
            tops[number] = (middle, y + 0.17)
        x += step * len(piece) + space
    ax.text(style.WIDTH / 2, 0.1,
            "   ".join(f"{number}: {name}" for number, name in names.items()),
            ha="center", color=style.RUST, size=style.SMALL, family="monospace")  # fmt: skip
    return figure


def bytes_per_token(run):
    """Bytes per token against merges: training, held-out, another text, whole words."""
    rows = run.rows(ROW)
    merges, train, held, other, words, *_ = zip(*rows, strict=True)
    figure = Figure(figsize=(style.WIDTH, 2.9))
    ax = figure.add_subplot()
    for k, (curve, label) in enumerate(
        [
            (train, "training text"),
            (held, "held-out chapters"),
            (other, "play"),
            (words, "whole words"),
        ]
    ):
        ax.plot(merges, curve, color=style.SERIES[k], linestyle=style.DASHES[k],
                marker=style.MARKERS[k], label=label)  # fmt: skip
    ceiling = float(run.fact(r"^no piece divided: held (\S+)$"))
    ax.axhline(ceiling, color=style.GREY, linewidth=0.8, linestyle=style.DASHES[2])
    ax.annotate("held-out pieces, none divided", (0, ceiling), (4, 3), va="bottom",
                textcoords="offset points", color=style.GREY)  # fmt: skip
    _sizes(ax, merges)
    ax.set(ylabel="bytes per token", ylim=(0.8, ceiling + 0.4))
    ax.set_xlim(0, merges[-1] * 1.06)
    style.name_lines(ax)
    return figure


def bits_per_byte(run):
    """Bits per byte against merges, with what a compressor needs."""
    rows = run.rows(ROW)
    merges, _, _, _, _, held, other = zip(*rows, strict=True)
    figure = Figure(figsize=(style.WIDTH, 2.4))
    ax = figure.add_subplot()
    for k, (curve, label) in enumerate([(held, "held-out chapters"), (other, "play")], start=1):
        ax.plot(merges, curve, color=style.SERIES[k], linestyle=style.DASHES[k],
                marker=style.MARKERS[k], label=label)  # fmt: skip
        low = min(range(len(curve)), key=curve.__getitem__)
        ax.plot(merges[low], curve[low], marker="o", markersize=9, markerfacecolor="none",
                markeredgecolor=style.INK, markeredgewidth=0.8, linestyle="none")  # fmt: skip
    lzma = float(run.fact(r"^lzma .* held (\S+)"))
    ax.axhline(lzma, color=style.GREY, linewidth=0.8, linestyle=style.DASHES[2])
    ax.annotate("lzma, held-out chapters", (0, lzma), (4, -3), va="top",
                textcoords="offset points", color=style.GREY)  # fmt: skip
    _sizes(ax, merges)
    ax.set(ylabel="bits per byte", ylim=(1.9, None))
    ax.set_xlim(0, merges[-1] * 1.06)
    style.name_lines(ax)
    return figure


def _sizes(ax, merges):
    """An axis of merges that doubles from tick to tick and still holds zero."""
    ax.set_xscale("symlog", base=2, linthresh=merges[1])
    ax.set_xticks([m for m in merges if m not in (15, 62, 4000)])
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("merges")
    ax.grid(axis="y")
