"""Long experiments and seeds: recorded once, read as long as they tell of what is here."""

import json
from pathlib import Path

import pytest

from recorder import records
from recorder.__main__ import main
from recorder.child import LONG
from recorder.errors import BookError
from recorder.plan import all_runs, long_runs, runs_of
from recorder.run import Recorder
from recorder.transcript import Transcript
from tests.workshop import TIER, Workshop

SCRIPT = """
from pathlib import Path
SEED = 1
WIDE = False
print("val", SEED + WIDE, (Path(__file__).parent.parent / "data" / "names").read_text())
"""
HEADER = """
experiments:
  quick: {seeds: [3, 0], long: false}
  seeds: {seeds: [0, 1]}
  wide: {set: {WIDE: true}, long: true}
"""
LABELS = [f"{TIER}/one--seeds--seed-0", f"{TIER}/one--seeds--seed-1", f"{TIER}/one--wide"]


@pytest.fixture
def book(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A book with long experiments, all recorded; `main` takes it for the book."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(workshop.cache))
    workshop.data(names="anna", unread="x")
    workshop.script("one", SCRIPT)
    workshop.chapter("one", HEADER)
    assert main(["--long"], workshop.root) == 0
    assert main([], workshop.root) == 0
    return workshop


def long_file(book: Workshop, name: str = "one--wide.json") -> Path:
    return book.root / "book" / "long" / TIER / name


def refused(book: Workshop) -> str:
    """Why the long run of `wide` cannot be read."""
    with pytest.raises(BookError) as raised:
        Transcript.load(f"{TIER}/one", "wide", book.root)
    return str(raised.value)


def test_a_run_for_each_seed_stands_where_its_kind_does(book: Workshop) -> None:
    assert [run.label for run in long_runs(book.root)] == LABELS
    assert [(run.label, run.set) for run in all_runs(book.root)] == [
        (f"{TIER}/one", {}),
        (f"{TIER}/one--quick--seed-3", {"SEED": 3}),
        (f"{TIER}/one--quick--seed-0", {"SEED": 0}),
    ]
    printed = [run.transcript.read_text() for run in long_runs(book.root)]
    assert printed == ["val 0 anna\n", "val 1 anna\n", "val 2 anna\n"]
    assert book.text("one--quick--seed-3") == "val 3 anna\n"
    assert {path.name for path in long_file(book).parent.iterdir()} == {
        f"{label.split('/')[1]}{ending}" for label in LABELS for ending in (".txt", ".json")
    }
    assert {path.name for path in book.path("one").parent.iterdir()} == {
        f"one{run}{ending}"
        for run in ("", "--quick--seed-0", "--quick--seed-3")
        for ending in (".txt", ".json")
    }


def test_a_build_runs_no_long_experiment_and_says_what_is_missing(
    book: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main([], book.root) == 0
    assert capsys.readouterr().out == "Runs: 3 fresh, 0 from the cache, 0 to do.\n"
    long_file(book).unlink()
    assert main([], book.root) == 0
    assert capsys.readouterr().out.startswith(
        f"Long runs: 1 missing or stale, of {TIER}/one; run `make long NAME={TIER}/one`.\n"
        "Runs: 3 fresh, "
    )
    assert f"one--wide has no transcript yet; run `make long NAME={TIER}/one`." in refused(book)


@pytest.mark.parametrize("name", ["one", f"{TIER}/one", None])
def test_make_long_records_what_is_missing(
    book: Workshop, name: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    before = long_file(book, "one--seeds--seed-0.json").read_bytes()
    long_file(book, "one--seeds--seed-1.txt").unlink()
    capsys.readouterr()
    assert main(["--long", *([name] if name else [])], book.root) == 0
    assert capsys.readouterr().out == "Runs: 2 fresh, 1 from the cache, 0 to do.\n"
    assert long_file(book, "one--seeds--seed-0.json").read_bytes() == before
    assert long_file(book, "one--seeds--seed-1.txt").read_text() == "val 1 anna\n"


def test_make_long_of_an_unknown_script(book: Workshop, capsys) -> None:
    assert main(["--long", "two"], book.root) == 1
    assert "There is no script 'two'; there are 01-tier/one." in capsys.readouterr().err


def test_a_long_run_has_hours(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    monkeypatch.setattr(
        Recorder, "record_long", lambda self, names: given.append(self.limits) or []
    )
    assert main(["--long"], workshop.root) == 0
    assert given == [LONG] and LONG.seconds >= 3600


def test_another_python_and_a_comment_are_the_same_record(
    book: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = records.inputs
    other = {"python": "3.99", "platform": "Elsewhere", "implementation": "PyPy", "guard": 9}
    monkeypatch.setattr(records, "inputs", lambda *run: {**real(*run), **other})
    book.script("one", '"""Says more."""\n' + SCRIPT.replace("SEED = 1", "SEED = 1  # a seed"))
    assert Transcript.load(f"{TIER}/one", "wide", book.root).text == "val 2 anna\n"
    assert main(["--long"], book.root) == 0
    assert len(json.loads(long_file(book).read_bytes())["script_sha256"]) == 64


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda book: book.script("one", SCRIPT + "0"),
            f"scripts/{TIER}/one.py is not what book/long/{TIER}/one--wide.json records; ",
        ),
        (
            lambda book: book.data(names="bob", unread="x"),
            f"scripts/data/names is not what book/long/{TIER}/one--wide.json records; ",
        ),
        (
            lambda book: book.chapter("one", HEADER.replace("WIDE: true}", "WIDE: true, SEED: 2}")),
            f"book/{TIER}/one.md sets other constants for 'wide' than book/long/",
        ),
        (lambda book: long_file(book).write_text("{"), "is not what its record vouches for; "),
        (lambda book: long_file(book).write_text("[]"), "is not what its record vouches for; "),
        (
            lambda book: long_file(book, "one--wide.txt").write_text("val 9 anna\n"),
            f"{TIER}/one--wide.txt is not what its record vouches for; ",
        ),
        (
            lambda book: long_file(book).write_text(
                long_file(book).read_text().replace('"user_seconds": ', '"user_seconds": 9')
            ),
            f"{TIER}/one--wide.txt is not what its record vouches for; ",
        ),
        (lambda book: long_file(book, "one--wide.txt").unlink(), "has no transcript yet; "),
    ],
)
def test_a_record_of_something_else_is_refused_and_made_anew(
    book: Workshop, change, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(book)
    said = refused(book)
    assert why in said and f"run `make long NAME={TIER}/one`" in said and said.count("\n") == 0
    assert main([], book.root) == 0
    assert "Long runs: " in capsys.readouterr().out
    assert main(["--long"], book.root) == 0
    assert Transcript.load(f"{TIER}/one", "wide", book.root).text.startswith("val ")


def test_data_that_no_long_run_read_may_change(book: Workshop) -> None:
    book.data(names="anna", unread="y")
    assert Transcript.load(f"{TIER}/one", "wide", book.root).text == "val 2 anna\n"


@pytest.mark.parametrize("arguments", [[], ["--long"]])
def test_an_orphan_is_told_and_stays(book: Workshop, arguments: list[str], capsys) -> None:
    book.chapter("one", HEADER.replace("wide:", "wider:"))
    assert main(arguments, book.root) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"book/long/{TIER}/one--wide.json belongs to no long experiment of a ")
    assert said.count("\n") == 1 and long_file(book).exists()
    for ending in (".json", ".txt"):
        long_file(book, f"one--wide{ending}").unlink()
    assert main(arguments, book.root) == 0


def test_what_a_killed_recorder_left_goes(book: Workshop) -> None:
    left = long_file(book, ".one--wide.txt.99.part")
    left.write_text("val 2 an")
    assert main([], book.root) == 0 and left.exists()
    assert main(["--long"], book.root) == 0 and not left.exists()


def test_a_failure_names_the_seed(book: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    before = long_file(book, "one--seeds--seed-1.txt").read_bytes()
    book.script("one", SCRIPT + "if SEED == 1 and not WIDE: 1 / 0")
    assert main(["--long"], book.root) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"scripts/{TIER}/one.py (experiment seeds, seed 1) failed")
    assert long_file(book, "one--seeds--seed-1.txt").read_bytes() == before
    assert Transcript.of(runs_of(book.root, f"{TIER}/one", "seeds")[0]).text == "val 0 anna\n"


def test_what_reads_itself_has_all_its_words_counted(book: Workshop) -> None:
    reads = "from pathlib import Path\nSEED = 1\nprint(len(Path(__file__).read_text()) > 1)\n"
    book.script("one", reads)
    book.chapter("one", "experiments: {all: {seeds: [0, 1]}}")
    for path in long_file(book).parent.iterdir():
        path.unlink()
    assert main(["--long"], book.root) == 0
    [run, _] = long_runs(book.root)
    assert list(json.loads(run.record.read_bytes())["data"]) == [f"scripts/{TIER}/one.py"]
    assert Transcript.of(run).text == "True\n"
    book.script("one", reads + "# a word more\n")
    with pytest.raises(BookError, match="one.py is not what book/long/"):
        Transcript.of(run)
    assert main([], book.root) == 0
    assert main(["--long"], book.root) == 0
    assert Transcript.of(run).text == "True\n"
