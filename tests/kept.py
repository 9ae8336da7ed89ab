"""Which tests need not run again: those that passed on the very bytes that they read.

A file of tests has its inputs by the room that it stands in (`inputs`). When all its tests pass, a
note of that is kept in the user's cache folder under a hash of those inputs, of Python and of the
system; the next `make test` finds the note, leaves the tests out, and says so in its table. With
ALL=1 or FRESH=1 it runs all of them. A test that opens a file of the book that is none of its
inputs fails (`Watch`), so that no note can outlive what it rests on.
"""

import ast
import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

from recorder.cache import user_folder
from recorder.records import read_json, write_whole
from recorder.settings import switch

ROOT = Path(__file__).resolve().parent.parent
MACHINE = ("recorder", "press", "proof", "bench")
WORDS = ("book", "scripts", "findings", "images")  # no test of the machine reads them, but
SETTINGS = ("book/conf.py", "book/figures", "book/back/programs.md", "scripts/data")  # for these
COMMON = ("pyproject.toml", "requirements-test.lock")
BUILT = (  # tests of what `make book` made
    "tests/test_book.py",
    "tests/test_browser.py",
    "tests/test_panel.py",
    "tests/test_reader.py",
    "tests/test_site.py",
    "tests/press/test_epub.py",
)
MADE = ("html/**/*", "notebooks/**/*", "chapters/*", "no-magic*")  # in build/
OF_SCRIPTS = (  # tests of the machine that read the book's own scripts besides
    "tests/press/test_escaping.py",
    "tests/press/test_pdf.py",
    "tests/press/test_programs.py",
)
BY_SCRIPT = "tests/test_runs.py"  # its tests are kept script by script
NEVER = "tests/test_house.py"  # rules about every file: seconds


@cache
def tracked() -> frozenset[Path]:
    """Every file that git knows or would add; none where there is no git, so nothing is kept."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others"]
    listed = subprocess.run([*command, "--exclude-standard"], capture_output=True, text=True)
    files = (ROOT / name for name in listed.stdout.split("\0") if name)
    return frozenset(path for path in files if path.is_file())


def below(*rooms: str) -> set[Path]:
    """The tracked files that are one of these, or stand in one of these folders."""
    wanted = [ROOT / room for room in rooms]
    return {p for p in tracked() if any(p == room or room in p.parents for room in wanted)}


def rooms_imported(test: Path) -> set[str]:
    """The rooms of the machine that a test file imports."""
    nodes = list(ast.walk(ast.parse(test.read_text(encoding="utf-8"))))
    names = [n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)]
    names += [alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names]
    return {name.partition(".")[0] for name in names} & set(MACHINE)


def named(test: Path) -> str:
    """named(ROOT / "tests/test_runs.py") -> "tests/test_runs.py" """
    return test.relative_to(ROOT).as_posix()


def inputs(test: Path, script: Path | None = None) -> set[Path]:
    """All files that the tests of a file rest on, or only those of its tests about one `script`."""
    helpers = {p for p in below("tests") if not p.name.startswith("test_")}
    common = {test, *helpers, *below(*COMMON)}
    if named(test) in BUILT:
        rooms = [ROOT / "build" / room for room in ("html", "chapters")]
        made = {p for room in rooms for p in room.rglob("*")} | {
            *(ROOT / "build").glob("no-magic*")
        }
        return common | tracked() | {p for p in made if p.is_file()}
    if script:
        transcript = ROOT / "build" / "runs" / script.parent.name / f"{script.stem}.txt"
        return common | below("scripts/data") | {script, transcript}
    if test.parent.parent.name == "tests" and (ROOT / "scripts" / test.parent.name).is_dir():
        tier, name = test.parent.name, test.stem.removeprefix("test_")
        words = (f"scripts/{tier}/{name}.py", "scripts/data", f"book/back/solutions/{name}.md")
        return common | below(*words, *rooms_imported(test))
    scripts = below("scripts") if named(test) in OF_SCRIPTS else set()
    others = {p for p in tracked() if p.relative_to(ROOT).parts[0] not in (*WORDS, "tests")}
    return (
        common | scripts | others | below(*SETTINGS, "tests/recorder", "tests/press", "tests/proof")
    )


@cache
def sum_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def key(files: Iterable[Path]) -> str:
    """A hash of these files, their places, this Python and this system."""
    said = [sys.version, platform.platform()]
    said += [f"{path.relative_to(ROOT)} {sum_of(path)}" for path in sorted(files) if path.is_file()]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def note(test: Path, script: Path | None = None) -> Path | None:
    """Where it is kept that these tests passed on what they read now; None for what always runs."""
    if named(test) == NEVER or (named(test) == BY_SCRIPT and not script) or not tracked():
        return None
    place = test.relative_to(ROOT / "tests").with_suffix("")
    folder = user_folder().with_name("tests") / place / (script.stem if script else "")
    return folder / f"{key(inputs(test, script))}.json"


def passed(test: Path, script: Path | None = None) -> dict[str, object]:
    """What is kept of these tests, {} if they have to run: {"tests": how many, "date": when}."""
    if switch("FRESH") or switch("ALL"):
        return {}
    kept = note(test, script)
    return read_json(kept) if kept else {}


def keep(test: Path, tests: int, script: Path | None = None) -> None:
    """Keep it that all tests of this file, or those of it about one script, passed just now."""
    if kept := note(test, script):
        now = datetime.now(timezone.utc).isoformat(timespec="minutes")
        with suppress(OSError):
            write_whole(kept, json.dumps({"tests": tests, "date": now}).encode())


class Watch:
    """The tracked files that this process opens while a test runs."""

    def __init__(self) -> None:
        self._seen: set[str] | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and self._seen is not None and isinstance(arguments[0], str | Path):
            self._seen.add(str(arguments[0]))

    @contextmanager
    def over(self, test: Path, script: Path | None = None) -> Iterator[None]:
        """Raises AssertionError for a file that these tests read and `inputs` does not name."""
        self._seen = set()
        try:
            yield
        finally:
            seen, self._seen = self._seen, None
        read = {Path.cwd() / path for path in seen}
        stray = sorted((read & tracked()) - inputs(test, script))
        assert named(test) == NEVER or not stray, (
            f"{named(test)} reads {', '.join(map(named, stray))}, none of its "
            "inputs: name it in tests/kept.py, or a change there would go untested"
        )
