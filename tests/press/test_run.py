"""What makes a program run on its page: one sentence for each mistake, and the files it takes."""

import base64
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from press.run import RUNTIME, pack, pyodide
from press.run.__main__ import prepare
from recorder.errors import BookError
from recorder.layout import ROOT

PROGRAM = '''"""A script."""
# === Settings ===
STEPS = 2
RATE = 0.5

# === Main ===
def main():
    print("steps", STEPS, RATE)


if __name__ == "__main__":
    main()
'''
BEGIN = """
import json, sys
from press.run.begin import begin
said = begin(sys.argv[1], sys.argv[2])
print(said, file=sys.__stderr__)
"""


def run(folder: Path, program: str, **settings: str) -> tuple[str, dict[str, object]]:
    """What a program printed and how it ended, here by this Python."""
    script = folder / "scripts" / "01-tier" / "one.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(program, encoding="utf-8")
    command = [sys.executable, "-c", BEGIN, str(script).lstrip("/"), json.dumps(settings)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout, json.loads(done.stderr.splitlines()[-1])


def test_a_program_runs_as_it_is_and_with_other_settings(tmp_path: Path) -> None:
    assert run(tmp_path, PROGRAM) == ("steps 2 0.5\n", {})
    assert run(tmp_path, PROGRAM, STEPS=" 3 ", RATE="1") == ("steps 3 1.0\n", {})


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("two", "STEPS cannot be set: two is no value; write a number, a text in quotes, "),
        ("2 +", "STEPS cannot be set: 2 + is no value; "),
        ("__import__('os')", "STEPS cannot be set: __import__('os') is no value; "),
        ("(" * 9999, "STEPS cannot be set: (((("),
        ("", "STEPS cannot be set: it has no value; "),
        ("'2'", "cannot take STEPS = '2': its own value, 2, is of another type."),
        ("2.5", "cannot take STEPS = 2.5: its own value, 2, is of another type."),
    ],
)
def test_a_setting_that_is_none_is_said(tmp_path: Path, value: str, sentence: str) -> None:
    printed, said = run(tmp_path, PROGRAM, STEPS=value)
    assert printed == ""
    assert sentence in str(said["error"]) and "\n" not in str(said["error"])


def test_a_setting_that_an_edit_has_taken_away_is_said(tmp_path: Path) -> None:
    _, said = run(tmp_path, PROGRAM.replace("STEPS = 2\n", "").replace("STEPS, ", ""), STEPS="3")
    assert str(said["error"]).endswith("one.py has no constant STEPS to set; it has RATE.")


MAIN = "The program stopped in line 8, section \u201cMain\u201d: "


@pytest.mark.parametrize(
    ("old", "new", "sentence", "line"),
    [
        ("print(", "print((", f"{MAIN}SyntaxError, '(' was never closed.", 8),
        ("RATE)", "1 / 0)", f"{MAIN}ZeroDivisionError, division by zero.", 8),
        ("print(", "assert not (", f"{MAIN}AssertionError.", 8),
        ("print(", "(_ for _ in ()).throw(MemoryError)(", f"{MAIN}it needs more memory than a ", 8),
        (
            "print(",
            "raise SystemExit(",
            "The program ended with exit status ('steps', 2, 0.5).",
            None,
        ),
        ("print(", 'raise SystemExit("names is missing") or (', "names is missing.", None),
    ],
)
def test_an_error_is_one_sentence(
    tmp_path: Path, old: str, new: str, sentence: str, line: int | None
) -> None:
    printed, found = run(tmp_path, PROGRAM.replace(old, new))
    error = str(found["error"])
    assert printed == "" and "\n" not in error and error.endswith(".")
    assert error.startswith(sentence) and found.get("line") == line


def test_a_program_that_ends_itself_well_has_ended_well(tmp_path: Path) -> None:
    assert run(tmp_path, "print(1)\nraise SystemExit\n") == ("1\n", {})


# --- The files


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Pyodide of a few letters."""
    monkeypatch.setattr(pyodide, "FOLDER", tmp_path / "pyodide")
    folder = tmp_path / "pyodide" / "node_modules" / "pyodide"
    folder.mkdir(parents=True)
    files = {
        "pyodide.js": "var loader;",
        "pyodide.asm.mjs": "f(import.meta.url);export default _createPyodideModule;",
        "pyodide.asm.wasm": "wasm",
        "python_stdlib.zip": "library",
        "pyodide-lock.json": '{"info": {"python": "3.14.2"}, "packages": {"numpy": {}}}',
        "package.json": '{"version": "314.0.7"}',
        "../.package-lock.json": "{}",
        "../../package-lock.json": (pyodide.HERE / pyodide.LOCK).read_text(encoding="utf-8"),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def content(script: bytes) -> dict[str, object]:
    """What a packed script gives."""
    line = script.decode().splitlines()[-1]
    found: dict[str, object] = json.loads(line.partition(" = ")[2].removesuffix(";"))
    return found


def test_the_runtime_is_one_plain_script(package: Path) -> None:
    made = content(pack.runtime(package))
    code = gzip.decompress(base64.b64decode(str(made["code"]))).decode()
    assert code.startswith('"use strict";\nself.importScripts = undefined;\nvar loader;')
    assert "import.meta" not in code and "export " not in code and "onmessage" in code
    assert gzip.decompress(base64.b64decode(str(made["wasm"]))) == b"wasm"
    assert made["lock"] == {"info": {"python": "3.14.2"}, "packages": {}}
    assert pack.runtime(package) == pack.runtime(package)
    assert b"Mozilla Public License 2.0" in pack.runtime(package)


def test_a_pyodide_of_another_make_is_refused(package: Path) -> None:
    (package / "pyodide.asm.mjs").write_text("something else")
    with pytest.raises(BookError, match=r"pyodide.asm.mjs has no `export default"):
        pack.runtime(package)


def test_the_runtime_is_made_anew_when_it_has_to_be(package: Path, tmp_path: Path) -> None:
    made = tmp_path / RUNTIME
    assert prepare(tmp_path) == "" and made.is_file()
    whole, stamp = made.read_bytes(), made.stat().st_mtime_ns
    assert prepare(tmp_path) == "" and made.stat().st_mtime_ns == stamp
    made.write_bytes(whole[:50])
    assert prepare(tmp_path) == "" and made.read_bytes() == whole
    (package.parent / ".package-lock.json").write_text('{"another": 1}')
    (package / "pyodide.asm.wasm").write_text("another")
    assert prepare(tmp_path) == "" and made.read_bytes() != whole


def test_what_npm_cannot_fetch_is_said_and_no_old_runtime_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / RUNTIME).parent.mkdir(parents=True)
    (tmp_path / RUNTIME).touch()
    (tmp_path / "npm").write_text("console.error('npm error network is away'); process.exit(1)")
    monkeypatch.setattr(pyodide, "NPM", tmp_path / "npm")
    monkeypatch.setattr(pyodide, "FOLDER", tmp_path / "pyodide")
    assert prepare(tmp_path).startswith(
        "The web pages will not run programs, since Pyodide is not here: "
        "npm could not install it: network is away."
    )
    assert not (tmp_path / RUNTIME).exists() and not list(tmp_path.glob("pyodide*"))


def test_the_lock_names_the_hash_of_all_that_npm_fetches() -> None:
    lock = json.loads((pyodide.HERE / pyodide.LOCK).read_bytes())
    fetched = {name: one for name, one in lock["packages"].items() if name}
    assert "node_modules/pyodide" in fetched
    assert all(one["integrity"].startswith("sha512-") for one in fetched.values())
