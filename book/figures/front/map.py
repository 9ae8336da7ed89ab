"""The map of the book: which chapter builds on which."""

from collections import defaultdict

from press.figures import style

BOX, HEIGHT = 1.0, 0.34  # inches
GAP = 0.66  # inches from one row of boxes to the next
LINES = ["-", "--", ":"]  # of the boxes of each part


def depths(chapters):
    """How many steps lead to each chapter: one more than to the farthest it builds on."""
    depth = {}
    for chapter in chapters:  # in reading order, so what it builds on is there
        name = chapter["document"].split("/")[1]
        depth[name] = 1 + max((depth[needed] for needed in chapter["builds_on"]), default=-1)
    return depth


def bare(chapters):
    """What each chapter builds on without what follows from the rest: no arrow stands twice."""
    needs, reach = {}, {}
    for chapter in chapters:
        name = chapter["document"].split("/")[1]
        farther = set().union(*(reach[needed] for needed in chapter["builds_on"]))
        reach[name] = farther | set(chapter["builds_on"])
        needs[name] = [needed for needed in chapter["builds_on"] if needed not in farther]
    return needs


def chapters(run):
    depth, needs = depths(run.chapters), bare(run.chapters)
    tiers = sorted({chapter["document"].split("/")[0] for chapter in run.chapters})
    rows = defaultdict(list)
    for chapter in run.chapters:
        tier, name = chapter["document"].split("/")
        rows[depth[name]].append((tier, name))
    height = GAP * (len(rows) - 1) + HEIGHT + 0.1
    figure, ax = style.diagram(height)
    boxes = {}
    for level, row in rows.items():
        for place, (tier, name) in enumerate(row):
            part = tiers.index(tier)
            look = {"ec": style.SERIES[part], "ls": LINES[part], "lw": 1.1}
            x = style.WIDTH * (place + 0.5) / len(row)
            y = height - 0.05 - HEIGHT / 2 - GAP * level
            boxes[name] = style.box(ax, x, y, name, BOX, HEIGHT, **look)
    for name, earlier in needs.items():
        for needed in earlier:
            style.arrow(ax, boxes[needed], boxes[name])
    return figure
