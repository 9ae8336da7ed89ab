"""Properties of microdistill: losses and gradients, the controls, training, against JAX."""

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

STEP = 1e-5
SOLUTIONS = Path(__file__).resolve().parents[2] / "book/back/solutions/microdistill.md"
ROWS = st.lists(st.floats(-30, 30), min_size=2, max_size=10)
HEATS = st.sampled_from([0.5, 1.0, 4.0, 30.0])


@pytest.fixture(autouse=True)
def empty_tape(script):
    """Every test starts with nothing recorded and ends so."""
    script.TAPE.clear()
    yield
    assert script.TAPE == []


@pytest.fixture
def small(script, monkeypatch):
    """Few steps, few units and few held-out digits, so that all tables take a second."""
    for name, value in {
        "TEACHER": 6, "STUDENT": 4, "TEACHER_STEPS": 20, "STEPS": 3, "LONGER": 2,
        "QUESTIONS": 8, "MORE": [4], "HELD_OUT": 60, "TABLES": [*script.SHOW],
    }.items():  # fmt: skip
        monkeypatch.setattr(script, name, value)
    return script


def drawn(rng, rows, columns, size=3.0):
    return [[rng.gauss(0, size) for _ in range(columns)] for _ in range(rows)]


def losses(script):
    """Each loss with the answers that it takes, made from logits."""
    cold = [
        (
            lambda z, t=t: script.soft_loss(z[0], z[1], t),
            lambda rows, t=t: [script.soften(row, t) for row in rows],
        )
        for t in (1.0, 4.0)
    ]
    return [*cold, (lambda z: script.logit_loss(*z), lambda rows: rows)]  # fmt: skip


@pytest.mark.parametrize("which", range(3))
def test_gradients_by_differences(script, which):
    rng = random.Random(which)
    loss, answer = losses(script)[which]
    rows, answers = drawn(rng, 4, 5), answer(drawn(rng, 4, 5))
    node = script.Node(rows)
    script.backward(loss((node, answers)))
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            ends = []
            for step in (STEP, -STEP):
                moved = [*rows[:i], [*row[:j], value + step, *row[j + 1 :]], *rows[i + 1 :]]
                ends.append(loss((script.Node(moved), answers)).value[0][0])
                script.TAPE.clear()
            assert node.grad[i][j] == pytest.approx((ends[0] - ends[1]) / (2 * STEP), abs=1e-7)


def test_pictures_get_no_gradient_and_weights_the_whole(script):
    """The slopes of a network's weights, through `look_at` and through `times`, are equal."""
    rng = random.Random(3)
    pictures, w = drawn(rng, 5, 4), drawn(rng, 3, 4)
    told = [script.soften(row) for row in drawn(rng, 5, 3)]
    slopes = []
    for way in (script.look_at, lambda p, w: script.times(script.Node(p), w)):
        node = script.Node(w)
        script.backward(script.soft_loss(way(pictures, node), told))
        slopes.append(node.grad)
    assert np.allclose(*slopes, atol=1e-12)


@given(ROWS, HEATS)
def test_softened_shares_sum_to_one_and_keep_their_order(script, row, heat):
    shares = script.soften(row, heat)
    assert sum(shares) == pytest.approx(1)
    order = np.argsort(row, kind="stable")
    assert all(a <= b + 1e-15 for a, b in zip(np.array(shares)[order], np.array(shares)[order][1:],
                                              strict=False))  # fmt: skip


@given(ROWS)
def test_hotter_is_softer(script, row):
    tops = [max(script.soften(row, heat)) for heat in (0.5, 1.0, 2.0, 8.0)]
    assert all(a >= b - 1e-12 for a, b in zip(tops, tops[1:], strict=False))


@given(st.integers(0, 10**6), HEATS)
def test_jax_agrees(script, seed, heat):
    rng = random.Random(seed)
    z, v = drawn(rng, 3, 10), drawn(rng, 3, 10)
    node = script.Node(z)
    out = script.soft_loss(node, [script.soften(row, heat) for row in v], heat)
    value = out.value[0][0]
    script.backward(out)

    def loss(z):
        q = jax.nn.softmax(jnp.array(v) / heat)
        return -(heat**2) * (q * jax.nn.log_softmax(z / heat)).sum(-1).mean()

    there, slope = jax.value_and_grad(loss)(jnp.array(z))
    assert value == pytest.approx(float(there), rel=1e-12)
    assert np.allclose(node.grad, slope, atol=1e-12)


def test_very_hot_is_the_logits_themselves(script):
    rng = random.Random(5)
    z, v = drawn(rng, 4, 10), drawn(rng, 4, 10)
    limit, hot = script.Node(z), script.Node(z)
    script.backward(script.logit_loss(limit, v))
    script.backward(script.soft_loss(hot, [script.soften(row, 1e5) for row in v], 1e5))
    assert np.allclose(limit.grad, hot.grad, atol=1e-4)
    assert np.abs(limit.grad).max() > 0.05
    warm = script.Node(z)
    script.backward(script.soft_loss(warm, [script.soften(row, 4.0) for row in v], 4.0))
    assert not np.allclose(limit.grad, warm.grad, atol=1e-2)


def test_a_label_is_an_answer(script):
    """At temperature 1 the loss is the usual cross-entropy, and cold logits do not overflow it."""
    row, labels = [[2.0, -1.0, *[0.0] * 8]], [1]
    out = script.soft_loss(script.Node(row), script.one_hot(labels))
    assert out.value[0][0] == pytest.approx(-np.log(np.exp(-1) / np.exp(row[0]).sum()))
    far = script.soft_loss(script.Node([[2000.0, *[0.0] * 9]]), script.one_hot(labels))
    assert far.value[0][0] == pytest.approx(2000)
    script.TAPE.clear()
    smoothed = script.one_hot([3], 0.1)[0]
    assert smoothed[3] == pytest.approx(0.91) and sum(smoothed) == pytest.approx(1)


def test_training_as_jax_does_it(script):
    """The same weights after Adam's steps, from an implementation that shares nothing."""
    rng = random.Random(7)
    pictures, heat, steps = drawn(rng, 6, 65, 0.5), 4.0, 12
    told = [script.soften(row, heat) for row in drawn(rng, 6, 10)]
    loss = script.partial(script.soft_loss, temperature=heat)
    trained = script.train(5, pictures, told, loss, steps)
    weights = [jnp.array(node.value) for node in script.Network(5, script.SEED).weights]

    def total(weights):
        logits = jnp.maximum(jnp.array(pictures) @ weights[0].T, 0) @ weights[1].T
        return -(heat**2) * (jnp.array(told) * jax.nn.log_softmax(logits / heat)).sum(-1).mean()

    m, v = ([jnp.zeros_like(w) for w in weights] for _ in range(2))
    for step in range(steps):
        slopes = jax.grad(total)(weights)
        m = [0.9 * a + 0.1 * g for a, g in zip(m, slopes, strict=True)]
        v = [0.99 * a + 0.01 * g * g for a, g in zip(v, slopes, strict=True)]
        rate = script.RATE * (1 - step / steps) / (1 - 0.9 ** (step + 1))
        scale = (1 - 0.99 ** (step + 1)) ** 0.5
        weights = [w - rate * scale * a / (jnp.sqrt(b) + 1e-8)
                   for w, a, b in zip(weights, m, v, strict=True)]  # fmt: skip
    for node, w in zip(trained.weights, weights, strict=True):
        assert np.allclose(node.value, w, atol=1e-10)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_turned_answers_stay_in_their_class(script, labels):
    answers = [[float(i)] for i in range(len(labels))]
    out = script.turned(answers, labels)
    assert sorted(out) == answers
    for i, (row, label) in enumerate(zip(out, labels, strict=True)):
        assert labels[int(row[0])] == label
        assert (row == [i]) == (labels.count(label) == 1)


@given(st.integers(0, 10**6))
def test_means_and_sureness_keep_what_they_say(script, seed):
    rng = random.Random(seed)
    labels = [rng.randrange(3) for _ in range(9)]
    answers = [script.soften(row) for row in drawn(rng, 9, 4)]
    means = script.class_means(answers, labels, labels)
    for kind in set(labels):
        own = [k for k, label in enumerate(labels) if label == kind]
        assert np.allclose(np.mean([answers[k] for k in own], 0), means[own[0]])
    for row in answers:
        kept = script.only_sure(row)
        assert max(kept) == max(row) and sum(kept) == pytest.approx(1)
        assert len({round(q, 12) for q in kept}) == 2


@given(st.integers(0, 10**6), st.integers(0, 3))
def test_a_raised_bias_gives_a_class_its_share(script, seed, kind):
    rows = drawn(random.Random(seed), 40, 4)
    lifted = script.raised(rows, kind, 0.25)
    read = [np.argmax(row) for row in lifted]
    # the first that is no longer lifted above all others is at a tie
    assert read.count(kind) in (10, 11)
    assert all(row[:kind] == new[:kind] for row, new in zip(rows, lifted, strict=True))


def test_a_picture_is_bent_a_little(script):
    class Still:
        def gauss(self, mean, spread):
            return mean

    picture = load(script)[0][0][0]
    assert script.bent(picture, Still()) == pytest.approx(picture)
    bent = script.bent(picture, random.Random(1))
    assert bent[64] == 1.0 and len(bent) == 65
    assert 0.5 < sum(bent) / sum(picture) < 1.5 and bent != pytest.approx(picture)
    assert np.corrcoef(bent, picture)[0, 1] > 0.5


def load(script):
    return script.load_digits()


def test_who_is_held_out_and_who_is_taught(script):
    learn, held_out = load(script)
    assert (len(learn), len(held_out)) == (1_157, 640)
    form = "".join(str(label) for _, label in held_out)  # what every sheet begins with
    assert form.count("09556509898417") == 5  # five whole sheets
    thirty = script.of_each(learn[: script.TAUGHT], 3)
    assert [label for _, label in thirty] == [k // 3 for k in range(30)]


def test_noise_keeps_the_grey_of_every_pixel(script):
    pictures = [[0.0, 0.5, 1.0], [0.25, 0.5, 1.0]]
    blots = script.noise(pictures, 400)
    assert {blot[0] for blot in blots} == {0.0, 0.25}
    assert all(blot[1:] == [0.5, 1.0] for blot in blots)
    assert 0.4 < sum(blot[0] == 0.25 for blot in blots) / 400 < 0.6


def test_the_nearest_known_picture_decides(script):
    known = [([0.0, 0.0], 1), ([1.0, 1.0], 2)]
    assert script.nearest(known, [([0.2, 0.1], 1), ([0.9, 0.9], 1)]) == 0.5


@pytest.mark.parametrize("name, value", [
    ("EACH", 0), ("TAUGHT", 5), ("TAUGHT", 5_000), ("HELD_OUT", 0), ("HELD_OUT", 1),
    ("STUDENT", 0), ("TEMPERATURES", [0.0]), ("SOFT", -1.0), ("MORE", [0]), ("UNSHOWN", 10),
    ("LOOKED_AT", -1), ("TABLES", ["?"]), ("BATCH", 0), ("QUESTIONS", 0),
])  # fmt: skip
def test_settings_that_cannot_be_end_in_a_sentence(small, monkeypatch, name, value, capsys):
    monkeypatch.setattr(small, name, value)
    with pytest.raises(SystemExit, match="a setting is too small"):
        small.main()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name, value", [
    ("STEPS", 0), ("EACH", 1), ("TEMPERATURES", []), ("TEMPERATURES", [1e-300]), ("MORE", []),
    ("SMOOTHING", 1.0), ("BATCH", 1), ("SEEN", False),
])  # fmt: skip
def test_small_settings_end_well(small, monkeypatch, name, value, capsys):
    monkeypatch.setattr(small, name, value)
    small.main()
    assert "no 3    | labels" in capsys.readouterr().out


def test_main_prints_the_same_twice(small, capsys):
    printed = []
    for _ in range(2):
        small.main()
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert all(len(line) <= 79 for line in printed[0].splitlines())


def test_the_code_of_the_solutions_is_right(script):
    """Each block asserts what it claims."""
    names = dict(vars(script))
    blocks = re.findall(r"```python\n(.*?)```", SOLUTIONS.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, names)
    script.TAPE.clear()
