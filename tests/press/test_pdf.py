"""The typesetting: what its log tells, what a broken run leaves, what the finished file says."""

import os
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


NO_CACHE = """luaotfload | load : FATAL ERROR
luaotfload | load :     × "...luaotfload-init.lua:301: system : no writeable cache path, quiting".
stack traceback:
"""


@pytest.mark.parametrize(
    ("log", "said", "told"),
    [
        (
            "./no-magic.tex:1:  ==> Fatal error occurred, no output PDF file produced!",
            NO_CACHE,
            "LaTeX stopped: system : no writeable cache path, quiting",
        ),
        ("", "! I can't write on file `no-magic.log'.", "! I can't write on file `no-magic.log'."),
        (
            "",
            "I can't find the format file `lualatex.fmt'!\n\n",
            "said last\nI can't find the format",
        ),
    ],
)
def test_a_reason_that_another_log_has_is_told(log: str, said: str, told: str) -> None:
    assert told in typeset.failure(log, TEX, said)


@pytest.mark.parametrize("home", ["", "there"])
def test_who_has_no_cache_gets_one_in_build(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everywhere, but not below a file."""
    (tmp_path / "file").touch()
    var = tmp_path / (home or "file") / "texmf-var"
    kpsewhich = tmp_path / "kpsewhich"
    kpsewhich.write_text(f"#!/bin/sh\necho {var}\n")
    kpsewhich.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(typeset, "BUILD", tmp_path)
    assert typeset.caches() == ({} if home else {"TEXMFVAR": str(tmp_path / "tex")})
    assert (tmp_path / "tex").is_dir() == (not home)


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
    (book / "no-magic.tex").write_text(TEX)
    programs(
        tmp_path / "bin",
        monkeypatch,
        os.environ["PATH"],
        latexmk="echo half > no-magic.aux; exit 1",
    )
    assert not typeset.typeset(book, "0")
    assert (book / "no-magic.aux").read_text() == "half\n"
    programs(tmp_path / "bin", monkeypatch, os.environ["PATH"], latexmk="! grep half no-magic.aux")
    assert typeset.typeset(book, "0")
    assert typeset.typeset(book, "0")


def test_what_was_damaged_since_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no-magic.tex").write_text(TEX)
    programs(tmp_path / "bin", monkeypatch, os.environ["PATH"], latexmk="echo whole > no-magic.aux")
    assert typeset.typeset(tmp_path, "0")
    programs(tmp_path / "bin", monkeypatch, os.environ["PATH"], latexmk="grep whole no-magic.aux")
    assert typeset.typeset(tmp_path, "0")
    (tmp_path / "no-magic.aux").write_text("who")
    assert not typeset.typeset(tmp_path, "0")
    assert "who" not in (tmp_path / "no-magic.aux").read_text()


def test_the_first_pass_finds_contents_as_long_as_the_true_ones() -> None:
    tex = r"""\chapter{Preface}
\nmmainmatter
\part{Foundations}
\chapter{The \sphinxcode{\sphinxupquote{tape}}}
\section{Add}
\subsection{Not listed}
\nmbackmatter
\chapter{Works}
\index{tape}
"""
    assert (
        typeset.guessed_contents(tex)
        == r"""\contentsline {chapter}{Preface}{0}{}%
\contentsline {part}{\numberline {0}Foundations}{0}{}%
\contentsline {chapter}{\numberline {0}The \sphinxcode{\sphinxupquote{tape}}}{0}{}%
\addvspace {1.8em}
\contentsline {chapter}{Works}{0}{}%
\contentsline {chapter}{\indexname }{0}{}%
"""
    )


def test_labels_are_foretold_about_where_they_will_stand() -> None:
    page = "x" * typeset.PER_PAGE
    tex = rf"""\label{{\detokenize{{front/preface::doc}}}}
\nmmainmatter
\label{{\detokenize{{a::doc}}}}{page}
\label{{equation:b:eq}}"""
    assert (
        typeset.guessed_labels(tex)
        == r"""\relax
\newlabel{front/preface::doc}{{0.0}{v}{}{}{}}
\newlabel{a::doc}{{0.0}{1}{}{}{}}
\newlabel{equation:b:eq}{{0.0}{2}{}{}{}}
"""
    )


def test_only_what_a_second_pass_mends_is_foretold(tmp_path: Path) -> None:
    """A draft is its first pass: a guess there would be printed. What LaTeX wrote itself stays."""
    (tmp_path / f"{typeset.STEM}.tex").write_text(r"\label{a}")
    typeset.foretell(tmp_path, draft=True)
    assert {path.suffix for path in tmp_path.iterdir()} == {".tex", ".toc"}
    contents = tmp_path / f"{typeset.STEM}.toc"
    contents.write_text("LaTeX's own")
    typeset.foretell(tmp_path, draft=False)
    assert (tmp_path / f"{typeset.STEM}.aux").exists() and contents.read_text() == "LaTeX's own"


def test_a_font_has_a_date_of_its_content_alone(tmp_path: Path) -> None:
    one, copy, other = (tmp_path / name for name in ("one.otf", "copy.otf", "other.otf"))
    one.write_bytes(b"serif")
    copy.write_bytes(b"serif")
    other.write_bytes(b"sans!")
    os.utime(copy, (1, 1))
    typeset.date_fonts(tmp_path)
    assert one.stat().st_mtime == copy.stat().st_mtime != other.stat().st_mtime


def test_a_draft_is_one_pass_unchecked_and_no_book(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "latex"
    folder.mkdir()
    (folder / "no-magic.tex").write_text(TEX)
    echo = "echo 'LaTeX Warning: Reference `x'\\'' on page 9 undefined on input line 14.'"
    programs(
        tmp_path / "bin",
        monkeypatch,
        os.environ["PATH"],
        lualatex=f"{echo} > no-magic.log\necho PDF > no-magic.pdf",
    )
    monkeypatch.setattr(texlive, "missing", list)
    typeset.typeset_book(folder, tmp_path / "no-magic-draft.pdf", True)
    assert (tmp_path / "no-magic-draft.pdf").read_text() == "PDF\n"
    programs(tmp_path / "bin", monkeypatch, os.environ["PATH"], latexmk="exit 0")
    with pytest.raises(SystemExit, match="1 thing"):
        typeset.typeset_book(folder, tmp_path / "no-magic.pdf", False)
    assert not (tmp_path / "no-magic.pdf").exists()
