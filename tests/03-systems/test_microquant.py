"""Properties of microquant: grids, bytes, integers, errors handed on; against JAX and numpy."""

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


@given(values, st.sampled_from([2, 3, 4]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_fitted_grid_is_the_best_of_twenty(script, values, bits, symmetric):
    """Each grid's squared error by numpy; the fit's is the least, and never above the widest's."""
    row = np.array(values)

    def lost(grid):
        codes = np.clip(np.rint(row / grid.scale + grid.zero), grid.low, grid.high)
        return ((row - grid.scale * (codes - grid.zero)) ** 2).sum()

    bottom, top = min(0.0, row.min()), max(0.0, row.max())
    tried = [
        lost(script.covering(k / 20 * bottom, k / 20 * top, bits, symmetric)) for k in range(1, 21)
    ]
    fitted = lost(script.fit(values, bits, symmetric, True))
    assert fitted == pytest.approx(min(tried))
    assert lost(script.fit(values, bits, symmetric)) == pytest.approx(tried[-1])


def test_a_fit_comes_near_the_scale_of_least_squares(script):
    """The best scale for given codes is sum(w c) / sum(c c): 1.2 for the pencil's weights."""
    row = [1.0, 1.0, 1.0, 1.0, -2.0]
    grid = script.fit(row, 2, True, True)
    codes = [script.encode(w, grid) for w in row]
    assert codes == [1, 1, 1, 1, -1]
    assert grid.scale == pytest.approx(np.dot(row, codes) / np.dot(codes, codes), abs=1e-3)
    wide = script.fit(row, 2, True)
    assert [script.encode(w, wide) for w in row] == [0, 0, 0, 0, -1]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("CALIBRATION", 0), ("BATCH", 0), ("GROUP", 0), ("LOUD", 0.0), ("DAMPING", 0.0),
     ("HELD_DIGITS", 0), ("HELD_NAMES", 0), ("BITS", [1]), ("SIZES", [[64, 10]])],
)  # fmt: skip
def test_a_setting_that_is_too_small_ends_the_run_in_a_sentence(
    script, monkeypatch, setting, value
):
    monkeypatch.setattr(script, setting, value)
    with pytest.raises(SystemExit, match="a setting is too small"):
        script.main()


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
    return np.array(codes).ravel(), np.array(scale * (codes - zero)).reshape(np.shape(rows))


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
    st.sampled_from(["tensor", "row", "group"]), st.booleans(),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_bytes_hold_everything(script, seed, bits, sharing, symmetric):
    """numpy reads the matrix from the bytes, the shape and the options alone."""
    n = {"tensor": 1, "row": 5, "group": 10}[sharing]
    rounded = script.Rounded(drawn(seed, 5, 32), bits, sharing, symmetric)
    packed = rounded.pack()
    size = (5 * 32 * bits + 7) // 8
    assert len(packed) == size + 2 * n + (0 if symmetric else n)
    flat = np.unpackbits(np.frombuffer(packed[:size], np.uint8), bitorder="little")
    codes = flat[: 160 * bits].reshape(160, bits) @ 2 ** np.arange(bits)
    low = 1 - 2 ** (bits - 1) if symmetric else 0
    zeros = np.zeros(n) if symmetric else np.frombuffer(packed[size : size + n], np.uint8)
    scales = np.frombuffer(packed[-2 * n :], "<f2").astype(float)
    numbers = scales[:, None] * (codes.reshape(n, -1) + low - zeros[:, None])
    assert (numbers.reshape(5, 32) == np.array(rounded.matrix())).all()


def test_four_bit_codes_are_nibbles_low_first(script):
    rounded = script.Rounded([[-7.0, 7.0, 0.0, 1.0]], 4, "row", True)
    assert rounded.pack() == bytes([0xE0, 0x87]) + struct.pack("<e", 1.0)


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


def test_each_answer_is_the_best_to_all_errors_before(script):
    """What all later weights do about one unit of error solves the least squares."""
    h = np.array(script.hessian(inputs_of(5, 40, 7)))
    shares = script.answers(h.tolist())
    for j in range(6):
        d = np.zeros(7)
        d[j] = 1.0
        for k in range(j + 1, 7):  # each later weight answers those before it
            d[k] = -np.dot(shares[k], d[:k])
        assert np.allclose(d[j + 1 :], -np.linalg.solve(h[j + 1 :, j + 1 :], h[j + 1 :, j]))


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
    rounded = script.Rounded(rows, bits, sharing, bits % 2 == 0)
    grids, costs = rounded.rows(rounded.each_grid()), script.hessian(inputs)
    shares = script.answers(costs)
    ours = [script.hand_on(*pair, shares) for pair in zip(rows, grids, strict=True)]
    assert (np.array(ours) == gptq(np.array(rows), grids, np.array(costs))).all()


def test_with_unrelated_inputs_nothing_is_handed_on(script):
    assert all(v == 0 for share in script.answers(np.eye(32).tolist()) for v in share)


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
        handed = cost(script.hand_on(row, [grid] * 4, script.answers(h.tolist())))
        best = min(cost(codes) for codes in itertools.product((-1, 0, 1), repeat=4))
        assert best <= min(plain, handed) + 1e-12
        sums += plain, handed, best
    assert sums[0] > 1.1 * sums[1] > 1.1 * sums[2]


def test_the_pencil_example(script):
    x, w = np.array([[1, 1], [1, 0]]), np.array([0.4, 0.3])
    grid = script.Grid(1.0, 0, -1, 1)
    handed = script.hand_on(w.tolist(), [grid] * 2, script.answers((x.T @ x).tolist()))
    plain = [script.encode(v, grid) for v in w]
    assert (plain, handed) == ([0, 0], [0, 1])
    for codes, cost in ((plain, 0.65), (handed, 0.25)):
        assert ((x @ (w - codes)) ** 2).sum() == pytest.approx(cost)


@pytest.fixture
def network(script):
    model = script.MLP([32, 16, 16, 4])
    for k, matrix in enumerate(model.matrices):
        matrix.value = drawn(k, len(matrix.value), len(matrix.value[0]), 0.4)
    return model, inputs_of(8, 30, 32)


@pytest.fixture
def spelling(script):
    random.seed(4)
    return script.GPT(script.TASK), [[0, 5, 13, 13, 1], [0, 2, 15], [0, 1]]


def answered(script, model, sample):
    out = np.array(model.logits(sample).value)
    script.TAPE.clear()
    return out


def by_whole_arrays(parameters, names, heads=2):
    """The inputs of all seven matrices and the logits, name after name, in JAX."""
    tokens, positions, head, query, key, value, output, up, down = parameters

    def norm(x):
        return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-5)

    found = []
    for ids in names:
        n = len(ids)
        x = tokens[jnp.array(ids)] + positions[:n]
        y, mask = norm(x), jnp.tril(jnp.ones((n, n), bool))
        parts = [jnp.split(y @ w.T, heads, 1) for w in (query, key, value)]
        z = jnp.concatenate([
            jax.nn.softmax(jnp.where(mask, q @ k.T / q.shape[1] ** 0.5, -jnp.inf)) @ v
            for q, k, v in zip(*parts, strict=True)], 1)  # fmt: skip
        x = x + z @ output.T
        hidden = jax.nn.relu(norm(x) @ up.T)
        last = norm(x + hidden @ down.T)
        found.append((y, y, y, z, norm(x), hidden, last, last @ head.T))
    return [jnp.concatenate(parts) for parts in zip(*found, strict=True)]


def test_logits_gradients_and_inputs_of_the_gpt_equal_jax(script, spelling):
    model, names = spelling
    parameters = [jnp.array(node.value) for node in model.parameters]
    targets = [i for ids in names for i in [*ids[1:], 0]]

    def loss(parameters):
        scores = jax.nn.log_softmax(by_whole_arrays(parameters, names)[-1])
        return -scores[jnp.arange(len(targets)), jnp.array(targets)].mean()

    *inputs, logits = by_whole_arrays(parameters, names)
    assert np.abs(answered(script, model, names) - np.array(logits)).max() < 1e-9
    for ours, theirs in zip(script.listen(model, names), inputs, strict=True):
        assert np.abs(np.array(ours) - np.array(theirs)).max() < 1e-9
    script.backward(script.cross_entropy(model.logits(names), targets))
    for node, slope in zip(model.parameters, jax.grad(loss)(parameters), strict=True):
        seen = np.array(node.grad)
        assert np.abs(seen - np.array(slope)).max() < 1e-9


def test_rescaling_changes_no_output(script, network):
    model, sample = network
    before = answered(script, model, sample)
    loud = script.planted(model, sample)
    heard = np.array(script.listen(loud, sample)[1]).max(0)
    assert heard.max() > 10 * np.sort(heard)[-2]
    smooth = script.smoothed(loud, sample)
    for changed in (loud, smooth, script.smoothed(model, sample)):
        assert np.abs(answered(script, changed, sample) - before).max() < 1e-9
        assert changed is not model
    peaks = np.array(script.listen(smooth, sample)[2]).max(0)
    sizes = np.abs(smooth.matrices[2].value).max(0)
    assert np.allclose(peaks[peaks > 0], sizes[peaks > 0])
    for a, b in zip(smooth.matrices, script.smoothed(model, sample).matrices, strict=True):
        assert np.allclose(a.value, b.value)  # whatever was planted is gone


@pytest.mark.parametrize("kind", ["network", "spelling"])
def test_many_bits_are_the_network_itself(script, kind, request):
    model, sample = request.getfixturevalue(kind)
    before = answered(script, model, sample)
    for shown in ((), sample):
        rounded, size = script.compress(model, (8, "row", True), shown)
        assert np.abs(answered(script, rounded, sample) - before).max() < 0.2
        shapes = [np.shape(matrix.value) for matrix in model.matrices]
        assert size == sum(n * k + 2 * n for n, k in shapes)
    assert (answered(script, model, sample) == before).all()  # it was a copy


def test_only_the_chosen_matrices_are_rounded(script, spelling):
    model, _ = spelling
    rounded, size = script.compress(model, (2, "row", True), (), [6])
    changed = [a.value != b.value for a, b in
               zip(model.parameters, rounded.parameters, strict=True)]  # fmt: skip
    assert changed == [False, False, True] + 6 * [False]
    assert size == 27 * 16 // 4 + 2 * 27
    assert {round(abs(v), 9) for v in rounded.head.value[0]} == {
        0, round(script.half(max(map(abs, model.head.value[0]))), 9)}  # fmt: skip


@pytest.mark.parametrize("kind", ["network", "spelling"])
def test_matrices_are_shown_what_rounded_ones_give(script, kind, request, monkeypatch):
    model, sample = request.getfixturevalue(kind)
    seen, hessian = [], script.hessian
    monkeypatch.setattr(script, "hessian", lambda inputs: seen.append(inputs) or hessian(inputs))
    rounded, _ = script.compress(model, (2, "row", True), sample)
    for ours, theirs in zip(seen, script.listen(rounded, sample), strict=True):
        assert np.allclose(ours, theirs)


def test_handing_on_lowers_the_cost_of_a_layer(script, network):
    model, sample = network
    before, costs = np.array(script.listen(model, sample)[1]), []
    for shown in ((), sample):
        rounded, _ = script.compress(model, (2, "row", True), shown, [1])
        change = np.array(rounded.matrices[1].value) - np.array(model.matrices[1].value)
        costs.append(((before @ change.T) ** 2).sum())
    assert costs[1] < 0.9 * costs[0]


@pytest.mark.parametrize("bits", [3, 8])
def test_integers_equal_int32(script, network, bits):
    model, sample = network
    expected = np.array(sample)
    for matrix, heard in zip(model.matrices, script.listen(model, sample), strict=True):
        scale = float(np.float16(np.max(heard) / (2**bits - 1)))
        codes = np.clip(np.rint(expected / scale), 0, 2**bits - 1).astype(np.int32)
        weights = script.Rounded(matrix.value, 8, "row", True)
        sums = codes @ np.array(weights.codes, np.int32).reshape(np.shape(matrix.value)).T
        assert sums.dtype == np.int32
        expected = sums * scale * np.array([grid.scale for grid in weights.grids])
    integers = script.Integers(model, sample, bits)
    assert np.abs(np.array(integers.logits(sample).value) - expected).max() < 1e-9
    if bits == 8:
        assert np.abs(expected - answered(script, model, sample)).max() < 0.3


def test_rates_rise_and_fall_and_all_examples_come_by(script, monkeypatch):
    rates, seen = [], []
    monkeypatch.setattr(script.Adam, "step", lambda self, rate: rates.append(rate))
    monkeypatch.setattr(script, "BATCH", 2)
    examples = [([float(k)] * 4, [k % 2]) for k in range(6)]
    model = script.MLP([4, 3, 2])
    logits = model.logits
    monkeypatch.setattr(model, "logits", lambda rows: seen.extend(rows) or logits(rows), False)
    script.train(model, examples, 20, 1.0)
    expected = [0.5, 1.0] + [(20 - step) / 18 for step in range(3, 21)]
    assert rates == pytest.approx(expected)
    for k in range(0, 36, 6):
        assert sorted(row[0] for row in seen[k : k + 6]) == [0, 1, 2, 3, 4, 5]


def test_judge(script):
    row = [float(np.log(3)), 0.0]

    class Sure:
        @staticmethod
        def logits(inputs):
            return script.Node([row for _ in inputs for _ in range(2)][:3])

    loss = -(2 * np.log(0.75) + np.log(0.25)) / 3
    assert script.judge(Sure, [(None, [0, 0]), (None, [1])]) == f"{loss:5.3f} 0.667"
    assert script.TAPE == []


def test_pairs_counted_by_hand(script):
    """After a: b twice and a once; after b nothing; 27 kinds, each once more."""
    learn, held = [([1, 1], [1, 2]), ([1], [2])], [([1, 2], [2, 1])]
    expected = -(np.log(3 / 30) + np.log(1 / 27)) / 2
    assert script.pair_counts(learn, held) == pytest.approx(expected)


def test_calibration_and_held_out_data_are_apart(script, monkeypatch):
    seen = []
    monkeypatch.setattr(script, "train", lambda *given: None)
    monkeypatch.setattr(script, "show", lambda *given: None)
    monkeypatch.setattr(script, "show_grids", lambda *given: seen.append(given))
    monkeypatch.setattr(script, "show_outlier", lambda *given: None)
    monkeypatch.setattr(script, "judge", lambda *given: None)
    digits = script.study_digits, script.load_digits, script.CALIBRATION
    names = script.study_names, script.load_names, script.CALIBRATION // 4
    for study, load, size in (digits, names):
        random.seed(7)
        learn, held_out = load()
        study(learn, held_out)
        for _, _, sample, shown, _ in seen:
            assert shown == held_out and len(sample) == size
            assert sample == [one for one, _ in learn[:size]]
        assert seen
        seen.clear()
        assert not {str(one) for one, _ in learn} & {str(one) for one, _ in held_out}
        assert len(held_out) == (597 if load is script.load_digits else 300)


def test_the_code_of_the_solutions_is_right(script):
    """Each block asserts what it claims."""
    text = (ROOT / "book/back/solutions/microquant.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 6
    names = dict(vars(script))
    for block in blocks:
        exec(block, names)
