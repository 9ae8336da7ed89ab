"""The map of the book: which chapter builds on which."""

from press.figures import style

ROW = 0.235  # inches from one line to the next
TALL = 8.4  # inches: what a page has room for; more lines stand closer
NUMBER, NAME, LETTER = 0.3, 0.38, 0.064  # where numbers end and names begin; a letter's width
LANE = 0.13  # inches from one lane of lines to the next
CORNER = 0.2  # of a row: a line leaves so much below its chapter's middle, and arrives above


def bare(chapters):
    """What each chapter builds on without what follows from the rest: no line stands twice."""
    needs, reach = {}, {}
    for chapter in chapters:
        name = chapter["document"].split("/")[1]
        farther = set().union(*(reach[needed] for needed in chapter["builds_on"]))
        reach[name] = farther | set(chapter["builds_on"])
        needs[name] = [needed for needed in chapter["builds_on"] if needed not in farther]
    return needs


def rows(chapters):
    """The lines of the map, from the top: a tier without a number, then its chapters."""
    lines, tier = [], ""
    for chapter in sorted(chapters, key=lambda chapter: chapter["number"]):
        home, name = chapter["document"].split("/")
        if home != tier:
            tier = home
            lines.append(("", home[3:].replace("-", " ").capitalize()))
        lines.append((str(chapter["number"]), name))
    return lines


def lanes(spans):
    """The lane of each span of lines, short ones nearest: no two share a piece of a lane."""
    taken, lane = [], {}
    for name, (first, last) in sorted(spans.items(), key=lambda span: span[1][1] - span[1][0]):
        free = (
            place
            for place, held in enumerate(taken)
            if all(last < begin or first > end for begin, end in held)
        )
        lane[name] = next(free, len(taken))
        taken += [[]] if lane[name] == len(taken) else []
        taken[lane[name]].append((first, last))
    return lane


def chapters(run):
    lines, needs = rows(run.chapters), bare(run.chapters)
    place = {name: row for row, (number, name) in enumerate(lines) if number}
    leads = {name: [other for other in needs if name in needs[other]] for name in place}
    spans = {
        name: (min(ends), max(ends))
        for name, others in leads.items()
        if others and (ends := [place[name], *(place[other] for other in others)])
    }
    lane = lanes(spans)
    step = min(ROW, TALL / len(lines))
    right = NAME + LETTER * max(len(name) for name in place) + LANE
    tracks = max(lane.values(), default=0) + 1
    apart = min(LANE, (style.WIDTH - right) / (tracks + 1))
    figure, ax = style.diagram(step * len(lines), right + apart * (tracks + 1))

    def y(name, off=0.0):
        return step * (len(lines) - place[name] - 0.5 - off)

    for row, (number, name) in enumerate(lines):
        middle = step * (len(lines) - row - 0.5)
        if number:
            ax.text(NUMBER, middle, number, ha="right", va="center_baseline", color=style.ACCENT)
            ax.text(NAME, middle, name, va="center_baseline")
        else:
            ax.text(0.1, middle, name, va="center_baseline", weight="bold")
    for name, track in lane.items():
        x, colour = right + apart * (track + 1), style.SERIES[track % len(style.SERIES)]
        ends = [y(name, CORNER), *(y(other, -CORNER) for other in leads[name])]
        begin = NAME + LETTER * len(name) + 0.08
        look = {"color": colour, "lw": 0.9, "ls": "-"}
        ax.plot([begin, x, x], [ends[0], ends[0], min(ends)], **look)
        ax.plot([x, x], [ends[0], max(ends)], **look)
        for other, end in zip(leads[name], ends[1:], strict=True):
            tip = NAME + LETTER * len(other) + 0.05
            style.arrow(ax, (x, end), (tip, end), color=colour, lw=0.9)
            ax.plot(x, end, "o", ms=2.6, color=colour)
    return figure
