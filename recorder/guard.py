"""Run one script under watch: `python -P -s -S -B -X utf8 guard.py JOB`, by the recorder alone.

The script runs as __main__ from its true path, with new values for some of its constants, and
may do no more than read scripts/data and print. An audit hook refuses the rest, and tells the
recorder beside the script's back, so that no `except` in the script can hide it. This keeps
honest scripts honest; it is no prison for hostile ones, which takes bubblewrap (recorder/wall.py).

This file stands alone: the script's interpreter has nothing but the standard library.
"""

import _thread
import ast
import importlib
import json
import os
import resource
import signal
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

FORMAT = 1  # raised when a change here may change what a script prints: every run is stale then

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {
    *("os.chflags", "os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.removexattr"),
    *("os.rename", "os.rmdir", "os.setxattr", "os.symlink", "os.truncate", "os.utime"),
    "sqlite3.connect",
}
PROCESSES = {
    *("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"),
    *("pty.spawn", "subprocess.Popen"),
}
BOUNDS = {  # another interpreter, for one, would be without this one's hooks
    *("cpython.PyInterpreterState_New", "fcntl.fcntl", "fcntl.ioctl", "gc.get_objects"),
    *("gc.get_referents", "gc.get_referrers", "os.chdir", "os.killpg", "resource.prlimit"),
    *("resource.setrlimit", "sys._current_frames", "sys.addaudithook"),
}
# What no audit event tells of: functions of C modules, and what they do.
UNHEARD = {
    "_dbm": ("change files", ["open"]),
    "_gdbm": ("change files", ["open"]),
    "_interpreters": ("begin another interpreter", ["create"]),  # heard of before CPython 3.13
    "_multiprocessing": ("share memory", ["SemLock"]),
    "_posixshmem": ("share memory", ["shm_open", "shm_unlink"]),
    "_posixsubprocess": ("start a process", ["fork_exec"]),
    "grp": ("read the list of users", ["getgrall", "getgrgid", "getgrnam"]),
    "os": ("change files", ["mkfifo", "mknod"]),
    "posix": ("change files", ["mkfifo", "mknod"]),
    "pwd": ("read the list of users", ["getpwall", "getpwnam", "getpwuid"]),
    "_signal": ("signal a process", ["pidfd_send_signal"]),
    "signal": ("signal a process", ["pidfd_send_signal"]),
}

Tell = Callable[..., None]


class Refused(BaseException):
    """A script did what no script may do. Not an Exception: `except Exception` lets it pass."""


def main(job: dict[str, Any]) -> None:
    """Run job["script"]; the other keys are set where recorder.child starts this file."""
    if sys.version_info < (3, 11):
        del sys.path[0]  # the folder of this file, which -P leaves out from 3.11 on
    script, name = job["script"], job["name"]
    if os.getpid() == 1:
        _stand_by()
    _thread.start_new_thread(_heed, (job["alive"],))
    _limit(job["memory"], job["output"])
    tell = _teller(job["report"])
    signal.signal(signal.SIGTERM, lambda _, frame: _end_late(tell, _line(_frames(frame), script)))
    module = types.ModuleType("__main__")
    module.__file__ = script
    sys.modules["__main__"], sys.argv = module, [script]
    try:
        tree = ast.parse(Path(script).read_bytes(), script)
        override(tree, job["set"], name)
        code = compile(tree, script, "exec", dont_inherit=True)
        _watch(script, job["data"], tell)
        exec(code, vars(module))
    except BaseException as error:
        tell(error=type(error).__name__, line=_error_line(error, script))
        if isinstance(error, SystemExit):
            raise
        if not isinstance(error, Refused):  # the recorder tells of a refusal itself
            own = error.with_traceback(_own_traceback(error, script))
            sys.excepthook(type(own), own, own.__traceback__)
        sys.exit(1)


def constants(tree: ast.Module) -> dict[str, ast.Assign]:
    """The statements `NAME = literal` at the top level of a script, by name."""
    found = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) if name.isupper():
                with suppress(ValueError, TypeError):
                    ast.literal_eval(node.value)
                    found[name] = node
    return found


def override(tree: ast.Module, values: dict[str, Any], name: str) -> None:
    """Give constants of a parsed script new values, in place; `name` is for messages.

    Raises SystemExit with a sentence for a constant that the script does not have, or a value
    of another type than the script's own (an int serves as float, a list as tuple).
    """
    known = constants(tree)
    for constant, value in values.items():
        if constant not in known:
            raise SystemExit(
                f"{name} has no constant {constant} to set; it has {', '.join(known) or 'none'}."
            )
        node = known[constant]
        try:
            fitted = _fitted(ast.literal_eval(node.value), value)
        except TypeError as error:
            raise SystemExit(f"{name} cannot take {constant} = {value!r}: {error}.") from None
        new = ast.parse(repr(fitted), mode="eval").body
        if words := [part.id for part in ast.walk(new) if isinstance(part, ast.Name)]:
            raise SystemExit(
                f"{name} cannot take {constant} = {value!r}: {words[0]} is no literal."
            )
        for part in ast.walk(new):
            ast.copy_location(part, node.value)
        node.value = new


def _fitted(old: object, new: object) -> object:
    """`new` in the type of `old`; raises TypeError where it does not fit."""
    if type(new) is type(old):
        return new
    if type(old) is float and type(new) is int:
        return float(new)
    if type(old) is tuple and type(new) is list:
        return tuple(new)
    raise TypeError(f"its own value, {old!r}, is of another type")


def _watch(script: str, data: str, tell: Tell) -> None:
    """Refuse from now on all but reading: of the data, the script and Python's own files."""
    data, own = os.path.realpath(data), os.path.realpath(script)
    roots = [data, own, *map(os.path.realpath, (__file__, *sys.path))]
    opened = set()

    def refuse(offence: str) -> None:
        sentence = f"it tries to {offence}, but a script may only read scripts/data and print"
        tell(refused=sentence, line=_line(_frames(sys._getframe()), script))
        raise Refused(sentence)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if offence := _offence(event, arguments, roots):
            refuse(offence)
        if event == "open" and not isinstance(arguments[0], int):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if _inside(path, [data, own]) and path not in opened:
                opened.add(path)
                tell(opened=os.path.relpath(path, data))

    _cover(refuse)
    sys.addaudithook(hook)


def _cover(refuse: Callable[[str], None]) -> None:
    """Put refusals in the place of the functions that no audit event tells of."""
    for name, (offence, functions) in UNHEARD.items():
        with suppress(ImportError):
            module = importlib.import_module(name)
            for function in functions:
                if hasattr(module, function):
                    setattr(module, function, _instead(refuse, f"{offence} ({name}.{function})"))


def _instead(refuse: Callable[[str], None], offence: str) -> Callable[..., None]:
    return lambda *_, **__: refuse(offence)


def _offence(event: str, arguments: tuple[Any, ...], roots: list[str]) -> str | None:
    """What an audit event does that no script may do, after "tries to"; None for all else."""
    if event in ("open", "os.listdir", "os.scandir"):
        path = "." if arguments[0] is None else arguments[0]
        if isinstance(path, int):  # a file that is open already
            return None
        path = os.fsdecode(path)
        if event == "open" and arguments[2] & WRITING:
            return f"write {path}"
        # To show an error in a statement of several lines, Python looks for the file of its piece.
        if path == "<unknown>" and not os.path.lexists(path):
            return None
        return None if _inside(os.path.realpath(path), roots) else f"read {path}"
    if event in CHANGES:
        return f"change files ({event})"
    if event in PROCESSES or (event == "import" and arguments[0] == "multiprocessing"):
        return f"start a process ({event})"
    if event in BOUNDS or (event == "os.kill" and arguments[0] != os.getpid()):
        return f"pass its bounds ({event})"
    # Those unheard are there: it wants them anew. Those for tests of Python's can do anything.
    if event == "import" and (arguments[0] in UNHEARD or arguments[0].startswith("_test")):
        return f"pass its bounds (import {arguments[0]})"
    if event == "import" and arguments[1] and not _inside(os.path.realpath(arguments[1]), roots):
        return f"import {arguments[1]}"
    if event.startswith(("socket.", "syslog.")):
        return f"use the network ({event})"
    if event.startswith("ctypes."):
        return f"call foreign code ({event})"
    return None


def _inside(path: str, roots: list[str]) -> bool:
    return any(path == root or path.startswith(root + os.sep) for root in roots)


def _limit(memory: int, output: int) -> None:
    """Bound the address space and the size of each file, in bytes; no core dumps, no processes."""
    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, output + 1),  # one byte more: the recorder sees it overflow
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),  # nor threads; root may all the same
    ):
        with suppress(ValueError):  # macOS lets no process bound its address space
            resource.setrlimit(kind, (most, most))


def _teller(report: int) -> Tell:
    """A function that writes its arguments for the recorder, as a line of JSON."""

    here = os.fstat(report)

    def tell(**news: object) -> None:
        try:
            if os.path.samestat(os.fstat(report), here):
                os.write(report, json.dumps(news).encode() + b"\n")
                return
        except OSError:
            pass
        os._exit(1)  # the script closed the report, or put another file in its place

    return tell


def _stand_by() -> None:
    """As the first process behind bubblewrap: have a child do the rest, and end as it ends.

    No signal of its own can kill a first process; and when it ends, all others behind it end too.
    """
    if child := os.fork():
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(code if code >= 0 else 128 - code)


def _heed(alive: int) -> None:
    """Wait for the recorder's word that time is up, and for its end: it leaves no orphans."""
    with suppress(OSError):  # the script closed it
        while os.read(alive, 9):
            os.kill(os.getpid(), signal.SIGTERM)
    os._exit(1)


def _end_late(tell: Tell, line: int | None) -> None:
    """The time is up: say where the script is, and stop there and then."""
    tell(error="late", line=line)
    os._exit(1)


def _frames(frame: types.FrameType | None) -> Iterator[tuple[str, int]]:
    """File and line of a frame and of those that called it, innermost first."""
    while frame:
        yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back


def _line(places: Iterator[tuple[str, int]], script: str) -> int | None:
    """The first line among `places` that is the script's."""
    return next((line for file, line in places if file == script), None)


def _error_line(error: BaseException, script: str) -> int | None:
    """The innermost line of the script in which an error arose."""
    if isinstance(error, SyntaxError) and error.filename == script:
        return error.lineno
    places = []
    traceback = error.__traceback__
    while traceback:
        places.append((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    return _line(reversed(places), script)


def _own_traceback(error: BaseException, script: str) -> types.TracebackType | None:
    """The error's traceback without the frames of this file."""
    traceback = error.__traceback__
    while traceback and traceback.tb_frame.f_code.co_filename != script:
        traceback = traceback.tb_next
    return traceback


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
