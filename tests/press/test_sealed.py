"""What a page says of long experiments and of several seeds, and what it refuses."""

import hashlib
import json
import pickle
from pathlib import Path

import pytest

from press.directives.sealed import duration, used
from recorder import records
from recorder.plan import long_runs
from tests.small_book import SmallBook

A = "book/01-first/alpha.md"
LONG = "book/long/01-first/alpha"
HEADER = r"""experiments:
  several:
    seeds: [0, 1, 2]
    facts: {loss_s: 'loss \| (.*)'}
  no-add-several:
    set: {ADD: false}
    seeds: [0, 1, 2]
    facts: {loss_no_add_s: 'loss \| (.*)'}
  longer:
    set: {STEPS: 9}
    long: true
    facts: {loss_longer: 'loss \| (.*)'}
"""
TEXT = """
First {fact}`mean(loss_no_add_s - loss_s) | .2f`. {claim}`least(loss_no_add_s - loss_s) > 0` And
again {fact}`mean(loss_s) | .2f`.

A table:

| a | b |
|---|---|
| x {claim}`loss_longer < 0.5` | y |

```{transcript}
:experiment: several
:seed: 2
```
"""

# sphinx-exercise uses what Sphinx 11 will not have.
pytestmark = pytest.mark.filterwarnings("ignore::sphinx.deprecation.RemovedInSphinx11Warning")


class LongBook(SmallBook):
    """The small book, with long experiments and their sealed records."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.change(A, "experiments:\n", HEADER)
        self.change(A, "\n## The walk", f"{TEXT}\n## The walk")
        for run in long_runs(root):
            wide = 0.2 * (run.experiment == "no-add-several") - 0.1 * (run.experiment == "longer")
            self.seal(run.label, f"loss | {0.5 + wide + (run.seed or 0) / 100:.2f}\n")

    def seal(self, label: str, text: str, **other: object) -> None:
        """Write a transcript in book/long with the record of a run of today's script."""
        [run] = [run for run in long_runs(self.root) if run.label == label]
        record = {
            **records.begun(run),
            "data": {},
            "date": f"2026-11-{10 + (run.seed or 0)}T10:00:00+00:00",
            "implementation": "CPython",
            "python": "3.12.1",
            "cpu": "A Fine CPU",
            "platform": "Linux x86_64",
            "user_seconds": 1800.0,
            "transcript_sha256": hashlib.sha256(text.encode()).hexdigest(),
            **other,
        }
        record["record_sha256"] = records.seal(record)
        self.write(f"book/long/{label}.txt", text)
        self.write(f"book/long/{label}.json", json.dumps(record))


@pytest.fixture
def book(tmp_path: Path) -> LongBook:
    return LongBook(tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> LongBook:
    """The book in HTML and LaTeX; tests only look at it."""
    book = LongBook(tmp_path_factory.mktemp("built"))
    assert book.build("html") == []
    assert book.build("latex") == []
    return book


def test_facts_over_seeds_are_computed_from_the_sealed_records(built: LongBook) -> None:
    page = built.page("01-first/alpha")
    assert 'First <span class="fact">.20</span>' in page
    assert 'again <span class="fact">.51</span>' in page


def test_a_claim_over_seeds_has_a_mark_of_its_own(built: LongBook) -> None:
    page = built.page("01-first/alpha")
    several, one, *_ = [p.split("</span></span>")[0] for p in page.split('class="claim">')[3:]]
    assert ">✓✓</button>" in several and several.endswith("<span>3 seeds")
    assert "<code>least(loss_no_add_s - loss_s) &gt; 0</code>" in several
    assert "<span>.2 &gt; 0</span>" in several
    assert ">✓</button>" in one and one.endswith("<span>0.40 &lt; 0.5")


def test_on_paper_the_numbers_stand_in_the_margin_or_behind_the_mark(built: LongBook) -> None:
    tex = built.tex()
    assert r"\claimmark{2}\nmchecked{2}{.2 \textgreater{} 0}" in tex
    assert r"\claimmark{1}\nmcheckedhere{1}{.4 \textless{} .5}" in tex  # in a table


def test_the_first_use_says_when_it_was_recorded_and_no_other(built: LongBook) -> None:
    page = built.page("01-first/alpha")
    said = page.split("recorded once, ")
    assert len(said) == 4
    note, before = said[0][-300:], page.index("First <span")
    assert 'class="margin recorded sidebar"' in note or "margin recorded" in note
    assert page.index("recorded once") < before < page.index("loss_longer &lt;")
    assert "<em>no-add-several</em>, 3 seeds, " in said[0]
    assert said[1].startswith("10 November 2026 to 12 November 2026, 1.5 hours, CPython 3.12.1.")
    assert "<em>several</em>, 3 seeds, " in said[1]
    assert "<em>longer</em>, " in said[2] and "seeds" not in said[2].split("<em>longer</em>")[1]
    assert page.index("<em>longer</em>") > before
    assert built.tex().count("recorded once") == 3


def test_another_chapters_experiment_is_named_with_it(book: LongBook) -> None:
    book.change("book/02-second/beta.md", "# Beta\n", "# Beta\n\n{fact}`alpha:loss_longer`\n")
    assert book.build() == []
    assert "<em>alpha: longer</em>, recorded once, 10 November" in book.page("02-second/beta")


def test_a_transcript_is_of_one_seed_and_tells_its_constants(built: LongBook) -> None:
    page = built.page("01-first/alpha")
    shown = page.split("experiment several: ")[1].split("</div>\n</div>")[0]
    assert "SEED = 2" in shown.replace('<span class="pre">', "").replace("</span>", "")
    assert "loss | 0.52" in page and "Recorded once, on 12 November 2026" in page


def test_a_figure_drawn_of_a_long_run_says_so(book: LongBook) -> None:
    book.change(A, TEXT, "\n")
    assert book.build() == []
    assert "recorded once" not in book.page("01-first/alpha")
    read = {f"{LONG}--several--seed-{seed}.txt": "x" for seed in (0, 1)}
    stamp = {"learning-curves": {"key": "", "read": read, "made": {}}}
    book.write("build/figures/01-first/alpha.json", json.dumps(stamp))
    assert book.build() == []
    page = book.page("01-first/alpha")
    assert 0 < page.index("<em>several</em>, 3 seeds, recorded once") < page.index("<figure")


def test_no_doctree_holds_a_path_of_this_machine(built: LongBook) -> None:
    tree = built.root / "build/doctrees/html/01-first/alpha.doctree"
    document = pickle.loads(tree.read_bytes())
    kept = [
        node["long"] for node in document.findall() if getattr(node, "attributes", {}).get("long")
    ]
    assert kept and str(built.root) not in repr(kept)


STALE = "scripts/01-first/alpha.py is not what book/long/01-first/alpha--"
AGAIN = "; run `make long NAME=01-first/alpha`."


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda book: book.change("scripts/01-first/alpha.py", "a + b", "b + a"), STALE),
        (
            lambda book: book.change(A, "STEPS: 9", "STEPS: 8"),
            "book/01-first/alpha.md sets other constants for 'longer' than book/long/",
        ),
        (
            lambda book: (book.root / f"{LONG}--longer.txt").unlink(),
            "01-first/alpha--longer has no transcript yet",
        ),
        (lambda book: book.write(f"{LONG}--longer.txt", "loss | 0.1\n"), "not what its record vou"),
    ],
)
def test_a_record_of_something_else_is_refused_and_taken_when_it_is_mended(
    book: LongBook, change, told: str
) -> None:
    assert book.build() == []
    before = {path: path.read_text() for path in book.root.rglob("*") if path.suffix in TEXTS}
    change(book)
    said = book.build()
    assert any(told in line and "run `make long NAME=01-first/alpha`" in line for line in said)
    for path, text in before.items():
        path.write_text(text)
    assert book.build() == []


TEXTS = {".md", ".py", ".txt"}


def test_an_edit_of_a_comment_refuses_nothing(book: LongBook) -> None:
    assert book.build() == []
    book.change("scripts/01-first/alpha.py", '"""Alpha."""', '"""Alpha, told again."""')
    assert book.build() == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (":seed: 2\n", "", "the run has the seeds 0, 1, 2; :seed: must name one of them"),
        (":seed: 2\n", ":seed: 7\n", "the run has the seeds 0, 1, 2; :seed: must name one of"),
        (
            ":experiment: several\n",
            ":experiment: longer\n",
            "the run has no seeds; :seed: must name one of them, or be left out",
        ),
        (
            "mean(loss_s) | .2f",
            "loss_s",
            "{fact}`loss_s` is a number for each of the seeds 0, 1, 2; print one, as in",
        ),
        (
            "mean(loss_s) | .2f",
            "loss_s | .2f",
            "'loss_s' is a number for each of the seeds 0, 1, 2",
        ),
        (
            "least(loss_no_add_s - loss_s) > 0",
            "least(loss_no_add_s - loss_s) > 1",
            "the claim least(loss_no_add_s - loss_s) > 1 is false: .2 > 1",
        ),
    ],
)
def test_what_a_chapter_must_mend_is_a_sentence(
    book: LongBook, old: str, new: str, told: str
) -> None:
    book.change(A, old, new)
    assert any(told in line for line in book.build())


def test_which_experiments_a_figure_used() -> None:
    files = ["build/runs/01-a/x.txt", "book/long/01-a/x--e--seed-0.txt", "book/long/01-a/x--e.json"]
    assert used(files) == [("01-a/x", "e")]
    assert used([]) == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(38.4, "38 seconds"), (89, "89 seconds"), (2460, "41 minutes"), (9000, "2.5 hours")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
