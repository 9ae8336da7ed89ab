"""What every test shares: the script that a test file is about."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from proof.table import Row, laid_out

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
    if sums:
        terminalreporter.section("what was tried")
        terminalreporter.line(laid_out(Row(*key, *counts) for key, counts in sorted(sums.items())))
