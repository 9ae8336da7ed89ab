"""Disks that are full or read-only, and folders that vanish."""

import os
import random
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from proof.faults.checkout import ROOMS, WEB, Checkout, has_traceback, making
from proof.faults.kills import Fault, _length

VANISHING = (
    *("build", "build/runs", "build/figures", "build/html", "build/doctrees", "build/epub"),
    *("cache", "tmp", "build/runs/01-first", "build/html/_static", "build/html/_images"),
    *("build/.html-being-made", "build/.epub-being-made"),
)
# The disk is small: it holds what is there and a share of what the build adds. All that is left on
# it when the build has ended is put back on a disk that is large enough.
FULL = """
mkdir disk && mount -t tmpfs -o size={size}k tmpfs disk
cp -a {rooms} disk/ 2> /dev/null
for room in {rooms}; do mkdir -p disk/$room && mount --bind disk/$room $room; done
{make} > said 2>&1; status=$?
cp -a disk/. left/
exit $status
"""
READ_ONLY = """
mount --bind {room} {room} && mount -o remount,ro,bind {room}
exec {make} > {said} 2>&1
"""


def private() -> list[str]:
    """The command in which mounts are seen by nobody else."""
    return ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]


def no_mounts() -> str:
    """Why no disk can be mounted here, if so."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        return "needs Linux's unshare"
    mount = [*private(), "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    done = subprocess.run(mount, capture_output=True, text=True)
    return f"needs the right to mount: {done.stderr.strip()}" if done.returncode else ""


def full(checkout: Checkout, chance: random.Random) -> str:
    """A disk that is full sooner or later, under some of what a build writes into."""
    state = chance.choice(("nothing", "older"))
    checkout.begin("fresh")
    most = _size(checkout)
    checkout.begin(state)
    checkout.environment()
    (checkout.root / "build").mkdir(exist_ok=True)
    rooms = chance.choice((("build",), ("build", "cache"), ("tmp",), ROOMS))
    grown = 64 if rooms == ("tmp",) else most
    size = _size(checkout, rooms) + chance.randrange(4, max(grown - _size(checkout, rooms), 8))
    script = FULL.format(size=size, rooms=" ".join(rooms), make=shlex.join(making(*WEB)))
    left = checkout.root / "left"
    left.mkdir()
    ended = checkout.wait(checkout.start([*private(), "sh", "-c", script], "shell"))
    said = (checkout.root / "said").read_text(errors="replace")
    for room in rooms:
        shutil.rmtree(checkout.root / room)
        shutil.move(left / room, checkout.root / room)
    left.rmdir()
    (checkout.root / "disk").rmdir()
    return _wrong("a full disk", ended.status, said)


def read_only(checkout: Checkout, chance: random.Random) -> str:
    """A folder into which nobody can write."""
    checkout.begin(chance.choice(("older", "nothing")))
    room = chance.choice(
        [".", "build", "build/runs", "build/figures", "build/html", "build/doctrees", *ROOMS[1:]]
    )
    checkout.environment()
    (checkout.root / room).mkdir(parents=True, exist_ok=True)
    said = checkout.root.with_name(f"{checkout.root.name}-said")
    script = READ_ONLY.format(room=room, make=shlex.join(making(*WEB)), said=said)
    ended = checkout.wait(checkout.start([*private(), "sh", "-c", script], "shell"))
    return _wrong(f"a read-only {room}", ended.status, said.read_text(errors="replace"))


def vanished(state: str) -> Fault:
    """A folder that is removed at a random moment of a build."""

    def fault(checkout: Checkout, chance: random.Random) -> str:
        length = _length(checkout, state, WEB)
        checkout.begin(state)
        make = checkout.start_make(*WEB)
        time.sleep(chance.uniform(0, length))
        room = chance.choice(VANISHING)
        shutil.rmtree(checkout.root / room, ignore_errors=True)
        ended = checkout.wait(make)
        return _wrong(f"a vanished {room}", ended.status, ended.said)

    return fault


def _wrong(what: str, status: int | None, said: str) -> str:
    """What a build does wrong on such a disk: it may fail, but in a sentence."""
    if status is None:
        return f"a build with {what} hangs"
    return f"a build with {what} says: {said[-3000:]}" if has_traceback(said) else ""


def _size(checkout: Checkout, rooms: tuple[str, ...] = ("build",)) -> int:
    """Kilobytes in some folders, as a disk counts them."""
    files = [file for room in rooms for file in (checkout.root / room).rglob("*")]
    return sum(_blocks(file) for file in files)


def _blocks(file: Path) -> int:
    return -(-file.stat().st_size // 4096) * 4 if file.is_file() else 4
