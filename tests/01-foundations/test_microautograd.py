"""Properties of microautograd: both engines against finite differences and against JAX."""

import gc
import gzip
import io
import math
import random
import re
from contextlib import redirect_stdout
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

jax.config.update("jax_enable_x64", True)

STEP = 1e-6


@pytest.fixture(autouse=True)
def empty_tape(script):
    """Every test starts with nothing recorded and ends so."""
    assert script.TAPE == []
    yield
    assert script.TAPE == []


def drawn(rng, rows, columns):
    """A matrix without entries near zero, where relu has no derivative."""
    return [[rng.choice((-1, 1)) * rng.uniform(0.1, 2.0) for _ in range(columns)]
            for _ in range(rows)]  # fmt: skip


def weighted_sum(script, node, weights):
    """A 1 x 1 loss that sees every entry of `node` with a weight of its own."""
    flat = script.Node([[v for row in node.value for v in row]])

    def pull(grad):
        width = len(node.value[0])
        node.receive([[grad[0][0] * w for w in weights[i : i + width]]
                      for i in range(0, len(weights), width)])  # fmt: skip

    return script.record([[sum(w * v for w, v in zip(weights, flat.value[0], strict=True))]], pull)


def slopes_by_difference(loss, matrix):
    """d loss / d entry for every entry of `matrix`, which is left as it was."""
    slopes = []
    for i, row in enumerate(matrix):
        slopes.append([])
        for j, v in enumerate(row):
            ends = []
            for step in (STEP, -STEP):
                matrix[i] = [*row[:j], v + step, *row[j + 1 :]]
                ends.append(loss())
            matrix[i] = row
            slopes[-1].append((ends[0] - ends[1]) / (2 * STEP))
    return slopes


OPERATIONS = {
    "times": (lambda s, a, b: s.times(a, b), (3, 4), (2, 4)),
    "times_itself": (lambda s, a, b: s.times(a, a), (3, 4), (1, 1)),
    "plus": (lambda s, a, b: s.plus(a, b), (3, 4), (3, 4)),
    "plus_itself": (lambda s, a, b: s.plus(a, a), (3, 4), (1, 1)),
    "relu": (lambda s, a, b: s.relu(a), (3, 4), (1, 1)),
    "cross_entropy": (lambda s, a, b: s.cross_entropy(a, [2, 0, 3]), (3, 4), (1, 1)),
    "cross_entropy_left_out": (lambda s, a, b: s.cross_entropy(a, [2, None, 3]), (3, 4), (1, 1)),
    "relu_twice_used": (
        lambda s, a, b: s.plus(a, s.relu(s.times(s.relu(s.times(a, b)), b))),
        (3, 4),
        (4, 4),
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_tape_operation_matches_finite_differences(script, name):
    operation, shape_a, shape_b = OPERATIONS[name]
    rng = random.Random(name)
    a, b = drawn(rng, *shape_a), drawn(rng, *shape_b)
    size = operation(script, script.Node(a), script.Node(b)).value
    script.TAPE.clear()
    weights = [rng.uniform(-1, 1) for row in size for _ in row]

    def loss():
        out = weighted_sum(script, operation(script, script.Node(a), script.Node(b)), weights)
        script.TAPE.clear()
        return out.value[0][0]

    nodes = [script.Node(a), script.Node(b)]
    script.backward(weighted_sum(script, operation(script, *nodes), weights))
    for node, matrix in zip(nodes, (a, b), strict=True):
        if node.grad is None:  # an operation of one argument
            node.grad = [[0.0] * len(row) for row in matrix]
        assert np.allclose(node.grad, slopes_by_difference(loss, matrix), rtol=1e-6, atol=1e-8)


SCALARS = {
    "add": (lambda a, b: a + b, lambda a, b: a + b),
    "sub": (lambda a, b: a - b, lambda a, b: a - b),
    "mul": (lambda a, b: a * b, lambda a, b: a * b),
    "relu_open": (lambda a, b: (a * b).relu(), lambda a, b: jax.nn.relu(a * b)),
    "relu_shut": (lambda a, b: (b - a).relu() + a, lambda a, b: jax.nn.relu(b - a) + a),
    "exp": (lambda a, b: (a * b).exp(), lambda a, b: jnp.exp(a * b)),
    "log": (lambda a, b: (a + b).log(), lambda a, b: jnp.log(a + b)),
    "all, a four times": (
        lambda a, b: ((a * b).exp() + (a - b).relu() + (b - a).relu()).log() * a,
        lambda a, b: jnp.log(jnp.exp(a * b) + jax.nn.relu(a - b) + jax.nn.relu(b - a)) * a,
    ),
}


@pytest.mark.parametrize("name", SCALARS)
def test_each_scalar_operation_matches_jax(script, name):
    ours, theirs = SCALARS[name]
    a, b = script.Value(1.7), script.Value(0.6)
    out = ours(a, b)
    script.pull_back(script.topological(out))
    value, slopes = jax.value_and_grad(theirs, argnums=(0, 1))(1.7, 0.6)
    assert out.data == pytest.approx(float(value), abs=1e-14)
    assert [a.grad, b.grad] == pytest.approx([float(s) for s in slopes], abs=1e-13)


def jax_loss(weights, inputs, labels, rounds):
    """The network of the chapter, written once more."""
    w1, w2, w3 = weights
    hidden = jax.nn.relu(inputs @ w1.T)
    for _ in range(rounds):
        hidden = hidden + jax.nn.relu(hidden @ w2.T)
    scores = jax.nn.log_softmax(hidden @ w3.T)
    return -scores[jnp.arange(len(labels)), labels].mean()


@pytest.fixture(scope="module")
def digits(script):
    return script.load_digits()[0][:5]


def scalar_step(script, digits):
    """The weights after one step on the graph, a Value each, and the graph in order."""
    weights = [[[script.Value(v) for v in row] for row in m] for m in script.first_weights()]
    order = script.topological(script.scalar_loss(digits, *weights))
    script.pull_back(order)
    return weights, order


def tape_step(script, digits):
    """The weights after one step on the tape."""
    weights = [script.Node(rows) for rows in script.first_weights()]
    script.backward(script.tape_loss(digits, weights))
    return weights


def test_both_engines_match_jax_on_the_network(script, digits):
    weights = [jnp.array(rows) for rows in script.first_weights()]
    inputs = jnp.array([inputs for inputs, _ in digits])
    labels = jnp.array([label for _, label in digits])
    true = jax.grad(jax_loss)(weights, inputs, labels, script.ROUNDS)
    by_tape, (by_value, _) = tape_step(script, digits), scalar_step(script, digits)
    for expected, node, values in zip(true, by_tape, by_value, strict=True):
        assert np.abs(expected - np.array(node.grad)).max() < 1e-12
        assert np.abs(expected - np.array([[v.grad for v in row] for row in values])).max() < 1e-12


def test_topological_order_puts_every_parent_first(script, digits):
    _, order = scalar_step(script, digits[:1])
    place = {value: i for i, value in enumerate(order)}
    assert len(place) == len(order)
    assert all(place[p] < place[value] for value in order for p in value.parents)


def test_topological_order_of_a_graph_deeper_than_the_stack(script):
    value = script.Value(0.0)
    for _ in range(20_000):
        value = value + script.Value(1.0)
    assert len(script.topological(value)) == 40_001


def test_paths_double_where_a_value_is_used_twice(script):
    value = script.Value(1.0)
    for _ in range(40):
        value = value + value
    assert script.count_paths(script.topological(value)) == 2**40


def test_every_operation_of_the_graph_costs_at_most_two_edges(script, digits):
    _, order = scalar_step(script, digits[:1])
    operations = [value for value in order if value.parents]
    assert sum(len(value.parents) for value in operations) <= 2 * len(operations)


def test_what_the_loss_does_not_depend_on_gets_no_gradient(script):
    used, unused = script.Node([[2.0]]), script.Node([[3.0]])
    loss = script.times(used, used)
    script.relu(unused)  # recorded, but the loss never reads it
    loss = script.plus(loss, loss)
    script.backward(loss)
    assert used.grad == [[8.0]]
    assert unused.grad is None


def test_receive_adds_up_and_changes_no_row_in_place(script):
    node, rows = script.Node([[1.0, 2.0]]), [[0.5, 0.5]]
    node.receive(rows)
    node.receive(rows)
    assert node.grad == [[1.0, 1.0]]
    assert rows == [[0.5, 0.5]]


@pytest.mark.parametrize(("kept", "slopes"), [("last", (16.0, 8.0)), ("first", (2.0, 1.0))])
def test_keeping_one_part_is_wrong_where_a_value_is_used_twice(script, monkeypatch, kept, slopes):
    def found():
        w, x = script.Node([[1.0]]), script.Node([[2.0]])
        h = script.times(w, x)
        r = script.times(h, h)
        script.backward(script.plus(h, script.times(r, r)))
        return w.grad[0][0], x.grad[0][0]

    assert found() == (66.0, 33.0)
    monkeypatch.setattr(script, "KEPT", kept)
    monkeypatch.setattr(script.Node, "receive", script.keep_one)
    assert found() == slopes


def test_the_pencil_example(script):
    w, x = script.Value(1.0), script.Value(2.0)
    h = w * x
    r = h * h
    s = r * r
    y = h + s
    order = script.topological(y)
    script.pull_back(order)
    assert [v.grad for v in (y, s, r, h, w, x)] == [1.0, 1.0, 8.0, 33.0, 66.0, 33.0]
    assert [script.push_forward(order, leaf)[0] for leaf in (w, x)] == [66.0, 33.0]
    assert sum(len(value.parents) for value in order) == 8
    assert script.count_paths(order) == 10


def test_pushing_forward_finds_the_slopes_of_the_network(script, digits):
    weights, order = scalar_step(script, digits[:2])
    for matrix in weights:
        for leaf in matrix[0][::13]:
            slope, multiplications = script.push_forward(order, leaf)
            assert slope == pytest.approx(leaf.grad, abs=1e-15)
            assert multiplications < sum(len(value.parents) for value in order)
    assert script.push_forward(order, script.Value(1.0))[0] == 0.0  # the loss ignores it


def wrong(value, *slopes):
    """A value like this one whose slopes are these."""
    return type(value)(value.data, value.parents, slopes)


MISTAKES = {  # an operation of the graph with one wrong slope
    "add": ("__add__", lambda v: wrong(v, 1.0, -1.0)),
    "sub": ("__sub__", lambda v: wrong(v, 1.0, 1.0)),
    "mul": ("__mul__", lambda v: wrong(v, *reversed(v.slopes))),
    "relu": ("relu", lambda v: wrong(v, 1.0)),
    "exp": ("exp", lambda v: wrong(v, 1.0)),
    "log": ("log", lambda v: wrong(v, v.data)),
}


def printed(function, *arguments):
    with redirect_stdout(io.StringIO()) as out:
        function(*arguments)
    return out.getvalue()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_comparison_of_the_run_finds_every_wrong_slope(script, monkeypatch, digits, mistake):
    pattern = r"matrix tape .* largest difference (\S+)"
    monkeypatch.setattr(script, "PUSHED", 10_000)
    assert float(re.search(pattern, printed(script.compare, digits[:2]))[1]) < 1e-12
    name, spoil = MISTAKES[mistake]
    right = getattr(script.Value, name)
    monkeypatch.setattr(script.Value, name, lambda *values: spoil(right(*values)))
    assert float(re.search(pattern, printed(script.compare, digits[:2]))[1]) > 1e-3


def test_the_check_of_the_run_finds_a_relu_that_passes_every_gradient(script, monkeypatch, digits):
    def leaky(a):  # the value of relu, the slope of nothing
        out = [[max(v, 0.0) for v in row] for row in a.value]
        return script.record(out, a.receive)

    def errors():
        rows = re.findall(r"nudged (\S+) \| added (\S+)", printed(script.check, digits))
        assert len(rows) == 3
        return [abs(float(nudged) - float(added)) for nudged, added in rows]

    assert max(errors()) < 5e-8
    monkeypatch.setattr(script, "relu", leaky)
    assert max(errors()) > 1e-3


def test_the_cosine_of_gradients(script):
    assert script.cosine([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]) == pytest.approx(1.0)
    assert script.cosine([[1.0, 2.0]], [[-2.0, 1.0]]) == 0.0
    assert script.cosine([[0.0]], [[3.0]]) == 0.0
    assert script.cosine([], []) == 0.0


def test_softmax_of_large_numbers(script):
    assert script.softmax([1000.0, 1000.0]) == [0.5, 0.5]
    assert script.softmax([-1e6, 0.0]) == [0.0, 1.0]
    assert sum(script.softmax([0.3, -2.0, 5.0])) == pytest.approx(1.0, abs=1e-15)


def textbook_adam(weights, gradients, rate, beta1, beta2, epsilon):
    """Algorithm 1 of Kingma and Ba, corrections and all, in numpy.

    The script's epsilon is their epsilon-hat: epsilon = epsilon-hat / sqrt(1 - beta2^t).
    """
    m = v = np.zeros_like(weights)
    for t, g in enumerate(gradients, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        weights = weights - rate * m_hat / (np.sqrt(v_hat) + epsilon / math.sqrt(1 - beta2**t))
    return weights


@pytest.mark.parametrize("epsilon", [1e-8, 0.1])
def test_adam_is_the_textbooks_with_a_rescaled_epsilon(script, epsilon):
    rng = np.random.default_rng(3)
    start, gradients = rng.normal(size=(3, 4)), rng.normal(size=(6, 3, 4))
    node = script.Node(start.tolist())
    adam = script.Adam([node], beta1=0.8, beta2=0.95, epsilon=epsilon)
    for gradient in gradients:
        node.receive(gradient.tolist())
        adam.step(0.05)
        assert node.grad is None
    expected = textbook_adam(start, gradients, 0.05, 0.8, 0.95, epsilon)
    assert np.abs(np.array(node.value) - expected).max() < 1e-13


def test_adam_leaves_alone_what_got_no_gradient(script):
    node = script.Node([[1.0, 2.0]])
    script.Adam([node]).step(0.1)
    assert node.value == [[1.0, 2.0]]


def test_neither_engine_leaves_cycles_behind(script, digits):
    def training_step():
        weights = [script.Node(rows) for rows in script.first_weights()]
        optimizer = script.Adam(weights)
        script.backward(script.tape_loss(digits, weights))
        optimizer.step(0.01)

    gc.disable()
    try:
        for step in (training_step, lambda: scalar_step(script, digits[:1])):
            gc.collect()
            step()
            assert gc.collect() == 0
    finally:
        gc.enable()


def test_the_split_holds_out_what_is_never_trained_on(script, monkeypatch):
    learn, held_out = script.load_digits()
    assert (len(learn), len(held_out)) == (1_157, 640)
    seen = {tuple(inputs) for inputs, _ in learn}
    assert not any(tuple(inputs) in seen for inputs, _ in held_out)
    assert all(len(inputs) == 65 and inputs[-1] == 1.0 for inputs, _ in learn)
    last = gzip.decompress(script.shipped("digits.csv.gz")).split()[-script.HELD_OUT :]
    assert [label for _, label in held_out] == [int(line.split(b",")[-1]) for line in last]
    form = "".join(str(label) for _, label in held_out)  # what every sheet begins with
    assert form.startswith("0123456789" * 3 + "09556509898417")
    assert form.count("09556509898417") == 5  # five whole sheets
    monkeypatch.setattr(script, "OTHER_WRITERS", False)
    again, mixed = script.load_digits()
    assert sorted(again + mixed) == sorted(learn + held_out) and mixed != held_out


def test_a_few_steps_learn_and_print_the_same_twice(script, monkeypatch):
    learn, held_out = script.load_digits()
    monkeypatch.setattr(script, "EPOCHS", 2)

    first = printed(script.train, learn[:320], held_out[:100], "added")
    assert first == printed(script.train, learn[:320], held_out[:100], "added")
    losses = [float(line.split("loss ")[1].split()[0]) for line in first.splitlines()]
    assert losses[1] < losses[0] < 2.5


@pytest.mark.parametrize("fresh", [True, False])
def test_noise_is_as_long_as_it_says_and_comes_back_unless_it_is_fresh(script, monkeypatch, fresh):
    learn, held_out = script.load_digits()
    for name, value in {"EPOCHS": 1, "LEARNING_RATE": 0.0, "FRESH": fresh}.items():
        monkeypatch.setattr(script, name, value)
    step = script.Adam.step

    def followed(noise):
        """[steps][matrices]: the gradients that the optimizer is given."""
        found = []

        def looked_at(self, learning_rate):
            found.append([np.array(node.grad) for node in self.parameters])
            step(self, learning_rate)

        monkeypatch.setattr(script, "NOISE", noise)
        monkeypatch.setattr(script.Adam, "step", looked_at)
        printed(script.train, learn[:64], held_out[:10], "added")
        return found

    true, blurred = followed(0.0), followed(2.0)
    assert len(true) == len(blurred) == 2
    for k in (0, 1):  # W1 and W2
        noise = [b[k] - a[k] for a, b in zip(true, blurred, strict=True)]
        for a, z in zip(true, noise, strict=True):
            assert np.linalg.norm(z) / np.linalg.norm(a[k]) == pytest.approx(2.0, rel=0.1)
        if fresh:
            assert abs(script.cosine(*(z.tolist() for z in noise))) < 0.1
        else:
            assert script.cosine(*(z.tolist() for z in noise)) == pytest.approx(1.0)
    assert all((a[2] == b[2]).all() for a, b in zip(true, blurred, strict=True))


def test_the_solutions_of_the_exercises_run(script):
    page = Path(__file__).parents[2] / "book" / "back" / "solutions" / "microautograd.md"
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    assert len(blocks) == 8
    for block in blocks:
        assert "assert" in block
        exec(block, dict(vars(script)))
