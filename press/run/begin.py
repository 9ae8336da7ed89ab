"""Run a chapter's program on its page: this file and parts of the recorder go to the browser.

What goes wrong becomes one sentence: the program's own, where it ends itself, or the place and
Python's words.
"""

import ast
import json
import sys
import types
from pathlib import Path
from typing import Any

sys.modules.setdefault("resource", types.ModuleType("resource"))  # of which a browser has none

from recorder.guard import override  # noqa: E402
from recorder.sections import cut, section_at  # noqa: E402

WHAT = "write a number, a text in quotes, True, False, None, or a list of such"


def begin(script: str, settings: str) -> str:
    """Run the file /`script` with `settings`, a JSON of names and their values as Python.

    Gives JSON: {"error": a sentence, "line": where}, or {} for a run that ended well.
    """
    path = f"/{script}"
    module = types.ModuleType("__main__")
    module.__file__ = path
    sys.modules["__main__"], sys.argv = module, [path]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        tree = ast.parse(Path(path).read_bytes(), path)
        override(tree, _values(json.loads(settings)), script)
        exec(compile(tree, path, "exec", dont_inherit=True), vars(module))
        said: dict[str, object] = {}
    except SystemExit as error:
        ended_well = error.code in (None, 0)
        said = {} if ended_well else {"error": _ended(error.code)}
    except BaseException as error:
        line = _line(error, path)
        said = {"error": f"{_place(path, line)}: {_words(error)}.", "line": line}
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return json.dumps(said)


def _values(settings: dict[str, str]) -> dict[str, Any]:
    """The values that a reader wrote. Raises SystemExit with a sentence for what is no literal."""
    found = {}
    for name, text in settings.items():
        try:
            found[name] = ast.literal_eval(text.strip())
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            wrote = f"{text.strip()} is no value" if text.strip() else "it has no value"
            raise SystemExit(f"{name} cannot be set: {wrote}; {WHAT}.") from None
    return found


def _ended(code: object) -> str:
    if isinstance(code, str):
        return code if code.endswith((".", "!", "?")) else f"{code}."
    return f"The program ended with exit status {code}."


def _line(error: BaseException, path: str) -> int | None:
    """The innermost line of the program in which an error arose."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    found, traceback = None, error.__traceback__
    while traceback:
        if traceback.tb_frame.f_code.co_filename == path:
            found = traceback.tb_lineno
        traceback = traceback.tb_next
    return found


def _place(path: str, line: int | None) -> str:
    if line is None:
        return "The program stopped"
    try:
        source = Path(path).read_text(encoding="utf-8")
        section = section_at(cut(source, Path(path)), line)
    except Exception:  # a program that is broken in more than one way
        return f"The program stopped in line {line}"
    return f"The program stopped in line {line}, section \u201c{section.title}\u201d"


def _words(error: BaseException) -> str:
    """Python's words for an error, in one line, without the full stop."""
    if isinstance(error, MemoryError):
        return "it needs more memory than a page may have"
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    first = next(iter(said.strip().splitlines()), "").rstrip(".")
    return f"{type(error).__name__}, {first}" if first else type(error).__name__
