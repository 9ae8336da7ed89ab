"""Properties of microppo: the clipped loss, advantages, the noise, the weighed pool."""

import random
import re
from itertools import product
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

SOLUTIONS = Path(__file__).resolve().parents[2] / "book/back/solutions/microppo.md"
FIVE = SimpleNamespace(symbols=".abcd", longest=7)
numbers = st.floats(-3, 3)


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


def surrogate_by_jax(logits, targets, old, gains, size, clip, penalty):
    logs = jax.nn.log_softmax(logits)[jnp.arange(len(targets)), jnp.array(targets)]
    ratio = jnp.exp(logs - old)
    bound = ratio if clip is None else jnp.clip(ratio, 1 - clip, 1 + clip)
    loss = -jnp.minimum(ratio * gains, bound * gains)
    return (loss + penalty * (ratio - 1 - (logs - old))).sum() / size


ROWS = st.lists(
    st.tuples(
        st.lists(numbers, min_size=3, max_size=3), st.integers(0, 2), st.floats(-4, -0.01), numbers
    ),
    min_size=1,
    max_size=6,
)


@given(ROWS, st.sampled_from([None, 0.05, 0.2, 0.9]), st.sampled_from([0.0, 0.7]))
def test_loss_and_gradient_equal_jax(script, rows, clip, penalty):
    values, targets, old, gains = map(list, zip(*rows, strict=True))
    logits = script.Node(values)
    loss, clipped = script.surrogate(logits, targets, old, gains, 5, clip, penalty)
    script.backward(loss)
    arguments = targets, jnp.array(old), jnp.array(gains), 5, clip, penalty
    expected, slope = jax.value_and_grad(surrogate_by_jax)(jnp.array(values), *arguments)
    assert loss.value[0][0] == pytest.approx(float(expected), rel=1e-9, abs=1e-9)
    # at an advantage of zero JAX's minimum splits the gradient, which is zero all the same
    assert np.array(logits.grad) == pytest.approx(np.array(slope), rel=1e-9, abs=1e-9)
    assert 0 <= clipped <= 1 and (clip is not None or not clipped)


@pytest.mark.parametrize("clip", [None, 0.2])
@pytest.mark.parametrize("penalty", [0.0, 0.5])
def test_gradient_by_finite_differences(script, clip, penalty):
    rng = random.Random(1)
    values = [[rng.gauss(0, 1) for _ in range(4)] for _ in range(6)]
    rest = [0, 3, 1, 1, 2, 0], [-1.2, -2.0, -0.7, -1.4, -0.9, -3.0], [0.5, -0.4, 1, -1, 0.2, 0.3]

    def loss(rows):
        out, _ = script.surrogate(script.Node(rows), *rest, 6, clip, penalty)
        script.TAPE.clear()
        return out.value[0][0]

    logits = script.Node(values)
    script.backward(script.surrogate(logits, *rest, 6, clip, penalty)[0])
    for i, j in product(range(6), range(4)):
        ends = []
        for step in (1e-6, -1e-6):
            moved = [list(row) for row in values]
            moved[i][j] += step
            ends.append(loss(moved))
        assert logits.grad[i][j] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-8)


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(-2, 2), st.floats(0.05, 0.5))
def test_the_way_back_is_never_barred(script, new, old, gain, clip):
    """A row pulls unless it is past the bound on the side to which its advantage sends it."""
    logits = script.Node([[log(new), log(1 - new)]])
    loss, clipped = script.surrogate(logits, [0], [log(old)], [gain], 1, clip)
    script.backward(loss)
    ratio = new / old
    past = ratio > 1 + clip + 1e-9 if gain > 0 else ratio < 1 - clip - 1e-9
    inside = ratio < 1 + clip - 1e-9 if gain > 0 else ratio > 1 - clip + 1e-9
    pull = -logits.grad[0][0]
    if past:
        assert pull == 0 and clipped == 1
    if inside:
        assert pull == pytest.approx(ratio * gain * (1 - new), abs=1e-9) and clipped == 0


def test_first_epoch_is_reinforce(script, model):
    """At ratio 1 no clip and no penalty matters: the gradient is that of A log pi."""
    random.seed(5)
    drawn = [script.draw(model, FIVE.longest) for _ in range(6)]
    gains = [[random.gauss(0, 1)] * len(one.logs) for one in drawn]
    found = []
    for clip, penalty in ((None, 0.0), (0.2, 0.0), (1e-6, 3.0)):
        loss, clipped = script.loss_on(model, drawn, gains, clip, penalty)
        script.backward(loss)
        assert clipped == 0
        found.append(np.concatenate([np.ravel(node.grad) for node in model.parameters]))
        for node in model.parameters:
            node.grad = None
    for one, gain in zip(drawn, gains, strict=True):  # the same by whole names
        loss = script.log_probability(model, one.ids)
        script.backward(script.times(loss, script.Node([[-gain[0] / 6]])))
    slow = np.concatenate([np.ravel(node.grad) for node in model.parameters])
    for one in found:
        assert np.abs(one - slow).max() < 1e-9


def whole_language(script, model, longest):
    """Every name that can be drawn, with its log pi by letters."""
    kinds = range(len(FIVE.symbols))
    names = [[0, 0]]
    for length in range(1, longest - 1):
        for letters in product(kinds[1:], repeat=length):
            names.append([0, *letters, 0])
    names += [[0, *letters] for letters in product(kinds[1:], repeat=longest - 1)]
    return names, script.letter_logs(model, names)


def test_a_constant_baseline_leaves_the_expected_gradient(script, model):
    """E[(R - b) d log pi] over a whole small language, exactly; its variance at b = E R is less."""
    names, logs = whole_language(script, model, 4)
    chances = [exp(sum(row)) for row in logs]
    assert sum(chances) == pytest.approx(1)
    rewards = [0.4 + 0.6 * (ids[1] == 1) for ids in names]
    mean = sum(p * r for p, r in zip(chances, rewards, strict=True))
    vectors = []
    for ids, row in zip(names, logs, strict=True):
        vectors.append(np.array(script.gradient(model, [script.Drawn(ids, row, [])], [1.0])))
    vectors, p, r = np.array(vectors), np.array(chances), np.array(rewards)
    assert np.abs(p @ vectors).max() < 1e-9  # E[d log pi] = 0, so no baseline matters
    raw, less = ((p * (r - b)) @ vectors for b in (0.0, mean))
    assert np.abs(raw - less).max() < 1e-9 and np.abs(raw).max() > 1e-3
    norms = (vectors**2).sum(1)
    assert p @ ((r - mean) ** 2 * norms) < 0.5 * (p @ (r**2 * norms))


def test_samples_follow_the_policy(script, model):
    """Shares of drawn names against their exact chances; logs as read letter by letter."""
    random.seed(1)
    drawn = [script.draw(model, 4) for _ in range(3000)]
    names, logs = whole_language(script, model, 4)
    chances = {tuple(ids): exp(sum(row)) for ids, row in zip(names, logs, strict=True)}
    counts = {}
    for one in drawn:
        counts[tuple(one.ids)] = counts.get(tuple(one.ids), 0) + 1
    for name, chance in sorted(chances.items(), key=lambda item: -item[1])[:10]:
        error = (chance * (1 - chance) / 3000) ** 0.5
        assert abs(counts.get(name, 0) / 3000 - chance) < 4 * error
    again = script.letter_logs(model, [one.ids for one in drawn[:20]])
    for one, row in zip(drawn[:20], again, strict=True):
        assert one.logs == pytest.approx(row, abs=1e-9) and one.values == []


def test_a_value_row_is_not_drawn_and_learns(script, model):
    model.head.value = [*model.head.value, [0.3] * script.WIDTH]
    random.seed(2)
    drawn = [script.draw(model, 7) for _ in range(40)]
    assert {i for one in drawn for i in one.ids} <= set(range(5))
    assert all(len(one.values) == len(one.logs) == len(one.ids) - 1 for one in drawn)
    togo = [[2.0] * len(one.logs) for one in drawn]
    zero = [[0.0] * len(one.logs) for one in drawn]
    optimizer = script.Adam(model.parameters)
    errors = []
    for _ in range(60):
        loss, _ = script.loss_on(model, drawn, zero, togo=togo)
        errors.append(loss.value[0][0])
        script.backward(loss)
        optimizer.step(0.03)
    assert errors[-1] < 0.1 * errors[0]


def test_value_error_by_finite_differences(script):
    values, togo = [[0.3], [-1.0], [2.0]], [1.0, 0.5, 0.0]
    node = script.Node(values)
    script.backward(script.value_error(node, togo, 2))
    for i in range(3):
        ends = []
        for step in (1e-6, -1e-6):
            moved = [list(row) for row in values]
            moved[i][0] += step
            ends.append(script.value_error(script.Node(moved), togo, 2).value[0][0])
        script.TAPE.clear()
        assert node.grad[i][0] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-8)


def test_columns_pass_their_gradient_alone(script):
    a = script.Node([[1.0, 2.0, 3.0]])
    part = script.columns(a, 1, 3)
    assert part.value == [[2.0, 3.0]]
    script.backward(script.times(part, script.Node([[5.0, 7.0]])))
    assert a.grad == [[0.0, 5.0, 7.0]]


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8), st.floats(0, 1))
def test_advantages_are_the_generalised_ones(script, pairs, share):
    """A_t = sum over l of share^l d_(t+l), written out, as in the paper."""
    rewards, values = map(list, zip(*pairs, strict=True))
    n, after = len(rewards), [*values[1:], 0.0]
    deltas = [rewards[t] + after[t] - values[t] for t in range(n)]
    expected = [sum(share ** (s - t) * deltas[s] for s in range(t, n)) for t in range(n)]
    assert script.advantages(rewards, values, share) == pytest.approx(expected, abs=1e-9)
    whole = [sum(rewards[t:]) - values[t] for t in range(n)]
    assert script.advantages(rewards, values) == pytest.approx(whole, abs=1e-9)


def test_rewards_are_prices_and_a_score(script, model):
    random.seed(4)
    drawn = [script.draw(model, 7) for _ in range(5)]
    same = script.rewards_of(drawn, model, len)
    for one, row in zip(drawn, same, strict=True):
        assert row[:-1] == pytest.approx([0.0] * (len(row) - 1), abs=1e-12)
        assert row[-1] == pytest.approx(len(one.ids))
    random.seed(9)
    other = script.GPT(FIVE)
    known = script.letter_logs(other, [one.ids for one in drawn])
    for one, row, logs in zip(drawn, script.rewards_of(drawn, other, len), known, strict=True):
        price = script.BETA * (sum(one.logs) - sum(logs))
        assert sum(row) == pytest.approx(len(one.ids) - price)


def test_baselines_expect_what_they_should(script, model):
    drawn = [script.Drawn([0, 1, 0], [-1.0, -1.0], [0.5, 0.6]), script.Drawn([0, 0], [-1.0], [0.7])]
    rewards = [[0.0, 1.0], [0.5]]
    assert script.expected("none", drawn, rewards) == [[0.0, 0.0], [0.0]]
    assert script.expected("mean", drawn, rewards) == [[0.75, 0.75], [0.75]]
    assert script.expected("value", drawn, rewards) == [[0.5, 0.6], [0.7]]


@given(st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=2, max_size=6))
def test_spread_is_the_variance(script, vectors):
    noise, length = script.spread(vectors)
    expected = np.var(vectors, axis=0, ddof=1).sum()
    mean = (np.mean(vectors, axis=0) ** 2).sum()
    assert noise == pytest.approx(expected, abs=1e-9)
    assert length == pytest.approx(mean - expected / len(vectors), abs=1e-9)


def test_the_pencil_example(script, capsys):
    script.pencil()
    zero, seven, up, down = capsys.readouterr().out.splitlines()
    assert zero.endswith("if ada is drawn +0.450, if bob -0.250")
    assert seven.endswith("if ada is drawn +0.100, if bob +0.100")
    assert float(up.split()[-1]) == 0
    assert float(down.split()[-1]) == pytest.approx(-0.2 * 1.3 * 0.35, abs=6e-4)


@pytest.fixture
def bench(script, model, capsys):
    rows = []
    bench = script.Bench(model, lambda ids: 0.5, lambda ids: 1.0, FIVE)
    bench.row = lambda *row: rows.append(row)
    bench.rows = rows
    return bench


def test_weighed_pools_by_hand(script, bench):
    pool = [(0.0, 0.2), (1.0, 0.8)]
    script.show_weighed(bench, "even", [1, 1], pool)
    script.show_weighed(bench, "last", [0, 3], pool)
    script.show_weighed(bench, "none", [0, 0], pool)
    (_, *even), (_, *last), (_, *none) = bench.rows
    assert even == pytest.approx([0.5, 0.5, 0.0])
    assert last == pytest.approx([1.0, 0.8, log(2)])
    assert none == [0, 0, 0]


def test_no_weights_reach_more_than_the_tilt(script, model, monkeypatch):
    """Of many random weights none has a higher score - BETA KL than exp(score / BETA)."""
    monkeypatch.setattr(script, "POOL", 12)
    rows = []
    bench = SimpleNamespace(
        task=FIVE, proxy=lambda ids: len(ids) / 9, referee=lambda ids: len(ids) - 4,
        row=lambda *row: rows.append(row),
    )  # fmt: skip
    script.choose(bench, model)
    reached = {name: score - script.BETA * kl for name, _, score, kl in rows}
    best = reached.pop("the best there is")
    assert len(reached) == len(script.BEST_OF) + 1 and best >= max(reached.values())
    rows.clear()
    rng = random.Random(0)
    monkeypatch.setattr(script, "show_weighed", lambda b, n, w, pool: rows.append(pool))
    script.choose(bench, model)
    pool = rows[0]
    assert [score for _, score in pool] == sorted(score for _, score in pool)
    for _ in range(200):
        weights = np.array([rng.expovariate(1) for _ in pool])
        weights /= weights.sum()
        kl = (weights * np.log(weights * len(pool))).sum()
        assert best >= weights @ [score for _, score in pool] - script.BETA * kl - 1e-12


def test_climbing_raises_the_score(script, model, monkeypatch):
    """Names of many a's are liked: every kind of policy says more of them, the reference stays."""
    before = [list(map(tuple, node.value)) for node in model.parameters]
    random.seed(0)

    def liked(ids):
        return ids.count(1) / len(ids)

    def mean(policy):
        random.seed(1)
        return sum(liked(script.draw(policy, 7).ids) for _ in range(200)) / 200

    start = mean(model)
    for baseline, epochs, clip in (
        ("none", 1, None), ("mean", 1, None), ("value", 2, 0.2), ("mean", 3, 0.2)
    ):  # fmt: skip
        policy, clipped = script.climb(model, liked, 7, baseline, 12, 16, epochs, 0.03, clip)
        assert mean(policy) > start + 0.1
        assert len(policy.head.value) == 5 + (baseline == "value")
        assert (clipped > 0) == (clip is not None)
    assert before == [list(map(tuple, node.value)) for node in model.parameters]


def test_parts_share_no_family(script, task):
    parts = [{tuple(ids[1:5]) for ids, _ in part if len(ids) > 5}
             for part in (task.held_out, task.for_judge, task.for_pairs)]  # fmt: skip
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert len(task.held_out) == script.HELD_OUT
    learn = {tuple(ids) for ids, _ in task.learn}
    assert {tuple(ids) for ids, _ in task.for_judge + task.for_pairs} <= learn
    assert not learn & {tuple(ids) for ids, _ in task.held_out}
    assert len(script.pair(task.for_pairs)) >= script.PAIRS


SMALL = {
    "PRETRAIN": 8, "NOISE": 0, "SAMPLES": 3, "POOL": 4, "PAIRS": 4, "DPO_BETAS": [],
    "IMITATE": [], "POLICIES": {"ppo": ("mean", 1, 2, 2, 0.01, 0.2)},
}  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"NOISE": 2}, {"POLICIES": {}}, {"BEST_OF": []}, {"IMITATE": [1], "IMITATED": 5},
        {"IMITATE": [0]}, {"DPO_BETAS": [1]}, {"LAMBDA": 0.0}, {"PENALTY": 9.0}, {"BETA": 1e-3},
        {"POOL": 1, "SAMPLES": 1}, {"PRETRAIN": 0}, {"HELD_OUT": 1}, {"LETTERS": 1},
        {"POLICIES": {"v": ("value", 1, 1, 3, 0.1, 0.0)}}, {"PAIRS": 9_999},
        {"POLICIES": {"wild": ("none", 2, 2, 4, 30.0, None)}, "PENALTY": 1.0},
    ],
    ids=str,
)  # fmt: skip
def test_small_settings_end_well(script, monkeypatch, capsys, settings):
    for name, value in (SMALL | settings).items():
        monkeypatch.setattr(script, name, value)
    script.main()
    assert re.search(r"^the best there is", capsys.readouterr().out, re.M)


@pytest.mark.parametrize(
    "settings",
    [
        {"PAIRS": 0}, {"POOL": 0}, {"NOISE": 1}, {"BETA": 0}, {"HELD_OUT": 0}, {"HELD_OUT": 7_999},
        {"PRETRAIN": 8_000}, {"BEST_OF": [0]}, {"LAYERS": 0}, {"LETTERS": 0},
        {"POLICIES": {"x": ("median", 1, 1, 1, 0.1, None)}},
        {"POLICIES": {"x": ("mean", 1, 0, 1, 0.1, None)}},
    ],
    ids=str,
)  # fmt: skip
def test_wrong_settings_are_said(script, monkeypatch, settings):
    for name, value in (SMALL | settings).items():
        monkeypatch.setattr(script, name, value)
    with pytest.raises(SystemExit, match="a size is below 1, BETA is not above 0, NOISE is 1"):
        script.main()


def test_the_code_of_the_solutions_is_right(script):
    blocks = re.findall(r"```python\n(.*?)```", SOLUTIONS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(block, dict(vars(script)))
