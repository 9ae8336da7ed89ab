"""What stands around a running script: bubblewrap's namespaces, or else the guard alone.

Behind bubblewrap there is no network, no other process, no home, and no file but those of Python,
the script and its data, all read-only, and two empty folders, which go with the run. The guard
(recorder/guard.py) stands inside as the second wall, and says in a sentence what it refuses.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from recorder.errors import BookError
from recorder.interpreter import HERE, PYTHON

HOOK = "audit hook"  # the guard's, alone

LIBRARIES = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/nix/store")
LOADER = "/etc/ld.so.cache"
TRIAL = "import hashlib, math, sqlite3"  # what needs Python's own libraries, and the system's


@dataclass(frozen=True)
class Wall:
    """The outer wall: `program` is bwrap, or None for none; `name` goes into the records.

    `lack` says why there is no bubblewrap, "" where there is.
    """

    program: str | None
    name: str
    lack: str = ""

    def around(
        self, command: Iterable[str], files: Iterable[str | Path], folder: Path
    ) -> list[str]:
        """`command` behind this wall: it may read `files`, and write into `folder`."""
        if self.program is None:
            return list(command)
        named = filter(os.path.isabs, os.environ.get("LD_LIBRARY_PATH", "").split(":"))
        shown = [*LIBRARIES, *named, LOADER, *map(str, files)]
        options = ["--unshare-all", "--hostname", "no-magic", "--cap-drop", "ALL"]
        options += ["--die-with-parent", "--as-pid-1", "--tmpfs", "/tmp"]
        for path in dict.fromkeys(shown):
            options += ["--ro-bind-try", path, path]
        options += ["--bind", str(folder), str(folder), "--chdir", str(folder)]
        return [self.program, *options, "--remount-ro", "/", "--", *command]

    def status(self, status: int) -> int:
        """The exit status of what ran behind the wall, negative for a signal."""
        if self.program and status - 128 in set(signal.Signals):
            return 128 - status
        return status

    def __str__(self) -> str:
        return f"{self.name} alone ({self.lack})" if self.lack else self.name


def environment() -> dict[str, str]:
    """Nothing of the user's, but where a Python built with shared libraries finds its own."""
    kept = {name: os.environ[name] for name in ["LD_LIBRARY_PATH"] if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", **kept}


@cache
def strongest() -> Wall:
    """The strongest wall that works here. It is tried once."""
    program = shutil.which("bwrap")
    if program is None:
        return Wall(None, HOOK, "bubblewrap is not installed")
    with tempfile.TemporaryDirectory(prefix="no-magic-") as folder:
        trial = Wall(program, "").around([*PYTHON, "-c", TRIAL], HERE.folders, Path(folder))
        done = _tried(trial)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it says nothing"]
        return Wall(None, HOOK, f"bubblewrap does not work here: {said[-1]}")
    return Wall(program, _tried([program, "--version"]).stdout.strip())


def _tried(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """How a command of bubblewrap's ended. Raises BookError where somebody killed it meanwhile."""
    done = subprocess.run(
        command, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if Wall(command[0], "").status(done.returncode) == -signal.SIGKILL:
        raise BookError("bubblewrap was killed while it was tried; make again.")
    return done
