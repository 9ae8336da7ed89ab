"""The table of what was tried, and the exit status that follows from it."""

import re
from pathlib import Path

import pytest

from proof import __main__ as proof
from proof import properties
from proof.table import Row, laid_out


def test_columns_stand_below_each_other() -> None:
    rows = [
        Row("faults", "kill -9", 1_050),
        Row("seeds", "claims", 9, 2, "seed 3"),
    ]
    assert laid_out(rows).splitlines() == [
        "part    what     tried  failed  note",
        "faults  kill -9  1,050       0",
        "seeds   claims       9       2  seed 3",
    ]


@pytest.mark.parametrize(("failed", "status"), [(0, 0), (1, 1)])
def test_what_failed_fails_the_whole(
    failed: int, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {
        "one": lambda: [Row("one", "acts", 3, failed)],
        "two": lambda: [Row("two", "acts", 0, 0, "no bwrap here")],
    }
    monkeypatch.setattr(proof, "PARTS", parts)
    assert proof.main([]) == status
    printed = capsys.readouterr().out
    assert printed.startswith(f"one | acts | 3 tried, {failed} failed\ntwo | acts | 0 tried")
    assert printed.endswith("two   acts      0       0  no bwrap here\n")
    assert proof.main(["two"]) == 0


def test_an_unknown_part_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        proof.main(["nothing"])
    assert "there is no part nothing" in capsys.readouterr().err


PROPERTIES = """
from hypothesis import given, strategies as st


@given(st.integers(0, 999))
def test_numbers(number):
    assert number < 1000

@given(st.integers())
def test_larger_numbers(number):
    assert number < {limit}

def test_of_another_kind():
    assert False
"""


@pytest.mark.parametrize("limit", ["10**99", "1000"])
def test_random_examples_tell_their_seed(
    limit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conftest.py").write_text("import tests.conftest  # the profiles")
    (tmp_path / "test_some.py").write_text(PROPERTIES.replace("{limit}", limit))
    [row] = properties.prove(str(tmp_path), rounds=2)
    assert (row.tried, row.failed) == (4, 0 if limit == "10**99" else 2)
    printed = capsys.readouterr().out
    seeds = re.findall(r"examples from seed (\d+)", printed)
    assert len(set(seeds)) == 2
    for seed in seeds if row.failed else ():
        assert f"--hypothesis-profile=random --hypothesis-seed={seed} " in printed


def test_a_test_run_that_breaks_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text("1 / 0")
    [row] = properties.prove(str(tmp_path), rounds=1)
    assert row.failed == 1
