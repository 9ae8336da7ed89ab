"""Typeset build/latex/ and put build/no-magic.pdf in place.

LuaLaTeX, run by latexmk as often as it takes and without shell escape, then a reading of its log,
then pikepdf for what LaTeX writes badly: metadata and an identifier that depends on nothing but
the content. The scripts are attached, chapters are cut out into build/chapters/ and volumes into
build/volumes/, and the pages that a chapter takes are left in build/pages.json, for who cites it.

LaTeX calls many things warnings that make a bad page. Here each is an error that names the chapter:
an overfull box, a missing glyph, a reference to nothing, a label given twice.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pikepdf

from press import edition, path, programs
from press.edition import STEM
from press.pdf import chapters, volumes
from press.pdf.chapters import Span
from press.system import texlive
from recorder.data import sha256
from recorder.layout import ROOT
from recorder.records import read_json, write_whole

BUILD = ROOT / "build"
LANGUAGE = "en"
CREATOR = "Sphinx and LuaLaTeX"
HEADING = re.compile(
    r"^\\(?:nm(?P<matter>main|back)matter$|(?P<kind>part|chapter)\{(?P<title>.*)\}$)", re.M
)
# No reason to run again: the number of pages, which no page shows and the index changes; what
# LuaLaTeX keeps of fonts, which any other run on this machine may write anew.
UNREAD = r"$hash_calc_ignore_pattern{'aux'} = '^\\\\gdef \\\\@abspage@last';"
UNREAD += " $hash_calc_ignore_pattern{'luc'} = '^'"
LABEL = re.compile(r"\\label\{(?:\\detokenize\{)?([^{}]+)\}")
PER_PAGE = 6_100  # characters of the .tex behind a printed page, about
ALLOWED = 1.0  # points by which a box may be too full: no eye sees it
MADE = ("aux", "toc", "out", "idx", "ind", "ilg", "log", "fls", "fdb_latexmk", "pdf")
MARKER = (
    ".made"  # beside them: their hashes, from the good end of a run to the next one's beginning
)
LATEXMK = "latexmk.log"
BESIDES = (MARKER, LATEXMK, *(f"{STEM}.{suffix}" for suffix in MADE))

OVERFULL = re.compile(r"Overfull \\([hv])box \(([\d.]+)pt too (?:wide|high)\)")
LINE = re.compile(r"(?:at lines?|on input line) (\d+)")
MISSING = re.compile(r"Missing character: There is no (\S+)(?: \((U\+\w+)\))? .*?in font ([^:!]+)")
UNDEFINED = re.compile(r"(?:[Rr]eference|Citation) [`'](.+?)' on page (\S+) undefined")
LARGE = re.compile(r"Float too large for page by ([\d.]+)pt")
TWICE = re.compile(r"Label [`'](.+?)' multiply defined")
TARGETS = re.compile(r"duplicate destination with the name '(.+?)'")
SHAPE = re.compile(r"Font shape [`'](.+?)' undefined")
UNSETTLED = re.compile(r"Label\(s\) may have changed|Rerun to get")
STOP = re.compile(r"(?:! (.+)|(?:\./)?\S+\.(?:tex|sty|toc|aux|ind):(\d+): (.+))")
OF_LUA = re.compile(r"\.lua:\d+: (.+?)[\"\s.]*$", re.MULTILINE)
PAGE = re.compile(r"\[(\d+)(?=[\]\[{<\s(]|$)")


class Source:
    """The .tex file, as far as an error needs it to name a chapter and a heading."""

    document = re.compile(r"\\label\{\\detokenize\{([^{}]+)::doc\}\}")
    heading = re.compile(r"\\(?:sub)*(part|chapter|section|nmpartsection)\{(.*)\}\s*$")

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")

    def place(self, number: int) -> str:
        """Name the chapter's file and the heading above this line, which is counted from 1."""
        before = reversed(self.lines[: number + 1])  # a heading's label follows it
        document = next(filter(None, map(self.document.search, before)), None)
        if document is None:
            return "front matter"
        above = filter(None, map(self.heading.match, reversed(self.lines[:number])))
        heading = next(above, None)
        if heading is None or heading[1] in ("part", "chapter"):
            return f"book/{document[1]}.md"
        return f'book/{document[1]}.md, under "{plain(heading[2])}"'

    def having(self, text: str) -> list[int]:
        """Numbers, from 1, of the lines that hold this text."""
        return [n for n, line in enumerate(self.lines, 1) if text in line]


def plain(latex: str) -> str:
    """`The \\sphinxcode{\\sphinxupquote{tape}}` -> `The tape`"""
    return re.sub(r"\\[A-Za-z]+\s*|[{}]", "", latex).strip()


def complaints(log: str, tex: str) -> list[str]:
    """What the last run's log says is wrong with the book: one sentence each, and none twice."""
    source, page, found = Source(tex), 0, list[str]()

    def say(sentence: str, number: int | None = None, on: str = "") -> None:
        where = [source.place(number)] if number else []
        where.append(f"page {on}" if on else f"near page {page + 1}")
        found.append(f"{', '.join(where)}: {sentence}")

    for line in log.split("\n"):
        at = LINE.search(line)
        number = int(at[1]) if at else None
        if match := OVERFULL.search(line):
            side = "into the margin" if match[1] == "h" else "off the foot of the page"
            if float(match[2]) > ALLOWED:
                say(f"something runs {float(match[2]):.1f} pt {side}", number)
        elif match := LARGE.search(line):
            say(f"a figure or table is {float(match[1]):.1f} pt too high for the page", number)
        elif match := MISSING.search(line):
            glyph = f"{match[1]} ({match[2]})" if match[2] else match[1]
            lines = source.having(match[1])
            say(
                f"{Path(match[3].strip('[]')).stem} has no glyph for {glyph}",
                lines[0] if lines else None,
            )
        elif match := UNDEFINED.search(line):
            say(f"nothing is called {match[1]}", number, match[2])
        elif match := TWICE.search(line):
            places = dict.fromkeys(source.place(n) for n in source.having(f"{{{match[1]}}}"))
            say(f"the label {match[1]} is given twice: {' and '.join(places)}")
        elif match := TARGETS.search(line):
            say(f"two places are both the target of links to {match[1]}")
        elif match := SHAPE.search(line):
            say(f"the book has no font of the shape {match[1]}", number)
        elif UNSETTLED.search(line):
            say("the page numbers did not settle")
        for match in PAGE.finditer(line):
            page = int(match[1])
    return list(dict.fromkeys(found))


def failure(log: str, tex: str, said: str = "") -> str:
    """Why LaTeX stopped, in its own words, and where; `said` is what it told latexmk."""
    source = Source(tex)
    for lines in (log.split("\n"), said.split("\n")):
        for index, line in enumerate(lines):
            match = STOP.match(line)
            if match and "==> Fatal error" not in line:  # which another error led to
                context = "\n".join(lines[index : index + 6]).rstrip()
                spot = re.search(r"^l\.(\d+)", "\n".join(lines[index : index + 30]), re.MULTILINE)
                number = int(match[2] or (spot[1] if spot else 0))
                return f"{source.place(number)}: LaTeX stopped\n{context}"
    if reason := OF_LUA.search(f"{said}\n{log}"):
        return f"LaTeX stopped: {reason[1]}"
    if last := list(filter(str.strip, said.split("\n")))[-6:]:
        return "\n".join(["LaTeX stopped; it said last", *last])
    return (
        "LaTeX stopped without saying why; its log is build/latex/no-magic.log, or that of the "
        "paper's own folder, and latexmk.log beside it has what latexmk said"
    )


def caches() -> dict[str, str]:
    """Where luaotfload keeps the fonts that it has read: the user's folder, or else build/tex."""
    asked = ["kpsewhich", "-var-value=TEXMFVAR"]
    folder = Path(subprocess.run(asked, capture_output=True, text=True).stdout.strip() or "/")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return {}
    except OSError:  # no home, or none to write into
        (BUILD / "tex").mkdir(exist_ok=True)
        return {"TEXMFVAR": str(BUILD / "tex")}


def typeset(folder: Path, time: str, draft: bool = False) -> bool:
    """Run LaTeX in this folder until the book is stable, or once; False if it stopped."""
    known = read_json(folder / MARKER)
    if any(known.get(name) != was for name, was in left(folder).items()):
        for name in left(folder):  # of a run that was cut short, or damaged since
            (folder / name).unlink()
    (folder / MARKER).unlink(missing_ok=True)
    date_fonts(folder)
    foretell(folder, draft)
    command = ["lualatex", "--no-shell-escape"]
    if not draft:
        command = ["latexmk", "-norc", "-lualatex", "-silent", "-latexoption=--no-shell-escape"]
        command += ["-e", "$makeindex = 'makeindex -q -s python.ist %O -o %D %S'"]
        command += ["-e", UNREAD]
        command += ["-e", "$max_repeat = 9"]  # Letter took five once, which is latexmk's limit
    command += ["-interaction=nonstopmode", "-halt-on-error", "-file-line-error", f"{STEM}.tex"]
    settings = {"SOURCE_DATE_EPOCH": time, "FORCE_SOURCE_DATE": "1", "TZ": "UTC"}
    settings |= {"max_print_line": "10000", "error_line": "254", "half_error_line": "238"}
    settings |= {"shell_escape": "f", "openin_any": "p", "openout_any": "p"}  # no other folder
    settings |= caches()
    with (folder / LATEXMK).open("wb") as log:
        silent: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        silent |= {"close_fds": False}  # it holds the lock of build.py too
        run = subprocess.run(command, cwd=folder, env=os.environ | settings, **silent)
    done = run.returncode == 0
    if done:
        write_whole(folder / MARKER, json.dumps(left(folder)).encode())
    return done


def date_fonts(folder: Path) -> None:
    """Give each font a date that says what is in it.

    LuaLaTeX keeps what it has read of a font, and knows the font by its name, size and date: with
    the date of a copy it would read all of them anew for each build from nothing.
    """
    for font in folder.glob("*.otf"):
        day = int(sha256(font.read_bytes())[:7], 16)
        os.utime(font, (day, day))


def foretell(folder: Path, draft: bool) -> None:
    """Write what the first pass would miss: it then finds all page numbers, and the second, which
    prints them, is the last. A draft is printed by its first pass, so it must not guess.
    """
    tex = (folder / f"{STEM}.tex").read_text(encoding="utf-8")
    for suffix, guess in {"toc": guessed_contents, "aux": guessed_labels}.items():
        path = folder / f"{STEM}.{suffix}"
        if not path.exists() and not (draft and suffix == "aux"):
            path.write_text(guess(tex), encoding="utf-8")


def guessed_labels(tex: str) -> str:
    """Each label of the book before LaTeX has numbered it, on about the page where it will stand.

    A line with a number that is as wide as the true one breaks as it will break at last.
    """
    front = re.search(r"^\\nmmainmatter$", tex, re.MULTILINE)
    first = front.start() if front else 0
    lines = [r"\relax"]
    for match in LABEL.finditer(tex):
        page = f"{1 + (match.start() - first) // PER_PAGE}" if match.start() >= first else "v"
        lines.append(rf"\newlabel{{{match[1]}}}{{{{0.0}}{{{page}}}{{}}{{}}{{}}}}")
    return "\n".join([*lines, ""])


def guessed_contents(tex: str) -> str:
    """The contents of the book before LaTeX has written them, every page called 0."""
    number, lines = "", list[str]()
    for match in HEADING.finditer(tex):
        if match["matter"]:
            number = r"\numberline {0}" if match["matter"] == "main" else ""
            if match["matter"] == "back":
                lines.append(r"\addvspace {1.8em}")
        else:
            lines.append(
                rf"\contentsline {{{match['kind']}}}{{{number}{match['title']}}}{{0}}{{}}%"
            )
    if r"\index{" in tex:
        lines.append(r"\contentsline {chapter}{\indexname }{0}{}%")
    return "\n".join([*lines, ""])


def left(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file there that LaTeX made, by name."""
    files = [folder / f"{STEM}.{suffix}" for suffix in MADE]
    return {path.name: sha256(path.read_bytes()) for path in files if path.is_file()}


def finish(made: Path, target: Path, time: str) -> None:
    """Attach the programs to the PDF, say what it is, and put it in place."""
    this = edition.read(ROOT)
    subject = this.title.partition(": ")[2]
    with pikepdf.open(made) as pdf:
        chapters.attach(pdf, programs.NAME, programs.archive(ROOT), "All programs and their data")
        save(pdf, target, time, this.name, subject, this.keywords)


def cut_chapters(whole: Path, spans: dict[str, Span], time: str) -> None:
    """Make one PDF a chapter in build/chapters, from the finished book, and remove all others."""
    this = edition.read(ROOT)
    targets = {BUILD / "chapters" / f"{name.split('/')[1]}.pdf": name for name in spans}
    for target, name in targets.items():
        target.parent.mkdir(exist_ok=True)
        stem = name.split("/")[1]
        pages = "\N{EN DASH}".join(spans[name].labels)
        subject = f"{this.title}, {this.label}, pages {pages}"
        with pikepdf.open(whole) as pdf:
            title = chapters.cut(pdf, spans[name])
            about = f"{stem}.py and the data that it reads"
            chapters.attach(pdf, f"{stem}.zip", programs.archive(ROOT, name), about)
            save(pdf, target, time, title, subject, [f"nm:{stem}", *this.keywords])
    for file in (BUILD / "chapters").glob("*"):
        if file not in targets:
            file.unlink()


def cut_volumes(whole: Path, starts: Mapping[str, int], time: str) -> None:
    """Make one PDF a volume in build/volumes, from the finished book, and remove all others."""
    this = edition.read(ROOT)
    titles = {tier: path.title(ROOT, f"{tier}/index") for tier in path.tiers(path.read(ROOT))}
    folder = BUILD / "volumes"
    folder.mkdir(exist_ok=True)
    with pikepdf.open(whole) as pdf:
        planned = volumes.plan(starts, len(pdf.pages), titles, STEM)
    for volume in planned:
        with pikepdf.open(whole) as pdf:
            volumes.cut(pdf, volume, planned, starts)
            subject = f"{this.title}, {this.label}"
            save(pdf, folder / volume.file, time, volume.name, subject, this.keywords)
    for file in folder.glob("*"):
        if file.name not in [volume.file for volume in planned]:
            file.unlink()


def save(
    pdf: pikepdf.Pdf, target: Path, time: str, title: str, subject: str, keywords: Sequence[str]
) -> None:
    """Write a PDF with its metadata and a name that depends on its bytes, whole or not at all."""
    day = datetime.fromtimestamp(int(time), UTC)
    stamp = day.strftime("D:%Y%m%d%H%M%S+00'00'")
    pdf.Root.Lang = pikepdf.String(LANGUAGE)
    pdf.docinfo["/CreationDate"] = pdf.docinfo["/ModDate"] = stamp
    pdf.docinfo["/Creator"] = CREATOR
    with pdf.open_metadata(set_pikepdf_as_editor=False, update_docinfo=True) as about:
        about["dc:title"] = title
        about["dc:creator"] = list(map(str, edition.read(ROOT).authors))
        about["dc:description"] = subject
        about["dc:language"] = {LANGUAGE}
        about["pdf:Keywords"] = ", ".join(keywords)
        about["xmp:CreateDate"] = about["xmp:ModifyDate"] = day.isoformat()
        about["xmp:CreatorTool"] = CREATOR
    part = target.with_suffix(".part")
    pdf.save(
        part,
        deterministic_id=True,
        object_stream_mode=pikepdf.ObjectStreamMode.generate,
        recompress_flate=False,
    )
    part.replace(target)


def checked(folder: Path, time: str, draft: bool) -> None:
    """Typeset the book, and stop at what makes a bad page; a draft may have bad ones."""
    done = typeset(folder, time, draft)
    file = folder / f"{STEM}.log"
    log = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    tex = (folder / f"{STEM}.tex").read_text(encoding="utf-8")
    if not done:
        said = (folder / LATEXMK).read_text(encoding="utf-8", errors="replace")
        sys.exit(failure(log, tex, said))
    if not draft and (found := complaints(log, tex)):
        print(*found, sep="\n", file=sys.stderr)
        sys.exit(f"The PDF is not made: {len(found)} thing(s) above to mend.")


def typeset_book(folder: Path, target: Path, draft: bool) -> None:
    """Make `target` of the LaTeX in `folder`.

    A draft is what one pass gives, unchecked. Only the book itself, which is on A4, says on which
    pages its chapters stand.
    """
    if texlive.missing():
        texlive.main()
    time = edition.epoch(ROOT)
    checked(folder, time, draft)
    if draft:
        (folder / f"{STEM}.pdf").replace(target)
        return
    finish(folder / f"{STEM}.pdf", target, time)
    if target.stem == STEM:
        aux = (folder / f"{STEM}.aux").read_text(encoding="utf-8")
        with pikepdf.open(target) as pdf:
            starts, spans = chapters.starts(pdf, aux), chapters.spans(pdf, aux)
        cut_chapters(target, spans, time)
        cut_volumes(target, starts, time)
        pages = {name: span.labels for name, span in spans.items()}
        write_whole(BUILD / "pages.json", json.dumps(pages, indent=1).encode() + b"\n")
