"""Scripts that try to break out: past the audit hook alone, and past bubblewrap with the hook off.

Each attempt runs twice. Behind the hook alone it must be refused or come to nothing; those that no
hook can stop are marked so. Behind bubblewrap the script first disables the hook from inside, as a
hostile one would, so that the namespaces alone must hold.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from recorder import data, wall
from recorder.child import Child, Limits, Outcome
from recorder.failure import why_failed
from recorder.plan import Run
from tests.workshop import TIER, Workshop, left_behind, wait_until

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/cmdline").exists(), reason="looks at processes in /proc"
)

SECRET = "a word that nobody may read"

# How a hostile script disables the hook, and gets back what the guard covered.
HOOK_OFF = """
import sys
guard = sys._getframe(1).f_globals
guard["_offence"] = lambda *_: None
for name in guard["UNHEARD"]:
    if name not in ("os", "signal"):
        sys.modules.pop(name, None)
import posix, os, _signal, signal
os.mkfifo, os.mknod = posix.mkfifo, posix.mknod
signal.pidfd_send_signal = _signal.pidfd_send_signal
"""

WRITES = {
    "open": "open(CANARY, 'w').write('x')",
    "append": "open(CANARY, 'a').write('x')",
    "os.open": "import os; os.write(os.open(CANARY, os.O_WRONLY), b'x')",
    "dir_fd": """
import os
folder = os.open(os.path.dirname(CANARY), os.O_RDONLY)
os.write(os.open("canary", os.O_WRONLY | os.O_TRUNC, dir_fd=folder), b"x")
""",
    "dir_fd after chdir": """
import os
os.chdir(DATA)
os.write(os.open("../../../outside/canary", os.O_WRONLY, dir_fd=os.open(".", 0)), b"x")
""",
    "FileIO": "import io; io.FileIO(CANARY, 'w').write(b'x')",
    "mmap": """
import mmap
with open(CANARY, "r+b") as file:
    mmap.mmap(file.fileno(), 0)[:1] = b"x"
""",
    "mmap of what may be read": """
import mmap
with open(DATA + "/names", "rb") as file:
    mmap.mmap(file.fileno(), 0)[:1] = b"x"
""",
    "its own text": "open(__file__, 'a').write('#')",
    "its data": "open(DATA + '/names', 'w').write('bob')",
    "new data": "open(DATA + '/more', 'w').write('bob')",
    "mkdir": "import os; os.mkdir(OUTSIDE + '/new')",
    "rename": "import os; os.rename(CANARY, OUTSIDE + '/new')",
    "replace": "import os; os.replace(CANARY, __file__)",
    "remove": "import os; os.remove(CANARY)",
    "rmtree": "import shutil; shutil.rmtree(OUTSIDE)",
    "link": "import os; os.link(CANARY, OUTSIDE + '/new')",
    "symlink": "import os; os.symlink(CANARY, OUTSIDE + '/new')",
    "chmod": "import os; os.chmod(CANARY, 0o777)",
    "utime": "import os; os.utime(CANARY, (1, 1))",
    "truncate": "import os; os.truncate(CANARY, 0)",
    "mkfifo": "import os; os.mkfifo(OUTSIDE + '/new')",
    "posix.mkfifo": "import posix; posix.mkfifo(OUTSIDE + '/new')",
    "mknod": "import os; os.mknod(OUTSIDE + '/new')",
    "mkfifo of a posix imported anew": """
import sys
del sys.modules["posix"]
import posix
posix.mkfifo(OUTSIDE + "/new")
""",
    "sqlite3": "import sqlite3; sqlite3.connect(OUTSIDE + '/new').execute('create table t (c)')",
    "dbm": "import dbm; dbm.open(OUTSIDE + '/new', 'c')",
    "dbm.gnu": "from dbm import gnu; gnu.open(OUTSIDE + '/new', 'c')",
    "dbm.ndbm": "from dbm import ndbm; ndbm.open(OUTSIDE + '/new', 'c')",
    "logging": "import logging; logging.FileHandler(OUTSIDE + '/new')",
    "faulthandler": """
import faulthandler, os
faulthandler.enable(file=os.open(OUTSIDE + "/new", os.O_WRONLY | os.O_CREAT))
""",
    "tempfile": "import tempfile; tempfile.NamedTemporaryFile(dir=OUTSIDE, delete=False)",
    "the root": "print(open('/no-magic-was-here', 'w') and LEAK)",
    "the common folder": "open('/tmp/no-magic-was-here', 'w').write('x')",
    "shared memory": """
import _posixshmem, os
_posixshmem.shm_open("/no-magic-was-here", os.O_CREAT | os.O_RDWR, mode=0o600)
""",
    "the terminal": "open('/dev/tty', 'w').write('x')",
}

READS = {
    "open": "print(open(HIDDEN).read())",
    "os.open": "import os; print(os.read(os.open(HIDDEN, os.O_RDONLY), 99))",
    "FileIO": "import io; print(io.FileIO(HIDDEN).readall())",
    "open_code": "import _io; print(_io.open_code(HIDDEN).read())",
    "fileinput": "import fileinput; print(*fileinput.input(HIDDEN))",
    "a link": "import os; os.symlink(HIDDEN, 'link'); print(open('link').read())",
    "a link that lies there": "print(open(DATA + '/link').read())",
    "a link swapped after the check": """
import os, threading
def swap():
    while True:
        for target in (DATA + "/names", HIDDEN):
            os.symlink(target, "new"), os.replace("new", "link")
threading.Thread(target=swap, daemon=True).start()
for _ in range(1000):
    print(open("link").read())
""",
    "up from the data": "print(open(DATA + '/../../../outside/hidden').read())",
    "up from the library": "import os; print(open(os.__file__ + '/..' * 20 + HIDDEN).read())",
    "the users": "print(open('/etc/passwd').read() and LEAK)",
    "pwd": "import pwd; print([user for user in pwd.getpwall() if user.pw_uid] and LEAK)",
    "grp": "import grp; print(grp.getgrall() and LEAK)",
    "the home": "from pathlib import Path; print((Path.home() / 'hidden').read_text())",
    "the home by HOME": "import os; print(open(os.environ['HOME'] + '/hidden').read())",
    "the environment": "import os; print(os.environ)",
    "the environment of C": "import posix; print(posix.environ)",
    "the recorder's environment": "print(open('/proc/%d/environ' % RECORDER).read())",
    "the parent's environment": "import os; print(open('/proc/%d/environ' % os.getppid()).read())",
    "the first process's environment": "print(open('/proc/1/environ', 'rb').read() and LEAK)",
    "the recorder's files": "import os; print(os.listdir('/proc/%d/fd' % RECORDER) and LEAK)",
    "root by way of proc": "print(open('/proc/self/root' + HIDDEN).read())",
    "its own memory": "print(open('/proc/self/mem', 'r+b').read(0) == b'' and LEAK)",
    "other scripts": "print(open(__file__.replace('bad', 'other')).read())",
    "a folder": "import os; print(os.listdir(OUTSIDE))",
    "a walk": "import os; print(list(os.walk(OUTSIDE)))",
    "a zip file": "import zipimport as z; z.zipimporter(OUTSIDE + '/z.zip').load_module('evil')",
    "site": "import site; site.addsitedir(OUTSIDE)",
    "sys.path": "import sys; sys.path.insert(0, OUTSIDE); import evil",
    "runpy": "import runpy; runpy.run_path(OUTSIDE + '/evil.py')",
    "a foreign library": """
from importlib.machinery import ExtensionFileLoader, ModuleSpec
import _imp
place = OUTSIDE + "/_heapq.so"
_imp.create_dynamic(ModuleSpec("_heapq", ExtensionFileLoader("_heapq", place), origin=place))
print(LEAK)
""",
    "standard input": "import sys; print(sys.stdin.read() and LEAK)",
    "in the end": """
import builtins, sys
class Last:
    def __del__(self, open=open, print=print, hidden=HIDDEN):
        print(open(hidden).read())
builtins.last = sys.last = Last()
""",
}

NETWORK = {
    "tcp": "import socket; socket.create_connection(('127.0.0.1', PORT))",
    "_socket": """
import _socket
_socket.socket(_socket.AF_INET, _socket.SOCK_STREAM).connect(("127.0.0.1", PORT))
""",
    "udp": """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", PORT))
""",
    "unix": "import socket; socket.socket(socket.AF_UNIX).connect(OUTSIDE + '/socket')",
    "abstract unix": "import socket; socket.socket(socket.AF_UNIX).connect('\\0' + OUTSIDE)",
    "urllib": "import urllib.request as r; r.urlopen('http://127.0.0.1:%d/' % PORT)",
    "asyncio": "import asyncio; asyncio.run(asyncio.open_connection('127.0.0.1', PORT))",
    "names": "import socket; print(socket.getaddrinfo('example.org', 80) and LEAK)",
    "syslog": "import syslog; syslog.syslog('x')",
    "the name of the machine": "import socket; print(socket.gethostname() == HOST and LEAK)",
}

PROCESSES = {
    "system": "import os; os.system('echo x >' + CANARY)",
    "subprocess": "import subprocess; subprocess.Popen(['sleep', '987654'])",
    "fork": "import os, time; os.fork() or (os.setsid(), time.sleep(987654))",
    "forkpty": "import os, time; os.forkpty()[0] or time.sleep(987654)",
    "double fork": "import os, time; os.fork() or os.setsid() or os.fork() or time.sleep(987654)",
    "fork_exec": """
import _posixsubprocess, os, sys
_posixsubprocess.fork_exec(
    [b"sleep", b"987654"], [b"/bin/sleep", b"/usr/bin/sleep"], True, (), None, None,
    -1, -1, -1, -1, -1, -1, *os.pipe(), True, True, *([-1] if sys.version_info > (3, 11) else []),
    None, None, None, -1, None, *([True] if sys.version_info > (3, 11) else []),
)
""",
    "fork_exec of a module imported anew": """
import sys
del sys.modules["_posixsubprocess"]
import _posixsubprocess
""",
    "posix_spawn": "import os; os.posix_spawn('/bin/sleep', ['sleep', '987654'], {})",
    "exec": "import os; os.execv('/bin/sh', ['sh', '-c', 'echo x >' + CANARY])",
    "multiprocessing": """
import multiprocessing, time
fork = multiprocessing.get_context("fork")
fork.Process(target=time.sleep, args=(987654,), daemon=True).start()
""",
    "pty": "import pty; pty.spawn(['sleep', '987654'])",
    "kill": "import os; os.kill(VICTIM, 9)",
    "kill the recorder": "import os; os.kill(RECORDER, 9)",
    "kill the parent": "import os; os.kill(os.getppid(), 9)",
    "kill them all": "import os; os.kill(-1, 9)",
    "killpg": "import os; os.killpg(os.getpgid(VICTIM), 9)",
    "pidfd": "import os, signal; signal.pidfd_send_signal(os.pidfd_open(VICTIM), 9)",
    "_signal": "import os, _signal; _signal.pidfd_send_signal(os.pidfd_open(VICTIM), 9)",
}

CODE = {
    "ctypes": "import ctypes; ctypes.CDLL(None).creat(OUTSIDE.encode() + b'/new', 0o600)",
    "_ctypes": """
import _ctypes
_ctypes.call_function(_ctypes.dlsym(_ctypes.dlopen(None, 2), "getpid"), ())
print(0)
""",
    "a second interpreter": """
try:
    import _interpreters
except ImportError:
    import _xxsubinterpreters as _interpreters
new = _interpreters.create()
_interpreters.run_string(new, "open(%r, 'w').write('x')" % CANARY)
""",
    "a second interpreter of Python's own tests": """
import _testcapi
_testcapi.run_in_subinterp("open(%r, 'w').write('x')" % CANARY)
""",
    "a second interpreter, its module anew": """
import sys
sys.modules.pop("_interpreters", None)
import _interpreters
_interpreters.run_string(_interpreters.create(), "open(%r, 'w').write('x')" % CANARY)
""",
    "mount": """
import ctypes
libc = ctypes.CDLL(None)
print(libc.mount(None, DATA.encode(), None, 0x1000 | 0x20, None))
open(DATA + "/names", "w").write("bob")
""",
    "chroot": "import os; os.chroot('/proc/1/root'); print(open(HIDDEN).read())",
    "unshare": "import ctypes; ctypes.CDLL(None).unshare(0x20000); open(CANARY, 'w').write('x')",
}

KINDS = {
    "writing": WRITES,
    "reading": READS,
    "network": NETWORK,
    "processes": PROCESSES,
    "code": CODE,
}
ATTEMPTS = [(kind, name, act) for kind, acts in KINDS.items() for name, act in acts.items()]

# What a script may do, since it comes to nothing.
HARMLESS = {
    ("reading", "the environment"),
    ("reading", "the environment of C"),
    ("reading", "standard input"),
    ("reading", "in the end"),
}

# Tricks upon the guard itself, after each of which the script reads what it may not; with the hook
# on, behind both walls. None of these runs may be kept.
READ = """
try:
    print(open(HIDDEN).read())
except BaseException:
    print("as if nothing had happened")
"""
JOB = """
import json, os, sys
job = json.loads(sys.orig_argv[-1])
report, alive = job["report"], job["alive"]
"""
TRICKS = {
    "another hook": "import sys; sys.addaudithook(lambda *_: None)",
    "find the hook": "import gc; print([x for x in gc.get_objects() if callable(x)])",
    "a larger bound": "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (2**40, 2**40))",
    "empty the report": READ + JOB + "os.ftruncate(report, 0)",
    "write over the report": READ
    + JOB
    + "os.lseek(report, 0, 0), os.write(report, b'{}' + b' ' * 500)",
    "pwrite over the report": READ + JOB + "os.pwrite(report, b' ' * 500, 0)",
    "close the report": JOB + "os.close(report)",
    "another file as the report": JOB + "os.dup2(2, report)",
    "nonsense in the report": JOB + "os.write(report, b'{')",
    "deep nonsense in the report": JOB + "os.write(report, b'[' * 99999)",
    "no mapping in the report": JOB + "os.write(report, b'[1]\\n')",
    "an unknown word in the report": JOB + "os.write(report, b'{\"x\": 1}\\n')",
    "another type in the report": JOB + 'os.write(report, b\'{"line": "1"}\\n\')',
    "a data file that is none": JOB + 'os.write(report, b\'{"opened": "../../x"}\\n\')',
    "a line that is none": JOB + "os.write(report, b'{\"line\": -5}\\n')",
    "a report of megabytes": JOB + "os.write(report, b'{}\\n' * 10**6)",
    "words for the terminal": JOB + 'os.write(report, b\'{"refused": "\\\\u001b[2J"}\\n\')',
    "errors for the terminal": "import sys; sys.exit('\\x1b[2J\\x07')",
    "signs for the terminal": "print('\\x1b[2J')",
    "a hook that is late": """
import atexit
atexit.register(lambda: print(open(HIDDEN).read()))
raise SystemExit
""",
}

# What no hook can stop, since it lives with the script: only bubblewrap does.
HOSTILE = {
    "the guard's own words": HOOK_OFF,
    "another realpath": "import os; os.path.realpath = lambda path: DATA + '/names'",
    "another root": """
import sys
frame = sys._getframe(1)
tell = frame.f_locals["tell"]
frame.f_globals["_inside"] = lambda *_: True
""",
}


class Prison:
    """A script's surroundings, with all that it must not reach; `end` says what it reached."""

    def __init__(self, tmp: Path, stack: ExitStack) -> None:
        self.workshop = Workshop(tmp / "book", tmp / "cache")
        self.workshop.data(names="anna")
        self.workshop.script("other", f"print({SECRET!r})")
        self.outside = tmp / "outside"
        self.outside.mkdir()
        (self.outside / "canary").write_text("sings")
        (self.outside / "hidden").write_text(SECRET)
        (self.outside / "evil.py").write_text(f"print({SECRET!r})")
        (self.outside / "evil.pth").write_text(f"import sys; print({SECRET!r})\n")
        with zipfile.ZipFile(self.outside / "z.zip", "w") as file:
            file.writestr("evil.py", f"print({SECRET!r})")
        import _heapq

        if hasattr(_heapq, "__file__"):
            shutil.copy(_heapq.__file__, self.outside / "_heapq.so")
        (self.workshop.root / "scripts" / "data" / "link").symlink_to(self.outside / "hidden")
        self.victim = subprocess.Popen(["sleep", "500"], start_new_session=True)
        stack.callback(self.victim.communicate)
        stack.callback(self.victim.kill)
        self.sockets = [socket.socket()]
        self.sockets[0].bind(("127.0.0.1", 0))
        port = self.sockets[0].getsockname()[1]
        self.packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.packets.bind(("127.0.0.1", port))
        for address in (f"{self.outside}/socket", f"\0{self.outside}"):
            self.sockets.append(socket.socket(socket.AF_UNIX))
            self.sockets[-1].bind(address)
        for server in self.sockets:
            server.listen()
        for each in (*self.sockets, self.packets):
            each.setblocking(False)
            stack.callback(each.close)
        self.names = {
            "CANARY": str(self.outside / "canary"),
            "HIDDEN": str(self.outside / "hidden"),
            "OUTSIDE": str(self.outside),
            "DATA": str(self.workshop.root / data.FOLDER),
            "PORT": port,
            "VICTIM": self.victim.pid,
            "RECORDER": os.getpid(),
            "HOST": socket.gethostname(),
            "LEAK": SECRET,
        }

    def run(self, act: str) -> tuple[Outcome, str]:
        """Run a script to its end; its outcome, and why it is not kept ("" if it is)."""
        given = "".join(f"{name} = {value!r}\n" for name, value in self.names.items())
        self.workshop.script("bad", given + act)
        before = self.state()
        limits = Limits(seconds=20)
        run = Run(self.workshop.root, f"{TIER}/bad")
        child = Child(run, limits)
        try:
            while not (outcome := child.poll()):
                time.sleep(0.01)
        finally:
            child.close()
        assert self.state() == before
        assert SECRET.encode() not in outcome.printed + outcome.errors
        assert SECRET not in json.dumps(outcome.news)
        self.nobody_was_called()
        assert self.victim.poll() is None
        wait_until(lambda: not left_behind(str(run.script)) and not left_behind("987654"))
        return outcome, str(why_failed(run, outcome, limits, data.verified(run.root)) or "")

    def state(self) -> list[tuple[str, int, int, bytes]]:
        """All that is outside, and in the folders that everybody may write."""
        found = []
        for path in sorted([*self.outside.rglob("*"), *self.workshop.root.rglob("*")]):
            status = path.stat()
            content = path.read_bytes() if path.is_file() else b""
            found.append((str(path), status.st_mode, status.st_mtime_ns, content))
        common = [Path("/tmp"), Path("/dev/shm")]
        stray = [path for folder in common for path in folder.glob("no-magic-was-here*")]
        return found + [(str(path), 0, 0, b"") for path in stray]

    def nobody_was_called(self) -> None:
        """No connection and no packet came."""
        for server in self.sockets:
            with pytest.raises(BlockingIOError):
                server.accept()
        with pytest.raises(BlockingIOError):
            self.packets.recv(9)


@pytest.fixture
def prison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prison]:
    monkeypatch.setenv("HOME", str(tmp_path / "outside"))
    monkeypatch.setenv("SECRET", SECRET)
    with ExitStack() as stack:
        yield Prison(tmp_path, stack)


@pytest.mark.parametrize(
    ("kind", "name", "act"), ATTEMPTS, ids=[f"{a}-{b}" for a, b, _ in ATTEMPTS]
)
def test_nobody_gets_out(
    prison: Prison, walled: wall.Wall, tried, kind: str, name: str, act: str
) -> None:
    hook = walled.program is None
    tried("break-outs", wall.HOOK if hook else "bubblewrap, hook off", 1)
    _, why = prison.run(act if hook else HOOK_OFF + act)
    assert why or not hook or (kind, name) in HARMLESS


@pytest.mark.parametrize("act", TRICKS.values(), ids=TRICKS)
def test_nobody_fools_the_guard(prison: Prison, walled: wall.Wall, tried, act: str) -> None:
    tried("break-outs", "the guard's report", 1)
    _, why = prison.run(act + READ)
    assert why and why.replace("\n", "").isprintable()


@pytest.mark.parametrize("act", HOSTILE.values(), ids=HOSTILE)
def test_what_no_hook_can_stop_bubblewrap_stops(
    prison: Prison, behind_bubblewrap: wall.Wall, tried, act: str
) -> None:
    tried("break-outs", "bubblewrap, hook off", 1)
    prison.run(act + READ)


def test_the_hook_alone_is_no_prison(
    prison: Prison, behind_hook: wall.Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As SECURITY.md says; and HOOK_OFF above does what the tests of bubblewrap take it to do."""
    monkeypatch.setattr(Prison, "state", lambda _: None)
    prison.run(HOOK_OFF + WRITES["open"])
    assert (prison.outside / "canary").read_text() == "x"
