"""Properties of microquant: grids, bytes, integers and the handed-on errors, against numpy."""

import itertools
import random
import re
import struct
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
jax.config.update("jax_enable_x64", True)


def drawn(seed, rows, columns, spread=1.0):
    draw = random.Random(seed).gauss
    return [[draw(0, spread) for _ in range(columns)] for _ in range(rows)]


def inputs_of(seed, rows, columns):
    """Inputs with correlated columns, none below zero, the second always dark."""
    draw = np.random.default_rng(seed)
    found = np.maximum(draw.normal(size=(rows, 3)) @ draw.normal(size=(3, columns)) + 0.3, 0)
    found[:, 1] = 0
    return found.tolist()


values = st.lists(st.floats(-8, 8), min_size=1, max_size=20).filter(
    lambda row: max(map(abs, row)) > 1e-2
)


@given(values, st.sampled_from([2, 3, 4, 8]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_rounding_is_off_by_half_a_step_at_most(script, values, bits, symmetric):
    grid = script.fit(values, bits, symmetric)
    assert grid.high - grid.low == 2**bits - (2 if symmetric else 1)
    assert script.decode(grid.zero, grid) == 0 and grid.low <= grid.zero <= grid.high
    for value in values:
        code = script.encode(value, grid)
        assert isinstance(code, int) and grid.low <= code <= grid.high
        # a scale cut to 16 bits may leave the ends uncovered by a 2048th of the range, and the
        # zero is rounded: half a step and a little
        slack = 2**bits / 2000
        # two roundings meet at an end of an uneven grid: a whole step there
        far = 0.5 if symmetric else 1.0
        assert abs(value - script.decode(code, grid)) <= grid.scale * (far + slack)
        assert script.encode(script.decode(code, grid), grid) == code


def test_symmetric_grids_mirror(script):
    grid = script.fit([-1.0, 0.4], 4, True)
    for value in (0.1, 0.33, 0.8, 5.0):
        assert script.encode(-value, grid) == -script.encode(value, grid)


def by_jax(rows, bits, symmetric, span):
    """Quantize and dequantize from the formulas, with whole arrays."""
    blocks = jnp.array(rows).reshape(-1, span)
    if symmetric:
        high = 2 ** (bits - 1) - 1
        scale = jnp.abs(blocks).max(1, keepdims=True) / high
        low, zero = -high, 0.0
        scale = scale.astype(jnp.float16).astype(float)
    else:
        high, low = 2**bits - 1, 0
        bottom = jnp.minimum(blocks.min(1, keepdims=True), 0)
        top = jnp.maximum(blocks.max(1, keepdims=True), 0)
        scale = ((top - bottom) / high).astype(jnp.float16).astype(float)
        zero = jnp.minimum(jnp.rint(-bottom / scale), high)
    codes = jnp.clip(jnp.rint(blocks / scale + zero), low, high)
    shape = np.shape(rows)
    return np.array(codes).reshape(shape), np.array(scale * (codes - zero)).reshape(shape)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize(("sharing", "span"), [("tensor", 192), ("row", 32), ("group", 16)])
def test_codes_and_numbers_equal_jax(script, bits, symmetric, sharing, span):
    rows = drawn(bits, 6, 32)
    rounded = script.Rounded(rows, bits, sharing, symmetric)
    codes, numbers = by_jax(rows, bits, symmetric, span)
    assert (np.array(rounded.codes) == codes).all()
    assert np.abs(np.array(rounded.matrix()) - numbers).max() < 1e-12


@given(
    st.integers(0, 10**6), st.sampled_from([2, 3, 4, 8]),
    st.sampled_from(["tensor", "row", "group"]), st.booleans(), st.booleans(),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_bytes_hold_everything(script, seed, bits, sharing, symmetric, stretched):
    """Unpacked into a matrix of the same shape that was made of other numbers."""
    factors = [script.half(2.0 ** (k / 4)) for k in range(-16, 16)] if stretched else ()
    rows, n = drawn(seed, 5, 32), {"tensor": 1, "row": 5, "group": 10}[sharing]
    one = script.Rounded(rows, bits, sharing, symmetric, factors)
    other = script.Rounded(drawn(seed + 1, 5, 32), bits, sharing, symmetric, factors)
    packed = one.pack()
    other.unpack(packed)
    assert other.codes == one.codes and other.grids == one.grids
    assert other.matrix() == one.matrix() and other.pack() == packed
    scales = 2 * (n + len(factors)) + (0 if symmetric else n)
    assert len(packed) == (5 * 32 * bits + 7) // 8 + scales


def test_four_bit_codes_are_nibbles_low_first(script):
    rounded = script.Rounded([[-7.0, 7.0, 0.0, 1.0]], 4, "row")
    assert rounded.pack() == bytes([0xE0, 0x87]) + struct.pack("<e", 1.0)


@pytest.mark.parametrize("sharing", ["tensor", "row"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_integer_sums_equal_int32(script, sharing, symmetric):
    rows, weights = drawn(1, 7, 32), script.Rounded(drawn(2, 5, 32), 8, sharing, symmetric)
    grid = script.fit([v for row in rows for v in row], 8, False)
    assert grid.zero > 0
    codes = [[script.encode(v, grid) for v in row] for row in rows]
    sums = script.integer_sums(codes, grid.zero, weights)
    assert all(type(v) is int for row in sums for v in row)
    zeros = np.array([[g.zero for g in row] for row in weights.grids], np.int32)
    expected = (np.array(codes, np.int32) - np.int32(grid.zero)) @ (
        np.array(weights.codes, np.int32) - zeros
    ).T
    assert expected.dtype == np.int32 and (np.array(sums) == expected).all()
    decoded = np.array([[script.decode(c, grid) for c in row] for row in codes])
    floats = decoded @ np.array(weights.matrix()).T
    assert np.abs(np.array(script.integer_product(rows, grid, weights)) - floats).max() < 1e-9


def test_hessian_is_the_second_derivative(script, monkeypatch):
    """Of half the squared error of a row's outputs, by finite differences."""
    monkeypatch.setattr(script, "DAMPING", 0.0)
    x = np.array(inputs_of(3, 20, 5))
    found = np.array(script.hessian(x.tolist()))

    def cost(d):
        return ((x @ d) ** 2).sum() / 2

    eye, step = np.eye(5), 1e-3
    for i in range(5):
        for j in range(5):
            a, b = step * eye[i], step * eye[j]
            second = (cost(a + b) - cost(a - b) - cost(b - a) + cost(-a - b)) / (4 * step**2)
            assert found[i, j] == pytest.approx(second, abs=1e-6)
    monkeypatch.setattr(script, "DAMPING", 0.01)
    damped = np.array(script.hessian(x.tolist()))
    assert np.allclose(damped - found, 0.01 * np.trace(found) / 5 * eye)


def test_inverse(script):
    matrix = script.hessian(inputs_of(4, 30, 8))
    assert np.allclose(np.array(script.inverse(matrix)) @ np.array(matrix), np.eye(8), atol=1e-9)


def test_each_handover_is_the_best_answer(script):
    """What the later weights do about one unit of error is the solution of least squares."""
    h = np.array(script.hessian(inputs_of(5, 40, 7)))
    for j, share in enumerate(script.handovers(h.tolist())):
        best = np.linalg.solve(h[j + 1 :, j + 1 :], h[j + 1 :, j]) if share else []
        assert np.allclose(-np.array(share), best)


def gptq(w, grids, h):
    """The paper's algorithm 1 without its blocks: a Cholesky factor of the inverse of H."""
    factor = np.linalg.cholesky(np.linalg.inv(h)).T  # upper
    w, codes = w.copy(), np.zeros(w.shape, int)
    for j in range(w.shape[1]):
        for i in range(len(w)):
            scale, zero, low, high = grids[i][j]
            codes[i, j] = np.clip(np.rint(w[i, j] / scale + zero), low, high)
            error = (w[i, j] - scale * (codes[i, j] - zero)) / factor[j, j]
            w[i, j:] -= error * factor[j, j:]
    return codes


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("sharing", ["tensor", "row", "group"])
def test_codes_equal_the_papers_cholesky_form(script, bits, sharing):
    rows, inputs = drawn(bits, 6, 32, 0.3), inputs_of(6, 60, 32)
    options = (bits, sharing, bits % 2 == 0)
    ours = script.handing_on(rows, inputs, options)
    theirs = gptq(np.array(rows), ours.grids, np.array(script.hessian(inputs)))
    assert (np.array(ours.codes) == theirs).all()
    assert ours.grids == script.nearest(rows, inputs, options).grids


def test_with_unrelated_inputs_nothing_is_handed_on(script):
    eye = np.eye(32).tolist()
    rows, options = drawn(1, 4, 32), (3, "row")
    ours, plain = (way(rows, eye, options) for way in (script.handing_on, script.nearest))
    assert ours.codes == plain.codes


def test_handing_on_lowers_the_cost_and_is_not_the_optimum(script):
    """On all 3^4 codes of small rows: nearest costs most, the best of all costs least."""
    sums = np.zeros(3)
    for seed in range(30):
        row, x = drawn(seed, 1, 4, 0.6)[0], inputs_of(seed, 20, 4)
        h = np.array(script.hessian(x))
        grid = script.Grid(1.0, 0, -1, 1)

        def cost(codes, row=row, h=h):
            d = np.array(row) - codes
            return d @ h @ d

        plain = cost([script.encode(w, grid) for w in row])
        handed = cost(script.hand_on(row, [grid] * 4, script.handovers(h.tolist())))
        best = min(cost(codes) for codes in itertools.product((-1, 0, 1), repeat=4))
        assert best <= min(plain, handed) + 1e-12
        sums += plain, handed, best
    assert sums[0] > 1.1 * sums[1] > 1.1 * sums[2]


def test_the_pencil_example(script, capsys):
    script.by_hand()
    out = capsys.readouterr().out
    assert "codes [0, 0] | cost 0.65" in out and "codes [0, 1] | cost 0.25" in out
    x, w = np.array([[1, 1], [1, 0]]), np.array([0.4, 0.3])
    for codes, cost in (([0, 0], 0.65), ([0, 1], 0.25)):
        assert ((x @ (w - codes)) ** 2).sum() == pytest.approx(cost)


def test_protecting_chooses_the_cheapest_of_its_exponents(script):
    rows, inputs = drawn(1, 6, 32), inputs_of(7, 40, 32)
    for row in inputs:
        row[3] *= 40
    options = (4, "row", True)
    assert len(script.protecting(rows, inputs, options).pack()) == (
        len(script.nearest(rows, inputs, options).pack()) + 2 * 32
    )

    def cost(rounded):
        return ((np.array(inputs) @ (np.array(rows) - rounded.matrix()).T) ** 2).sum()

    chosen = script.protecting(rows, inputs, options)
    plain = script.nearest(rows, inputs, options)
    assert cost(chosen) < 0.8 * cost(plain)
    assert chosen.factors[3] == max(chosen.factors)
    script_exponents, script.EXPONENTS = script.EXPONENTS, [0.0]
    assert cost(script.protecting(rows, inputs, options)) == pytest.approx(cost(plain))
    script.EXPONENTS = script_exponents


@pytest.fixture
def network(script):
    weights = [drawn(k, n, m, 0.4) for k, (n, m) in enumerate([(8, 32), (16, 8), (4, 16)])]
    weights[1] = [row + row for row in weights[1]]
    weights[0] += [row[::-1] for row in weights[0]]
    return weights, inputs_of(8, 30, 32)


def test_planting_and_smoothing_change_no_output(script, network):
    weights, sample = network
    before = np.array(script.logits(weights, sample))
    loud = script.plant(weights, sample)
    heard = np.array(script.clipped(script.product(sample, loud[0]))).max(0)
    assert heard.max() > 10 * np.sort(heard)[-2]
    for changed in (loud, script.smooth(loud, sample), script.smooth(weights, sample)):
        assert np.abs(np.array(script.logits(changed, sample)) - before).max() < 1e-9
        assert changed is not weights
    smoothed = script.smooth(loud[:2], sample)
    inputs = np.array(script.clipped(script.product(sample, smoothed[0])))
    peaks, sizes = inputs.max(0), np.abs(smoothed[1]).max(0)
    assert np.allclose(peaks[peaks > 0], sizes[peaks > 0])
    for a, b in zip(smoothed, script.smooth(weights[:2], sample), strict=True):
        assert np.allclose(a, b)


def test_many_bits_are_the_network_itself(script, network):
    weights, sample = network
    before = np.array(script.logits(weights, sample))
    for way in (script.nearest, script.handing_on, script.protecting):
        matrices, size = script.compress(weights, sample, way, 8, "row")
        assert np.abs(np.array(script.logits(matrices, sample)) - before).max() < 0.2
        assert size >= sum(len(w) * len(w[0]) for w in weights)
    by_integers = script.integer_logits(weights, sample, sample, 8)
    assert np.abs(np.array(by_integers) - before).max() < 0.3


def test_integer_logits_round_inputs_to_few_bits_and_weights_to_eight(script, network):
    weights, sample = network
    shown, expected = np.array(sample), np.array(sample)
    for matrix in weights:
        grid = script.fit(shown.ravel().tolist(), 3, False)
        heard = np.maximum(expected, 0)
        codes = np.clip(np.rint(heard / grid.scale + grid.zero), 0, 7)
        rounded = np.array(script.Rounded(matrix, 8, "row", False).matrix())
        expected = grid.scale * (codes - grid.zero) @ rounded.T
        shown = np.maximum(shown @ np.array(matrix).T, 0)
    assert (
        np.abs(np.array(script.integer_logits(weights, sample, sample, 3)) - expected).max() < 1e-9
    )


def test_layers_are_shown_what_rounded_layers_give(script, network):
    weights, sample = network
    seen = []

    def spy(rows, inputs, options):
        seen.append(inputs)
        return script.nearest(rows, inputs, options)

    matrices, _ = script.compress(weights, sample, spy, 2, "row")
    expected = np.array(sample)
    for inputs, matrix in zip(seen, matrices, strict=True):
        assert np.allclose(inputs, expected)
        expected = np.maximum(expected @ np.array(matrix).T, 0)


def test_training_step_is_gradient_descent_of_jax(script, monkeypatch):
    """Three steps, each with all digits, at a rate that falls in a straight line."""
    monkeypatch.setattr(script, "EPOCHS", 3)
    monkeypatch.setattr(script, "BATCH", 6)
    digits = [(row, k % 3) for k, row in enumerate(inputs_of(9, 6, 8))]
    sizes = [8, 5, 4, 3]
    rows = jnp.array([row for row, _ in digits])
    labels = jnp.array([label for _, label in digits])

    def loss(weights):
        x = rows
        for w in weights[:-1]:
            x = jax.nn.relu(x @ w.T)
        p = jax.nn.log_softmax(x @ weights[-1].T)
        return -p[jnp.arange(6), labels].mean()

    expected = [jnp.array(w) for w in script.first_weights(sizes)]
    for step in range(3):
        rate = script.LEARNING_RATE * (1 - step / 3)
        slopes = jax.grad(loss)(expected)
        expected = [w - rate * g for w, g in zip(expected, slopes, strict=True)]
    for ours, theirs in zip(script.train(digits, sizes), expected, strict=True):
        assert np.abs(np.array(ours) - np.array(theirs)).max() < 1e-12


def test_judge(script):
    row = [float(np.log(3)), 0.0]
    loss = -(2 * np.log(0.75) + np.log(0.25)) / 3
    assert script.judge([row, row, row], [0, 0, 1]) == f"{loss:5.3f} 0.667"


def test_calibration_and_held_out_digits_are_apart(script, monkeypatch):
    seen = []
    monkeypatch.setattr(script, "train", lambda digits, sizes: script.first_weights(sizes))
    monkeypatch.setattr(script, "show_grids", lambda *given: seen.append(given))
    monkeypatch.setattr(script, "show_integers", lambda *given: None)
    monkeypatch.setattr(script, "show_outlier", lambda *given: None)
    script.main()
    learn, held_out = script.load_digits()
    assert len(held_out) == script.HELD_OUT and len(learn) == 1200
    ((_, sample, rows, labels),) = seen
    assert len(sample) == script.CALIBRATION and all(row in [r for r, _ in learn] for row in sample)
    assert list(zip(rows, labels, strict=True)) == held_out
    assert not {tuple(row) for row in sample} & {tuple(row) for row in rows}


def test_no_input_is_much_louder_than_the_rest_before_one_is_planted(script):
    learn, _ = script.load_digits()
    weights, sample = script.train(learn, script.SIZES), [r for r, _ in learn[: script.CALIBRATION]]
    inputs = np.array(sample)
    for matrix in weights:
        assert inputs.mean(0).max() < 5 * np.median(inputs.mean(0))
        assert inputs.max() < 3 * np.median(inputs.max(0))
        inputs = np.maximum(inputs @ np.array(matrix).T, 0)


def test_missing_data_gets_one_sentence(script, monkeypatch, tmp_path):
    monkeypatch.setattr(script, "__file__", str(tmp_path / "03-systems" / "microquant.py"))
    for altered in (False, True):
        if altered:
            (tmp_path / "data").mkdir()
            (tmp_path / "data" / "digits.csv.gz").write_bytes(b"other")
        with pytest.raises(SystemExit, match="digits.csv.gz is missing or altered: it belongs in"):
            script.load_digits()


def test_the_code_of_the_solutions_is_right(script):
    """Each block asserts what it claims."""
    text = (ROOT / "book/back/solutions/microquant.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 5
    names = dict(vars(script))
    for block in blocks:
        exec(block, names)
