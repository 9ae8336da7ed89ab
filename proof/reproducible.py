"""Two editions made of the same commit and runs, far apart in every other way, are equal bytes.

Both are made in clones of this repository, whose folders differ in name and depth, side by side:
the second with another time zone, language, user and umask, and, where `faketime` is installed,
more than a year later. Only the PDF is made at the true time: latexmk would take its files for old.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from proof.table import Row
from recorder.data import sha256

ROOT = Path(__file__).resolve().parent.parent
STEPS = (
    ("press.path",),
    ("press.figures.draw",),
    ("press.build", "pdf", "PAPER=letter"),
    ("press.build", "pdf"),
    ("press.build", "html"),
    ("press.build", "epub"),
    ("press.dist",),
)
MADE = ("no-magic*.pdf", "no-magic.epub", "chapters/*", "dist/*", "figures/*/*", "html/**/*")
FAR = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "C", "USER": "nobody"}
LATER = "+400 days"


def prove() -> Iterable[Row]:
    """A row that counts the files of an edition, and those that differ between two of them."""
    if _git("status", "--porcelain"):
        yield _row(0, 0, "not tried: commit your changes first, since clones are compared")
        return
    folder = Path(tempfile.mkdtemp(prefix="no-magic-"))
    near, far = folder / "one", folder / "another place" / "by another name"
    faketime = shutil.which("faketime")
    with ThreadPoolExecutor() as pool:
        ends = [
            pool.submit(_make, near, {}, [], 0o022),
            pool.submit(_make, far, FAR, [faketime, LATER] if faketime else [], 0o027),
        ]
    if said := "".join(end.result() for end in ends):
        print(said)
        yield _row(1, 1, f"the edition could not be made; see {folder}")
        return
    names, different = _compare(near, far)
    apart = "400 days apart, the PDF minutes" if faketime else "minutes apart: there is no faketime"
    if different:
        print(*(f"differs: {name}" for name in different), sep="\n")
        print(f"Look with: diffoscope '{near}/build/{different[0]}' '{far}/build/{different[0]}'")
    else:
        shutil.rmtree(folder)
    yield _row(len(names), len(different), apart)


def _make(root: Path, surroundings: dict[str, str], before: list[str], umask: int) -> str:
    """Make the edition in a new clone; what the step that failed said, or nothing."""
    _git("clone", "-q", str(ROOT), str(root))
    shutil.copytree(ROOT / "build" / "runs", root / "build" / "runs")
    for module, *rest in STEPS:
        arguments = [word for word in rest if "=" not in word]
        given = dict(word.split("=") for word in rest if "=" in word)
        later = [] if "pdf" in arguments else before
        done = subprocess.run(
            [*later, sys.executable, "-m", module, *arguments],
            cwd=root,
            env=os.environ | surroundings | given,
            umask=umask,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            return f"{' '.join((module, *rest))}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return ""


def _compare(one: Path, other: Path) -> tuple[list[str], list[str]]:
    """The names of all files that either edition has, and of those that are not equal."""
    sums = [_sums(root / "build") for root in (one, other)]
    names = sorted(sums[0].keys() | sums[1].keys())
    return names, [name for name in names if sums[0].get(name) != sums[1].get(name)]


def _sums(build: Path) -> dict[str, str]:
    """The SHA-256 of what was made, but for Sphinx's .buildinfo, which holds the folder's name."""
    found = (path for pattern in MADE for path in build.glob(pattern) if path.is_file())
    files = [path for path in found if path.name != ".buildinfo"]
    return {path.relative_to(build).as_posix(): sha256(path.read_bytes()) for path in files}


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _row(tried: int, failed: int, note: str) -> Row:
    return Row("reproducible", "files of two editions", tried, failed, note)
