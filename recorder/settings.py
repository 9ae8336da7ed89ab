"""What a reader may set, on make's command line or in the environment: NAME=1 for yes."""

import os

from recorder.errors import BookError

SWITCHES = {
    "FRESH": "runs every script anew, without the cache",
    "DRAFT": "shows quickly what a change does",
    "ALL": "runs every test, also those that passed on the very bytes that are here",
}


def switch(name: str) -> bool:
    """Whether a switch is on. Raises BookError for a value that says neither yes nor no."""
    value = os.environ.get(name, "")
    if value not in ("", "0", "1"):
        raise BookError(f"{name}={value} says nothing: {name}=1 {SWITCHES[name]}.")
    return value == "1"
