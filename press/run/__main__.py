"""See to it that the web pages can run their programs: `python -m press.run`.

Makes build/run/runtime.js. Where npm cannot fetch Pyodide, that is said, and the pages are made
without it; an edition has to have it (press.dist).
"""

import json
import subprocess
import sys
from pathlib import Path

from press import build
from press.run import RUNTIME, pack, pyodide
from recorder.data import digest, sha256
from recorder.layout import ROOT
from recorder.records import read_json, write_whole


def prepare(root: Path = ROOT) -> str:
    """Make what is not there, or no longer what it should be; the sentence of what cannot be."""
    target, note = root / RUNTIME, root / "build" / "run-made.json"
    try:
        folder = pyodide.installed()
    except (OSError, subprocess.CalledProcessError) as error:
        target.unlink(missing_ok=True)
        return (
            "The web pages will not run programs, since Pyodide is not here: "
            f"{pyodide.why(error)}. All else of them is made; with a network, make them again."
        )
    made_of = [folder / ".." / ".package-lock.json", *map(ROOT.joinpath, pack.PYTHON)]
    made_of += [pack.HERE / "worker.js", pack.HERE / "pack.py"]
    inputs = sha256("".join(map(digest, made_of)).encode())
    if read_json(note) != {"inputs": inputs, "made": digest(target)}:
        content = pack.runtime(folder)
        write_whole(target, content)
        write_whole(note, json.dumps({"inputs": inputs, "made": sha256(content)}).encode())
    return ""


def main() -> None:
    with build.locked():
        if said := prepare():
            print(said, file=sys.stderr)


if __name__ == "__main__":
    main()
