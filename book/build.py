"""Have Sphinx make one format of the book: `python -m book.build html`, `pdf` or `epub`.

Sphinx trusts the modification times of what it wrote, so a page that was half written when the
build was killed, or written by a build that ended in a warning, would pass for a good one. A
marker file stands beside the output from the first moment of a build to its good end; a build
that finds one there begins anew. A lock file keeps a second build waiting for the first.
"""

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
BUILDERS = {"html": "html", "pdf": "latex", "epub": "epub"}
MADE = {"html": "build/html/index.html", "pdf": "build/no-magic.pdf", "epub": "build/no-magic.epub"}


@contextmanager
def locked() -> Iterator[None]:
    """Hold build/.lock: one Sphinx at a time writes into build/."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sphinx(builder: str) -> None:
    """Run one Sphinx builder, every warning an error; exit with its status if it fails."""
    out, trees = BUILD / builder, BUILD / "doctrees" / builder
    unfinished = BUILD / f".{builder}-unfinished"
    if unfinished.exists():
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(trees, ignore_errors=True)
    unfinished.touch()
    options = ["-W", "-n", "--keep-going", "-j", "auto", "-q"]
    command = [sys.executable, "-m", "sphinx", "-b", builder, *options, "-d", str(trees)]
    status = subprocess.run([*command, str(ROOT / "book"), str(out)], cwd=ROOT).returncode
    if status:
        sys.exit(status)
    unfinished.unlink()


def main() -> None:
    target = sys.argv[1]
    with locked():
        sphinx(BUILDERS[target])
        if target == "pdf":
            from book.pdf import main as typeset  # needs TeX, which html does not

            typeset()
        if target == "epub":
            (BUILD / "epub" / "no-magic.epub").replace(BUILD / "no-magic.epub")
    print(f"The book is in {MADE[target]}")


if __name__ == "__main__":
    main()
