"""Properties of microoptimizer: NumPy's SVD, JAX's gradients, counted products, limits."""

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

ROOT = Path(__file__).resolve().parents[2]
JORDAN = (3.4445, -4.7750, 2.0315)


@pytest.fixture(autouse=True)
def empty_tape(script):
    """Every test starts with nothing recorded and ends so."""
    assert script.TAPE == []
    yield
    assert script.TAPE == []


def drawn(seed, rows, columns):
    return np.random.default_rng(seed).normal(size=(rows, columns))


def listed(array):
    return [list(map(float, row)) for row in array]


def quintic(values, turns, coefficients=JORDAN):
    a, b, c = coefficients
    for _ in range(turns):
        values = a * values + b * values**3 + c * values**5
    return values


shapes = st.tuples(st.integers(0, 99), st.integers(1, 9), st.integers(1, 9))


@given(shapes, st.integers(0, 6))
def test_turns_move_singular_values_alone(script, shape, turns):
    """U p(S) V^T by NumPy's decomposition, whichever side is longer."""
    matrix = drawn(*shape)
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    expected = u * quintic(s / np.linalg.norm(s), turns) @ v
    found = script.flattened(listed(matrix), turns)
    assert np.shape(found) == matrix.shape
    assert np.abs(np.array(found) - expected).max() < 1e-8


def test_many_turns_of_the_cubic_are_the_polar_factor(script, monkeypatch):
    monkeypatch.setattr(script, "COEFFICIENTS", (1.5, -0.5, 0.0))
    u, _, v = np.linalg.svd(drawn(1, 5, 8), full_matrices=False)
    assert np.abs(np.array(script.flattened(listed(drawn(1, 5, 8)), 40)) - u @ v).max() < 1e-12


def test_what_has_risen_stays_between_68_and_121_hundredths():
    inside = np.linspace(0.68, 1.21, 10_000)
    for _ in range(50):
        inside = quintic(inside, 1)
        assert inside.min() > 0.68 and inside.max() < 1.21
    small = np.geomspace(0.002, 1, 10_000)
    assert quintic(small, 5).min() > 0.5 and quintic(small, 5).max() < 1.21


def test_a_matrix_of_zeros_stays_one(script):
    assert script.flattened([[0.0, 0.0], [0.0, 0.0]], 5) == [[0.0, 0.0], [0.0, 0.0]]
    assert script.singular_values([[0.0, 0.0], [0.0, 0.0]]) == [0.0, 0.0]


@given(shapes)
def test_singular_values_are_numpys(script, shape):
    matrix = drawn(*shape)
    matrix[0] = 0.0 if shape[0] % 3 == 0 else matrix[0]  # some lack a rank
    expected = np.linalg.svd(matrix, compute_uv=False)
    assert np.allclose(script.singular_values(listed(matrix)), expected, atol=1e-10)


@pytest.mark.parametrize("leak", [0.0, 0.2])
def test_the_gradient_is_jaxs(script, monkeypatch, leak):
    monkeypatch.setattr(script, "LEAK", leak)
    monkeypatch.setattr(script, "SIZES", [6, 5, 4, 3])
    random.seed(3)
    weights = script.first_weights()
    inputs, labels = np.abs(drawn(2, 7, 6)), [0, 1, 2, 0, 1, 2, 0]
    digits = list(zip(listed(inputs), labels, strict=True))

    def loss(matrices):
        x = jnp.array(inputs)
        for matrix in matrices[:-1]:
            x = x @ matrix.T
            x = jnp.where(x > 0, x, leak * x)
        return -jax.nn.log_softmax(x @ matrices[-1].T)[jnp.arange(7), jnp.array(labels)].mean()

    expected = jax.grad(loss)([jnp.array(node.value) for node in weights])
    script.backward(script.scored(script.logits(digits, weights), digits))
    for node, slopes in zip(weights, expected, strict=True):
        assert np.abs(np.array(node.grad) - slopes).max() < 1e-12


def test_the_dampened_slope_is_a_finite_difference(script, monkeypatch):
    monkeypatch.setattr(script, "LEAK", 0.2)
    for value in (-1.3, 0.7):
        ends = [script.dampened(script.Node([[value + step]])).value[0][0]
                for step in (1e-6, -1e-6)]  # fmt: skip
        node = script.Node([[value]])
        script.TAPE.clear()
        script.backward(script.dampened(node))
        assert abs(node.grad[0][0] - (ends[0] - ends[1]) / 2e-6) < 1e-8


@pytest.mark.parametrize("rule", ["descent", "momentum", "muon", "unflattened", "three turns"])
def test_descent_against_numpy(script, rule):
    """Three steps of each rule on a tall matrix, written a second time."""
    momentum, ahead, turns = script.RULES[rule]
    weight = drawn(4, 6, 3)
    node = script.Node(listed(weight))
    optimizer, velocity = script.Descent([node], momentum, ahead, turns), 0.0
    for k in range(3):
        grad = drawn(10 + k, 6, 3)
        node.grad = listed(grad)
        optimizer.step(0.1)
        velocity = momentum * velocity + grad
        move = momentum * velocity + grad if ahead else velocity
        if turns is not None:
            u, s, v = np.linalg.svd(move, full_matrices=False)
            move = np.sqrt(2) * (u * quintic(s / np.linalg.norm(s), turns)) @ v
        weight = weight - 0.1 * move
        assert np.abs(np.array(node.value) - weight).max() < 1e-9
        assert node.grad is None


@pytest.mark.parametrize("rule", ["adam", "momentum", "muon", "three turns"])
@pytest.mark.parametrize("sizes", [[64, 32, 10], [64, 8, 12, 10]])
def test_work_is_what_products_do(script, monkeypatch, rule, sizes):
    """Every multiplication in `product` during one step is counted."""
    done, product = [], script.product

    def counted(a, b):
        done.append(len(a) * len(b) * len(a[0]))
        return product(a, b)

    monkeypatch.setattr(script, "product", counted)
    monkeypatch.setattr(script, "SIZES", sizes)
    monkeypatch.setattr(script, "BATCH", 16)
    learn, _ = script.load_digits()
    for _ in script.train(learn, 1, rule, 0.01, 0.1, 1):
        assert sum(done) == sum(script.work(rule))


def test_quarters_are_apart_and_in_order(script):
    digits = list(range(12))
    parts = script.quarters(digits)
    assert [quarter for _, quarter in parts] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert all(sorted(learn + quarter) == digits for learn, quarter in parts)


def test_held_out_digits_choose_nothing(script, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(script, "CHOOSING", True)
    monkeypatch.setattr(script, "RACES", {"x": ("adam", [0.04], [0.0], 1)})
    monkeypatch.setattr(script, "choose", lambda name, digits: seen.append(digits))
    script.main()
    assert seen == [script.load_digits()[0]]
    assert "held out 597" in capsys.readouterr().out


def test_the_least_mean_is_chosen(script, monkeypatch, capsys):
    losses = iter([3.0] * 4 + [1.0, 2.0, 1.0, 2.0] + [2.0] * 4 + [1.6] * 4)
    monkeypatch.setattr(script, "RACES", {"x": ("adam", [1.0, 2.0], [0.1, 0.2], 1)})
    monkeypatch.setattr(script, "train", lambda *given: iter([(1, None, None)]))
    monkeypatch.setattr(script, "judge", lambda *given: (next(losses), 0.0))
    script.choose("x", list(range(8)))
    assert capsys.readouterr().out.splitlines()[-1].endswith("chosen 1.0 0.2")


def test_races_start_alike_and_meet_the_same_batches(script, monkeypatch):
    met, scored = {}, script.scored
    learn, _ = script.load_digits()
    for rule in ("adam", "muon"):
        seen = met[rule] = []

        def noted(outputs, digits, seen=seen):
            seen.append(digits)
            return scored(outputs, digits)

        monkeypatch.setattr(script, "scored", noted)
        *_, (steps, weights, _) = script.train(learn, 5, rule, 0.0, 0.0, 2)
        met[rule, "end"] = weights[0].value
        assert steps == 2
    assert met["adam"] == met["muon"]
    assert met["adam", "end"] == met["muon", "end"]  # a rate of 0 moves nothing there


def test_rates_rise_and_fall(script, monkeypatch):
    rates = []
    monkeypatch.setattr(script.Adam, "step", lambda self, rate: rates.append(rate))
    monkeypatch.setattr(script, "WARM_UP", 4)
    learn, _ = script.load_digits()
    for _ in script.train(learn[:40], 1, "adam", 1.0, 0.0, 8):
        pass
    falling = [1 - k / 8 for k in range(8)]
    rising = [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    assert rates == pytest.approx([a * b for a, b in zip(falling, rising, strict=True)])


def test_decay_takes_a_share(script):
    node = script.Node([[1.0, -2.0]])
    script.shrink([node], 0.25)
    assert node.value == [[0.75, -1.5]]


def test_a_fence(script):
    """With a decay the largest singular value ends below 1.21 over it, whatever the gradients."""
    node, draw = script.Node(listed(3 * drawn(5, 4, 6))), np.random.default_rng(6)
    optimizer = script.Descent([node], 0.95, True, 5)
    for _ in range(400):
        node.grad = listed(draw.normal(size=(4, 6)) + 1.0)
        script.shrink([node], 0.05 * 2.0)
        optimizer.step(0.05)
    assert np.linalg.norm(node.value, 2) < 1.21 / 2.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIZES", [64, 10]),
        ("SIZES", [64, 0, 10]),
        ("BATCH", 0),
        ("BATCH", 5000),
        ("HELD_OUT", 1797),
    ],
)
def test_wrong_settings_end_in_a_sentence(script, monkeypatch, name, value):
    monkeypatch.setattr(script, name, value)
    with pytest.raises(SystemExit, match=r"[a-z]"):
        script.main()


def test_a_rate_too_large_ends_in_a_sentence(script, monkeypatch):
    monkeypatch.setattr(script, "RACES", {"x": ("descent", [1e6], [0.0], 20)})
    with pytest.raises(SystemExit, match="too large"):
        script.main()
    script.TAPE.clear()


def test_small_settings_end_well(script, monkeypatch, capsys):
    monkeypatch.setattr(script, "SIZES", [64, 1, 10])
    monkeypatch.setattr(script, "BATCH", 1)
    races = {name: (*race[:3], 2) for name, race in script.RACES.items()}
    monkeypatch.setattr(script, "RACES", races)
    script.main()
    assert capsys.readouterr().out.count("| step   2 |") == len(races)


def test_the_code_of_the_solutions_is_right(script):
    """Each block asserts what it claims."""
    text = (ROOT / "book/back/solutions/microoptimizer.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 7
    names = dict(vars(script))
    for block in blocks:
        exec(block, names)
