"""Properties of microdpo: the loss and its gradients, the judge, the best of n, against JAX."""

import random
import re
from itertools import pairwise
from math import exp, log
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

jax.config.update("jax_enable_x64", True)

FIVE = SimpleNamespace(symbols=".abcd", longest=7)
SIDES = [[0, 1, 2, 0], [0, 3, 0], [0, 1, 1, 4, 2, 3, 0]], [[0, 4, 4, 4, 0], [0, 2, 0], [0, 3, 1, 0]]
numbers = st.floats(-30, 30)


@pytest.fixture(autouse=True)
def empty_tape(script):
    script.TAPE.clear()
    yield
    assert script.TAPE == []


@pytest.fixture
def model(script):
    random.seed(3)
    return script.GPT(FIVE)


@pytest.fixture(scope="module")
def task(script):
    random.seed(0)
    return script.Names()


def nodes(script, values):
    return [script.Node([[v]]) for v in values]


def loss_by_jax(won, lost, margins, beta):
    h = beta * (jnp.array(won) - jnp.array(lost) - jnp.array(margins))
    return -jax.nn.log_sigmoid(h).mean()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=5), st.floats(0.01, 10))
def test_loss_and_gradient_equal_jax(script, triples, beta):
    won, lost, margins = zip(*triples, strict=True)
    chosen, rejected = nodes(script, won), nodes(script, lost)
    loss = script.preference_loss(chosen, rejected, margins, beta)
    script.backward(loss)
    expected, (dwon, dlost) = jax.value_and_grad(loss_by_jax, (0, 1))(
        jnp.array(won), jnp.array(lost), margins, beta
    )
    assert loss.value[0][0] == pytest.approx(float(expected), rel=1e-9, abs=1e-12)
    for side, gradient in ((chosen, dwon), (rejected, dlost)):
        ours = [node.grad[0][0] for node in side]
        assert ours == pytest.approx(gradient.tolist(), rel=1e-9, abs=1e-12)


def test_loss_does_not_overflow(script):
    for value in (-1e4, 1e4):
        chosen, rejected = nodes(script, [value]), nodes(script, [-value])
        loss = script.preference_loss(chosen, rejected, [0.0], 10)
        script.backward(loss)
        assert loss.value[0][0] == pytest.approx(max(0.0, -20 * value))
        assert chosen[0].grad[0][0] == pytest.approx(-10.0 if value < 0 else 0.0)


def test_gradient_by_finite_differences(script):
    rng = random.Random(1)
    won, lost, margins = ([rng.uniform(-3, 3) for _ in range(4)] for _ in range(3))

    def loss(values):
        out = script.preference_loss(*(nodes(script, v) for v in values), margins, 0.7)
        script.TAPE.clear()
        return out.value[0][0]

    sides = nodes(script, won), nodes(script, lost)
    script.backward(script.preference_loss(*sides, margins, 0.7))
    for side in (0, 1):
        for i in range(4):
            ends = []
            for step in (1e-6, -1e-6):
                values = [list(won), list(lost)]
                values[side][i] += step
                ends.append(loss(values))
            slope = (ends[0] - ends[1]) / 2e-6
            assert sides[side][i].grad[0][0] == pytest.approx(slope, abs=1e-8)


def test_the_pencil_example(script, capsys):
    script.pencil(1)
    script.pencil(0.5)
    one, half = capsys.readouterr().out.splitlines()
    assert f"loss {log(5 / 4):.3f} | chosen -0.200 | rejected +0.200" in one
    assert f"loss {log(3 / 2):.3f} | chosen {-1 / 6:.3f} | rejected +{1 / 6:.3f}" in half


def log_pi(script, parameters, ids):
    """log pi of one name in JAX, by a GPT of one layer."""
    tokens, positions, head, query, key, value, output, up, down = parameters
    n = len(ids) - 1

    def norm(x):
        return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-5)

    x = tokens[jnp.array(ids[:-1])] + positions[:n]
    y, heads = norm(x), []
    for q, k, v in zip(
        *(jnp.split(y @ w.T, script.HEADS, 1) for w in (query, key, value)), strict=True
    ):
        scores = jnp.where(jnp.tril(jnp.ones((n, n), bool)), q @ k.T / q.shape[1] ** 0.5, -jnp.inf)
        heads.append(jax.nn.softmax(scores) @ v)
    x = x + jnp.concatenate(heads, 1) @ output.T
    x = x + jax.nn.relu(norm(x) @ up.T) @ down.T
    return jax.nn.log_softmax(norm(x) @ head.T)[jnp.arange(n), jnp.array(ids[1:])].sum()


def test_log_probabilities_and_all_gradients_equal_jax(script, model):
    """The whole of DPO: the loss of three pairs, back to every parameter."""
    parameters = [jnp.array(node.value) for node in model.parameters]
    margins = [0.3, -1.0, 2.0]

    def loss(parameters):
        won, lost = (jnp.array([log_pi(script, parameters, ids) for ids in s]) for s in SIDES)
        return loss_by_jax(won, lost, margins, 0.8), (won, lost)

    (expected, logs), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(parameters)
    for side, theirs in zip(SIDES, logs, strict=True):
        ours = script.log_probabilities(model, side)
        assert ours == pytest.approx(theirs.tolist(), abs=1e-9)
    ours = script.preference_loss(
        *([script.log_probability(model, ids) for ids in side] for side in SIDES), margins, 0.8
    )
    script.backward(ours)
    assert ours.value[0][0] == pytest.approx(float(expected), abs=1e-9)
    for node, gradient in zip(model.parameters, gradients, strict=True):
        assert np.abs(np.array(node.grad) - np.array(gradient)).max() < 1e-9


def test_probabilities_of_all_names_sum_to_one(script, model):
    """Of all strings over two letters that end by the third symbol, and those that go on."""
    prefixes, ended = [[0]], 0.0
    for _ in range(3):
        longer = [[*ids, s] for ids in prefixes for s in range(5)]
        ended += sum(
            exp(v) for v in script.log_probabilities(model, [i for i in longer if not i[-1]])
        )
        prefixes = [ids for ids in longer if ids[-1]]
    open_ended = sum(exp(v) for v in script.log_probabilities(model, prefixes))
    assert ended + open_ended == pytest.approx(1)


def test_at_the_reference_the_loss_is_log_two(script, model):
    margins = [
        a - b for a, b in zip(*(script.log_probabilities(model, s) for s in SIDES), strict=True)
    ]
    for beta in (0.1, 10):
        loss = script.preference_loss(
            *([script.log_probability(model, ids) for ids in side] for side in SIDES), margins, beta
        )
        assert loss.value[0][0] == pytest.approx(log(2))
        script.TAPE.clear()


def test_dpo_widens_the_gap_and_spares_the_reference(script, model):
    before = [script.log_probabilities(model, side) for side in SIDES]
    margins = [a - b for a, b in zip(*before, strict=True)]
    kept = [list(node.value) for node in model.parameters]
    gaps = []
    for beta in (10, 1, 0.1):
        tuned = script.dpo(model, list(zip(*SIDES, margins, strict=True)) * 20, beta)
        won, lost = (script.log_probabilities(tuned, side) for side in SIDES)
        gaps.append(sum(w - b - m for w, b, m in zip(won, lost, margins, strict=True)))
    assert gaps[0] > 0 and all(a < b for a, b in pairwise(gaps))
    assert kept == [node.value for node in model.parameters]


def test_drawn_names_know_their_probability(script, model):
    random.seed(1)
    for _ in range(20):
        ids, log_p = script.draw(model, 6)
        assert ids[0] == 0 and 0 not in ids[1:-1] and len(ids) <= 6
        assert log_p == pytest.approx(script.log_probabilities(model, [ids])[0])


def test_kl_is_estimated_from_the_policy(script, model):
    """The mean log-ratio over samples is near the sum over all names of at most two letters."""
    random.seed(5)
    other = script.GPT(FIVE)
    names = [[0, *rest] for rest in ([0], *([a, 0] for a in range(1, 5)),
             *([a, b] for a in range(1, 5) for b in range(1, 5)))]  # fmt: skip
    p, q = (script.log_probabilities(m, names) for m in (model, other))
    exact = sum(exp(a) * (a - b) for a, b in zip(p, q, strict=True))
    drawn = [script.draw(model, 3) for _ in range(1500)]
    other_logs = script.log_probabilities(other, [ids for ids, _ in drawn])
    estimate = sum(a - b for (_, a), b in zip(drawn, other_logs, strict=True)) / len(drawn)
    assert estimate == pytest.approx(exact, abs=4 * 0.6 / 1500**0.5 + 0.02)


def test_the_judge_is_naive_bayes(script, monkeypatch):
    """Two names, one letter each, pieces of one symbol: the counts fit on a page."""
    monkeypatch.setattr(script, "LETTERS", 1)
    judge = script.learn_judge([([0, 1, 0], True), ([0, 2, 2, 0], False)])
    girls = {0: 3 / 6, 1: 2 / 6, 2: 1 / 6}  # (count + 1) / (3 + 3 kinds)
    boys = {0: 3 / 7, 1: 1 / 7, 2: 3 / 7}
    for piece in girls:
        assert judge[(piece,)] == pytest.approx(log(girls[piece] / boys[piece]))
    assert script.score(judge, [0, 1, 0]) == pytest.approx(
        sum(log(girls[i] / boys[i]) for i in (0, 1, 0))
    )
    assert script.score(judge, [9]) == 0


def test_pairs_of_equal_length_are_paired_in_the_order_they_come(script, monkeypatch):
    names = [([1, 1], True), ([2], True), ([3], False), ([4, 4], False), ([5], True), ([6], False)]
    assert script.pair(names) == [([1, 1], [3]), ([2], [4, 4]), ([5], [6])]
    monkeypatch.setattr(script, "EQUAL_LENGTH", True)
    assert script.pair(names) == [([2], [3]), ([1, 1], [4, 4]), ([5], [6])]


def test_the_networks_judge_by_what_each_read(script):
    random.seed(1)
    judge = script.judge_by_networks(FIVE, [([0, 1, 0], True), ([0, 2, 0], False)] * 60)
    assert judge([0, 1, 0]) > 0 > judge([0, 2, 0])


@pytest.mark.parametrize("n", [1, 2, 4])
def test_best_of_n_is_the_mean_over_all_sets(script, n):
    from itertools import combinations

    rng = random.Random(2)
    ranked = sorted((rng.random(), rng.random() < 0.5, 1e-9) for _ in range(9))
    share, _ = script.best_of(n, ranked)
    sets = list(combinations(ranked, n))
    assert share == pytest.approx(sum(max(s)[1] for s in sets) / len(sets))


@pytest.mark.parametrize("n", [2, 4, 16])
def test_kl_of_best_of_n(script, n):
    """Rare names meet the bound."""
    rare = [(i, True, 1e-9) for i in range(4000)]
    bound = log(n) - (n - 1) / n
    assert script.best_of(n, rare)[1] == pytest.approx(bound, abs=0.01)


def test_the_bench_measures_what_its_columns_say(script, task, monkeypatch, capsys):
    """The KL is that of the policy to the reference, and an order is right if rewards rise."""
    monkeypatch.setattr(script, "SAMPLES", 200)
    monkeypatch.setattr(script, "MEASURED", 30)
    random.seed(1)
    reference, policy = (script.GPT(task) for _ in range(2))
    bench = script.Bench(reference, lambda ids: 0.0, task)
    names, _ = bench.policy("other", policy)
    bench.policy("itself", reference)
    other, itself = capsys.readouterr().out.splitlines()[-2:]
    logs = [script.log_probabilities(m, names) for m in (policy, reference)]
    kl = sum(a - b for a, b in zip(*logs, strict=True)) / len(names)
    pairs = script.pair(task.held_out)[:30]
    won, lost = (
        [
            a - b
            for a, b in zip(
                *(script.log_probabilities(m, side) for m in (policy, reference)), strict=True
            )
        ]
        for side in zip(*pairs, strict=True)
    )
    right = sum(a > b for a, b in zip(won, lost, strict=True)) / 30
    assert kl > 0
    assert f" {kl:.2f} | {sum(won) / 30:+6.2f} {sum(lost) / 30:+8.2f} {right:5.3f} |" in other
    assert " 0.00 |  +0.00    +0.00 0.000 |" in itself


def test_plain_steps_follow_the_gradient(script):
    node, idle = script.Node([[1.0, 2.0]]), script.Node([[5.0]])
    node.grad = [[10.0, -20.0]]
    script.Plain([node, idle]).step(0.1)
    assert node.value == [[0.0, 4.0]] and node.grad is None
    assert idle.value == [[5.0]]


@pytest.mark.parametrize("tuner", ["adam", "plain"])
def test_passes_repeat_the_examples_with_either_tuner(script, model, monkeypatch, tuner):
    rates = []
    for kind in (script.Adam, script.Plain):
        monkeypatch.setattr(kind, "step", lambda self, rate: rates.append((type(self), rate)))
    monkeypatch.setattr(script, "TUNER", tuner)
    monkeypatch.setattr(script, "PASSES", 3)
    script.tune(model, [[0, 1, 0]] * 4, script.imitate)
    assert [kind.__name__.lower() for kind, _ in rates] == [tuner] * 3
    assert [rate for _, rate in rates] == pytest.approx(
        [script.TUNE_RATE * share for share in (1, 2 / 3, 1 / 3)]
    )


def test_pulls_are_grouped_by_length(script, capsys):
    """sigmoid(-beta margin), by whether the chosen name is longer, equal or shorter."""
    pairs = [([0, 1, 1, 0], [0, 1, 0]), ([0, 1, 0], [0, 2, 0]), ([0, 2, 2, 0], [0, 0])]
    script.show_pulls(pairs, [-1.0, 0.0, 1000.0], 2)
    line = capsys.readouterr().out.strip()
    longer = (1 / (1 + exp(-2)) + 0) / 2
    assert line == f"pulls, no ref 2 | chosen longer {longer:.2f} | chosen equal 0.50"


def test_too_little_to_measure_is_said(script, task, monkeypatch):
    monkeypatch.setattr(script, "PAIRS", 0)
    with pytest.raises(SystemExit, match="too little to measure"):
        script.prepare(task)


def test_the_proxy_sees_the_names_of_dpo_and_no_others(script, task, monkeypatch):
    seen = []
    monkeypatch.setattr(script, "learn_judge", lambda names: seen.append(names) or {})
    monkeypatch.setattr(script, "PRETRAIN", 0)
    random.seed(1)
    script.prepare(task)
    pairs = script.pair(task.for_pairs)[: script.PAIRS]
    assert sorted(seen[1]) == sorted(
        [(won, True) for won, _ in pairs] + [(lost, False) for _, lost in pairs]
    )


def test_the_rate_falls_to_zero(script, model, monkeypatch):
    rates = []
    monkeypatch.setattr(script.Adam, "step", lambda self, rate: rates.append(rate))
    script.descend(model, [[0, 1, 0]] * 8, 2, script.imitate, 0.4)
    assert rates == pytest.approx([0.4, 0.3, 0.2, 0.1])


def test_parts_share_no_name(script, task):
    parts = [{tuple(ids) for ids, _ in part}
             for part in (task.held_out, task.for_pairs, task.for_judge)]  # fmt: skip
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert [len(part) for part in parts] == [script.HELD_OUT, 3600, 3600]
    assert task.symbols[0] == script.END
    for ids, _ in task.held_out:
        assert ids[0] == ids[-1] == 0 and 0 not in ids[1:-1] and len(ids) <= task.longest
    labels = {tuple(ids): girl for ids, girl in task.for_pairs}
    for chosen, rejected in script.pair(task.for_pairs):
        assert labels[tuple(chosen)] and not labels[tuple(rejected)]
    assert len(script.pair(task.for_pairs)) >= script.PAIRS


def test_the_code_of_the_solutions_is_right(script):
    name = "book/back/solutions/microdpo.md"
    text = (Path(__file__).resolve().parents[2] / name).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(block, dict(vars(script)))
