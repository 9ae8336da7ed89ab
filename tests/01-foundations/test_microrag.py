"""Properties of microrag: BM25 against bm25s, the reader against JAX and finite differences."""

import random
import re
from math import log
from pathlib import Path

import bm25s
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

jax.config.update("jax_enable_x64", True)

QUESTION = ["what", "is", "the", "capital", "of", "Papua", "New", "Guinea", "?"]
PASSAGE = ["Papua", "New", "Guinea", ".", "Port", "Moresby", "is", "its", "capital", "."]
PASSAGE += ["people", "in", "it", "speak", "English", "."]
ANSWER = ["Port", "Moresby"]
SIZES = {"common": ["is", "its", "capital", "people", "in"], "facts": ["English", "Port", "gold"]}


@pytest.fixture
def reader(script, monkeypatch):
    monkeypatch.setattr(script, "WIDTH", 5)
    random.seed(3)
    return script.Reader([SIZES["common"], ["what", "capital", "Papua"], SIZES["facts"]])


@pytest.fixture(scope="module")
def encyclopedia(script):
    random.seed(0)
    countries = script.read()
    return countries, {name: script.write(name, countries[name]) for name in countries}


def gradient(script, reader):
    for row in reader.table.values():
        row.grad = None
    random.seed(4)
    loss = script.learn(reader, QUESTION, PASSAGE, ANSWER, 1.0)
    zero = [[0.0] * script.WIDTH]
    return loss, np.array([(row.grad or zero)[0] for row in reader.table.values()])


def loss_by_jax(script, reader, table):
    """The loss written from the formulas, from its own bags, with whole arrays."""
    number = {key: i for i, key in enumerate(reader.table)}
    text = QUESTION + PASSAGE

    def rows(role, word, both=False):
        kind = "<0>" if word[0].isdigit() else "<xx>" if word.islower() else "<Xx>"
        shape = number[role, word if word == "<edge>" else kind]
        own = number.get((role, word), shape)
        return sorted({shape, own}) if both else [own]

    padded = ["<edge>", "<edge>", *text, "<edge>", "<edge>"]
    bags = [[number["say", word]] for word in ["<stop>", *SIZES["facts"]]]
    bags += [[rows(o, padded[j + o])[0] for o in range(5)] for j in range(len(text))]
    options = jnp.stack([jnp.tanh(table[jnp.array(bag)].sum(0)) for bag in bags])
    losses = []
    copies = len(SIZES["facts"]) + 1  # options before these are said
    port = text.index("Port")
    right = [[2, copies + port], [copies + port + 1], [0]]
    for said, last, a in zip(["<edge>", *ANSWER], [-1, port, port + 1], right, strict=True):
        bag = [r for word in QUESTION for r in rows("asked", word, True)]
        follows = text[last + 1] if last >= 0 else "<edge>"
        bag += rows("last", said, True) + rows("next", follows)
        z = options @ jnp.tanh(table[jnp.array(bag)].sum(0))
        losses.append(jax.nn.logsumexp(z) - jax.nn.logsumexp(z[jnp.array(a)]))
    return jnp.stack(losses).mean()


def test_loss_and_gradient_equal_jax(script, reader):
    loss, grad = gradient(script, reader)
    table = jnp.array([row.value[0] for row in reader.table.values()])
    expected, theirs = jax.value_and_grad(lambda t: loss_by_jax(script, reader, t))(table)
    assert abs(loss - float(expected)) < 1e-10
    assert np.abs(grad - np.array(theirs)).max() < 1e-10 and np.abs(grad).max() > 1e-3


def test_gradient_by_finite_differences(script, reader):
    _, grad = gradient(script, reader)
    rng, rows = random.Random(5), list(reader.table.values())
    used = [r for r in range(len(grad)) if grad[r].any()]
    for r in rng.sample(used, 25):
        c, ends = rng.randrange(script.WIDTH), []
        for step in (1e-6, -1e-6):
            rows[r].value[0][c] += step
            ends.append(script.learn(reader, QUESTION, PASSAGE, ANSWER, 0))
            rows[r].value[0][c] -= step
        assert grad[r][c] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-7)


def test_a_bag_passes_its_gradient_to_every_row(script, reader):
    a, b, _ = list(reader.table.values())[:3]
    out = script.encode([[a, b, b]])
    script.pull([[a, b, b]], out, [[1.0] * script.WIDTH])
    slope = 1 - np.array(out[0]) ** 2
    assert np.allclose(a.grad, [slope]) and np.allclose(b.grad, [2 * slope])
    script.Adam([a, b]).step(0.1)
    assert a.grad is None and b.grad is None


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.data())
def test_slopes_sum_to_zero(script, scores, data):
    p = script.choices([1.0], [[z] for z in scores])
    assert sum(p) == pytest.approx(1)
    n = data.draw(st.integers(1, len(p)))
    mass = sum(p[:n])
    assert sum(v - (v / mass if a < n else 0) for a, v in enumerate(p)) == pytest.approx(0)


def test_bm25_equals_bm25s(script, encyclopedia):
    countries, passages = encyclopedia
    index, names = script.Index(passages), list(passages)
    theirs = bm25s.BM25(method="lucene", k1=script.K1, b=script.B, dtype="float64")
    corpus = [script.terms(passages[n]) for n in names]
    theirs.index(corpus, show_progress=False)
    known = set().union(*corpus)
    for name in names[::5]:
        for kind in countries[name]:
            question = script.ask(name, kind, [0])
            asked = [t for t in script.terms(question) if t in known]
            ours = index.bm25(question)
            assert np.allclose([ours[n] for n in names], theirs.get_scores(asked), atol=1e-9)


def test_the_default_of_bm25s_is_not_ours(script):
    assert (bm25s.BM25(method="lucene").k1, script.K1) == (1.5, 1.2)


@settings(max_examples=50)
@given(st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=6), min_size=1, max_size=6))
def test_what_bm25_promises(script, texts):
    index = script.Index(dict(enumerate(texts)))
    for term in "bcde":
        assert index.idf(term) > 0
        for key, score in index.bm25([term]).items():
            assert term in texts[key] and 0 < score < index.idf(term)


def test_the_pencil(script):
    index = script.Index({"A": ["chad", "niger"], "B": ["chad", "chad", "lake"], "C": ["fiji"]})
    assert index.idf("chad") == pytest.approx(log(1.6))
    assert index.bm25(["chad"])["A"] == pytest.approx(0.214, abs=5e-4)
    assert index.bm25(["chad"])["B"] == pytest.approx(0.258, abs=5e-4)
    assert index.first(["chad"]) == "B" and index.first(["unheard"]) == ""


def test_the_pencil_of_the_reader(script, reader):
    a, b, *_ = reader.table.values()
    a.value, b.value = [[1.0, 0.0]], [[0.0, 1.0]]
    [query] = script.encode([[a, b]])
    assert query == pytest.approx([0.76, 0.76], abs=5e-3)
    p = script.choices(query, [[1, 1], [1, 0], [0, 0]])
    assert p == pytest.approx([0.59, 0.28, 0.13], abs=5e-3)
    assert -log(p[0] + p[1]) == pytest.approx(0.14, abs=5e-3)


def test_lead_finds_both_memories_and_follows_a_name(script, reader):
    text = QUESTION + PASSAGE
    names = [*reader.said, *text]
    for answer in (ANSWER, ["Papua", "New", "Guinea"], ["gold"]):
        for seed in range(5):
            random.seed(seed)
            steps = script.lead(reader, text, answer)
            for word, (right, _) in zip([*answer, "<stop>"], steps, strict=True):
                assert [names[a] for a in right] == [word] * names.count(word)
            led = [last for _, last in steps]
            assert led[0] == -1
            if len(answer) == 3:  # New follows Papua, Guinea New, in the text that was chosen
                assert led[1] in (5, 9) and led[2:] == [led[1] + 1, led[1] + 2]


def test_windows_see_rare_words_as_shapes_and_questions_see_the_words(script, reader):
    def window(word):
        return reader.rows(0, word)

    assert window("Sanaa") == window("Suva") != window("salt") != window("2,182")
    assert window("Sanaa") != window("is")
    papua, fiji = (reader.rows("asked", word, both=True) for word in ("Papua", "Fiji"))
    assert papua[0] is fiji[0] and len(papua) == 2 and len(fiji) == 1


def test_a_reader_that_copies_follows_an_edit_and_one_that_recites_does_not(
    script, reader, monkeypatch
):
    monkeypatch.setattr(script, "WIDTH", 12)
    random.seed(1)
    edited = ["Santa" if w == "Port" else "Clara" if w == "Moresby" else w for w in PASSAGE]
    answers = {}
    for label, passage, facts in (("copies", PASSAGE, []), ("recites", [], ANSWER)):
        learner = script.Reader([SIZES["common"], ["what", "capital", "Papua"], facts])
        optimizer = script.Adam(list(learner.table.values()))
        for _ in range(120):
            script.learn(learner, QUESTION, passage, ANSWER, 1.0)
            optimizer.step(0.03)
        answers[label] = [learner.answer(QUESTION, text) for text in (passage, edited)]
    assert answers["copies"] == ["Port Moresby", "Santa Clara"]
    assert answers["recites"] == ["Port Moresby", "Port Moresby"]


def test_facts_stand_in_their_passages_and_are_true(script, encyclopedia):
    countries, passages = encyclopedia
    for name, facts in countries.items():
        text = f" {' '.join(passages[name])} "
        assert all(f" {fact} " in text for fact in [name, *facts.values()]), name
    assert countries["France"]["neighbour"] == "Brazil"  # the longest border
    assert countries["Greenland"].get("crop") is None
    for name, facts in countries.items():
        if other := facts.get("neighbour"):
            assert "neighbour" in countries[other], (name, other)


def test_the_lookup_answers_every_taught_wording(script, encyclopedia):
    countries, passages = encyclopedia
    names = sorted(countries)
    random.seed(2)
    random.shuffle(names)
    lookup = script.Lookup(script.cases(countries, names[:40]), passages)
    held = script.cases(countries, names[40:80])
    said = [lookup.answer(script.ask(name, kind), passages[name]) for name, kind, _ in held]
    assert np.mean([text == fact for text, (*_, fact) in zip(said, held, strict=True)]) > 0.99
    assert lookup.answer(QUESTION, []) == ""


def test_edits_differ_from_the_truth(script, encyclopedia):
    countries, _ = encyclopedia
    changed = script.edit(countries, list(countries)[:40])
    for name, facts in changed.items():
        assert facts.keys() == countries[name].keys()
        for kind, fact in facts.items():
            assert fact not in (countries[name][kind], name)
            assert any(other.get(kind) == fact for other in countries.values())


def test_measures_compare_with_the_truth(script, capsys):
    class Parrot:
        def answer(self, question, passage):
            return passage

    cases = [("Fiji", "crop", "copra"), ("Chad", "capital", "N'Djamena")]
    other = [("Fiji", "crop", "tea"), ("Chad", "capital", "N'Djamena")]
    given = ["copra", "N'Djamena"]
    script.measure("x", {"parrot": Parrot()}, [[], []], given, true=cases, edited=other)
    out = capsys.readouterr().out
    assert re.search(r"true +\| 100.0% \| 100   0   0   0 100   0", out)
    assert re.search(r"edited \|  50.0% \| 100   0   0   0   0   0", out)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("TAUGHT", 0, "must be at least 1"),
        ("BATCH", 0, "must be at least 1"),
        ("READERS", {}, "the READERS must be at least 1"),
        ("TAUGHT", 230, "together at most 239"),
    ],
)
def test_settings_that_leave_nothing_get_one_sentence(script, monkeypatch, name, value, sentence):
    monkeypatch.setattr(script, name, value)
    with pytest.raises(SystemExit, match=sentence):
        script.main()


@pytest.mark.parametrize(
    "values",
    [
        {"PASSES": 0},
        {"WIDTH": 0},
        {"WINDOW": 0, "COMMON": 0},
        {"WARM_UP": 0, "RATE": 0.0, "K1": 0, "B": 0},
        {"BATCH": 100, "TAUGHT": 1, "HELD_OUT": 1, "WRONG": 1.0},
    ],
)
def test_small_and_zero_settings_end_well(script, monkeypatch, capsys, values):
    for name, value in ({"TAUGHT": 2, "HELD_OUT": 2, "PASSES": 1, "WIDTH": 2} | values).items():
        monkeypatch.setattr(script, name, value)
    script.main()
    assert "held, edited" in capsys.readouterr().out


def test_the_code_of_the_solutions_is_right(script, encyclopedia):
    name = "book/back/solutions/microrag.md"
    text = (Path(__file__).resolve().parents[2] / name).read_text(encoding="utf-8")
    names = dict(vars(script))
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 7
    for number, block in enumerate(blocks):
        exec(block, vars(script) if "before" in block else names)
        assert number != 4 or names["reader"]
    countries, _ = encyclopedia
    cut = " ".join(names["without"](countries, "Bangladesh", "language"))
    assert "Bangla " not in cut and cut.startswith("Bangladesh . ") and cut.count(" .") == 6
