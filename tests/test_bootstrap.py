"""The set-up says in one sentence what stands in its way."""

import errno
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from bootstrap import Python
from proof.faults import setups

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

    def make_venv(base: Python) -> None:
        shutil.rmtree(bootstrap.VENV, ignore_errors=True)
        python.parent.mkdir(parents=True)
        python.symlink_to(base.path)

    def pip_install(executable: str, lock: str) -> tuple[bool, str]:
        calls.append(lock)
        return True, ""

    monkeypatch.setattr(bootstrap, "make_venv", make_venv)
    monkeypatch.setattr(bootstrap, "pip_install", pip_install)
    monkeypatch.setattr(bootstrap, "proved", lambda executable, lock: (True, ""))
    return calls


def run(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, lock: str, *, this: bool = True
) -> None:
    monkeypatch.setattr(sys, "argv", ["bootstrap.py", lock, *["--this"] * this])
    bootstrap.main()


def refusal(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, *, this: bool = True) -> str:
    with pytest.raises(SystemExit) as stopped:
        run(bootstrap, monkeypatch, "requirements.lock", this=this)
    return str(stopped.value)


# --- Which Python


class Pythons:
    """Programs that say that they are Pythons, in pyenv and on the PATH; no other is found."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pyenv, self.path = folder / "pyenv", folder / "path"
        self.path.mkdir()
        monkeypatch.setenv("PYENV_ROOT", str(self.pyenv))
        monkeypatch.setenv("PATH", f"/nowhere:{self.path}:{folder}/no-such")
        monkeypatch.setattr(sys, "executable", "/nowhere/python3")

    def add(self, version: str, *lacks: str, at: str = "", kind: str = "CPython") -> None:
        """One of pyenv's, or on the PATH by the name `at`."""
        minor = version.rpartition(".")[0]
        path = (
            self.path / at if at else self.pyenv / "versions" / version / "bin" / f"python{minor}"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        said = [kind, f"{version} (main)", list(map(int, version.split("."))), str(path), lacks]
        path.write_text(f"#!/bin/sh\necho '{json.dumps(said)}'\n")
        path.chmod(0o755)


@pytest.fixture
def pythons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pythons:
    """No Python, to begin with."""
    return Pythons(tmp_path, monkeypatch)


def test_the_newest_is_taken(bootstrap: ModuleType, pythons: Pythons) -> None:
    for version in ("3.10.9", "3.12.1", "3.12.10", "3.12.9"):
        pythons.add(version)
    pythons.add("3.11.2", at="python3.11")
    assert bootstrap.newest().release == [3, 12, 10]
    pythons.add("3.13.0", at="python3.13")
    assert bootstrap.newest().path == str(pythons.path / "python3.13")


def test_what_is_no_python_for_the_book_is_passed_over(
    bootstrap: ModuleType, pythons: Pythons, capsys: pytest.CaptureFixture[str]
) -> None:
    pythons.add("3.11.2")
    pythons.add("3.12.4", "ensurepip", at="python3.12")
    pythons.add("3.13.1", "ssl")
    pythons.add("3.14.0", at="python3.14", kind="PyPy")
    pythons.add("3.15.0", at="python3.15")  # the book was not tried on it
    pythons.add("3.13.7", at="python3.13")
    (pythons.path / "python3.13").write_text("#!/bin/sh\necho no such version >&2\nexit 127\n")
    assert bootstrap.newest().release == [3, 11, 2]
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert said[0].startswith("Passed over: CPython 3.13.1 (") and "has no module ssl" in said[0]
    assert "has no module ensurepip" in said[1] and "install python3.12-venv`" in said[1]


def test_no_python_for_the_book_is_told(
    bootstrap: ModuleType, pythons: Pythons, monkeypatch: pytest.MonkeyPatch
) -> None:
    pythons.add("3.11.2", "venv", at="python3.11")
    told = refusal(bootstrap, monkeypatch, this=False)
    assert "needs CPython 3.11 to 3.14" in told and "found: CPython 3.11.2 (" in told
    (pythons.path / "python3.11").unlink()
    assert "found: none" in refusal(bootstrap, monkeypatch, this=False)


def test_an_old_python_is_told(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "OLDEST", [99, 0])
    assert "needs Python 99.0 or later" in refusal(bootstrap, monkeypatch)


def test_a_missing_venv_module_is_told(
    bootstrap: ModuleType, pythons: Pythons, monkeypatch: pytest.MonkeyPatch
) -> None:
    pythons.add("3.12.4", "venv", at="python3")
    monkeypatch.setattr(sys, "executable", str(pythons.path / "python3"))
    assert "apt-get install python3.12-venv`; then run make" in refusal(bootstrap, monkeypatch)


def test_an_environment_that_works_is_kept_when_a_newer_python_comes(
    bootstrap: ModuleType,
    pips: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(bootstrap, monkeypatch, "requirements.lock")
    monkeypatch.setattr(bootstrap, "newest", lambda: pytest.fail("it looks for another"))
    run(bootstrap, monkeypatch, "requirements.lock", this=False)
    run(bootstrap, monkeypatch, "requirements-test.lock", this=False)
    assert pips == ["requirements.lock", "requirements-test.lock"]
    said = [line for line in capsys.readouterr().out.splitlines() if "Python is" in line]
    assert len(said) == 3 and all(f" CPython {platform.python_version()} " in line for line in said)


def test_another_python_that_is_named_makes_the_environment_anew(
    bootstrap: ModuleType, pips: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(bootstrap, monkeypatch, "requirements.lock")
    other = bootstrap.this()._replace(version="3.99.0 (main)")
    monkeypatch.setattr(bootstrap, "this", lambda: other)
    run(bootstrap, monkeypatch, "requirements.lock", this=False)
    assert len(pips) == 1
    run(bootstrap, monkeypatch, "requirements.lock")
    assert len(pips) == 2


def made(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`make` with these arguments, as from a shell."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=own | environment, capture_output=True, text=True)


def test_make_says_which_python_is_not_here() -> None:
    done = made("setup", "PYTHON=no-such-python")
    assert done.returncode
    assert "There is no no-such-python: name a Python that is here" in done.stderr


@pytest.mark.parametrize("name", ["PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH"])
def test_make_hides_what_a_reader_set_for_other_pythons(name: str) -> None:
    done = made("--eval", "show:; @env", "show", **{name: "/x"})
    assert "PATH=" in done.stdout and f"{name}=" not in done.stdout


# --- What stands in the way


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
    def die(executable: str, lock: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(bootstrap, "pip_install", die)
        run(bootstrap, patch, "requirements.lock")
    run(bootstrap, monkeypatch, "requirements.lock")
    assert len(pips) == 1


@pytest.mark.parametrize("act", ["stat", "mkdir", "open", "write_text", "read_text"])
def test_no_error_of_the_disk_is_a_traceback(
    act: str, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, pips: list[str]
) -> None:
    run(bootstrap, monkeypatch, "requirements.lock")
    (bootstrap.HERE / "requirements.lock").write_text("# another\n")

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, act, fails)
    assert "the set-up cannot go on: [Errno 5]" in refusal(bootstrap, monkeypatch)


def test_the_set_up_locks_as_nfs_wants_it(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, pips: list[str], nfs: list[int]
) -> None:
    run(bootstrap, monkeypatch, "requirements.lock")
    assert len(nfs) == 1


# --- A reader's own settings

SETTINGS = {
    "PIP_TARGET": "elsewhere",
    "PIP_PREFIX": "elsewhere",
    "PIP_ROOT": "elsewhere",
    "PIP_CONSTRAINT": "elsewhere/no-such-file",
    "PIP_REQUIREMENT": "elsewhere/no-such-file",
    "PIP_PYTHON": "elsewhere/no-such-python",
    "PIP_DRY_RUN": "1",
    "PIP_USER": "1",
    "PYTHONPATH": "elsewhere",
    "PYTHONUSERBASE": "elsewhere",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with a lock file and the one package that it names."""
    folder = tmp_path / "checkout"
    setups.prepare(folder)
    return folder


def set_up(folder: Path, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A true set-up, in an environment with these settings."""
    command = [sys.executable, str(folder / "bootstrap.py"), "requirements.lock", "--this"]
    own = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    environment = own | {"PIP_NO_INDEX": "1"} | settings
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=folder)


def test_settings_of_the_readers_pip_change_nothing_but_the_source(package: Path) -> None:
    """Each of these alone has the package elsewhere, or nowhere."""
    file = package / "pip.conf"
    file.write_text(
        f"[global]\nuser = true\nquiet = 3\nfind-links =\n    {package}\n[install]\nroot = /x\n"
    )
    elsewhere = package / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "small.py").write_text("1 / 0")
    done = set_up(package, SETTINGS | {"PIP_CONFIG_FILE": str(file)})
    assert done.returncode == 0, done.stderr
    assert [each.name for each in elsewhere.iterdir()] == ["small.py"]
    assert list(package.glob(".venv/lib/*/site-packages/small.py"))
    assert (package / ".venv" / "fingerprints").is_file()


def test_what_pip_installed_nowhere_is_not_taken_for_installed(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, package: Path
) -> None:
    for name, value in (("HERE", package), ("VENV", package / ".venv")):
        monkeypatch.setattr(bootstrap, name, value)
    monkeypatch.setattr(bootstrap, "FINGERPRINTS", package / ".venv" / "fingerprints")
    monkeypatch.setattr(bootstrap, "pip_install", lambda python, lock: (True, ""))
    told = refusal(bootstrap, monkeypatch)
    assert "they do not work there: small==1.0: PackageNotFoundError" in told
    assert "make again" in told and told.count("\n") == 0
    assert not (package / ".venv" / "fingerprints").exists()


def test_a_package_that_cannot_be_imported_is_told(package: Path) -> None:
    """As where a library of the system that it needs is not there."""
    source = {"PIP_FIND_LINKS": str(package)}
    assert set_up(package, source).returncode == 0
    [module] = package.glob(".venv/lib/*/site-packages/small.py")
    module.write_text("raise ImportError('no libstdc++')")
    (package / "requirements.lock").open("a").write("# changed\n")
    python = str(package / ".venv" / "bin" / "python")
    command = [python, "-I", str(package / "bootstrap.py"), "--prove", "requirements.lock"]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.returncode and "small==1.0: ImportError: no libstdc++" in said.stderr
