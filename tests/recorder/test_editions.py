"""An edition's runs go into an archive and come out whole, on any machine, or not at all."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from recorder import editions, records
from recorder.archive import zipped
from recorder.child import LIMITS
from recorder.errors import BookError
from recorder.plan import all_runs
from tests.workshop import READS, ROOT, TIER, Workshop

MOMENT = 1_700_000_000
Contents = dict[str, bytes]
FROM = """
import sys
from pathlib import Path
from recorder.__main__ import main
sys.exit(main(["--from", sys.argv[2]], root=Path(sys.argv[1])))
"""


def packed(book: Workshop) -> Contents:
    """What the archive of a book's runs holds."""
    archive = editions.pack(book.root, all_runs(book.root), "1.2.0", MOMENT)
    with zipfile.ZipFile(BytesIO(archive)) as file:
        return {name: file.read(name) for name in file.namelist()}


def taken(book: Workshop, contents: Contents | bytes) -> str:
    """Take an archive in; its version."""
    path = book.root / "edition.zip"
    path.write_bytes(zipped(contents, MOMENT) if isinstance(contents, dict) else contents)
    return editions.take_in(book.root, all_runs(book.root), path)


def there(book: Workshop) -> Contents:
    """All that is in build/runs."""
    folder = book.root / "build" / "runs"
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def contents(recorded: Workshop) -> Contents:
    """What the archive of the recorded book holds."""
    return packed(recorded)


@pytest.fixture
def elsewhere(recorded: Workshop, contents: Contents, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """The same book on another machine, where nothing was run and no cache helps."""
    real = records.inputs
    monkeypatch.setattr(records, "inputs", lambda *run: {**real(*run), "platform": "Elsewhere"})
    other = Workshop(recorded.root.parent / "elsewhere", recorded.root.parent / "no-cache")
    other.fill()
    return other


def test_an_archive_is_the_same_bytes_twice(recorded: Workshop) -> None:
    runs = all_runs(recorded.root)
    first, second = (editions.pack(recorded.root, runs, "1.2.0", MOMENT) for _ in range(2))
    assert first == second
    assert sorted(packed(recorded)) == [
        "edition.json",
        f"runs/{TIER}/one--more.json",
        f"runs/{TIER}/one--more.txt",
        f"runs/{TIER}/one.json",
        f"runs/{TIER}/one.txt",
    ]


def test_stale_runs_make_no_archive(recorded: Workshop) -> None:
    recorded.script("one", READS + "0")
    with pytest.raises(BookError, match=f"{TIER}/one.txt is missing or stale; run `make runs`"):
        packed(recorded)


def test_an_editions_runs_are_not_run_again_on_another_machine(
    contents: Contents, elsewhere: Workshop
) -> None:
    assert taken(elsewhere, contents) == "1.2.0"
    assert elsewhere.record() == []
    assert elsewhere.ran() == [] and "2 fresh, 0 from the cache, 0 to do" in elsewhere.said
    assert packed(elsewhere).keys() == contents.keys()
    for name in ("one.txt", "one.json", "one--more.txt", "one--more.json"):
        path = elsewhere.root / "build" / "runs" / TIER / name
        assert path.read_bytes() == contents[f"runs/{TIER}/{name}"]


def test_without_the_archive_they_would_run_there(contents: Contents, elsewhere: Workshop) -> None:
    taken(elsewhere, contents)
    (elsewhere.root / "build/runs/edition.json").unlink()
    assert elsewhere.record() == []
    assert sorted(elsewhere.ran()) == ["one", "one--more"]


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (lambda book: book.script("one", READS + "0"), ["one", "one--more"]),
        (lambda book: book.data(names="bob"), ["one", "one--more"]),
        (
            lambda book: book.chapter("one", "experiments: {more: {set: {STEPS: 4}}}"),
            ["one--more"],
        ),
        (lambda book: book.path("one").write_text("forged"), ["one"]),
        (lambda book: book.path("one", ".json").write_text("{}"), ["one"]),
    ],
)
def test_what_is_changed_after_it_is_run_again(
    contents: Contents, elsewhere: Workshop, change: Callable[[Workshop], object], again: list[str]
) -> None:
    taken(elsewhere, contents)
    change(elsewhere)
    assert elsewhere.record() == []
    assert sorted(elsewhere.ran()) == again


def test_a_run_made_here_since_is_no_editions(
    contents: Contents, elsewhere: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(elsewhere, contents)
    elsewhere.script("one", READS + "0")
    assert elsewhere.record() == []
    here = records.inputs
    monkeypatch.setattr(records, "inputs", lambda *run: {**here(*run), "python": "3.99"})
    assert elsewhere.record() == []
    assert sorted(elsewhere.ran()) == ["one", "one--more"]


def test_the_command_takes_an_archive_in_and_runs_nothing(
    contents: Contents, recorded: Workshop
) -> None:
    clone = Workshop(recorded.root.parent / "clone", recorded.root.parent / "no-cache")
    clone.fill()
    archive = clone.root / "runs.zip"
    archive.write_bytes(zipped(contents, MOMENT))
    command = [sys.executable, "-c", FROM, str(clone.root), str(archive)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert told == (
        "Runs: took in the 2 of edition 1.2.0.\nRuns: 2 fresh, 0 from the cache, 0 to do.\n"
    )
    archive.write_bytes(b"PK")
    broken = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert broken.returncode == 1 and broken.stderr.count("\n") == 1
    assert "runs.zip is no whole zip file" in broken.stderr


# --- Archives that are refused


def without(name: str) -> Callable[[Contents], Contents]:
    return lambda contents: {key: value for key, value in contents.items() if key != name}


def record(name: str, **fields: object) -> Callable[[Contents], Contents]:
    """Change fields of a record, which vouches for them."""

    def change(contents: Contents) -> Contents:
        key = f"runs/{TIER}/{name}.json"
        changed = {**json.loads(contents[key]), **fields}
        sealed = {"record_sha256": records.seal(changed)}
        return {**contents, key: json.dumps({**changed, **sealed, **fields}).encode()}

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: b"", "edition.zip is no whole zip file"),
        (lambda c: zipped(c, MOMENT)[:-30], "edition.zip is no whole zip file"),
        (
            lambda c: zipped(c, MOMENT).replace(b"runs/01-tier/one.json", b"runs/01-tier/one.jsom"),
            "has no runs/01-tier/one.json: these are not the sources of edition 1.2.0; check them "
            "out (git checkout v1.2.0).",
        ),
        (without("edition.json"), "has no edition.json with a version"),
        (lambda c: {**c, "edition.json": b"[]"}, "has no edition.json with a version"),
        (without(f"runs/{TIER}/one--more.txt"), f"has no runs/{TIER}/one--more.txt"),
        (lambda c: {**c, "../../evil": b""}, "has ../../evil, which is no run of this book"),
        (
            lambda c: {**c, f"runs/{TIER}/one--more.txt": b"forged"},
            f"runs/{TIER}/one--more.txt is not what its record vouches for; fetch the archive",
        ),
        (lambda c: {**c, f"runs/{TIER}/one.json": b"{"}, f"runs/{TIER}/one.json is no record"),
        (record("one", data=None), f"runs/{TIER}/one.json is no record of a run"),
        (record("one", record_sha256="0"), f"runs/{TIER}/one.json is not what was recorded"),
        (
            record("one", script_sha256="0", code_sha256="0"),
            f"scripts/{TIER}/one.py is not what runs/{TIER}/one.json records: these are not the",
        ),
        (
            record("one--more", set={"STEPS": 9}),
            f"book/{TIER}/one.md sets other constants for 'more' than runs/{TIER}/one--more.json",
        ),
        (
            record("one--more", data={"scripts/data/names": "0"}),
            f"scripts/data/names is not what runs/{TIER}/one--more.json records",
        ),
        (
            lambda c: {**c, f"runs/{TIER}/one.txt": b"x" * (LIMITS.output + 1)},
            f"edition.zip: runs/{TIER}/one.txt is larger than any transcript.",
        ),
    ],
)
def test_a_bad_archive_is_refused_whole_in_one_sentence(
    change: Callable[[Contents], Contents | bytes],
    told: str,
    contents: Contents,
    recorded: Workshop,
) -> None:
    before = there(recorded)
    with pytest.raises(BookError) as raised:
        taken(recorded, change(contents))
    assert told in str(raised.value) and "\n" not in str(raised.value)
    assert there(recorded) == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda book: book.script("one", READS + "0"), f"scripts/{TIER}/one.py is not what"),
        (lambda book: book.data(names="bob"), "scripts/data/names is not what"),
        (lambda book: book.write("scripts/data/names", "bob"), "scripts/data/names is altered"),
        (lambda book: book.chapter("one", "facts: {}"), "which is no run of this book"),
        (lambda book: book.script("two", "print(2)"), f"has no runs/{TIER}/two"),
    ],
)
def test_other_sources_are_named(
    change: Callable[[Workshop], object], told: str, contents: Contents, recorded: Workshop
) -> None:
    change(recorded)
    before = there(recorded)
    with pytest.raises(BookError) as raised:
        taken(recorded, contents)
    assert told in str(raised.value)
    assert there(recorded) == before


def test_a_missing_archive_is_named(recorded: Workshop) -> None:
    with pytest.raises(BookError, match="nowhere.zip is not there"):
        editions.take_in(recorded.root, all_runs(recorded.root), Path("nowhere.zip"))


def test_taking_in_that_is_cut_short_leaves_whole_runs(
    contents: Contents, elsewhere: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    real = records.write_whole

    def stops(path: Path, content: bytes) -> None:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)
        real(path, content)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(records, "write_whole", stops)
        taken(elsewhere, contents)
    assert elsewhere.record() == []
    assert sorted(elsewhere.ran()) == ["one", "one--more"]
