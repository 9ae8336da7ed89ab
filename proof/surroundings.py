"""The same bytes wherever a reader runs a script, by `python3 scripts/T/N.py`.

The book's own runs have PYTHONHASHSEED=0. Here each script runs twice more, without the recorder:
once with all other surroundings together, once with a random hash seed, since only one of them can
be tried at a time. Where the bytes differ, each surrounding is tried alone, to name the culprit.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial, reduce
from itertools import zip_longest
from pathlib import Path

from proof.table import Row
from proof.trial import recorded
from recorder import records
from recorder.child import LIMITS
from recorder.layout import ROOT
from recorder.plan import Run

TOGETHER = "only several of these together"


@dataclass(frozen=True)
class Surrounding:
    """What may differ between two readers; `folder` is where their checkout stands."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    folder: str = "no-magic"
    read_only: bool = False

    def __or__(self, other: "Surrounding") -> "Surrounding":
        """Both at once."""
        return Surrounding(
            f"{self.name}, {other.name}",
            self.environment | other.environment,
            self.options + other.options,
            max(self.folder, other.folder, key=len),
            self.read_only or other.read_only,
        )


PASSES = (
    (
        Surrounding("PYTHONHASHSEED=1, not 0", {"PYTHONHASHSEED": "1"}),
        Surrounding("python -O", options=("-O",)),
        Surrounding("LC_ALL=C", {"LC_ALL": "C"}),
        Surrounding("TZ=Pacific/Kiritimati", {"TZ": "Pacific/Kiritimati"}),
        Surrounding("read-only checkout", read_only=True),
        Surrounding("path with spaces and accents", folder="Bücher für später/n\N{DEGREE SIGN} 1"),
    ),
    (Surrounding("PYTHONHASHSEED=random, not 0", {"PYTHONHASHSEED": "random"}),),
)


def prove(root: Path = ROOT) -> Iterator[Row]:
    """A row for each surrounding: the scripts, and those that print other bytes because of it."""
    runs = [run for run in recorded(root) if run.experiment is None]
    if not all(_ours(run) for run in runs):
        note = "the book's runs are not this machine's; `make clean` forgets an edition"
        yield Row("surroundings", "all", 0, note=note)
        return
    for surroundings in PASSES:
        blamed = Counter(_culprits(runs, surroundings))
        for name in [each.name for each in surroundings] + [TOGETHER] * (TOGETHER in blamed):
            yield Row("surroundings", name, len(runs), blamed[name])


def _ours(run: Run) -> bool:
    """Whether the book's transcript of a run was printed on this machine, by this Python."""
    last = records.last(run)
    return all(last.get(key) == value for key, value in records.inputs(run).items())


def _culprits(runs: Sequence[Run], surroundings: Sequence[Surrounding]) -> Iterator[str]:
    """The names of what changed a script's bytes; at least one for each such script."""
    print(f"surroundings: {', '.join(each.name for each in surroundings)}", flush=True)
    for run in _changed(runs, reduce(Surrounding.__or__, surroundings)):
        if len(surroundings) == 1:
            yield surroundings[0].name
        else:
            alone = [each.name for each in surroundings if _changed([run], each)]
            yield from alone or [TOGETHER]


def _changed(runs: Sequence[Run], surrounding: Surrounding) -> list[Run]:
    """The scripts that this surrounding changes; prints how."""
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        changes = list(workers.map(partial(_change, surrounding=surrounding), runs))
    for run, change in zip(runs, changes, strict=True):
        if change:
            print(f"{surrounding.name}: scripts/{run.name}.py {change}")
    return [run for run, change in zip(runs, changes, strict=True) if change]


def _change(run: Run, surrounding: Surrounding) -> str:
    """What is not as in the book when a reader runs this script, "" for nothing."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment = own | {"PYTHONHASHSEED": "0"} | surrounding.environment
    with _checkout(run.root, surrounding) as checkout:
        before = _listing(checkout)
        try:
            done = subprocess.run(
                [sys.executable, *surrounding.options, f"scripts/{run.name}.py"],
                cwd=checkout,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=LIMITS.seconds,
            )
        except subprocess.TimeoutExpired as error:
            return f"runs longer than {error.timeout:g} s"
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            return f"ends with exit status {done.returncode}: {last}"
        if _listing(checkout) != before:
            return "changes its checkout"
    return _difference(done.stdout, run.transcript.read_bytes())


@contextmanager
def _checkout(root: Path, surrounding: Surrounding) -> Iterator[Path]:
    """A copy of the scripts and their data, as this surrounding has it."""
    with tempfile.TemporaryDirectory() as temporary:
        checkout = Path(temporary) / surrounding.folder
        shutil.copytree(root / "scripts", checkout / "scripts", ignore=_IGNORED)
        if surrounding.read_only:  # which does not bind root: hence the listings
            for path in (checkout, *checkout.rglob("*")):
                path.chmod(0o555 if path.is_dir() else 0o444)
        yield checkout


_IGNORED = shutil.ignore_patterns(".*", "__pycache__")


def _listing(folder: Path) -> dict[Path, int]:
    """When each file and folder below a folder was last changed."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def _difference(printed: bytes, expected: bytes) -> str:
    """The first line in which what was printed is not what the book prints, "" if none."""
    lines, book = (text.decode(errors="replace").splitlines() for text in (printed, expected))
    for number, (line, wanted) in enumerate(zip_longest(lines, book, fillvalue=""), 1):
        if line != wanted:
            return f"prints other bytes, first in line {number}: {line!r} instead of {wanted!r}"
    return "" if printed == expected else "prints other bytes, which look the same"
