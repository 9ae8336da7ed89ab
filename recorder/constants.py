"""What a reader may set in a script: the capitals of its section Settings, with their comments."""

import ast
import io
import tokenize
from dataclasses import dataclass
from pathlib import Path

from recorder.errors import BookError
from recorder.guard import constants
from recorder.layout import shown
from recorder.sections import HEADER, cut

SECTION = "Settings"
FILES = "HASHES"  # vouches for the data, and is not to be set


@dataclass(frozen=True)
class Constant:
    """A constant as the script writes it: `value` is Python, `comment` its reason, or empty."""

    name: str
    value: str
    comment: str


def read(source: str, path: Path) -> list[Constant]:
    """The settings of a script's text, in order; `path` is for messages.

    A comment stands behind the value, on its last line, or else in the lines right before. Raises
    BookError for a text that is no Python.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise BookError(
            f"{shown(path)} is no Python: {error.msg} in line {error.lineno}."
        ) from error
    places = [part for part in cut(source, path) if part.title == SECTION]
    comments = _comments(source)
    return [
        Constant(name, _value(source, node), _comment(node, comments))
        for name, node in constants(tree).items()
        if name != FILES and any(part.first <= node.lineno <= part.last for part in places)
    ]


def _value(source: str, node: ast.Assign) -> str:
    """The text behind the equals sign, with the brackets that may stand around it."""
    statement = ast.get_source_segment(source, node)
    assert statement is not None
    return statement.partition("=")[2].strip()


def _comments(source: str) -> dict[int, tuple[str, bool]]:
    """Line -> its comment without the sign, and whether it has the line for itself."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: (token.string.lstrip("# "), not token.line[: token.start[1]].strip())
        for token in tokens
        if token.type == tokenize.COMMENT and not HEADER.match(token.line)
    }


def _comment(node: ast.Assign, comments: dict[int, tuple[str, bool]]) -> str:
    last = node.end_lineno or node.lineno
    if last in comments:
        return comments[last][0]
    lines: list[str] = []
    line = node.lineno - 1
    while line in comments and comments[line][1]:
        lines.insert(0, comments[line][0])
        line -= 1
    return " ".join(lines)
