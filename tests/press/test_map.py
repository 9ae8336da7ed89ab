"""The map of the book is readable, at ten chapters and at sixty."""

import random
from importlib.util import module_from_spec, spec_from_file_location
from itertools import combinations
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from press.figures import style
from recorder.layout import ROOT

NAMES = ("microtokenizer", "microgpt", "microembedding", "microattention", "micromultihead")
TIERS = ("01-foundations", "02-alignment", "03-systems", "04-agents")


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    spec = spec_from_file_location("map_of_the_book", ROOT / "book/figures/front/map.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def book(size: int) -> list[dict[str, Any]]:
    """Chapters that build on two hubs and on each other, as a real book's do."""
    draw, made = random.Random(size), []
    for place in range(size):
        before = [chapter["document"].split("/")[1] for chapter in made]
        needs = draw.sample(before, min(place, draw.choice([0, 1, 2])))
        needs += [before[1]] if place > 2 and draw.random() < 0.5 else []
        name = f"{draw.choice(NAMES)}{place}"
        tier = TIERS[place * len(TIERS) // size]
        made.append({"document": f"{tier}/{name}", "number": place + 1, "builds_on": set(needs)})
    return made


@pytest.mark.parametrize("size", [4, 10, 30, 60])
def test_no_word_of_the_map_stands_on_another_and_no_line_crosses_one(
    drawing: ModuleType, size: int
) -> None:
    style.use()
    figure = drawing.chapters(SimpleNamespace(chapters=book(size)))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = figure.get_size_inches()
    assert width <= style.WIDTH and height <= drawing.TALL + 0.01
    [ax] = figure.axes
    words = [text.get_window_extent(canvas.get_renderer()) for text in ax.texts]
    assert len(words) == 2 * size + len({c["document"][:2] for c in book(size)})
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in words)
    clash = [pair for pair in combinations(words, 2) if pair[0].overlaps(pair[1])]
    assert not [pair for pair in clash if overlap(*pair) > 0.25], "words overlap"
    ends = [point for line in ax.lines for point in ax.transData.transform(line.get_xydata())]
    assert not [1 for x, y in ends for box in words if box.contains(x, y)], "a line ends in a word"


def overlap(one: Any, other: Any) -> float:
    """How much of a line's height two words share; descenders may reach the next line's room."""
    return float((min(one.y1, other.y1) - max(one.y0, other.y0)) / one.height)


def test_no_two_lines_share_a_piece_of_a_lane(drawing: ModuleType) -> None:
    draw = random.Random(1)
    spans = {str(i): tuple(sorted(draw.sample(range(60), 2))) for i in range(80)}
    lane = drawing.lanes(spans)
    for one, other in combinations(spans, 2):
        if lane[one] == lane[other]:
            (a, b), (c, d) = spans[one], spans[other]
            assert b < c or d < a, (one, other)


def test_what_follows_from_two_lines_in_a_row_is_not_drawn(drawing: ModuleType) -> None:
    chapters = [
        {"document": "01-a/one", "number": 1, "builds_on": []},
        {"document": "01-a/two", "number": 2, "builds_on": ["one"]},
        {"document": "01-a/three", "number": 3, "builds_on": ["one", "two"]},
    ]
    assert drawing.bare(chapters) == {"one": [], "two": ["one"], "three": ["two"]}
