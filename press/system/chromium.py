"""See to it that the browser tests have a Chromium: `python -m press.system.chromium`.

Where it is missing: as root, or with a sudo that asks for no password, on Debian and its
descendants, it is installed; elsewhere the command that installs it is printed.
"""

import shutil
import sys
from pathlib import Path

from press.system import debian

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
MAC = [f"/Applications/{name}.app/Contents/MacOS/{name}" for name in ("Chromium", "Google Chrome")]
MISSING = (
    "The tests in a browser need Chromium or Chrome 120 or later. Install it with one of these, "
    "then try again:\n"
    "  Debian:  sudo apt-get install --no-install-recommends chromium\n"
    "  Ubuntu:  sudo snap install chromium\n"
    "  Fedora:  sudo dnf install chromium\n"
    "  macOS:   brew install --cask chromium"
)


def find() -> str | None:
    """The path of the browser; None where there is none."""
    found = [path for path in map(shutil.which, NAMES) if path]
    found += [path for path in MAC if Path(path).is_file()]
    return found[0] if found else None


def main() -> None:
    if not find():
        debian.install(["chromium"], "90 MB to fetch, 330 on disk")
    if not find():
        sys.exit(MISSING)


if __name__ == "__main__":
    main()
