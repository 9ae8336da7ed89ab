"""Property tests draw the same examples every time, alone and among others."""

import importlib.util
import sys
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def drawn() -> list[tuple[int, str]]:
    """What a property is tried on."""
    examples = []

    @given(st.integers(), st.text())
    def holds(number: int, text: str) -> None:
        examples.append((number, text))

    holds()
    return examples


def test_examples_are_the_same_whatever_else_is_loaded(tmp_path: Path) -> None:
    before = drawn()
    assert len(set(before)) > 50
    (tmp_path / "ours.py").write_text(
        "NUMBERS, WORD = (271828, 314159, 577215), 'a word of ours'\n"
    )
    spec = importlib.util.spec_from_file_location("ours", tmp_path / "ours.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules["ours"] = module
    try:
        assert drawn() == before
    finally:
        del sys.modules["ours"]


def test_nothing_is_kept_and_no_clock_counts() -> None:
    same = settings.get_profile("same")
    assert (same.derandomize, same.database, same.deadline) == (True, None, None)
    assert HealthCheck.too_slow in same.suppress_health_check
    other = settings.get_profile("random")
    assert (other.derandomize, other.database, other.deadline) == (False, None, None)
