"""Figures of the chapter microflash."""

import matplotlib.pyplot as plt
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from press.figures import style

NUMBER = r"([\d,]+)"


def _numbers(run, pattern):
    """The rows of a pattern whose groups are numbers with commas."""
    return [tuple(float(str(value).replace(",", "")) for value in row) for row in run.rows(pattern)]


def pebbles(run):
    """Two queries and two keys: which numbers lie where, kernel by kernel and key by key."""
    figure, ax = style.diagram(3.65)
    step, radius = 0.24, 0.078

    def pebble(x, y, colours):
        ax.add_patch(Rectangle((x - step / 2, y - step / 2), step, step, fc="none",
                               ec=style.HAIRLINE, lw=0.5))  # fmt: skip
        if "r" in colours:
            ax.add_patch(Circle((x, y), radius, fc=style.RUST, ec="none"))
        if "b" in colours:
            ax.add_patch(Circle((x, y), radius + 0.02, fc="none", ec=style.ACCENT, lw=1.3))

    # of each frame: q, k, v, the columns of scores, o, L; then what moves
    naive = [
        ("rb", ["rb"] * 2, ["b"] * 2, ["rb"] * 2, "", "", "scores: 4 in, 4 out"),
        ("b", ["b"] * 2, ["b"] * 2, ["rb"] * 2, "", "", "weights: 4 in, 4 out"),
        ("b", ["b"] * 2, ["rb"] * 2, ["rb"] * 2, "rb", "", "output: 6 in, 2 out"),
    ]
    tiled = [
        ("rb", ["rb", "b"], ["rb", "b"], ["r", ""], "r", "r", "first key: 4 in"),
        ("rb", ["b", "rb"], ["b", "rb"], ["", "r"], "r", "r", "second key: 2 in"),
        ("b", ["b"] * 2, ["b"] * 2, ["", ""], "rb", "rb", "the end: 4 out"),
    ]
    for top, frames, title in ((3.28, naive, "naive: 24 moves"), (1.43, tiled, "tiled: 10 moves")):
        ax.text(0.03, top + 0.2, title, va="center")
        for i, (q, keys, values, columns, o, level, said) in enumerate(frames):
            x, y = 0.5 + i * 1.75, top - 1.02  # the cell of the second query and the first key
            for row in range(2):
                pebble(x - 1.4 * step, y + row * step, q)
                pebble(x + 2.4 * step, y + row * step, o)
                if frames is tiled:
                    pebble(x + 3.4 * step, y + row * step, level)
                for c in range(2):
                    pebble(x + c * step, y + row * step, columns[c])
            for c in range(2):
                pebble(x + c * step, y + 2.4 * step, keys[c])
                pebble(x + c * step, y + 3.4 * step, values[c])
            for name, left, height in (("q", -1.4, 2), ("o", 2.4, 2), ("L", 3.4, 2),
                                       ("k", -0.9, 2.4), ("v", -0.9, 3.4)):  # fmt: skip
                if name == "L" and frames is naive:
                    continue
                ax.text(x + left * step, y + (height + (0 if name in "kv" else -0.15)) * step,
                        f"${name}$", ha="center", va="center")  # fmt: skip
            ax.text(x - 1.9 * step, y - 0.95 * step, said, va="center")
    return figure


def stream(run):
    """The pencil example: the weights of the scores seen so far, after each score."""
    steps = [
        ([1], "1", "30"),
        ([1 / 4, 1], r"$\frac{1}{4}\cdot 1 + 1 = \frac{5}{4}$", "6"),
        ([1 / 4, 1, 1 / 2], r"$1\cdot\frac{5}{4} + \frac{1}{2} = \frac{7}{4}$", "60/7"),
        (
            [1 / 8, 1 / 2, 1 / 4, 1],
            r"$\frac{1}{2}\cdot\frac{7}{4} + 1 = \frac{15}{8}$",
            "12",
        ),
    ]
    said = ["score 1", "score 3: shrink by 1/4", "score 2: no shrinking", "score 4: shrink by 1/2"]
    figure, ax = style.diagram(2.05)
    panel = (style.WIDTH - 0.45) / 4
    for i, ((weights, total, average), text) in enumerate(zip(steps, said, strict=True)):
        left = 0.45 + i * panel
        ax.text(left, 1.88, text, size=style.SMALL, va="center")
        ax.plot([left, left + panel - 0.15], [0.72, 0.72], color=style.GREY, lw=0.5, ls="-")
        for k, weight in enumerate(weights):
            new = k == len(weights) - 1
            ax.add_patch(
                Rectangle(
                    (left + 0.06 + 0.25 * k, 0.72),
                    0.2,
                    0.95 * weight,
                    fc=style.ACCENT if new else style.SERIES[4],
                    ec="none",
                )
            )
            ax.text(left + 0.16 + 0.25 * k, 0.62, "1324"[k], ha="center", va="center",
                    size=style.SMALL, color=style.GREY)  # fmt: skip
        ax.text(left + 0.02, 0.38, total, va="center")
        ax.text(left + 0.02, 0.12, average, va="center", color=style.RUST)
    ax.text(0.0, 0.62, "score", size=style.SMALL, va="center", color=style.GREY)
    ax.text(0.0, 0.38, "sum", size=style.SMALL, va="center")
    ax.text(0.0, 0.12, "average", size=style.SMALL, va="center", color=style.RUST)
    return figure


def tiling(run):
    """Which tiles of Q, K, V and O are in the fast memory while one tile of S is there."""
    figure, ax = style.diagram(3.0)
    tile, n, x, y = 0.3, 6, 0.72, 0.2
    width = 0.34

    def cell(left, bottom, wide, high, fill, edge=style.HAIRLINE, **more):
        ax.add_patch(Rectangle((left, bottom), wide, high, fc=fill, ec=edge, lw=0.5, **more))

    here, there = 2, 1  # the query tile and the key tile that meet, from above and from left
    for r in range(n):
        bottom = y + (n - 1 - r) * tile
        chosen = r == here
        cell(x - width - 0.15, bottom, width, tile, style.SERIES[4] if chosen else style.GROUND)
        cell(x + n * tile + 0.15, bottom, width, tile, style.SERIES[4] if chosen else style.GROUND)
        for c in range(n):
            if c > r:
                cell(x + c * tile, bottom, tile, tile, style.PAPER, hatch="////", linestyle=":")
            elif r == here and c == there:
                cell(x + c * tile, bottom, tile, tile, style.ACCENT)
            else:
                cell(x + c * tile, bottom, tile, tile, style.PAPER, linestyle=":")
    for c in range(n):
        chosen = c == there
        for row in range(2):
            cell(
                x + c * tile,
                y + n * tile + 0.12 + row * (width + 0.06),
                tile,
                width,
                style.SERIES[4] if chosen else style.GROUND,
            )
    middle = y + (n - here - 0.5) * tile
    style.arrow(
        ax, (x + 0.05, middle + 0.0), (x + 3 * tile - 0.02, middle), color=style.RUST, zorder=5
    )
    names = {
        "$Q$": (x - 0.15 - width / 2, y + n * tile + 0.1),
        "$O$": (x + n * tile + 0.15 + width / 2, y + n * tile + 0.1),
    }
    for name, (a, b) in names.items():
        ax.text(a, b, name, ha="center", va="center")
    ax.text(x - 0.1, y + n * tile + 0.12 + width / 2, "$K^T$", ha="right", va="center")
    ax.text(x - 0.1, y + n * tile + 0.18 + 1.5 * width, "$V^T$", ha="right", va="center")
    right = x + n * tile + 0.72
    notes = [
        (
            2.25,
            style.SERIES[4],
            "in the fast memory: a tile of $Q$\nand $O$, a tile of $K$ and $V$",
        ),
        (1.65, style.ACCENT, "their tile of scores, made there\nand forgotten there"),
    ]
    for height, colour, text in notes:
        cell(right, height - 0.06, 0.14, 0.14, colour)
        ax.text(right + 0.22, height + 0.01, text, va="center", size=style.SMALL)
    cell(right, 1.05 - 0.06, 0.14, 0.14, style.PAPER, hatch="////", linestyle=":")
    ax.text(right + 0.22, 1.06, "in the future: skipped", va="center", size=style.SMALL)
    style.arrow(ax, (right - 0.02, 0.62), (right + 0.18, 0.62), color=style.RUST)
    ax.text(right + 0.22, 0.62, "the inner loop; then the next\ntile of queries",
            va="center", size=style.SMALL)  # fmt: skip
    return figure


def backward(run):
    """The backward loops: which tiles stay, and which run past, while one tile of P is there."""
    figure, ax = style.diagram(3.4)
    tile, n, x, y, wide = 0.28, 6, 1.2, 0.88, 0.3
    here, there = 3, 1  # the query tile and the key tile that meet, from above and from left

    def cell(left, bottom, width, height, fill, **more):
        ax.add_patch(Rectangle((left, bottom), width, height, fc=fill, ec=style.HAIRLINE, lw=0.5,
                               **more))  # fmt: skip

    for r in range(n):
        bottom = y + (n - 1 - r) * tile
        passing = style.RUST if r == here else style.GROUND
        for left in (x - 2 * wide - 0.16, x - wide - 0.1, x + n * tile + 0.1):
            cell(left, bottom, wide, tile, passing)
        for c in range(n):
            if (r, c) == (here, there):
                cell(x + c * tile, bottom, tile, tile, style.ACCENT)
            elif c > r:
                cell(x + c * tile, bottom, tile, tile, style.PAPER, hatch="////", linestyle=":")
            else:
                cell(x + c * tile, bottom, tile, tile, style.PAPER, linestyle=":")
    top = y + n * tile + 0.1
    rows = {"$K^T$": top, "$V^T$": top + wide + 0.06,
            r"$\mathrm{d}K^T$": y - 0.1 - wide,
            r"$\mathrm{d}V^T$": y - 0.16 - 2 * wide}  # fmt: skip
    for name, bottom in rows.items():
        for c in range(n):
            cell(x + c * tile, bottom, tile, wide, style.SERIES[4] if c == there else style.GROUND)
        ax.text(x + n * tile + 0.08, bottom + wide / 2, name, va="center")
    ax.text(x - 1.5 * wide - 0.16, top, "$Q$", ha="center")
    ax.text(x - 0.5 * wide - 0.1, top, r"$\mathrm{d}O$", ha="center")
    ax.text(x + n * tile + wide + 0.15, y + 0.14, r"$\mathrm{d}Q$", va="center")
    middle = x + (there + 0.5) * tile
    style.arrow(ax, (middle, y + (n - there) * tile - 0.04), (middle, y + 0.02),
                color=style.INK, zorder=5)  # fmt: skip
    right = x + n * tile + 0.75
    for height, fill, text in (
        (2.65, style.SERIES[4], "stays for one outer tile:\n$K$, $V$ and their gradients"),
        (2.05, style.RUST, "runs past: $Q$, $\\mathrm{d}O$ in,\n$\\mathrm{d}Q$ in and out again"),
        (1.45, style.ACCENT, "$P$ and $\\mathrm{d}S$, made there\nand forgotten there"),
    ):
        cell(right, height - 0.07, 0.14, 0.14, fill)
        ax.text(right + 0.22, height, text, va="center", size=style.SMALL)
    cell(right, 0.9, 0.14, 0.14, style.PAPER, hatch="////", linestyle=":")
    ax.text(right + 0.22, 0.97, "in the future: skipped", va="center", size=style.SMALL)
    return figure


def _powers(axis, values):
    axis.set_major_locator(FixedLocator(values))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def traffic(run):
    """Floats moved against N, and against M beside the law."""
    rows = _numbers(
        run,
        rf"^N +(\d+) M +{NUMBER} \| naive +{NUMBER} \+ +{NUMBER} \| tiled +{NUMBER} \+ +{NUMBER}",
    )
    usual = rows[0][1]  # M of the rows in which N changes
    lengths = [row[0] for row in rows if row[1] == usual]
    naive = [row[2] + row[3] for row in rows if row[1] == usual]
    tiled = [row[4] + row[5] for row in rows if row[1] == usual]
    fasts = [row for row in rows if row[1] != usual]
    figure, (left, right) = plt.subplots(1, 2, figsize=(style.WIDTH, 2.5), sharey=True)
    left.plot(lengths, naive, marker="o", label="naive")
    left.plot(lengths, tiled, marker="s", label="tiled")
    anchor = tiled[-1]
    left.plot(
        lengths,
        [anchor * (n / lengths[-1]) ** 2 for n in lengths],
        color=style.GREY,
        lw=0.7,
        ls="-",
    )
    left.text(lengths[1] * 1.25, anchor * (lengths[1] / lengths[-1]) ** 2 * 1.1, "slope 2",
              color=style.GREY, size=style.SMALL, va="top")  # fmt: skip
    left.set(xscale="log", yscale="log", xlabel="sequence length $N$", ylabel="floats moved")
    _powers(left.xaxis, lengths)
    for name, values, offset in (("naive", naive, 1.45), ("tiled", tiled, 1.5)):
        colour = style.SERIES[0] if name == "naive" else style.SERIES[1]
        left.text(lengths[1], values[1] * offset, name, color=colour, ha="right")
    memory = [row[1] for row in fasts]
    moved = [row[4] + row[5] for row in fasts]
    level = fasts[0][2] + fasts[0][3]
    right.axhline(level, color=style.SERIES[0], lw=1.3)
    right.text(memory[-1], level * 1.12, "naive", color=style.SERIES[0], ha="right")
    right.plot(memory, moved, marker="s", color=style.SERIES[1], ls=style.DASHES[1])
    right.plot(memory, [moved[-1] * memory[-1] / m for m in memory],
               color=style.GREY, lw=0.7, ls="-")  # fmt: skip
    right.text(
        memory[2] * 0.92, moved[2] * 0.85, "tiled", color=style.SERIES[1], ha="right", va="top"
    )
    right.text(memory[3] * 1.05, moved[-1] * memory[-1] / memory[3] * 1.12, "slope −1",
               color=style.GREY, size=style.SMALL)  # fmt: skip
    right.set(xscale="log", yscale="log", xlabel="fast memory $M$, at $N = 256$")
    _powers(right.xaxis, memory)
    return figure


def memory(run):
    """Peak memory against N, naive and tiled, beside slopes 2 and 1."""
    rows = _numbers(run, rf"^memory \| N +(\d+) \| naive +{NUMBER} KB \| tiled +{NUMBER} KB")
    lengths = [row[0] for row in rows]
    figure, ax = plt.subplots(figsize=(style.WIDTH * 0.85, 2.4))
    for k, (name, mark) in enumerate((("naive", "o"), ("tiled", "s")), 1):
        ax.plot(lengths, [row[k] / 1024 for row in rows], marker=mark, label=name)
    for k, power in ((1, 2), (2, 1)):  # guides through the last point of each way
        last = rows[-1][k] / 1024
        ax.plot(lengths, [last * (n / lengths[-1]) ** power for n in lengths],
                color=style.GREY, lw=0.7, ls="-", label="_guide")  # fmt: skip
        ax.annotate(f"slope {power}", (lengths[0], last * (lengths[0] / lengths[-1]) ** power),
                    (0, -4), textcoords="offset points", va="top", color=style.GREY,
                    size=style.SMALL)  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="sequence length $N$", ylabel="peak, MB",
           ylim=(0.07, 12))  # fmt: skip
    _powers(ax.xaxis, lengths)
    ax.yaxis.set_major_locator(FixedLocator([0.1, 1, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    style.name_lines(ax)
    return figure
