"""Every fault that befalls a build, at many points: nothing may be lost by any.

A trial disturbs the build of a small book, and then makes it once more, plainly: that build must
end well and give the same bytes as an undisturbed one. What a disturbed build says must be no
traceback, and it must not hang.
"""

import random
import signal
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from proof.faults.checkout import PDF, WEB, Checkout
from proof.faults.damage import (
    OF_PAGES,
    OF_RUNS,
    at_the_beginning,
    damaged,
    moved_in_time,
    no_faketime,
    set_back,
)
from proof.faults.disks import full, no_mounts, read_only, vanished
from proof.faults.kills import Fault, crowd, interrupted, killed
from proof.faults.scripts import MISDEEDS, misbehaves
from proof.faults.setups import cut_short
from proof.table import Row

SEED = 20261123
RUNS = ("runs",)
HTML = ("html",)


@dataclass(frozen=True)
class Kind:
    """One kind of fault: what it is called, and how often it is tried by `make prove`."""

    what: str
    trials: int
    fault: Fault
    targets: tuple[str, ...] = WEB
    cannot: Callable[[], str] = str  # why it cannot be tried here, or ""


def kinds() -> Iterator[Kind]:
    """All kinds of faults."""
    yield Kind("kill -9 of make runs", 35, killed("nothing", RUNS, alone=False), RUNS)
    yield Kind("kill -9 of one process of make runs", 15, killed("nothing", RUNS, True), RUNS)
    yield Kind("kill -9 of make html", 20, killed("nothing", HTML, alone=False), HTML)
    yield Kind("kill -9 of make html after edits", 15, killed("older", HTML, alone=False), HTML)
    yield Kind("kill -9 of one process of make html", 15, killed("nothing", HTML, True), HTML)
    yield Kind("kill -9 of make epub", 5, killed("older", WEB, alone=False))
    yield Kind("kill -9 of make pdf", 3, killed("nothing", PDF, alone=False), PDF)
    yield Kind("kill -9 of one process of make pdf", 2, killed("older", PDF, alone=True), PDF)
    for phase in ("runs", "path", "figures", "html", "epub"):
        yield Kind(f"Ctrl-C in {phase}", 4, interrupted(phase, "nothing", WEB))
    for phase in ("sphinx for LaTeX", "LaTeX"):
        yield Kind(f"Ctrl-C in {phase}", 2, interrupted(phase, "older", PDF), PDF)
    yield Kind("ten builds at once", 1, crowd(WEB))
    yield Kind("disk full", 15, full, cannot=no_mounts)
    yield Kind("read-only folder", 8, read_only, cannot=no_mounts)
    yield Kind("vanished folder", 12, vanished("older"))
    yield Kind("damaged runs", 40, damaged(OF_RUNS, RUNS), RUNS)
    yield Kind("damaged build", 20, damaged(OF_RUNS + OF_PAGES))
    yield Kind("damaged PDF", 3, damaged(OF_PAGES, PDF), PDF)
    yield Kind("files dated ahead or back", 4, moved_in_time)
    yield Kind("clock set back", 2, set_back, cannot=no_faketime)
    yield Kind("clock in 1970", 1, at_the_beginning, cannot=no_faketime)
    yield Kind("kill -9 of a set-up", 3, cut_short(signal.SIGKILL), RUNS)
    yield Kind("Ctrl-C in a set-up", 3, cut_short(signal.SIGINT), RUNS)
    for what in MISDEEDS:
        yield Kind(f"a script that {what}", 1, misbehaves(what), RUNS)


class Laboratory:
    """Checkouts in a temporary folder, in each of which one trial is made at a time."""

    def __init__(self, folder: Path, places: int) -> None:
        self._free: SimpleQueue[Checkout] = SimpleQueue()
        for number in range(places):
            self._free.put(Checkout(folder / f"place-{number}" / "checkout"))
        self._pool = ThreadPoolExecutor(places)

    def row(self, kind: Kind, trials: int) -> Row:
        """Try a fault some times; print what was lost."""
        if why := kind.cannot():
            return Row("faults", kind.what, 0, 0, why)
        seeds = [f"{SEED} {kind.what} {number}" for number in range(trials)]
        lost = list(filter(None, self._pool.map(lambda seed: self._try(kind, seed), seeds)))
        for found in lost:
            print(f"LOST by {found}", flush=True)
        return Row("faults", kind.what, trials, len(lost), f"make {' '.join(kind.targets)}")

    def _try(self, kind: Kind, seed: str) -> str:
        checkout = self._free.get()
        try:
            checkout.undisturbed(kind.targets)
            wrong = kind.fault(checkout, random.Random(seed))
            wrong = wrong or checkout.lost(kind.targets)
            return f"{seed}: {wrong}" if wrong else ""
        finally:
            checkout.kill_all()
            self._free.put(checkout)


def rows() -> Iterator[Row]:
    """All kinds of faults, as often as `make prove` tries them, on two cores."""
    with tempfile.TemporaryDirectory(prefix="no-magic-faults-") as folder:
        laboratory = Laboratory(Path(folder), 2)
        for kind in kinds():
            yield laboratory.row(kind, kind.trials)
