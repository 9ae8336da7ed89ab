"""Properties of micrornn: each cell and its way back, against JAX and finite differences."""

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
KINDS = ["plain", "relu", "leaky", "choosy", "gru", "lstm"]
EXAMPLES = [([0, 1, 5, 3, 4, 6], 3), ([2, 5, 4, 6], 2), ([1, 1, 0, 5, 3, 3, 4, 6], 4)]


class SmallTask:
    """Seven symbols, with the end mark as the last."""

    def __init__(self, script):
        self.name = "sounds"
        self.symbols = ["a", "b", "c", "X", "Y", ":", script.END]
        self.id = {s: i for i, s in enumerate(self.symbols)}
        self.longest = 8


@pytest.fixture(autouse=True)
def empty_tape(script):
    """Every test starts with nothing recorded and ends so."""
    script.TAPE.clear()
    yield
    assert script.TAPE == []


@pytest.fixture
def small(script, monkeypatch):
    monkeypatch.setattr(script, "WIDTH", 5)
    monkeypatch.setattr(script, "KEEP", 0.3)
    return script


def model_of(script, kind):
    random.seed(3)
    return script.Network(kind, SmallTask(script))


def drawn(rng, rows, columns):
    return [[rng.uniform(-2, 2) for _ in range(columns)] for _ in range(rows)]


def step_by_jax(kind, width, x, weights, state):
    """One step of a cell, written from the chapter's formulas."""
    h = state[:width]
    u = weights @ h
    parts = [x[k : k + width] for k in range(0, len(x), width)]
    sums = [u[k : k + width] for k in range(0, len(u), width)]
    sigmoid = jax.nn.sigmoid
    if kind == "plain":
        return jnp.tanh(x + u)
    if kind == "relu":
        return jnp.where(x + u > 0, x + u, 0.0)
    if kind in ("leaky", "choosy"):
        z = sigmoid(parts[1])
        return z * h + (1 - z) * jnp.tanh(parts[0] + u)
    if kind == "gru":
        r, z = sigmoid(parts[0] + sums[0]), sigmoid(parts[1] + sums[1])
        return z * h + (1 - z) * jnp.tanh(parts[2] + r * sums[2])
    i, f, o = (sigmoid(a + b) for a, b in zip(parts[:3], sums[:3], strict=True))
    c = f * state[width:] + i * jnp.tanh(parts[3] + sums[3])
    return jnp.concatenate([o * jnp.tanh(c), c])


def states_by_jax(script, kind, inputs, weights, offsets=None):
    """All states of one word, by a scan; `offsets` are added to them, for their gradients."""
    width = script.WIDTH
    size = width * script.CELLS[kind][3]
    offsets = jnp.zeros((len(inputs), size)) if offsets is None else offsets

    def step(state, given):
        x, offset = given
        state = step_by_jax(kind, width, x, weights, state) + offset
        return state, state

    return jax.lax.scan(step, jnp.zeros(size), (inputs, offsets))[1]


def logits_by_jax(script, kind, parameters, ids, offsets=None):
    table, weights, head, *shared = parameters
    inputs = table[jnp.array(ids)]
    if shared:
        inputs = jnp.concatenate([inputs, jnp.repeat(shared[0], len(ids), 0)], 1)
    states = states_by_jax(script, kind, inputs, weights, offsets)
    return states[:, : script.WIDTH] @ head.T


@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_all_gradients_equal_jax(small, kind):
    model = model_of(small, kind)
    parameters = [jnp.array(node.value) for node in model.parameters]

    def loss(parameters):
        losses = []
        for ids, given_ in EXAMPLES:
            logits = logits_by_jax(small, kind, parameters, ids[:-1])[given_ - 1 :]
            chosen = jnp.array(ids[given_:])
            losses.append(-jax.nn.log_softmax(logits)[jnp.arange(len(chosen)), chosen])
        return jnp.concatenate(losses).mean()

    out = small.loss_of(model, EXAMPLES)
    small.backward(out)
    expected, gradients = jax.value_and_grad(loss)(parameters)
    assert abs(out.value[0][0] - float(expected)) < 1e-12
    for node, gradient in zip(model.parameters, gradients, strict=True):
        assert np.abs(np.array(node.grad) - np.array(gradient)).max() < 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_by_finite_differences(small, kind):
    """Each of the three gradients that `pull` returns, entry by entry."""
    cell, parts, loops, states = small.CELLS[kind]
    parts += kind == "leaky"
    rng, width = random.Random(2), small.WIDTH
    inputs = [drawn(rng, 1, n * width)[0] for n in (parts, loops, states)]
    weights = drawn(rng, 1, states * width)[0]

    def value():
        return sum(w * v for w, v in zip(weights, cell(*inputs)[0], strict=True))

    for row, gradient in zip(inputs, cell(*inputs)[2](weights), strict=True):
        assert len(gradient) == len(row)
        for j, v in enumerate(row):
            ends = []
            for step in (STEP, -STEP):
                row[j] = v + step
                ends.append(value())
            row[j] = v
            assert gradient[j] == pytest.approx((ends[0] - ends[1]) / (2 * STEP), abs=1e-7)


def test_beside_cuts_its_gradient_where_it_joined(script):
    a, b = script.Node([[1.0, 2.0], [3.0, 4.0]]), script.Node([[5.0], [6.0]])
    out = script.beside(a, b)
    assert out.value == [[1.0, 2.0, 5.0], [3.0, 4.0, 6.0]]
    script.TAPE.pop()[1]([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert (a.grad, b.grad) == ([[1.0, 2.0], [4.0, 5.0]], [[3.0], [6.0]])


@pytest.mark.parametrize("kind", KINDS)
def test_felt_is_the_gradient_of_the_states(small, kind):
    """The last guess alone, by JAX: the norm of its gradient at an offset added to each state."""
    model, ids = model_of(small, kind), [1, 1, 0, 5, 3, 3, 4]
    parameters = [jnp.array(node.value) for node in model.parameters]
    logits = model.logits([(ids, 4)], [len(ids) - 1])
    small.backward(small.cross_entropy(logits, [2]))

    def loss(offsets):
        rows = logits_by_jax(small, kind, parameters, ids, offsets)
        return -jax.nn.log_softmax(rows[-1])[2]

    gradient = jax.grad(loss)(jnp.zeros((len(ids), model.size)))
    expected = np.linalg.norm(np.array(gradient), axis=1)[::-1]
    assert np.allclose(model.felt, expected, rtol=1e-9, atol=1e-15)


def gradients(script, model):
    script.backward(script.loss_of(model, EXAMPLES))
    found = [np.array(node.grad) for node in model.parameters]
    for node in model.parameters:
        node.grad = None
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_beyond_the_word_cuts_nothing_and_a_window_of_one_everything(
    small, kind, monkeypatch
):
    model = model_of(small, kind)
    whole = gradients(small, model)
    monkeypatch.setattr(small, "WINDOW", 8)
    assert all((a == b).all() for a, b in zip(whole, gradients(small, model), strict=True))
    monkeypatch.setattr(small, "WINDOW", 1)
    alone = gradients(small, model)
    assert np.abs(whole[0][0]).max() > 0  # a letter that is only read, never asked about
    assert np.abs(alone[0][0]).max() == 0
    assert (whole[2] == alone[2]).all()  # the head sees the same states


@given(st.permutations(EXAMPLES), st.sampled_from(KINDS))
def test_a_word_does_not_know_its_neighbours(script, order, kind):
    """Each word's scores are the same in a batch, whatever stands above and below it."""
    model = model_of(script, kind)
    together = model.logits(order, range(sum(len(ids) for ids, _ in order))).value
    for ids, given_ in order:
        alone = model.logits([(ids, given_)], range(len(ids))).value
        assert alone == together[: len(ids)]
        together = together[len(ids) :]
    script.TAPE.clear()


numbers = st.lists(st.floats(-3, 3), min_size=4, max_size=4)


@given(numbers, numbers, st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_a_gate_that_keeps_nothing_is_the_plain_cell_and_one_that_keeps_all_a_wire(
    script, x, u, state
):
    shut, _, _ = script.leaky(x + [-2000.0] * 4, u, state)
    assert shut == script.plain(x, u, state)[0]
    new, keep, pull = script.leaky(x + [2000.0] * 4, u, state)
    assert (new, keep) == (pytest.approx(state, abs=1e-15), [1.0] * 4)
    back = pull([1.0] * 4)
    assert back[2] == [1.0] * 4 and not any(back[0] + back[1])


@given(numbers, numbers, st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_a_kept_share_stays_between_the_old_state_and_the_new(script, x, u, state):
    half, _, _ = script.leaky(x + [0.0] * 4, u, state)
    for a, b, c in zip(half, state, script.plain(x, u, state)[0], strict=True):
        assert a == pytest.approx((b + c) / 2)


@given(numbers, numbers, st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_a_gru_whose_gates_hear_nothing_of_the_past_is_leaky(script, x, u, state):
    """With the reset gate open and the other deaf to U h the two cells are one."""
    gates = [2000.0] * 4 + [0.4, -1.0, 0.0, 2.0]
    one = script.gru(gates + x, [0.0] * 8 + u, state)[0]
    assert one == script.leaky(x + gates[4:], u, state)[0]


def test_identity_and_keep_are_where_they_should_be(small):
    relu = model_of(small, "relu")
    assert relu.weights.value == np.eye(small.WIDTH).tolist()
    small.KEEP, before = 0.0, small.KEEP
    try:
        for kind in ("choosy", "gru", "lstm"):
            plain = np.array(model_of(small, kind).table.value)
            small.KEEP = 2.0
            shifted = np.array(model_of(small, kind).table.value) - plain
            small.KEEP = 0.0
            assert np.allclose(shifted[:, 5:10], 2) and np.abs(shifted[:, :5]).max() == 0
            assert np.abs(shifted[:, 10:]).max(initial=0) == 0
    finally:
        small.KEEP = before


def test_shorten_keeps_the_direction(script, monkeypatch):
    monkeypatch.setattr(script, "CLIP", 1.0)
    a, b = script.Node([[0.0]]), script.Node([[0.0, 0.0]])
    a.grad, b.grad = [[3.0]], [[0.0, 4.0]]
    script.shorten([a, b])
    assert a.grad == [[pytest.approx(0.6)]] and b.grad == [[0.0, pytest.approx(0.8)]]
    a.grad, b.grad = [[0.3]], [[0.0, 0.4]]
    script.shorten([a, b])  # a short one stays as it is
    assert (a.grad, b.grad) == ([[0.3]], [[0.0, 0.4]])


def test_reading_backwards_turns_the_letters_and_nothing_else(script, monkeypatch):
    forth = script.example("soft", "S", "AO", "F", "T")
    monkeypatch.setattr(script, "REVERSED", True)
    assert script.example("soft", "S", "AO", "F", "T") == (
        [*"tfos", ":", "S", "AO", "F", "T", "."],
        forth[1],
    )


SMALL = {"STEPS": 2, "CLUES": 0, "EXAMPLES": 40, "HELD_OUT": 0.001, "NEW_WORDS": ["ox"]}


@pytest.mark.parametrize(
    "settings",
    [{"WIDTH": 1}, {"STEPS": 0}, {"WORDS": 0}, {"FAR": 0}, {"FAR": 99}, {"NEW_WORDS": []},
     {"RATES": dict.fromkeys(KINDS, 0.1)}, {"WINDOW": 3}, {"CLIP": 0.1}, {"BATCH": 100},
     {"WARM_UP": 0}, {"IDENTITY": ["gru", "lstm"]}],
    ids=str,
)  # fmt: skip
def test_small_settings_end_well(script, monkeypatch, capsys, settings):
    for name, value in {**SMALL, **settings}.items():
        monkeypatch.setattr(script, name, value)
    script.main()
    said = capsys.readouterr().out
    for kind in script.RATES:
        assert re.search(rf"^{kind} +\| +[\d,]+ numbers .* held-out \d\.\d+ \|", said, re.M)
    assert all(len(line) <= 79 for line in said.split("\n"))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"WIDTH": 0}, "WIDTH"),
        ({"BATCH": 0}, "BATCH"),
        ({"EXAMPLES": 0}, "EXAMPLES"),
        ({"HELD_OUT": 0}, "HELD_OUT"),
        ({"RATES": {"plane": 0.1}}, "plane"),
        ({"NEW_WORDS": ["caf9"]}, "9"),
        ({"RATES": {"relu": 1e5}, "STEPS": 20}, "relu left all bounds"),
    ],
    ids=str,
)
def test_what_cannot_be_is_told_in_a_sentence(script, monkeypatch, settings, sentence):
    for name, value in {**SMALL, **settings}.items():
        monkeypatch.setattr(script, name, value)
    with pytest.raises(SystemExit, match=sentence):
        script.main()
    script.TAPE.clear()


def test_the_code_of_the_solutions_runs(script):
    """As in the chapter: with the names of the script, in one piece."""
    text = (Path(script.__file__).parents[2] / "book/back/solutions/micrornn.md").read_text("utf-8")
    names = vars(script).copy()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 3
    for block in blocks:
        exec(block, names)
