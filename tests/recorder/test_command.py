"""`python -m recorder`, and what may befall it: Ctrl-C, kill -9, another one, a full disk."""

import signal
import subprocess
from pathlib import Path

import pytest

from recorder import records
from recorder.__main__ import main
from recorder.child import LIMITS, Child
from recorder.errors import BookError
from recorder.plan import Run
from recorder.transcript import Transcript
from tests.workshop import READS, TIER, Workshop, left_behind, wait_until

WAITS = """
import time
from pathlib import Path
print("begun")
while not (Path(__file__).parent.parent / "data" / "go").exists():
    time.sleep(0.01)
"""


def test_the_command(recorded: Workshop, monkeypatch, capsys) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(recorded.cache))
    assert main([], root=recorded.root) == 0
    assert "2 fresh" in capsys.readouterr().out
    recorded.script("bad", "1 / 0")
    assert main([f"{TIER}/one"], root=recorded.root) == 0
    assert main([], root=recorded.root) == 1
    out, err = capsys.readouterr()
    assert f"{TIER}/bad: FAILED" in out
    assert err.startswith(f"scripts/{TIER}/bad.py failed in section 'Docstring', line 1: ")
    assert main([f"{TIER}/none"], root=recorded.root) == 1
    assert capsys.readouterr().err.startswith(f"There is no script '{TIER}/none'; there are ")
    recorded.chapter("one", "nonsense: 1")
    assert main([], root=recorded.root) == 1
    assert capsys.readouterr().err.startswith(f"book/{TIER}/one.md: the header has an unknown key")


def test_fresh_in_the_environment(recorded: Workshop, monkeypatch, capsys) -> None:
    monkeypatch.setattr("recorder.__main__.user_folder", lambda: recorded.cache)
    monkeypatch.setenv("FRESH", "1")
    assert main([], root=recorded.clone("second").root) == 0
    assert "0 from the cache, 2 to do" in capsys.readouterr().out


def test_a_full_disk_is_one_sentence(workshop: Workshop, monkeypatch, capsys) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "one.txt")

    workshop.script("one", "print(1)")
    monkeypatch.setattr(records, "keep", full)
    monkeypatch.setenv("XDG_CACHE_HOME", str(workshop.cache))
    assert main([], root=workshop.root) == 1
    assert capsys.readouterr().err == (
        "The recorder cannot go on: [Errno 28] No space left on device: 'one.txt'.\n"
    )


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "one.txt"
    records.write_whole(path, b"old")

    def fail(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError):
        records.write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def lines(process: "subprocess.Popen[str]", count: int) -> list[str]:
    """The next lines that a recorder prints."""
    assert process.stdout
    return [process.stdout.readline() for _ in range(count)]


def test_ctrl_c_keeps_what_has_finished(workshop: Workshop) -> None:
    workshop.script("fast", "print(1)")
    workshop.data()
    workshop.script("slow", WAITS)
    process = workshop.start()
    wait_until(lambda: workshop.path("fast", ".json").exists())
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == "Interrupted; what had finished is kept.\n"
    workshop.write("scripts/data/go", "")
    assert workshop.record(fresh=True) == []
    assert workshop.ran() == ["slow"]


def running(workshop: Workshop) -> bool:
    """Whether the script `slow` runs in some process."""
    return bool(left_behind(str(workshop.root / "scripts" / TIER / "slow.py")))


@pytest.mark.usefixtures("limited")
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_ended_recorder_leaves_no_process_and_no_half_run(workshop, number) -> None:
    workshop.data()
    workshop.script("slow", WAITS)
    process = workshop.start()
    wait_until(lambda: running(workshop))
    process.send_signal(number)
    process.communicate()
    wait_until(lambda: not running(workshop))
    assert not workshop.path("slow").exists()
    workshop.write("scripts/data/go", "")
    assert workshop.record(fresh=True) == []
    assert workshop.text("slow") == "begun\n"


def test_a_closed_child_is_no_more(workshop: Workshop) -> None:
    workshop.data()
    workshop.script("slow", WAITS)
    child = Child(Run(workshop.root, f"{TIER}/slow"), LIMITS)
    child.close()
    with pytest.raises(ChildProcessError):
        child.poll()


def test_killed_between_transcript_and_record(recorded: Workshop, monkeypatch) -> None:
    real = records.write_whole

    def killed(path: Path, content: bytes) -> None:
        if path.suffix == ".json":
            raise KeyboardInterrupt
        real(path, content)

    recorded.chapter("one", "facts: {}")
    recorded.script("one", READS.replace("2", "7"))
    with monkeypatch.context() as patched:
        patched.setattr(records, "write_whole", killed)
        with pytest.raises(KeyboardInterrupt):
            recorded.record()
    assert recorded.text("one") == "7 anna\n"
    with pytest.raises(BookError, match="is not what its record vouches for"):
        Transcript.load(f"{TIER}/one", root=recorded.root)
    assert recorded.record(fresh=True) == []
    assert recorded.ran() == ["one"]
    assert Transcript.load(f"{TIER}/one", root=recorded.root).text == "7 anna\n"


def test_two_recorders_at_once_run_nothing_twice(workshop: Workshop) -> None:
    workshop.data()
    workshop.script("slow", WAITS)
    first = workshop.start(FRESH="1")
    assert lines(first, 2)[1] == f"{TIER}/slow: runs, for the first time\n"
    second = workshop.start(FRESH="1")
    assert lines(second, 1) == ["Another recorder works on this book; waiting for it to end.\n"]
    workshop.write("scripts/data/go", "")
    first.communicate()
    said, errors = second.communicate()
    assert (first.returncode, second.returncode, errors) == (0, 0, "")
    assert said == "Runs: 1 fresh, 0 from the cache, 0 to do.\n"
