"""The set-up says in one sentence what stands in its way."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def bootstrap(tmp_path: Path) -> ModuleType:
    """bootstrap.py, copied to a folder with two small lock files, and loaded from there."""
    shutil.copy(ROOT / "bootstrap.py", tmp_path)
    (tmp_path / "requirements.lock").write_text("")
    (tmp_path / "requirements-test.lock").write_text("# the tests' tools\n")
    spec = importlib.util.spec_from_file_location("bootstrap", tmp_path / "bootstrap.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pips(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lock files that pip was called with; neither pip nor venv is run."""
    calls: list[str] = []
    python = bootstrap.VENV / "bin" / "python"

    def make_venv() -> None:
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()

    monkeypatch.setattr(bootstrap, "make_venv", make_venv)
    monkeypatch.setattr(bootstrap, "pip_install", calls.append)
    return calls


def run(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, lock: str) -> None:
    monkeypatch.setattr(sys, "argv", ["bootstrap.py", lock])
    bootstrap.main()


def refusal(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> str:
    with pytest.raises(SystemExit) as stopped:
        run(bootstrap, monkeypatch, "requirements.lock")
    return str(stopped.value)


def test_an_old_python_is_told(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "NEEDED", (99, 0))
    assert "needs Python 99.0 or later" in refusal(bootstrap, monkeypatch)


def test_a_missing_venv_module_is_told(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert "apt-get install python3-venv" in refusal(bootstrap, monkeypatch)


def test_a_full_disk_is_told(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "DISK_BYTES", 10**18)
    assert "make room" in refusal(bootstrap, monkeypatch)


def test_a_missing_network_is_told(bootstrap: ModuleType) -> None:
    """What pip really says of an index that nobody answers for."""
    command = [sys.executable, "-m", "pip", "install", "--isolated", "--retries", "1"]
    index = ["--index-url", "http://127.0.0.1:9/", "no-such-package"]
    said = subprocess.run([*command, *index], capture_output=True, text=True)
    assert said.returncode
    assert "connect to the network" in bootstrap.explain(said.stdout + said.stderr)


def test_a_wrong_hash_is_told(bootstrap: ModuleType) -> None:
    said = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."
    assert "differs from the one the lock file names" in bootstrap.explain(said)


def test_a_second_setup_does_nothing(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, pips: list[str]
) -> None:
    run(bootstrap, monkeypatch, "requirements.lock")
    run(bootstrap, monkeypatch, "requirements.lock")
    assert len(pips) == 1


def test_the_test_tools_include_the_book_tools(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, pips: list[str]
) -> None:
    run(bootstrap, monkeypatch, "requirements-test.lock")
    run(bootstrap, monkeypatch, "requirements.lock")
    assert len(pips) == 1


@pytest.mark.parametrize("gone", ["bin/python", "fingerprints"])
def test_an_environment_that_lost_something_is_made_again(
    gone: str, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, pips: list[str]
) -> None:
    run(bootstrap, monkeypatch, "requirements.lock")
    (bootstrap.VENV / gone).unlink()
    run(bootstrap, monkeypatch, "requirements.lock")
    assert len(pips) == 2


def test_a_changed_lock_is_installed(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    pips: list[str],
    tmp_path: Path,
) -> None:
    run(bootstrap, monkeypatch, "requirements.lock")
    (tmp_path / "requirements.lock").write_text("# another\n")
    run(bootstrap, monkeypatch, "requirements.lock")
    assert len(pips) == 2


def test_a_setup_cut_short_is_begun_again(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, pips: list[str]
) -> None:
    def die(lock: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(bootstrap, "pip_install", die)
        run(bootstrap, patch, "requirements.lock")
    run(bootstrap, monkeypatch, "requirements.lock")
    assert len(pips) == 1
