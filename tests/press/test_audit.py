"""`make audit`: what is open is named, what could not be asked is said."""

import pytest

from press import audit

HASH = "--hash=sha256:" + "0" * 64
GOOD = f"""one==1.0 \\
    {HASH} \\
    {HASH}
    # via two
two[extra]==2.0 ; sys_platform == 'never' \\
    {HASH}
two==2.1 ; sys_platform != 'never' \\
    {HASH}
"""


def test_the_locks_are_closed() -> None:
    for lock in (audit.BOOK, audit.TEST, audit.OWN):
        assert list(audit.faults(lock, (audit.ROOT / lock).read_text())) == []


def test_a_lock_that_is_closed() -> None:
    assert list(audit.faults("lock", GOOD)) == []
    assert audit.versions(GOOD) == {"one": "1.0", "two": "2.1"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("three>=1", "three>=1 names no single version"),
        ("three", "three names no single version"),
        ("three @ https://example.org/three.whl", "names no single version"),
        ("git+https://example.org/three", "names no single version"),
        ("--extra-index-url https://example.org", "names no single version"),
        ("-e .", "names no single version"),
        ("three==1.0", "three==1.0 has no hash"),
        ("three==1.0 \\\n    --hash=md5:0", "three==1.0 has no hash"),
    ],
)
def test_a_lock_that_is_open(line: str, told: str) -> None:
    [fault] = audit.faults("a.lock", f"{GOOD}{line}\n")
    assert fault.startswith("a.lock: ") and told in fault and "make lock" in fault


def test_what_is_installed_otherwise() -> None:
    told = list(audit.differences({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"}))
    assert [sentence.partition(";")[0] for sentence in told] == [
        ".venv: b is 1 where requirements-test.lock has 2",
        ".venv: c is 1 where requirements-test.lock has none",
        ".venv: d is not there where requirements-test.lock has 1",
    ]


UNKNOWN = {"name": "a", "skip_reason": "no answer"}
SOUND = {"name": "b", "version": "1", "vulns": []}
FAULTY = {"name": "c", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}


@pytest.mark.parametrize(
    ("packages", "status", "said"),
    [
        ([], 0, "Nobody looked for known faults"),
        ([UNKNOWN], 0, "Nobody looked for known faults"),
        ([SOUND], 0, "pip-audit looked for known faults of 1 packages"),
        ([SOUND, UNKNOWN], 1, "a is unknown to the package index"),
        ([SOUND, FAULTY], 1, "c 1: PYSEC-1, mended in 2"),
    ],
)
def test_what_is_known(packages, status: int, said: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr(audit, "open_ends", list)
    monkeypatch.setattr(audit, "answer", lambda: packages)
    assert audit.main() == status
    assert said in "".join(capsys.readouterr())
