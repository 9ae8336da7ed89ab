"""Facts are computed with as with a pencil, and nothing but arithmetic is."""

import pytest

from press.directives.arithmetic import holds, names, number, parse, with_numbers
from recorder.errors import BookError

PRINTED = {
    "a": "0.1",
    "b": "0.2",
    "steps": "1,000",
    "tiny": "1.1e-16",
    "below": "-0.5",
    "lost": "nan",
    "word": "gpt",
    "other:loss": "2.5",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a + b", "0.3"),  # exactly, unlike floats
        ("100 * (b - a) / b", "50"),
        ("steps / 8", "125"),
        ("2 ** 3 - -1", "9"),
        ("tiny * 1e16", "1.1"),
        ("abs(below) + max(a, b) - min(a, b)", "0.6"),
        ("round(other:loss / 2, 1)", "1.2"),  # to even
        ("round(other:loss / 2)", "1"),
    ],
)
def test_values(text: str, value: str) -> None:
    tree = parse(text)
    assert set(names(tree)) <= set(PRINTED)
    assert number(tree, PRINTED) == number(parse(value), {})


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("a < b", True),
        ("a + b == 0.3", True),
        ("a < b < other:loss", True),
        ("a < b and b < a", False),
        ("b < a and a < b", False),
        ("steps >= 1_000", True),
        ("steps != 1000", False),
        ("below > 0", False),
        ("below <= -0.5", True),
    ],
)
def test_comparisons(text: str, true: bool) -> None:
    assert holds(parse(text), PRINTED) is true


def test_the_numbers_of_a_comparison_stand_as_printed() -> None:
    tree = parse("max(a, b) < 2 * other:loss and steps == 1000")
    assert names(tree) == ["a", "b", "other:loss", "steps"]
    assert with_numbers(tree, PRINTED) == "max(0.1, 0.2) < 2 × 2.5 and 1,000 = 1000"


@pytest.mark.parametrize(
    "text",
    [
        "a +",
        "a; b",
        "__import__('os')",
        "(lambda: 1)()",
        "'text'",
        "True + 1",
        "a if b else a",
        "[a][0]",
        "a // b",
        "a % b",
        "~a",
        "a < b",  # a comparison is no number
        "max(a, key=b)",
        "max(*a)",
        "a / 0",
        "below ** 0.5",
        "10 ** 10 ** 10",
        "round(a, b, a)",
        "lost + 1",
        "word + 1",
    ],
)
def test_what_is_no_arithmetic(text: str) -> None:
    with pytest.raises(BookError):
        number(parse(text), PRINTED)


@pytest.mark.parametrize("text", ["a", "a or b", "a < b or b < a", "not a < b", "a in b", "a is b"])
def test_what_is_no_comparison(text: str) -> None:
    with pytest.raises(BookError, match="no comparison"):
        holds(parse(text), PRINTED)
