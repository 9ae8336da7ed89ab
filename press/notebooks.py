"""A chapter as a notebook of Jupyter: its words, and the sections of its program as cells between.

The cells of code, joined, are the program: run from top to bottom they print what it prints. What
is added lets them run one by one:

- A notebook has no `__file__`, by which a program finds its data (and one of them itself). So the
  first cell finds the program's file in the folders around; where it is not, it says what to fetch.
- A docstring becomes a value, lest Jupyter print it.
- A section that goes on with a class begins with a line that opens the class again.
"""

import ast
import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from press import edition, programs
from recorder.archive import zipped
from recorder.errors import BookError
from recorder.sections import PREAMBLE, Section

MADE = Path("build/notebooks")
DOCSTRING = "__doc__ = "
GOES_ON = "class {0}({0}):  # goes on\n"
FIND = """\
# Where the program stands: it finds its data beside itself.
from pathlib import Path

around = [place / inside for place in (Path.cwd(), *Path.cwd().parents)
          for inside in (".", "{folder}")]
found = [place / "{script}" for place in around
         if (place / "{script}").is_file()]
if not found:
    raise FileNotFoundError("{script} is not here: "
                            "unfold {archive} beside this notebook")
__file__ = str(found[0])"""


@dataclass(frozen=True)
class Words:
    """A piece of the chapter in Markdown, and the pictures in it by their names."""

    text: str
    pictures: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Code:
    """A section of the chapter's program, and the class that it goes on with, if it does."""

    title: str
    text: str
    goes_on: str = ""


def program(sections: Sequence[Section]) -> dict[str, Code]:
    """The sections of a program by title. Raises BookError for one that can be no cell."""
    tree = ast.parse("".join(section.text for section in sections))
    return {section.title: _section(section, tree) for section in sections}


def _section(section: Section, tree: ast.Module) -> Code:
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and node.lineno < section.first <= (node.end_lineno or 0)
    ]
    match around:
        case []:
            return Code(section.title, section.text)
        case [ast.ClassDef(name=name)]:
            return Code(section.title, section.text, name)
    raise BookError(
        f"the section '{section.title}' begins inside {around[-1].name}, so no notebook can run it "
        "by itself; begin it with a method of a class, or outside"
    )


def notebook(script: str, pieces: Iterable[Words | Code]) -> bytes:
    """The notebook of `script`, a path such as scripts/T/N.py; the same bytes of the same pieces.

    The cell that finds the program comes before its first section.
    """
    finds = FIND.format(folder=programs.FOLDER, archive=programs.NAME, script=script)
    cells: list[dict[str, Any]] = []
    for piece in pieces:
        if isinstance(piece, Words):
            cells.append(_words(piece, len(cells)))
            continue
        if piece.title == PREAMBLE:
            cells.append(_code("find-the-program", finds))
        cells.append(_code(_identity(piece.title), _quiet(piece)))
    made = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(made, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _words(piece: Words, place: int) -> dict[str, Any]:
    cell = {
        "cell_type": "markdown",
        "id": f"words-{place}",
        "metadata": {},
        "source": piece.text.splitlines(keepends=True),
    }
    if piece.pictures:
        cell["attachments"] = {
            name: {"image/png": base64.b64encode(picture).decode()}
            for name, picture in piece.pictures.items()
        }
    return cell


def _code(identity: str, text: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": identity,
        "metadata": {},
        "outputs": [],
        "source": text.splitlines(keepends=True),
    }


def _identity(title: str) -> str:
    """A cell's id: letters, digits and hyphens, 64 at most."""
    return re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")[:64]


def _quiet(piece: Code) -> str:
    """A section that runs by itself and shows nothing but what it prints."""
    text = piece.text.rstrip("\n")
    if piece.title == PREAMBLE:
        return f"{DOCSTRING}{text}"
    return f"{GOES_ON.format(piece.goes_on)}{text}" if piece.goes_on else text


def archive(root: Path) -> bytes:
    """All notebooks that were made, in the folder of the programs and their data."""
    made = sorted((root / MADE).rglob("*.ipynb"))
    if not made:
        raise BookError(f"{MADE} is missing; `make dist` makes it.")
    found = {
        f"{programs.FOLDER}/notebooks/{path.relative_to(root / MADE).as_posix()}": path.read_bytes()
        for path in made
    }
    return zipped(programs.contents(root) | found, int(edition.epoch(root)))
