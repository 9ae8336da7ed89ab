"""Where things stand: the same tier/name in every room of the house."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONG = "book/long"


def run_name(name: str, experiment: str | None = None, seed: int | None = None) -> str:
    """run_name("01-foundations/microgpt", "wide", 3) -> "01-foundations/microgpt--wide--seed-3"."""
    parts = [name, experiment, None if seed is None else f"seed-{seed}"]
    return "--".join(part for part in parts if part is not None)


def transcript_path(root: Path, label: str, long: bool = False) -> Path:
    """The transcript of the run of that label: made, or committed where it is a `long` one."""
    return root / (LONG if long else "build/runs") / f"{label}.txt"


def script_path(root: Path, name: str) -> Path:
    """The script of a tier/name."""
    return root / "scripts" / f"{name}.py"


def chapter_path(root: Path, name: str) -> Path:
    """The chapter of a tier/name."""
    return root / "book" / f"{name}.md"


def shown(path: Path) -> str:
    """A path as messages name it: its last three parts, scripts/T/N.py or book/T/N.md."""
    return Path(*path.parts[-3:]).as_posix()
