"""What every test shares: the script that a test file is about."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def script(request: pytest.FixtureRequest) -> ModuleType:
    """The module scripts/T/N.py for the test file tests/T/test_N.py, freshly loaded."""
    test = Path(str(request.path))
    path = ROOT / "scripts" / test.parent.name / test.name.removeprefix("test_")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader, f"{path} cannot be loaded"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
