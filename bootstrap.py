"""Make .venv from a lock file with hashes: the first step of every make target.

    python3 bootstrap.py requirements.lock

Does nothing when .venv already holds what the lock file asks for. Whatever stands in the way
(Python, venv, disk, network) is told in one sentence, with the remedy. Runs on any Python 3.6 or
later, so that an old one can say that it is too old.
"""

import _signal  # built in, so there at once

if __name__ == "__main__":
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # Ctrl-C ends this without a traceback

import fcntl  # noqa: E402
import hashlib  # noqa: E402
import os  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
FINGERPRINTS = VENV / "fingerprints"
BOOK_LOCK = "requirements.lock"
TEST_LOCK = "requirements-test.lock"  # the same pins, and the tests' tools besides
NEEDED = (3, 11)
DISK_BYTES = 2_000_000_000  # the test tools, JAX among them, take 1.3 GB
OFFLINE = ("Connection", "Temporary failure", "unreachable", "Max retries", "timed out")


def stop(sentence):
    """End with one sentence and exit status 1."""
    sys.exit(f"make: {sentence}")


def check_machine():
    """Stop if this Python or this disk cannot hold the book's tools."""
    if sys.version_info < NEEDED:
        needed, found = ".".join(map(str, NEEDED)), sys.version.split()[0]
        stop(
            f"the book needs Python {needed} or later and {sys.executable} is {found}: name a "
            f"newer one, as in `make book PYTHON=python3.12` (the scripts themselves need 3.10)."
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        stop(
            "Python's venv module is missing: install it, on Debian and Ubuntu with "
            "`apt-get install python3-venv`, and run make again."
        )
    free = shutil.disk_usage(HERE).free
    if free < DISK_BYTES:
        stop(
            f"the book's tools need {DISK_BYTES / 1e9:.1f} GB of disk and {HERE} has "
            f"{free / 1e9:.1f} GB free: make room and run make again."
        )


def fingerprint(lock):
    """What .venv is made from: the lock file and this Python."""
    return hashlib.sha256((HERE / lock).read_bytes() + sys.version.encode()).hexdigest()


def installed():
    """The fingerprints that .venv already satisfies."""
    if not FINGERPRINTS.is_file() or not (VENV / "bin" / "python").exists():
        return set()
    return set(FINGERPRINTS.read_text(errors="replace").split())


def explain(output):
    """The one sentence that pip's long complaint comes down to."""
    if "No space left" in output:
        return "the disk is full: make room and run make again."
    if "DO NOT MATCH THE HASHES" in output:
        return (
            f"a package differs from the one the lock file names; nothing was installed:\n{output}"
        )
    if any(word in output for word in OFFLINE):
        return "the Python package index does not answer: connect to the network, run make again."
    return f"pip could not install the book's tools:\n{output}"


def call(*command):
    """(succeeded, output) of a command; it holds the lock of `main` too, should it outlive it."""
    told = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    result = subprocess.run(command, close_fds=False, **told)
    return result.returncode == 0, result.stdout


def make_venv():
    """An empty .venv in the place of whatever was there."""
    made, output = call(sys.executable, "-m", "venv", "--clear", str(VENV))
    if not made:
        stop(f"the virtual environment .venv could not be made:\n{output}")


def pip_install(lock):
    """Install what `lock` names, every file checked against its hash."""
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    done, output = call(*pip, "install", "-q", "--require-hashes", "-r", str(HERE / lock))
    if not done:
        stop(explain(output))


def main():
    lock = sys.argv[1]
    with Path(__file__).open() as guard:
        os.set_inheritable(guard.fileno(), True)
        fcntl.flock(guard, fcntl.LOCK_EX)  # a second build waits for the first one's set-up
        have = installed() & {fingerprint(BOOK_LOCK), fingerprint(TEST_LOCK)}
        if fingerprint(lock) in have:
            return
        check_machine()
        print(f"Installing the book's tools from {lock} into .venv", flush=True)
        if not have:
            make_venv()
        pip_install(lock)
        # Written last: a set-up that was cut short is begun again.
        FINGERPRINTS.write_text("\n".join({fingerprint(BOOK_LOCK), fingerprint(lock)}))


if __name__ == "__main__":
    main()
