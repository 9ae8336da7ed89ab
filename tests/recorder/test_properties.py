"""Whatever a script, a chapter or a file on the disk may hold: a sentence, never a traceback."""

import ast
import json
import keyword
import re
from collections.abc import Callable
from math import inf
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder import guard, header, records, sections
from recorder.cache import Cache
from recorder.child import Limits
from recorder.errors import BookError
from recorder.failure import CONTROL, _no_text
from recorder.plan import Run
from recorder.transcript import Transcript
from tests.small_book import SmallBook
from tests.workshop import TIER, Workshop

Tried = Callable[[str, str, int], None]  # the fixture `tried`

PATH = Path("/book/scripts/01-tier/one.py")
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=9)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
LITERALS = st.recursive(
    st.one_of(SCALARS.filter(lambda value: value not in (inf, -inf)), st.binary(max_size=9)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.tuples(inner, inner)),
    max_leaves=5,
)
NAMES = st.from_regex(r"\A[A-Z][A-Z0-9_]{0,5}\Z").filter(lambda name: not keyword.iskeyword(name))
PATTERNS = st.one_of(
    st.text(st.sampled_from(r"()[]{}|*+?.\dws^$ab1-:P<>="), max_size=12),
    st.sampled_from([r"(\d+)", r"a (b)?", r"(?P<x>1)(?P=x)", r"(?i:a)(1)", r"^(.*)$"]),
)
HEADERS = st.one_of(
    st.text(max_size=80),
    JSON.map(json.dumps),
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("teaches", "paper", "builds_on", "terms", "headline", "facts"), JSON
        )
        | {
            "experiments": st.one_of(
                JSON,
                st.dictionaries(
                    st.text(max_size=5),
                    st.fixed_dictionaries(
                        {}, optional=dict.fromkeys(("set", "facts", "seeds", "long"), JSON)
                    ),
                    max_size=2,
                ),
            )
        },
    ).map(json.dumps),
)


# --- Sections


@given(st.lists(st.sampled_from(["x", "", "# === A ===", "# --- B ---", " # --- C ---"])))
def test_sections_are_cut_or_refused_in_a_sentence(tried: Tried, lines: list[str]) -> None:
    tried("properties", "scripts cut into sections", 1)
    source = "\n".join(lines)
    titles = re.findall(r"^ ?# (?:===|---) (.)", source, re.MULTILINE)
    try:
        cut = sections.cut(source, PATH)
    except BookError as error:
        assert len(set(titles)) < len(titles)
        assert str(error).startswith("scripts/01-tier/one.py has ")
        return
    assert len(set(titles)) == len(titles)
    assert "".join(section.text for section in cut) == source


# --- Facts and headers


def transcript(text: str) -> Transcript:
    return Transcript(Path("/book/build/runs/01-tier/one.txt"), text, {})


@given(PATTERNS, st.text(st.sampled_from("ab1 :\n"), max_size=30))
def test_a_fact_is_what_its_group_matched_or_a_sentence(
    tried: Tried, pattern: str, text: str
) -> None:
    tried("properties", "patterns of facts", 1)
    try:
        found = transcript(text).fact(pattern)
    except BookError as error:
        assert repr(pattern) in str(error)
        return
    [match] = re.finditer(pattern, text, re.MULTILINE)
    assert found == match[1]


@given(PATTERNS, st.text(st.sampled_from("ab1 :\n"), max_size=30))
def test_rows_are_one_a_match_or_a_sentence(tried: Tried, pattern: str, text: str) -> None:
    tried("properties", "patterns of rows", 1)
    try:
        rows = transcript(text).rows(pattern)
    except BookError as error:
        assert repr(pattern) in str(error)
        return
    assert len(rows) == len(list(re.finditer(pattern, text, re.MULTILINE)))


@given(HEADERS)
def test_a_header_is_read_or_refused_in_a_sentence(tried: Tried, text: str) -> None:
    tried("properties", "headers of chapters", 1)
    chapter = f"---\n{text}\n---\n# A chapter\n"
    try:
        found = header.parse(chapter, Path("/book/book/01-tier/one.md"))
    except BookError as error:
        assert str(error).startswith("book/01-tier/one.md: ")
        return
    for experiment in found.experiments.values():
        assert experiment.set == json.loads(json.dumps(experiment.set))
        assert experiment.set or experiment.seeds
        assert len(set(experiment.seeds)) == len(experiment.seeds) != 1
        assert all(re.compile(pattern).groups == 1 for pattern in experiment.facts.values())


# --- Constants


@given(st.dictionaries(NAMES, LITERALS, max_size=4), st.data())
def test_an_override_gives_the_value_or_a_sentence(
    tried: Tried, own: dict[str, object], data: st.DataObject
) -> None:
    tried("properties", "constants overridden", 1)
    tree = ast.parse("".join(f"{name} = {value!r}\n" for name, value in own.items()))
    names = st.sampled_from(sorted(own)) if own else NAMES
    name = data.draw(st.one_of(names, NAMES))
    value = data.draw(st.one_of(JSON, st.sampled_from([own.get(name)])))
    try:
        guard.override(tree, {name: value}, "scripts/01-tier/one.py")
    except SystemExit as error:
        assert str(error).startswith("scripts/01-tier/one.py ")
        return
    space: dict[str, object] = {}
    exec(compile(tree, "one.py", "exec"), space)
    assert type(space[name]) is type(own[name])
    if isinstance(value, (list, tuple)):
        assert list(space[name]) == list(value)
    else:
        assert space[name] == value
    assert all(space[other] == was for other, was in own.items() if other != name)


@given(st.text(max_size=60))
def test_the_constants_of_any_script_can_be_looked_for(tried: Tried, source: str) -> None:
    tried("properties", "constants looked for", 1)
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    assert all(name.isupper() for name in guard.constants(tree))


# --- Records, whatever befell them


@pytest.fixture
def run(recorded: Workshop) -> Run:
    return Run(recorded.root, f"{TIER}/one")


@given(st.data())
def test_a_record_that_was_changed_is_not_fresh(
    tried: Tried, run: Run, data: st.DataObject
) -> None:
    tried("properties", "records changed", 1)
    good = run.record.read_bytes()
    record = json.loads(good)
    sums = dict(record["data"])
    assert records.is_fresh(run, sums)
    try:
        key = data.draw(st.sampled_from(sorted(record)))
        value = data.draw(JSON)
        run.record.write_text(json.dumps({**record, key: value}))
        assert records.is_fresh(run, sums) == (json.dumps(value) == json.dumps(record[key]))
        run.record.write_text(json.dumps({k: v for k, v in record.items() if k != key}))
        assert not records.is_fresh(run, sums)
    finally:
        run.record.write_bytes(good)


@given(st.one_of(st.binary(max_size=60), JSON.map(json.dumps).map(str.encode)))
def test_any_bytes_may_stand_where_a_record_should(tried: Tried, run: Run, content: bytes) -> None:
    tried("properties", "bytes for a record", 1)
    good = run.record.read_bytes()
    try:
        run.record.write_bytes(content)
        assert not records.is_fresh(run, {})
        with pytest.raises(BookError, match="make runs"):
            Transcript.load(run.name, root=run.root)
    finally:
        run.record.write_bytes(good)


@given(
    st.one_of(
        JSON,
        st.fixed_dictionaries({"record": JSON, "transcript": JSON}),
        st.just({"record": {}, "transcript": "\ud800"}),
    )
)
def test_any_json_may_stand_in_the_cache(
    tried: Tried, run: Run, recorded: Workshop, content: object
) -> None:
    tried("properties", "JSON for a cache entry", 1)
    cache = Cache(recorded.cache)
    [entry] = (recorded.cache / TIER / "one").glob("*.json")
    good = entry.read_bytes()
    try:
        entry.write_text(json.dumps(content))
        assert cache.load(run, {}) is None
        assert cache.seconds(run) is None
    finally:
        entry.write_bytes(good)


# --- Scripts and chapters

PIECES = st.sampled_from(
    [
        "print(1)\n", "1 / 0\n", "def f(:\n", "STEPS = 2\n", "# === A ===\n", "# --- A ---\n",
        "raise SystemExit('no')\n", "import os; os._exit(3)\n", "open('/etc/passwd')\n", "\0",
        "print('\\x1b[1m')\n", "print('\\ud800')\n", "raise KeyboardInterrupt\n", "\ufeff", "\t\n",
        "import sys; sys.stdout.close()\n", "import os; os.closerange(0, 99)\n", "é = 1\n",
        "del print\n", "import sys; sys.modules.clear()\n", "raise BaseException\n",
    ]
)  # fmt: skip


@settings(max_examples=25)
@given(st.lists(PIECES, max_size=4).map("".join))
def test_any_script_is_recorded_or_told_in_a_sentence(
    tried: Tried, workshop: Workshop, text: str
) -> None:
    tried("properties", "scripts recorded", 1)
    workshop.script("one", text)
    for failure in workshop.record(fresh=True, limits=Limits(seconds=20)):
        told = str(failure).splitlines()[0]
        assert told.startswith(f"scripts/{TIER}/one.py failed") and told.endswith(".")


BLOCKS = st.sampled_from(
    [
        "# A\n", "### Deep\n", "text\n", "$$ \\frac{1 $$\n", "```{listing} Add\n```\n",
        "```{listing} None\n```\n", "```{listing}\n```\n", "```{carried}\nThe tape\n```\n",
        "```{transcript}\n```\n", "```{transcript}\n:from: (\n```\n", "```{transcript} none\n```\n",
        "```{transcript}\n:experiment: x\n```\n", "```{drawn} learning-curves\n```\n",
        "```{drawn} none\n:alt: x\n```\n", "{fact}`loss`\n", "{fact}`loss +`\n",
        "{fact}`1/0|.1f`\n",
        "{fact}`loss|%`\n", "{claim}`loss`\n", "{claim}`loss > none`\n", "{claim}`9**9**9 > 1`\n",
        "{claim}`mean(loss) > 1`\n", "{claim}`mean(several) > 0`\n", "{claim}`several > 0`\n",
        "{fact}`several`\n", "{fact}`error(several - loss) | .1e`\n",
        "{cite:p}`none`\n", "{cite:t}`adam`\n", "{ref}`none`\n", "{doc}`none`\n",
        "```{exercise}\n```\n",
        "```{solution} none\n```\n", "```\n", ":::\n", "---\n", "{fact}``\n", "\0\x1b\n",
    ]
)  # fmt: skip


SEVERAL = "  several: {seeds: [0, 1], long: false, facts: {several: 'loss . (.*)'}}\n"


@settings(max_examples=8)
@given(st.lists(BLOCKS, min_size=1, max_size=8).map("\n".join))
def test_any_chapter_gives_warnings_and_no_traceback(
    tried: Tried, tmp_path: Path, body: str
) -> None:
    tried("properties", "chapters built", 1)
    book = SmallBook(tmp_path)
    front = (tmp_path / "book/01-first/alpha.md").read_text().split("# Alpha")[0]
    front = front.replace("experiments:\n", f"experiments:\n{SEVERAL}")
    for seed in (0, 1):
        book.record(f"01-first/alpha--several--seed-{seed}", f"loss | 0.{seed}\n")
    book.write("book/01-first/alpha.md", f"{front}# Alpha\n\n{body}")
    assert not any("Traceback" in line for line in book.build("dummy"))


# --- What a script prints


@given(st.text(max_size=40))
def test_what_is_printed_is_kept_as_it_is_or_refused(tried: Tried, run: Run, text: str) -> None:
    tried("properties", "texts printed", 1)
    try:
        printed = text.encode()
    except UnicodeEncodeError:
        return
    refused = _no_text(printed)
    assert bool(refused) == bool(CONTROL.search(text))
    assert refused is None or refused.startswith("line ")
