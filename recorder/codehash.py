"""What a script computes, as a hash: its code without comments, docstrings and layout.

An edit of a comment then makes no run stale. The hash is the same on every Python from 3.10 on, so
that a run that was recorded by one of them is known to another.
"""

import ast
from functools import cache
from typing import Any

from recorder.data import sha256

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# A script that names one of these may print its own words or lines, and all of them count. (One
# that reads its own file is told of by the guard, as for the data that it reads.)
INTROSPECTIVE = (b"__doc__", b"lineno", b"inspect", b"linecache", b"traceback", b"_getframe")


@cache
def digest(source: bytes) -> str:
    """The SHA-256 of a script's code; of its very bytes, where these are no Python."""
    if any(word in source for word in INTROSPECTIVE):
        return sha256(source)
    try:
        tree = ast.parse(source)
        _forget_docstrings(tree)
        return sha256(repr(_plain(tree)).encode())
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # as Python refuses a script
        return sha256(source)


def _forget_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]


def _plain(part: Any) -> object:
    """A tree as tuples and lists, without places and empty fields, which differ between Pythons."""
    if isinstance(part, ast.AST):
        fields = sorted(ast.iter_fields(part))
        return type(part).__name__, [
            (name, _plain(value)) for name, value in fields if value not in (None, [])
        ]
    return [_plain(item) for item in part] if isinstance(part, list) else repr(part)
