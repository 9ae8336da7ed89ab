"""Shell scripts in the place of the system's programs."""

from pathlib import Path

import pytest


def programs(folder: Path, monkeypatch: pytest.MonkeyPatch, /, *path: str, **scripts: str) -> None:
    """Have these shell scripts stand for the programs of these names, and none but those of `path`.

    An underscore in a name stands for a hyphen.
    """
    folder.mkdir(exist_ok=True)
    for name, script in scripts.items():
        file = folder / name.replace("_", "-")
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", ":".join((str(folder), *path)))
