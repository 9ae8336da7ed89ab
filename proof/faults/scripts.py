"""Scripts that misbehave: each is told in a sentence, harms no other run, and leaves nothing."""

import random
import sys

from proof.faults.checkout import Checkout, has_traceback
from proof.faults.kills import Fault

RECORDER = """
import sys
from recorder import __main__ as command
from recorder import child
child.GRACE = 0.2
command.LIMITS = child.Limits(seconds=2, memory=200 * 1024**2, output=100_000)
sys.exit(command.main([]))
"""

# What a script does, and what the recorder says of it; "" where it may.
MISDEEDS = {
    "forks": ("import os\nos.fork()", "start a process (os.fork)"),
    "forks behind the guard's back": (
        "import _posixsubprocess, os\n_posixsubprocess.fork_exec(*[None] * 23)", "failed"
    ),
    "sleeps": ("import time\nprint(1)\ntime.sleep(9)", "it ran longer than 2 s"),
    "floods stdout": ("while True:\n    print('x' * 999)", "it printed more than"),
    "floods stdout unseen": (
        "import os\ntry:\n    while True:\n        os.write(1, b'x' * 999)\n"
        "except OSError:\n    os._exit(0)",
        "it printed more than",
    ),
    "floods stderr": (
        "import sys\nwhile True:\n    print('x' * 999, file=sys.stderr)", "it printed more than"
    ),
    "writes to stderr only": ("import sys\nprint(1, file=sys.stderr)", ""),
    "prints ANSI codes": ("print('\\x1b[31mred\\x1b[0m')", "line 1 of what it printed"),
    "prints a progress bar": ("print('1%\\r2%')", "line 1 of what it printed"),
    "closes stdout": ("import sys\nprint(1)\nsys.stdout.close()", ""),
    "closes its descriptors": ("import os\nprint(1)\nos.close(1)\nos.close(2)", "exit status"),
    "closes all descriptors": ("import os\nprint(1)\nos.closerange(0, 99)", "failed"),
    "eats memory": ("x = []\nwhile True:\n    x.append(bytearray(10**6))", "GiB of memory"),
    "ignores SIGTERM": (
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True:\n    pass",
        "it ran longer than 2 s",
    ),
    "kills itself": ("import os\nos.kill(os.getpid(), 9)", "it was killed by SIGKILL"),
    "stops itself": ("import os\nos.kill(os.getpid(), 19)", "it ran longer than 2 s"),
    "nests too deep": ("def f():\n    f()\nf()", "RecursionError"),
    "prints no text": ("import sys\nsys.stdout.buffer.write(b'\\xff')", "is not UTF-8"),
}  # fmt: skip


def misbehaves(what: str) -> Fault:
    """A third script that does this stands beside the two good ones while they are run."""

    def fault(checkout: Checkout, chance: random.Random) -> str:
        text, told = MISDEEDS[what]
        checkout.begin(chance.choice(("nothing", "older")), ("runs",))
        bad = checkout.root / "scripts" / "01-first" / "bad.py"
        bad.write_text(text, encoding="utf-8")
        ended = checkout.wait(checkout.start([sys.executable, "-c", RECORDER]))
        bad.unlink()
        left, known = checkout.kill_all(), "scripts/01-first/bad.py failed"
        if left:
            return f"a script that {what} leaves {left} processes"
        if ended.status != (1 if told else 0) or told not in ended.said:
            return f"of a script that {what} the recorder says: {ended.said[-2000:]}"
        if told and known not in ended.said or has_traceback(ended.said.partition(known)[0]):
            return f"of a script that {what} the recorder says: {ended.said[-2000:]}"
        if not (checkout.root / "build" / "runs" / "01-first" / "alpha--timid.json").exists():
            return f"a script that {what} harms the other runs"
        return ""

    return fault
