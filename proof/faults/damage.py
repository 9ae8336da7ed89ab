"""Files that are corrupt, cut short, empty or swapped, and clocks that are wrong."""

import os
import random
import shutil
import time
from pathlib import Path

from proof.faults import small
from proof.faults.checkout import OLDER, WEB, Checkout, has_traceback, making
from proof.faults.kills import Fault

DECADE = 10 * 365 * 86_400  # seconds
OF_RUNS = ("build/runs/*/*.txt", "build/runs/*/*.json", "cache/**/*.json", "build/runs/*.json")
OF_PAGES = (
    *("build/*.json", "build/.*-made", "build/no-magic*", "build/figures/*/*", "build/html/**/*"),
    *("build/epub/**/*", "build/doctrees/**/*", "build/latex/*", "build/chapters/*"),
)


def damaged(rooms: tuple[str, ...], targets: tuple[str, ...] = WEB) -> Fault:
    """Some files of these are damaged, one after the other, after a build."""

    def fault(checkout: Checkout, chance: random.Random) -> str:
        checkout.begin("fresh", targets)
        for _ in range(chance.randint(1, 5)):
            files = _files(checkout, chance.choice(rooms))
            if files:
                chance.choice(DAMAGES)(chance.choice(files), files, chance)
        return ""

    return fault


def _files(checkout: Checkout, pattern: str) -> list[Path]:
    return sorted(path for path in checkout.root.glob(pattern) if path.is_file())


def _cut(file: Path, files: list[Path], chance: random.Random) -> None:
    os.truncate(file, chance.randrange(max(file.stat().st_size, 1)))


def _empty(file: Path, files: list[Path], chance: random.Random) -> None:
    os.truncate(file, 0)


def _flip(file: Path, files: list[Path], chance: random.Random) -> None:
    content = bytearray(file.read_bytes())
    if content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    file.write_bytes(content)


def _swap(file: Path, files: list[Path], chance: random.Random) -> None:
    """Two files of a kind change places; of a transcript or record, now and then both do."""
    other = chance.choice([path for path in files if path.suffix == file.suffix])
    for suffix in {file.suffix, chance.choice((file.suffix, ".txt", ".json"))}:
        one, two = file.with_suffix(suffix), other.with_suffix(suffix)
        if one != two and one.is_file() and two.is_file():
            first, second = one.read_bytes(), two.read_bytes()
            one.write_bytes(second)
            two.write_bytes(first)


def _noise(file: Path, files: list[Path], chance: random.Random) -> None:
    file.write_bytes(chance.randbytes(chance.randrange(1, 400)))


def _other(file: Path, files: list[Path], chance: random.Random) -> None:
    """Something of the same syntax and another shape, where the file is JSON."""
    file.write_text(chance.choice(("[]", "{}", "null", '"x"', '{"records": []}', "[" * 9**5)))


def _remove(file: Path, files: list[Path], chance: random.Random) -> None:
    file.unlink()


DAMAGES = (_cut, _empty, _flip, _swap, _noise, _other, _remove)


def moved_in_time(checkout: Checkout, chance: random.Random) -> str:
    """What is built is dated ten years ahead or back, what was edited since ten years back."""
    checkout.begin("older")
    shift = chance.choice((-DECADE, DECADE))
    now = time.time()
    for room in ("build", "cache"):
        for path in (checkout.root / room).rglob("*"):
            os.utime(path, (now + shift, now + shift))
    for name in OLDER:
        os.utime(checkout.root / name, (now - DECADE, now - DECADE))
    return ""


def no_faketime() -> str:
    """Why the clock of a build cannot be set here, if so."""
    return "" if shutil.which("faketime") else "needs the program faketime"


def set_back(checkout: Checkout, chance: random.Random) -> str:
    """The older build is made by a clock that is a day or a year ahead, then it is set right."""
    ahead = chance.choice(("+1d", "+1y"))
    checkout.begin("nothing")
    changed = {name: small.FILES[name].replace(*change) for name, change in OLDER.items()}
    checkout.write(changed)
    clock = ["faketime", "-f", ahead, *making(*WEB)]
    ended = checkout.wait(checkout.start(clock, NO_FAKE_STAT="1"))
    checkout.write(small.FILES)
    if ended.status:
        return f"a build with the clock at {ahead} fails: {ended.said[-2000:]}"
    return ""


def at_the_beginning(checkout: Checkout, chance: random.Random) -> str:
    """The clock stands at 1970, as on a board that lost its battery."""
    checkout.begin("nothing")
    clock = ["faketime", "1970-01-02 00:00:00", *making(*WEB)]
    ended = checkout.wait(checkout.start(clock, NO_FAKE_STAT="1"))
    if has_traceback(ended.said):
        return f"a build in 1970 says: {ended.said[-2000:]}"
    return "" if ended.status == 0 else f"a build in 1970 fails: {ended.said[-2000:]}"
