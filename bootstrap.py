"""Make .venv from a lock file with hashes: the first step of every make target.

    python3 bootstrap.py requirements.lock

Does nothing when .venv already holds what the lock file asks for. Whatever stands in the way
(Python, venv, disk, network) is told in one sentence, with the remedy. Runs on any Python 3, so
that an old one can say that it is too old.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(HERE, ".venv")
FINGERPRINTS = os.path.join(VENV, "fingerprints")
BOOK_LOCK = "requirements.lock"
TEST_LOCK = "requirements-test.lock"  # the same pins, and the tests' tools besides
NEEDED = (3, 11)
DISK_BYTES = 2_000_000_000  # the test tools, JAX among them, take 1.3 GB


def stop(sentence):
    """End with one sentence and exit status 1."""
    sys.exit("make: " + sentence)


def check_machine():
    """Stop if this Python or this disk cannot hold the book's tools."""
    if sys.version_info < NEEDED:
        stop("the book needs Python %d.%d or later and %s is %s: run `make PYTHON=python3.12` with "
             "the name of a newer one (the scripts themselves need 3.10)."
             % (NEEDED + (sys.executable, sys.version.split()[0])))
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        stop("Python's venv module is missing: install it with `apt-get install python3-venv` "
             "(Debian, Ubuntu) and run make again.")
    free = shutil.disk_usage(HERE).free
    if free < DISK_BYTES:
        stop("the book's tools need %.1f GB of disk and %s has %.1f GB free: make room and run "
             "make again." % (DISK_BYTES / 1e9, HERE, free / 1e9))


def fingerprint(lock):
    """What .venv was made from: the lock file and this Python."""
    with open(os.path.join(HERE, lock), "rb") as file:
        content = file.read()
    return hashlib.sha256(content + sys.version.encode()).hexdigest()


def installed():
    """The fingerprints that .venv already satisfies."""
    try:
        with open(FINGERPRINTS, encoding="ascii") as file:
            return file.read().split()
    except OSError:
        return []


def explain(output):
    """The one sentence that pip's long complaint comes down to."""
    if "No space left" in output:
        return "the disk is full: make room and run make again."
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in output:
        return "a package differs from the one the lock file names, so it was not installed:\n" + output
    network = ("Connection", "Temporary failure", "Network is unreachable", "Max retries", "timed out")
    if any(word in output for word in network):
        return "the Python package index cannot be reached: connect to the network and run make again."
    return "pip could not install the book's tools:\n" + output


def pip(*arguments):
    """Run .venv's pip quietly; stop with an explanation if it fails."""
    command = [os.path.join(VENV, "bin", "python"), "-m", "pip", "--disable-pip-version-check", *arguments]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        stop(explain(result.stdout))


def install(lock, have):
    """Install what `lock` names; a .venv that matches no lock file is made anew."""
    check_machine()
    print("Installing the book's tools from %s into .venv" % lock, flush=True)
    if not have:
        made = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if made.returncode:
            stop("the virtual environment .venv could not be made:\n" + made.stdout)
    pip("install", "--quiet", "--require-hashes", "-r", os.path.join(HERE, lock))
    # Written last: a set-up that was cut short is begun again.
    with open(FINGERPRINTS, "w", encoding="ascii") as file:
        file.write("\n".join(sorted(set(have) | {fingerprint(lock)} | {fingerprint(BOOK_LOCK)})))


def main():
    lock = sys.argv[1]
    with open(__file__) as guard:  # of two builds at once, one waits for the other's set-up
        fcntl.flock(guard, fcntl.LOCK_EX)
        current = {fingerprint(BOOK_LOCK), fingerprint(TEST_LOCK)}
        have = current & set(installed())
        if fingerprint(lock) not in have:
            install(lock, have)


if __name__ == "__main__":
    main()
