"""Packages of Debian and its descendants, installed where that needs no question."""

import os
import shutil
import subprocess


def privilege() -> list[str] | None:
    """What to put before a command to run it as root without a question; None if nothing does."""
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    if shutil.which("sudo") and not subprocess.run([*sudo, "true"], capture_output=True).returncode:
        return sudo
    return None


def install(packages: list[str], size: str) -> bool:
    """Whether apt-get is here, and root, and has installed the packages; what it says is shown."""
    before = privilege()
    if before is None or not shutil.which("apt-get"):
        return False
    print(f"Installing {' '.join(packages)} ({size})", flush=True)
    apt = [*before, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    apt += ["-o", "Dpkg::Use-Pty=0"]
    subprocess.run([*apt, "update"])
    done = subprocess.run([*apt, "install", "-y", "--no-install-recommends", *packages])
    return done.returncode == 0
