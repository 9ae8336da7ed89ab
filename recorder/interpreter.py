"""What runs a script: the Python that runs the recorder, or another."""

import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from recorder import guard

# Isolated as by -I, which would also ignore PYTHONHASHSEED; without site-packages, without .pyc.
OPTIONS = ("-s", "-S", "-B", "-X", "utf8")


@dataclass(frozen=True)
class Interpreter:
    """A command that runs the job that is given to it as JSON, and what it is.

    `system` names whatever computes its exp and log; `folders` are what it must be able to read,
    besides the system's libraries.
    """

    command: tuple[str, ...]
    version: str
    implementation: str
    system: str
    folders: tuple[str, ...]


def native(executable: str, version: str) -> Interpreter:
    """A CPython of this machine, such as "/usr/bin/python3.12" and "3.12.1"."""
    prefix = str(Path(executable).resolve().parent.parent)
    command = (*_isolated(executable, version), guard.__file__)
    return Interpreter(command, version, "CPython", _system(), (prefix,))


def _isolated(executable: str, version: str) -> tuple[str, ...]:
    """A Python that sees no user's; -P came with 3.11, before that the guard sees to it."""
    safe_path = () if version.startswith("3.10.") else ("-P",)
    return (executable, *safe_path, *OPTIONS)


def _system() -> str:
    """The operating system and the library that computes exp and log.

    On Linux such as "Linux x86_64 glibc 2.36"; the kernel's version changes no number.
    """
    library = platform.libc_ver() if platform.system() == "Linux" else platform.mac_ver()[:1]
    return " ".join(part for part in (platform.system(), platform.machine(), *library) if part)


PYTHON = _isolated(sys.executable, platform.python_version())
HERE = Interpreter(
    (*PYTHON, guard.__file__),
    platform.python_version(),
    platform.python_implementation(),
    _system(),
    (sys.base_prefix, sys.prefix),
)
