"""A script prints the same bytes on every run: a second run equals the transcript."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted((ROOT / "scripts").glob("[0-9]*/*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_a_second_run_prints_the_same(path: Path, tmp_path: Path) -> None:
    """Run as a reader would, from any folder: no recorder, no fixed hash seed."""
    transcript = ROOT / "build" / "runs" / path.parent.name / f"{path.stem}.txt"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    result = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, env=environment, capture_output=True
    )
    assert result.returncode == 0, result.stderr.decode()
    assert result.stdout == transcript.read_bytes()
    assert not list(tmp_path.iterdir()), "the script left something behind"
