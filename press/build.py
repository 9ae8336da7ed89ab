"""Have Sphinx make one format of the book: `python -m press.build html`, `pdf` or `epub`.

With PAPER=letter in the environment the PDF is on that paper and has a name of its own, since its
pages differ; with DRAFT=1 it is the result of one pass of LaTeX, and goes beside the good one.

Sphinx trusts the modification times of what it wrote, so a page that was half written when the
build was killed, or written by a build that ended in a warning, or by another press, or changed
since, would pass for a good one. So Sphinx works on a copy, which takes the place of the output
when it is whole; and a marker beside the output says what built it, of which sources, and a hash of
all that was made. Where the first or the last is not as it was the build begins anew; where all is,
there is nothing to do. A lock file keeps a second build waiting for the first, and for every
process of it.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from press import edition
from recorder.data import sha256
from recorder.layout import ROOT
from recorder.records import Record, read_json, write_whole

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


def digest(files: Iterable[Path]) -> str:
    """A hash of the names and the contents of files below the book's root."""
    known = hashlib.sha256()
    for path in sorted(files):
        if path.is_file() and "__pycache__" not in path.parts:
            known.update(path.relative_to(ROOT).as_posix().encode())
            known.update(hashlib.sha256(path.read_bytes()).digest())
    return known.hexdigest()


def machine() -> str:
    """A hash of all that makes pages of sources: the press, the recorder, settings, tools."""
    rooms = [path for room in ("press", "recorder") for path in (ROOT / room).rglob("*")]
    return digest([ROOT / "requirements.lock", ROOT / "book" / "conf.py", *rooms])


def sources() -> str:
    """A hash of all that pages are made of, the commit and the date among it."""
    rooms = [ROOT / room for room in ("book", "scripts", "build/runs", "build/figures")]
    files = [path for room in rooms for path in room.rglob("*")]
    said = [digest([*files, *ROOT.glob("*.*"), *BUILD.glob("*.json")])]
    said += [edition.commit(ROOT), edition.epoch(ROOT)]
    return sha256("\n".join(said).encode())


def sphinx(builder: str, folder: str = "", besides: Collection[str] = ()) -> None:
    """Run one Sphinx builder, every warning an error; exit with its status if it fails.

    `besides` are the names of files in its folder that are made of what it made.
    """
    name = folder or builder
    out, trees = BUILD / name, BUILD / "doctrees" / name
    marker = BUILD / f".{name}-made"

    def made() -> str:
        files = [path for room in (out, trees) for path in room.rglob("*")]
        return digest(path for path in files if path.name not in besides)

    here: Record = {"machine": machine(), "sources": sources()}
    last = read_json(marker)
    whole = last.get("made") == made()
    if whole and last | here == last:
        return
    workshop = BUILD / f".{name}-being-made"
    rooms = {workshop / "out": out, workshop / "doctrees": trees}
    shutil.rmtree(workshop, ignore_errors=True)
    workshop.mkdir()
    sign = workshop / ".sign"  # goes with the folder, if somebody takes it
    sign.touch()
    if whole and last.get("machine") == here["machine"]:
        for copy, room in rooms.items():
            shutil.copytree(room, copy)
    _run_sphinx(builder, *rooms)
    if not sign.exists():
        sys.exit(f"Folders of build/ vanished while {name} was made; make again.")
    marker.unlink(missing_ok=True)
    for copy, room in rooms.items():
        shutil.rmtree(room, ignore_errors=True)
        room.parent.mkdir(exist_ok=True)
        copy.rename(room)
    shutil.rmtree(workshop)
    write_whole(marker, json.dumps(here | {"made": made()}).encode())


def _run_sphinx(builder: str, out: Path, trees: Path) -> None:
    processes = "1" if out.exists() else "auto"  # what an edit changes is made sooner by one
    options = ["-W", "-n", "--keep-going", "-j", processes, "-q"]
    command = [sys.executable, "-m", "recorder.told", "press.sphinx_build", "-b", builder, *options]
    command += ["-d", str(trees), str(ROOT / "book"), str(out)]
    dated = os.environ | {"SOURCE_DATE_EPOCH": edition.epoch(ROOT)}  # no page shows another day
    status = subprocess.run(command, cwd=HERE, env=dated, close_fds=False).returncode
    if status:
        sys.exit(f"Sphinx made no {builder} (status {status}); mend what stands above.")


def pdf() -> str:
    """Make the PDF; the name of its file."""
    from press.pdf.typeset import BESIDES, typeset_book  # needs TeX, which html does not

    paper, draft = os.environ.get("PAPER", "a4").lower(), os.environ.get("DRAFT") == "1"
    other = [] if paper == "a4" else [paper]
    folder = "-".join(["latex", *other])
    sphinx("latex", folder, BESIDES)
    name = "-".join([edition.STEM, *other, *(["draft"] if draft else [])]) + ".pdf"
    typeset_book(BUILD / folder, BUILD / name, draft)
    return name


def epub() -> str:
    """Make the EPUB; the name of its file."""
    sphinx("epub")
    name = f"{edition.STEM}.epub"
    write_whole(BUILD / name, (BUILD / "epub" / name).read_bytes())
    return name


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
