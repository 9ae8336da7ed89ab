"""What `make test` leaves out: tests that passed on the very bytes that are here, and no others."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import kept

CHAPTER = "tests/01-tier/test_one.py"
MACHINE = "tests/recorder/test_runs.py"
SECOND_RUN = "tests/test_runs.py"
BOOK = "tests/test_book.py"
TREE = {
    CHAPTER: "def test_it(): pass\n",
    MACHINE: "from recorder import run\n",
    SECOND_RUN: "",
    BOOK: "",
    "tests/test_house.py": "",
    "tests/workshop.py": "",
    "recorder/run.py": "",
    "press/build.py": "",
    "bootstrap.py": "",
    "requirements-test.lock": "pytest==9.2.0\n",
    "scripts/01-tier/one.py": "SEED = 1\n",
    "scripts/01-tier/two.py": "SEED = 1\n",
    "scripts/data/names.csv": "anna\n",
    "book/01-tier/one.md": "# One\n",
    "build/html/index.html": "<html>",
    ".gitignore": "build/\n",
}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small house under git, with all its tests kept as passed."""
    root = tmp_path / "house"
    for name, text in TREE.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    monkeypatch.setattr(kept, "ROOT", root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for switch in ("ALL", "FRESH"):
        monkeypatch.delenv(switch, raising=False)
    forget()
    for test in (CHAPTER, MACHINE, BOOK):
        kept.keep(root / test, 3)
    kept.keep(root / SECOND_RUN, 1, root / "scripts/01-tier/one.py")
    yield root
    forget()


def forget() -> None:
    """A new call of pytest knows nothing of what an earlier one read."""
    kept.tracked.cache_clear()
    kept.sum_of.cache_clear()


@pytest.fixture
def runs(tree: Path) -> Callable[[], set[str]]:
    """Which of the kept tests would run again."""

    def again() -> set[str]:
        forget()
        script = {SECOND_RUN: tree / "scripts/01-tier/one.py"}
        tests = (CHAPTER, MACHINE, BOOK, SECOND_RUN)
        return {test for test in tests if not kept.passed(tree / test, script.get(test))}

    return again


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ("book/01-tier/one.md", {BOOK}),
        ("scripts/01-tier/one.py", {BOOK, CHAPTER, SECOND_RUN}),
        ("scripts/01-tier/two.py", {BOOK}),
        ("scripts/data/names.csv", {BOOK, CHAPTER, SECOND_RUN, MACHINE}),
        ("recorder/run.py", {BOOK, MACHINE}),
        ("recorder/new.py", {BOOK, MACHINE}),
        ("press/build.py", {BOOK, MACHINE}),
        ("bootstrap.py", {BOOK, MACHINE}),
        ("build/html/index.html", {BOOK}),
        (CHAPTER, {BOOK, CHAPTER}),
        ("tests/workshop.py", {BOOK, CHAPTER, MACHINE, SECOND_RUN}),
        ("requirements-test.lock", {BOOK, CHAPTER, MACHINE, SECOND_RUN}),
    ],
)
def test_what_changed_is_tested_again(
    changed: str, again: set[str], tree: Path, runs: Callable[[], set[str]]
) -> None:
    assert runs() == set()
    (tree / changed).write_text("changed")
    assert runs() == again


@pytest.mark.parametrize("switch", ["ALL", "FRESH"])
def test_all_are_run_for_who_asks(
    switch: str, runs: Callable[[], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(switch, "1")
    assert runs() == {CHAPTER, MACHINE, BOOK, SECOND_RUN}


def test_without_a_history_and_for_the_house_nothing_is_kept(
    tree: Path, runs: Callable[[], set[str]]
) -> None:
    kept.keep(tree / "tests/test_house.py", 5)
    assert not kept.passed(tree / "tests/test_house.py")
    (tree / ".git").rename(tree / "elsewhere")
    assert runs() == {CHAPTER, MACHINE, BOOK, SECOND_RUN}


def test_a_test_may_read_only_what_it_names(tree: Path) -> None:
    watch = kept.Watch()
    with watch.over(tree / CHAPTER):
        (tree / "scripts/01-tier/one.py").read_text()
        (tree / "build/html/index.html").read_text()  # git ignores it
    (tree / "scripts/01-tier/two.py").read_text()
    with (
        pytest.raises(
            AssertionError, match=r"tests/01-tier/test_one.py reads scripts/01-tier/two.py, none of"
        ),
        watch.over(tree / CHAPTER),
    ):
        (tree / "scripts/01-tier/two.py").read_text()


def test_a_chapters_tests_rest_on_the_rooms_that_they_import(
    tree: Path, runs: Callable[[], set[str]]
) -> None:
    (tree / CHAPTER).write_text("import recorder.run\n")
    forget()
    kept.keep(tree / CHAPTER, 1)
    (tree / "recorder/run.py").write_text("changed")
    assert CHAPTER in runs()
