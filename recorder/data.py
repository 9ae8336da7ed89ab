"""The shipped data, as scripts/data/SHA256SUMS vouches for it."""

import hashlib
from pathlib import Path

from recorder.errors import BookError

FOLDER = "scripts/data"
SUMS = "SHA256SUMS"


def sha256(content: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest(path: Path) -> str:
    """The SHA-256 of a file, or an empty string where there is none."""
    try:
        return sha256(path.read_bytes())
    except OSError:
        return ""


def listed(root: Path) -> dict[str, str]:
    """What SHA256SUMS says of every data file, by its path from `root`; {} without data."""
    listing = root / FOLDER / SUMS
    if not listing.exists():
        return {}
    lines = listing.read_text(encoding="ascii").splitlines()
    return {f"{FOLDER}/{name}": known for known, name in (line.split() for line in lines)}


def verified(root: Path) -> dict[str, str]:
    """The SHA-256 of all that a script may read, by its path from `root`: data, and itself.

    Raises BookError naming the file that is missing or altered, and its expected SHA-256.
    """
    sums = listed(root)
    for path, known in sums.items():
        file = root / path
        if not file.exists():
            raise BookError(f"{path} is missing; put back the file with SHA-256 {known}.")
        if sha256(file.read_bytes()) != known:
            raise BookError(f"{path} is altered; put back the file with SHA-256 {known}.")
    scripts = root.glob("scripts/*/*.py")
    return sums | {path.relative_to(root).as_posix(): sha256(path.read_bytes()) for path in scripts}
