"""Which wall stands around a script, how that is found out, and how it is said."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recorder import wall
from recorder.child import Limits
from recorder.errors import BookError
from recorder.interpreter import HERE, PYTHON
from tests.programs import programs
from tests.workshop import Workshop, left_behind, wait_until


def test_without_bubblewrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = wall.strongest.__wrapped__()
    assert (found.program, found.name) == (None, "audit hook")
    assert str(found) == "audit hook alone (bubblewrap is not installed)"
    assert found.around(["a", "b"], [], tmp_path) == ["a", "b"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("echo bwrap: no permission >&2", "bwrap: no permission"),
        ("echo one >&2; echo two >&2", "two"),
        ("", "it says nothing"),
    ],
)
def test_bubblewrap_that_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, why: str
) -> None:
    programs(tmp_path, monkeypatch, os.environ["PATH"], bwrap=f"{said}\nexit 1")
    found = wall.strongest.__wrapped__()
    assert str(found) == f"audit hook alone (bubblewrap does not work here: {why})"


@pytest.mark.parametrize("end", ["kill -9 $$", "exit 137", '[ "$1" = --version ] && kill -9 $$'])
def test_bubblewrap_that_is_killed_is_not_one_that_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    programs(tmp_path, monkeypatch, os.environ["PATH"], bwrap=f"{end}\ntrue")
    with pytest.raises(BookError, match="killed while it was tried; make again"):
        wall.strongest.__wrapped__()


def test_bubblewrap_that_works(behind_bubblewrap: wall.Wall) -> None:
    assert str(behind_bubblewrap) == behind_bubblewrap.name
    assert behind_bubblewrap.name.startswith("bubblewrap ")


def test_the_status_of_what_ran_behind_it() -> None:
    behind, without = wall.Wall("bwrap", ""), wall.Wall(None, "")
    assert behind.status(128 + signal.SIGSEGV) == -signal.SIGSEGV
    assert [behind.status(status) for status in (0, 1, 128, 255, -9)] == [0, 1, 128, 255, -9]
    assert without.status(128 + signal.SIGSEGV) == 128 + signal.SIGSEGV


def test_it_is_said_and_recorded_and_makes_nothing_stale(
    workshop: Workshop, walled: wall.Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.script("one", "print(1)")
    assert workshop.record() == []
    assert f"1 to do, guarded by {walled}.\n" in workshop.said
    assert workshop.json("one")["sandbox"] == walled.name
    monkeypatch.setattr(wall, "strongest", lambda: wall.Wall(None, "another"))
    assert workshop.record(fresh=True) == []
    assert "Runs: 1 fresh, 0 from the cache, 0 to do.\n" in workshop.said


def test_seconds_and_memory_are_the_scripts_own(workshop: Workshop, walled: wall.Wall) -> None:
    unit = 1 if sys.platform == "darwin" else 1024
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit  # no child counts as smaller
    much = ours + 150_000_000
    workshop.script("much", f"x = bytearray({much})\nsum(range(10**7))\nprint(1)")
    assert workshop.record() == []
    assert much < workshop.json("much")["peak_memory"] < much + 100_000_000
    assert workshop.json("much")["user_seconds"] > 0.05


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at processes in /proc")
def test_processes_that_a_late_script_left_are_gone(
    workshop: Workshop, behind_bubblewrap: wall.Wall
) -> None:
    text = "import os, time\nos.fork() or os.setsid()\ntime.sleep(99)\n"
    off = "import sys\nsys._getframe(1).f_globals['_offence'] = lambda *_: None\n"
    assert "it ran longer than" in workshop.failure(off + text, Limits(seconds=1))
    wait_until(lambda: not left_behind(str(workshop.root / "scripts")))


STARTS = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(99)"


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at processes in /proc")
def test_what_is_behind_it_dies_with_who_started_it(
    behind_bubblewrap: wall.Wall, tmp_path: Path
) -> None:
    sleeper = [*PYTHON, "-c", "import time; open('here', 'w'); time.sleep(987653)"]
    command = behind_bubblewrap.around(sleeper, HERE.folders, tmp_path)
    recorder = subprocess.Popen([sys.executable, "-c", STARTS, *command])
    wait_until((tmp_path / "here").exists)
    recorder.kill()
    recorder.wait()
    wait_until(lambda: not left_behind("987653"))


@pytest.mark.parametrize(
    ("text", "sign"), [("print('a\\x1b[2J')", r"'\x1b'"), ("print('\\0')", r"'\x00'")]
)
def test_no_page_can_show_a_control_character(workshop: Workshop, text: str, sign: str) -> None:
    said = workshop.failure(f"print('one\\ttwo')\n{text}")
    assert f"line 2 of what it printed has the control character {sign}; colours" in said
