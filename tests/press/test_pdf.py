"""The typesetting: what its log tells, what a broken run leaves, what the finished file says."""

from pathlib import Path

import pikepdf
import pytest

from press.pdf import typeset
from press.system import texlive
from tests.programs import programs

TEX = r"""\begin{document}
\sphinxstepscope
\part{Foundations}
\label{\detokenize{01-foundations/index:foundations}}\label{\detokenize{01-foundations/index::doc}}
\sphinxstepscope
\chapter{How a program learns}
\label{\detokenize{01-foundations/microgpt:learns}}\label{\detokenize{01-foundations/microgpt::doc}}
Text.
\section{The \sphinxcode{\sphinxupquote{tape}}}
\label{\detokenize{01-foundations/microgpt:twice}}
A line that is too long, and a ☃.
\section{Further}
\label{\detokenize{01-foundations/microgpt:twice}}
\hyperref[\detokenize{nowhere}]{here}
\end{document}
"""
TAPE = 'book/01-foundations/microgpt.md, under "The tape"'


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            r"Overfull \hbox (8.50708pt too wide) in paragraph at lines 11--12",
            f"{TAPE}, near page 8: something runs 8.5 pt into the margin",
        ),
        (
            r"Overfull \hbox (20.0pt too wide) detected at line 8",
            "book/01-foundations/microgpt.md, near page 8: something runs 20.0 pt into the margin",
        ),
        (
            r"Overfull \vbox (3.25pt too high) has occurred while \output is active []",
            "near page 8: something runs 3.2 pt off the foot of the page",
        ),
        (
            "LaTeX Warning: Float too large for page by 12.5pt on input line 11.",
            f"{TAPE}, near page 8: a figure or table is 12.5 pt too high for the page",
        ),
        (
            "Missing character: There is no ☃ (U+2603) in font [./LibertinusSerif.otf]:mode=node!",
            f"{TAPE}, near page 8: LibertinusSerif has no glyph for ☃ (U+2603)",
        ),
        (
            "LaTeX Warning: Reference `nowhere' on page 9 undefined on input line 14.",
            'book/01-foundations/microgpt.md, under "Further", page 9: nothing is called nowhere',
        ),
        (
            "LaTeX Warning: Hyper reference `nowhere' on page iv undefined on input line 14.",
            'book/01-foundations/microgpt.md, under "Further", page iv: nothing is called nowhere',
        ),
        (
            "LaTeX Warning: Citation `nobody' on page 9 undefined on input line 8.",
            "book/01-foundations/microgpt.md, page 9: nothing is called nobody",
        ),
        (
            "LaTeX Warning: Label `01-foundations/microgpt:twice' multiply defined.",
            "near page 8: the label 01-foundations/microgpt:twice is given twice: "
            f'{TAPE} and book/01-foundations/microgpt.md, under "Further"',
        ),
        (
            "warning  (pdf backend): ignoring duplicate destination with the name 'figure.1'",
            "near page 8: two places are both the target of links to figure.1",
        ),
        (
            "LaTeX Font Warning: Font shape `TU/Libertinus(0)/b/it' undefined",
            "near page 8: the book has no font of the shape TU/Libertinus(0)/b/it",
        ),
        (
            "LaTeX Warning: Label(s) may have changed. Rerun to get cross-references right.",
            "near page 8: the page numbers did not settle",
        ),
    ],
)
def test_log_line_becomes_a_sentence(line: str, told: str) -> None:
    assert typeset.complaints(f"[6] (./x.aux)\n[7]\n{line}\n[8]\n", TEX) == [told]


def test_quiet_log_has_no_complaints() -> None:
    log = r"""This is LuaHBTeX, Version 1.15.0
LaTeX Warning: Marginpar on page 3 moved.
Overfull \hbox (0.99pt too wide) in paragraph at lines 11--12
Underfull \vbox (badness 10000) has occurred while \output is active []
[1] [2]
Output written on no-magic.pdf (2 pages, 1 bytes)."""
    assert typeset.complaints(log, TEX) == []


def test_same_thing_is_said_once() -> None:
    line = "LaTeX Warning: Reference `nowhere' on page 9 undefined on input line 14.\n"
    assert len(typeset.complaints(line * 2, TEX)) == 1


def test_failure_names_the_chapter_and_the_error() -> None:
    log = "(./no-magic.tex [1]\n./no-magic.tex:11: Undefined control sequence.\nl.11 \\nosuch\n"
    told = typeset.failure(log, TEX)
    assert told.startswith(TAPE)
    assert "Undefined control sequence" in told and r"\nosuch" in told


def test_failure_without_a_reason_names_the_log() -> None:
    assert "build/latex/no-magic.log" in typeset.failure("", TEX)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "made.pdf"
    with pikepdf.new() as file:
        file.add_blank_page()
        file.save(path)
    return path


def test_finished_file_says_what_it_is(made: Path) -> None:
    target = made.with_name("book.pdf")
    typeset.finish(made, target, "1700000000")
    with pikepdf.open(target) as file:
        assert file.Root.Lang == "en"
        assert file.docinfo["/Title"] == "No Magic"
        about = file.open_metadata()
        assert about["dc:title"] == "No Magic"
        assert about["dc:creator"] == ["The No Magic authors"]
        assert about["xmp:CreateDate"].startswith("2023-11-14")
    assert [path.name for path in made.parent.iterdir() if path.suffix == ".part"] == []


def test_finished_file_depends_on_nothing_but_its_content(made: Path) -> None:
    first, second = made.with_name("1.pdf"), made.with_name("2.pdf")
    typeset.finish(made, first, "1700000000")
    typeset.finish(made, second, "1700000000")
    assert first.read_bytes() == second.read_bytes()


def test_run_cut_short_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = tmp_path / "latex"
    book.mkdir()
    programs(tmp_path / "bin", monkeypatch, latexmk="echo half > no-magic.aux; exit 1")
    assert not typeset.typeset(book, "0")
    assert (book / "no-magic.aux").exists()
    programs(tmp_path / "bin", monkeypatch, latexmk="test ! -e no-magic.aux")
    assert typeset.typeset(book, "0")
    assert typeset.typeset(book, "0")


def test_what_was_damaged_since_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path / "bin", monkeypatch, latexmk="echo whole > no-magic.aux")
    assert typeset.typeset(tmp_path, "0")
    programs(tmp_path / "bin", monkeypatch, latexmk="test -e no-magic.aux")
    assert typeset.typeset(tmp_path, "0")
    (tmp_path / "no-magic.aux").write_text("who")
    assert not typeset.typeset(tmp_path, "0")
    assert not (tmp_path / "no-magic.aux").exists()


def test_a_draft_is_one_pass_unchecked_and_no_book(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "latex"
    folder.mkdir()
    (folder / "no-magic.tex").write_text(TEX)
    echo = "echo 'LaTeX Warning: Reference `x'\\'' on page 9 undefined on input line 14.'"
    programs(
        tmp_path / "bin", monkeypatch, lualatex=f"{echo} > no-magic.log\necho PDF > no-magic.pdf"
    )
    monkeypatch.setattr(texlive, "missing", list)
    typeset.typeset_book(folder, tmp_path / "no-magic-draft.pdf", True)
    assert (tmp_path / "no-magic-draft.pdf").read_text() == "PDF\n"
    programs(tmp_path / "bin", monkeypatch, latexmk="exit 0")
    with pytest.raises(SystemExit, match="1 thing"):
        typeset.typeset_book(folder, tmp_path / "no-magic.pdf", False)
    assert not (tmp_path / "no-magic.pdf").exists()
