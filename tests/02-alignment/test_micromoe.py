"""Properties of micromoe: gradients, dispatch, balance, the bias rule, training, against JAX."""

import random
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

jax.config.update("jax_enable_x64", True)

STEP = 1e-6
SOLUTIONS = Path(__file__).resolve().parents[2] / "book/back/solutions/micromoe.md"


@pytest.fixture(autouse=True)
def empty_tape(script):
    """Every test starts with nothing recorded and ends so."""
    script.TAPE.clear()
    yield
    assert script.TAPE == []


@pytest.fixture
def small(script, monkeypatch):
    """Few steps and small networks on few digits, so that all rows take a second."""
    learn, held_out = script.load_digits()
    monkeypatch.setattr(script, "load_digits", lambda: (learn[:80], held_out[:48]))
    for name, value in {
        "DENSE": 3, "LARGE": 4, "UNITS": 2, "STEPS": 4, "BATCH": 8, "ROWS": [*script.rows()],
    }.items():  # fmt: skip
        monkeypatch.setattr(script, name, value)
    return script


def drawn(rng, rows, columns, size=1.0):
    return [[rng.gauss(0, size) for _ in range(columns)] for _ in range(rows)]


def digits(script, rng, count):
    """Digits of noise, with a way and a lot."""
    return [
        script.Digit([*row, 1.0], rng.randrange(10), i % 4, rng.randrange(100))
        for i, row in enumerate(drawn(rng, count, 64))
    ]


def slope(value, rows, i, j):
    """The difference quotient of `value`, a function of a matrix, in one place."""
    ends = []
    for step in (STEP, -STEP):
        moved = [list(row) for row in rows]
        moved[i][j] += step
        ends.append(value(moved))
    return (ends[0] - ends[1]) / (2 * STEP)


def parts(script, seed, count=6, experts=3):
    """A mixture, digits for it, and a way to ask for its whole loss with choices held."""
    rng = random.Random(seed)
    mixture, some = script.Mixture(experts, 4), digits(script, rng, count)
    _, _, chosen = mixture(some)
    script.TAPE.clear()

    def loss():
        pictures = [digit.inputs for digit in some]
        gates = script.shares(script.look_at(pictures, mixture.router))
        logits = script.dispatch(mixture.experts, pictures, chosen, gates)
        return script.plus(
            script.read_loss(logits, some),
            script.balance_loss(gates, chosen, 0.7),
        )

    return mixture, some, chosen, loss


@pytest.mark.parametrize("seed", range(3))
def test_gradients_by_differences(script, seed):
    """Router and experts, through reading and balance; the choice does not move."""
    mixture, _, _, loss = parts(script, seed)
    script.backward(loss())
    grads = [node.grad for node in mixture.weights]
    rng = random.Random(seed)
    for node, grad in zip(mixture.weights, grads, strict=True):
        kept = node.value
        for _ in range(12):
            i, j = rng.randrange(len(kept)), rng.randrange(len(kept[0]))

            def value(moved, node=node):
                node.value = moved
                out = loss().value[0][0]
                script.TAPE.clear()
                return out

            found = slope(value, kept, i, j)
            node.value = kept
            assert (grad[i][j] if grad else 0.0) == pytest.approx(found, abs=1e-7)
    assert any(abs(v) > 1e-4 for row in grads[0] for v in row)


def in_jax(weights, pictures, labels, chosen, weight):
    """Reading and balance loss of a routed mixture, without a line of the script."""
    router, experts = weights[0], weights[1:]
    p = jax.nn.softmax(pictures @ router.T)
    every = jnp.stack([
        jnp.maximum(pictures @ a.T, 0) @ b.T
        for a, b in zip(experts[::2], experts[1::2], strict=True)
    ])  # fmt: skip
    mask = jax.nn.one_hot(chosen, p.shape[1])
    logits = jnp.einsum("ne,enk->nk", mask * p, every)
    reading = -jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels].mean()
    share = jax.lax.stop_gradient(mask.mean(0))
    return reading + weight * p.shape[1] * (share * p.mean(0)).sum()


@given(st.integers(0, 10**6))
def test_jax_agrees(script, seed):
    mixture, some, chosen, loss = parts(script, seed, 8, 4)
    out = loss()
    value = out.value[0][0]
    script.backward(out)
    weights = [jnp.array(node.value) for node in mixture.weights]
    pictures = jnp.array([digit.inputs for digit in some])
    labels = jnp.array([digit.label for digit in some])
    there, slopes = jax.value_and_grad(in_jax)(weights, pictures, labels, jnp.array(chosen), 0.7)
    assert value == pytest.approx(float(there), rel=1e-12)
    for node, wanted in zip(mixture.weights, slopes, strict=True):
        assert np.allclose(node.grad or 0.0, wanted, atol=1e-12)
        node.grad = None


def test_training_as_jax_does_it(script, monkeypatch):
    """The same weights and biases after some steps, choices and all."""
    monkeypatch.setattr(script, "BATCH", 8)
    rng = random.Random(5)
    some, rate, weight, push = digits(script, rng, 24), 0.01, 0.3, 0.02
    mixture = script.Mixture(3, 4)
    weights = [jnp.array(node.value) for node in mixture.weights]
    script.train(mixture, some, rate, weight, push=push, steps=8)
    order, shuffle = [], random.Random(script.SEED + 1).sample
    m, v = ([jnp.zeros_like(w) for w in weights] for _ in range(2))
    bias = np.zeros(3)
    for step in range(8):
        if not order:
            order = shuffle(some, len(some))
        batch = [order.pop() for _ in range(8)]
        pictures = jnp.array([digit.inputs for digit in batch])
        labels = jnp.array([digit.label for digit in batch])
        chosen = jnp.argmax(jax.nn.softmax(pictures @ weights[0].T) + bias, axis=1)
        slopes = jax.grad(in_jax)(weights, pictures, labels, chosen, weight)
        scale = (1 - step / 8) * rate * (1 - 0.99 ** (step + 1)) ** 0.5 / (1 - 0.9 ** (step + 1))
        for k, slope in enumerate(slopes):
            if k == 0 or (k - 1) // 2 in chosen:  # Adam leaves alone what nobody asked
                m[k] = 0.9 * m[k] + 0.1 * slope
                v[k] = 0.99 * v[k] + 0.01 * slope * slope
                weights[k] = weights[k] - scale * m[k] / (jnp.sqrt(v[k]) + 1e-8)
        bias += push * np.sign(1 / 3 - np.bincount(np.array(chosen), minlength=3) / 8)
    assert np.allclose(mixture.bias, bias) and np.ptp(bias) > 0
    for node, w in zip(mixture.weights, weights, strict=True):
        assert np.allclose(node.value, w, atol=1e-9)


def test_one_expert_is_the_dense_layer(script):
    rng = random.Random(2)
    some = digits(script, rng, 7)
    mixture = script.Mixture(1, 5)
    dense = script.Network(5, f"{script.SEED} 0")
    script.backward(script.read_loss(mixture(some)[0], some))
    script.backward(script.read_loss(dense([digit.inputs for digit in some]), some))
    for a, b in zip(mixture.weights, dense.weights, strict=True):
        assert np.allclose(a.grad, b.grad, atol=1e-15)
    assert mixture.numbers() == mixture.work() == 75 * 5


@given(st.integers(0, 10**6))
def test_rows_keep_their_order_and_only_the_chosen_expert_speaks(script, seed):
    rng = random.Random(seed)
    mixture, some = script.Mixture(4, 3), digits(script, rng, 9)
    mixture.bias = [rng.gauss(0, 0.2) for _ in range(4)]
    logits, gates, chosen = mixture(some)
    for row, digit, shares, e in zip(logits.value, some, gates.value, chosen, strict=True):
        alone = mixture.experts[e].logits([digit.inputs])[0]
        assert np.allclose(row, shares[e] * np.array(alone), atol=1e-12)
        summed = np.add(shares, mixture.bias)
        assert summed[e] == summed.max()
    script.TAPE.clear()


def test_work_is_what_is_multiplied(script, monkeypatch):
    """The multiplications of a forward pass, counted where they are done."""
    done, product = [], script.product
    monkeypatch.setattr(
        script, "product", lambda a, b: done.append(len(a) * len(b) * len(b[0])) or product(a, b)
    )
    some = digits(script, random.Random(1), 12)
    for built in ({"experts": 4, "units": 8}, {"experts": 8, "units": 5},
                  {"experts": 4, "units": 8, "told": "way"}):  # fmt: skip
        done.clear()
        mixture = script.Mixture(**built)
        mixture(some)
        gate = 10 * mixture.routed  # the gate times ten logits is no product of matrices
        assert sum(done) + gate * len(some) == mixture.work() * len(some)
    script.TAPE.clear()


def test_even_load_and_even_gates_cost_the_weight(script):
    gates = script.Node([[0.25] * 4] * 8)
    assert script.balance_loss(gates, [0, 1, 2, 3] * 2, 0.5).value == [[0.5]]
    assert script.balance_loss(gates, [0] * 8, 0.5).value == [[0.5]]
    sure = script.Node([[1.0, 0.0, 0.0, 0.0]] * 8)
    assert script.balance_loss(sure, [0] * 8, 0.5).value == [[2.0]]
    script.TAPE.clear()


def test_balance_pushes_the_busy_expert_down(script):
    """Its slope in the router's logits is positive for whoever has more than the mean."""
    logits = script.Node([[0.3, 0.1, 0.0]] * 6)
    gates = script.shares(logits)
    script.backward(script.balance_loss(gates, [0, 0, 0, 0, 1, 2], 1.0))
    assert all(row[0] > 0 > row[1] and row[2] < 0 for row in logits.grad)
    assert np.allclose(np.sum(logits.grad, axis=1), 0, atol=1e-15)


def test_a_balance_of_counts_changes_nothing(small):
    """Byte for byte: what has no slope does not train."""
    weights = []
    for even, weight in ((small.balance_loss, 0.0), (small.count_loss, 100.0),
                         (small.balance_loss, 100.0)):  # fmt: skip
        mixture = small.Mixture(4, 2)
        small.train(mixture, small.load_digits()[0], 0.01, weight, even)
        weights.append([node.value for node in mixture.weights])
    assert weights[0] == weights[1] != weights[2]


def test_without_a_gate_the_router_hears_nothing_of_reading(script):
    some = digits(script, random.Random(4), 8)
    for gated in (True, False):
        mixture = script.Mixture(3, 4, gated)
        script.backward(script.read_loss(mixture(some)[0], some))
        assert (mixture.router.grad is None) == (not gated)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.floats(0, 1))
def test_the_bias_rule_lifts_who_has_too_little(script, chosen, step):
    moved = script.move([0.0] * 4, chosen, step)
    for b, f in zip(moved, script.loads(chosen, 4), strict=True):
        assert b == (step if f < 0.25 else -step if f > 0.25 else 0.0)
    assert sum(script.loads(chosen, 4)) == pytest.approx(1)


def test_a_bias_is_for_the_choice_alone(script):
    """It changes who answers; the answer is weighed by the gate without it."""
    some = digits(script, random.Random(6), 5)
    mixture = script.Mixture(2, 3)
    mixture.bias = [0.0, 2.0]
    logits, gates, chosen = mixture(some)
    assert chosen == [1] * 5 and max(map(max, gates.value)) <= 1.0
    alone = mixture.experts[1].logits([digit.inputs for digit in some])
    assert np.allclose(logits.value, np.array(alone) * np.array(gates.value)[:, 1:])
    script.TAPE.clear()


def test_four_ways_of_a_picture(script):
    pixels = [i / 64 for i in range(64)]
    ways = [np.array(digit.inputs[:64]).reshape(8, 8) for digit in script.in_four_ways(pixels, 7)]
    grid = np.array(pixels).reshape(8, 8)
    for way, wanted in zip(ways, (grid, grid[::-1], -grid, grid.T), strict=True):
        assert np.array_equal(way, wanted)


def test_no_picture_stands_on_both_sides(script):
    learn, held_out = script.load_digits()
    assert len(held_out) == 4 * script.HELD_OUT and len(learn) == 4 * (1797 - 597)
    for _, digit in zip(range(8), held_out, strict=False):
        assert digit.inputs[-1] == 1.0 and min(digit.inputs) == -1.0
    assert [digit.way for digit in held_out[:4]] == [0, 1, 2, 3]


def test_measure_counts_by_ways(script):
    some = digits(script, random.Random(8), 8)
    mixture = script.Mixture(4, 2, told="way")
    right, loss, table = script.measure(mixture, some)
    assert table == np.eye(4).tolist()
    logits = np.array(mixture(some)[0].value)
    script.TAPE.clear()
    labels = np.array([digit.label for digit in some])
    assert right == (logits.argmax(1) == labels).mean()
    wanted = -np.array(jax.nn.log_softmax(logits))[np.arange(8), labels].mean()
    assert loss == pytest.approx(wanted)


@pytest.mark.parametrize("name, value", [
    ("EXPERTS", 0), ("UNITS", 0), ("DENSE", 0), ("LARGE", 0), ("BATCH", 0), ("BATCH", 81),
    ("HELD_OUT", 0), ("ROWS", ["?"]),
])  # fmt: skip
def test_settings_that_cannot_be_end_in_a_sentence(small, monkeypatch, name, value, capsys):
    monkeypatch.setattr(small, name, value)
    with pytest.raises(SystemExit, match="HELD_OUT leaves a BATCH to learn from"):
        small.main()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name, value", [
    ("STEPS", 0), ("EXPERTS", 1), ("EXPERTS", 9), ("UNITS", 1), ("BATCH", 1), ("BALANCE", 0.0),
    ("HEAVY", 1e9), ("RATE", 100.0), ("BIAS_STEP", 9.0),
])  # fmt: skip
def test_small_settings_end_well(small, monkeypatch, name, value, capsys):
    monkeypatch.setattr(small, name, value)
    small.main()
    out = capsys.readouterr().out
    assert all(re.search(rf"^{row} .* right \d", out, re.MULTILINE) for row in small.ROWS)


def test_main_prints_the_same_twice(small, capsys):
    small.ROWS.append("nearest")
    printed = []
    for _ in range(2):
        small.main()
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] and "nearest" in printed[0]
    lines = re.sub(r"loss \S+", "loss 0.000", printed[0]).splitlines()  # may be large so early
    assert all(len(line) <= 81 for line in lines)


def test_the_code_of_the_solutions_is_right(script):
    """Each block asserts what it claims."""
    names = dict(vars(script))
    blocks = re.findall(r"```python\n(.*?)```", SOLUTIONS.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, names)
    script.TAPE.clear()
