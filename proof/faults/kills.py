"""Builds that are killed, interrupted, or begun ten times at once."""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

from proof.faults.checkout import PATIENCE, Checkout, Ended, has_traceback, kill, making, timed

Fault = Callable[[Checkout, random.Random], str]

# What a phase of a build is known by: a piece of the command line of one of its processes.
PHASES = {
    "runs": "recorder.told\0recorder",
    "path": "recorder.told\0press.path",
    "figures": "recorder.told\0press.figures.draw",
    "html": "recorder.told\0press.sphinx_build\0-b\0html",
    "epub": "recorder.told\0press.sphinx_build\0-b\0epub",
    "sphinx for LaTeX": "recorder.told\0press.sphinx_build\0-b\0latex",
    "LaTeX": "lualatex\0",
}

TRIES = 5  # at seeing a short phase on a busy machine


def killed(state: str, targets: tuple[str, ...], alone: bool) -> Fault:
    """kill -9 at a random moment: of all processes, or, `alone`, of one of them."""

    def fault(checkout: Checkout, chance: random.Random) -> str:
        length = _length(checkout, state, targets)
        checkout.begin(state, targets)
        make = checkout.start_make(*targets)
        time.sleep(chance.uniform(0, length))
        if not alone:
            checkout.kill_all()
            make.wait()
            return ""
        if found := sorted(checkout.processes()):
            kill(chance.choice(found))
        ended = checkout.wait(make)
        return "" if ended.status is not None else "a build of which one process dies hangs"

    return fault


def interrupted(phase: str, state: str, targets: tuple[str, ...]) -> Fault:
    """Ctrl-C, which every process of the terminal gets, at a random moment of a phase."""

    def fault(checkout: Checkout, chance: random.Random) -> str:
        for _ in range(TRIES):
            checkout.begin(state, targets)
            make = checkout.start_make(*targets)
            if _wait_for(checkout, make, PHASES[phase]):
                break
            checkout.wait(make)  # a phase of a third of a second can pass unseen
        else:
            return f"the build has no phase {phase}"
        time.sleep(chance.uniform(0, 1.5) ** 2)
        with suppress(ProcessLookupError):
            os.killpg(make.pid, signal.SIGINT)
        return complaint(checkout, checkout.wait(make))

    return fault


def complaint(checkout: Checkout, ended: Ended) -> str:
    """What a build does wrong that was interrupted."""
    if ended.status is None:
        return "the interrupted build hangs"
    if has_traceback(ended.said):
        return f"the interrupted build says: {ended.said[-3000:]}"
    if left := checkout.left():
        return f"the interrupted build leaves {left} processes"
    folders = [path.name for path in (checkout.root / "tmp").glob("no-magic-*")]
    return f"the interrupted build leaves {folders}" if folders else ""


def crowd(targets: tuple[str, ...], size: int = 10) -> Fault:
    """Ten builds at once: each must end well."""

    def fault(checkout: Checkout, chance: random.Random) -> str:
        checkout.begin("older", targets)
        builds = []
        for number in range(size):
            builds.append(checkout.start(making(*targets), f"said-{number}"))
            time.sleep(chance.uniform(0, 0.2))
        ended = [checkout.wait(build, f"said-{number}") for number, build in enumerate(builds)]
        bad = [one.said[-2000:] for one in ended if one.status != 0]
        return f"{len(bad)} of {size} builds fail: {bad[0]}" if bad else ""

    return fault


def _wait_for(checkout: Checkout, make: "Popen[bytes]", mark: str) -> bool:
    """Wait until a process of the checkout has this in its command line, or the build is over."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and make.poll() is None:
        for process in checkout.processes():
            with suppress(OSError):
                if mark in Path(f"/proc/{process}/cmdline").read_text():
                    return True
        time.sleep(0.01)
    return False


_lengths: dict[tuple[Path, str, tuple[str, ...]], float] = {}


def _length(checkout: Checkout, state: str, targets: tuple[str, ...]) -> float:
    """How long an undisturbed build of these takes, measured once."""
    key = (checkout.root, state, targets)
    if key not in _lengths:
        _lengths[key] = timed(checkout, state, targets)
    return _lengths[key]
