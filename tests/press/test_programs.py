"""The archive of the programs: what is taken from a page or a PDF runs where it is unfolded."""

import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from press import programs
from recorder.data import FOLDER
from recorder.errors import BookError
from recorder.layout import ROOT

SCRIPTS = sorted((ROOT / "scripts").glob("[0-9]*/*.py"))


def names(archive: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return file.namelist()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_chapters_archive_has_every_file_that_its_program_names(path: Path) -> None:
    """And no other program, and the licence of the data."""
    held = names(programs.archive(ROOT, f"{path.parent.name}/{path.stem}"))
    shipped = {data.name for data in (ROOT / FOLDER).iterdir()}
    named = set(re.findall(r"[\w.]+\.(?:txt|csv|tsv|jsonl)(?:\.gz)?", path.read_text("ascii")))
    assert named & shipped == {name.rpartition("/")[2] for name in held} & shipped - {"SOURCES.md"}
    assert [name for name in held if name.endswith(".py")] == [
        f"no-magic-scripts/scripts/{path.parent.name}/{path.name}"
    ]
    assert f"no-magic-scripts/{FOLDER}/SOURCES.md" in held


def test_the_archive_has_all_programs_and_all_data_as_they_are() -> None:
    with zipfile.ZipFile(io.BytesIO(programs.archive(ROOT))) as file:
        shipped = (path for path in (ROOT / FOLDER).glob("*.*") if path.suffix != ".py")
        for path in [*SCRIPTS, *shipped]:
            name = f"no-magic-scripts/{path.relative_to(ROOT).as_posix()}"
            assert file.read(name) == path.read_bytes()


def test_a_program_runs_where_the_archive_is_unfolded(tmp_path: Path) -> None:
    """Its data are found: the shortest program goes as far as its first line of output."""
    [path] = (path for path in SCRIPTS if path.stem == "microtokenizer")
    archive = programs.archive(ROOT, f"{path.parent.name}/{path.stem}")
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        file.extractall(tmp_path)
    script = tmp_path / "no-magic-scripts" / "scripts" / path.parent.name / path.name
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path) as run:
        assert run.stdout
        first = run.stdout.readline()
        run.kill()
    assert first.strip()


def test_the_same_bytes_whenever_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert programs.archive(ROOT) == programs.archive(ROOT)


def test_altered_data_make_no_archive(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "SHA256SUMS").write_text("0" * 64 + "  names.csv\n")
    with pytest.raises(BookError, match="names.csv is missing"):
        programs.archive(tmp_path)
