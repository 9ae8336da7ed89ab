"""Properties of microrope: rotations, biases, who sees what, against NumPy, JAX and differences."""

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
WAYS = {
    "none": ("none", 0),
    "learned": ("learned", 0),
    "sinusoidal": ("sinusoidal", 50),
    "rotary": ("rotary", 7),
    "ALiBi": ("ALiBi", (1.0, 0.25)),
    "learned bias": ("bias", 2),
}
EXAMPLES = [([0, 1, 5, 3, 4, 6], 3), ([2, 5, 4, 6], 2), ([1, 1, 0, 5, 3, 3, 4, 6], 4)]
numbers = st.floats(-4, 4)
places = st.integers(-60, 60)
bases = st.floats(1.5, 10_000)


class SmallTask:
    """Seven symbols, sequences of at most eight."""

    symbols = ("a", "b", "c", "X", "Y", ":", ".")
    longest = 8


@pytest.fixture(autouse=True)
def empty_tape(script):
    """Every test starts with nothing recorded and ends so."""
    script.TAPE.clear()
    yield
    assert script.TAPE == []


@pytest.fixture
def small(script, monkeypatch):
    """A narrow network: two heads of two pairs."""
    monkeypatch.setattr(script, "WIDTH", 8)
    monkeypatch.setattr(script, "HIDDEN", 5)
    return script


def model_of(script, name):
    """An untrained network with a way of its own; a learned bias is not left at zero."""
    random.seed(3)
    model = script.GPT(SmallTask)
    model.look = script.way(*WAYS[name], SmallTask.longest)
    if name == "learned bias":
        model.look.bias.value = drawn(random, script.HEADS, 5)
        model.parameters.append(model.look.bias)
    return model


def drawn(rng, rows, columns):
    return [[rng.uniform(-2, 2) for _ in range(columns)] for _ in range(rows)]


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


def test_the_gradient_of_a_turn(script):
    rows = drawn(random.Random(2), 4, 6)
    check_by_differences(script, [rows], lambda x: script.turn(x, [0, 3, -2, 7], [1.0, 0.3, 0.05]))


def test_the_gradients_of_attention_and_of_a_bias(small):
    rng = random.Random(2)
    blocks = [((0, 2), (0, 3), [[1, 0], [2, 1, 0]]), ((2, 3), (3, 5), [[4, 3]])]
    check_by_differences(
        small, [drawn(rng, 3, 8), drawn(rng, 5, 8), drawn(rng, 5, 8), drawn(rng, 2, 5)],
        lambda q, k, v, bias: small.attend(q, k, v, bias, blocks),
    )  # fmt: skip


@given(st.lists(numbers, min_size=6, max_size=6), places, bases)
def test_a_rotation_is_numpys_and_keeps_the_length(script, row, m, base):
    steps = script.speeds(base, 3)
    (found,) = script.rotate([row], [m], steps)
    pairs = np.array(row[::2]) + 1j * np.array(row[1::2])
    pairs = pairs * np.exp(1j * m * np.array(steps))
    assert np.allclose(found[::2], pairs.real, atol=1e-12)
    assert np.allclose(found[1::2], pairs.imag, atol=1e-12)
    assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(row), abs=1e-12)


@given(st.lists(numbers, min_size=12, max_size=12), places, places, places, bases)
def test_a_score_depends_on_the_distance_alone(script, row, m, n, on, base):
    """R_m q . R_n k = q . R_(n-m) k, wherever both stand."""
    q, k, steps = row[:6], row[6:], script.speeds(base, 3)
    here, there = (script.rotate([q, k], [m + by, n + by], steps) for by in (0, on))
    (alone,) = script.rotate([k], [n - m], steps)
    assert np.dot(*here) == pytest.approx(np.dot(*there), abs=1e-12)
    assert np.dot(*here) == pytest.approx(np.dot(q, alone), abs=1e-12)


@given(st.lists(numbers, min_size=6, max_size=6), places, places)
def test_turns_add_up_and_the_transpose_turns_back(script, row, m, n):
    steps = script.speeds(100, 3)
    one, both = script.rotate([row, row], [m, m + n], steps)
    assert np.allclose(script.rotate([one], [n], steps)[0], both, atol=1e-12)
    matrix = np.array(script.rotate(np.eye(6).tolist(), [m] * 6, steps)).T
    assert np.allclose(matrix @ row, one, atol=1e-12)
    assert np.allclose(script.rotate([row], [-m], steps)[0], matrix.T @ row, atol=1e-12)


def test_the_pencil_examples(script):
    """Quarters of a turn, and a penalty of ln 2 a step."""
    for m, n in ((1, 3), (2, 4)):
        assert np.dot(*script.rotate([[1, 2], [2, 1]], [m, n], [np.pi / 2])) == pytest.approx(-4)
    assert np.dot(*script.rotate([[1, 2], [2, 1]], [1, 5], [np.pi / 2])) == pytest.approx(4)
    bias = script.way("ALiBi", (np.log(2), 1), 2).bias.value[0]
    weights = script.weigh([[0.0]], [[1.0]] * 3, [[2, 3, 4]], bias)
    assert np.allclose(weights, [[4 / 7, 2 / 7, 1 / 7]])


def test_half_split_pairs_are_a_permutation(script):
    """Llama's layout pairs column i with column i + d/2: the same scores, columns moved."""
    rng = np.random.default_rng(0)
    q, k = rng.normal(size=(2, 8))
    steps = np.array(script.speeds(10_000, 4))

    def halves(row, m):
        turned = (row[:4] + 1j * row[4:]) * np.exp(1j * m * steps)
        return np.concatenate([turned.real, turned.imag])

    order = [0, 4, 1, 5, 2, 6, 3, 7]  # where our pair stands in theirs
    for m, n in [(0, 0), (3, 1), (2, 9)]:
        ours = script.rotate([q[order].tolist(), k[order].tolist()], [m, n], steps.tolist())
        theirs = halves(q, m), halves(k, n)
        assert np.allclose(ours[0], theirs[0][order], atol=1e-12)
        assert np.dot(*ours) == pytest.approx(np.dot(*theirs), abs=1e-12)
        mixed = script.rotate([q.tolist(), k.tolist()], [m, n], steps.tolist())
        assert m == n or abs(np.dot(*mixed) - np.dot(*theirs)) > 1e-3


def test_a_fade_is_the_mean_cosine(script, capsys):
    script.fade(100)
    found = [float(v) for v in capsys.readouterr().out.split("|")[1].split()]
    steps = 100.0 ** (-np.arange(4) / 4)
    assert np.allclose(found, np.cos(np.outer(np.arange(9), steps)).mean(1), atol=0.0051)


def test_biases(script):
    """ALiBi falls along a line on both sides; distances beyond a learned bias share its ends."""
    bias = np.array(script.way("ALiBi", (1, 0.25), 5).bias.value)
    assert (bias == -np.outer([1, 0.25], abs(np.arange(-5, 6)))).all()
    model = model_of(script, "learned bias")
    [(asking, seen, far)] = model.blocks([([0] * 9, 5)], [4, 8], list(range(9)))
    assert (asking, seen) == ((0, 2), (0, 9))
    assert far == [[4, 4, 4, 3, 2], [4, 4, 4, 4, 4, 4, 4, 3, 2]]
    model.look = script.way("ALiBi", (1, 0.25), 9)
    [(_, _, far)] = model.blocks([([0] * 5, 4)], [4], script.positions(5, 4))
    assert far == [[9 + 1, 9 + 0, 9 - 1, 9 + 1, 9]]  # a letter may have a later place


def logits_by_jax(script, parameters, look, example):
    """All logits of one sequence, from the formulas with whole matrices."""
    tokens, rows, head, *layers = parameters
    kind, number = WAYS[look]
    ids, known = example
    n, size = len(ids), script.WIDTH // script.HEADS
    m = jnp.array([i - known + 1 if i >= known - 1 and script.POSITIONS == "restart" else i
                   for i in range(n)])  # fmt: skip
    x = tokens[jnp.array(ids)]
    if kind == "learned":
        x = x + rows[m]
    if kind == "sinusoidal":
        angle = m[:, None] * number ** (-jnp.arange(script.WIDTH // 2) / (script.WIDTH // 2))
        x = x.at[:, ::2].add(jnp.cos(angle)).at[:, 1::2].add(jnp.sin(angle))

    def norm(x):
        return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-5)

    def turned(a):
        z = (a[:, ::2] + 1j * a[:, 1::2]) * jnp.exp(
            1j * m[:, None] * number ** (-jnp.arange(size // 2) / (size // 2)))  # fmt: skip
        return jnp.stack([z.real, z.imag], 2).reshape(a.shape)

    for first in range(0, 6 * script.LAYERS, 6):
        query, key, value, output, up, down = layers[first : first + 6]
        y, heads = norm(x), []
        for h in range(script.HEADS):
            q, k, v = ((y @ w.T)[:, h * size : (h + 1) * size] for w in (query, key, value))
            if kind == "rotary":
                q, k = turned(q), turned(k)
            scores, far = q @ k.T / size**0.5, m[:, None] - m[None]
            if kind == "ALiBi":
                scores = scores - number[h] * abs(far)
            if kind == "bias":
                scores = scores + layers[-1][h][jnp.clip(far, -number, number) + number]
            mask = jnp.tril(jnp.ones((n, n), bool))
            heads.append(jax.nn.softmax(jnp.where(mask, scores, -jnp.inf)) @ v)
        x = x + jnp.concatenate(heads, 1) @ output.T
        x = x + jax.nn.relu(norm(x) @ up.T) @ down.T
    return norm(x) @ head.T


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("count", ["restart", "absolute"])
@pytest.mark.parametrize("name", WAYS)
def test_logits_and_all_gradients_equal_jax(small, monkeypatch, name, count, layers):
    monkeypatch.setattr(small, "POSITIONS", count)
    monkeypatch.setattr(small, "LAYERS", layers)
    model = model_of(small, name)
    parameters = [jnp.array(node.value) for node in model.parameters]

    def loss(parameters):
        losses = []
        for ids, known in EXAMPLES:
            logits = logits_by_jax(small, parameters, name, (ids[:-1], known))[known - 1 :]
            chosen = jnp.array(ids[known:])
            losses.append(-jax.nn.log_softmax(logits)[jnp.arange(len(chosen)), chosen])
        return jnp.concatenate(losses).mean()

    inputs = [(ids[:-1], known) for ids, known in EXAMPLES]
    ours = model.logits(inputs, range(sum(len(ids) for ids, _ in inputs))).value
    small.TAPE.clear()
    theirs = jnp.concatenate([logits_by_jax(small, parameters, name, one) for one in inputs])
    assert np.abs(np.array(ours) - np.array(theirs)).max() < 1e-9

    out = small.loss_of(model, EXAMPLES)
    small.backward(out)
    expected, gradients = jax.value_and_grad(loss)(parameters)
    assert abs(out.value[0][0] - float(expected)) < 1e-9
    for node, gradient in zip(model.parameters, gradients, strict=True):
        grad = node.grad or np.zeros(gradient.shape)
        assert np.abs(np.array(grad) - np.array(gradient)).max() < 1e-9


@pytest.mark.parametrize("name", WAYS)
def test_who_knows_distances_does_not_know_places(small, monkeypatch, name):
    """All places moved on alike: no logit changes, unless rows were added for places."""
    model = model_of(small, name)
    model.positions.value = drawn(random.Random(5), 20, 8)
    found = []
    for on in (0, 7):
        monkeypatch.setattr(small, "positions", lambda n, known, on=on: [i + on for i in range(n)])
        found.append(model.logits([(EXAMPLES[2][0], 4)], range(8)).value)
        small.TAPE.clear()
    apart = np.abs(np.array(found[0]) - np.array(found[1])).max()
    assert apart > 1e-3 if name in ("learned", "sinusoidal") else apart < 1e-12


@pytest.mark.parametrize("position", range(7))
@pytest.mark.parametrize("name", WAYS)
def test_a_later_token_cannot_change_an_earlier_output(small, monkeypatch, name, position):
    monkeypatch.setattr(small, "LAYERS", 2)
    model, ids = model_of(small, name), [0, 1, 2, 5, 3, 4, 3]
    changed = [*ids[:position], (ids[position] + 1) % 3, *ids[position + 1 :]]
    before, after = (model.logits([(x, 4)], range(7)).value for x in (ids, changed))
    small.TAPE.clear()
    assert {i for i in range(7) if before[i] != after[i]} == set(range(position, 7))


@pytest.mark.parametrize("name", WAYS)
def test_rows_that_are_asked_do_not_depend_on_who_else_is(small, name):
    model = model_of(small, name)
    inputs = [(ids[:-1], known) for ids, known in EXAMPLES]
    every = model.logits(inputs, range(15)).value
    some = model.logits(inputs, [2, 4, 6, 11, 14]).value
    small.TAPE.clear()
    assert np.allclose(np.array(every)[[2, 4, 6, 11, 14]], some, atol=1e-12)


def test_other_numbers(script, monkeypatch):
    """Interpolation turns as far in STRETCH places; NTK keeps the fastest and slows the slowest."""
    task = SmallTask()
    task.short = EXAMPLES
    monkeypatch.setattr(script, "WAYS", {**WAYS, "rotary": ("rotary", 20)})
    plain = script.way("rotary", 20, 8)
    found = dict(script.others("rotary", task))
    pi, ntk, off = (found[f"rotary {name}"] for name in ("PI", "NTK", "off"))
    row = [random.Random(1).gauss(0, 1) for _ in range(16)]
    assert np.allclose(script.rotate([row], [10], pi.steps),
                       script.rotate([row], [10 / script.STRETCH], plain.steps))  # fmt: skip
    assert ntk.steps[0] == plain.steps[0] == 1
    assert ntk.steps[3] == pytest.approx(pi.steps[3])
    assert plain.steps[1] > ntk.steps[1] > pi.steps[1]
    assert (off.kind, off.steps, off.bias.value) == ("none", [], [[0.0]] * 2)
    # the last place of a short word that a row is asked for: f is the third sound of aab
    [(_, again)] = script.others("learned", task)
    assert again.last == max(max(script.positions(len(ids) - 1, known)) for ids, known in EXAMPLES)
    assert [name for name, _ in script.others("ALiBi", task)] == ["ALiBi off"]
    assert [list(script.others(name, task)) for name in ("none", "sinusoidal", "learned bias")] == [
        [], [], []]  # fmt: skip


def test_rows_beyond_the_last_trained_are_the_last_again(small):
    model = model_of(small, "learned")
    model.look = model.look._replace(last=2)
    x = small.Node([[0.0] * 8] * 4)
    rows = model.placed(x, [1, 2, 3, 7]).value
    small.TAPE.clear()
    table = model.positions.value
    assert rows == [table[1], table[2], table[2], table[2]]


def test_no_short_word_has_the_last_places(script):
    """So the table's last rows never get a gradient, and stay as they were drawn."""
    random.seed(1)
    task = script.Task(script.read_words())
    top = dict(script.others("learned", task))["last row"].last
    far = max(max(script.positions(len(ids) - 1, known))
              for ids, known in task.asked["9 and more"])  # fmt: skip
    assert top < far < task.longest


def test_how_often_tokens_are_far_apart(script):
    """The chapter's four in a hundred distances in short words, and twenty-six in long ones."""
    random.seed(1)
    task = script.Task(script.read_words())

    def far(examples):
        found = []
        for ids, known in examples:
            m = script.positions(len(ids) - 1, known)
            found += [abs(m[i] - m[j]) > script.WINDOW
                      for i in range(known - 1, len(m)) for j in range(i + 1)]  # fmt: skip
        return round(100 * np.mean(found))

    assert (far(task.short), far(task.asked["9 and more"])) == (4, 26)


def test_long_words_have_more_letters_than_sounds(script):
    """The chapter's 0.8 and 1.4, over all words."""
    more = {len(word): [] for word, *_ in script.read_words()}
    for word, *sounds in script.read_words():
        more[len(word)].append(len(word) - len(sounds))
    short = sum((more[n] for n in more if n <= script.SHORT), [])
    long = sum((more[n] for n in more if n >= 9), [])
    assert (round(np.mean(short), 1), round(np.mean(long), 1)) == (0.8, 1.4)


def test_families_are_in_one_part_and_lengths_in_their_band(script, monkeypatch):
    parts = {}
    for part in ("judge", "choose"):
        monkeypatch.setattr(script, "PART", part)
        random.seed(2)
        task = script.Task(script.read_words())
        letters = [[task.symbols[i] for i in ids[: known - 1]] for ids, known in task.short]
        assert max(map(len, letters)) == script.SHORT
        assert min(known for _, known in task.long) == script.SHORT + 2
        for band, (low, high) in script.BANDS.items():
            lengths = [known - 1 for _, known in task.asked[band]]
            assert len(lengths) == script.ASKED and low <= min(lengths) <= max(lengths) <= high
        parts["learn"] = {"".join(map(str, ids[:known])) for ids, known in task.short + task.long}
        asked = sum(task.asked.values(), [])
        parts[part] = {tuple(task.symbols[i] for i in ids[: known - 1]) for ids, known in asked}
        stems = {word[:4] for word in parts[part] if len(word) > 3}
        learned = {tuple(task.symbols[i] for i in ids[:4]) for ids, known in task.short + task.long
                   if known > 4}  # fmt: skip
        assert not stems & learned
    assert not {word[:4] for word in parts["judge"]} & {word[:4] for word in parts["choose"]}


def test_an_example_by_hand(script):
    random.seed(1)
    task = script.Task(script.read_words())
    ids, known = task.number(["soft", "S", "AO", "F", "T"])
    assert [task.symbols[i] for i in ids] == ["s", "o", "f", "t", ":", "S", "AO", "F", "T", "."]
    assert known == 5


def test_new_words_are_in_no_data(script):
    assert not {word for word, *_ in script.read_words()} & set(script.NEW_WORDS)


def test_answers_are_those_of_the_logits(small):
    model = model_of(small, "rotary")
    ids, known = EXAMPLES[0]
    logits = np.array(model.logits([(ids[:-1], known)], [2, 3, 4]).value)
    small.TAPE.clear()
    expected = -np.array(jax.nn.log_softmax(logits))[range(3), ids[3:]]
    losses, right = zip(*small.answers(model, ids, known), strict=True)
    assert losses == pytest.approx(expected.tolist())
    assert list(right) == (logits.argmax(1) == ids[3:]).tolist()


QUICK = {"STEPS": 2, "ASKED": 2, "WAYS": {"rotary": ("rotary", 9)}, "NEW_WORDS": [], "TUNING": 3}
GOOD = [{}, {"STEPS": 0}, {"WARM_UP": 0}, {"BATCH": 1}, {"WAYS": {}}, {"FAR": 1}, {"CLUES": 0},
        {"WIDTH": 4}, {"POSITIONS": "absolute"}, {"PART": "choose"}, {"SHORT": 3}]  # fmt: skip
BAD = [{"ASKED": 0}, {"BATCH": 0}, {"WIDTH": 6}, {"HELD_OUT": 0}, {"HELD_OUT": 9_000}, {"SHORT": 0},
       {"SHORT": 40}, {"WAYS": {"ALiBi": ("ALiBi", (1,))}}, {"BANDS": {"20": (20, 30)}},
       {"BANDS": {}}, {"WAYS": {"rope": ("rope", 9)}}, {"STRETCH": 0},
       {"WAYS": {"rotary": ("rotary", 0)}}, {"NEW_WORDS": ["na\u00efve"]},
       {"NEW_WORDS": 9 * ["pneumonoultramicroscopic"]}]  # fmt: skip


@pytest.mark.parametrize("settings", GOOD, ids=str)
def test_small_settings_end_well(script, monkeypatch, capsys, settings):
    for name, value in {**QUICK, **settings}.items():
        monkeypatch.setattr(script, name, value)
    script.main()
    out = capsys.readouterr().out
    assert out.count("rotary PI, tuned") == ("WAYS" not in settings)
    assert all(len(line) < 80 for line in out.splitlines())


@pytest.mark.parametrize("settings", BAD, ids=str)
def test_wrong_settings_end_in_a_sentence(script, monkeypatch, settings):
    for name, value in {**QUICK, **settings}.items():
        monkeypatch.setattr(script, name, value)
    with pytest.raises(SystemExit, match=r"^[a-z].*\S$"):
        script.main()
    script.TAPE.clear()


def test_a_run_is_the_same_twice_and_tuning_changes_nothing_else(script, monkeypatch, capsys):
    runs = []
    for tuning in (3, 3, 0):
        for name, value in {**QUICK, "TUNING": tuning}.items():
            monkeypatch.setattr(script, name, value)
        script.main()
        runs.append(capsys.readouterr().out.splitlines())
    assert runs[0] == runs[1]
    assert [line for line in runs[0] if ", tuned" not in line] == runs[2]


def test_the_code_of_the_solutions_is_right(script):
    """Each block asserts what it claims."""
    text = (ROOT / "book/back/solutions/microrope.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    names = dict(vars(script))
    for block in blocks:
        exec(block, names)
    script.TAPE.clear()
