"""The table at the end of `make test`: what was run, what was taken from where, and why."""

import os
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from proof import table
from proof.table import Row
from tests import kept

TABLE = "TESTED"  # in the environment: the file that gathers the rows of all parts of `make test`
SCRIPTS = {path.stem: path for path in sorted((kept.ROOT / "scripts").glob("[0-9]*/*.py"))}

Unit = tuple[Path, Path | None]  # tests that are kept together: a file's, or its tests of a script


def unit_of(nodeid: str) -> Unit:
    """unit_of("tests/test_runs.py::test_it[missing-microgpt]") -> (that file, that script)"""
    file, _, test = nodeid.partition("::")
    path = kept.ROOT / file
    about = set(test.partition("[")[2].rstrip("]").split("-")) & SCRIPTS.keys()
    return path, SCRIPTS[about.pop()] if path.name in kept.BY_SCRIPT and about else None


def files(arguments: list[str]) -> set[Path]:
    """The files of tests that pytest is asked for."""
    asked = [Path(argument).resolve() for argument in arguments]
    return {p for room in asked for p in ([room] if room.is_file() else room.rglob("test_*.py"))}


class Account:
    """Hears of every test in one call of pytest, keeps what passed, and prints the table."""

    def __init__(self) -> None:
        self._left_out: dict[Unit, dict[str, object]] = {}
        self._collected: dict[Unit, set[str]] = defaultdict(set)
        self._outcomes: dict[Unit, dict[str, str]] = defaultdict(dict)
        self._reasons: dict[Unit, Counter[str]] = defaultdict(Counter)
        self._tried: Counter[tuple[str, str]] = Counter()
        self._broken: Counter[tuple[str, str]] = Counter()

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """What will be left out, before anything is kept."""
        ignored = {Path(path).resolve() for path in session.config.getoption("ignore") or []}
        for path in sorted(files(session.config.args)):
            if ignored.isdisjoint({path, *path.parents}):
                scripts = list(SCRIPTS.values()) if path.name in kept.BY_SCRIPT else [None]
                for unit in ((path, script) for script in scripts):
                    if known := kept.passed(*unit):
                        self._left_out[unit] = known

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        for nodeid in ids:
            self._collected[unit_of(nodeid)].add(nodeid)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            self._collected[unit_of(item.nodeid)].add(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        unit = unit_of(report.nodeid)
        outcomes = self._outcomes[unit]
        if report.when == "call" or report.outcome != "passed":
            outcomes[report.nodeid] = report.outcome
        if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
            self._reasons[unit][report.longrepr[2].removeprefix("Skipped: ")] += 1
        for name, value in report.user_properties if report.when == "call" else []:
            if name == "tried":
                part, what, number = value
                self._tried[part, what] += number
                self._broken[part, what] += number * report.failed

    def pytest_sessionfinish(self) -> None:
        """Keep which units passed whole, and add this call's rows to those of earlier ones."""
        for unit, ids in self._collected.items():
            outcomes = self._outcomes[unit]
            if ids and all(outcomes.get(nodeid) == "passed" for nodeid in ids):
                kept.keep(unit[0], len(ids), unit[1])
        path = Path(os.environ[TABLE])
        table.keep(path, [*table.kept(path), *self._rows()])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("what was tried")
        terminalreporter.line(table.laid_out(table.kept(Path(os.environ[TABLE]))))

    def _rows(self) -> list[Row]:
        tried = [Row(*what, n, self._broken[what]) for what, n in sorted(self._tried.items())]
        units = {unit for unit in self._outcomes if self._outcomes[unit]} | self._left_out.keys()
        ordered = sorted(units, key=lambda unit: tuple(map(str, unit)))
        return tried + [self._row(unit) for unit in ordered]

    def _row(self, unit: Unit) -> Row:
        file, script = unit
        what = file.relative_to(kept.ROOT).as_posix() + (f", {script.stem}" if script else "")
        if (known := self._left_out.get(unit)) and not self._outcomes[unit]:
            why = f"left out: all {known['tests']} passed on the same bytes, {known['date']}"
            return Row("tests", what, 0, 0, why)
        outcomes = Counter(self._outcomes[unit].values())
        skipped = "; ".join(f"{n} skipped: {why}" for why, n in self._reasons[unit].items())
        ran = outcomes["passed"] + outcomes["failed"]
        return Row("tests", what, ran, outcomes["failed"], skipped)
