"""`python -m recorder`: make the transcripts that are missing or stale."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from recorder.cache import Cache, user_folder
from recorder.child import LIMITS, LONG
from recorder.errors import BookError
from recorder.layout import ROOT
from recorder.progress import Progress
from recorder.run import Recorder


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """The exit status: 0 when every wanted transcript is fresh, 130 after Ctrl-C, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m recorder",
        description="Run every script, and every experiment of its chapter, whose transcript in "
        "build/runs is missing or stale. A run is stale when its script's code, its data, its new "
        "constants, Python or the platform have changed.",
        epilog="Finished runs are also kept in the user's cache folder (XDG_CACHE_HOME, or "
        "~/.cache), and taken from there. With FRESH=1 in the environment they are not.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="only this script and its experiments, such as 01-foundations/microgpt or microgpt",
    )
    parser.add_argument(
        "--long",
        action="store_true",
        help="run the long experiments instead, into book/long: those without a record, or whose "
        "script, data or constants have changed",
    )
    parser.add_argument(
        "--from",
        dest="archive",
        type=Path,
        help="first take in the runs of an edition, from its archive no-magic-*-runs.zip",
    )
    given = parser.parse_args(arguments)
    cache = Cache(user_folder(), reading=os.environ.get("FRESH") != "1")
    recorder = Recorder(root, cache, Progress(Console()), LONG if given.long else LIMITS)
    try:
        if given.archive:
            recorder.take_in(given.archive)
        if given.long:
            failures = recorder.record_long(given.names)
        else:
            failures = recorder.bring_up_to_date(given.names)
    except BookError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"The recorder cannot go on: {error}.")
    except KeyboardInterrupt:
        print("Interrupted; what had finished is kept.", file=sys.stderr)
        return 130
    return _fail("\n".join(map(str, failures))) if failures else 0


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs has to be ended
    status = main(sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(status)
