"""Who exceeds a budget is named, and fails where nothing excuses it."""

import json

import pytest

from recorder import budget
from tests.workshop import TIER, Workshop

MAIN, MORE = "one", "one--more"


def recorded_as(book: Workshop, seconds: dict[str, float], **fields: object) -> None:
    """Give the records of the book these seconds, and these fields."""
    for name, user in seconds.items():
        record = {"user_seconds": user, "peak_memory": 1e8, "implementation": "CPython"}
        record |= {"python": "3.13.1", **fields}
        book.write(f"build/runs/{TIER}/{name}.json", json.dumps(record))


@pytest.fixture
def book(workshop: Workshop) -> Workshop:
    workshop.script("one", "print(1)")
    workshop.chapter("one", "experiments: {more: {set: {A: 1}}, long: {set: {A: 2}, long: true}}")
    return workshop


@pytest.mark.parametrize(
    ("seconds", "fields", "told", "fails"),
    [
        ((30, 40), {}, "", False),
        ((31, 1), {}, "its main run takes 31 s of 30.", False),
        ((29, 42), {}, "all its runs take 71 s of 70.", False),
        ((61, 1), {}, "its main run takes 61 s of 30.", True),
        ((29, 112), {}, "all its runs take 141 s of 70.", True),
        ((1, 1), {"peak_memory": 6e8}, "a run takes 600 MB of 500.", True),
    ],
)
def test_who_exceeds_a_budget_is_told_of_and_fails_beyond_twice(
    book: Workshop,
    seconds: tuple[int, int],
    fields: dict[str, float],
    told: str,
    fails: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recorded_as(book, dict(zip((MAIN, MORE), seconds, strict=True)), **fields)
    assert budget.main(book.root) == fails
    out, err = capsys.readouterr()
    line = f"{TIER}/one exceeds its budget: {told}\n" if told else ""
    assert (out, err) == (("", line) if fails else (line, ""))


@pytest.mark.parametrize("fields", [{"python": "3.11.2"}, {"implementation": "PyPy"}, None])
def test_what_no_cpython_3_13_recorded_is_not_judged(
    book: Workshop, fields: dict[str, str] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded_as(book, {MAIN: 99, MORE: 99})
    if fields is None:
        book.path(MORE, ".json").unlink()
    else:
        recorded_as(book, {MORE: 99}, **fields)
    assert budget.main(book.root) == 0
    assert capsys.readouterr().out.endswith(f"not judged by budget: {TIER}/one.\n")
