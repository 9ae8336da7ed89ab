"""Facts are computed with as with a pencil, and nothing but arithmetic is."""

import statistics
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from press.directives.arithmetic import checked, holds, names, number, parse, shown, with_numbers
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


# --- Over seeds

SEEDED = {
    "a": {0: "2.1", 1: "2.2", 2: "2.15", 3: "2.18"},
    "b": {3: "2.05", 1: "2.12", 2: "2.1", 0: "2.0"},  # paired by seed, not by place
    "short": {0: "1", 1: "2"},
    "words": {0: "1", 1: "gpt", 2: "3", 3: "4"},
    "one": "2.0",
    "close": "2.0004",
    "tiny": "1.1e-16",
}
NUMBERS = st.lists(st.decimals(-1000, 1000, allow_nan=False, places=3), min_size=2, max_size=6)


def fact(name: str) -> "str | dict[int, str]":
    if name not in SEEDED:
        raise BookError(f"no fact {name}")
    return SEEDED[name]


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("mean(a - b) | 0.3f", "0.090"),
        ("mean(a) - mean(b) | 0.3f", "0.090"),
        ("least(a - b) | .2f", ".05"),
        ("greatest(a - b) | .2f", ".13"),
        ("error(a - b) | .4f", ".0168"),
        ("mean(b - a) | .2f", "−.09"),
        ("mean(abs(b - a)) | .2f", ".09"),
        ("mean(max(a, b, one)) | .4f", "2.1575"),
        ("mean(100 * (a - one) / one) | .1f", "7.9"),
        ("mean(round(a, 1)) | .2f", "2.18"),
        ("mean(-a) | .4f", "−2.1575"),
    ],
)
def test_facts_over_seeds(text: str, printed: str) -> None:
    assert shown(text, fact) == printed


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "{fact}a",
            "is a number for each of the seeds 0, 1, 2, 3; print one, as in {fact}`mean(a)",
        ),
        (
            "{fact}a - b | .1f",
            "'a - b' is a number for each of the seeds 0, 1, 2, 3; say mean(a - b)",
        ),
        ("a > b", "'a' is a number for each of the seeds 0, 1, 2, 3; say mean(a), least(a), "),
        (
            "mean(a - short) > 0",
            "'a - short' pairs facts of other seeds, 0, 1, 2, 3 and 0, 1; give",
        ),
        ("mean(max(a, short)) > 0", "'max(a, short)' pairs facts of other seeds"),
        ("mean(one) > 0", "'one' in 'mean(one)' is one number; mean takes a fact of an experiment"),
        ("mean(2) > 0", "'2' in 'mean(2)' is one number"),
        ("mean(mean(a)) > 0", "'mean(a)' in 'mean(mean(a))' is one number"),
        ("mean(a, b) > 0", "'mean(a, b)' is no arithmetic on facts"),
        ("mean(words) > 0", "the fact 'words' is 'gpt', which is no number to compute with"),
        ("mean(a / 0) > 0", "'a / 0' cannot be computed"),
        ("least(a - b) > 1", "the claim least(a - b) > 1 is false: .05 > 1"),
        ("mean(a) / 3 > 1", "the claim mean(a) / 3 > 1 is false: 2.16 / 3 > 1"),
        ("mean(a - b) > 0.09", "is false: .09 > 0.09"),
        ("mean > 0", "no fact mean"),
    ],
)
def test_what_is_wrong_with_seeds_is_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BookError) as raised:
        shown(text[6:], fact) if text.startswith("{fact}") else checked(text, fact)
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("text", "numbers", "brief", "seeds"),
    [
        ("mean(a - b) > 2 * error(a - b)", ".09 > 2 × .0168", ".09 > .0337", (0, 1, 2, 3)),
        ("least(a - b) > 0", ".05 > 0", ".05 > 0", (0, 1, 2, 3)),
        (
            "mean(a) > one and least(short) >= 1",
            "2.16 > 2.0 and 1 ≥ 1",
            "2.16 > 2; 1 ≥ 1",
            (0, 1, 2, 3),
        ),
        ("one < close", "2.0 < 2.0004", "2 < 2.0004", ()),  # as many digits as show it
        ("mean(b) + 0.0901 > mean(a)", "2.0675 + 0.0901 > 2.1575", "2.1576 > 2.1575", (3, 1, 2, 0)),
        ("tiny < 1e-12", "1.1\u00a0×\u00a010⁻¹⁶ < 10⁻¹²", "1.1\u00a0×\u00a010⁻¹⁶ < 10⁻¹²", ()),
        ("10 * one - 5 != 15.5", "10 × 2.0 − 5 ≠ 15.5", "15 ≠ 15.5", ()),
    ],
)
def test_what_a_claim_shows(text: str, numbers: str, brief: str, seeds: tuple[int, ...]) -> None:
    claim = checked(text, fact)
    assert (claim.claim, claim.numbers, claim.brief, claim.seeds) == (text, numbers, brief, seeds)


@given(NUMBERS)
def test_reductions_are_those_of_the_library(values: list[Decimal]) -> None:
    facts = {"x": {seed: str(value) for seed, value in enumerate(values)}}
    found = {name: number(parse(f"{name}(x)"), facts) for name in ("mean", "error")}
    assert float(found["mean"]) == pytest.approx(float(statistics.mean(values)), abs=1e-12)
    error = float(statistics.stdev(values)) / len(values) ** 0.5
    assert float(found["error"]) == pytest.approx(error, abs=1e-12)
    assert number(parse("least(x)"), facts) == min(values)
    assert number(parse("greatest(x) - least(x)"), facts) == max(values) - min(values)


@given(NUMBERS, st.randoms())
def test_a_difference_is_paired_by_seed(values: list[Decimal], chance) -> None:
    """Whatever the order of the seeds, x - (x + 1) is -1 with each, and has no error."""
    seeds = list(range(len(values)))
    chance.shuffle(seeds)
    facts = {
        "x": {seed: str(value) for seed, value in enumerate(values)},
        "y": {seed: str(values[seed] + 1) for seed in seeds},
    }
    assert holds(parse("least(x - y) == -1 and greatest(x - y) == -1 and error(x - y) == 0"), facts)


@given(NUMBERS, NUMBERS)
def test_a_true_claim_is_seen_to_be_true(one: list[Decimal], other: list[Decimal]) -> None:
    low, high = sorted([one[0] / 3, other[0] / 3])
    if low < high:
        claim = checked("low < high", {"low": str(low), "high": str(high)}.__getitem__)
        left, right = claim.brief.split(" < ")
        assert left != right
