"""What a script may not do is refused, told in one sentence, and cannot be hidden."""

import ast
import textwrap

import pytest

from recorder import guard
from recorder.child import Limits

pytestmark = pytest.mark.usefixtures("walled")

ONLY = ", but a script may only read scripts/data and print."


@pytest.mark.parametrize(
    ("act", "what"),
    [
        ("open('out.txt', 'w')", "write out.txt"),
        ("open(__file__, 'a')", "write "),
        ("open(__file__, 'r+')", "write "),
        ("import os; os.open('out', os.O_CREAT)", "write out"),
        ("import os; os.mkdir('out')", "change files (os.mkdir)"),
        ("import os; os.rename(__file__, 'x')", "change files (os.rename)"),
        ("from pathlib import Path; Path(__file__).unlink()", "change files (os.remove)"),
        ("import tempfile; tempfile.mkdtemp()", "write "),
        ("import sqlite3; sqlite3.connect('x')", "change files (sqlite3.connect)"),
        ("open('/etc/passwd')", "read /etc/passwd"),
        ("open(b'/etc/passwd')", "read /etc/passwd"),
        ("open(__file__[:-6] + 'other.py')", "read "),
        ("open(__file__[:-14] + 'data/../02-tier/x')", "read "),
        ("open(__file__[:-14] + 'data-of-others')", "read "),
        ("import os; os.listdir()", "read ."),
        ("from pathlib import Path; list(Path.home().iterdir())", "read "),
        ("import os; list(os.scandir('/'))", "read /"),
        ("import socket; socket.socket()", "use the network (socket.__new__)"),
        (
            "import socket; socket.getaddrinfo('localhost', 80)",
            "use the network (socket.getaddrinfo)",
        ),
        (
            "import urllib.request as r; r.urlopen('http://127.0.0.1:9/')",
            "use the network (socket.",
        ),
        ("import os; os.system('true')", "start a process (os.system)"),
        ("import subprocess; subprocess.run(['true'])", "start a process (subprocess.Popen)"),
        ("import os; os.fork()", "start a process (os.fork)"),
        ("import os; os.execv('/bin/true', ['true'])", "start a process (os.exec)"),
        (
            "import os; os.posix_spawn('/bin/true', ['true'], {})",
            "start a process (os.posix_spawn)",
        ),
        ("import multiprocessing", "start a process (import)"),
        ("import ctypes", "call foreign code (ctypes.dlopen)"),
    ],
)
def test_refused(workshop, act: str, what: str) -> None:
    said = workshop.failure(f'"""Bad."""\n# === Act ===\nprint(1)\n{act}\n')
    assert said.startswith(
        f"scripts/01-tier/bad.py failed in section 'Act', line 4: it tries to {what}"
    )
    assert said.endswith(ONLY)


@pytest.mark.parametrize("caught", ["Exception", "OSError", "BaseException", ""])
def test_a_refusal_cannot_be_swallowed(workshop, caught: str) -> None:
    said = workshop.failure(
        textwrap.dedent(
            f"""
            # === Try ===
            try:
                open("/etc/passwd")
            except {caught}:
                pass
            # === Go on ===
            print("as if nothing had happened")
            """
        )
    )
    assert f"in section 'Try', line 4: it tries to read /etc/passwd{ONLY}" in said


def test_a_refusal_stops_a_script_that_catches_exceptions(workshop) -> None:
    said = workshop.failure(
        "import sys\ntry:\n    open('/etc/passwd')\nexcept Exception:\n    pass\n"
        "print('went on', file=sys.stderr)\n"
    )
    assert "went on" not in said


def test_a_link_leads_nowhere(workshop) -> None:
    workshop.data(a="x")
    (workshop.root / "scripts" / "data" / "b").symlink_to("/etc/passwd")
    said = workshop.failure("open(__file__[:-14] + 'data/b')")
    assert "it tries to read" in said and said.endswith(ONLY)


def test_an_error_in_a_statement_of_several_lines_is_told_as_it_is(workshop) -> None:
    """To show where, Python parses a piece of the statement, and would open the piece's file."""
    said = workshop.failure(
        textwrap.dedent(
            """
            # === Add ===
            def total(values):
                return sum(1 + None
                           for value in values)


            total([1])
            """
        )
    )
    assert "in section 'Add', line 4" in said and "TypeError" in said
    assert "it tries to" not in said


def test_what_a_script_may_do(workshop) -> None:
    """Read its data and itself, import, show a traceback, reconfigure its output."""
    workshop.data(names="anna\n")
    workshop.script(
        "good",
        textwrap.dedent(
            """
            import csv, decimal, doctest, gzip, inspect, json, os, random, sys, traceback
            from dataclasses import dataclass
            from pathlib import Path

            @dataclass
            class Point:
                x: int

            data = Path(__file__).resolve().parent.parent / "data"
            assert (data / "SHA256SUMS").read_text().endswith("names\\n")
            print((data / "names").read_text().strip(), sorted(os.listdir(data)))
            print(__name__, sys.argv == [__file__], __file__.endswith("scripts/01-tier/good.py"))
            print(Point(1), "class Point" in inspect.getsource(Point), sys.stdin.read() == "")
            traceback.print_stack()
            print(os.environ.get("HOME"), os.environ["PYTHONHASHSEED"], hash("a") == hash("a"))
            print("caf\\u00e9", flush=True)
            print(1, file=open(1, "w", closefd=False), flush=True)
            """
        ),
    )
    assert workshop.record() == []
    assert workshop.text("good").splitlines() == [
        "anna ['SHA256SUMS', 'names']",
        "__main__ True True",
        "Point(x=1) True True",
        "None 0 True",
        "caf\u00e9",
        "1",
    ]
    own = "scripts/01-tier/good.py"
    assert list(workshop.json("good")["data"]) == [own, "scripts/data/names"]


def test_data_may_be_read_again_and_again(workshop) -> None:
    workshop.data(names="anna")
    workshop.script("one", "for _ in range(99):\n    open(__file__[:-14] + 'data/names').close()\n")
    assert workshop.record(limits=Limits(output=1000)) == []


def test_the_hash_seed_holds(workshop) -> None:
    workshop.script("one", "print(hash('a'), list({'a', 'b', 'c', 'd'}))")
    workshop.script("two", "print(hash('a'), list({'a', 'b', 'c', 'd'}))")
    assert workshop.record() == []
    assert workshop.text("one") == workshop.text("two")


def test_nothing_but_the_standard_library(workshop) -> None:
    assert "No module named 'yaml'" in workshop.failure("import yaml")
    workshop.script("other", "")
    assert "No module named 'other'" in workshop.failure("import other")
    assert "No module named 'sections'" in workshop.failure("import sections")


def test_a_script_that_raises(workshop) -> None:
    said = workshop.failure(
        '"""Bad."""\n# === Help ===\ndef f():\n    return 1 / 0\n# === Main ===\nf()\n'
    )
    lines = said.splitlines()
    assert lines[0].endswith("failed in section 'Help', line 4: it ended with exit status 1.")
    assert lines[-1] == "    ZeroDivisionError: division by zero"


def test_the_traceback_is_the_scripts_own(workshop) -> None:
    said = workshop.failure("1 / 0\n").splitlines()
    assert said[1:3] == [
        "    Traceback (most recent call last):",
        f'      File "{workshop.root}/scripts/01-tier/bad.py", line 1, in <module>',
    ]


def test_an_error_inside_the_library_is_placed_in_the_script(workshop) -> None:
    said = workshop.failure("import json\n# === Parse ===\njson.loads('{')\n")
    assert "in section 'Parse', line 3: it ended" in said


def test_a_script_that_exits_with_a_sentence(workshop) -> None:
    said = workshop.failure("import sys\n# === Check ===\nsys.exit('names.csv is missing.')\n")
    assert said.endswith(
        "in section 'Check', line 3: it ended with exit status 1.\n    names.csv is missing."
    )
    workshop.script("fine", "import sys\nprint(1)\nsys.exit()\n")
    assert workshop.record("fine") == []


def test_a_script_that_is_no_python(workshop) -> None:
    said = workshop.failure('"""Bad."""\n# === Half ===\ndef f(:\n')
    assert "failed in section 'Half', line 3: it ended with exit status 1." in said
    assert said.endswith("SyntaxError: invalid syntax")


def test_a_script_that_dies(workshop) -> None:
    said = workshop.failure("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    assert said == "scripts/01-tier/bad.py failed: it was killed by SIGSEGV."


def test_bytes_that_are_not_utf8(workshop) -> None:
    said = workshop.failure(r"import sys; sys.stdout.buffer.write(b'one\ntwo\xff\n')")
    assert "failed: line 2 of what it printed is not UTF-8 (invalid start byte)." in said


@pytest.mark.usefixtures("limited", "from_first_word")
def test_too_long(workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recorder.child.GRACE", 600)
    said = workshop.failure(
        "# === Before ===\nx = 1\n"
        "# === Forever ===\nprint(x, flush=True)\nwhile True:\n    x += 1\n",
        Limits(seconds=0.5),
    )
    assert said.startswith("scripts/01-tier/bad.py failed in section 'Forever', line ")
    assert said.endswith("it ran longer than 0.5 s.")


@pytest.mark.usefixtures("limited", "from_first_word")
def test_too_long_and_deaf(workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recorder.child.GRACE", 0.2)
    said = workshop.failure(
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(1, flush=True)\nwhile True:\n    pass\n",
        Limits(seconds=0.5),
    )
    assert said == "scripts/01-tier/bad.py failed: it ran longer than 0.5 s."


@pytest.mark.usefixtures("limited", "from_first_word")
@pytest.mark.parametrize("act", ["os.close(alive)", "os.dup2(2, alive)", "os.read(alive, 1)"])
def test_too_long_and_not_to_be_told(workshop, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    monkeypatch.setattr("recorder.child.GRACE", 0.2)
    said = workshop.failure(
        "import json, os, sys\n"
        "alive = json.loads(sys.orig_argv[-1])['alive']\nprint(1, flush=True)\n"
        f"{act}\nwhile True:\n    pass\n",
        Limits(seconds=0.5),
    )
    assert "it ran longer than 0.5 s." in said or "it ended with exit status 1." in said


def test_too_much_memory(workshop) -> None:
    said = workshop.failure("# === Fill ===\nx = bytearray(10**9)\n", Limits(memory=512 * 1024**2))
    assert "in section 'Fill', line 2: it needed more than 0.5 GiB of memory." in said
    assert said.endswith("MemoryError")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_too_much_output(workshop, stream: str) -> None:
    said = workshop.failure(
        "import sys\n# === Talk ===\n"
        f"for _ in range(9999):\n    print('a' * 999, file=sys.{stream})\n",
        Limits(output=1024**2 // 2),
    )
    assert "in section 'Talk', line 4: it printed more than 0.5 MiB." in said


def test_too_much_output_cannot_be_hidden(workshop) -> None:
    said = workshop.failure(
        "try:\n    print('a' * 99999, flush=True)\nexcept OSError:\n    import os; os._exit(0)\n",
        Limits(output=1000),
    )
    assert "it printed more than" in said


def test_output_up_to_the_limit_is_fine(workshop) -> None:
    workshop.script("good", "print('a' * 999)")
    assert workshop.record(limits=Limits(output=1000)) == []


SETTINGS = """
STEPS = 1_000  # why
RATE = 1e-3
NEGATIVE = -2
SIZES = (1, 2)
NAME = "gpt"
CAUSAL = True
NONE = None
HALF = STEPS // 2
lower = 1
"""


def constants(**values: object) -> dict[str, object]:
    """The settings that the script has after an override."""
    tree = ast.parse(SETTINGS)
    guard.override(tree, values, "scripts/01-tier/one.py")
    space: dict[str, object] = {}
    exec(compile(tree, "one.py", "exec"), space)
    return {name: value for name, value in space.items() if name.isupper()}


def test_constants_take_new_values_and_what_follows_from_them() -> None:
    assert constants(STEPS=10, RATE=1, SIZES=[3], NAME="x", CAUSAL=False, NEGATIVE=3) == {
        "STEPS": 10,
        "RATE": 1.0,
        "NEGATIVE": 3,
        "SIZES": (3,),
        "NAME": "x",
        "CAUSAL": False,
        "NONE": None,
        "HALF": 5,
    }
    assert type(constants(RATE=1)["RATE"]) is float


@pytest.mark.parametrize("name", ["STEP", "HALF", "lower"])
def test_an_unknown_constant_is_an_error_that_lists_the_known(name: str) -> None:
    with pytest.raises(SystemExit) as error:
        constants(**{name: 1})
    assert str(error.value) == (
        f"scripts/01-tier/one.py has no constant {name} to set; "
        "it has STEPS, RATE, NEGATIVE, SIZES, NAME, CAUSAL, NONE."
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("STEPS", 1.5), ("STEPS", True), ("CAUSAL", 0), ("NAME", 1), ("RATE", "1"), ("RATE", None)],
)
def test_a_value_of_another_type_is_an_error(name: str, value: object) -> None:
    with pytest.raises(SystemExit, match=f"one.py cannot take {name} = .* is of another type"):
        constants(**{name: value})


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_what_no_literal_says_is_refused(value: float) -> None:
    """A header cannot say it either: tests/recorder/test_header.py."""
    for whole, own in ((value, "1.0"), ([1, [value]], "[2]"), ({"a": value}, "{}")):
        with pytest.raises(SystemExit, match=r"one.py cannot take A = .*: (inf|nan) is no literal"):
            guard.override(ast.parse(f"A = {own}"), {"A": whole}, "scripts/01-tier/one.py")


def test_an_experiment_with_an_unknown_constant_fails_alone(workshop) -> None:
    workshop.script("one", "STEPS = 3\nprint(STEPS)\n")
    workshop.chapter("one", "experiments: {more: {set: {STEPS: 4}}, typo: {set: {STPES: 4}}}")
    [failure] = workshop.record()
    assert str(failure) == (
        "scripts/01-tier/one.py (experiment typo) failed: it ended with exit status 1.\n"
        "    scripts/01-tier/one.py has no constant STPES to set; it has STEPS."
    )
    assert workshop.text("one") == "3\n"
    assert workshop.text("one--more") == "4\n"
