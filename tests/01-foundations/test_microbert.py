"""Properties of microbert: holes, both sides, trying letters, labels; against JAX and by hand."""

import random
import re
from math import exp, log
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

jax.config.update("jax_enable_x64", True)

WORDS = ["ada", "ana", "anna", "eva"]


@pytest.fixture(autouse=True)
def empty_tape(script):
    """Every test starts with nothing recorded and ends so."""
    script.TAPE.clear()
    yield
    assert script.TAPE == []


def names_of(script, words):
    train = [(script.spell(word), word in ("ada", "eva")) for word in words]
    return SimpleNamespace(symbols=script.SYMBOLS, longest=9, train=train, held_out=train)


@pytest.fixture
def names(script, monkeypatch):
    monkeypatch.setattr(script, "WIDTH", 6)
    monkeypatch.setattr(script, "HIDDEN", 5)
    random.seed(3)
    return names_of(script, WORDS)


def logits_by_jax(script, parameters, ids, causal):
    """All logits of one sequence, written from the formulas with whole matrices."""
    tokens, positions, head, query, key, value, output, up, down = parameters
    n = len(ids)
    x = tokens[jnp.array(ids)] + positions[:n]

    def norm(x):
        return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-5)

    mask = jnp.tril(jnp.ones((n, n), bool)) if causal else jnp.ones((n, n), bool)
    heads = []
    for q, k, v in zip(*(jnp.split(norm(x) @ w.T, script.HEADS, 1) for w in (query, key, value)),
                       strict=True):  # fmt: skip
        scores = jnp.where(mask, q @ k.T / q.shape[1] ** 0.5, -jnp.inf)
        heads.append(jax.nn.softmax(scores) @ v)
    x = x + jnp.concatenate(heads, 1) @ output.T
    x = x + jax.nn.relu(norm(x) @ up.T) @ down.T
    return norm(x) @ head.T


def mean_loss(script, parameters, asked, causal):
    """Of pairs (ids, {row: symbol})."""
    losses = []
    for ids, answers in asked:
        logits = jax.nn.log_softmax(logits_by_jax(script, parameters, ids, causal))
        losses += [-logits[row, symbol] for row, symbol in answers.items()]
    return jnp.stack(losses).mean()


def batch_and_answers(script, names, kind, monkeypatch):
    """A loss of the script, and what JAX has to ask for the same."""
    batch = names.train
    if kind == "labels":
        return script.label_loss(script.Reader(names, False), batch), None
    if kind == "causal":
        answers = [(ids[:-1], dict(enumerate(ids[1:]))) for ids, _ in batch]
        return script.next_loss, answers
    holed = {tuple(ids): script.hide(ids, 0.6) for ids, _ in batch}
    monkeypatch.setattr(script, "hide", lambda ids, share: holed[tuple(ids)])
    answers = [(shown, {i: ids[i] for i in where})
               for ids, (shown, where) in zip(holed, holed.values(), strict=True)]  # fmt: skip
    return script.hidden_loss, answers


@pytest.mark.parametrize("kind", ["masked", "left", "causal"])
def test_losses_and_all_gradients_equal_jax(script, names, monkeypatch, kind):
    model = script.Reader(names, causal=kind != "masked")
    loss, answers = batch_and_answers(script, names, kind, monkeypatch)
    parameters = [jnp.array(node.value) for node in model.parameters]
    out = loss(model, names.train)
    script.backward(out)
    expected, gradients = jax.value_and_grad(
        lambda p: mean_loss(script, p, answers, kind != "masked")
    )(parameters)
    assert out.value[0][0] == pytest.approx(float(expected), abs=1e-9)
    for node, gradient in zip(model.parameters, gradients, strict=True):
        assert np.abs(np.array(node.grad) - np.array(gradient)).max() < 1e-9


@pytest.mark.parametrize("kind", ["masked", "labels"])
def test_gradients_equal_finite_differences(script, names, monkeypatch, kind):
    model = script.Reader(names, causal=False)
    if kind == "labels":
        model.head = script.Node([[0.3, -0.2, 0.1, 0.5, -0.4, 0.2], [0.1] * 6])
        model.parameters[2] = model.head
        loss = script.label_loss
    else:
        loss, _ = batch_and_answers(script, names, kind, monkeypatch)

    def value():
        out = loss(model, names.train).value[0][0]
        script.TAPE.clear()
        return out

    script.backward(loss(model, names.train))
    for node in model.parameters:
        row, column = max(range(len(node.value)), key=lambda i: sum(map(abs, node.grad[i]))), 2
        kept, found = node.value[row], node.grad[row][column]
        ends = []
        for step in (1e-5, -1e-5):
            node.value[row] = [v + step * (j == column) for j, v in enumerate(kept)]
            ends.append(value())
        node.value[row] = kept
        assert found == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-7)


@given(st.text("abcxyz", min_size=1, max_size=13), st.floats(0, 1), st.integers(0, 99))
def test_holes_are_letters_and_one_at_least(script, word, share, seed):
    random.seed(seed)
    ids = script.spell(word)
    shown, where = script.hide(ids, share)
    assert 1 <= len(where) <= len(word) and where == sorted(set(where))
    assert max(1, int(share * len(word))) <= len(where) <= int(share * len(word)) + 1
    hole = script.SYMBOLS.index(script.HOLE)
    assert [i for i, s in enumerate(shown) if s == hole] == where
    assert all(a == b for i, (a, b) in enumerate(zip(shown, ids, strict=True)) if i not in where)
    assert shown[0] == shown[-1] == 0


def test_the_share_is_right_on_average(script):
    random.seed(0)
    ids = script.spell("robert")
    holes = [len(script.hide(ids, 0.4)[1]) for _ in range(4000)]
    assert np.mean(holes) == pytest.approx(2.4, abs=0.03) and set(holes) == {2, 3}


def test_a_hole_hides_its_letter_and_shows_the_rest(script, names):
    """A hole's row hears every other letter, those to the right only if it may."""
    for causal in (False, True):
        fill = script.masked_fill(script.Reader(names, causal))
        ids = script.spell("anna")
        before = fill(ids, 2)
        assert sum(before) == pytest.approx(1)
        changed = [fill([*ids[:i], 7, *ids[i + 1 :]], 2) != before for i in range(1, 5)]
        assert changed == [True, False, not causal, not causal]


def test_the_pencil_example(script, monkeypatch):
    """Four names, the hole in a_a, three ways; then that of an_a."""
    monkeypatch.setattr(script, "DISCOUNT", 0)
    names = names_of(script, WORDS)
    expected = {
        ("ana", 2): ({"n": 2 / 3, "d": 1 / 3}, {"n": 1 / 2, "d": 1 / 2}, {"n": 4 / 7, "d": 3 / 7}),
        ("anna", 3): ({"a": 2 / 3, "n": 1 / 3}, {"n": 1}, {"n": 1}),
    }
    monkeypatch.setattr(script, "log", lambda x: log(x) if x else -1e9)
    for (word, i), answers in expected.items():
        fills = (script.counted(names, script.left, 1), script.counted(names, script.both, 2),
                 script.trying(script.counted_on(names, 1)))  # fmt: skip
        for fill, answer in zip(fills, answers, strict=True):
            row = fill(script.spell(word), i)
            for letter in script.LETTERS:
                assert row[letter - 1] == pytest.approx(answer.get(script.SYMBOLS[letter], 0))


@pytest.mark.parametrize("who", ["counts", "network"])
def test_trying_is_bayes_over_whole_names(script, names, who):
    """The factors before the hole, left out by the script, change nothing."""
    if who == "counts":
        chances = script.counted_on(names, 2)
    else:
        chances = script.read_on(script.Reader(names, causal=True))
    fill = script.trying(chances)
    for word, i in (("anna", 1), ("anna", 3), ("eva", 2), ("x", 1)):
        ids = script.spell(word)
        whole = chances([ids[:i] + [c] + ids[i + 1 :] for c in script.LETTERS], 1)
        odds = [exp(score) for score in whole]
        assert fill(ids, i) == pytest.approx([odd / sum(odds) for odd in odds])
        assert sum(fill(ids, i)) == pytest.approx(1)


def test_a_network_reads_on_as_it_was_trained(script, names):
    """The log chances of whole names are the loss of training, summed."""
    model = script.Reader(names, causal=True)
    total = sum(script.read_on(model)([ids], 1)[0] for ids, _ in names.train)
    loss = script.next_loss(model, names.train).value[0][0]
    script.TAPE.clear()
    assert -total == pytest.approx(loss * sum(len(ids) - 1 for ids, _ in names.train))


def test_counts_sum_to_one_on_both_sides(script):
    random.seed(0)
    names = script.Names()
    names.train = names.train[:300]
    for view in (script.left, script.both):
        for longest in (1, 2, 4):
            fill = script.counted(names, view, longest)
            for ids, _ in names.held_out[:20]:
                row = fill(ids, 1)
                assert sum(row) == pytest.approx(1) and min(row) > 0


def test_no_view_sees_the_hole(script):
    ids = script.spell("robert")
    for view in (script.left, script.both):
        for i in range(1, 7):
            assert view(ids, i) == view([*ids[:i], 9, *ids[i + 1 :]], i)


def test_a_sparse_network_is_asked_as_rarely(script, names, monkeypatch):
    asked = []
    monkeypatch.setattr(script, "cross_entropy", lambda logits, targets: asked.append(len(targets)))
    model = script.Reader(names, causal=True)
    script.next_loss(model, names.train)
    script.next_loss(model, names.train, 0.4)
    script.TAPE.clear()
    assert asked == [17, 6]


def test_votes_follow_the_gradient(script, monkeypatch):
    """One step on one name is that against the slope of -log p, by differences."""
    monkeypatch.setattr(script, "PASSES", 1)
    for girl in (True, False):
        ids = script.spell("eva")
        guess = script.learn_votes([(ids, girl)])
        assert guess(ids) == girl
    votes = dict.fromkeys(script.pieces(ids), 0.1)

    def cost(extra):
        z = script.vote(votes, ids) + extra
        return log(1 + exp(-z))

    slope = (cost(1e-6) - cost(-1e-6)) / 2e-6
    assert -slope == pytest.approx(1 - script.softmax([0.0, script.vote(votes, ids)])[1], abs=1e-8)


def test_the_last_letter_decides(script):
    labelled = [(script.spell(w), g) for w, g in (("eva", True), ("ada", True), ("luca", False),
                                                  ("tom", False))]  # fmt: skip
    guess = script.learn_last(labelled)
    assert guess(script.spell("nora")) and not guess(script.spell("sam"))


def test_votes_agree_with_a_regression_by_jax(script, monkeypatch):
    """Many passes come near the weights of full gradient descent on the same cost."""
    monkeypatch.setattr(script, "PASSES", 400)
    monkeypatch.setattr(script, "VOTE_RATE", 0.02)
    monkeypatch.setattr(script, "PIECES", 1)
    words = [("ab", True), ("ac", True), ("a", False), ("bc", False), ("abc", True), ("b", True)]
    labelled = [(script.spell(word), girl) for word, girl in words]
    kinds = sorted(set.union(*(script.pieces(ids) for ids, _ in labelled)))
    x = jnp.array([[float(k in script.pieces(ids)) for k in kinds] for ids, _ in labelled])
    y = jnp.array([float(girl) for _, girl in labelled])

    def cost(w):
        z = x @ w
        return jnp.sum(jnp.logaddexp(0, z) - y * z)

    w, slope = jnp.zeros(len(kinds)), jax.jit(jax.grad(cost))
    for _ in range(400):
        w = w - 0.02 * slope(w)
    kept = {}
    monkeypatch.setattr(script, "vote", lambda votes, ids: kept.update(votes) or sum(
        votes[piece] for piece in script.pieces(ids)))  # fmt: skip
    random.seed(0)
    script.learn_votes(labelled)(labelled[0][0])
    assert np.array([kept[k] for k in kinds]) == pytest.approx(np.array(w), abs=0.03)


def test_tuning_leaves_the_network_as_it_was(script, names, monkeypatch):
    monkeypatch.setattr(script, "TUNE_STEPS", 60)
    model = script.Reader(names, causal=True)
    before = [list(node.value) for node in model.parameters]
    tuned = script.tune(model, names.train)
    assert before == [node.value for node in model.parameters]
    assert script.sorted_right(tuned, names) == 1 and len(tuned.head.value) == 2
    assert tuned.parameters[2] is tuned.head


def test_what_is_held_out_has_no_kin(script):
    random.seed(0)
    names = script.Names()
    assert len(names.held_out) == script.HELD_OUT
    sides = [{tuple(ids[1:5]) for ids, _ in part if len(ids) > 5}
             for part in (names.train, names.held_out)]  # fmt: skip
    assert not sides[0] & sides[1]
    assert all(len(ids) <= names.longest and ids[0] == ids[-1] == 0
               for ids, _ in names.train + names.held_out)  # fmt: skip


SENTENCE = "a setting is below 1, HEADS does not divide WIDTH, SHARE is not from 0 to 1"


@pytest.mark.parametrize(
    "setting",
    [("HEADS", 3), ("HEADS", 0), ("BATCH", 0), ("CLUES", 0), ("DRAWS", 0), ("WIDTH", 0),
     ("LABELS", [0]), ("LABELS", [1500]), ("SHARE", 1.1), ("HOLES", 0), ("HELD_OUT", 100),
     ("HELD_OUT", 5000), ("NETWORKS", ["right"]), ("LAYERS", 0), ("HIDDEN", 0)],
)  # fmt: skip
def test_a_setting_that_cannot_work_ends_in_a_sentence(script, monkeypatch, setting):
    monkeypatch.setattr(script, *setting)
    with pytest.raises(SystemExit, match=SENTENCE):
        script.main()


def test_small_settings_end_well(script, monkeypatch, capsys):
    """Nothing trained, one label, one hole, no piece; every kind of network."""
    for name, value in {
        "STEPS": 0, "TUNE_STEPS": 0, "HOLES": 1, "HELD_OUT": 1, "LABELS": [1], "PIECES": 0,
        "PASSES": 0, "WARM_UP": 0, "CLUES": 1, "SHARE": 0, "BATCH": 1,
        "NETWORKS": ["scratch", "masked", "causal", "left", "sparse"],
    }.items():  # fmt: skip
        monkeypatch.setattr(script, name, value)
    script.main()
    out = capsys.readouterr().out
    assert out.count("1 labels, ") == 7 and max(map(len, out.splitlines())) <= 79
    monkeypatch.setattr(script, "LABELS", [])
    monkeypatch.setattr(script, "NETWORKS", [])
    script.main()


def test_training_learns_and_repeats_itself(script, names, monkeypatch, capsys):
    monkeypatch.setattr(script, "STEPS", 60)
    monkeypatch.setattr(script, "SHOWN", 0)
    holes = [(ids, 1) for ids, _ in names.train]
    for kind in ("masked", "left", "causal", "sparse"):
        printed = []
        for _ in range(2):
            script.practise(kind, names, holes)
            printed.append(capsys.readouterr().out)
        assert printed[0] == printed[1]
        assert float(re.search(r"(\S+) nats", printed[0])[1]) < log(26) - 1


def test_the_code_of_the_solutions_is_right(script, monkeypatch):
    """Each block asserts what it claims."""
    name = "book/back/solutions/microbert.md"
    text = (Path(__file__).resolve().parents[2] / name).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 6
    for block in blocks:
        before = dict(vars(script))
        exec(block, vars(script))  # as if it stood at the end of the script
        vars(script).clear()
        vars(script).update(before)
