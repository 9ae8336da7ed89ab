"""Gather an edition in build/dist/, every file named with its version: `python -m press.dist`.

`make dist` first makes what is gathered. The same sources and runs give the same bytes: archives
bear the date of the book, and their files stand in order. SHA256SUMS vouches for all.
"""

import shutil
import sys
from pathlib import Path

from press import build, cards, edition, notebooks, programs
from press.directives import running
from recorder import editions
from recorder.archive import zipped
from recorder.data import sha256
from recorder.errors import BookError
from recorder.layout import ROOT
from recorder.plan import all_runs

SUMS = "SHA256SUMS"


def contents(root: Path) -> dict[str, bytes]:
    """The files of the edition by name. Raises BookError when one is not made yet."""
    version, made = edition.read(root).tag, root / "build"
    moment = int(edition.epoch(root))
    name = f"{edition.STEM}-{version}"
    files = {f"{name}.pdf": made / f"{edition.STEM}.pdf"}
    files[f"{name}-letter.pdf"] = made / f"{edition.STEM}-letter.pdf"
    files[f"{name}.epub"] = made / f"{edition.STEM}.epub"
    for ending in ("apkg", "csv"):
        files[f"{name}-cards.{ending}"] = made / "html" / f"{cards.STEM}.{ending}"
    files |= {f"{name}-{path.name}": path for path in (made / "chapters").glob("*.pdf")}
    for path in files.values():
        if not path.exists():
            raise BookError(f"{path.relative_to(root)} is missing; `make dist` makes it.")
    found = {name: path.read_bytes() for name, path in files.items()}
    volumes = {path.name: path.read_bytes() for path in (made / "volumes").glob("*.pdf")}
    # In one archive, unversioned: they lead to each other by these names.
    found[f"{name}-volumes.zip"] = zipped(volumes, moment)
    found[f"{name}-scripts.zip"] = programs.archive(root)
    found[f"{name}-notebooks.zip"] = notebooks.archive(root)
    found[f"{name}-html.zip"] = zipped(_site(made / "html", name), moment)
    found[f"{name}-runs.zip"] = editions.pack(root, all_runs(root), version, moment)
    return found


def gather(root: Path) -> Path:
    """Put the edition and its sums in build/dist, in the place of what was there."""
    files = contents(root)
    lines = [f"{sha256(files[name])}  {name}\n" for name in sorted(files)]
    target, part = root / "build" / "dist", root / "build" / "dist.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for name, content in [*files.items(), (SUMS, "".join(lines).encode())]:
        (part / name).write_bytes(content)
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    return target


def _site(folder: Path, name: str) -> dict[str, bytes]:
    """The web pages, below a folder of their own; without what only the next build needs."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."]
    for needed in (folder, folder / running.ROOM / "runtime.js"):
        if not needed.exists():
            named = needed.relative_to(folder.parent.parent)
            raise BookError(f"{named} is missing; `make dist` makes it.")
    return {f"{name}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in paths}


def main() -> None:
    try:
        with build.locked():
            target = gather(ROOT)
    except BookError as error:
        sys.exit(str(error))
    for path in sorted(target.iterdir()):
        print(f"{path.stat().st_size / 1e6:8.2f} MB  build/dist/{path.name}")


if __name__ == "__main__":
    main()
