"""What there is to run: every script, and every experiment of its chapter."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recorder import header
from recorder.errors import BookError
from recorder.interpreter import HERE, Interpreter
from recorder.layout import chapter_path, run_name, script_path, transcript_path


@dataclass(frozen=True)
class Run:
    """One run of the script `name`, tier/name, with new values for its constants in `set`.

    A folder `root` with the book's scripts and chapters gets the transcript, below build/.
    """

    root: Path
    name: str
    experiment: str | None = None
    set: dict[str, Any] = field(default_factory=dict, hash=False)
    interpreter: Interpreter = HERE

    @property
    def label(self) -> str:
        """tier/name, or tier/name--experiment."""
        return run_name(self.name, self.experiment)

    @property
    def script(self) -> Path:
        return script_path(self.root, self.name)

    @property
    def transcript(self) -> Path:
        return transcript_path(self.root, self.name, self.experiment)

    @property
    def record(self) -> Path:
        return self.transcript.with_suffix(".json")


def all_runs(root: Path) -> list[Run]:
    """Every run of the book at `root`; raises BookError for a chapter's bad header."""
    names = sorted(f"{path.parent.name}/{path.stem}" for path in root.glob("scripts/[0-9]*/*.py"))
    return [run for name in names for run in _runs_of(root, name)]


def chosen(runs: Sequence[Run], names: Sequence[str]) -> list[Run]:
    """The runs of the scripts in `names`, or all of them; raises BookError for an unknown name."""
    known = sorted({run.name for run in runs})
    for name in names:
        if name not in known:
            raise BookError(f"There is no script scripts/{name}.py; there are {', '.join(known)}.")
    return [run for run in runs if not names or run.name in names]


def _runs_of(root: Path, name: str) -> list[Run]:
    chapter = chapter_path(root, name)
    experiments = header.read(chapter).experiments if chapter.exists() else {}
    return [
        Run(root, name),
        *(Run(root, name, experiment, body.set) for experiment, body in experiments.items()),
    ]
