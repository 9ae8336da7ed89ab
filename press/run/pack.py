"""The files that the Run panel loads when it is used, each of them one script.

A page that was opened from the disk may load scripts and nothing else, so everything is text here:
bytes are in base64, what is large is packed by gzip before.
"""

import base64
import gzip
import json
from collections.abc import Mapping
from pathlib import Path

from recorder.errors import BookError
from recorder.layout import ROOT

HERE = Path(__file__).resolve().parent
# What begin.py needs of the machine.
RECORDER = ("errors", "guard", "layout", "sections")
PYTHON = ("press/run/begin.py", *(f"recorder/{name}.py" for name in RECORDER))
MODULE = {
    "export default _createPyodideModule;": "",
    "import.meta.url": '"file:///pyodide/pyodide.asm.mjs"',
}
NOTICE = """\
// Pyodide {version}, CPython {python} for browsers, and what begins a run of a program in it.
// Pyodide: Mozilla Public License 2.0, sources: https://github.com/pyodide/pyodide
// CPython: Python Software Foundation License 2, sources: https://www.python.org
"""


def runtime(pyodide: Path) -> bytes:
    """CPython for a page, of the npm package in the folder `pyodide`."""
    lock = json.loads((pyodide / "pyodide-lock.json").read_bytes())
    content = {
        "code": _packed(code(pyodide).encode()),
        "wasm": _packed((pyodide / "pyodide.asm.wasm").read_bytes()),
        "library": _base64((pyodide / "python_stdlib.zip").read_bytes()),  # is packed already
        "lock": {**lock, "packages": {}},  # nothing is to be had beside it
        "python": {name: (ROOT / name).read_text(encoding="utf-8") for name in PYTHON},
    }
    release = json.loads((pyodide / "package.json").read_bytes())["version"]
    notice = NOTICE.format(version=release, python=lock["info"]["python"])
    return notice.encode() + given("runtime", content)


def code(pyodide: Path) -> str:
    """The worker's program. From the disk browsers begin plain scripts alone, no modules.

    So what makes a module of Pyodide is taken out; and nothing else has to find out that it may not
    load further scripts, which is how Pyodide knows the plain ones that it refuses.
    """
    loader, module = (
        (pyodide / name).read_text(encoding="utf-8") for name in ("pyodide.js", "pyodide.asm.mjs")
    )
    for old, new in MODULE.items():
        if old not in module:
            raise BookError(f"pyodide.asm.mjs has no `{old}` any more: see press/run/pack.py.")
        module = module.replace(old, new)
    own = (HERE / "worker.js").read_text(encoding="utf-8")
    return "\n".join(['"use strict";', "self.importScripts = undefined;", loader, module, own])


def data(name: str, content: bytes) -> bytes:
    """A data file."""
    return given(f"data/{name}", _base64(content))


def given(what: str, content: str | Mapping[str, object]) -> bytes:
    """A script that gives something to the page."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return f"noMagic.files[{json.dumps(what)}] = {text};\n".encode()


def _packed(content: bytes) -> str:
    return _base64(gzip.compress(content, compresslevel=9, mtime=0))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
