"""Every long run once more, on this machine and Python, and every claim that rests on one.

It takes hours, so it is tried on demand alone: `python -m proof long`. That a claim holds is what
counts; that the bytes are equal is said, and expected on like machines only.
"""

from collections.abc import Iterator
from pathlib import Path

from proof.table import Row
from proof.trial import Trial, recorded, sealed
from recorder.child import LONG
from recorder.layout import ROOT


def prove(root: Path = ROOT) -> Iterator[Row]:
    """The rows of the long runs."""
    trial = Trial(root, "long", "recorded again", "long", True, recorded(root))
    yield from trial.rows(sealed(root), LONG)
