"""Every script and every claim on CPython 3.14, in WebAssembly: Pyodide under node.

It takes twice the time of a CPython of this machine.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from press.run import pyodide
from proof.table import Row
from proof.trial import Trial, recorded, sealed
from recorder.child import Limits
from recorder.interpreter import Interpreter
from recorder.layout import ROOT

HERE = Path(__file__).resolve().parent / "pyodide"
STACK = "--stack-size=6000"  # KiB of the 8 MiB that a process has; the usual 984 end some scripts
ALONE = "--single-threaded"  # else node now and then waits for its compiler as it ends, for good
LIMITS = Limits(seconds=1200)  # twice what a script may take elsewhere


def prove(root: Path = ROOT) -> Iterator[Row]:
    """The rows of the book's runs, or one that says why there is no Pyodide."""
    try:
        folder = pyodide.installed()
    except (OSError, subprocess.CalledProcessError) as error:
        yield Row("wasm", "CPython in WebAssembly", 0, note=f"not here: {pyodide.why(error)}")
        return
    interpreter = _interpreter(folder)
    what = f"CPython {interpreter.version} (wasm)"
    trial = Trial(root, "wasm", what, "wasm", True, sealed(root))
    runs = [replace(run, interpreter=interpreter) for run in recorded(root)]
    yield from trial.rows(runs, LIMITS)


def _interpreter(folder: Path) -> Interpreter:
    """CPython as this Pyodide has it; its own C library computes exp and log."""
    version = json.loads((folder / "pyodide-lock.json").read_bytes())["info"]["python"]
    release = json.loads((folder / "package.json").read_bytes())["version"]
    command = (str(pyodide.NODE), STACK, ALONE, str(HERE / "run.mjs"), str(folder))
    folders = (sys.prefix, str(HERE), str(folder))
    system = f"Emscripten wasm32 Pyodide {release}"
    return Interpreter(command, version, "CPython", system, folders)
