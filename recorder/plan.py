"""What there is to run: every script, and every experiment of its chapter."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recorder import header
from recorder.errors import BookError
from recorder.header import Experiment
from recorder.interpreter import HERE, Interpreter
from recorder.layout import chapter_path, run_name, script_path, transcript_path


@dataclass(frozen=True)
class Run:
    """One run of the script `name`, tier/name, with new values for its constants in `set`.

    A folder `root` with the book's scripts and chapters gets the transcript: below build/, or below
    book/long/ that of a `long` one. An experiment over seeds has a run for each `seed`.
    """

    root: Path
    name: str
    experiment: str | None = None
    set: dict[str, Any] = field(default_factory=dict, hash=False)
    interpreter: Interpreter = HERE
    seed: int | None = None
    long: bool = False

    @property
    def label(self) -> str:
        """tier/name, tier/name--experiment, or tier/name--experiment--seed-0."""
        return run_name(self.name, self.experiment, self.seed)

    @property
    def script(self) -> Path:
        return script_path(self.root, self.name)

    @property
    def transcript(self) -> Path:
        return transcript_path(self.root, self.label, self.long)

    @property
    def record(self) -> Path:
        return self.transcript.with_suffix(".json")


def all_runs(root: Path) -> list[Run]:
    """Every run that a build makes; raises BookError for a chapter's bad header."""
    return [run for run in _every_run(root) if not run.long]


def long_runs(root: Path) -> list[Run]:
    """Every run that is recorded once, by `make long`; raises BookError for a bad header."""
    return [run for run in _every_run(root) if run.long]


def runs_of(root: Path, name: str, experiment: str | None = None) -> list[Run]:
    """The main run of a script, or the runs of an experiment of its chapter, one for each seed.

    Raises BookError for a chapter's bad header and for an experiment that it does not have.
    """
    if experiment is None:
        return [Run(root, name)]
    experiments = _experiments(root, name)
    if experiment not in experiments:
        known = f"; it has {', '.join(experiments)}" if experiments else ""
        raise BookError(f"The header of book/{name}.md has no experiment '{experiment}'{known}.")
    body = experiments[experiment]
    if not body.seeds:
        return [Run(root, name, experiment, body.set, long=body.long)]
    return [
        Run(root, name, experiment, {**body.set, "SEED": seed}, seed=seed, long=body.long)
        for seed in body.seeds
    ]


def chosen(runs: Sequence[Run], names: Sequence[str], root: Path) -> list[Run]:
    """The runs of the scripts in `names`, tier/name or name, or all of them.

    Raises BookError for a name that is no script's.
    """
    scripts = _scripts(root)
    wanted = set()
    for name in names:
        found = [script for script in scripts if name in (script, script.split("/")[1])]
        if len(found) != 1:
            raise BookError(f"There is no script '{name}'; there are {', '.join(scripts)}.")
        wanted |= set(found)
    return [run for run in runs if not names or run.name in wanted]


def _every_run(root: Path) -> list[Run]:
    return [
        run
        for name in _scripts(root)
        for experiment in (None, *_experiments(root, name))
        for run in runs_of(root, name, experiment)
    ]


def _scripts(root: Path) -> list[str]:
    return sorted(f"{path.parent.name}/{path.stem}" for path in root.glob("scripts/*/*.py"))


def _experiments(root: Path, name: str) -> dict[str, Experiment]:
    chapter = chapter_path(root, name)
    return header.read(chapter).experiments if chapter.exists() else {}
