"""Properties of microgpt: gradients, the mask, the switches, against JAX and finite differences."""

import random
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

jax.config.update("jax_enable_x64", True)

STEP = 1e-6
SWITCHES = {
    "whole": {},
    "mean": {"LOOK": "mean"},
    "self": {"LOOK": "self"},
    "no mask": {"CAUSAL": False},
    "no positions": {"POSITIONS": "none"},
    "absolute": {"POSITIONS": "absolute"},
    "one head": {"HEADS": 1},
    "no residual": {"RESIDUAL": False},
    "two layers": {"LAYERS": 2},
}


class SmallTask:
    """Seven symbols, sequences of at most eight, with the end mark as the last symbol."""

    def __init__(self, script):
        self.name = "sounds"
        self.symbols = ["a", "b", "c", "X", "Y", ":", script.END]
        self.id = {s: i for i, s in enumerate(self.symbols)}
        self.longest = 8


EXAMPLES = [([0, 1, 5, 3, 4, 6], 3), ([2, 5, 4, 6], 2), ([1, 1, 0, 5, 3, 3, 4, 6], 4)]


@pytest.fixture(autouse=True)
def empty_tape(script):
    """Every test starts with nothing recorded and ends so."""
    script.TAPE.clear()
    yield
    assert script.TAPE == []


@pytest.fixture
def small(script, monkeypatch):
    monkeypatch.setattr(script, "WIDTH", 6)
    monkeypatch.setattr(script, "HIDDEN", 5)
    return script


def model_of(script, switches, monkeypatch):
    for name, value in switches.items():
        monkeypatch.setattr(script, name, value)
    random.seed(3)
    return script.GPT(SmallTask(script))


def drawn(rng, rows, columns):
    return [[rng.uniform(-2, 2) for _ in range(columns)] for _ in range(rows)]


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
        out = weighted_sum(script, operation(*nodes), weights)
        return nodes, out

    nodes, out = loss()
    script.backward(out)
    for node, x in zip(nodes, inputs, strict=True):
        grad = node.grad or [[0.0] * len(row) for row in x]
        for i, row in enumerate(x):
            for j, v in enumerate(row):
                ends = []
                for step in (STEP, -STEP):
                    x[i] = [*row[:j], v + step, *row[j + 1 :]]
                    ends.append(loss()[1].value[0][0])
                    script.TAPE.clear()
                x[i] = row
                assert grad[i][j] == pytest.approx((ends[0] - ends[1]) / (2 * STEP), abs=1e-7)


def test_pick_scatters_its_gradient_back(script):
    rng = random.Random(2)
    check_by_differences(script, [drawn(rng, 4, 3)], lambda x: script.pick(x, [2, 0, 2, 2, 1]))


def test_rms_norm(script):
    rng = random.Random(2)
    check_by_differences(script, [drawn(rng, 3, 5)], script.rms_norm)
    out = script.rms_norm(script.Node([[3.0, 4.0, 0.0, 0.0]])).value[0]
    script.TAPE.clear()
    assert sum(v * v for v in out) / 4 == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("look", ["softmax", "mean", "self"])
def test_attention(small, monkeypatch, look, causal):
    monkeypatch.setattr(small, "CAUSAL", causal)
    rng = random.Random(2)
    blocks = [(0, 3, 0, 3), (0, 3, 3, 6), (3, 5, 0, 3), (3, 5, 3, 6)]
    check_by_differences(
        small, [drawn(rng, 5, 6) for _ in range(3)],
        lambda q, k, v: small.attend(q, k, v, blocks, look)[0],
    )  # fmt: skip


def logits_by_jax(script, parameters, example):
    """All logits of one sequence, written from the formulas with whole matrices."""
    tokens, positions, head, *layers = parameters
    ids, given = example
    n = len(ids)
    x = tokens[jnp.array(ids)]
    if script.POSITIONS != "none":
        restart = script.POSITIONS == "restart"
        x = x + positions[jnp.array([i - given + 1 if restart and i >= given - 1 else i
                                     for i in range(n)])]  # fmt: skip

    def norm(x):
        return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-5)

    mask = jnp.tril(jnp.ones((n, n), bool)) if script.CAUSAL else jnp.ones((n, n), bool)
    for first in range(0, len(layers), 6):
        query, key, value, output, up, down = layers[first : first + 6]
        y, heads = norm(x), []
        for q, k, v in zip(*(jnp.split(y @ w.T, script.HEADS, 1) for w in (query, key, value)),
                           strict=True):  # fmt: skip
            if script.LOOK == "softmax":
                weights = jax.nn.softmax(jnp.where(mask, q @ k.T / q.shape[1] ** 0.5, -jnp.inf))
            elif script.LOOK == "mean":
                weights = mask / mask.sum(1, keepdims=True)
            else:
                weights = jnp.eye(n)
            heads.append(weights @ v)
        y = jnp.concatenate(heads, 1) @ output.T
        x = x + y if script.RESIDUAL else y
        y = jax.nn.relu(norm(x) @ up.T) @ down.T
        x = x + y if script.RESIDUAL else y
    return norm(x) @ head.T


@pytest.mark.parametrize("name", SWITCHES)
def test_logits_and_all_gradients_equal_jax(small, monkeypatch, name):
    model = model_of(small, SWITCHES[name], monkeypatch)
    parameters = [jnp.array(node.value) for node in model.parameters]

    def loss(parameters):
        losses = []
        for ids, given in EXAMPLES:
            logits = logits_by_jax(small, parameters, (ids[:-1], given))[given - 1 :]
            chosen = jnp.array(ids[given:])
            losses.append(-jax.nn.log_softmax(logits)[jnp.arange(len(chosen)), chosen])
        return jnp.concatenate(losses).mean()

    inputs = [(ids[:-1], given) for ids, given in EXAMPLES]
    ours = model.logits(inputs, range(sum(len(ids) for ids, _ in inputs))).value
    small.TAPE.clear()
    theirs = jnp.concatenate([logits_by_jax(small, parameters, one) for one in inputs])
    assert np.abs(np.array(ours) - np.array(theirs)).max() < 1e-9

    out = small.loss_of(model, EXAMPLES)
    small.backward(out)
    expected, gradients = jax.value_and_grad(loss)(parameters)
    assert abs(out.value[0][0] - float(expected)) < 1e-9
    for node, gradient in zip(model.parameters, gradients, strict=True):
        grad = node.grad or np.zeros(gradient.shape)
        assert np.abs(np.array(grad) - np.array(gradient)).max() < 1e-9


def rows_that_change(script, model, position):
    """Which rows of logits notice that the token at `position` became another one."""
    ids = [0, 1, 2, 5, 3, 4, 3]
    changed = [*ids[:position], (ids[position] + 1) % 3, *ids[position + 1 :]]
    before, after = (model.logits([(x, 4)], range(7)).value for x in (ids, changed))
    script.TAPE.clear()
    return {i for i in range(7) if before[i] != after[i]}


@pytest.mark.parametrize("position", range(7))
def test_a_later_token_cannot_change_an_earlier_output(small, monkeypatch, position):
    model = model_of(small, {"LAYERS": 2}, monkeypatch)
    assert rows_that_change(small, model, position) == set(range(position, 7))


def test_switches_do_what_they_say(small, monkeypatch):
    def seen(**switches):
        with monkeypatch.context() as patch:
            return rows_that_change(small, model_of(small, switches, patch), 3)

    assert seen(CAUSAL=False) == set(range(7))
    assert seen(LOOK="self") == {3}
    assert seen(LOOK="mean") == {3, 4, 5, 6}
    assert small.positions(6, 4) == [0, 1, 2, 0, 1, 2]
    monkeypatch.setattr(small, "POSITIONS", "absolute")
    assert small.positions(6, 4) == [0, 1, 2, 3, 4, 5]


def test_without_positions_the_order_of_the_past_is_lost(small, monkeypatch):
    def last(model, ids):
        logits = model.logits([(ids, 4)], [len(ids) - 1]).value[0]
        small.TAPE.clear()
        return logits

    ids, shuffled = [0, 1, 2, 5, 3], [2, 0, 1, 5, 3]
    with monkeypatch.context() as patch:
        model = model_of(small, {"POSITIONS": "none"}, patch)
        assert last(model, ids) == pytest.approx(last(model, shuffled), abs=1e-12)
    model = model_of(small, {}, monkeypatch)
    assert last(model, ids) != pytest.approx(last(model, shuffled), abs=1e-3)


def test_a_batch_is_its_sequences_one_by_one(small, monkeypatch):
    """The loss of training and the one that is reported are the same mean over symbols."""
    model = model_of(small, {"LAYERS": 2}, monkeypatch)
    assert small.evaluate(model, EXAMPLES) == pytest.approx(
        small.loss_of(model, EXAMPLES).value[0][0]
    )
    small.TAPE.clear()


@pytest.mark.parametrize("name", SWITCHES)
def test_only_without_a_mask_does_it_matter_whether_the_future_lies_open(small, monkeypatch, name):
    model = model_of(small, SWITCHES[name], monkeypatch)
    for example in EXAMPLES:
        at_once, alone = (small.evaluate(model, [example], alone) for alone in (False, True))
        assert (at_once == pytest.approx(alone, abs=1e-12)) == (name != "no mask")


def test_given_symbols_are_not_scored(small, monkeypatch):
    """The loss is that of cross_entropy with a target of None for each given symbol."""
    model = model_of(small, {}, monkeypatch)
    inputs = [(ids[:-1], given) for ids, given in EXAMPLES]
    targets = [t for ids, g in EXAMPLES for t in [None] * (g - 1) + ids[g:]]
    every = model.logits(inputs, range(sum(len(ids) for ids, _ in inputs)))
    whole = small.cross_entropy(every, targets).value
    assert small.loss_of(model, EXAMPLES).value[0][0] == pytest.approx(whole[0][0])
    assert targets.count(None) == 2 + 1 + 3
    small.TAPE.clear()


def test_the_pencil_example(script):
    """Weights, output and gradients of the chapter's example, as fractions."""
    from math import log

    keys, queries, values = [[0.0], [log(2)], [0.0]], [[0.0], [0.0], [1.0]], [[4], [8], [0]]
    weights = script.weigh(queries, keys)
    assert np.allclose(weights, [[1, 0, 0], [1 / 2, 1 / 2, 0], [1 / 4, 1 / 2, 1 / 4]])
    script.WIDTH, width = 1, script.WIDTH
    q, k, v = (script.Node(x) for x in (queries, keys, values))
    out, _ = script.attend(q, k, v, [(0, 3, 0, 1)], "softmax")
    assert np.allclose(out.value, [[4], [6], [5]])
    script.backward(weighted_sum(script, out, [[0.0], [0.0], [1.0]]))
    script.WIDTH = width
    assert np.allclose(k.grad, [[-1 / 4], [3 / 2], [-5 / 4]])
    assert np.allclose(v.grad, [[1 / 4], [1 / 2], [1 / 4]])
    assert np.allclose(q.grad, [[0], [0], [1.5 * log(2)]])


def cases(script, examples, view, longest):
    return [
        (tuple(getattr(script, view)(ids, given, i)[:longest]), ids[i])
        for ids, given in examples
        for i in range(given, len(ids))
    ]


@pytest.mark.parametrize("longest", [0, 1, 3, 6])
@pytest.mark.parametrize("view", ["past", "place"])
def test_counts_sum_to_one(script, view, longest):
    """After every context, seen or not."""
    random.seed(0)
    task = script.Task("sounds", script.read("sounds"))
    classes = len(task.symbols)
    table = script.count(cases(script, task.train[:300], view, longest))
    for clues, _ in cases(script, task.held_out[:20], view, longest):
        chances = [script.chance(table, clues, token, classes) for token in range(classes)]
        assert sum(chances) == pytest.approx(1) and min(chances) > 0


def test_counts_are_kneser_and_neys(script):
    """Against the definition: a short n-gram counts the different longer ones that end in it."""
    random.seed(0)
    task = script.Task("names", script.read("names"))
    task.train, task.held_out = task.train[:400], task.held_out[:15]
    classes, discount = len(task.symbols), script.DISCOUNT
    # a name's beginning is marked twice, so that every trigram has three symbols
    padded = [[task.id[script.END], *ids] for ids, _ in task.train]
    trigrams = Counter(tuple(ids[i - 2 : i + 1]) for ids in padded for i in range(2, len(ids)))
    bigrams = Counter(gram[1:] for gram in trigrams)
    levels = [Counter(gram[1:] for gram in bigrams), bigrams, trigrams]

    def p(gram):
        """Of its last symbol, given the others."""
        if not gram:
            return 1 / classes
        row = {g[-1]: n for g, n in levels[len(gram) - 1].items() if g[:-1] == gram[:-1]}
        lower = p(gram[1:])
        if not row:
            return lower
        freed = discount * len(row) * lower
        return (max(0, row.get(gram[-1], 0) - discount) + freed) / sum(row.values())

    expected = []
    for ids in ([ids[0], *ids] for ids, _ in task.held_out):
        expected += [-np.log(p(tuple(ids[i - 2 : i + 1]))) for i in range(2, len(ids))]
    found = script.counted(task, lambda ids, given, i: [*ids[:i][::-1], ids[0]], 2)
    assert found == pytest.approx(np.mean(expected))


def test_the_count_by_hand(script):
    """The chapter's three names, one symbol back."""
    names = [".ana.", ".anna.", ".hana."]
    table = script.count(((name[i - 1],), name[i]) for name in names for i in range(1, len(name)))
    assert dict(table[()]) == {"a": 3, "n": 2, "h": 1, ".": 1}
    chances = {s: script.chance(table, ("n",), s, 4) for s in "anh."}
    assert chances == pytest.approx({"a": 81 / 112, "n": 19 / 112, "h": 6 / 112, ".": 6 / 112})


def test_place_sees_no_sound_that_is_not_yet_said(script):
    ids, given = [5, 6, 7, 0, 8, 9, 10], 4
    for i in range(given, len(ids)):
        seen = [script.place([*ids[:i], other, *ids[i + 1 :]], given, i) for other in (11, 12)]
        assert seen[0] == seen[1]


@pytest.mark.parametrize("name", ["names", "sounds"])
def test_what_is_held_out_is_never_trained_on(script, name):
    random.seed(0)
    rows = script.read(name)
    task = script.Task(name, rows)
    train = {tuple(ids) for ids, _ in task.train}
    assert not train & {tuple(ids) for ids, _ in task.held_out}
    assert len(task.held_out) == int(0.1 * len(rows))
    beginnings = [{"".join(task.symbols[i] for i in ids if task.symbols[i] != script.END)[:4]
                   for ids, _ in part} for part in (task.train, task.held_out)]  # fmt: skip
    assert not {word for word in set.intersection(*beginnings) if ":" not in word and len(word) > 3}
    for ids, given in task.train[:100] + task.held_out[:100]:
        assert task.symbols[ids[-1]] == script.END and len(ids) <= task.longest
        assert task.symbols[ids[given - 1]] == (script.END if name == "names" else ":")


def test_new_words_are_in_no_data(script):
    assert not {word for word, *_ in script.read("sounds")} & set(script.NEW_WORDS)


def test_generation_is_greedy_at_zero_and_stops(small, monkeypatch):
    model = model_of(small, {}, monkeypatch)
    task = SmallTask(small)
    for ids, given in EXAMPLES:
        out = small.generate(model, task, ids, given)
        assert small.TAPE == []
        assert out == small.generate(model, task, ids[:given], given)  # it sees the prompt alone
        whole = ids[:given] + out
        assert task.id[small.END] not in out[:-1]
        assert out[-1] == task.id[small.END] or len(whole) == task.longest
        for end in range(given, len(whole)):
            row = model.logits([(whole[:end], given)], [end - 1]).value[0]
            assert max(row) == pytest.approx(row[whole[end]])
    small.TAPE.clear()


def test_a_temperature_sharpens(small, monkeypatch):
    model, task = model_of(small, {}, monkeypatch), SmallTask(small)
    row = small.softmax(model.logits([([0, 5], 2)], [1]).value[0])
    small.TAPE.clear()
    favourite = row.index(max(row))
    shares = []
    for temperature in (2.0, 1.0, 0.3):
        random.seed(1)
        first = [small.generate(model, task, [0, 5], 2, temperature)[0] for _ in range(300)]
        shares.append(first.count(favourite) / len(first))
    assert all(a < b for a, b in pairwise(shares))
    assert shares[1] == pytest.approx(row[favourite], abs=0.1)


def test_training_learns_and_repeats_itself(small, monkeypatch, capsys):
    monkeypatch.setattr(small, "STEPS", 60)
    monkeypatch.setattr(small, "REPORT", 60)
    monkeypatch.setattr(small, "BATCH", 2)
    printed = []
    for _ in range(2):
        random.seed(4)
        task = SmallTask(small)
        task.train = task.held_out = EXAMPLES
        model = small.GPT(task)
        before = small.evaluate(model, EXAMPLES)
        small.train(model, task)
        assert small.evaluate(model, EXAMPLES) < before - 1
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


@pytest.mark.parametrize(
    "setting",
    [("HEADS", 3), ("HEADS", 0), ("BATCH", 0), ("REPORT", 0), ("HIDDEN", 0), ("CHECKED", 0),
     ("EXAMPLES", 0), ("WIDTH", 0), ("LAYERS", 0), ("HELD_OUT", 0.0), ("HELD_OUT", 1.0)],
)  # fmt: skip
def test_a_setting_that_cannot_work_ends_in_a_sentence(script, monkeypatch, setting):
    monkeypatch.setattr(script, *setting)
    with pytest.raises(SystemExit, match="a setting is below 1, HEADS does not divide WIDTH, or"):
        script.main()


def test_small_settings_end_well(script, monkeypatch, capsys):
    """Nothing trained, nothing sampled, no context, no word of ours."""
    for name, value in {
        "STEPS": 0, "SAMPLES": 0, "CLUES": 0, "NEW_WORDS": [], "CHECKED": 1,
        "HELD_OUT": 0.001, "EXAMPLES": 1, "WARM_UP": 0,
    }.items():  # fmt: skip
        monkeypatch.setattr(script, name, value)
    script.main()
    assert capsys.readouterr().out.count("gpt, averaging") == 2


def test_the_code_of_the_solutions_is_right(script, monkeypatch):
    """Each block asserts what it claims; the cached generation says what `generate` says."""
    name = "book/back/solutions/microgpt.md"
    text = (Path(__file__).resolve().parents[2] / name).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 8 and sum("train(model" in block for block in blocks) == 2
    small = {"LAYERS": 2, "WIDTH": 8, "HIDDEN": 8}
    for block in blocks:
        before = dict(vars(script))
        if "train(model" not in block:  # what a solution trains has the size of the chapter's
            vars(script).update(small)
        exec(block, vars(script))  # as if it stood at the end of the script
        vars(script).update(before)
    for name, value in small.items():
        monkeypatch.setattr(script, name, value)
    task = SmallTask(script)
    model = script.GPT(task)
    alone = [script.continue_cached(model, task, *example) for example in EXAMPLES]
    assert alone == [script.generate(model, task, *example) for example in EXAMPLES]
