"""Properties of microqlora: levels, scales, bytes there and back, pairs beside bytes; and JAX."""

import random
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

jax.config.update("jax_enable_x64", True)

STEP = 1e-6
NAMES = ["anna", "bo", "carl", "dina", "ed"]
SOLUTIONS = Path(__file__).resolve().parents[2] / "book/back/solutions/microqlora.md"
# The table of bitsandbytes 0.50.2 (get_4bit_type("nf4")), which is that of the paper's appendix.
NF4 = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
]  # fmt: skip
CODES = st.tuples(
    st.sampled_from(["normal", "even"]),
    st.integers(2, 8),
    st.sampled_from(["widest", "fitted"]),
    st.integers(1, 80),
    st.booleans(),
)


@pytest.fixture(autouse=True)
def empty_tape(script):
    """Every test starts with nothing recorded and ends so."""
    script.TAPE.clear()
    yield
    assert script.TAPE == []


@pytest.fixture
def small(script, monkeypatch):
    """A narrow model, few steps and a handful of names, so that a run takes a second."""
    for name, value in {
        "WIDTH": 6, "HIDDEN": 5, "OLD_STEPS": 3, "STEPS": 3, "REPAIR_STEPS": 3, "BATCH": 2,
        "HELD_OUT": 0.004, "NEW": 20,
    }.items():  # fmt: skip
        monkeypatch.setattr(script, name, value)
    return script


def drawn(rng, rows, columns, size=1.0):
    return [[rng.gauss(0, size) for _ in range(columns)] for _ in range(rows)]


def encoded(script, names=NAMES):
    letters = script.Side.symbols
    return [([0, *map(letters.index, name), 0], 1) for name in names]


def rounded_with_pairs(script, code=("normal", 4, "widest", 64, True), rank=2):
    """A rounded model whose pairs are random in both halves, so that every gradient is at work."""
    random.seed(1)
    model, store = script.rounded(script.GPT(script.Side), code)
    model.pairs = script.thin_pairs(model, rank)
    rng = random.Random(1)
    for _, b in model.pairs:
        b.value = drawn(rng, len(b.value), rank)
    return model, store


def test_the_sixteen_numbers_come_from_their_formula(script):
    ours = np.array(script.normal_levels(4))
    assert np.abs(ours - NF4).max() < 2e-7
    # half of that is the library's p, cut after seven digits; the rest are 32-bit floats
    p = 0.9677083
    above = norm.ppf(np.linspace(0.5, p, 9)[1:])
    below = -norm.ppf(np.linspace(0.5, p, 8)[1:])
    theirs = np.array([*sorted(below), 0, *above]) / above.max()
    assert np.abs(theirs - NF4).max() < 1.1e-7
    assert np.abs(ours - NF4).max() > 1.5e-7


@pytest.mark.parametrize("bits", range(2, 9))
def test_levels_rise_from_minus_one_to_one(script, bits):
    for kind, levels in script.LEVELS.items():
        values = levels(bits)
        assert len(values) == 2**bits and values == sorted(set(values))
        assert [values[0], values[-1]] == pytest.approx([-1, 1], abs=1e-12)
        assert (0.0 in values) == (kind == "normal")
    gaps = np.diff(script.even_levels(bits))
    assert np.allclose(gaps, gaps[0])
    steps = np.diff(norm.cdf(np.array(script.normal_levels(bits)) * norm.ppf(tail(bits))))
    assert np.allclose(steps[2 ** (bits - 1) :], steps[-1])  # equal probability above zero
    assert np.allclose(steps[: 2 ** (bits - 1) - 1], steps[0])  # and below


def tail(bits):
    n = 2**bits
    return 1 - (1 / (2 * n) + 1 / (2 * n - 2)) / 2


@given(st.floats(-3, 3), st.integers(2, 8), st.sampled_from(["normal", "even"]))
def test_nearest_is_the_nearest(script, value, bits, kind):
    levels = script.LEVELS[kind](bits)
    found = abs(levels[script.nearest(value, levels)] - value)
    assert found == min(abs(level - value) for level in levels)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 70), st.sampled_from(["normal", "even"]))
def test_a_fitted_scale_is_the_best_of_twenty(script, seed, size, kind):
    rng, levels = np.random.default_rng(seed), np.array(script.LEVELS[kind](2))
    block = rng.normal(size=size)

    def error(scale):
        return (np.abs(block[:, None] - scale * levels).min(1) ** 2).sum()

    top = np.abs(block).max()
    assert script.scale_of(block.tolist(), levels.tolist(), "widest") == pytest.approx(top)
    fitted = script.scale_of(block.tolist(), levels.tolist(), "fitted")
    assert error(fitted) == pytest.approx(min(error(top * k / 20) for k in range(1, 21)))


def test_a_block_of_zeros_has_a_scale(script):
    for fit in ("widest", "fitted"):
        assert script.scale_of([0.0, 0.0], script.normal_levels(2), fit) > 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), CODES)
def test_bytes_there_and_back(script, seed, code):
    """Every weight comes back as the level nearest to it, on the scale that was stored."""
    kind, bits, fit, block, double = code
    rng = random.Random(seed)
    shapes = [(rng.randint(1, 6), rng.randint(1, 9)) for _ in range(3)]
    matrices = [drawn(rng, *shape) for shape in shapes]
    store = script.Store(matrices, code)
    count = sum(rows * width for rows, width in shapes)
    blocks = -(-count // block)
    assert len(store.codes) == -(-count * bits // 8)
    assert store.size() == len(store.codes) + (blocks + 8 if double else 4 * blocks)
    scales, levels, first = store.read_scales(), np.array(script.LEVELS[kind](bits)), 0
    assert len(scales) == blocks and min(scales) > 0
    for matrix, (rows, width) in zip(matrices, shapes, strict=True):
        found = store.rows(first, rows, width)
        assert np.array(found).shape == (rows, width)
        for i, (w, v) in enumerate(zip(sum(matrix, []), sum(found, []), strict=True)):
            scale = scales[(first + i) // block]
            assert abs(v - w) == pytest.approx(np.abs(scale * levels - w).min(), abs=1e-12)
        first += rows * width


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=60))
def test_scales_rounded_once_more_are_off_by_half_a_unit(script, scales):
    data = script.pack_scales(scales)
    assert len(data) == 8 + len(scales)
    found = script.unpack_scales(data)
    unit = max(abs(s - sum(scales) / len(scales)) for s in scales) / 127
    assert min(found) > 0
    for scale, back in zip(scales, found, strict=True):
        assert abs(back - scale) <= max(0.51 * unit, unit - scale if scale < unit else 0) + 1e-5


def test_a_scale_that_would_come_back_as_nothing_comes_back_as_a_unit(script):
    """One large scale among small ones: half a unit is more than the small ones are."""
    for count in range(2, 60):
        found = script.unpack_scales(script.pack_scales([0.0001] * count + [1.0]))
        assert min(found) > 0.001


def test_a_matrix_exists_only_while_it_is_read(small):
    """No floats are kept, and every reading makes the same ones."""
    model, store = rounded_with_pairs(small)
    for matrix in (*model.layers[0], model.head):
        assert isinstance(matrix, small.Frozen)
        assert vars(matrix).keys() <= {"store", "place", "grad"}
        assert matrix.value == matrix.value and matrix.value is not matrix.value
    kept = {name: value for name, value in vars(store).items() if name != "levels"}
    assert all(isinstance(v, bytes | int) for v in kept.values())
    assert len(store.codes) == sum(
        len(m.value) * len(m.value[0]) for m in (*model.layers[0], model.head)
    ) // 2  # fmt: skip


def by_jax(script, floats, pairs, example):
    """Logits of one sequence: base + B(A(x)) * (alpha / r), the base in floats."""
    tokens, positions, head, *layer = floats
    ids, _ = example
    n, scale = len(ids), script.ALPHA / len(pairs[0][0])

    def norm(x):
        return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-5)

    def linear(k, x):
        lora_a, lora_b = pairs[k]
        return x @ layer[k].T + (x @ lora_a.T) @ lora_b.T * scale

    x = tokens[jnp.array(ids)] + positions[:n]
    y, mask, heads = norm(x), jnp.tril(jnp.ones((n, n), bool)), []
    parts = [jnp.split(linear(k, y), script.HEADS, 1) for k in range(3)]
    for q, k, v in zip(*parts, strict=True):
        scores = jnp.where(mask, q @ k.T / q.shape[1] ** 0.5, -jnp.inf)
        heads.append(jax.nn.softmax(scores) @ v)
    x = x + linear(3, jnp.concatenate(heads, 1))
    x = x + linear(5, jax.nn.relu(linear(4, norm(x))))
    return norm(x) @ head.T


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_loss_and_gradients_of_pairs_beside_bytes_equal_jax(small, bits):
    """The bytes are decoded by NumPy on its own: levels by SciPy's quantiles, codes unpacked."""
    model, store = rounded_with_pairs(small, ("normal", bits, "widest", 64, False))
    nodes, examples = [model.head, *model.layers[0]], encoded(small)
    bitstring = np.unpackbits(np.frombuffer(store.codes, np.uint8), bitorder="little")
    shapes = [np.array(node.value).shape for node in (*model.layers[0], model.head)]
    count = sum(rows * width for rows, width in shapes)
    codes = bitstring[: count * bits].reshape(count, bits) @ (1 << np.arange(bits))
    half = 2 ** (bits - 1)
    above = norm.ppf(np.linspace(0.5, tail(bits), half + 1)[1:])
    below = -norm.ppf(np.linspace(0.5, tail(bits), half)[1:])
    levels = np.array([*sorted(below), 0, *above]) / above.max()
    flat = levels[codes] * np.repeat(np.frombuffer(store.scales, "<f4"), 64)[:count]
    cuts = np.cumsum([rows * width for rows, width in shapes])
    *layer, head = (part.reshape(s) for part, s in zip(np.split(flat, cuts[:-1]), shapes))  # noqa: B905
    floats = [np.array(model.tokens.value), np.array(model.positions.value), head, *layer]
    pairs = [(jnp.array(a.value), jnp.array(b.value)) for a, b in model.pairs]

    def loss(pairs):
        losses = []
        for ids, g in examples:
            logits = jax.nn.log_softmax(by_jax(small, floats, pairs, (ids[:-1], g)))
            losses.append(-logits[jnp.arange(len(ids) - 1), jnp.array(ids[1:])])
        return jnp.concatenate(losses).mean()

    out = small.loss_of(model, examples)
    small.backward(out)
    expected, gradients = jax.value_and_grad(loss)(pairs)
    assert out.value[0][0] == pytest.approx(float(expected), abs=1e-9)
    for ours, both in zip(model.pairs, gradients, strict=True):
        for node, gradient in zip(ours, both, strict=True):
            assert np.abs(np.array(node.grad) - np.array(gradient)).max() < 1e-8
    assert all(node.grad is None for node in nodes)  # frozen


def test_gradients_of_pairs_beside_bytes_by_differences(small):
    model, _ = rounded_with_pairs(small)
    examples = encoded(small)[:2]
    small.backward(small.loss_of(model, examples))

    def loss():
        value = small.loss_of(model, examples).value[0][0]
        small.TAPE.clear()
        return value

    for pair in (model.pairs[0], model.pairs[4]):
        for node in pair:
            row, before = node.value[0], node.value[0][0]
            ends = []
            for step in (STEP, -STEP):
                node.value[0] = [before + step, *row[1:]]
                ends.append(loss())
            node.value[0] = row
            assert node.grad[0][0] == pytest.approx((ends[0] - ends[1]) / (2 * STEP), abs=1e-6)


def test_pairs_learn_and_bytes_do_not(small):
    random.seed(2)
    base = small.GPT(small.Side)
    model, store = small.rounded(base, ("even", 2, "fitted", 16, False))
    before = store.codes, store.scales, [n.value for n in base.parameters]
    learned = small.taught(model, encoded(small), 3)
    assert (store.codes, store.scales, [n.value for n in base.parameters]) == before
    assert model.pairs is None
    assert all(np.any(b.value) for _, b in learned.pairs)


def test_every_base_meets_the_same_pairs_and_names(small, monkeypatch):
    random.seed(2)
    base = small.GPT(small.Side)
    model, _ = small.rounded(base, ("normal", 4, "widest", 64, True))
    seen, starts = [], []
    monkeypatch.setattr(small, "loss_of", lambda model, examples: seen.append(examples) or
                        starts.append(model.pairs[0][0].value[:]) or
                        small.record([[0.0]], lambda grad: None))  # fmt: skip
    for one in (base, model):
        small.taught(one, encoded(small), 4)
    assert seen[:4] == seen[4:] and len({str(batch) for batch in seen}) > 1
    assert starts[0] == starts[4]


def test_more_bits_lose_less(script):
    """Squared error falls with every bit, and NF4 has less of it on normal weights at 64."""
    rng = random.Random(3)
    matrix = drawn(rng, 64, 64)

    def error(*code):
        store = script.Store([matrix], code)
        return float(((np.array(store.rows(0, 64, 64)) - matrix) ** 2).mean())

    for kind in ("normal", "even"):
        errors = [error(kind, bits, "widest", 64, False) for bits in range(2, 7)]
        assert errors == sorted(errors, reverse=True)
    assert error("normal", 4, "widest", 64, False) < error("even", 4, "widest", 64, False)
    assert error("normal", 2, "widest", 64, False) > error("even", 2, "widest", 64, False)
    assert error("normal", 2, "fitted", 64, False) < error("normal", 2, "widest", 64, False) / 2


def test_the_largest_of_a_block(script):
    """The chapter's 2.55, 1.85 and 1.05, and the blocks of ten and two."""
    bell = script.NormalDist()
    assert bell.inv_cdf((1 + 2 ** (-1 / 64)) / 2) == pytest.approx(2.55, abs=0.005)
    assert [bell.inv_cdf(tail(b)) for b in (4, 2)] == pytest.approx([1.85, 1.05], abs=0.005)
    homes = [np.log(0.5) / np.log(2 * tail(b) - 1) for b in (4, 2)]
    assert homes == pytest.approx([10.4, 2.0], abs=0.05)


def test_the_pencil_example(script):
    block, levels = [0.4, 0.5, 0.4, -0.9, 0.8, 1.6], script.normal_levels(2)

    def back(scale):
        return [scale * levels[script.nearest(w / scale, levels)] for w in block]

    def error(scale):
        return sum((w - v) ** 2 for w, v in zip(block, back(scale), strict=True))

    assert [round(v, 1) for v in back(1.6)] == [0.7, 0.7, 0.7, -1.6, 0.7, 1.6]
    assert error(1.6) == pytest.approx(0.72, abs=0.005)
    assert error(1.0) == pytest.approx(0.42, abs=0.005)
    assert script.scale_of(block, levels, "fitted") == pytest.approx(1.2)
    assert error(1.2) == pytest.approx(0.36, abs=0.005)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("NEW", 0, "at least"), ("BATCH", 0, "at least"), ("RANK", 0, "at least"),
        ("LAYERS", 0, "at least"), ("SHARES", 0, "at least"), ("SPREAD", 0, "at least"),
        ("HELD_OUT", 0, "share of the names"), ("HELD_OUT", 1.0, "share of the names"),
        ("HELD_OUT", 1e-9, "nothing to measure"), ("CODES", {}, "LEARNED and REPAIRED"),
        ("CODES", {"a": ("normal", 1, "widest", 64, False)}, "2 to 8 bits"),
        ("LEARNED", ["NF5"], "name some of them"),
    ],
)  # fmt: skip
def test_settings_that_measure_nothing_are_said(small, monkeypatch, name, value, said):
    monkeypatch.setattr(small, name, value)
    with pytest.raises(SystemExit, match=said):
        small.main()


@pytest.mark.parametrize(
    "changed",
    [
        {"STEPS": 0, "REPAIR_STEPS": 0, "OLD_STEPS": 0},
        {"CODES": {}, "LEARNED": [], "REPAIRED": []},
        {"CODES": {"a": ("even", 8, "fitted", 10**6, True), "b": ("normal", 3, "widest", 1, True)},
         "LEARNED": ["a"], "REPAIRED": ["b"]},
    ],
)  # fmt: skip
def test_small_settings_end_well(small, monkeypatch, capsys, changed):
    for name, value in changed.items():
        monkeypatch.setattr(small, name, value)
    small.main()
    out = capsys.readouterr().out
    assert "memory full" in out and all(len(line) <= 79 for line in out.splitlines())


def test_main_prints_the_same_twice_and_counts_real_bytes(small, capsys):
    printed = []
    for _ in range(2):
        small.main()
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    weights = 4 * 6 * 6 + 2 * 6 * 5 + 27 * 6
    blocks = -(-weights // 64)
    bits = dict(re.findall(r"^(\S.*?) +\| (\S+) bits a weight", printed[0], re.M))
    assert float(bits["NF4"]) == pytest.approx(4 + 32 * blocks / weights, abs=0.01)
    assert float(bits["NF4, double"]) == pytest.approx(4 + 8 * (blocks + 8) / weights, abs=0.01)
    memory = dict(re.findall(r"^memory (\S.*?) +\| .* all +([\d,]+) bytes", printed[0], re.M))
    tables, pairs = 27 * 6 + 15 * 6, 2 * (4 * 12 + 2 * 11)
    assert int(memory["full"].replace(",", "")) == 16 * (weights + tables)
    assert int(memory["LoRA"].replace(",", "")) == 4 * (weights + tables) + 16 * pairs
    learning = re.findall(r"learning +([\d,]+) \|", printed[0])
    assert [int(v.replace(",", "")) for v in learning[1:]] == [16 * pairs] * (len(memory) - 1)
    stored = -(-weights // 2) + blocks + 8
    assert int(memory["NF4, double"].replace(",", "")) == stored + 4 * tables + 16 * pairs


def test_the_code_of_the_solutions_is_right(script):
    """Each block asserts what it claims."""
    names = dict(vars(script))
    blocks = re.findall(r"```python\n(.*?)```", SOLUTIONS.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, names)
    script.TAPE.clear()
