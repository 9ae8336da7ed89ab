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

from tests import kept
from tests.account import TABLE, Account, unit_of
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
IN_MAKE_TEST = TABLE in os.environ  # a test that somebody names is run
WATCH = kept.Watch()


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


@pytest.fixture(autouse=True)
def _inputs_are_named(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test reads no file of the book that could change without its being run again."""
    with WATCH.over(*unit_of(request.node.nodeid)):
        yield


def pytest_configure(config: pytest.Config) -> None:
    if IN_MAKE_TEST and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Account(), "account")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out a file whose tests passed on the very bytes that they would read."""
    tests = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if IN_MAKE_TEST and tests and kept.passed(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is kept script by script, and the files that pytest was given by name."""
    if IN_MAKE_TEST:
        units = {item: unit_of(item.nodeid) for item in items}
        known = {unit for unit in set(units.values()) if kept.passed(*unit)}
        gone = [item for item in items if units[item] in known]
        items[:] = [item for item in items if units[item] not in known]
        config.hook.pytest_deselected(items=gone)
