"""The rules of the house: what every script and chapter must be, whatever it is about."""

import ast
import importlib.util
import math
import operator
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from pybtex.database import parse_file

from press import path as reading_path
from press import readmes
from press.directives.sections import ORDINARY
from press.path import Stop
from recorder.sections import Section, cut

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted((ROOT / "scripts").glob("[0-9]*/*.py"))
WIDTH = 79
# What these do to the data is said in a sentence: nobody needs their chapter first.
HOUSEKEEPING = {"Read a shipped file", "Hold out whole families"}
PAGE = 45  # lines of code that a printed page holds with its caption
LENGTH = (
    250,
    450,
)  # least and most lines of a script, without imports, housekeeping, what it carries
EXAMPLE = re.compile(r"^\W*(\w+\(.*\)) -> (.+?)(?:\"\"\")?$", re.M)

# The rooms of the machine, and those below each, which alone it may import.
BELOW = {
    "recorder": [],
    "press": ["recorder"],
    "book": ["press", "recorder"],
    "proof": ["book", "press", "recorder"],
    "bench": ["book", "press", "recorder"],
}
FORMATS = ("press.html", "press.pdf", "press.epub")
DRIVERS = ("press.build", "press.dist", "press.site")  # what knows all formats
MODULES = [path for room in BELOW for path in sorted((ROOT / room).rglob("*.py"))]

each_script = pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def examples(path: Path) -> list[tuple[str, str]]:
    """The (call, result) pairs of the docstrings, as in `pairs([1, 2]) -> {(1, 2): 1}`."""
    tree = ast.parse(path.read_text(encoding="ascii"))
    holders = (ast.FunctionDef, ast.ClassDef)
    docs = [ast.get_docstring(n) or "" for n in ast.walk(tree) if isinstance(n, holders)]
    return [pair for doc in docs for pair in EXAMPLE.findall(doc)]


def imports(path: Path) -> set[str]:
    """The dotted names of all that a file imports: for `from a import b` both a and a.b."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def test_there_are_scripts() -> None:
    assert SCRIPTS


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_run_one_way(path: Path) -> None:
    """No room knows one that stands above or beside it, no format another."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    room = module.split(".")[0]
    for name in imports(path):
        assert not name.startswith("."), f"{module}: write whole names, not {name}"
        top = name.split(".")[0]
        known = top in BELOW and top != room
        assert not known or top in BELOW[room], f"{module} may not know of {name}"
        for form in FORMATS:
            if name.startswith(form) and room == "press":
                assert module.startswith((form, *DRIVERS)), f"{module} may not know of {name}"


def test_book_holds_words_and_drawings() -> None:
    """What makes pages of them stands in press/."""
    book = ROOT / "book"
    files = [path for path in book.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    programs = {path for path in files if path.suffix == ".py"}
    assert programs == {book / "conf.py", *book.glob("figures/*/*.py")}
    assert {path.suffix for path in files if path not in programs} <= {
        ".md",
        ".txt",
        ".json",
        ".yml",
    }
    defined = (ast.FunctionDef, ast.ClassDef, ast.Lambda)
    settings = ast.walk(ast.parse((book / "conf.py").read_text(encoding="utf-8")))
    assert not any(isinstance(node, defined) for node in settings)


@each_script
def test_every_room_holds_the_same_names(path: Path) -> None:
    tier, name = path.parent.name, path.stem
    for room in (
        f"book/{tier}/{name}.md",
        f"book/{tier}/index.md",
        f"book/figures/{tier}/{name}.py",
        f"book/back/solutions/{name}.md",
        f"tests/{tier}/test_{name}.py",
    ):
        assert (ROOT / room).is_file(), f"scripts/{tier}/{name}.py needs {room}"


@each_script
def test_lines_fit_the_printed_page(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.isascii(), f"{path.name} holds characters beyond ASCII"
    assert "\t" not in text and "\r" not in text
    wide = [n for n, line in enumerate(text.split("\n"), 1) if len(line) > WIDTH]
    assert not wide, f"{path.name} has lines over {WIDTH} columns: {wide}"


@each_script
def test_solutions_stand_under_the_name_of_the_algorithm(path: Path) -> None:
    heading = (ROOT / f"book/back/solutions/{path.stem}.md").read_text("utf-8").splitlines()[0]
    name = reading_path.algorithm(ROOT, f"{path.parent.name}/{path.stem}")
    assert heading.removeprefix("## ").partition(":")[0] == name


def test_code_in_solutions_is_as_narrow_as_in_scripts() -> None:
    """A longer line would run into the margin of a printed page, which ends the build."""
    for path in sorted((ROOT / "book" / "back" / "solutions").glob("*.md")):
        for block in re.findall(
            r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL
        ):
            wide = [line for line in block.split("\n") if len(line) > WIDTH]
            assert not wide, f"{path.name} has code over {WIDTH} columns: {wide}"


@each_script
def test_imports_only_the_standard_library(path: Path) -> None:
    imported = {name.split(".")[0] for name in imports(path)}
    assert imported <= sys.stdlib_module_names, imported - sys.stdlib_module_names


@each_script
def test_anatomy(path: Path) -> None:
    """Docstring, SEED, main() and its guard; no command line."""
    text = path.read_text(encoding="ascii")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), f"{path.name} has no docstring"
    constants = [
        t.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for t in node.targets
        if isinstance(t, ast.Name)
    ]
    assert "SEED" in constants, f"{path.name} has no SEED among its settings"
    assert any(isinstance(n, ast.FunctionDef) and n.name == "main" for n in tree.body)
    assert text.endswith('if __name__ == "__main__":\n    main()\n')
    assert "argparse" not in text and "sys.argv" not in text


@each_script
def test_sections_are_unique_and_fit_a_page(path: Path) -> None:
    sections = cut(path.read_text(encoding="ascii"), path)
    long = [
        (s.title, s.text.strip().count("\n") + 1)
        for s in sections
        if s.text.strip().count("\n") >= PAGE
    ]
    assert not long, f"sections of {path.name} over {PAGE} lines: {long}"


def test_the_same_title_means_the_same_text() -> None:
    home: dict[str, tuple[str, str]] = {}
    for path in SCRIPTS:
        for section in cut(path.read_text(encoding="ascii"), path):
            if section.title in ORDINARY:
                continue
            name, text = home.setdefault(section.title, (path.stem, section.text.rstrip()))
            assert text == section.text.rstrip(), (
                f"section {section.title!r} of {path.stem} differs from the one in {name}: "
                "make them equal or give one a title of its own"
            )


@each_script
def test_docstring_examples_are_true(path: Path) -> None:
    found = examples(path)
    assert found, f"{path.name} has no example of the form `call(...) -> result`"
    names = vars(load(path))
    for call, result in found:
        assert eval(call, names) == ast.literal_eval(result), f"{path.name}: {call} -> {result}"


@each_script
def test_loading_a_script_prints_nothing(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load(path)
    assert capsys.readouterr().out == ""


@each_script
def test_sumprod_has_its_stand_in(path: Path) -> None:
    """Before Python 3.12 `math` has no sumprod: every script that uses it brings the same one."""
    tree = ast.parse(path.read_text(encoding="ascii"))
    used = any(isinstance(node, ast.Name) and node.id == "sumprod" for node in ast.walk(tree))
    attempts = [node for node in tree.body if isinstance(node, ast.Try)]
    assert len(attempts) == used
    for attempt in attempts:
        assert ast.unparse(attempt.body) == "from math import sumprod"
        names = {"mul": operator.mul}
        exec(ast.unparse(attempt.handlers[0].body), names)
        rng = random.Random(path.stem)
        for n in range(20):
            a, b = ([rng.uniform(-2, 2) for _ in range(n)] for _ in range(2))
            assert names["sumprod"](a, b) == pytest.approx(math.sumprod(a, b), abs=1e-14)


def test_the_lists_of_programs_say_what_the_headers_say() -> None:
    assert not list(readmes.stale())


def transitive(name: str, builds_on: dict[str, tuple[str, ...]]) -> set[str]:
    """All chapters on which the chapter of this name builds, also by way of others."""
    direct = set(builds_on[name])
    return direct.union(*(transitive(needed, builds_on) for needed in direct))


def in_reading_order() -> Iterator[tuple[Stop, Section, str]]:
    """Each section of each script, and the name of the chapter in which it stands first."""
    home: dict[str, str] = {}
    for stop in reading_path.read(ROOT):
        script = ROOT / "scripts" / f"{stop.document}.py"
        for section in cut(script.read_text(encoding="ascii"), script):
            ordinary = section.title in ORDINARY
            first = stop.name if ordinary else home.setdefault(section.title, stop.name)
            yield stop, section, first


def test_works_and_terms_stand_whole_and_in_order() -> None:
    """Nothing of them is lost or twice after branches that both added some were merged."""
    keys = list(parse_file(ROOT / "references.bib", "bibtex").entries)
    assert keys == sorted(keys)
    glossary = (ROOT / "book" / "back" / "glossary.md").read_text(encoding="utf-8")
    body = re.search(r"```\{glossary\}\n:sorted:\n\n(.*)\n```\n$", glossary, re.DOTALL)[1]
    terms = [entry.split("\n")[0] for entry in body.split("\n\n")]
    assert terms == sorted(set(terms), key=str.lower)
    assert all(re.fullmatch(r"(\S.*\n)+(  \S.*\n?)+", entry) for entry in body.split("\n\n"))


def test_a_chapter_builds_on_those_whose_sections_it_carries() -> None:
    builds_on = {stop.name: stop.header.builds_on for stop in reading_path.read(ROOT)}
    for stop, section, first in in_reading_order():
        if section.title in HOUSEKEEPING:
            continue
        assert first == stop.name or first in transitive(stop.name, builds_on), (
            f"book/{stop.document}.md: the script carries {section.title!r} from {first}; "
            f"write {first} under 'builds_on' in the header"
        )


def test_what_is_new_in_a_script_can_be_read_in_one_sitting() -> None:
    lines: Counter[str] = Counter()
    for stop, section, first in in_reading_order():
        own = first == stop.name and section.title not in HOUSEKEEPING | {"Imports"}
        lines[stop.document] += section.text.count("\n") * own
    least, most = LENGTH
    other = {name: count for name, count in lines.items() if not least <= count <= most}
    assert not other, (
        f"scripts with fewer than {least} or more than {most} lines of their own: {other}"
    )


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PUBLISHING = {
    "release.yml": {"release": {"contents": "write"}},
    "pages.yml": {"publish": {"pages": "write", "id-token": "write"}},
}
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)


@each_workflow
def test_workflows_have_the_least_permissions(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    more = {name: job.get("permissions") for name, job in workflow["jobs"].items()}
    # Publishing writes a release, or the pages; it checks out nothing and runs nothing of ours.
    allowed = PUBLISHING.get(path.name, {})
    assert {name: asked for name, asked in more.items() if asked} == allowed
    assert "pull_request_target" not in workflow[True]  # YAML 1.1 reads `on` so


@each_workflow
def test_workflows_pin_what_they_use(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    steps = [step for job in jobs for step in job["steps"]]
    for step in steps:
        if "uses" in step:
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
        if "checkout@" in step.get("uses", ""):
            assert step.get("with", {}).get("persist-credentials") is False, path.name
        assert "${{" not in step.get("run", ""), f"{path.name}: a shell reads what others may write"


def test_git_keeps_every_byte(tmp_path: Path) -> None:
    """Git for Windows is set to give files other line ends, and every hash would fail."""
    made, clone = tmp_path / "made", tmp_path / "clone"
    shutil.copytree(ROOT / "scripts", made / "scripts", ignore=shutil.ignore_patterns("__*"))
    for name in (".gitattributes", "Makefile", "requirements.lock"):
        shutil.copy(ROOT / name, made)
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "core.autocrlf=false"]
    for command in (
        ["git", "init", "-q", str(made)],
        ["git", "-C", str(made), "add", "-A"],
        ["git", "-C", str(made), *who, "commit", "-q", "-m", "all", "--no-gpg-sign"],
        ["git", "clone", "-q", "-c", "core.autocrlf=true", str(made), str(clone)],
    ):
        subprocess.run(command, check=True, capture_output=True)
    listed = subprocess.run(["git", "-C", str(made), "ls-files"], capture_output=True, text=True)
    names = listed.stdout.splitlines()
    assert len(names) > len(SCRIPTS)
    changed = [name for name in names if (made / name).read_bytes() != (clone / name).read_bytes()]
    assert not changed


def test_nothing_names_this_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    assert listed.stdout, listed.stderr
    told = ["x-" + "checked", "files.python" + "hosted"]
    if str(ROOT.parent) != tempfile.gettempdir():  # which tests and promises may name
        told.append(f"{ROOT.parent}/")
    for path in map(ROOT.joinpath, listed.stdout.splitlines()):
        if path.suffix in {".md", ".py", ".toml", ".bib", ".lock", ".yml", ".sh", ""}:
            text = path.read_text(encoding="utf-8", errors="replace")
            found = [word for word in told if word in text]
            assert not found, f"{path.relative_to(ROOT)} holds {found}"
