"""`python -m recorder.told MODULE ...`: run a module as a command that never ends in a traceback.

Ctrl-C ends it at once and without a word, even while it still imports what it needs; nothing here
is the worse for a command that dies. What an author or a machine has to mend is told in a sentence.
"""

import _signal  # type: ignore[import-not-found]  # built in: `signal` would first be looked for

if __name__ == "__main__":
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import runpy  # noqa: E402
import sys  # noqa: E402

from recorder.errors import BookError  # noqa: E402


def main() -> None:
    """Run the module that the command line names, with the rest of that line as its own."""
    del sys.argv[0]
    name = sys.argv[0]
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    except BookError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{name} cannot go on: {error}; mend that, and make again.")


if __name__ == "__main__":
    main()
