"""Properties of microreward: scores and gradients, judges, best of n, against JAX and SciPy."""

import random
import re
from collections import Counter
from itertools import permutations, product
from math import log
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

jax.config.update("jax_enable_x64", True)

SOLUTIONS = Path(__file__).resolve().parents[2] / "book/back/solutions/microreward.md"
FIVE = SimpleNamespace(symbols=".abcd", longest=7)
PAIRS = [([0, 1, 2, 0], [0, 4, 4, 4, 0]), ([0, 3, 0], [0, 2, 0]), ([0, 1, 1, 4, 2, 0], [0, 1, 0])]
NUMBERS = st.lists(st.integers(-3, 3), min_size=1, max_size=8)


@pytest.fixture(autouse=True)
def empty_tape(script):
    """Every test starts with nothing recorded and ends so."""
    script.TAPE.clear()
    yield
    assert script.TAPE == []


@pytest.fixture
def model(script):
    """A network with one row of head, as a judge has it."""
    random.seed(3)
    model = script.GPT(FIVE)
    model.parameters.remove(model.head)
    model.head = script.Node([[random.gauss(0, 1) for _ in range(script.WIDTH)]])
    model.parameters.append(model.head)
    return model


@pytest.fixture
def small(script, monkeypatch):
    """Few names, few judges, few looks, so that the whole run takes a second."""
    for name, value in {
        "HELD_OUT": 100, "PRETRAIN": 40, "SIZES": [[25, 2], [40, 1]], "LESSONS": 20, "POOL": 30,
        "BEST_OF": [1, 4, 16], "CHUNK": 30,
    }.items():  # fmt: skip
        monkeypatch.setattr(script, name, value)
    return script


def reward_by_jax(script, parameters, ids, read):
    """r of one name, by a network of one layer."""
    tokens, positions, query, key, value, output, up, down, head = parameters
    n = len(ids)

    def norm(x):
        return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-5)

    x = tokens[jnp.array(ids)] + positions[:n]
    y, heads = norm(x), []
    for q, k, v in zip(
        *(jnp.split(y @ w.T, script.HEADS, 1) for w in (query, key, value)), strict=True
    ):
        scores = jnp.where(jnp.tril(jnp.ones((n, n), bool)), q @ k.T / q.shape[1] ** 0.5, -jnp.inf)
        heads.append(jax.nn.softmax(scores) @ v)
    x = x + jnp.concatenate(heads, 1) @ output.T
    x = x + jax.nn.relu(norm(x) @ up.T) @ down.T
    rows = (norm(x) @ head.T)[:, 0]
    return rows[-1] if read == "end" else rows.mean()


@pytest.mark.parametrize("read", ["end", "mean"])
def test_loss_and_all_gradients_equal_jax(script, model, monkeypatch, read):
    monkeypatch.setattr(script, "READ", read)

    def loss(parameters):
        return -jnp.mean(jnp.array([
            jax.nn.log_sigmoid(reward_by_jax(script, parameters, won, read)
                               - reward_by_jax(script, parameters, lost, read))
            for won, lost in PAIRS
        ]))  # fmt: skip

    expected, gradients = jax.value_and_grad(loss)([jnp.array(p.value) for p in model.parameters])
    ours = script.prefer(model, PAIRS)
    script.backward(ours)
    assert ours.value[0][0] == pytest.approx(float(expected), abs=1e-9)
    for node, gradient in zip(model.parameters, gradients, strict=True):
        assert np.abs(np.array(node.grad) - np.array(gradient)).max() < 1e-9


@pytest.mark.parametrize("read", ["end", "mean"])
def test_gradients_by_finite_differences(script, model, monkeypatch, read):
    monkeypatch.setattr(script, "READ", read)
    script.backward(script.prefer(model, PAIRS))
    for node in model.parameters:
        grad = node.grad[1 % len(node.value)][2]
        node.grad, row, ends = None, node.value[1 % len(node.value)], []
        for step in (1e-5, -1e-5):
            row[2] += step
            ends.append(script.prefer(model, PAIRS).value[0][0])
            script.TAPE.clear()
            row[2] -= step
        assert grad == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-8)


def test_scores_do_not_depend_on_company_or_chunks(script, model, monkeypatch):
    names = [ids for both in PAIRS for ids in both]
    for read in ("end", "mean"):
        monkeypatch.setattr(script, "READ", read)
        alone = [script.scores(model, [ids])[0] for ids in names]
        for chunk in (1, 4, 50):
            monkeypatch.setattr(script, "CHUNK", chunk)
            assert script.scores(model, names) == pytest.approx(alone, abs=1e-12)


def test_a_new_judge_prefers_nobody_and_learns_its_pairs(script, model, monkeypatch):
    monkeypatch.setattr(script, "LESSONS", 0)
    body = script.GPT(FIVE)
    names = [ids for both in PAIRS for ids in both]
    assert script.learn_network(body, PAIRS)(names) == [0] * 6
    monkeypatch.setattr(script, "LESSONS", 120)
    before = [list(node.value) for node in body.parameters]
    points = script.learn_network(body, PAIRS)(names)
    assert all(won > lost for won, lost in zip(points[::2], points[1::2], strict=True))
    assert before == [list(node.value) for node in body.parameters]  # a copy learned


def test_the_linear_judge_steps_along_the_gradient(script, monkeypatch):
    """One look at one pair against JAX; then many looks against SciPy's minimum."""
    monkeypatch.setattr(script, "LETTERS", 1)
    monkeypatch.setattr(script, "LESSONS", 1)
    won, lost = [1, 2, 2], [2, 3]
    names = [[i] for i in range(5)]
    counts = [np.array([ids.count(i) for i in range(5)], float) for ids in (won, lost)]
    gradient = jax.grad(lambda w: jax.nn.log_sigmoid(w @ (counts[0] - counts[1])))(jnp.zeros(5))
    judge = script.learn_linear([(won, lost)])
    assert judge(names) == pytest.approx((script.LINEAR_RATE * gradient).tolist())
    pairs = [([1], [2]), ([1], [2]), ([2], [1]), ([1], [3]), ([3], [1]), ([3], [2]), ([2], [3])]
    monkeypatch.setattr(script, "LESSONS", 14_000)
    monkeypatch.setattr(script, "LINEAR_RATE", 0.002)
    random.seed(1)
    judge = script.learn_linear(pairs)
    more = np.array([np.eye(5)[w[0]] - np.eye(5)[lo[0]] for w, lo in pairs])
    best = minimize(lambda w: np.logaddexp(0, -more @ w).sum(), np.zeros(5)).x
    assert judge(names) == pytest.approx(best, abs=0.02)


def test_counting_judges_count(script):
    pairs = [([0, 1, 5, 0], [0, 1, 6, 0]), ([0, 2, 5, 0], [0, 5, 7, 0])]
    assert script.learn_last(pairs)([[0, 5, 0], [0, 6, 0], [0, 1, 0], [0, 0]]) == [
        log(3 / 1), log(1 / 2), 0, 0]  # fmt: skip
    judge, votes = script.learn_bayes(pairs), script.learn_judge(script.labelled(pairs))
    assert judge([[0, 5, 0]]) == [script.score(votes, [0, 5, 0])]
    assert [label for _, label in script.labelled(pairs)] == [True, False] * 2


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=5), st.integers(1, 4))
def test_best_of_n_is_the_mean_over_all_draws(script, values, n):
    draws = [max(draw) for draw in product(range(len(values)), repeat=n)]
    expected = sum(values[i] for i in draws) / len(draws)
    assert script.best_of(n, values) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.integers(1, 2000))
def test_ones_own_score_never_falls(script, points, n):
    ordered = sorted(points)
    assert script.best_of(n + 1, ordered) >= script.best_of(n, ordered) - 1e-9
    assert script.best_of(n, [1.0] * len(points)) == pytest.approx(1)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=12),
       st.randoms(use_true_random=False))  # fmt: skip
def test_equals_share_and_no_order_of_the_pool_matters(script, rows, rng):
    points, values = zip(*rows, strict=True)
    ordered = script.in_order(points, values)
    assert sum(ordered) == pytest.approx(sum(values))
    mixed = rng.sample(rows, len(rows))
    assert script.in_order(*zip(*mixed, strict=True)) == pytest.approx(ordered)
    if len(rows) <= 5:  # as if the order among equals were drawn by lot
        orders = [sorted(order, key=lambda row: row[0]) for order in permutations(rows)]
        means = np.array([[value for _, value in order] for order in orders]).mean(0)
        assert means == pytest.approx(ordered)


@given(NUMBERS, NUMBERS)
def test_ranked_rightly_turns_round_with_the_judge(script, first, second):
    points = {(side, i): v for side, some in enumerate((first, second)) for i, v in enumerate(some)}
    pairs = [((0, i), (1, i)) for i in range(min(len(first), len(second)))]
    right = script.ranked_rightly(points, pairs)
    turned = script.ranked_rightly({key: -v for key, v in points.items()}, pairs)
    assert right + turned == pytest.approx(1)


@given(st.lists(st.lists(st.integers(-9, 9), min_size=4, max_size=4), min_size=1, max_size=4))
def test_a_committee_sees_no_scale_and_no_zero(script, rows):
    plain = script.committee([(row, row) for row in rows])
    moved = script.committee([([3 * v + 7 for v in row],) * 2 for row in rows])
    for one, other in zip(plain, moved, strict=True):
        assert one == pytest.approx(other, abs=1e-9)
    assert sum(plain[0]) == pytest.approx(0, abs=1e-9)


def test_families_stand_on_one_side_of_each_border(script):
    random.seed(0)
    task = script.Names()
    parts = task.held_out, task.for_pairs, task.for_referee
    spelled = [{task.spelled(ids) for ids, _ in part} for part in parts]
    for i, one in enumerate(spelled):
        for other in spelled[i + 1 :]:
            assert not one & other
            both = script.families([(name, True) for name in one | other])
            mixed = sum(len({name in one for name, _ in group}) > 1 for group in both)
            assert mixed == 0


def test_draws_end_and_follow_the_policy(script):
    random.seed(2)
    policy = script.GPT(FIVE)
    names = [script.draw(policy, 7) for _ in range(2000)]
    assert all(ids[0] == ids[-1] == 0 and len(ids) <= 7 and 0 not in ids[1:-1] for ids in names)
    p = script.softmax(policy.logits([([0], 1)], [0]).value[0])
    script.TAPE.clear()
    share = Counter(ids[1] for ids in names)[1] / 2000
    assert share == pytest.approx(p[1], abs=4 * (p[1] * (1 - p[1]) / 2000) ** 0.5)


def test_a_small_run_is_the_same_twice_and_has_all_rows(small, capsys):
    small.main()
    first = capsys.readouterr().out
    small.main()
    assert capsys.readouterr().out == first
    assert len(re.findall(r"^   25 \| network \d ", first, re.M)) == 2
    for kind in ("network", "linear", "bayes", "letter"):
        assert len(re.findall(rf"^ +\d+ \| {kind}, mean", first, re.M)) == 2


@pytest.mark.parametrize("name, value", [
    ("LESSONS", 0), ("POOL", 0), ("SIZES", []), ("SIZES", [[0, 1]]), ("SIZES", [[5_000, 1]]),
    ("BEST_OF", [1]), ("BEST_OF", [0, 1, 2]), ("READ", "all"), ("HEADS", 3), ("HELD_OUT", 3),
    ("PRETRAIN", 9_000), ("LETTERS", 0), ("BATCH", 1),
])  # fmt: skip
def test_senseless_settings_end_in_a_sentence(small, monkeypatch, name, value):
    monkeypatch.setattr(small, name, value)
    with pytest.raises(SystemExit, match="too small|asks for|must be"):
        small.main()


@pytest.mark.parametrize("name, value", [
    ("PRETRAIN", 0), ("SWAPPED", 1.0), ("READ", "mean"), ("PRETRAINED", False), ("POOL", 1),
    ("LETTERS", 1), ("TUNE_RATE", 0), ("CHUNK", 1),
])  # fmt: skip
def test_small_settings_end_well(small, monkeypatch, capsys, name, value):
    monkeypatch.setattr(small, name, value)
    small.main()
    assert "nan" not in re.sub("[a-z]+ likes.*", "", capsys.readouterr().out)


def test_the_code_of_the_solutions_is_right(script):
    """Each block asserts what it claims."""
    names = dict(vars(script))
    blocks = re.findall(r"```python\n(.*?)```", SOLUTIONS.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, names)
    script.TAPE.clear()
