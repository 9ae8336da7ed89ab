"""A chapter's header is read whole, or refused in one sentence."""

from pathlib import Path

import pytest

from recorder import header
from recorder.errors import BookError
from recorder.header import Experiment, Header

PATH = Path("/book/book/01-tier/one.md")


def parse(yaml: str) -> Header:
    return header.parse(f"---\n{yaml}\n---\n# One\n", PATH)


def test_reads_every_key() -> None:
    read = parse(
        r"""
teaches: 'how: by looking'
paper: vaswani2017attention
builds_on: [microautograd, microgpt]
terms: [causal mask, key]
headline: [val_no_mask, val]
facts:
  val: 'val (\d+\.\d+)'
experiments:
  no-mask:
    set: {CAUSAL: false, RATE: 1e-3, STEPS: 1_000, NAME: gpt, SIZES: [1, 2], NONE: null}
    facts:
      val_no_mask: 'val (?:x|y) (\d+)'
  other:
    set: {SEED: 2}
  over-seeds:
    seeds: [3, 0, 1]
    facts: {val_s: 'val (x)'}
  quick:
    seeds: [0, 1]
    set: {A: 1}
    long: false
  longer: {set: {A: 2}, long: true}
"""
    )
    values = {
        "CAUSAL": False,
        "RATE": 0.001,
        "STEPS": 1000,
        "NAME": "gpt",
        "SIZES": [1, 2],
        "NONE": None,
    }
    assert read == Header(
        facts={"val": r"val (\d+\.\d+)"},
        experiments={
            "no-mask": Experiment(values, {"val_no_mask": r"val (?:x|y) (\d+)"}),
            "other": Experiment({"SEED": 2}),
            "over-seeds": Experiment({}, {"val_s": "val (x)"}, seeds=(3, 0, 1), long=True),
            "quick": Experiment({"A": 1}, seeds=(0, 1), long=False),
            "longer": Experiment({"A": 2}, long=True),
        },
        paper="vaswani2017attention",
        teaches="how: by looking",
        builds_on=("microautograd", "microgpt"),
        terms=("causal mask", "key"),
        headline=("val_no_mask", "val"),
    )


def test_a_chapter_without_header_or_with_an_empty_one_declares_nothing(tmp_path: Path) -> None:
    path = tmp_path / "one.md"
    path.write_text("# One\n\n---\nfacts: {a: no header}\n---\n", encoding="utf-8")
    assert header.read(path) == parse("") == parse("facts:\nexperiments:") == Header()


@pytest.mark.parametrize(
    ("yaml", "sentence"),
    [
        ("facts: {a: '(x)'", "is not YAML: expected ',' or '}', but got '<stream end>' at line"),
        ("facts:\n  a: '(x)'\n  b: '(y)'\n  a: '(z)'", "'a' stands twice in the header (line 5)"),
        ("fact: {}", "an unknown key 'fact'; known are 'added', 'builds_on', 'experiments',"),
        ("- a", "the header must be a mapping of names, not ['a']"),
        ("facts: {Loss: '(x)'}", "'Loss' in facts is no name; a name there matches [a-z]"),
        ("facts: {on: '(x)'}", "'True' in facts is no name"),
        ("facts: {a: '(x'}", "'a' is no regular expression: missing ), unterminated"),
        ("facts: {a: '([[x])'}", "'a' can be read in two ways: possible nested set at position 2"),
        ("facts: {a: '(x{99999999999})'}", "'a' is no regular expression: the repetition number"),
        ("facts: {a: 12}", "'a' must be a pattern in quotes, not 12"),
        ("facts: {a: 'x'}", "'a' has 0 groups; put exactly one"),
        ("facts: {a: '(x)(y)'}", "'a' has 2 groups; put exactly one"),
        ("experiments: {no_mask: {set: {A: 1}}}", "'no_mask' in experiments is no name"),
        ("experiments: {a--b: {set: {A: 1}}}", "'a--b' in experiments is no name"),
        ("experiments: {a: {sets: {A: 1}}}", "the experiment 'a' has an unknown key 'sets'"),
        ("experiments: {a: {facts: {b: '(x)'}}}", "the experiment 'a' sets no constant"),
        ("experiments: {a: {set: {seed: 1}}}", "'seed' in 'set' of the experiment 'a' is no name"),
        ("experiments: {a: {set: {A: .inf}}}", "sets A to inf, which is no plain literal"),
        ("experiments: {a: {set: {A: -.inf}}}", "sets A to -inf, which is no plain literal"),
        ("experiments: {a: {set: {A: .nan}}}", "sets A to nan, which is no plain literal"),
        ("experiments: {a: {set: {A: [1, .inf]}}}", "to [1, inf], which is no plain literal"),
        ("experiments: {a: {set: {A: {b: [.inf]}}}}", "[inf]}, which is no plain literal"),
        ("experiments: {a: {set: {A: 2026-01-01}}}", "which is no plain literal"),
        ("experiments: {a: {set: {A: {1: 2}}}}", "which is no plain literal"),
        ("experiments: {a: {set: {A: 1}, facts: {b: 'x'}}}", "'b' has 0 groups"),
        (
            "facts: {a: '(x)'}\nexperiments: {e: {set: {A: 1}, facts: {a: '(x)'}}}",
            "the fact 'a' is defined by the main run and again by the experiment 'e'",
        ),
        (
            "experiments:\n"
            "  d: {set: {A: 1}, facts: {a: '(x)'}}\n"
            "  e: {set: {A: 1}, facts: {a: '(x)'}}",
            "the fact 'a' is defined by the experiment 'd' and again by the experiment 'e'",
        ),
        (
            "experiments: {e: {set: {A: 1}, seeds: 4}}",
            "'seeds' of the experiment 'e' must be a list of numbers, [0, 1, 2, 3], not 4",
        ),
        ("experiments: {e: {seeds: [1, two]}}", "must be a list of numbers"),
        ("experiments: {e: {seeds: [1, true]}}", "must be a list of numbers"),
        ("experiments: {e: {seeds: [1, 0.5]}}", "must be a list of numbers"),
        ("experiments: {e: {seeds: [1, -1]}}", "must be a list of numbers"),
        (
            "experiments: {e: {seeds: [1]}}",
            "'seeds' of the experiment 'e' must be two or more, each once, not [1]",
        ),
        ("experiments: {e: {seeds: [1, 2, 1]}}", "two or more, each once, not [1, 2, 1]"),
        ("experiments: {e: {seeds: []}}", "two or more, each once, not []"),
        (
            "experiments: {e: {set: {SEED: 1}, seeds: [0, 1]}}",
            "the experiment 'e' sets SEED and has seeds; take SEED out of its 'set'",
        ),
        ("experiments: {e: {long: true}}", "the experiment 'e' sets no constant; give it set: {N"),
        (
            "experiments: {e: {set: {A: 1}, long: hours}}",
            "'long' of the experiment 'e' must be true or false, not 'hours'",
        ),
        (
            "headline: [b]\nexperiments: {e: {seeds: [0, 1], long: false, facts: {b: '(x)'}}}",
            "'headline' names 'b' of the experiment 'e', which is long or has seeds of its own",
        ),
        (
            "headline: [b]\nexperiments: {e: {set: {A: 1}, long: true, facts: {b: '(x)'}}}",
            "'headline' names 'b' of the experiment 'e', which is long or has seeds of its own",
        ),
        ("added: 3", "'added' must be a day such as 2026-11-22, not 3"),
        ("teaches: [much]", "'teaches' must be one line in quotes, not ['much']"),
        ("builds_on: microgpt", "'builds_on' must be a list, [one, another], not 'microgpt'"),
        ("builds_on: [01-tier/two]", "'01-tier/two' in 'builds_on' is no name"),
        ("builds_on: [two, two]", "'two' stands twice in 'builds_on'"),
        ("terms: [key, 3]", "3 in 'terms' is no name"),
        ("headline: [loss]", "'headline' names 'loss', which is no fact of this header"),
        ("paper: [a, b]", "'paper' must be one key of references.bib"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(yaml: str, sentence: str) -> None:
    with pytest.raises(BookError) as error:
        parse(yaml)
    said = str(error.value)
    assert said.startswith("book/01-tier/one.md: ")
    assert sentence in said
    assert said.endswith(".") and "\n" not in said


def test_a_header_that_is_never_closed_is_an_error() -> None:
    with pytest.raises(BookError, match="the header is never closed"):
        header.parse("---\nfacts: {}\n# One\n", PATH)
