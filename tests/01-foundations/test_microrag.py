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
SENTENCE = ["the", "capital", "of", "Papua", "New", "Guinea", "is", "Port", "Moresby"]


@pytest.fixture
def reader(script, monkeypatch):
    monkeypatch.setattr(script, "COMMON", 1)
    monkeypatch.setattr(script, "WIDTH", 5)
    random.seed(3)
    return script.Reader([["what", "capital", "its", "people", "in", "English"]])


@pytest.fixture(scope="module")
def encyclopedia(script):
    random.seed(0)
    countries = script.read()
    plans = {
        n: [(k, random.randrange(3)) for k in random.sample(list(script.FIELDS), 6)]
        for n in sorted(countries)
    }
    return countries, {n: script.write(n, countries[n], plans[n]) for n in plans}


def gradient(script, reader):
    reader.grad = [[0.0] * script.WIDTH for _ in reader.value]
    random.seed(4)
    loss = script.learn(reader, QUESTION, PASSAGE, SENTENCE, 1.0)
    return loss, np.array(reader.grad)


def loss_by_jax(script, reader, table, logits=False):
    """The loss written from the formulas, from its own bags, with whole arrays."""
    size, text = len(reader.id), QUESTION + PASSAGE

    def row(role, word):
        kind = "<0>" if word[0].isdigit() else "<Xx>" if word[0].isupper() else "<xx>"
        return role * size + reader.id.get(word, reader.id.get(kind))

    padded = ["<edge>", "<edge>", *text, "<edge>", "<edge>"]
    part = 9 * size
    bags = [[part + 2 + i] for i in range(len(script.SAID))]
    bags += [[row(o, padded[j + o]) for o in range(5)] + [part + (j >= len(QUESTION))]
             for j in range(len(text))]  # fmt: skip
    options = jnp.stack([jnp.tanh(table[jnp.array(b)].sum(0)) for b in bags])
    random.seed(4)
    losses, scores = [], []
    for i, (right, last) in enumerate(script.lead(text, SENTENCE)):
        said = SENTENCE[:i]
        bag = [row(5, w) for w in QUESTION] + [row(6, w) for w in said]
        bag += [row(7, said[-1] if said else "<edge>"), row(8, [*text, "<edge>"][last + 1])]
        z = options @ jnp.tanh(table[jnp.array(bag)].sum(0))
        scores.append(z)
        losses.append(jax.nn.logsumexp(z) - jax.nn.logsumexp(z[jnp.array(right)]))
    return jnp.stack(scores) if logits else jnp.stack(losses).mean()


def test_loss_logits_and_gradient_equal_jax(script, reader):
    loss, grad = gradient(script, reader)
    table = jnp.array(reader.value)
    expected, theirs = jax.value_and_grad(lambda t: loss_by_jax(script, reader, t))(table)
    assert abs(loss - float(expected)) < 1e-10
    assert np.abs(grad - np.array(theirs)).max() < 1e-10
    options = reader.encode(reader.options(QUESTION, PASSAGE))
    query = reader.encode([reader.state(QUESTION, QUESTION + PASSAGE, [], -1)])[0]
    first = np.array(options) @ np.array(query)
    ours = np.exp(first) / np.exp(first).sum()
    assert np.allclose(script.choices(query, options), ours)
    assert np.allclose(loss_by_jax(script, reader, table, logits=True)[0], first)


def test_gradient_by_finite_differences(script, reader):
    _, grad = gradient(script, reader)
    rng = random.Random(5)
    used = [r for r in range(len(grad)) if grad[r].any()]
    for r in rng.sample(used, 25) + [0]:
        c, ends = rng.randrange(script.WIDTH), []
        for step in (1e-6, -1e-6):
            reader.value[r][c] += step
            random.seed(4)
            ends.append(script.learn(reader, QUESTION, PASSAGE, SENTENCE, 0))
            reader.value[r][c] -= step
        assert grad[r][c] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-7)


def test_a_bag_passes_its_gradient_to_every_row(script, reader):
    reader.grad = [[0.0] * script.WIDTH for _ in range(3)]
    bags = [[0, 2, 2]]
    out = reader.encode(bags)
    reader.pull(bags, out, [[1.0] * script.WIDTH])
    slope = 1 - np.array(out[0]) ** 2
    assert np.allclose(reader.grad, [slope, 0 * slope, 2 * slope])


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
            question = script.ask(name, kind, 0)
            asked = [t for t in script.terms(question) if t in known]
            expected = theirs.get_scores(asked)
            ours = index.bm25(question)
            assert np.allclose([ours[n] for n in names], expected, atol=1e-9)


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
    assert index.bm25(["chad"])["A"] == pytest.approx(log(1.6) / 2.2)
    assert index.bm25(["chad"])["B"] == pytest.approx(log(1.6) * 2 / 3.65)
    both = index.bm25(["chad", "niger"])
    assert [both["A"], both["B"]] == pytest.approx([0.659, 0.258], abs=5e-4)
    assert index.first(["chad", "niger"]) == "A" and index.first(["unheard"]) == ""


def test_lead_finds_every_place_and_follows_a_name(script):
    text = QUESTION + PASSAGE
    steps = script.lead(text, SENTENCE)
    for word, (right, _) in zip([*SENTENCE, "<stop>"], steps, strict=True):
        names = [*script.SAID, *text]
        assert {names[a] for a in right} == {word}
    for seed in range(10):
        random.seed(seed)
        led = [last for _, last in script.lead(text, SENTENCE)]
        assert [led[5] - led[4], led[6] - led[5]] == [1, 1]  # New follows Papua, Guinea New
    assert steps[-1][0] == [0]


def test_rare_words_look_alike(script, reader):
    assert reader.rows(0, ["Sanaa"]) == reader.rows(0, ["Suva"])
    assert reader.rows(0, ["Sanaa"]) != reader.rows(0, ["salt"]) != reader.rows(0, ["2,182"])
    assert reader.rows(0, ["English"]) != reader.rows(0, ["Suva"])


def test_it_learns_to_copy_and_follows_an_edit(script, reader, monkeypatch):
    monkeypatch.setattr(script, "WIDTH", 12)
    reader.value = [[random.gauss(0, 0.3) for _ in range(12)] for _ in reader.value]
    optimizer = script.Adam([reader])
    for _ in range(120):
        gradient_of = [[0.0] * script.WIDTH for _ in reader.value]
        reader.grad = gradient_of
        script.learn(reader, QUESTION, PASSAGE, SENTENCE, 1.0)
        optimizer.step(0.03)

    def say(passage):
        return [word for word, *_ in script.reply(reader, QUESTION, passage)]

    assert say(PASSAGE) == SENTENCE
    edited = ["Santa" if w == "Port" else "Clara" if w == "Moresby" else w for w in PASSAGE]
    assert say(edited) == [*SENTENCE[:-2], "Santa", "Clara"]


def test_facts_stand_in_their_passages(script, encyclopedia):
    countries, passages = encyclopedia
    for name, facts in countries.items():
        for fact in [name, *facts.values()]:
            assert script.words(fact) and fact in " ".join(passages[name]), (name, fact)


def test_measures_compare_with_the_truth(script, capsys):
    cases = [("Fiji", "crop", "copra"), ("Chad", "capital", "N'Djamena")]
    script.compare("x", ["a crop of Fiji is copra", "the crop of Chad is N'Djamena"], cases)
    assert re.search(r"sentence +50.0% \| fact 100.0%", capsys.readouterr().out)
    script.compare("x", [script.answer(*c) for c in reversed(cases)], cases)
    assert re.search(r"sentence +0.0% \| fact +0.0%", capsys.readouterr().out)


def test_other_passages_are_others_and_edited_ones_are_edited(script, encyclopedia, monkeypatch):
    countries, passages = encyclopedia
    names = sorted(countries)[:12]
    few = {n: passages[n] for n in names}
    held = [(n, *fact) for n in names for fact in countries[n].items()]
    known = {k: [f[k] for f in countries.values() if k in f] for k in script.FIELDS}
    seen = []

    def respond(reader, questions, texts):
        seen.append(texts)
        return [""] * len(texts)

    plans = {name: [(kind, 1) for kind in script.FIELDS] for name in names}

    monkeypatch.setattr(script, "respond", respond)
    script.measure_answers(None, held, few, known)
    assert seen[1] == [few[n] for n, *_ in held]
    assert all(text != few[n] for (n, *_), text in zip(held, seen[2], strict=True))
    assert not any(seen[3])
    seen.clear()
    originals = {n: script.write(n, countries[n], plans[n]) for n in names}
    script.edit_the_index(None, held, originals, known, countries, plans)
    assert not any(text in originals.values() for text in seen[0])
    for (name, *_), text in zip(held, seen[1], strict=False):
        assert len(text) < len(originals[name])


def test_the_code_of_the_solutions_is_right(script):
    name = "book/back/solutions/microrag.md"
    text = (Path(__file__).resolve().parents[2] / name).read_text(encoding="utf-8")
    names = dict(vars(script))
    names["SAID"] = list(script.SAID)
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 5
    exec(blocks[0], names)
    exec(blocks[1], names)
    exec(blocks[2], vars(script))
    exec(blocks[3], names)
    exec(blocks[4], names)
    cut = names["cut_out"](PASSAGE, "Moresby")
    assert "Moresby" not in cut and "English" in cut
