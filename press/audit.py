"""`make audit`: are all packages locked, are the installed ones those, has one a known fault?

The first two are asked of the lock files and of .venv. For the third pip-audit, from a lock file
and in an environment of its own, asks the Python package index; where that does not answer, it is
said that nobody looked.
"""

import json
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import bootstrap
from recorder.layout import ROOT

BOOK, TEST, OWN = (f"requirements{kind}.lock" for kind in ("", "-test", "-audit"))
TOOL = ROOT / "build" / "audit"
ENTRY = re.compile(r"^(?=\S)(?!#)(.*?)$((?:\n[ \t]+.*)*)", re.M)
PINNED = re.compile(r"[\w.-]+(\[[\w,-]+\])?==[\w.!+]+( ;.*)?")


def faults(lock: str, text: str) -> Iterator[str]:
    """What a lock file leaves open: a requirement without one version, or without hashes."""
    for entry in ENTRY.finditer(text):
        requirement = entry[1].rstrip(" \\")
        if not PINNED.fullmatch(requirement):
            yield f"{lock}: {requirement} names no single version; run `make lock`"
        elif not re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry[2]):
            yield f"{lock}: {requirement} has no hash; run `make lock`"


def versions(text: str) -> dict[str, str]:
    """The version of each package that a lock file asks for here, on this Python and system."""
    wanted = [Requirement(entry[1].rstrip(" \\")) for entry in ENTRY.finditer(text)]
    return {
        canonicalize_name(one.name): next(iter(one.specifier)).version
        for one in wanted
        if one.marker is None or one.marker.evaluate()
    }


def installed() -> dict[str, str]:
    """The version of each package in this environment, but of pip, which comes with Python."""
    found = {canonicalize_name(d.metadata["Name"]): d.version for d in metadata.distributions()}
    return {name: version for name, version in found.items() if name not in ("pip", "setuptools")}


def differences(have: dict[str, str], wanted: dict[str, str]) -> Iterator[str]:
    """How the installed packages differ from those that are locked."""
    remedy = "remove .venv and run make again"
    for name in sorted(have.keys() | wanted.keys()):
        if have.get(name) != wanted.get(name):
            there, locked = have.get(name, "not there"), wanted.get(name, "none")
            yield f".venv: {name} is {there} where {TEST} has {locked}; {remedy}"


def answer() -> list[dict[str, Any]]:
    """What pip-audit found out, one mapping a package; nothing where it could not be asked."""
    venv.create(TOOL, clear=True, with_pip=True)
    python = str(TOOL / "bin" / "python")
    bootstrap.pip_install(python, OWN)
    ask = [python, "-I", "-m", "pip_audit", "--disable-pip", "--progress-spinner=off", "-f", "json"]
    for lock in (BOOK, TEST, OWN):
        ask += ["-r", str(ROOT / lock)]
    done = subprocess.run(ask, capture_output=True, text=True)
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return []
    return found


def known(packages: list[dict[str, Any]]) -> list[str]:
    """A sentence for each fault that is known, and each package that is not."""
    strange = [
        f"{one['name']} is unknown to the package index" for one in packages if "skip_reason" in one
    ]
    return strange + [
        f"{one['name']} {one['version']}: {fault['id']}, mended in "
        f"{', '.join(fault['fix_versions']) or 'no version yet'}"
        for one in packages
        for fault in one.get("vulns", [])
    ]


def open_ends() -> list[str]:
    """What is not locked, and what is installed otherwise than it is locked."""
    texts = {lock: (ROOT / lock).read_text(encoding="utf-8") for lock in (BOOK, TEST, OWN)}
    found = [fault for lock, text in texts.items() for fault in faults(lock, text)]
    if found:
        return found
    wanted = versions(texts[TEST])
    for name, version in versions(texts[BOOK]).items():
        if wanted.get(name) != version:
            found.append(f"{TEST} has another {name} than {BOOK}; run `make lock`")
    return [*found, *differences(installed(), wanted)]


def main() -> int:
    """The exit status: 1 when something is open or a fault is known."""
    found = open_ends()
    if not found:
        print("Each package is locked to one version and its hashes, and .venv holds these.")
    packages = answer()
    if all("skip_reason" in one for one in packages):
        print("Nobody looked for known faults: the package index does not answer pip-audit here.")
        print("Where it does, run `make audit` again.")
    else:
        found += known(packages)
        print(f"pip-audit looked for known faults of {len(packages)} packages.")
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
