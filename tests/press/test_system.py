"""What the book needs of the system is installed where that needs no question, or named."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from press.system import bubblewrap, texlive
from tests.programs import programs

# --- TeX Live

FOUND = 'for f in "$@"; do echo /tex/$f; done'
TEX_PROGRAMS = {"lualatex": "", "latexmk": "", "makeindex": ""}


def test_nothing_to_do_when_all_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs(tmp_path, monkeypatch, kpsewhich=FOUND, **TEX_PROGRAMS)
    texlive.main()
    assert capsys.readouterr().out == ""


def test_missing_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = f"{FOUND} | while read f; do test $f = /tex/titlesec.sty || echo $f; done"
    programs(tmp_path, monkeypatch, kpsewhich=found, **TEX_PROGRAMS)
    assert texlive.missing() == ["titlesec.sty"]


def test_elsewhere_the_commands_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path, monkeypatch, lualatex="")
    with pytest.raises(SystemExit) as stop:
        texlive.main()
    assert all(f" {program} install" in f" {stop.value}" for program in ("apt-get", "dnf", "brew"))


def test_without_privilege_nothing_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path, monkeypatch, apt_get="touch installed", sudo="exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="apt-get install"):
        texlive.main()
    assert not (tmp_path / "installed").exists()


@pytest.mark.parametrize("user", [0, 1000])
def test_as_root_what_is_missing_is_installed(
    user: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    here, usual = tmp_path / "bin", os.environ["PATH"]
    install = f"PATH={usual}\necho $@ >> {tmp_path}/log\ncp {here}/sudo {here}/lualatex"
    programs(here, monkeypatch, apt_get=install, kpsewhich=FOUND, latexmk="", makeindex="")
    elsewhere = f'PATH={here}:{usual}\nshift\nexec "$@"'
    programs(here, monkeypatch, sudo=elsewhere, env=elsewhere)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    texlive.main()
    done = (tmp_path / "log").read_text()
    assert "update" in done and "--no-install-recommends texlive-latex-extra" in done
    assert "Installing texlive-latex-extra" in capfd.readouterr().out


def test_module_runs_without_sphinx_or_pikepdf() -> None:
    """`make book` asks for TeX before anything else, and says at once what is missing."""
    code = (
        "import sys; import press.system.texlive; print({'sphinx', 'pikepdf'} & set(sys.modules))"
    )
    root = Path(__file__).resolve().parent.parent.parent
    run = subprocess.run(["python3", "-c", code], cwd=root, capture_output=True, text=True)
    assert run.stdout.strip() == "set()"


# --- bubblewrap


def test_bubblewrap_is_installed_where_that_needs_no_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    here, usual = tmp_path / "bin", os.environ["PATH"]
    install = f"PATH={usual}\necho $@ >> {tmp_path}/log\ncp {here}/env {here}/bwrap"
    programs(here, monkeypatch, apt_get=install, env=f'PATH={here}:{usual}\nshift\nexec "$@"')
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    bubblewrap.main()
    assert "sudo apt-get install --no-install-recommends bubblewrap" in capfd.readouterr().out
    assert not (tmp_path / "log").exists()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    bubblewrap.main()
    assert "install -y --no-install-recommends bubblewrap" in (tmp_path / "log").read_text()
    assert capfd.readouterr().out == "Installing bubblewrap (50 kB to fetch)\n"
    bubblewrap.main()
    assert capfd.readouterr().out == ""
