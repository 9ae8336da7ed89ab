"""An edit of a comment makes no run stale, and an edit of anything else does."""

import ast
import io
import subprocess
import tokenize
from pathlib import Path

import pytest

from proof.versions import VERSIONS, interpreter
from recorder.codehash import digest

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPTS = sorted((ROOT / "scripts").glob("[0-9]*/*.py"))
SCRIPT = b'''"""What it does."""
# === Settings ===
RATE = 1e-3  # slow


def f(x: int) -> str:
    """f(1) -> "1"."""
    # why
    return f"{x}"


class A:
    """A thing."""
'''

each_script = pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"# slow", b"# slower, as SEED says"),
        (b"    # why\n", b""),
        (b"What it does.", b"What else it does."),
        (b'f(1) -> "1".', b'f(2) -> "2".'),
        (b'    """A thing."""\n', b'    """Another."""\n\n\n'),
        (b'"""What it does."""\n', b""),
        (b"RATE = 1e-3", b"RATE  =  0.001"),
    ],
)
def test_what_only_readers_read_changes_nothing(old: bytes, new: bytes) -> None:
    assert old in SCRIPT
    assert digest(SCRIPT.replace(old, new)) == digest(SCRIPT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"1e-3", b"1e-4"),
        (b"RATE", b"SPEED"),
        (b'f"{x}"', b'f"{x!r}"'),
        (b'f"{x}"', b'f"{x:d}"'),
        (b'f"{x}"', b"x"),
        (b"x: int", b"x: str"),
        (b"class A", b"class B"),
        (b"RATE = 1e-3", b"RATE = None"),
        (b"RATE = 1e-3", b'RATE = "1e-3"'),
        (b"    return", b"    x\n    return"),
        (b"    # why\n", b'    "why"\n'),
    ],
)
def test_what_the_script_does_changes_it(old: bytes, new: bytes) -> None:
    assert old in SCRIPT
    assert digest(SCRIPT.replace(old, new)) != digest(SCRIPT)


@pytest.mark.parametrize("source", [b"def f(:", b"a\0b", b"\xff", b"x = " + b"-" * 9999 + b"1"])
def test_what_is_no_python_counts_byte_for_byte(source: bytes) -> None:
    assert digest(source) != digest(source + b"#")


@pytest.mark.parametrize("line", [b"print(__doc__)", b"import inspect", b"f.f_lineno"])
def test_of_a_script_that_may_print_its_own_words_all_words_count(line: bytes) -> None:
    assert digest(SCRIPT + line) != digest(SCRIPT + line + b"  # this one")


@each_script
def test_a_script_without_its_comments_is_the_same_to_it(path: Path) -> None:
    source = path.read_bytes()
    tokens = list(tokenize.tokenize(io.BytesIO(source).readline))
    lines = source.decode().splitlines(keepends=True)
    for token in tokens:
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip() + "\n"
    bare = "".join(lines).encode()
    assert b"# " not in ast.unparse(ast.parse(bare)).encode() and bare != source
    assert digest(bare) == digest(source)
    assert digest(source.replace(b"SEED = 1", b"SEED = 2", 1)) != digest(source)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_python_has_the_same_hash(version: str) -> None:
    found = interpreter(version)
    if found is None:
        pytest.skip(f"there is no CPython {version} here")
    program = "import sys; from recorder.codehash import digest\n"
    program += "for path in sys.argv[1:]: print(digest(open(path, 'rb').read()))"
    command = [found.command[0], "-c", program, *map(str, SCRIPTS)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.split() == [digest(path.read_bytes()) for path in SCRIPTS]
