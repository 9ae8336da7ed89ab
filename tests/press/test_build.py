"""A build that was cut short, or ended in a warning, never passes for a good one."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from press import build
from press.pdf import typeset
from recorder.errors import BookError
from recorder.records import Record

CITATION = """
title: Small
authors: [{name: Nobody}]
version: "1"
date-released: 2026-11-22
"""


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book of one page; build.ROOT and build.BUILD point at it."""
    source = tmp_path / "book"
    source.mkdir()
    (source / "conf.py").write_text("project = 'Small'\n")
    (source / "index.rst").write_text("Small\n=====\n\nA page.\n")
    (tmp_path / "build").mkdir()
    (tmp_path / "requirements.lock").touch()
    (tmp_path / "CITATION.cff").write_text(CITATION)
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "BUILD", tmp_path / "build")
    return tmp_path


def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that a build starts from now on; they run."""
    run, made = subprocess.run, []

    def note(command: list[str], **rest: Any) -> Any:
        made.append(command)
        return run(command, **rest)

    monkeypatch.setattr(subprocess, "run", note)
    return made


def sphinxes(commands: list[list[str]]) -> int:
    return sum("press.sphinx_build" in command for command in commands)


def test_a_build_with_nothing_to_do_does_nothing(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.sphinx("html")
    started = calls(monkeypatch)
    os.utime(book / "book" / "index.rst")  # touched, not changed
    build.sphinx("html")
    assert sphinxes(started) == 0
    (book / "book" / "index.rst").write_text("Small\n=====\n\nAnother page.\n")
    build.sphinx("html")
    assert sphinxes(started) == 1
    assert "Another page." in (book / "build" / "html" / "index.html").read_text()


@pytest.mark.parametrize(
    "change",
    [
        "book/index.rst",
        "scripts/01-tier/one.py",
        "build/runs/01-tier/one.txt",
        "build/figures/01-tier/one.svg",
        "build/pages.json",
        "references.bib",
    ],
)
def test_whatever_a_page_is_made_of_makes_a_build_look(book: Path, change: str) -> None:
    before = build.sources()
    (book / change).parent.mkdir(parents=True, exist_ok=True)
    (book / change).write_text("Small\n=====\n\nChanged.\n")
    assert build.sources() != before


def test_another_date_makes_a_build_look(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build.sources()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12345")
    assert build.sources() != before


def test_a_page_that_somebody_changed_or_took_is_made_again(book: Path) -> None:
    build.sphinx("html")
    page = book / "build" / "html" / "index.html"
    good = page.read_bytes()
    for spoil in (lambda: page.write_text("spoilt"), page.unlink):
        spoil()
        build.sphinx("html")
        assert page.read_bytes() == good


def test_what_latex_adds_to_its_folder_stays(book: Path) -> None:
    build.sphinx("latex", besides=typeset.BESIDES)
    (book / "build" / "latex" / "no-magic.aux").write_text("pages")
    (book / "book" / "index.rst").write_text("Small\n=====\n\nAnother page.\n")
    build.sphinx("latex", besides=typeset.BESIDES)
    assert (book / "build" / "latex" / "no-magic.aux").exists()


def test_a_format_takes_what_another_one_has_read(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, found = subprocess.run, list[bool]()

    def note(command: list[str], **rest: Any) -> Any:
        if "-d" in command:
            found.append(Path(command[command.index("-d") + 1]).is_dir())
        return run(command, **rest)

    monkeypatch.setattr(subprocess, "run", note)
    build.sphinx("html")
    build.sphinx("latex")
    assert found == [False, True]
    (book / "build" / "doctrees" / "html" / "index.doctree").write_bytes(b"damaged")
    (book / "build" / "doctrees" / "latex" / "environment.pickle").write_bytes(b"damaged")
    build.sphinx("dirhtml")
    assert found == [False, True, False]
    (book / "requirements.lock").write_text("other tools")
    build.sphinx("text")
    assert found == [False, True, False, False]


def test_the_book_takes_nothing_that_was_read_for_a_draft(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAFT", "1")
    build.html()
    here: Record = {"machine": build.machine()}
    assert build.already_read(here) == book / "build" / "doctrees" / "html-draft"
    assert build.begins_with("html-draft", here, ()) == "html-draft"
    assert build.begins_with("html", here, ()) == ""
    monkeypatch.delenv("DRAFT")
    assert build.already_read(here) is None


def test_a_draft_goes_on_from_the_pages_of_the_book(book: Path) -> None:
    build.html()
    here: Record = {"machine": build.machine()}
    assert build.begins_with("html-draft", here, ["no-magic.pdf"]) == "html"
    (book / "build" / "html" / "index.html").write_text("damaged")
    assert build.begins_with("html-draft", here, ["no-magic.pdf"]) == ""


def test_a_marker_that_is_no_marker_is_none(book: Path) -> None:
    build.sphinx("html")
    (book / "build" / ".html-made").write_text("{}")
    (book / "build" / "html" / "index.html").write_text("half")
    build.sphinx("html")
    assert "A page." in (book / "build" / "html" / "index.html").read_text()


def test_another_press_makes_every_page_anew(book: Path) -> None:
    build.sphinx("html")
    page = book / "build" / "html" / "index.html"
    page.write_text("by another machine")
    (book / "press").mkdir()
    (book / "press" / "look.css").write_text("p { color: red }")
    build.sphinx("html")
    assert "A page." in page.read_text()


@pytest.mark.parametrize("damaged", ["html/index.html", "doctrees/html/index.doctree"])
def test_a_file_that_was_damaged_since_is_made_again(book: Path, damaged: str) -> None:
    build.sphinx("html")
    good = (book / "build" / "html" / "index.html").read_bytes()
    (book / "build" / damaged).write_text("half a")
    build.sphinx("html")
    assert (book / "build" / "html" / "index.html").read_bytes() == good


def test_a_folder_that_vanished_meanwhile_is_no_good_build(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = subprocess.run

    def taken(command: list[str], **rest: Any) -> Any:
        if "press.sphinx_build" in command:
            shutil.rmtree(book / "build" / ".html-being-made")
        return run(command, **rest)

    monkeypatch.setattr(subprocess, "run", taken)
    with pytest.raises(SystemExit, match="vanished while html was made; make again"):
        build.sphinx("html")
    assert not (book / "build" / ".html-made").exists()


def test_a_warning_fails_this_build_and_the_next(book: Path) -> None:
    (book / "book" / "index.rst").write_text("Small\n=====\n\nSee :doc:`nowhere`.\n")
    for _ in range(2):
        with pytest.raises(SystemExit):
            build.sphinx("html")


def test_a_page_left_by_a_killed_build_is_made_again(book: Path) -> None:
    half = book / "build" / ".html-being-made" / "out" / "index.html"
    half.parent.mkdir(parents=True)
    half.write_text("<p>half a pa")
    build.sphinx("html")
    assert "A page." in (book / "build" / "html" / "index.html").read_text()
    assert not (book / "build" / ".html-being-made").exists()


def test_a_build_that_fails_leaves_the_last_good_one_as_it_was(book: Path) -> None:
    build.sphinx("html")
    made = (book / "build" / "html" / "index.html").read_bytes()
    (book / "book" / "index.rst").write_text("Small\n=====\n\nSee :doc:`nowhere`.\n")
    with pytest.raises(SystemExit, match="made no html"):
        build.sphinx("html")
    assert (book / "build" / "html" / "index.html").read_bytes() == made


@pytest.mark.parametrize(
    ("paper", "draft", "folder", "made"),
    [
        ("", "", "latex", "no-magic.pdf"),
        ("A4", "1", "latex-draft", "no-magic-draft.pdf"),
        ("letter", "", "latex-letter", "no-magic-letter.pdf"),
        ("letter", "1", "latex-letter-draft", "no-magic-letter-draft.pdf"),
    ],
)
def test_other_papers_and_drafts_stand_beside_the_book(
    paper: str, draft: str, folder: str, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []
    monkeypatch.setattr(build, "sphinx", lambda *names: calls.append(names))
    monkeypatch.setattr(typeset, "typeset_book", lambda *given: calls.append(given))
    monkeypatch.setenv("PAPER", paper or "a4")
    monkeypatch.setenv("DRAFT", draft)
    assert build.pdf() == made
    assert calls == [
        ("latex", folder, typeset.BESIDES),
        (build.BUILD / folder, build.BUILD / made, draft == "1"),
    ]


def test_one_build_at_a_time(book: Path) -> None:
    with (
        build.locked(),
        (book / "build" / ".lock").open("w") as other,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_build_locks_as_nfs_wants_it(book: Path, nfs: list[int]) -> None:
    with build.locked():
        assert len(nfs) == 1


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("PAPER", "a5", "PAPER=a5 is no paper of the book's: name a4 or letter."),
        ("DRAFT", "yes", "DRAFT=yes says nothing: DRAFT=1 shows quickly what a change does."),
        ("SOURCE_DATE_EPOCH", "soon", "SOURCE_DATE_EPOCH=soon is no time"),
    ],
)
@pytest.mark.parametrize("form", ["html", "pdf", "epub"])
def test_a_setting_that_is_none_is_told_before_sphinx(
    book: Path, form: str, name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    citation = book / "CITATION.cff"
    citation.write_text(citation.read_text().replace("date-released: 2026-11-22\n", ""))
    monkeypatch.setattr(build, "sphinx", lambda *_: pytest.fail("Sphinx is asked"))
    monkeypatch.setattr(sys, "argv", ["build", form])
    monkeypatch.setenv(name, value)
    with pytest.raises(BookError, match=re.escape(told)):
        build.main()


def test_a_bad_edition_is_told_before_sphinx(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    citation = book / "CITATION.cff"
    citation.write_text(citation.read_text().replace("2026-11-22", "soon"))
    monkeypatch.setattr(build, "sphinx", lambda *_: pytest.fail("Sphinx is asked"))
    monkeypatch.setattr(sys, "argv", ["build", "html"])
    with pytest.raises(BookError, match="date-released must be a day"):
        build.main()


def test_a_draft_is_made_in_spite_of_warnings_beside_the_good_book(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.html()
    good = (book / "build" / "html" / "index.html").read_text()
    (book / "book" / "index.rst").write_text("Small\n=====\n\nAnother page, `of`:nothing:.\n")
    with pytest.raises(SystemExit, match="or have a draft of it as it is, with DRAFT=1"):
        build.html()
    monkeypatch.setenv("DRAFT", "1")
    assert build.html() == "html-draft/index.html"
    assert "Another page" in (book / "build" / "html-draft" / "index.html").read_text()
    assert (book / "build" / "html" / "index.html").read_text() == good
