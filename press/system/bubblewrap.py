"""See to it that scripts run behind bubblewrap: `python -m press.system.bubblewrap`.

Where it is missing on Linux: as root, or with a sudo that asks for no password, on Debian and its
descendants, it is installed; elsewhere the command that installs it is printed, and the scripts run
behind the guard's audit hook alone (recorder/wall.py).
"""

import shutil
import sys

from press.system import debian

HINT = (
    "The programs are best run behind bubblewrap, which is not installed:\n"
    "  Debian, Ubuntu:  sudo apt-get install --no-install-recommends bubblewrap\n"
    "  Fedora:          sudo dnf install bubblewrap"
)


def main() -> None:
    if sys.platform != "linux" or shutil.which("bwrap"):
        return
    if not debian.install(["bubblewrap"], "50 kB to fetch"):
        print(HINT, flush=True)


if __name__ == "__main__":
    main()
