"""The scripts as a reader runs them: any folder, no recorder, nothing installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted((ROOT / "scripts").glob("[0-9]*/*.py"))
SUMS = dict(
    reversed(line.split()) for line in (ROOT / "scripts/data/SHA256SUMS").read_text().splitlines()
)

each_script = pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)


def run(path: Path, cwd: Path) -> "subprocess.CompletedProcess[bytes]":
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, str(path)], cwd=cwd, env=environment, capture_output=True
    )


@each_script
def test_a_second_run_prints_the_same(path: Path, tmp_path: Path) -> None:
    transcript = ROOT / "build" / "runs" / path.parent.name / f"{path.stem}.txt"
    result = run(path, tmp_path)
    assert result.returncode == 0, result.stderr.decode()
    assert result.stdout == transcript.read_bytes()
    assert not list(tmp_path.iterdir()), "the script left something behind"


def read_by(path: Path) -> list[str]:
    """The data files that a script names among its settings."""
    return [name for name in SUMS if f'"{name}":' in path.read_text(encoding="ascii")]


@pytest.mark.parametrize(
    ("path", "name"),
    [(path, name) for path in SCRIPTS for name in read_by(path)],
    ids=lambda value: getattr(value, "stem", value),
)
@pytest.mark.parametrize("content", [None, b"altered"], ids=["missing", "altered"])
def test_data_that_is_not_what_it_was_is_named(
    path: Path, name: str, content: bytes | None, tmp_path: Path
) -> None:
    """Before any work: one sentence with the file and where it belongs; no traceback."""
    copy = tmp_path / "scripts" / path.parent.name / path.name
    copy.parent.mkdir(parents=True)
    shutil.copy(path, copy)
    data = tmp_path / "scripts" / "data"
    shutil.copytree(ROOT / "scripts" / "data", data)
    if content is None:
        (data / name).unlink()
    else:
        (data / name).write_bytes(content)
    result = run(copy, tmp_path)
    said = result.stderr.decode()
    assert result.returncode == 1
    assert "Traceback" not in said and said.count("\n") == 1
    assert said.startswith(f"{name} is {'altered' if content else 'missing'}: ")
    assert str(data) in said and (content is None or SUMS[name] in said)
    assert result.stdout == b"", "the script had begun to work"
