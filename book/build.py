"""Have Sphinx make one format of the book: `python -m book.build html`, `pdf` or `epub`.

With PAPER=letter in the environment the PDF is on that paper and has a name of its own, since its
pages differ; with DRAFT=1 it is the result of one pass of LaTeX, and goes beside the good one.

Sphinx trusts the modification times of what it wrote, so a page that was half written when the
build was killed, or written by a build that ended in a warning, or by other extensions, or damaged
since, would pass for a good one. A marker stands beside the output from the good end of a build to
the beginning of the next, and holds a hash of the machine that built it, and of all that it made; a
build that does not find these there begins anew. A lock file keeps a second build waiting for the
first, and for every process of it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
HERE = ROOT  # where recorder.told is found


@contextmanager
def locked() -> Iterator[None]:
    """Hold build/.lock: one Sphinx at a time writes into build/."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # Whatever is begun from here inherits the lock: a Sphinx that outlives this process too.
        os.set_inheritable(file.fileno(), True)
        yield


def machine() -> str:
    """A hash of all that makes pages of sources: extensions, theme, settings, locked tools."""
    book = ROOT / "book"
    files = [ROOT / "requirements.lock", *book.glob("*.py")]
    files += [path for room in ("extensions", "theme") for path in (book / room).rglob("*")]
    known = hashlib.sha256()
    for path in sorted(files):
        if path.is_file() and "__pycache__" not in path.parts:
            known.update(path.relative_to(ROOT).as_posix().encode())
            known.update(hashlib.sha256(path.read_bytes()).digest())
    return known.hexdigest()


def content(folder: Path, besides: Collection[str]) -> str:
    """A hash of all files of a folder, but for those of certain names."""
    known = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in besides:
            known.update(path.relative_to(folder).as_posix().encode())
            known.update(hashlib.sha256(path.read_bytes()).digest())
    return known.hexdigest()


def sphinx(builder: str, folder: str = "", besides: Collection[str] = ()) -> None:
    """Run one Sphinx builder, every warning an error; exit with its status if it fails.

    `besides` are the names of files in its folder that are made of what it made.
    """
    name = folder or builder
    out, trees = BUILD / name, BUILD / "doctrees" / name
    marker, here = BUILD / f".{name}-made", machine()

    def made() -> str:
        return "\n".join((here, content(out, besides), content(trees, ())))

    if not marker.is_file() or marker.read_bytes() != made().encode():
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(trees, ignore_errors=True)
    marker.unlink(missing_ok=True)
    options = ["-W", "-n", "--keep-going", "-j", "auto", "-q"]
    command = [sys.executable, "-m", "recorder.told", "sphinx", "-b", builder, *options]
    folders = ["-d", str(trees), str(ROOT / "book"), str(out)]
    status = subprocess.run([*command, *folders], cwd=HERE, close_fds=False).returncode
    if status:
        sys.exit(f"Sphinx made no {name} (status {status}); mend what it says above, make again.")
    marker.write_text(made())


def pdf() -> str:
    """Make the PDF; the name of its file."""
    from book.pdf import BESIDES, NAME, typeset_book  # needs TeX, which html does not

    paper, draft = os.environ.get("PAPER", "a4").lower(), os.environ.get("DRAFT") == "1"
    other = [] if paper == "a4" else [paper]
    folder = "-".join(["latex", *other])
    sphinx("latex", folder, BESIDES)
    name = "-".join([NAME, *other, *(["draft"] if draft else [])]) + ".pdf"
    typeset_book(BUILD / folder, BUILD / name, draft)
    return name


def epub() -> str:
    """Make the EPUB; the name of its file."""
    sphinx("epub", besides=["no-magic.epub"])
    (BUILD / "epub" / "no-magic.epub").replace(BUILD / "no-magic.epub")
    return "no-magic.epub"


def main() -> None:
    with locked():
        if sys.argv[1] == "pdf":
            made = pdf()
        elif sys.argv[1] == "epub":
            made = epub()
        else:
            sphinx("html")
            made = "html/index.html"
    print(f"The book is in build/{made}")


if __name__ == "__main__":
    main()
