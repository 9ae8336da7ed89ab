"""The parts of `make prove` about the same numbers everywhere, on books of tiny scripts."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import recorder
from press.run import pyodide
from proof import __main__ as proof
from proof import claims, long, seeds, surroundings, versions, wasm
from proof.table import Row
from recorder import records
from recorder.__main__ import main
from recorder.errors import BookError
from recorder.interpreter import HERE
from recorder.plan import all_runs, long_runs
from tests.workshop import TIER, Workshop

ONE = """
SEED = 1
STEPS = 2
print("loss", 0.5 + 1.25 * (SEED == 3))
print("steps", STEPS + SEED)
"""
HEADER = """
headline: [loss, more]
facts:
  loss: '^loss (\\S+)'
experiments:
  more:
    set: {STEPS: 1000}
    facts: {more: '^steps (\\d+)'}
  own:
    set: {SEED: 7}
    facts: {own: '^steps (\\d+)'}
"""
TEXT = """
Less than one {claim}`loss
< 1`, and many {claim}`more > 999 and own == 9`: {fact}`more / loss | .1f`.
"""


@pytest.fixture
def book(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A recorded book of one script whose first claim fails for seed 3 alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(workshop.cache))
    monkeypatch.delenv("FRESH", raising=False)
    workshop.script("one", ONE)
    write(workshop, "one", HEADER, TEXT)
    assert workshop.record() == []
    return workshop


def write(book: Workshop, name: str, header: str, text: str) -> None:
    """A chapter with a header and a text."""
    book.chapter(name, header.strip())
    path = book.root / f"book/{TIER}/{name}.md"
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def failed(rows: Iterator[Row]) -> dict[str, int]:
    """What failed how often."""
    return {row.what: row.failed for row in rows if row.failed}


# --- Claims
def test_the_numbers_of_the_book_itself(book: Workshop) -> None:
    checked = claims.check(book.root, all_runs(book.root))
    assert {kind: (count.tried, count.complaints) for kind, count in checked.items()} == {
        "numbers": (4, []),
        "claims": (2, []),
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{claim}`loss > 0.5`", "the claim loss > 0.5 is false: 0.5 > 0.5"),
        ("{claim}`los < 1`", f"the header of book/{TIER}/one.md has no fact 'los'"),
        ("{claim}`two:loss < 1`", "the book has no chapter 'two'"),
        ("{fact}`1 / (loss - 0.5) | .1f`", "'1 / (loss - 0.5)' cannot be computed"),
    ],
)
def test_what_does_not_hold_is_named(book: Workshop, text: str, complaint: str) -> None:
    write(book, "one", HEADER, text)
    checked = claims.check(book.root, all_runs(book.root))
    [found] = [each for count in checked.values() for each in count.complaints]
    assert found.startswith(f"book/{TIER}/one.md: {complaint}")


def test_a_claim_on_a_run_that_was_not_made_is_not_tried(book: Workshop) -> None:
    main = [run for run in all_runs(book.root) if run.experiment is None]
    counts = claims.check(book.root, main)
    assert (counts["claims"].tried, counts["claims"].not_run) == (1, 1)
    assert (counts["numbers"].tried, counts["numbers"].not_run) == (1, 3)


# --- Seeds
def test_a_claim_that_fails_on_one_seed_is_found(
    book: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failed(seeds.prove(book.root)) == {"SEED = 3: claims": 1}
    printed = capsys.readouterr().out
    assert f"SEED = 3: book/{TIER}/one.md: the claim loss < 1 is false: 1.75 < 1\n" in printed
    assert printed.endswith(
        "chapter  headline  seed 0  seed 1  seed 2  seed 3  least .. greatest\n"
        "one      loss         0.5     0.5     0.5    1.75  0.5 .. 1.75\n"
        "one      more        1000    1001    1002    1003  1000 .. 1003\n"
    )


def test_claims_across_chapters_take_one_seed_of_both(book: Workshop) -> None:
    book.script("two", ONE)
    write(book, "two", HEADER, "{claim}`one:more - more == 0`")
    book.write("book/back/solutions/two.md", "{claim}`two:own == 9` {claim}`two:loss == one:loss`")
    assert book.record() == []
    rows = list(seeds.prove(book.root))
    assert [row.tried for row in rows if row.what.endswith("claims")] == [5, 5, 5]
    assert failed(iter(rows)) == {"SEED = 3: claims": 1}


def test_what_a_seed_does_not_print_and_what_it_breaks(
    book: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    book.script("one", ONE.replace('"loss"', '"loss" if SEED != 2 else "Loss"'))
    book.script("two", "print('no seed')")
    assert book.record() == []
    found = failed(seeds.prove(book.root))
    assert found.pop("SEED = 3: claims") == 1
    assert found == {
        "SEED = 0: runs": 1,
        "SEED = 2: runs": 1,
        "SEED = 3: runs": 1,
        "SEED = 2: numbers": 2,
        "SEED = 2: claims": 1,
    }
    printed = capsys.readouterr().out
    assert "scripts/01-tier/two.py has no constant SEED to set; it has none." in printed
    assert "one      loss         0.5     0.5       -    1.75  0.5 .. 1.75\n" in printed


def test_a_second_proof_runs_only_what_changed(
    book: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def done() -> list[str]:
        list(seeds.prove(book.root))
        lines = capsys.readouterr().out.splitlines()
        runs = [line for line in lines if line.startswith("Runs: ")]
        return [f"{line.partition(', guarded')[0].rstrip('.')}." for line in runs]

    assert done() == ["Runs: 0 fresh, 1 from the cache, 2 to do."] * 3  # `own` is the book's
    assert done() == ["Runs: 3 fresh, 0 from the cache, 0 to do."] * 3
    subprocess.run(["rm", "-r", book.root / "build" / "proof"], check=True)
    assert done() == ["Runs: 0 fresh, 3 from the cache, 0 to do."] * 3
    subprocess.run(["rm", "-r", book.root / "build" / "proof"], check=True)
    monkeypatch.setenv("FRESH", "1")
    assert done() == ["Runs: 0 fresh, 1 from the cache, 2 to do."] * 3
    monkeypatch.delenv("FRESH")
    book.script("two", ONE.replace("0.5", "0.75"))
    assert book.record() == []
    assert done() == ["Runs: 3 fresh, 0 from the cache, 1 to do."] * 3


def test_a_failed_run_leaves_no_old_numbers(book: Workshop) -> None:
    list(seeds.prove(book.root))
    book.script("one", ONE + "\n1 / (SEED - 2)\n")
    assert book.record() == []
    rows = {row.what: row for row in seeds.prove(book.root)}
    assert rows["SEED = 2: runs"].failed == 2
    assert rows["SEED = 2: claims"].tried == 0
    assert rows["SEED = 2: claims"].note == "2 more need other runs"


def test_without_the_books_own_runs_there_is_nothing_to_prove(
    book: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    book.path("one").unlink()
    monkeypatch.setattr(proof, "PARTS", {"seeds": lambda: seeds.prove(book.root)})
    assert proof.main([]) == 1
    assert f"runs/{TIER}/one.txt is missing; run `make runs`.\n" in capsys.readouterr().err


# --- Long runs
LONG = """
experiments:
  slow:
    seeds: [0, 2]
    facts: {slow: '^loss (\\S+)'}
  short:
    seeds: [0, 2]
    long: false
    facts: {short: '^steps (\\d+)'}
facts:
  loss: '^loss (\\S+)'
"""
CLAIMS = (
    "{claim}`least(slow) == 0.5` {claim}`mean(slow) == loss` {claim}`mean(short) == 3`"
    " {claim}`loss < 1` {claim}`least(short - slow) > 1` {fact}`error(slow) | .1f`"
)


@pytest.fixture
def longer(book: Workshop) -> Workshop:
    """A recorded book of one script, with a long experiment over seeds and a short one."""
    write(book, "one", LONG, CLAIMS)
    assert main(["--long"], book.root) == 0
    assert book.record() == []
    return book


def test_seeds_of_its_own_and_long_runs_stay_as_they_are(longer: Workshop) -> None:
    """Claims of long runs alone are not tried, and those that mix them are."""
    rows = {row.what: row for row in seeds.prove(longer.root)}
    assert [rows[f"SEED = {seed}: runs"].tried for seed in (0, 2, 3)] == [3, 3, 3]
    assert [rows[f"SEED = {seed}: claims"].tried for seed in (0, 2, 3)] == [4, 4, 4]
    assert failed(iter(rows.values())) == {"SEED = 3: claims": 2}  # mean(slow) == loss, loss < 1
    assert {row.note for row in rows.values()} == {""}
    made = longer.root / "build/proof/seed-3/build/runs" / TIER
    assert json.loads((made / "one--short--seed-2.json").read_bytes())["set"] == {"SEED": 2}
    assert not list(made.glob("*slow*"))


def test_long_runs_are_made_again_beside_the_book(
    longer: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = longer.root / "book/long" / TIER
    before = {path: path.read_bytes() for path in folder.iterdir()}
    runs, numbers, told = long.prove(longer.root)
    assert (runs.what, runs.tried, runs.failed) == ("recorded again: runs", 2, 0)
    assert runs.note == "2 print the book's very bytes"
    assert (numbers.tried, numbers.failed) == (2, 0)  # the header's fact, and the text's
    assert (told.tried, told.failed, told.note) == (3, 0, "")
    assert "one--slow--seed-0: runs, about 0 s" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_long_run_that_another_machine_does_not_repeat_is_found(longer: Workshop) -> None:
    """A record that somebody made of other numbers, seal and all."""
    [run, _] = long_runs(longer.root)
    record = records.last(run) | {"transcript_sha256": records.sha256(b"loss 0.4\nsteps 2\n")}
    record["record_sha256"] = records.seal(record)
    records.keep(run, record, b"loss 0.4\nsteps 2\n")
    write(longer, "one", LONG, "{claim}`least(slow) == 0.4`")
    rows = list(long.prove(longer.root))
    assert failed(iter(rows)) == {"recorded again: claims": 1}
    assert rows[0].note == "1 print the book's very bytes"


def test_it_takes_hours_and_so_is_no_part_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(proof, "PARTS", {"one": lambda: [Row("one", "acts", 1)]})
    monkeypatch.setattr(proof, "ON_DEMAND", {"long": lambda: [Row("long", "hours", 1)]})
    assert proof.main([]) == 0
    assert "hours" not in capsys.readouterr().out
    assert proof.main(["long"]) == 0
    assert "hours" in capsys.readouterr().out


def test_without_its_record_nothing_is_proved(longer: Workshop) -> None:
    next((longer.root / "book/long" / TIER).glob("*.txt")).unlink()
    for part in (seeds, long):
        with pytest.raises(BookError, match="has no transcript yet; run `make long NAME="):
            list(part.prove(longer.root))


# --- Versions
def test_a_version_that_is_not_here_is_said(
    book: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "VERSIONS", ("3.3",))
    missing, *running = versions.prove(book.root)
    assert (missing.what, missing.tried, missing.failed) == ("CPython 3.3", 0, 0)
    assert missing.note == "not here: neither among pyenv's versions nor on the PATH"
    assert [row.what.split(": ")[1] for row in running] == ["runs", "numbers", "claims"]
    assert running[0].what.startswith(f"CPython {HERE.version}")
    assert running[0].note == "3 print the book's very bytes"
    assert failed(iter(running)) == {}


def test_a_version_that_computes_otherwise_is_found(
    book: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another Python is here this one with -O: a number changes, and a claim with it."""
    book.script("one", ONE.replace("(SEED == 3)", "(not __debug__)"))
    assert book.record() == []
    other = replace(HERE, command=(HERE.command[0], "-O", *HERE.command[1:]), version="3.99.0")
    monkeypatch.setattr(versions, "VERSIONS", ())
    monkeypatch.setattr(versions, "interpreter", lambda version: other)
    rows = list(versions.prove(book.root))
    assert failed(iter(rows)) == {"CPython 3.99.0: claims": 1}
    assert rows[0].note == "0 print the book's very bytes"


@pytest.mark.parametrize("version", versions.VERSIONS)
def test_the_guard_runs_on_each_version(
    book: Workshop, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if versions.interpreter(version) is None:
        pytest.skip(f"there is no CPython {version} here")
    monkeypatch.setattr(versions, "VERSIONS", (version,))
    book.script(
        "one",
        "import sys\nSEED = 1\nSTEPS = 1\n"
        "print('recorder' in str(sys.path), sys.version_info[:2])\nopen('left', 'w')",
    )
    assert "it tries to write left" in str(book.record()[0])
    rows = list(versions.prove(book.root))
    assert rows[0].failed == 3


def test_no_module_of_the_recorder_hides_one_of_the_library() -> None:
    """Python 3.10 has no -P: the guard's first imports look into its own folder."""
    modules = {path.stem for path in Path(recorder.__path__[0]).glob("*.py")}
    assert modules.isdisjoint(sys.stdlib_module_names)


def executable(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_the_newest_of_pyenv_that_runs_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    bodies = {
        "3.4.9": "echo CPython 3.4.9; echo /old",
        "3.4.10": "echo CPython 3.4.10; echo /new",
        "3.4.11": "exit 1",
        "3.4.12": "echo PyPy 3.4.12; echo /other",
        "3.4.13t": "echo CPython 3.4.13; echo /free-threaded",
    }
    for folder, body in bodies.items():
        executable(tmp_path / "versions" / folder / "bin" / "python3.4", body)
    found = versions.interpreter("3.4")
    assert found and (found.version, found.command[0]) == ("3.4.10", "/new")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    assert versions.interpreter("3.4") is None
    executable(tmp_path / "path" / "python3.4", bodies["3.4.9"])
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:{os.environ['PATH']}")
    found = versions.interpreter("3.4")
    assert found and found.command[0] == "/old"


# --- WebAssembly
@pytest.mark.parametrize(
    ("what", "program", "note"),
    [
        ("NODE", "/nowhere/node", "not here: node does not run"),
        ("NPM", "{tmp_path}/npm", "not here: npm could not install it: network is away"),
    ],
)
def test_webassembly_that_is_not_here_is_said(
    book: Workshop,
    what: str,
    program: str,
    note: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "npm").write_text(
        "console.error('npm error code 7\\nnpm error network is away'); process.exit(1)"
    )
    monkeypatch.setattr(pyodide, what, Path(program.format(tmp_path=tmp_path)))
    monkeypatch.setattr(pyodide, "FOLDER", tmp_path / "pyodide")
    [row] = wasm.prove(book.root)
    assert (row.tried, row.failed) == (0, 0)
    assert row.note.startswith(note)


FAKE = """
export const loadPyodide = async () => globalThis.python = ({
  FS: { mkdirTree() {}, mount() {}, writeFile() {}, filesystems: {} },
  setStdout({ write }) { this.print = (text) => write(Buffer.from(text)); },
  setStderr() {},
  runPython() {},
  globals: { get: () => (script, job) => {
    const { SEED = 1, STEPS = 2 } = JSON.parse(job).set, steps = `steps ${STEPS + SEED}\\n`;
    BODY
  } },
});
"""


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("python.print('loss 0.5\\n' + steps); return []", {}),
        ("python.print('loss 2\\n' + steps); return []", {"claims": 1}),
        ("python.print('lost\\n' + steps); return []", {"claims": 1, "numbers": 2}),
        ("python.print('loss 0.5\\n'); return ['new']", {"runs": 3}),
        ("throw new Error(`${script} raised`)", {"runs": 3}),
    ],
)
def test_runs_in_webassembly(
    book: Workshop,
    body: str,
    found: dict[str, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With a Pyodide that only pretends: the true one is not kept by the Python package index."""
    (tmp_path / "pyodide.mjs").write_text(FAKE.replace("BODY", body))
    (tmp_path / "pyodide-lock.json").write_text('{"info": {"python": "3.14.2"}}')
    (tmp_path / "package.json").write_text('{"version": "314.0.7"}')
    monkeypatch.setattr(pyodide, "installed", lambda: tmp_path)
    rows = list(wasm.prove(book.root))
    assert {what.split(": ")[1]: number for what, number in failed(iter(rows)).items()} == found
    assert rows[0].tried == 3
    assert rows[0].note.startswith("0" if found else "3")
    if "throw" in body:
        assert f"/scripts/{TIER}/one.py raised" in capsys.readouterr().out


def test_a_killed_proof_leaves_no_run_in_webassembly(tmp_path: Path) -> None:
    body = "python.print('begun'); while (true) {}"
    (tmp_path / "pyodide.mjs").write_text(FAKE.replace("BODY", body))
    (tmp_path / "one.py").touch()
    job = json.dumps({"script": str(tmp_path / "one.py"), "set": {}, "report": 2})
    command = [str(pyodide.NODE), str(wasm.HERE / "run.mjs"), str(tmp_path), job]
    program = f"import subprocess; subprocess.run({command}, start_new_session=True)"
    proof = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert proof.stdout and proof.stdout.read(5) == b"begun"
    proof.kill()
    proof.communicate(timeout=600)  # until nobody holds the other end of the pipe


def test_a_true_run_in_webassembly(book: Workshop) -> None:
    folder = Path(recorder.__path__[0]).parent / "build" / "pyodide"
    if not folder.exists():
        pytest.skip("there is no Pyodide here; `make prove` installs it")
    book.data(names="anna")
    book.script(
        "one",
        ONE + "from pathlib import Path\n"
        "print((Path(__file__).resolve().parent.parent / 'data' / 'names').read_text())",
    )
    assert book.record() == []
    (book.root / "build" / "pyodide").symlink_to(folder)
    rows = list(wasm.prove(book.root))
    assert failed(iter(rows)) == {}
    assert rows[0].note == "3 print the book's very bytes"


# --- Surroundings
BLAMED = {
    "print(set('abcdefgh'))": {"PYTHONHASHSEED=1, not 0": 1, "PYTHONHASHSEED=random, not 0": 1},
    "print(__debug__)": {"python -O": 1},
    "print(__import__('os').environ.get('LC_ALL') == 'C')": {"LC_ALL=C": 1},
    "print(__import__('time').timezone)": {"TZ=Pacific/Kiritimati": 1},
    "print(' ' in __file__)": {"path with spaces and accents": 1},
    "import os; print(__debug__ or os.environ.get('LC_ALL') != 'C')": {surroundings.TOGETHER: 1},
}


@pytest.mark.parametrize("text", ["print(SEED)", *BLAMED])
def test_what_changes_the_bytes_is_named(
    book: Workshop, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    book.script("two", f"SEED = 1\n{text}")
    assert book.record() == []
    rows = list(surroundings.prove(book.root))
    assert {row.tried for row in rows} == {2}
    assert len(rows) == (8 if surroundings.TOGETHER in failed(iter(rows)) else 7)
    assert failed(iter(rows)) == BLAMED.get(text, {})


@pytest.mark.parametrize(
    ("act", "complaint"),
    [
        ("open('left', 'w')", ("changes its checkout", "ends with exit status 1: PermissionError")),
        ("sys.exit('a sentence')", ("ends with exit status 1: a sentence",)),
    ],
)
def test_a_script_that_behaves_otherwise_for_a_reader(
    book: Workshop, act: str, complaint: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    book.script("two", f"import sys\nif not sys.dont_write_bytecode: {act}")
    assert book.record() == []
    assert len(failed(surroundings.prove(book.root))) == 7
    printed = capsys.readouterr().out
    assert any(f"read-only checkout: scripts/{TIER}/two.py {each}" in printed for each in complaint)


def test_an_editions_runs_are_no_measure(book: Workshop) -> None:
    path = book.path("one", ".json")
    path.write_text(path.read_text().replace(HERE.system, "Elsewhere"))
    [row] = surroundings.prove(book.root)
    assert (row.tried, row.failed) == (0, 0)
    assert "`make clean` forgets an edition" in row.note
