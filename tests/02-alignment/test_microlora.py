"""Properties of microlora: the adapted product, its gradients, merging, directions, against JAX."""

import csv
import random
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

jax.config.update("jax_enable_x64", True)

STEP = 1e-6
NAMES = ["anna", "bo", "carl", "dina", "ed"]
SOLUTIONS = Path(__file__).resolve().parents[2] / "book/back/solutions/microlora.md"


@pytest.fixture(autouse=True)
def empty_tape(script):
    """Every test starts with nothing recorded and ends so."""
    script.TAPE.clear()
    yield
    assert script.TAPE == []


@pytest.fixture
def small(script, monkeypatch):
    """A narrow model, few steps and a handful of names, so that a study takes a second."""
    for name, value in {
        "WIDTH": 6, "HIDDEN": 5, "OLD_STEPS": 6, "SCRATCH_STEPS": 3, "EARLY": 3,
        "BATCH": 2, "TURNS": 30, "HELD_OUT": 0.004, "NEW": 20,
    }.items():  # fmt: skip
        monkeypatch.setattr(script, name, value)
    # STEPS is the default of a parameter, read when the script was
    monkeypatch.setattr(script.Study.adapt, "__defaults__", (6,))
    return script


def drawn(rng, rows, columns, size=1.0):
    return [[rng.uniform(-size, size) for _ in range(columns)] for _ in range(rows)]


def encoded(script, names=NAMES):
    letters = script.Side.symbols
    return [([0, *map(letters.index, name), 0], 1) for name in names]


def model_with_pairs(script, rank=2, seed=1):
    """A model whose pairs are random in both halves, so that every gradient is at work."""
    random.seed(seed)
    model = script.GPT(script.Side)
    model.pairs = script.thin_pairs(model, rank)
    rng = random.Random(seed)
    for _, b in model.pairs:
        b.value = drawn(rng, len(b.value), rank)
    return model


def nodes_of(model):
    return [node for pair in model.pairs for node in pair]


def all_logits(script, model, examples=None):
    examples = examples or encoded(script)
    rows = model.logits(examples, range(sum(len(ids) for ids, _ in examples))).value
    script.TAPE.clear()
    return np.array(rows)


@pytest.mark.parametrize("rank", [1, 3])
def test_adapted_product_by_differences(script, rank):
    """x, A and B move; W gets no gradient at all."""
    rng = random.Random(2)
    inputs = [drawn(rng, 5, 4), drawn(rng, 3, 4), drawn(rng, rank, 4), drawn(rng, 3, rank)]
    weights = drawn(rng, 5, 3)

    def loss():
        nodes = [script.Node(value) for value in inputs]
        x, w, a, b = nodes
        out = script.adapted(x, w, (a, b))
        total = sum(
            p * q
            for r, s in zip(weights, out.value, strict=True)
            for p, q in zip(r, s, strict=True)
        )
        return nodes, script.record([[total]], lambda grad: out.receive(weights))

    nodes, out = loss()
    script.backward(out)
    assert nodes[1].grad is None
    for k in (0, 2, 3):
        for i, row in enumerate(inputs[k]):
            for j, v in enumerate(row):
                ends = []
                for step in (STEP, -STEP):
                    inputs[k][i] = [*row[:j], v + step, *row[j + 1 :]]
                    ends.append(loss()[1].value[0][0])
                    script.TAPE.clear()
                inputs[k][i] = row
                slope = (ends[0] - ends[1]) / (2 * STEP)
                assert nodes[k].grad[i][j] == pytest.approx(slope, abs=1e-6)


def by_jax(script, base, pairs, example):
    """Logits of one sequence, as PEFT computes a LoRA layer: base + B(A(x)) * (alpha / r)."""
    tokens, positions, head, *layer = base
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


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_logits_and_gradients_of_the_pairs_equal_jax(small, rank):
    model, examples = model_with_pairs(small, rank), encoded(small)
    base = [jnp.array(node.value) for node in model.parameters]
    pairs = [(jnp.array(a.value), jnp.array(b.value)) for a, b in model.pairs]

    def loss(pairs):
        losses = []
        for ids, g in examples:
            logits = jax.nn.log_softmax(by_jax(small, base, pairs, (ids[:-1], g)))
            losses.append(-logits[jnp.arange(len(ids) - 1), jnp.array(ids[1:])])
        return jnp.concatenate(losses).mean()

    theirs = jnp.concatenate([by_jax(small, base, pairs, one) for one in examples])
    assert np.abs(all_logits(small, model, examples) - np.array(theirs)).max() < 1e-9
    out = small.loss_of(model, examples)
    small.backward(out)
    expected, gradients = jax.value_and_grad(loss)(pairs)
    assert abs(out.value[0][0] - float(expected)) < 1e-9
    for ours, both in zip(model.pairs, gradients, strict=True):
        for node, gradient in zip(ours, both, strict=True):
            assert np.abs(np.array(node.grad) - np.array(gradient)).max() < 1e-9
    assert all(node.grad is None for node in model.layers[0])  # frozen, and never asked


def test_logits_without_pairs_equal_jax_with_pairs_of_zeros(small):
    random.seed(3)
    model = small.GPT(small.Side)
    base = [jnp.array(node.value) for node in model.parameters]
    zeros = [(jnp.zeros((1, w.shape[1])), jnp.zeros((w.shape[0], 1))) for w in base[3:]]
    theirs = jnp.concatenate([by_jax(small, base, zeros, one) for one in encoded(small)])
    assert np.abs(all_logits(small, model) - np.array(theirs)).max() < 1e-9


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_a_new_pair_changes_nothing_and_its_b_can_learn(small, rank):
    """B = 0: the logits are the base's to the last bit; dB is not zero, dA is."""
    random.seed(4)
    model = small.GPT(small.Side)
    plain = all_logits(small, model)
    model.pairs = small.thin_pairs(model, rank)
    assert (all_logits(small, model) == plain).all()
    for k, (a, b) in enumerate(model.pairs):
        rows, columns = np.array(model.layers[0][k].value).shape
        assert np.array(a.value).shape == (rank, columns)
        assert np.array(b.value).shape == (rows, rank)
        assert not np.any(b.value) and np.all(np.array(a.value) != 0)
    small.backward(small.loss_of(model, encoded(small)))
    for a, b in model.pairs:
        assert not np.any(a.grad) and np.any(b.grad)


def test_two_zero_halves_have_no_gradient(small):
    random.seed(4)
    model = small.GPT(small.Side)
    model.pairs = small.thin_pairs(model, 2)
    for a, _ in model.pairs:
        a.value = [[0.0] * len(row) for row in a.value]
    small.backward(small.loss_of(model, encoded(small)))
    assert not any(np.any(node.grad) for node in nodes_of(model))


def test_rows_of_a_have_length_near_one(script):
    random.seed(1)
    model = script.GPT(script.Side)
    lengths = [sum(v * v for v in row) for a, _ in script.thin_pairs(model, 40) for row in a.value]
    assert np.mean(lengths) == pytest.approx(1, abs=0.1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 5), st.sampled_from([1, 8, 20]))
def test_melted_equals_worn(script, seed, rank, alpha):
    before, script.ALPHA = script.ALPHA, alpha
    rng = random.Random(seed)
    x, w, a, b = (script.Node(drawn(rng, *shape))
                  for shape in ((3, 6), (4, 6), (rank, 6), (4, rank)))  # fmt: skip
    worn = script.adapted(x, w, (a, b)).value
    script.TAPE.clear()
    melted = script.melt(w, (a, b))
    script.ALPHA = before
    assert np.allclose(script.product(x.value, melted), worn, atol=1e-9)
    low = np.array(melted) - np.array(w.value)
    assert np.linalg.matrix_rank(low, tol=1e-9) <= rank
    assert np.allclose(low, alpha / rank * np.array(b.value) @ np.array(a.value))


def test_a_melted_model_says_what_the_worn_one_says(small):
    model = model_with_pairs(small)
    worn = all_logits(small, model)
    for matrix, pair in zip(model.layers[0], model.pairs, strict=True):
        matrix.value = small.melt(matrix, pair)
    model.pairs = None
    assert np.abs(all_logits(small, model) - worn).max() < 1e-9


def test_the_pencil_example(script, monkeypatch):
    """W = [[1, 0], [0, 1]], A = (1, 1), B = (0, 1)^T, s = 1: as in the chapter."""
    monkeypatch.setattr(script, "ALPHA", 1)
    x, w = script.Node([[1.0, 2.0]]), script.Node([[1.0, 0.0], [0.0, 1.0]])
    a, b = script.Node([[1.0, 1.0]]), script.Node([[0.0], [0.0]])
    y = script.adapted(x, w, (a, b))
    assert y.value == [[1, 2]]
    y.grad = [[0.0, -1.0]]
    script.TAPE.pop()[1](y.grad)
    assert b.grad == [[0], [-3]] and a.grad == [[0, 0]]
    a.grad = None
    b.value = [[0.0], [1.0]]
    assert script.melt(w, (a, b)) == [[1, 0], [1, 2]]
    b.grad = None
    assert script.adapted(x, w, (a, b)).value == [[1, 5]]
    script.TAPE.pop()[1]([[0.0, -1.0]])  # the exercise goes one step further
    assert a.grad == [[-1, -2]] and b.grad == [[0], [-3]]
    a.value, b.value = [[4 / 3, 5 / 3]], [[0.0], [2.0]]
    assert np.allclose(script.melt(w, (a, b)), [[1, 0], [8 / 3, 13 / 3]])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 500), st.integers(2, 6), st.integers(2, 6))
def test_peeled_directions_are_singular_values(script, seed, rows, columns):
    """Against numpy's SVD: shares of energy, and the best approximation of Eckart and Young."""
    rng = np.random.default_rng(seed)
    n = min(rows, columns)
    u, _ = np.linalg.qr(rng.normal(size=(rows, rows)))
    v, _ = np.linalg.qr(rng.normal(size=(columns, columns)))
    sizes = 2.0 ** -np.arange(n)
    m = (u[:, :n] * sizes) @ v[:, :n].T
    shares, rest = script.peel(m.tolist(), n - 1)
    assert np.allclose(shares, (sizes**2 / (sizes**2).sum())[: n - 1], atol=1e-6)
    expected = sizes[n - 1] * np.outer(u[:, n - 1], v[:, n - 1])
    assert np.allclose(rest, expected, atol=1e-3)


def test_counts_are_a_distribution(small, monkeypatch):
    """Witten-Bell bigrams by hand, as in microgpt's test."""

    class Tiny:
        symbols = "abcde"
        train, held_out = [([4, 0, 0, 4], 1)], [([4, 0, 4], 1)]

    p0 = [(2 + 2 / 5) / 5, (1 + 2 / 5) / 5]
    first = (1 + p0[0]) / 2
    second = (1 + 2 * p0[1]) / 4
    assert small.counts(Tiny, 0) == pytest.approx(-np.log(p0).mean())
    assert small.counts(Tiny, 1) == pytest.approx(-np.log([first, second]).mean())
    # after (4, 0) came one letter, of one kind, and it was another one
    assert small.counts(Tiny, 2) == pytest.approx(-np.log([first, second / 2]).mean())


def test_a_base_counts_once_and_a_name_of_the_side_many_times(small):
    """As if the side's names stood several times in one list behind the base's."""

    class Tiny:
        symbols = "abcde"
        train, held_out = [([4, 0, 0, 4], 1)], [([4, 0, 4], 1), ([4, 1, 2, 4], 1)]

    class Together(Tiny):
        train = [([4, 1, 4], 1)] + 3 * Tiny.train

    for letters in (0, 1, 2):
        expected = small.counts(Together, letters)
        assert small.counts(Tiny, letters, [([4, 1, 4], 1)], 3) == pytest.approx(expected)
        assert small.counts(Tiny, letters) != pytest.approx(expected)


def words(side, examples):
    return ["".join(side.symbols[i] for i in ids[1:-1]) for ids, _ in examples]


@pytest.mark.parametrize("whole_families", [True, False])
def test_what_is_held_out_is_never_trained_on(script, monkeypatch, whole_families):
    """No name, and with families no relative either, of the other side neither."""
    monkeypatch.setattr(script, "FAMILIES", whole_families)
    random.seed(0)
    both = script.sides()
    train, held = ([words(side, part) for side in both for part in (getattr(side, name),)]
                   for name in ("train", "held_out"))  # fmt: skip
    with (script.FOLDER / "names.csv").open(encoding="ascii") as file:
        rows = list(csv.DictReader(file))
    for k, (one, other) in enumerate((("boys", "girls"), ("girls", "boys"))):
        names = {row["name"] for row in rows if int(row[one]) > int(row[other])}
        known = set(train[k]) | set(held[k])
        assert known <= names and len(names - known) < (100 if whole_families else 1)
        assert not set(train[k]) & set(held[k]) and min(len(train[k]), len(held[k])) > 200
        assert all(len(ids) <= side.longest for side in both for ids, _ in side.train)
    assert abs(len(held[0]) + len(held[1]) - int(script.HELD_OUT * len(rows))) <= 10  # ties
    stems = [{name[:4] for part in parts for name in part if len(name) > 3}
             for parts in (train, held)]  # fmt: skip
    assert bool(stems[0] & stems[1]) != whole_families


def test_the_end_mark_alone_is_the_head_with_all_other_rows_held_still(small, monkeypatch):
    """A pair with a B that points, against a head whose other gradients are thrown away."""
    random.seed(5)
    study = small.Study()
    study.restore(study.base)
    plain = all_logits(small, study.model)
    study.mark(0.1)
    row = np.array(study.model.head_pair[0].value)
    worn = all_logits(small, study.model)
    assert study.values() == study.base
    assert (np.abs(worn - plain).max(0) > 1e-3).tolist() == [True] + [False] * 26
    receive = small.Node.receive

    def first_row_only(node, rows):
        if node is study.model.head:
            rows = [rows[0], *([0.0] * len(row) for row in rows[1:])]
        receive(node, rows)

    monkeypatch.setattr(small.Node, "receive", first_row_only)
    study.restore(study.base)
    assert study.model.head_pair is None
    study.adapt("x", [study.model.head], 0.1)
    moved = np.array(study.model.head.value) - np.array(study.base[2])
    assert np.allclose(moved[0], row[0], atol=1e-6) and not moved[1:].any()


def test_lora_leaves_the_base_untouched_and_full_does_not(small, capsys):
    random.seed(5)
    study = small.Study()
    pairs = study.lora("x", 2, "AB")
    assert study.values() == study.base
    assert any(np.any(b.value) for _, b in pairs)
    study.restore(study.base)
    study.adapt("y", [study.model.head], 0.01)
    moved = [a != b for a, b in zip(study.values(), study.base, strict=True)]
    assert moved == [False, False, True] + [False] * 6
    study.restore(study.base)
    study.adapt("z", study.model.parameters, 0.01)
    assert all(a != b for a, b in zip(study.values(), study.base, strict=True))
    study.restore(study.base)
    assert study.values() == study.base
    out = capsys.readouterr().out
    sizes = [int(v.replace(",", "")) for v in re.findall(r"trained +([\d,]+)", out)]
    full = sum(len(rows) * len(rows[0]) for rows in study.base)
    assert sizes == [0, 2 * (4 * 12 + 2 * 11), 27 * 6, full]
    adam = [int(v.replace(",", "")) for v in re.findall(r"Adam +([\d,]+)", out)]
    assert adam == [2 * size for size in sizes]


def test_what_is_named_beside_the_pairs_learns_with_them(small):
    random.seed(5)
    study = small.Study()
    study.lora("x", 2, "AB", 0.01, study.model.parameters[:3])
    moved = [a != b for a, b in zip(study.values(), study.base, strict=True)]
    assert moved == [True] * 3 + [False] * 6
    assert all(np.any(b.value) for _, b in study.model.pairs)


def test_the_rate_of_the_pairs_is_the_one_asked_for(small, monkeypatch):
    random.seed(5)
    study, rates = small.Study(), []
    monkeypatch.setattr(small.Adam, "step", lambda self, rate: rates.append(rate))
    study.lora("x", 2, "AB")
    study.lora("y", 2, "AB", 0.03)
    steps = len(rates) // 2
    assert rates[steps:] == pytest.approx([0.03 / small.RATE * rate for rate in rates[:steps]])
    assert max(rates[:steps]) > 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("NEW", 0), ("BATCH", 0), ("HELD_OUT", 0.0), ("RATES", []), ("RANKS", []), ("RANKS", [0, 4])],
)
def test_too_little_to_measure_is_said(small, monkeypatch, name, value):
    monkeypatch.setattr(small, name, value)
    with pytest.raises(SystemExit, match="too little to measure"):
        small.Study()


def test_with_b_frozen_at_zero_nothing_is_learned(small):
    random.seed(5)
    study = small.Study()
    plain = all_logits(small, study.model)
    study.lora("x", 2, "A")
    assert (all_logits(small, study.model) == plain).all()
    study.lora("x", 2, "B")
    assert not (all_logits(small, study.model) == plain).all()


def test_every_adaptation_sees_the_same_names(small, monkeypatch):
    random.seed(5)
    study, seen = small.Study(), []
    monkeypatch.setattr(small, "loss_of", lambda model, examples: seen.append(examples) or
                        small.record([[0.0]], lambda grad: None))  # fmt: skip
    monkeypatch.setattr(study, "show", lambda name, parameters: None)
    for _ in range(2):
        study.restore(study.base)
        study.adapt("full", study.model.parameters, 0.01)
    for rank in (1, 4):  # whatever is drawn for the pairs
        study.lora("lora", rank, "AB")
    steps = len(seen) // 4
    assert all(seen[i * steps : (i + 1) * steps] == seen[:steps] for i in range(4))
    assert len({str(batch) for batch in seen}) > 1
    assert all(example in study.few for batch in seen for example in batch)


def test_new_pairs_are_the_same_whatever_was_drawn_before(small):
    random.seed(5)
    study, drawn_pairs = small.Study(), []
    for _ in range(2):
        study.restore(study.base)
        assert study.model.pairs is None
        study.model.pairs = small.thin_pairs(study.model, 2)
        drawn_pairs.append([node.value for node in nodes_of(study.model)])
    assert drawn_pairs[0] == drawn_pairs[1]


def test_a_row_shows_the_losses_on_held_out_names(small, capsys):
    random.seed(5)
    study = small.Study()
    assert len(study.few) == small.NEW and study.new.train == study.few
    expected = []
    for side in (study.new, study.old):
        expected.append(small.loss_of(study.model, side.held_out).value[0][0])
        small.TAPE.clear()
    assert expected[0] != pytest.approx(expected[1], abs=1e-3)
    printed = re.search(r"base .* new (\S+) \| old (\S+)\n", capsys.readouterr().out)
    assert [float(v) for v in printed.groups()] == pytest.approx(expected, abs=6e-4)


def test_an_update_cut_to_rank_0_is_gone_and_at_full_rank_is_whole(small, monkeypatch, capsys):
    monkeypatch.setattr(small, "RANKS", [1, 6])
    random.seed(5)
    study = small.Study()
    study.restore(study.base)
    tuned = study.adapt("full", study.model.parameters, 0.1)
    expected = []
    for values in (tuned[:3] + study.base[3:], tuned):
        study.restore(values)
        expected.append(small.evaluate(study.model, study.new))
    capsys.readouterr()
    small.directions(study, tuned)
    out = capsys.readouterr().out
    cuts = dict(re.findall(r"cut to rank (\d) \| new (\S+)", out))
    assert list(cuts) == ["0", "1", "6"]
    assert [float(cuts["0"]), float(cuts["6"])] == pytest.approx(expected, abs=6e-4)
    assert abs(expected[0] - expected[1]) > 2e-3
    updates = [np.array(a) - np.array(b) for a, b in zip(tuned[3:], study.base[3:], strict=True)]
    shares = re.findall(r"1 direction holds +(\d+)%, 4 +(\d+)% \|", out)
    for update, held in zip(updates, shares, strict=True):
        energy = np.linalg.svd(update, compute_uv=False) ** 2
        for r, share in zip((1, 4), held, strict=True):
            assert 100 * energy[:r].sum() / energy.sum() == pytest.approx(int(share), abs=1.5)


def test_girls_names_differ_from_boys_most_at_the_end(script):
    """The chapter's reason to look at the head: divergence of the letters at three places."""
    random.seed(1)
    far = []
    for place in (slice(-2, -1), slice(1, 2), slice(2, -2)):
        shares = []
        for side in script.sides()[::-1]:
            letters = [i for ids, _ in side.train for i in ids[place]]
            counted = np.bincount(letters, minlength=27)[1:] + 0.5
            shares.append(counted / counted.sum())
        far.append((shares[0] * np.log(shares[0] / shares[1])).sum())
    assert far[0] > 5 * max(far[1:])


def test_rates_rise_and_fall(small, monkeypatch):
    rates = []
    monkeypatch.setattr(small.Adam, "step", lambda self, rate: rates.append(rate))
    random.seed(1)
    model = small.GPT(small.Side)
    small.train(model, encoded(small), model.parameters, 2.0, 10)
    assert rates == pytest.approx([1, 2, 1.75, 1.5, 1.25, 1, 0.75, 0.5, 0.25, 0])


def test_main_prints_the_same_twice(small, capsys):
    printed = []
    for _ in range(2):
        small.main()
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert all(len(line) <= 79 for line in printed[0].splitlines())
    gaps = re.findall(r"adapter +(\w+) \| on (\S+) \| off again (\S+) \| .* (\S+)$",
                      printed[0], re.M)  # fmt: skip
    assert [rank for rank, *_ in gaps] == ["new", "1", "2", "4"]
    assert float(gaps[0][1]) == 0 and all(float(on) > 0 for _, on, *_ in gaps[1:])
    assert all(float(off) == 0 and float(melted) < 1e-9 for _, _, off, melted in gaps)


def test_the_code_of_the_solutions_is_right(script):
    """Each block asserts what it claims."""
    names = dict(vars(script))
    blocks = re.findall(r"```python\n(.*?)```", SOLUTIONS.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, names)
    script.TAPE.clear()
