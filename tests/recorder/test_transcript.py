"""A transcript gives numbers as printed, and says so when it cannot."""

import hashlib
import json
from pathlib import Path

import pytest

from recorder.errors import BookError
from recorder.transcript import Transcript

TEXT = """step  100 | train 2.612 | val 2.598
step  200 | train 2.4   | val -
names | gpt | val 2.231
"""


def keep(root: Path, name: str, text: str) -> Path:
    """Write a transcript with the record that vouches for it."""
    path = root / "build" / "runs" / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    record = {"python": "3.11.7", "transcript_sha256": hashlib.sha256(text.encode()).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(record), encoding="utf-8")
    return path


def declare(root: Path, experiments: str) -> None:
    """Write the chapter that has these experiments."""
    chapter = root / "book" / "01-tier" / "gpt.md"
    chapter.parent.mkdir(parents=True)
    chapter.write_text(f"---\nexperiments: {{{experiments}}}\n---\n", encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Transcript:
    keep(tmp_path, "01-tier/gpt", TEXT)
    keep(tmp_path, "01-tier/gpt--no-mask", "val 1.5\n")
    declare(tmp_path, "no-mask: {set: {CAUSAL: false}}, seeds: {seeds: [2, 0], long: false}")
    return Transcript.load("01-tier/gpt", root=tmp_path)


def test_text_record_and_path(run: Transcript, tmp_path: Path) -> None:
    assert run.text == TEXT
    assert run.record["python"] == "3.11.7"
    assert run.path == tmp_path / "build" / "runs" / "01-tier" / "gpt.txt"


def test_rows_are_tuples_with_numbers_where_they_parse(run: Transcript) -> None:
    rows = run.rows(r"^step +(\d+) \| train (\S+) +\| val (\S+)$")
    assert rows == [(100, 2.612, 2.598), (200, 2.4, "-")]
    assert [type(value) for value in rows[0]] == [int, float, float]


def test_rows_of_one_group_or_none_are_plain_values(run: Transcript) -> None:
    assert run.rows(r"^step +(\d+)") == [100, 200]
    assert run.rows(r"^step +\d+") == ["step  100", "step  200"]
    assert run.rows(r"train (2\.6\d+)?") == [2.612, None]


def test_rows_that_match_nothing_are_an_error(run: Transcript) -> None:
    with pytest.raises(BookError, match=r"'\^nothing' matches nothing in .*01-tier/gpt.txt"):
        run.rows("^nothing")


def test_a_fact_is_the_text_as_printed(run: Transcript) -> None:
    assert run.fact(r"^names \| gpt \| val (\d+\.\d+)$") == "2.231"


def test_a_fact_must_match_once_and_the_hits_are_listed(run: Transcript) -> None:
    with pytest.raises(BookError, match=r"must match .*gpt.txt once, but matches never\.$"):
        run.fact("(nothing)")
    with pytest.raises(BookError) as error:
        run.fact(r"val (\d\.\d+)")
    assert "matches 2 times:\n  line 1: val 2.598\n  line 3: val 2.231" in str(error.value)


@pytest.mark.parametrize("pattern", ["^names", r"^names( [x])?"])
def test_a_fact_needs_its_group(run: Transcript, pattern: str) -> None:
    with pytest.raises(BookError, match="needs one group"):
        run.fact(pattern)


def test_a_bad_pattern_is_an_error(run: Transcript) -> None:
    with pytest.raises(BookError, match="'\\(' is no regular expression: missing \\)"):
        run.fact("(")
    with pytest.raises(BookError, match="can be read in two ways: possible set difference"):
        run.rows("[a--b]")


def test_experiments_stand_beside_the_run(run: Transcript, tmp_path: Path) -> None:
    assert Transcript.load("01-tier/gpt", "no-mask", root=tmp_path).text == "val 1.5\n"


def test_an_unknown_experiment_is_an_error_that_lists_the_known(
    run: Transcript, tmp_path: Path
) -> None:
    with pytest.raises(BookError, match="no experiment 'no-head'; it has no-mask, seeds."):
        Transcript.load("01-tier/gpt", "no-head", root=tmp_path)


def test_of_several_seeds_none_is_the_one(run: Transcript, tmp_path: Path) -> None:
    with pytest.raises(BookError, match="'seeds' of .* has a run for each of the seeds 2, 0; say"):
        Transcript.load("01-tier/gpt", "seeds", root=tmp_path)


def test_a_missing_transcript_is_an_error(tmp_path: Path) -> None:
    declare(tmp_path, "x: {set: {A: 1}}")
    with pytest.raises(BookError, match="01-tier/gpt--x has no transcript yet; run `make runs`"):
        Transcript.load("01-tier/gpt", "x", root=tmp_path)


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"transcript_sha256": "0"}'])
def test_a_transcript_without_its_voucher_is_an_error(tmp_path: Path, record: str) -> None:
    keep(tmp_path, "01-tier/gpt", TEXT).with_suffix(".json").write_text(record, encoding="utf-8")
    with pytest.raises(BookError, match="is not what its record vouches for"):
        Transcript.load("01-tier/gpt", root=tmp_path)
