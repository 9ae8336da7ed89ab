"""Have Sphinx make one format of the book: `python -m press.build html`, `pdf` or `epub`.

With PAPER=letter in the environment the PDF is on that paper and has a name of its own, since its
pages differ. With DRAFT=1 what is made goes beside the good one, and warnings do not fail it; the
PDF is then the result of one pass of LaTeX.

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

from press import edition, paper
from recorder.data import sha256
from recorder.layout import ROOT
from recorder.records import Record, read_json, write_whole
from recorder.settings import switch

BUILD = ROOT / "build"
DRAFT = "-draft"  # what the names of drafts end in
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


def offered(made: Path) -> list[Path]:
    """The books that the web pages offer, of those that are made."""
    books = [made / f"{edition.STEM}.pdf", made / f"{edition.STEM}.epub"]
    return [*filter(Path.is_file, books), *sorted((made / "volumes").glob("*.pdf"))]


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
    rooms = [
        ROOT / room for room in ("book", "scripts", "build/runs", "build/figures", "build/run")
    ]
    files = [path for room in rooms for path in room.rglob("*")]
    said = [digest([*files, *ROOT.glob("*.*"), *BUILD.glob("*.json")])]
    said += [edition.commit(ROOT), edition.epoch(ROOT)]
    said += [book.name for book in offered(BUILD)]
    return sha256("\n".join(said).encode())


def already_read(here: Record) -> Path | None:
    """What Sphinx has read for another format, if it is as that build left it.

    It is the same for all formats, and what changed since is read anew. A draft's pages say what
    differs from the book, and are read for a draft alone.
    """
    for marker in sorted(BUILD.glob(".*-made")):
        name, last = marker.name[1 : -len("-made")], read_json(marker)
        same = last.get("machine") == here["machine"] and (suffix() or not name.endswith(DRAFT))
        if same and last.get("trees") == digest(_trees(name).rglob("*")):
            return _trees(name)
    return None


def _trees(name: str) -> Path:
    return BUILD / "doctrees" / name


def _marker(name: str) -> Path:
    return BUILD / f".{name}-made"


def made(name: str, besides: Collection[str]) -> str:
    """A hash of all that was made for a folder, but for files that are made of that."""
    files = [path for room in (BUILD / name, _trees(name)) for path in room.rglob("*")]
    return digest(path for path in files if path.name not in besides)


def left(name: str, besides: Collection[str]) -> Record:
    """What the marker of a folder says, if the folder is as that build left it; else {}."""
    last = read_json(_marker(name))
    return last if last.get("made") == made(name, besides) else {}


def begins_with(name: str, here: Record, besides: Collection[str]) -> str:
    """The folder from which a build may go on: its own, or a draft that of the book; or ""."""
    for known in dict.fromkeys((name, name.removesuffix(DRAFT))):
        if left(known, besides).get("machine") == here["machine"]:
            return known
    return ""


def sphinx(builder: str, folder: str = "", besides: Collection[str] = ()) -> None:
    """Run one Sphinx builder; exit with its status if it fails, or warns of anything but a draft.

    `besides` are the names of files in its folder that are made of what it made.
    """
    name = folder or builder
    here: Record = {"machine": machine(), "sources": sources()}
    last = left(name, besides)
    if last and last | here == last:
        return
    workshop = BUILD / f".{name}-being-made"
    rooms = {workshop / "out": BUILD / name, workshop / "doctrees": _trees(name)}
    shutil.rmtree(workshop, ignore_errors=True)
    workshop.mkdir()
    sign = workshop / ".sign"  # goes with the folder, if somebody takes it
    sign.touch()
    if begun := begins_with(name, here, besides):
        shutil.copytree(BUILD / begun, workshop / "out")
        shutil.copytree(_trees(begun), workshop / "doctrees")
    elif read := already_read(here):
        shutil.copytree(read, workshop / "doctrees")
    _run_sphinx(builder, *rooms)
    if not sign.exists():
        sys.exit(f"Folders of build/ vanished while {name} was made; make again.")
    _marker(name).unlink(missing_ok=True)
    for copy, room in rooms.items():
        shutil.rmtree(room, ignore_errors=True)
        room.parent.mkdir(exist_ok=True)
        copy.rename(room)
    shutil.rmtree(workshop)
    here |= {"made": made(name, besides), "trees": digest(_trees(name).rglob("*"))}
    write_whole(_marker(name), json.dumps(here).encode())


def _run_sphinx(builder: str, out: Path, trees: Path) -> None:
    processes = "1" if out.exists() else "auto"  # what an edit changes is made sooner by one
    options = ["-n", "-j", processes, "-q"]
    options += ["-D", "draft=1"] if switch("DRAFT") else ["-W", "--keep-going"]
    command = [sys.executable, "-m", "recorder.told", "press.sphinx_build", "-b", builder, *options]
    command += ["-d", str(trees), str(ROOT / "book"), str(out)]
    dated = os.environ | {"SOURCE_DATE_EPOCH": edition.epoch(ROOT)}  # no page shows another day
    status = subprocess.run(command, cwd=HERE, env=dated, close_fds=False).returncode
    if status:
        sys.exit(
            f"Sphinx made no {builder} (status {status}); mend what stands above, or have a draft "
            "of it as it is, with DRAFT=1 behind the same make."
        )


def pdf() -> str:
    """Make the PDF; the name of its file."""
    from press.pdf.typeset import BESIDES, typeset_book  # needs TeX, which html does not

    size = paper.chosen()
    other = "" if size == paper.USUAL else f"-{size}"
    folder = f"latex{other}{suffix()}"
    sphinx("latex", folder, BESIDES)
    name = f"{edition.STEM}{other}{suffix()}.pdf"
    typeset_book(BUILD / folder, BUILD / name, switch("DRAFT"))
    return name


def epub() -> str:
    """Make the EPUB; the name of its file."""
    folder = f"epub{suffix()}"
    sphinx("epub", folder)
    name = f"{edition.STEM}{suffix()}.epub"
    write_whole(BUILD / name, (BUILD / folder / f"{edition.STEM}.epub").read_bytes())
    return name


def html() -> str:
    """Make the web pages, and put the books that they offer beside them; the first page's name."""
    folder = f"html{suffix()}"
    books = offered(BUILD)
    sphinx("html", folder, besides=[book.name for book in books])
    for book in books:
        beside = BUILD / folder / book.name
        if not same(book, beside):
            write_whole(beside, book.read_bytes())
    gather_notebooks(BUILD / folder, BUILD / f"notebooks{suffix()}")
    return f"{folder}/index.html"


def gather_notebooks(pages: Path, folder: Path) -> None:
    """Put the notebooks, which Sphinx wrote beside the web pages, into a folder of their own."""
    made = {path.relative_to(pages): path for path in pages.glob("[0-9]*/*.ipynb")}
    for path in folder.glob("*/*.ipynb"):
        if path.relative_to(folder) not in made:
            path.unlink()
    for name, path in made.items():
        if not same(path, folder / name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(folder / name, path.read_bytes())


def same(one: Path, other: Path) -> bool:
    """Whether two files are there and hold the same bytes."""
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


def suffix() -> str:
    """What the names of drafts end in."""
    return DRAFT if switch("DRAFT") else ""


def main() -> None:
    paper.chosen(), switch("DRAFT"), edition.read(ROOT)  # Sphinx would end in a report of a crash
    with locked():
        if sys.argv[1] == "pdf":
            made = pdf()
        elif sys.argv[1] == "epub":
            made = epub()
        else:
            made = html()
    print(f"The book is in build/{made}")


if __name__ == "__main__":
    main()
