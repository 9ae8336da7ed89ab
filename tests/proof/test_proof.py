"""The table of what was tried, and the exit status that follows from it."""

import pytest

from proof import __main__ as proof
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
