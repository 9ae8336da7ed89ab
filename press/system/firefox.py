"""See to it that the tests of the Run panel have a Firefox: `python -m press.system.firefox`.

Where it is missing: as root, or with a sudo that asks for no password, on Debian and its
descendants, it is installed; elsewhere the command that installs it is printed.
"""

import shutil
import sys
from pathlib import Path

from press.system import debian

NAMES = ["firefox-esr", "firefox"]
MAC = "/Applications/Firefox.app/Contents/MacOS/firefox"
MISSING = (
    "The tests of the Run panel need Firefox 128 or later. Install it with one of these, then try "
    "again:\n"
    "  Debian:  sudo apt-get install --no-install-recommends firefox-esr\n"
    "  Ubuntu:  sudo snap install firefox\n"
    "  Fedora:  sudo dnf install firefox\n"
    "  macOS:   brew install --cask firefox"
)


def find() -> str | None:
    """The path of the browser; None where there is none."""
    found = [path for path in map(shutil.which, NAMES) if path]
    found += [MAC] if Path(MAC).is_file() else []
    return found[0] if found else None


def main() -> None:
    if not find():
        debian.install(["firefox-esr"], "70 MB to fetch, 260 on disk")
    if not find():
        sys.exit(MISSING)


if __name__ == "__main__":
    main()
