"""A handful of the faults of `make prove`: nothing is lost by any, and what is lost is noticed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from proof.faults import Kind, Laboratory, kinds

KINDS = {kind.what: kind for kind in kinds()}
QUICK = {
    "kill -9 of make runs": 4,
    "kill -9 of one process of make runs": 2,
    "kill -9 of make html": 1,
    "kill -9 of one process of make html": 1,
    "Ctrl-C in runs": 2,
    "Ctrl-C in figures": 1,
    "Ctrl-C in html": 1,
    "disk full": 1,
    "read-only folder": 1,
    "vanished folder": 2,
    "damaged runs": 5,
    "damaged build": 1,
    "files dated ahead or back": 1,
    "a script that forks": 1,
    "a script that prints ANSI codes": 1,
    "a script that closes all descriptors": 1,
}


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    return Laboratory(tmp_path_factory.mktemp("faults"), 1)


@pytest.mark.parametrize("what", QUICK)
def test_nothing_is_lost(
    what: str, laboratory: Laboratory, tried: Callable[[str, str, int], None]
) -> None:
    row = laboratory.row(KINDS[what], QUICK[what])
    tried(row.part, row.what, row.tried)
    if not row.tried:
        pytest.skip(row.note)
    assert row.failed == 0


@pytest.mark.parametrize(
    ("what", "file", "sound", "broken"),
    [
        (
            "damaged runs",
            "recorder/records.py",
            'and record["transcript_sha256"] == sha256(printed)',
            "",
        ),
        (
            "a script that prints ANSI codes",
            "recorder/failure.py",
            "if found := CONTROL.search(text):",
            "if found := None:",
        ),
    ],
)
def test_what_is_lost_is_noticed(
    what: str, file: str, sound: str, broken: str, tmp_path: Path, capsys
) -> None:
    kind: Kind = KINDS[what]
    laboratory = Laboratory(tmp_path, 1)
    path = tmp_path / "place-0" / "checkout" / file
    text = path.read_text()
    assert sound in text
    path.write_text(text.replace(sound, broken))
    assert laboratory.row(kind, 12 if "damaged" in what else 1).failed
    assert "LOST by " in capsys.readouterr().out
