"""Limits and walls, for the tests of the recorder."""

import shutil
import signal
import subprocess
from collections.abc import Iterator

import pytest

from recorder import wall

BARE = "{} --ro-bind / / --unshare-all true"


@pytest.fixture
def limited() -> Iterator[None]:
    """A test that hangs when the product is broken, such as one of a deaf script, fails instead."""

    def hangs(*_: object) -> None:
        raise AssertionError("it takes longer than a minute: something that must be ended is not")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def behind_hook(monkeypatch: pytest.MonkeyPatch) -> wall.Wall:
    """Have this test's scripts behind the guard's audit hook alone."""
    weakest = wall.Wall(None, wall.HOOK, "as the test wants")
    monkeypatch.setattr(wall, "strongest", lambda: weakest)
    return weakest


@pytest.fixture
def behind_bubblewrap() -> wall.Wall:
    """Have this test's scripts behind bubblewrap, where the system lets it make namespaces."""
    strongest = wall.strongest()
    if strongest.program is None:
        bare = shutil.which("bwrap")
        if bare and not subprocess.run(BARE.format(bare).split(), capture_output=True).returncode:
            pytest.fail(f"bubblewrap works, but not as recorder/wall.py calls it: {strongest.lack}")
        pytest.skip(strongest.lack)
    return strongest


@pytest.fixture(params=["behind_bubblewrap", "behind_hook"])
def walled(request: pytest.FixtureRequest) -> wall.Wall:
    """Run this test behind both walls, one after the other."""
    strength: wall.Wall = request.getfixturevalue(request.param)
    return strength
