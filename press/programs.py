"""The programs with their data as one archive, which run wherever it is unfolded.

The web pages offer it, the PDF carries it, `make dist` has it beside them; a chapter's PDF carries
its own program with the data that it reads.
"""

from pathlib import Path

from press import edition
from recorder import data
from recorder.archive import zipped
from recorder.errors import BookError
from recorder.layout import script_path

FOLDER = f"{edition.STEM}-scripts"
NAME = f"{FOLDER}.zip"
SOURCES = f"{data.FOLDER}/SOURCES.md"


def archive(root: Path, chapter: str = "") -> bytes:
    """All programs and their data, or a chapter's; the same bytes from the same commit."""
    return zipped(contents(root, chapter), int(edition.epoch(root)))


def contents(root: Path, chapter: str = "") -> dict[str, bytes]:
    """The files of that archive by name."""
    scripts = sorted((root / "scripts").glob("[0-9]*/*.py"))
    if chapter:
        scripts = [script_path(root, chapter)]
    read = [path.read_text(encoding="utf-8") for path in scripts]
    files = [path for path in data.verified(root) if any(Path(path).name in text for text in read)]
    notes = [name for name in (SOURCES, "LICENSE") if (root / name).is_file()]
    paths = [*scripts, *(root / name for name in [*files, *notes])]
    try:
        return {
            f"{FOLDER}/{path.relative_to(root).as_posix()}": path.read_bytes() for path in paths
        }
    except FileNotFoundError as error:
        raise BookError(f"{error.filename} is missing, so the programs make no archive.") from error
