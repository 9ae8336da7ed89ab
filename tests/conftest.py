"""What tests share: the script that a test file is about, books of tiny scripts, a table."""

import errno
import fcntl
import importlib.util
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import IO

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from proof.table import Row, laid_out
from tests.workshop import Workshop

# Ctrl-C reaches what tests start, as in a terminal, even where a shell started them to ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Property tests draw the same examples every time. `make prove` has others drawn, by the profile
# `random`, from a seed that it prints. No machine is too slow for either. Hypothesis would also
# draw constants of ours, of those modules that other tests have loaded until then.
providers._get_local_constants = Constants
settings.register_profile(
    "same",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("random", settings.get_profile("same"), derandomize=False)
settings.load_profile("same")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def script(request: pytest.FixtureRequest) -> ModuleType:
    """The module scripts/T/N.py for the test file tests/T/test_N.py, freshly loaded."""
    test = Path(str(request.path))
    path = ROOT / "scripts" / test.parent.name / test.name.removeprefix("test_")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader, f"{path} cannot be loaded"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """An empty book with a cache folder of its own."""
    made = Workshop(tmp_path / "first", tmp_path / "cache")
    yield made
    made.stop()


@pytest.fixture
def recorded(workshop: Workshop) -> Workshop:
    """A book with one script that reads data, and one experiment: both recorded."""
    workshop.fill()
    assert workshop.record() == []
    assert sorted(workshop.ran()) == ["one", "one--more"]
    return workshop


@pytest.fixture
def nfs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have locks as NFS has them: exclusive ones on files that are open for writing alone.

    Gives the descriptors that were locked.
    """
    locked: list[int] = []
    flock = fcntl.flock

    def as_nfs(file: IO[bytes], operation: int) -> None:
        reading = fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        if operation & fcntl.LOCK_EX and reading:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(file, operation)
        locked.append(file.fileno())

    monkeypatch.setattr(fcntl, "flock", as_nfs)
    return locked


@pytest.fixture
def tried(record_property: Callable[[str, object], None]) -> Callable[[str, str, int], None]:
    """tried("faults", "kill -9", 5) adds to a row of the table at the end of `make test`.

    A test that fails counts all that it tried as failed.
    """
    return lambda part, what, number: record_property("tried", [part, what, number])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of what the tests tried."""
    sums: dict[tuple[str, str], list[int]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for key, value in report.user_properties:
                if key == "tried":
                    part, what, number = value
                    counts = sums.setdefault((part, what), [0, 0])
                    counts[0] += number
                    counts[1] += number * (outcome == "failed")
    rows = [Row(*key, *counts) for key, counts in sorted(sums.items())]
    for report in terminalreporter.stats.get("skipped", []):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        rows.append(Row("skipped", report.nodeid, 0, note=why.removeprefix("Skipped: ")))
    if rows:
        terminalreporter.section("what was tried")
        terminalreporter.line(laid_out(rows))
