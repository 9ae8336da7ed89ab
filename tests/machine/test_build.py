"""A build that was cut short, or ended in a warning, never passes for a good one."""

import fcntl
from pathlib import Path

import pytest

from book import build, pdf


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book of one page; build.ROOT and build.BUILD point at it."""
    source = tmp_path / "book"
    source.mkdir()
    (source / "conf.py").write_text("project = 'Small'\n")
    (source / "index.rst").write_text("Small\n=====\n\nA page.\n")
    (tmp_path / "build").mkdir()
    (tmp_path / "requirements.lock").touch()
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "BUILD", tmp_path / "build")
    return tmp_path


def test_a_good_build_leaves_its_marker_and_the_next_trusts_it(book: Path) -> None:
    build.sphinx("html")
    page = book / "build" / "html" / "index.html"
    assert "A page." in page.read_text()
    assert (book / "build" / ".html-made").read_text().startswith(build.machine())
    written = page.stat().st_mtime_ns
    build.sphinx("html")
    assert page.stat().st_mtime_ns == written


def test_other_extensions_make_every_page_anew(book: Path) -> None:
    build.sphinx("html")
    page = book / "build" / "html" / "index.html"
    page.write_text("by another machine")
    (book / "book" / "theme").mkdir()
    (book / "book" / "theme" / "look.css").write_text("p { color: red }")
    build.sphinx("html")
    assert "A page." in page.read_text()


@pytest.mark.parametrize("damaged", ["html/index.html", "doctrees/html/index.doctree"])
def test_a_file_that_was_damaged_since_is_made_again(book: Path, damaged: str) -> None:
    build.sphinx("html")
    good = (book / "build" / "html" / "index.html").read_bytes()
    (book / "build" / damaged).write_text("half a")
    build.sphinx("html")
    assert (book / "build" / "html" / "index.html").read_bytes() == good


def test_a_warning_fails_this_build_and_the_next(book: Path) -> None:
    (book / "book" / "index.rst").write_text("Small\n=====\n\nSee :doc:`nowhere`.\n")
    for _ in range(2):
        with pytest.raises(SystemExit):
            build.sphinx("html")


def test_a_page_left_by_a_killed_build_is_made_again(book: Path) -> None:
    build.sphinx("html")
    page = book / "build" / "html" / "index.html"
    page.write_text("<p>half a pa")
    (book / "build" / ".html-made").unlink()  # what a killed build leaves
    build.sphinx("html")
    assert "A page." in page.read_text()


@pytest.mark.parametrize(
    ("paper", "draft", "folder", "made"),
    [
        ("", "", "latex", "no-magic.pdf"),
        ("A4", "1", "latex", "no-magic-draft.pdf"),
        ("letter", "", "latex-letter", "no-magic-letter.pdf"),
        ("letter", "1", "latex-letter", "no-magic-letter-draft.pdf"),
    ],
)
def test_other_papers_and_drafts_stand_beside_the_book(
    paper: str, draft: str, folder: str, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []
    monkeypatch.setattr(build, "sphinx", lambda *names: calls.append(names))
    monkeypatch.setattr(pdf, "typeset_book", lambda *given: calls.append(given))
    monkeypatch.setenv("PAPER", paper or "a4")
    monkeypatch.setenv("DRAFT", draft)
    assert build.pdf() == made
    assert calls == [
        ("latex", folder, pdf.BESIDES),
        (build.BUILD / folder, build.BUILD / made, draft == "1"),
    ]


def test_one_build_at_a_time(book: Path) -> None:
    with (
        build.locked(),
        (book / "build" / ".lock").open("w") as other,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
