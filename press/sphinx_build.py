"""Sphinx's own command, `sphinx-build`, with less housekeeping: `python -m press.sphinx_build ...`.

What Sphinx reads lives as long as the process. To look through it for garbage again and again, and
to take it apart at the end, took two fifths of the time of a build after an edit.
"""

import gc
import os
import sys

from sphinx.cmd.build import main

YOUNG = 10_000  # new objects between two looks for garbage; by default Python has 700

if __name__ == "__main__":
    gc.set_threshold(YOUNG)
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
