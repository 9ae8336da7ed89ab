"""Properties of microattention: gradients, memory against training, JAX and finite differences."""

import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

jax.config.update("jax_enable_x64", True)

STEP = 1e-6
KINDS = ["multi-head", "grouped-query", "multi-query", "latent 16", "latent 8", "window 8",
         "linear", "mean", "nothing"]  # fmt: skip
KEEPING = KINDS[:7]


@pytest.fixture(autouse=True)
def empty_tape(script):
    """Every test starts with nothing recorded and ends so."""
    script.TAPE.clear()
    script.WORK[0] = 0
    yield
    assert script.TAPE == []


class SmallTask:
    name, rows, classes = "recall", 62, 10


def task_of(script, sequences=2):
    random.seed(5)
    task = SmallTask()
    task.test = [script.records() for _ in range(sequences)]
    return task


def words(script, count):
    """Some examples of the second task."""
    pairs = [["soft", "S", "AO", "F", "T"], ["knight", "N", "AY", "T"], ["at", "AE", "T"]][:count]
    symbols = sorted({s for word, *sounds in pairs for s in [*word, *sounds, ":", "."]})
    number = {s: i for i, s in enumerate(symbols)}
    task = SmallTask()
    task.rows, task.classes = len(symbols) + 8, len(symbols)
    task.test = [script.spelling(word, sounds, number) for word, *sounds in pairs]
    return task


def layer_of(script, kind, task, seed=3):
    random.seed(seed)
    return script.Layer(kind, task)


def drawn(rng, rows, columns, low=-2.0):
    return [[rng.uniform(low, 2) for _ in range(columns)] for _ in range(rows)]


def weighted_sum(script, node, weights):
    """A 1 x 1 loss that gives every entry of `node` a weight of its own."""
    total = sum(w * v for a, b in zip(weights, node.value, strict=True)
                for w, v in zip(a, b, strict=True))  # fmt: skip
    return script.record([[total]], lambda grad: node.receive(weights))


def check_by_differences(script, inputs, operation):
    """Compare the gradient of every input of `operation` with central differences."""
    rng = random.Random(1)
    shape = operation(*[script.Node(x) for x in inputs]).value
    script.TAPE.clear()
    weights = drawn(rng, len(shape), len(shape[0]))

    def loss():
        nodes = [script.Node(x) for x in inputs]
        return nodes, weighted_sum(script, operation(*nodes), weights)

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
                assert node.grad[i][j] == pytest.approx((ends[0] - ends[1]) / (2 * STEP), abs=1e-7)


PLACES = [((0, 3), (0, 4), [(0, 4), (1, 3), (2, 4)]), ((3, 5), (4, 6), [(0, 1), (0, 2)])]


@pytest.mark.parametrize("groups", [4, 2, 1])
@pytest.mark.parametrize("rule", ["softmax", "linear", "mean"])
def test_attend(script, monkeypatch, rule, groups):
    monkeypatch.setattr(script, "WIDTH", 8)
    rng = random.Random(2)
    low = 0.1 if rule == "linear" else -2.0
    check_by_differences(
        script, [drawn(rng, 5, 8, low), drawn(rng, 6, 2 * groups, low), drawn(rng, 6, 2 * groups)],
        lambda q, k, v: script.attend(q, k, v, PLACES, groups, rule),
    )  # fmt: skip


def test_the_example_for_the_pencil(script):
    """Three tokens by weights, and by the state that they leave behind."""
    keys, values = [[1, 0], [1, 1], [0, 2]], [4, 8, 0]
    weights, slopes = script.weigh([[1, 1]], keys, [(0, 3)], "linear")
    assert (weights, slopes) == ([[0.2, 0.4, 0.4]], [[0.2, 0.2, 0.2]])
    assert np.dot(weights[0], values) == pytest.approx(4)
    state, z = np.array(keys).T @ values, np.array(keys).sum(0)
    assert (state.tolist(), z.tolist(), state.sum() / z.sum()) == ([12, 8], [2, 3], 4)


def test_features(script):
    check_by_differences(script, [drawn(random.Random(2), 4, 5)], script.features)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_weights_are_shares_of_what_is_seen(script, data):
    n = data.draw(st.integers(1, 6))
    span = sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True)))
    number = st.floats(0.01, 3)
    query, *keys = [[data.draw(number), data.draw(number)] for _ in range(n + 1)]
    for rule in ("softmax", "linear", "mean"):
        (row,), _ = script.weigh([query], keys, [tuple(span)], rule)
        assert len(row) == n
        assert sum(row) == pytest.approx(1)
        assert all((p > 0) == (span[0] <= j < span[1]) for j, p in enumerate(row))


def attention_by_formula(q, k, v, mask, linear):
    """Heads as JAX has them, [rows][heads][size]; keys are repeated for the heads that share."""
    k, v = (jnp.repeat(a, q.shape[1] // a.shape[1], axis=1) for a in (k, v))
    scores = jnp.einsum("qhd,khd->hqk", q, k)
    if linear:
        weights = scores * mask
        weights = weights / weights.sum(-1, keepdims=True)
    else:
        weights = jax.nn.softmax(jnp.where(mask, scores / np.sqrt(q.shape[-1]), -jnp.inf))
    return jnp.einsum("hqk,khd->qhd", weights, v)


def logits_by_jax(parameters, script, kind, example, library):
    """The logits of one sequence with whole matrices; `library`: by dot_product_attention."""
    rule, _, latents, window = script.KINDS[kind]
    table, head, query, key, value, output, *down = parameters
    tokens, questions = example
    x = jnp.stack([table[jnp.array(q[0])].sum(0) for q in questions])
    if rule == "nothing":
        return x @ head.T
    y = jnp.stack([table[jnp.array(t)].sum(0) for t in tokens])
    if latents:
        y = y @ down[0].T
    place = np.arange(len(tokens))
    seen = np.array([q[1] for q in questions])[:, None]
    mask = jnp.array((place < seen) & (place >= seen - (window or len(tokens))))
    v = y @ value.T
    if rule == "mean":
        return (x + (mask / mask.sum(1, keepdims=True)) @ v @ output.T) @ head.T
    q, k = x @ query.T, y @ key.T
    if rule == "linear":
        q, k = jax.nn.elu(q) + 1, jax.nn.elu(k) + 1
    q, k, v = (a.reshape(len(a), -1, 4) for a in (q, k, v))
    if library:
        out = jax.nn.dot_product_attention(q, k, v, mask=mask[None])
    else:
        out = attention_by_formula(q, k, v, mask, rule == "linear")
    return (x + out.reshape(x.shape) @ output.T) @ head.T


SOFTMAX = ["multi-head", "grouped-query", "multi-query", "latent 16", "latent 8", "window 8"]
# JAX's own attention keeps its scores in single precision.
CASES = [(kind, False, 1e-12) for kind in KINDS] + [(kind, True, 1e-5) for kind in SOFTMAX]


@pytest.mark.parametrize("make", [task_of, words])
@pytest.mark.parametrize(("kind", "library", "off"), CASES)
def test_logits_and_gradients_equal_jax(script, kind, library, off, make):
    task = make(script, 2)
    model = layer_of(script, kind, task)
    logits = model.logits(task.test)
    targets = [q[2] for _, questions in task.test for q in questions]
    mine = logits.value
    script.backward(script.cross_entropy(logits, targets))

    def loss(parameters):
        rows = jnp.concatenate(
            [logits_by_jax(parameters, script, kind, one, library) for one in task.test]
        )
        picked = jnp.take_along_axis(jax.nn.log_softmax(rows), jnp.array(targets)[:, None], 1)
        return -picked.mean(), rows

    values = [jnp.array(node.value) for node in model.parameters]
    grads, rows = jax.grad(loss, has_aux=True)(values)
    assert np.abs(np.array(mine) - np.array(rows)).max() < off
    for node, theirs in zip(model.parameters, grads, strict=True):
        if node.grad is None:
            assert np.abs(np.array(theirs)).max() == 0
        else:
            assert np.abs(np.array(node.grad) - np.array(theirs)).max() < off


def test_the_window_is_that_of_jax(script):
    """A causal sequence: `local_window_size` of JAX beside our spans."""
    rng = random.Random(4)
    q, k, v = (drawn(rng, 12, script.WIDTH) for _ in range(3))
    spans = [(max(0, i - 4), i + 1) for i in range(12)]
    mine = script.attend(*map(script.Node, (q, k, v)), [((0, 12), (0, 12), spans)], 4, "softmax")
    script.TAPE.clear()
    theirs = jax.nn.dot_product_attention(
        *(jnp.array(a).reshape(12, 4, 4) for a in (q, k, v)), is_causal=True,
        local_window_size=(4, 0),
    )  # fmt: skip
    assert np.abs(np.array(mine.value) - np.array(theirs).reshape(12, 16)).max() < 1e-5


@pytest.mark.parametrize("make", [task_of, words])
@pytest.mark.parametrize("kind", KEEPING)
def test_memory_answers_as_training_does(script, kind, make):
    task = make(script, 1)
    model = layer_of(script, kind, task)
    tokens, questions = task.test[0]
    asking = model.embed([q[0] for q in questions])
    expected = model.recall(asking, task.test[:1]).value
    rows, memory, kept = model.embed(tokens).value, [], 0
    for (_, seen, _, _), y, row in zip(questions, asking.value, expected, strict=True):
        while kept < seen:
            script.keep(model, memory, rows[kept])
            kept += 1
        assert script.look(model, memory, y) == pytest.approx(row, abs=1e-12)
    script.TAPE.clear()


@settings(max_examples=40, deadline=None)
@given(kind=st.sampled_from(KEEPING), n=st.integers(1, 40))
def test_formula_counts_what_is_done_and_kept(script, kind, n):
    model = layer_of(script, kind, SmallTask())
    rng, memory = random.Random(n), []
    for y in drawn(rng, n, script.WIDTH):
        script.WORK[0] = 0
        script.keep(model, memory, y)
    out = script.look(model, memory, drawn(rng, 1, script.WIDTH)[0])
    script.against(model.output.value, out)
    assert script.formula(model, n) == (script.WORK[0], sum(map(len, memory)))


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_in_sight_counts(script, kind):
    """A changed record moves the answers, unless it has left the window or nothing is seen."""
    task = task_of(script, 1)
    model = layer_of(script, kind, task)
    tokens, questions = task.test[0]
    before = model.logits(task.test).value
    for i, moved in ((0, kind not in ("window 8", "nothing")), (15, kind != "nothing")):
        changed = [*tokens]
        changed[i] = (tokens[i][0], tokens[i][1], 52 + (tokens[i][2] - 51) % 10)
        after = model.logits([(changed, questions)]).value
        assert (after != before) is moved
    script.TAPE.clear()


@pytest.mark.parametrize("kind", ["multi-head", "linear", "latent 8", "mean"])
def test_order_of_the_records_does_not_matter(script, kind):
    task = task_of(script, 1)
    model = layer_of(script, kind, task)
    tokens, questions = task.test[0]
    before = model.logits(task.test).value
    after = model.logits([(tokens[::-1], questions)]).value
    script.TAPE.clear()
    assert np.abs(np.array(before) - np.array(after)).max() < 1e-12


def test_a_question_has_one_answer(script):
    random.seed(1)
    for _ in range(50):
        tokens, questions = script.records()
        assert len({t[0] for t in tokens}) == len({t[1] for t in tokens}) == script.RECORDS
        for (asked,), seen, target, back in questions:
            assert [t[2] - 52 for t in tokens if asked in t[:2]] == [target]
            assert seen == script.RECORDS
            assert asked in tokens[script.RECORDS - back]


def test_one_index_asks_by_name_alone(script, monkeypatch):
    monkeypatch.setattr(script, "INDEXES", 1)
    random.seed(1)
    assert all(q[0][0] < 26 for _ in range(20) for q in script.records()[1])


def test_spelling_asks_from_the_colon_on(script):
    number = {s: i for i, s in enumerate([".", ":", "AY", "HH", "h", "i"])}
    tokens, questions = script.spelling("hi", ["HH", "AY"], number)
    assert tokens == [(4, 6), (5, 7), (1, 6), (3, 7), (2, 8)]
    assert questions == [((1, 6), 3, 3, 2), ((3, 7), 4, 2, 2), ((2, 8), 5, 0, 2)]


def test_held_out_words_are_not_trained_on(script, monkeypatch):
    monkeypatch.setattr(script, "TEST", {"recall": 3, "sounds": 50})
    random.seed(1)
    task = script.Task("sounds", script.read_words())
    assert len(task.test) == 50
    assert not {str(t) for t, _ in task.test} & {str(t) for t, _ in task.train}


def test_training_lowers_the_loss(script, monkeypatch):
    monkeypatch.setattr(script, "STEPS", 45)
    random.seed(1)
    task = script.Task("recall", [])
    first, _, last = script.train(layer_of(script, "mean", task), task, 0.05)
    assert last < first - 0.02


class Oracle:
    """Knows the answer to every question about the nearer records, and to no other."""

    def __init__(self, script, reach):
        self.script, self.reach = script, reach

    def logits(self, examples):
        questions = [q for _, asked in examples for q in asked]
        said = [(target + (back > self.reach)) % 10 for _, _, target, back in questions]
        return self.script.Node([[float(i == a) for i in range(10)] for a in said])


def test_near_and_far_are_halves_of_the_book(script, capsys):
    task = task_of(script, 20)
    said = script.examine("oracle", Oracle(script, 8), task)
    questions = [q for _, asked in task.test for q in asked]
    near = sum(q[3] <= 8 for q in questions)
    assert sum(a == q[2] for a, q in zip(said, questions, strict=True)) == near
    share = f"{100 * near / len(questions):4.1f}%"
    assert f"| right {share} | near 100.0% | far  0.0%" in capsys.readouterr().out


def test_the_rate_goes_up_and_then_to_zero(script, monkeypatch):
    rates = []

    class Listening(script.Adam):
        def step(self, learning_rate):
            rates.append(learning_rate)
            super().step(learning_rate)

    monkeypatch.setattr(script, "Adam", Listening)
    monkeypatch.setattr(script, "STEPS", 60)
    random.seed(1)
    task = script.Task("recall", [])
    script.train(layer_of(script, "nothing", task), task, 0.1)
    assert rates[:20] == pytest.approx([0.005 * i for i in range(1, 21)])
    assert rates[20:] == pytest.approx([0.0025 * (60 - i) for i in range(20, 60)])


@pytest.mark.parametrize("kind", ["latent 16", "latent 8"])
def test_rows_of_latents_may_start_at_right_angles(script, monkeypatch, kind):
    """Only D differs, it spans the same rows, and D D^T is the unit matrix."""
    task = task_of(script, 1)
    plain = layer_of(script, kind, task)
    monkeypatch.setattr(script, "ORTHONORMAL", True)
    turned = layer_of(script, kind, task)
    for one, other in zip(plain.parameters[:-1], turned.parameters[:-1], strict=True):
        assert one.value == other.value
    d, e = np.array(plain.down.value), np.array(turned.down.value)
    assert e @ e.T == pytest.approx(np.eye(len(e)), abs=1e-12)
    assert d @ e.T @ e == pytest.approx(d)
    assert d @ d.T != pytest.approx(np.eye(len(d)), abs=1e-3)


@pytest.mark.parametrize("steps", [0, 1, 20])
def test_few_steps_end_well(script, monkeypatch, steps):
    """No division by the steps after the warm-up where there are none."""
    monkeypatch.setattr(script, "STEPS", steps)
    random.seed(1)
    task = script.Task("recall", [])
    losses = script.train(layer_of(script, "nothing", task), task, 0.05)
    assert len(losses) == 3 and (losses[0] > 0) == (steps > 0)


def test_knock_outs_and_equal_starts(script, monkeypatch):
    """What is examined is what the labels say, and designs of equal shapes start equal."""
    seen, starts = [], {}
    monkeypatch.setattr(script, "account", lambda *given: None)
    monkeypatch.setattr(script, "show", lambda *given: None)
    monkeypatch.setattr(
        script, "examine",
        lambda who, model, task: seen.append((who, model.rule, model.window)),
    )  # fmt: skip

    def train(model, task, rate):
        starts["window 8" if starts else "multi-head"] = [p.value for p in model.parameters]
        return [0.0]

    monkeypatch.setattr(script, "train", train)
    script.study(SmallTask(), ["multi-head", "window 8"])
    assert seen == [
        ("multi-head", "softmax", 0), ("cut to 8", "softmax", 8), ("averaging", "mean", 0),
        ("window 8", "softmax", 8),
    ]  # fmt: skip
    assert starts["multi-head"] == starts["window 8"]


@pytest.mark.parametrize("kind", KEEPING)
def test_the_account_tells_when_the_two_ways_differ(script, monkeypatch, capsys, kind):
    task = task_of(script, 1)
    model, look = layer_of(script, kind, task), script.look
    script.account(kind, model, task)
    right = capsys.readouterr().out
    assert float(right.split("off by ")[1].split()[0]) < 1e-12
    monkeypatch.setattr(script, "look", lambda *given: [v + 1 for v in look(*given)])
    script.account(kind, model, task)
    wrong = capsys.readouterr().out
    assert wrong.split("off by ")[1].split()[0] == "1e+00"
