"""Books of tiny scripts, for the tests of the recorder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """An empty book with a cache folder of its own."""
    made = Workshop(tmp_path / "first", tmp_path / "cache")
    yield made
    made.stop()


@pytest.fixture
def recorded(workshop: Workshop) -> Workshop:
    """A book with one script that reads data, and one experiment: both recorded."""
    workshop.fill()
    assert workshop.record() == []
    assert sorted(workshop.ran()) == ["one", "one--more"]
    return workshop
