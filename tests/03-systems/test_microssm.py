"""Properties of microssm: the scan, the tree, gradients, what a fixed layer cannot do."""

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

ROOT = Path(__file__).resolve().parent.parent.parent
STEP = 1e-6
NAMES = ["fixed", "ReLU first", "selective", "no step", "gate", "attention"]
pairs = st.tuples(st.floats(-1, 1), st.floats(-5, 5))


@pytest.fixture(autouse=True)
def empty_tape(script):
    """Every test starts with nothing recorded and ends so."""
    script.TAPE.clear()
    yield
    assert script.TAPE == []


@pytest.fixture
def small(script, monkeypatch):
    """A narrow network that reads four letters."""
    monkeypatch.setattr(script, "WIDTH", 5)
    monkeypatch.setattr(script, "STATES", 3)
    monkeypatch.setattr(script, "LETTERS", 4)
    return script


def drawn(rng, rows, columns, low=-2.0):
    return [[rng.uniform(low, 2) for _ in range(columns)] for _ in range(rows)]


def questions_of(script):
    made = [([3, 0, 25, 3], [1]), ([7, 7, 1, 2], [0, 3]), ([9, 4, 4, 6], [2])]
    return [script.Question(letters, marks, letters[marks[-1]]) for letters, marks in made]


def check_by_differences(script, inputs, operation):
    """Compare the gradient of every input of `operation` with central differences."""
    shape = np.shape(operation(*[script.Node(x) for x in inputs]).value)
    script.TAPE.clear()
    weights = np.random.default_rng(1).uniform(-1, 1, shape)

    def loss():
        nodes = [script.Node(x) for x in inputs]
        out = operation(*nodes)
        total = float((weights * np.array(out.value)).sum())
        return nodes, script.record([[total]], lambda grad: out.receive(weights.tolist()))

    nodes, out = loss()
    script.backward(out)
    for node, x in zip(nodes, inputs, strict=True):
        for i, row in enumerate(x):
            for j, v in enumerate(row):
                ends = []
                for step in (STEP, -STEP):
                    x[i] = [*row[:j], v + step, *row[j + 1 :]]
                    ends.append(loss()[1].value[0][0])
                    script.TAPE.clear()
                x[i] = row
                difference = (ends[0] - ends[1]) / (2 * STEP)
                assert node.grad[i][j] == pytest.approx(difference, abs=1e-7)


@pytest.mark.parametrize(
    ("name", "shapes", "more"),
    [("scan", [(6, 4), (6, 4)], [3]), ("softplus", [(3, 4)], []), ("fade", [(3, 2), (2, 3)], []),
     ("write", [(3, 2), (3, 2), (3, 4)], []), ("replace", [(3, 4), (3, 4)], []),
     ("look", [(2, 3), (8, 3), (8, 3)], [4])],
)  # fmt: skip
def test_gradients(script, name, shapes, more):
    rng = random.Random(2)
    inputs = [drawn(rng, *shape) for shape in shapes]
    check_by_differences(script, inputs, lambda *nodes: getattr(script, name)(*nodes, *more))


def test_the_slope_of_a_softplus_never_overflows(script):
    x = script.Node([[-900.0, 0.0, 900.0]])
    out = script.softplus(x)
    assert out.value == [[0.0, pytest.approx(np.log(2)), 900.0]]
    total = script.record([[0.0]], lambda grad: out.receive([[1.0, 1.0, 1.0]]))
    script.backward(total)
    assert x.grad == [[0.0, 0.5, 1.0]]


@given(st.lists(pairs, min_size=1, max_size=70))
def test_the_tree_is_the_recurrence_and_jaxs_scan(script, drawn_pairs):
    steps = [script.Step(*pair) for pair in drawn_pairs]
    found, merges, levels = script.beginnings(steps)
    h, plain = 0.0, []
    for step in steps:
        h = step.keep * h + step.add
        plain.append(h)
    assert np.allclose([step.add for step in found], plain, atol=1e-12)
    assert merges <= 2 * len(steps) and levels <= 2 * len(steps).bit_length()
    a, b = (jnp.array(column) for column in zip(*drawn_pairs, strict=True))

    def merged(first, second):
        return second[0] * first[0], second[0] * first[1] + second[1]

    both = jax.lax.associative_scan(merged, (a, b))
    assert np.allclose([step.add for step in found], both[1], atol=1e-12)
    assert np.allclose([step.keep for step in found], both[0], atol=1e-12)


@given(pairs, pairs, pairs)
def test_merging_needs_no_brackets(script, first, second, third):
    a, b, c = (script.Step(*pair) for pair in (first, second, third))
    assert np.allclose(script.merge(script.merge(a, b), c),
                       script.merge(a, script.merge(b, c)), atol=1e-12)  # fmt: skip


def test_a_gate_is_a_state_of_one_number(script):
    v = np.linspace(-20, 20, 41)
    step = script.softplus(script.Node([[float(x)] for x in v]))
    kept = np.array(script.fade(step, script.Node([[0.0]])).value)[:, 0]
    script.TAPE.clear()
    assert np.allclose(kept, 1 - 1 / (1 + np.exp(-v)), atol=1e-14)


def logits_by_jax(script, chosen, numbers, question):
    """The logits of one question, from the formulas, with lax.scan."""
    it = iter(numbers)
    letters, places, marks, head = (next(it) for _ in range(4))
    marked = jnp.array([i in question.marks for i in range(script.LETTERS)] + [False], int)
    x = letters[jnp.array([*question.letters, 26])] + places + marks[marked]
    weights = {name: next(it) for name in chosen if name != "write"}
    shift = next(it) if "relu" in chosen else None
    if "query" in chosen:
        scores = (x @ weights["key"].T) @ (weights["query"] @ x[-1]) / script.WIDTH**0.5
        y = jax.nn.softmax(scores) @ (x @ weights["value"].T)
    else:
        n, u = len(x), x
        if "gate" in chosen:
            g = jax.nn.sigmoid(x @ weights["step"].T + next(it))
            a, b = 1 - g, g * (x @ weights["gate"].T)
        else:
            bias, rates, write = (next(it) for _ in range(3))
            if "relu" in chosen:
                u = jax.nn.relu(x @ weights["relu"].T + shift)
            delta = jax.nn.softplus(bias + (u @ weights["step"].T if "step" in chosen else 0 * u))
            w = u @ write.T if "write" in chosen else jnp.tile(write, (n, 1))
            a = jnp.exp(-delta[:, :, None] * jnp.exp(rates))
            b = (delta * u)[:, :, None] * w[:, None, :]
        h, _ = jax.lax.scan(lambda h, ab: (ab[0] * h + ab[1], 0), jnp.zeros(a.shape[1:]), (a, b))
        y = h.reshape(-1)
    z = x[-1] + next(it) @ y
    return head @ (z * jax.lax.rsqrt((z**2).mean() + 1e-5))


@pytest.mark.parametrize("name", NAMES)
def test_logits_and_all_gradients_equal_jax(small, name):
    random.seed(3)
    model, questions = small.Reader(small.LAYERS[name]), questions_of(small)
    parameters = model.parameters
    numbers = [jnp.array(node.value) for node in parameters]
    answers = [q.answer for q in questions]

    def loss(numbers):
        return -sum(jax.nn.log_softmax(logits_by_jax(small, model.chosen, numbers, q))[q.answer]
                    for q in questions) / 3  # fmt: skip

    logits = model.logits(questions)
    theirs = [logits_by_jax(small, model.chosen, numbers, q) for q in questions]
    assert np.abs(np.array(logits.value) - np.array(theirs)).max() < 1e-9
    small.backward(small.cross_entropy(logits, answers))
    for node, gradient in zip(parameters, jax.grad(loss)(numbers), strict=True):
        grad = node.grad or np.zeros(gradient.shape)
        assert np.abs(np.array(grad) - np.array(gradient)).max() < 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_only_the_fixed_layer_cannot_put_letters_and_mark_together(small, name):
    """Before any training: weights at random, and their four-fold difference."""
    random.seed(5)
    model = small.Reader(small.LAYERS[name])
    found = small.mixed(model, questions_of(small))
    assert found < 1e-13 if name == "fixed" else found > 1e-5


@given(st.lists(st.sampled_from([-1, 1]), min_size=4, max_size=4))
def test_two_parts_cannot_have_the_signs_of_the_four_questions(script, signs):
    """Of all signs only those of the two crossings are out of reach, as the pencil says."""
    found = any(np.sign([a + c, a + d, b + c, b + d]).tolist() == signs
                for a in (-3, -1, 1, 3) for b in (-3, -1, 1, 3)
                for c in (-2, 0, 2) for d in (-2, 0, 2))  # fmt: skip
    assert found == (signs not in ([1, -1, -1, 1], [-1, 1, 1, -1]))


@pytest.mark.parametrize("name", NAMES[:5])
def test_what_is_held_adds_up_to_the_state(small, name):
    random.seed(4)
    model, question = small.Reader(small.LAYERS[name]), questions_of(small)[1]
    shares = small.holds(model, question)
    assert sum(shares) == pytest.approx(1) and len(shares) == small.LETTERS + 1
    decay, drive = (np.array(rows) for rows in model.last)
    parts = [drive[t] * np.prod(decay[t + 1 :], axis=0) for t in range(len(drive))]
    lengths = np.linalg.norm(parts, axis=1)
    assert np.allclose(shares, lengths / lengths.sum(), atol=1e-12)
    nodes = [small.Node(rows) for rows in model.last]
    (state,) = small.scan(*nodes, small.LETTERS + 1).value
    small.TAPE.clear()
    assert np.allclose(np.sum(parts, axis=0), state, atol=1e-12)


def test_fixed_is_a_convolution(small):
    random.seed(4)
    model, question = small.Reader([]), questions_of(small)[0]
    small.holds(model, question)
    decay, drive = (np.array(rows) for rows in model.last)
    assert (decay == decay[0]).all()
    n = len(drive)
    state = sum(decay[0] ** (n - 1 - t) * drive[t] for t in range(n))
    (found,) = small.scan(*[small.Node(rows) for rows in model.last], n).value
    small.TAPE.clear()
    assert np.allclose(found, state, atol=1e-12)


def test_families_are_on_one_side_and_questions_are_of_their_text(script, monkeypatch):
    texts = {}
    for part in ("judge", "choose"):
        monkeypatch.setattr(script, "PART", part)
        random.seed(2)
        learn, texts[part] = script.read_texts()
    assert texts["judge"] != texts["choose"]
    random.seed(1)
    monkeypatch.setattr(script, "MARKS", 3)
    for _ in range(50):
        question = script.ask(texts["judge"])
        letters = "".join(script.SYMBOLS[i] for i in question.letters)
        assert letters in texts["judge"] and len(letters) == script.LETTERS
        assert question.marks == sorted(set(question.marks)) and len(question.marks) == 3
        assert question.answer == question.letters[question.marks[-1]]


def test_a_vote_by_hand(script):
    asked = [script.Question([0, 1, 1], [2], 1), script.Question([0, 1, 2], [1], 1)]
    assert script.vote("aab", asked) == 0.5  # the tie goes to a
    assert script.vote("abb", asked) == 1.0


@pytest.mark.parametrize(
    "changed",
    [{"MARKS": 13}, {"LETTERS": 1}, {"STATES": 0}, {"RATE": 2}, {"SLOW": 0.6}, {"PART": "test"},
     {"LAYERS": {"a": ["b"]}}, {"HELD_OUT": 0}, {"LETTERS": 9_000}],
)  # fmt: skip
def test_wrong_settings_end_in_a_sentence(script, monkeypatch, changed):
    for name, value in changed.items():
        monkeypatch.setattr(script, name, value)
    with pytest.raises(SystemExit, match="setting|longer"):
        script.main()


@pytest.mark.parametrize("changed", [{"STEPS": 0}, {"STEPS": 1}, {"LETTERS": 2, "MARKS": 2},
                                     {"STATES": 1, "WIDTH": 1}])  # fmt: skip
def test_small_settings_end_well(script, monkeypatch, capsys, changed):
    settings = {"STEPS": 2, "BATCH": 2, "ASKED": 2, "LONG": 1} | changed
    for name, value in settings.items():
        monkeypatch.setattr(script, name, value)
    script.main()
    assert re.search(r"^vote ", capsys.readouterr().out, re.MULTILINE)


def test_the_code_of_the_solutions_is_right(script):
    text = (ROOT / "book/back/solutions/microssm.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 6
    for block in blocks:
        exec(block, dict(vars(script)))
        script.TAPE.clear()
