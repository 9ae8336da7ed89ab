"""What a reader may set: the capitals of a script's settings, as it writes them."""

from pathlib import Path

import pytest

from recorder import constants
from recorder.constants import Constant
from recorder.errors import BookError

SCRIPT = '''"""A script."""
# === Settings ===
SEED = 1
STEPS = 1_000  # the curve is flat # after this
# A pattern,
# in two lines.
PATTERN = (r"a+"
           r"|b = c")
WAYS = {
    "one": 1,  # the first
    "two": (2, 3)}  # ways to go
# The files.
HASHES = {"names": "0"}
lower = 3
SUM = 1 + 1

# === Data ===
TAPE = []
'''


def test_settings_have_their_values_and_their_reasons() -> None:
    assert constants.read(SCRIPT, Path("one.py")) == [
        Constant("SEED", "1", ""),
        Constant("STEPS", "1_000", "the curve is flat # after this"),
        Constant("PATTERN", '(r"a+"\n           r"|b = c")', "A pattern, in two lines."),
        Constant("WAYS", '{\n    "one": 1,  # the first\n    "two": (2, 3)}', "ways to go"),
    ]


def test_a_script_without_settings_has_none() -> None:
    assert constants.read("print(1)\n", Path("one.py")) == []


def test_a_script_that_is_no_python_is_said() -> None:
    with pytest.raises(BookError, match=r"^tier/one.py is no Python: .* in line 2\.$"):
        constants.read("SEED = 1\nSTEPS = (\n", Path("tier/one.py"))
