"""Make .venv from a lock file with hashes: the first step of every make target.

    python3 bootstrap.py requirements.lock [--this]

A .venv that holds what the lock file asks for is kept, whatever its Python is. Else it is made with
the newest CPython that is here and can make one, or with --this by the Python that runs this file;
then a .venv of another Python is made anew. Whatever stands in the way (Python, venv, disk,
network) is told in one sentence, with the remedy. Runs on any Python 3.6 or later, so that an old
one can find a newer one.
"""

import _signal  # type: ignore[import-not-found]  # built in, so there at once

if __name__ == "__main__":
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # Ctrl-C ends this without a traceback

import ast  # noqa: E402
import hashlib  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
from collections.abc import Iterable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, NamedTuple, NoReturn  # noqa: E402

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
FINGERPRINTS = VENV / "fingerprints"
LOCKED = HERE / "build" / ".setup-lock"
BOOK_LOCK = "requirements.lock"
TEST_LOCK = "requirements-test.lock"  # the same pins, and the tests' tools besides
OLDEST, NEWEST = [3, 11], [3, 14]  # the versions that the book is tried on
DISK_BYTES = 2_000_000_000  # the test tools, JAX among them, take 1.3 GB
OFFLINE = ("Connection", "Temporary failure", "unreachable", "Max retries", "timed out")
# What a Python is and what it lacks to make an environment and to fill it: some are built, or
# packaged, without one of these modules.
ASK = """
import json, platform, sys
lacks = []
for name in ("venv", "ensurepip", "ssl", "zlib"):
    try:
        __import__(name)
    except ImportError:
        lacks.append(name)
path = getattr(sys, "_base_executable", sys.executable)
what = [platform.python_implementation(), sys.version, sys.version_info[:3]]
print(json.dumps([*what, path, lacks]))
"""
# Settings of pip's that say how packages are reached. Those that say what is installed, and where
# to, are the lock file's business and not the reader's.
SOURCES = (
    *("index-url", "extra-index-url", "no-index", "find-links", "proxy", "cert", "client-cert"),
    *("trusted-host", "timeout", "default-timeout", "retries", "keyring-provider"),
    *("cache-dir", "no-cache-dir", "use-feature"),
)


def stop(sentence: str) -> NoReturn:
    """End with one sentence and exit status 1."""
    sys.exit("make: " + sentence)


def call(*command: str, **settings: Any) -> "tuple[bool, str]":
    """(succeeded, output) of a command; it holds the lock of `alone` too, should it outlive it."""
    told = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    result = subprocess.run(command, close_fds=False, **{**told, **settings})
    return result.returncode == 0, result.stdout.decode(errors="replace")


# --- Which Python


class Python(NamedTuple):
    """An interpreter that runs: what it is, as `ASK` prints it."""

    implementation: str
    version: str
    release: "list[int]"
    path: str
    lacks: "list[str]"

    def __str__(self) -> str:
        return f"{self.implementation} {self.version.split()[0]} ({self.path})"


def ask(executable: "str | Path") -> "Python | None":
    """What an executable says it is; None if it is not there or does not run."""
    try:
        done, said = call(str(executable), "-I", "-c", ASK, stderr=subprocess.DEVNULL)
        return Python(*json.loads(said)) if done else None
    except (OSError, TypeError, ValueError):  # not there, or no Python
        return None


def candidates() -> "list[Path]":
    """Where a CPython of a version that the book is tried on may be: on the PATH, in pyenv."""
    names = [f"python3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
    folders = [Path(folder) for folder in os.get_exec_path()]
    pyenv = Path(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"))  # noqa: PTH111
    folders += [folder / "bin" for folder in sorted((pyenv / "versions").glob("3.*"))]
    return [Path(sys.executable)] + [
        folder / name for folder in folders for name in names if os.access(folder / name, os.X_OK)
    ]


def newest() -> Python:
    """The newest CPython here that can make a virtual environment; says which it passes over."""
    found = {one.path: one for one in map(ask, candidates()) if one}
    fit = [
        one
        for one in found.values()
        if one.implementation == "CPython" and OLDEST <= one.release[:2] <= NEWEST
    ]
    fit.sort(key=lambda one: one.release, reverse=True)
    for one in fit:
        if not one.lacks:
            return one
        print(f"Passed over: {one} {without(one)}", flush=True)
    here = ", ".join(map(str, found.values())) or "none"
    stop(
        "the book needs CPython {}.{} to {}.{}, and neither on the PATH nor among pyenv's versions "
        "is one that can make a virtual environment (found: {}). Install one, or name one, as in "
        "`make book PYTHON=/opt/python/bin/python3` (the scripts themselves need 3.10).".format(
            *OLDEST, *NEWEST, here
        )
    )


def without(python: Python) -> str:
    """What a Python lacks, and the remedy."""
    said = f"has no module {' and no '.join(python.lacks)}"
    if "ensurepip" in python.lacks or "venv" in python.lacks:
        said += ": on Debian and Ubuntu, `apt-get install python{}.{}-venv`".format(*python.release)
    return said


def this() -> Python:
    """The Python that runs this file, which the reader chose."""
    python = ask(sys.executable)
    if python is None or python.release < OLDEST:
        stop(
            "the book needs Python {}.{} or later and {} is {}: name a newer one, as in `make book "
            "PYTHON=python3.13`, or none, and the newest is taken (the scripts themselves need "
            "3.10).".format(*OLDEST, sys.executable, sys.version.split()[0])
        )
    if python.lacks:
        stop(f"{python} {without(python)}; then run make again.")
    return python


# --- The environment


@contextmanager
def alone() -> "Iterator[None]":
    """Hold the lock of the set-up: a second build waits for the first one's."""
    import fcntl

    LOCKED.parent.mkdir(exist_ok=True)
    with LOCKED.open("w") as lock:  # for writing: NFS locks nothing else
        os.set_inheritable(lock.fileno(), True)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fingerprint(lock: str, python: Python) -> str:
    """What .venv is made from: the lock file and a Python."""
    return hashlib.sha256((HERE / lock).read_bytes() + python.version.encode()).hexdigest()


def installed(python: "Python | None") -> "set[str]":
    """The lock files, as they are now, that .venv satisfies; this is its own Python."""
    if python is None or not FINGERPRINTS.is_file():
        return set()
    marks = FINGERPRINTS.read_text(errors="replace").split()
    return {lock for lock in (BOOK_LOCK, TEST_LOCK) if fingerprint(lock, python) in marks}


def check_disk() -> None:
    """Stop if this disk cannot hold the book's tools."""
    free = shutil.disk_usage(str(HERE)).free
    if free < DISK_BYTES:
        stop(
            f"the book's tools need {DISK_BYTES / 1e9:.1f} GB of disk and {HERE} has "
            f"{free / 1e9:.1f} GB free: make room and run make again."
        )


def make_venv(python: Python) -> None:
    """An empty .venv in the place of whatever was there."""
    made, output = call(python.path, "-I", "-m", "venv", "--clear", str(VENV))
    if not made:
        stop("the virtual environment .venv could not be made:\n" + output)


def settings(pip: "list[str]") -> "dict[str, str]":
    """The environment of pip: of the reader's settings, those alone that name the sources."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    files = {key: value for key, value in os.environ.items() if key == "PIP_CONFIG_FILE"}
    whole = dict.fromkeys(("PIP_USER", "PIP_GLOBAL", "PIP_SITE", "PIP_QUIET"), "0")
    kept = {}
    for line in call(*pip, "config", "list", env={**own, **files, **whole})[1].splitlines():
        name, _, value = line.partition("=")  # such as global.index-url='https://...'
        section, _, option = name.partition(".")
        if section in ("global", "install") and option in SOURCES:
            kept[variable(option)] = ast.literal_eval(value)
    mine = map(variable, SOURCES)
    kept.update({key: os.environ[key] for key in mine if key in os.environ})
    return {**own, **kept, "PIP_CONFIG_FILE": os.devnull}


def variable(option: str) -> str:
    """variable("index-url") -> "PIP_INDEX_URL"."""
    return "PIP_" + option.upper().replace("-", "_")


def pip_install(python: str, lock: str) -> "tuple[bool, str]":
    """Install what `lock` names for a Python, every file checked against its hash."""
    pip = [python, "-I", "-m", "pip", "--disable-pip-version-check"]
    wanted = ("install", "-q", "--require-hashes", "-r", str(HERE / lock))
    return call(*pip, *wanted, env=settings(pip))


def explain(output: str) -> str:
    """The one sentence that pip's long complaint comes down to."""
    if "No space left" in output:
        return "the disk is full: make room and run make again."
    if "DO NOT MATCH THE HASHES" in output:
        return (
            "a package differs from the one the lock file names; nothing was installed:\n" + output
        )
    if any(word in output for word in OFFLINE):
        return "the Python package index does not answer: connect to the network, run make again."
    return "pip could not install the book's tools:\n" + output


def proved(python: str, lock: str) -> "tuple[bool, str]":
    """Whether a Python has what `lock` names, else what it lacks: pip may install elsewhere."""
    prove = (python, "-I", str(HERE / "bootstrap.py"), "--prove", lock)
    done, output = call(*prove)
    return done, output.strip().rpartition("\n")[2]


def prove(lock: str) -> None:
    """Import all that `lock` names for this Python, in its version; stop at what is not so."""
    from importlib import metadata

    from pip._vendor.packaging.requirements import Requirement

    lines = re.findall(r"^\w.*?==.*?(?= --hash| \\|$)", (HERE / lock).read_text(), re.MULTILINE)
    for wanted in map(Requirement, lines):
        if wanted.marker and not wanted.marker.evaluate():
            continue
        try:
            found = metadata.distribution(wanted.name)
            if found.version not in wanted.specifier:
                sys.exit(f"{wanted} is {found.version}")
            for module in modules(found.files or ()):
                importlib.import_module(module)
        except Exception as error:
            sys.exit(f"{wanted}: {type(error).__name__}: {error}")


def modules(files: "Iterable[Any]") -> "list[str]":
    """The modules and packages on top of what a package installed."""
    found = set()
    for file in files:
        if file.name == "__init__.py" and len(file.parts) == 2:
            found.add(file.parts[0])
        elif file.suffix == ".py" and len(file.parts) == 1:
            found.add(file.stem)
    return sorted(name for name in found if name.isidentifier())


def fill(lock: str, python: Python, have: "set[str]") -> None:
    """Have .venv hold what `lock` names; `have` are the lock files that it satisfies."""
    check_disk()
    print(f"Installing the book's tools from {lock} into .venv", flush=True)
    if have:
        FINGERPRINTS.unlink()
    else:
        make_venv(python)
    executable = str(VENV / "bin" / "python")
    done, output = pip_install(executable, lock)
    if not done:
        stop(explain(output))
    done, output = proved(executable, lock)
    if not done:
        stop(
            "pip said that it installed the book's tools into .venv, and they do not work there: "
            f"{output}. Run make again, and .venv is made anew."
        )
    # Written last: a set-up that was cut short is begun again.
    marks = [fingerprint(one, python) for one in (BOOK_LOCK, lock)]
    FINGERPRINTS.write_text("\n".join(marks))


def set_up(lock: str, chosen: bool) -> None:
    """See to it that .venv has what `lock` names."""
    own = ask(VENV / "bin" / "python")
    have = installed(own)
    python = this() if chosen else own
    if not have or own is None or python is None or own.version != python.version:
        python, have = this() if chosen else newest(), set()
    if os.environ.get("MAKELEVEL", "1") == "1":  # a make within a make has said it
        print(f"The book's Python is {python}", flush=True)
    if lock not in have and TEST_LOCK not in have:
        fill(lock, python, have)


def main() -> None:
    """What the command line asks for."""
    if sys.argv[1] == "--prove":
        prove(sys.argv[2])
        return
    try:
        with alone():
            set_up(sys.argv[1], "--this" in sys.argv[2:])
    except ImportError:
        stop("the book is made on Linux or macOS; on Windows, in WSL.")
    except OSError as error:
        stop(f"the set-up cannot go on: {error}; mend that, and make again.")


if __name__ == "__main__":
    main()
