"""Every script and every claim on each CPython that the scripts promise to run on."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from os import environ
from pathlib import Path

from proof.table import Row
from proof.trial import Trial, recorded, sealed
from recorder.interpreter import Interpreter, native
from recorder.layout import ROOT

VERSIONS = ("3.10", "3.11", "3.12", "3.13")  # 3.14 is the part `wasm`
ASK = "import platform as p, sys; print(p.python_implementation(), p.python_version())"
ASK += "; print(sys.executable)"  # behind pyenv's shims
PATCH = re.compile(r"\d+\.\d+\.(\d+)")


def prove(root: Path = ROOT) -> Iterator[Row]:
    """The rows of each version, or one that says that it is not here."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    for version in dict.fromkeys([*VERSIONS, running]):
        found = interpreter(version)
        if found is None:
            note = "not here: neither among pyenv's versions nor on the PATH"
            yield Row("versions", f"CPython {version}", 0, note=note)
            continue
        what, folder = f"CPython {found.version}", f"python-{version}"
        trial = Trial(root, "versions", what, folder, True, sealed(root))
        yield from trial.rows([replace(run, interpreter=found) for run in recorded(root)])


def interpreter(version: str) -> Interpreter | None:
    """A CPython of a version such as "3.12": the running one, pyenv's newest, the PATH's."""
    for candidate in (Path(sys.executable), *_of_pyenv(version), _on_path(version)):
        if candidate and (found := _asked(candidate)) and found.version.startswith(f"{version}."):
            return found
    return None


def _of_pyenv(version: str) -> list[Path]:
    """Newest first; 3.13.0t and the like, which are other builds, are none of them."""
    versions = Path(environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = {
        int(patch[1]): folder / "bin" / f"python{version}"
        for folder in versions.glob(f"{version}.*")
        if (patch := PATCH.fullmatch(folder.name))
    }
    return [found[patch] for patch in sorted(found, reverse=True)]


def _on_path(version: str) -> Path | None:
    found = shutil.which(f"python{version}")
    return Path(found) if found else None


def _asked(candidate: Path) -> Interpreter | None:
    """What an executable says it is, if it runs and is a CPython."""
    try:
        told = subprocess.run([candidate, "-c", ASK], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    what, executable = told.stdout.splitlines()
    implementation, version = what.split()
    return native(executable, version) if implementation == "CPython" else None
