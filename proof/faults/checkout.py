"""A checkout of a small book, in which a build can be disturbed, and what the next one gives."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from proof.faults import small

ROOT = Path(__file__).resolve().parent.parent.parent
TOOLS = ("Makefile", "bootstrap.py", "requirements.lock", "requirements-test.lock", "CITATION.cff")
WEB = ("epub", "html")  # the pages offer the EPUB
PDF = ("pdf",)
ROOMS = ("build", "cache", "tmp")  # all that a build writes into
OF_THE_MOMENT = ("date", "user_seconds", "peak_memory", "record_sha256")  # keys of a record
SECONDS = re.compile(rb' data-seconds="[^"]*"')  # those of the run, on its page
PATIENCE = 600  # seconds after which a build hangs
OLDER = {
    "scripts/01-first/alpha.py": ("SEED = 1", "SEED = 3"),
    "book/01-first/beta.md": ("# Counting", "# Reckoning"),
    "book/back/glossary.md": ("over their count", "by their count"),
    "book/figures/01-first/beta.py": ("(4, 2)", "(4, 3)"),
}


@dataclass(frozen=True)
class Ended:
    """How a build ended: its exit status, or None when it hung; and all that it said."""

    status: int | None
    said: str


class Checkout:
    """The small book at `root`, with a cache and a folder for temporary files of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._kept = root.with_name(f"{root.name}-kept")
        self._undisturbed: dict[tuple[str, ...], dict[str, str]] = {}
        root.mkdir(parents=True)
        for name in TOOLS:
            shutil.copy(ROOT / name, root)
        with (root / "CITATION.cff").open("a") as file:  # else it would bear the file's own date
            file.write("date-released: 2026-11-22\n")
        (root / ".venv").symlink_to((ROOT / ".venv").resolve())
        for room in ("recorder", "press"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / room, root / room, ignore=ignored)
        (root / "book").mkdir()
        shutil.copy(ROOT / "book" / "conf.py", root / "book")
        self.write(small.FILES)

    def write(self, files: dict[str, str]) -> None:
        """Write sources; and the sums that vouch for the data."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        data = self.root / "scripts" / "data"
        digest = hashlib.sha256((data / "numbers.txt").read_bytes()).hexdigest()
        (data / "SHA256SUMS").write_text(f"{digest}  numbers.txt\n")

    def environment(self) -> dict[str, str]:
        """Nothing of the user's but what TeX and matplotlib keep for themselves."""
        for room in ROOMS[1:]:
            (self.root / room).mkdir(exist_ok=True)
        given = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        mine = {"XDG_CACHE_HOME": self.root / "cache", "TMPDIR": self.root / "tmp"}
        mine["MPLCONFIGDIR"] = self.root.parent / "matplotlib"
        return given | {name: str(path) for name, path in mine.items()} | {"PYTHONUTF8": "1"}

    def start(
        self, command: Sequence[str], said: str = "said", **environment: str
    ) -> "subprocess.Popen[bytes]":
        """Start a command in a session of its own; what it says goes into a file."""
        with (self.root / said).open("wb") as file:
            return subprocess.Popen(
                command,
                cwd=self.root,
                env=self.environment() | environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                preexec_fn=_deaf_no_more,
            )

    def start_make(self, *targets: str, **environment: str) -> "subprocess.Popen[bytes]":
        """Start `make TARGETS`."""
        return self.start(making(*targets), **environment)

    def wait(self, process: "subprocess.Popen[bytes]", said: str = "said") -> Ended:
        """How a started command ends; what hangs is killed."""
        try:
            status: int | None = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            status = None
            self.kill_all()
            process.wait()
        return Ended(status, (self.root / said).read_text(encoding="utf-8", errors="replace"))

    def make(self, *targets: str, **environment: str) -> Ended:
        """Have `make TARGETS` run to its end."""
        return self.wait(self.start_make(*targets, **environment))

    def processes(self) -> Iterator[int]:
        """Every process that works in this checkout."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                here = os.readlink(entry / "cwd")  # noqa: PTH115 (gone folders end in " (deleted)")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:  # it has just ended
                continue
            if f"{here}/".startswith(f"{self.root}/") and state != "Z":
                yield int(entry.name)

    def kill_all(self) -> int:
        """Kill every process that works in this checkout, and count them."""
        found = list(self.processes())
        for process in found:
            kill(process)
        return len(found)

    def begin(self, state: str, targets: tuple[str, ...] = WEB) -> None:
        """Let there be built: nothing, or an older state of the sources, or this one."""
        self.kill_all()
        kept = self._kept / "-".join((state, *targets))
        if state != "nothing" and not kept.exists():
            self._keep(kept, state, targets)
        self.write(small.FILES)
        for room in ROOMS:
            shutil.rmtree(self.root / room, ignore_errors=True)
            if (kept / room).exists():
                shutil.copytree(kept / room, self.root / room, symlinks=True)

    def undisturbed(self, targets: tuple[str, ...]) -> dict[str, str]:
        """What a build gives that nothing disturbs, in a checkout where nothing was built."""
        if targets not in self._undisturbed:
            self.begin("nothing")
            self._must_make(targets)
            self._undisturbed[targets] = self.made()
        return self._undisturbed[targets]

    def lost(self, targets: tuple[str, ...], **environment: str) -> str:
        """What the next plain build does not give as an undisturbed one; "" when it gives all."""
        wanted = self.undisturbed(targets) if targets not in self._undisturbed else None
        assert wanted is None, "an undisturbed build must come first"
        ended = self.make(*targets, **environment)
        if ended.status is None:
            return "the next build hangs"
        if ended.status:
            return f"the next build fails: {ended.said[-2000:]}"
        made, undisturbed = self.made(), self._undisturbed[targets]
        names = sorted(
            name for name in made.keys() | undisturbed.keys()
            if made.get(name) != undisturbed.get(name)
        )  # fmt: skip
        if names:
            return f"the next build gives other {', '.join(names[:9])}"
        left = self.left()
        return f"{left} processes are left" if left else ""

    def left(self) -> int:
        """Kill and count what still runs a moment after a build; by then all should have ended."""
        for _ in range(50):
            if not list(self.processes()):
                break
            time.sleep(0.05)
        return self.kill_all()

    def made(self) -> dict[str, str]:
        """A hash of everything that was made, by its path; of records, what no moment changes."""
        build = self.root / "build"
        files = [path for path in build.glob("*") if path.is_file()]
        for room in ("runs", "figures", "html", "chapters"):
            files += (path for path in (build / room).rglob("*") if path.is_file())
        return {
            str(path.relative_to(build)): _digest(path)
            for path in files
            if not path.name.startswith(".") or path.suffix == ".part"
        }

    def _keep(self, kept: Path, state: str, targets: tuple[str, ...]) -> None:
        """Build a state of the sources, and put away what it gave."""
        self.begin("nothing")
        if state == "older":
            self.write({
                name: small.FILES[name].replace(*change) for name, change in OLDER.items()
            })  # fmt: skip
        self._must_make(targets)
        for room in ROOMS:
            if (self.root / room).exists():
                shutil.copytree(self.root / room, kept / room, symlinks=True)

    def _must_make(self, targets: tuple[str, ...]) -> None:
        ended = self.make(*targets)
        if ended.status != 0:
            raise SystemExit(f"The small book of proof/faults/small.py fails:\n{ended.said}")


def making(*targets: str) -> list[str]:
    """The command that makes some targets."""
    return ["make", "--no-print-directory", f"PYTHON={sys.executable}", *targets]


def has_traceback(said: str) -> bool:
    """Whether there is a traceback in what was said; not one of Python's own, as it starts."""
    return any(
        line.lstrip().startswith('File "') and 'File "<frozen' not in line
        for part in said.split("Traceback (most recent call last)")[1:]
        for line in part.splitlines()
    )


def kill(process: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal a process that may have ended."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return


def timed(checkout: Checkout, state: str, targets: tuple[str, ...]) -> float:
    """The seconds on the wall that an undisturbed build takes."""
    checkout.begin(state)
    begun = time.monotonic()
    checkout.make(*targets)
    return time.monotonic() - begun


def _deaf_no_more() -> None:
    """Undo what a shell does to what it starts in the background: ignoring Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _digest(path: Path) -> str:
    content = path.read_bytes()
    if path.parent.parent.name == "runs" and path.suffix == ".json":
        record = json.loads(content)
        kept = {key: value for key, value in record.items() if key not in OF_THE_MOMENT}
        content = json.dumps(kept, sort_keys=True).encode()
    if path.suffix == ".html":
        content = SECONDS.sub(b"", content)
    return hashlib.sha256(content).hexdigest()
