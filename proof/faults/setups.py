"""Set-ups of .venv that are cut short: the next one begins anew, and ends well."""

import base64
import hashlib
import random
import shutil
import signal
import sys
import time
import zipfile
from pathlib import Path

from proof.faults.checkout import ROOT, Checkout, Ended, has_traceback, kill
from proof.faults.kills import Fault

NAME = "small-1.0-py3-none-any.whl"
ABOUT = "small-1.0.dist-info"
IMPORT = "import small"


def cut_short(number: signal.Signals) -> Fault:
    """A set-up from a package that lies here is signalled at a random moment."""

    def fault(checkout: Checkout, chance: random.Random) -> str:
        checkout.begin("nothing")
        folder = checkout.root / "setup"
        shutil.rmtree(folder, ignore_errors=True)
        prepare(folder)
        begun = time.monotonic()
        first = _set_up(checkout, folder)
        length = time.monotonic() - begun
        if first.status != 0:
            return f"a set-up fails: {first.said}"
        shutil.rmtree(folder / ".venv")
        process = checkout.start(_command(folder))
        time.sleep(chance.uniform(0, length))
        for one in checkout.processes():
            kill(one, number)
        cut = checkout.wait(process)
        if has_traceback(cut.said):
            return f"an interrupted set-up says: {cut.said}"
        again = _set_up(checkout, folder)
        python = str(folder / ".venv" / "bin" / "python")
        there = checkout.wait(checkout.start([python, "-c", IMPORT]))
        shutil.rmtree(folder)
        if again.status != 0 or there.status != 0:
            return f"the next set-up fails: {again.said} {there.said}"
        return ""

    return fault


def _command(folder: Path) -> list[str]:
    settings = ["PIP_NO_INDEX=1", f"PIP_FIND_LINKS={folder}"]
    command = [sys.executable, str(folder / "bootstrap.py"), "requirements.lock", "--this"]
    return ["env", *settings, *command]


def _set_up(checkout: Checkout, folder: Path) -> Ended:
    return checkout.wait(checkout.start(_command(folder)))


def prepare(folder: Path) -> None:
    """A folder with a package, and lock files that name it with its hash."""
    folder.mkdir()
    shutil.copy(ROOT / "bootstrap.py", folder)
    contents = {
        "small.py": "",
        f"{ABOUT}/METADATA": "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n",
        f"{ABOUT}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{name},sha256={_digest(text)},{len(text)}" for name, text in contents.items()]
    contents[f"{ABOUT}/RECORD"] = "\n".join([*lines, f"{ABOUT}/RECORD,,", ""])
    with zipfile.ZipFile(folder / NAME, "w") as wheel:
        for name, text in contents.items():
            wheel.writestr(name, text)
    known = hashlib.sha256((folder / NAME).read_bytes()).hexdigest()
    for lock in ("requirements.lock", "requirements-test.lock"):
        (folder / lock).write_text(f"small==1.0 --hash=sha256:{known}\n# {lock}\n")


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
