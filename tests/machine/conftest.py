"""Books of tiny scripts, for the tests of the recorder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder import wall
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


@pytest.fixture(params=["bubblewrap", wall.HOOK])
def walled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> wall.Wall:
    """Have this test's scripts behind bubblewrap, then behind the guard's audit hook alone."""
    if request.param == wall.HOOK:
        weakest = wall.Wall(None, wall.HOOK, "as the test wants")
        monkeypatch.setattr(wall, "strongest", lambda: weakest)
    elif wall.strongest().program is None:
        pytest.skip(wall.strongest().lack)
    return wall.strongest()
