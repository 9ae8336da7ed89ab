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
    ("seconds", "fields", "told"),
    [
        ((30, 40), {}, ""),
        ((31, 1), {}, "its main run takes 31 s of 30."),
        ((29, 42), {}, "all its runs take 71 s of 70."),
        ((1, 1), {"peak_memory": 6e8}, "a run takes 600 MB of 500."),
    ],
)
def test_a_new_chapter_keeps_its_budget_or_fails(
    book: Workshop, seconds: tuple[int, int], fields: dict[str, float], told: str, capsys
) -> None:
    recorded_as(book, dict(zip((MAIN, MORE), seconds, strict=True)), **fields)
    assert budget.main(book.root) == bool(told)
    out, err = capsys.readouterr()
    assert out == "" and err == (f"{TIER}/one exceeds its budget: {told}\n" if told else "")


def test_one_of_the_first_ten_is_told_of_and_fails_by_its_old_budget(
    book: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(budget.FIRST, "one", budget.Budget(60, 150))
    recorded_as(book, {MAIN: 60, MORE: 1})
    assert budget.main(book.root) == 0
    out, err = capsys.readouterr()
    assert "the budget of a new chapter: its main run takes 60 s of 30." in out and err == ""
    recorded_as(book, {MAIN: 61, MORE: 1})
    assert budget.main(book.root) == 1
    assert "exceeds its budget: its main run takes 61 s of 60." in capsys.readouterr().err


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


def test_the_first_ten_are_scripts_of_the_book() -> None:
    scripts = {path.stem for path in (budget.ROOT / "scripts").glob("*/*.py")}
    assert len(budget.FIRST) == 10 and budget.FIRST.keys() <= scripts
