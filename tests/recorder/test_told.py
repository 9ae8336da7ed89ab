"""Commands that end in a sentence."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("print(sys.argv[1:], __name__)", 0, "['a', '-b'] __main__\n"),
        (
            "raise BookError('book/x.md is missing; write it.')",
            1,
            "book/x.md is missing; write it.",
        ),
        ("open('/nowhere/x')", 1, "act cannot go on: [Errno 2] No such file or directory: "),
        ("sys.exit(7)", 7, ""),
        ("os.kill(os.getpid(), 2)", -signal.SIGINT, ""),
        ("1 / 0", 1, "ZeroDivisionError"),  # what only an engineer can mend keeps its traceback
    ],
)
def test_a_command_ends(tmp_path: Path, text: str, status: int, said: str) -> None:
    (tmp_path / "act.py").write_text(
        f"import os, sys\nfrom recorder.errors import BookError\n{text}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "recorder.told", "act", "a", "-b"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == status
    assert said in done.stdout
    assert ("Traceback" in done.stdout) == ("1 / 0" in text)
