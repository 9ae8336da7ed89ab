"""Where things stand: the same tier/name in every room of the house."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run_name(name: str, experiment: str | None = None) -> str:
    """run_name("01-foundations/microgpt", "no-mask") -> "01-foundations/microgpt--no-mask"."""
    return name if experiment is None else f"{name}--{experiment}"


def transcript_path(root: Path, name: str, experiment: str | None = None) -> Path:
    """The transcript of a script or of one of its experiments, whether it is there or not."""
    return root / "build" / "runs" / f"{run_name(name, experiment)}.txt"


def script_path(root: Path, name: str) -> Path:
    """The script of a tier/name."""
    return root / "scripts" / f"{name}.py"


def chapter_path(root: Path, name: str) -> Path:
    """The chapter of a tier/name."""
    return root / "book" / f"{name}.md"


def shown(path: Path) -> str:
    """A path as messages name it: its last three parts, scripts/T/N.py or book/T/N.md."""
    return Path(*path.parts[-3:]).as_posix()
