"""Properties of microconv: windows, maxima and their gradient; against JAX and SciPy."""

import random
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import shift as scipy_shift
from scipy.signal import correlate2d

ROOT = Path(__file__).resolve().parents[2]
jax.config.update("jax_enable_x64", True)

MOVES = st.integers(-2, 2)


def digits_of(seed, count):
    """Pictures of 64 levels, a third of them white, with labels."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(1, 17, (count, 64)) * (rng.random((count, 64)) > 0.3) / 16
    labels = rng.integers(10, size=count).tolist()
    return list(zip(levels.tolist(), labels, strict=True))


@pytest.fixture
def small(script, monkeypatch):
    """The script with three maps and little else."""
    for name, value in {"MAPS": 3, "HIDDEN": 5, "BATCH": 4, "EPOCHS": 2}.items():
        monkeypatch.setattr(script, name, value)
    return script


@given(st.integers(0, 10**6), MOVES, MOVES)
@settings(max_examples=30)
def test_a_canvas_is_the_digit_moved(script, seed, down, right):
    ((digit, _),) = digits_of(seed, 1)
    there = np.zeros((12, 12))
    there[2 + down : 10 + down, 2 + right : 10 + right] = np.reshape(digit, (8, 8))
    assert script.canvas(digit, down, right) == there.tolist()
    middle = np.array(script.canvas(digit))
    assert scipy_shift(middle, (down, right), order=0) == pytest.approx(there)


@given(st.integers(0, 10**6))
@settings(max_examples=30)
def test_answers_are_scipys_correlation_over_all_places(script, seed):
    rng = np.random.default_rng(seed)
    picture, window = rng.normal(size=(12, 12)), rng.normal(size=(5, 5))
    seen = np.array(script.windows(picture.tolist()))
    assert seen.shape == (256, 26) and (seen[:, -1] == 1).all()
    answers = (seen[:, :-1] @ window.ravel()).reshape(16, 16)
    assert answers == pytest.approx(correlate2d(picture, window, mode="full"))


@given(st.integers(0, 10**6), MOVES, MOVES)
@settings(max_examples=30)
def test_what_the_windows_see_moves_with_the_picture(script, seed, down, right):
    """Equivariance: the map of the moved picture is the map moved; as a set it is the same."""
    ((digit, _),) = digits_of(seed, 1)
    before, after = (
        np.array(script.windows(picture)).reshape(16, 16, 26)
        for picture in (script.canvas(digit), script.canvas(digit, down, right))
    )
    assert (np.roll(before, (down, right), (0, 1)) == after).all()
    (one,), (other,) = (
        script.blocks(picture, 99, True)
        for picture in (script.canvas(digit), script.canvas(digit, down, right))
    )
    assert set(one[1]) == set(other[1])


@given(st.integers(0, 10**6), MOVES, MOVES)
@settings(max_examples=20)
def test_one_maximum_gives_the_same_logits_to_the_last_bit(script, seed, down, right):
    ((digit, _),) = digits_of(seed, 1)
    weights, _ = script.first_weights("one maximum")
    pictures = [script.canvas(digit), script.canvas(digit, down, right)]
    middle, apart = script.logits("one maximum", weights, script.see("one maximum", pictures)).value
    script.TAPE.clear()
    assert middle == apart


def test_the_others_do_not(script):
    """Four maxima, windows of their own, all pixels: a move changes the logits."""
    ((digit, _),) = digits_of(3, 1)
    pictures = [script.canvas(digit), script.canvas(digit, 2, 1)]
    for name in ("more maxima", "own windows", "own maxima", "connected"):
        weights, _ = script.first_weights(name)
        middle, apart = script.logits(name, weights, script.see(name, pictures)).value
        script.TAPE.clear()
        assert max(abs(a - b) for a, b in zip(middle, apart, strict=True)) > 1e-3


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("block", [1, 2, 5, 8, 99])
def test_every_place_is_in_one_block(script, shared, block):
    ((digit, _),) = digits_of(1, 1)
    picture = script.canvas(digit)
    dealt = script.blocks(picture, block, shared)
    assert len(dealt) == (-(-16 // block)) ** 2
    windows = script.windows(picture)
    if shared:
        assert {owner for owners, _ in dealt for owner in owners} == {0}
        assert {seen for _, block_seen in dealt for seen in block_seen} == set(windows)
    else:
        pairs = [pair for owners, seen in dealt for pair in zip(owners, seen, strict=True)]
        assert sorted(pairs) == list(enumerate(windows))


@pytest.mark.parametrize("block", [2, 8, 99])
def test_sharing_off_with_equal_windows_is_sharing_on(small, block):
    """And the gradients of all owners together are the gradient of the one that they share."""
    pictures = [small.canvas(digit, 1, -2) for digit, _ in digits_of(5, 3)]
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(3, 26)).tolist()
    found = []
    for shared, matrix in ((True, rows), (False, [row for row in rows for _ in range(256)])):
        weights = small.Node([list(row) for row in matrix])
        out = small.strongest([small.blocks(p, block, shared) for p in pictures], weights)
        ((_, pull),) = small.TAPE
        small.TAPE.clear()
        pull(np.random.default_rng(2).normal(size=np.shape(out.value)).tolist())
        found.append((out.value, np.reshape(weights.grad, (3, -1, 26)).sum(1)))
    assert found[0][0] == found[1][0]
    assert found[0][1] == pytest.approx(found[1][1])


def by_jax(name, block, matrices, pictures):
    """The loss of a network with JAX's own convolution and window maxima."""
    first, last = matrices
    if name == "connected":
        flat = pictures.reshape(len(pictures), -1)
        hidden = jax.nn.relu(flat @ first[:, :-1].T + first[:, -1])
        return hidden @ last.T
    kernel, bias = first[:, :-1].reshape(-1, 1, 5, 5), first[:, -1]
    maps = jax.lax.conv_general_dilated(pictures[:, None], kernel, (1, 1), [(4, 4), (4, 4)])
    maps = maps + bias[:, None, None]
    size = (1, 1, min(block, 16), min(block, 16))
    pooled = jax.lax.reduce_window(maps, -jnp.inf, jax.lax.max, size, size, "VALID")
    return jax.nn.relu(pooled).reshape(len(pictures), -1) @ last.T


def loss_by_jax(name, block, matrices, pictures, labels):
    logits = by_jax(name, block, matrices, pictures)
    return -jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels].mean()


@pytest.mark.parametrize(
    ("name", "block"), [("one maximum", 99), ("more maxima", 8), ("connected", 0)]
)
def test_loss_and_gradients_equal_jax(small, name, block):
    digits = digits_of(7, 6)
    pictures = small.moved(digits, random.Random(1))
    labels = [label for _, label in digits]
    weights, _ = small.first_weights(name)
    weights[0].value[0][-1] -= 99.0  # a map that is cut at zero, and passes nothing
    loss = small.cross_entropy(small.logits(name, weights, small.see(name, pictures)), labels)
    small.backward(loss)
    matrices = [jnp.array(node.value) for node in weights]
    found, slopes = jax.value_and_grad(lambda m: loss_by_jax(name, block, m, *(
        jnp.array(pictures), jnp.array(labels))))(matrices)  # fmt: skip
    assert loss.value[0][0] == pytest.approx(float(found), rel=1e-12)
    for node, slope in zip(weights, slopes, strict=True):
        assert np.array(node.grad) == pytest.approx(np.array(slope), abs=1e-12)


@pytest.mark.parametrize("name", ["one maximum", "more maxima", "own windows", "own maxima"])
def test_the_gradient_is_the_slope(small, name):
    """Finite differences on either side, for the steepest weights of both matrices."""
    digits = digits_of(11, 4)
    seen = small.see(name, small.moved(digits, random.Random(2)))

    def loss_of(weights):
        return small.cross_entropy(small.logits(name, weights, seen), [y for _, y in digits])

    weights, _ = small.first_weights(name)
    small.backward(loss_of(weights))
    for node in weights:
        slopes = np.array(node.grad)
        for flat in np.argsort(-abs(slopes), axis=None)[:6]:
            i, j = np.unravel_index(flat, slopes.shape)
            losses = []
            for step in (1e-6, -1e-6):
                node.value[i][j] += step
                losses.append(loss_of(weights).value[0][0])
                small.TAPE.clear()
                node.value[i][j] -= step
            assert slopes[i, j] != 0
            assert (losses[0] - losses[1]) / 2e-6 == pytest.approx(slopes[i, j], rel=1e-5)


def test_training_equals_jax(small, monkeypatch, capsys):
    """Two epochs on the same batches: the same network comes out."""
    digits = digits_of(13, 9)
    weights, _ = small.first_weights("one maximum")
    ours = [jnp.array(node.value) for node in weights]
    small.train("one maximum", digits, weights)
    assert len(capsys.readouterr().out.split("\n")) == 3
    draw = random.Random(small.SEED + 1)
    pictures, labels = np.array(small.moved(digits)), np.array([label for _, label in digits])
    m, v = ([jnp.zeros_like(w) for w in ours] for _ in range(2))
    step = 0
    for _ in range(2):
        order = draw.sample(range(9), 9)
        for batch in (order[:4], order[4:8]):
            slopes = jax.grad(
                lambda w, b=batch: loss_by_jax("one maximum", 99, w, pictures[b], labels[b])
            )(ours)
            m = [0.9 * a + 0.1 * g for a, g in zip(m, slopes, strict=True)]
            v = [0.99 * a + 0.01 * g * g for a, g in zip(v, slopes, strict=True)]
            rate = small.RATES["one maximum"] * (1 - step / 4)
            step += 1
            rate *= np.sqrt(1 - 0.99**step) / (1 - 0.9**step)
            ours = [w - rate * a / (jnp.sqrt(b) + 1e-8) for w, a, b in zip(ours, m, v, strict=True)]
    for node, expected in zip(weights, ours, strict=True):
        assert np.array(node.value) == pytest.approx(np.array(expected), abs=1e-9)


def test_numbers_and_products_are_counted(script):
    for name, block, owners in (("one maximum", 16, 1), ("more maxima", 8, 1),
                                ("own windows", 16, 256)):  # fmt: skip
        weights, work = script.first_weights(name)
        features = script.MAPS * (16 // block) ** 2
        assert np.shape(weights[0].value) == (script.MAPS * owners, 26)
        assert np.shape(weights[1].value) == (10, features)
        assert work == script.MAPS * 256 * 26 + 10 * features
    weights, work = script.first_weights("connected")
    assert work == sum(np.size(node.value) for node in weights) == script.HIDDEN * 155


@given(st.integers(0, 10**6), MOVES, MOVES)
@settings(max_examples=30)
def test_what_is_tidied_up_lies_in_the_middle_wherever_it_was(script, seed, down, right):
    ((digit, _),) = digits_of(seed, 1)
    tidy = script.boxed(script.canvas(digit, down, right))
    assert tidy == script.boxed(script.canvas(digit)) == script.boxed(tidy)
    assert sorted(map(tuple, np.argwhere(np.array(tidy)))) and np.sum(tidy) == pytest.approx(
        sum(digit)
    )
    for axis in (0, 1):
        inked = np.flatnonzero(np.array(tidy).any(axis))
        assert abs(inked[0] - (11 - inked[-1])) <= 1


def test_a_speck_is_one_pixel(script):
    ((digit, _),) = digits_of(17, 1)
    picture = script.canvas(digit)
    spoilt = np.array(script.soiled(picture, random.Random(1)))
    changed = np.argwhere(spoilt != picture)
    assert len(changed) == 1
    (place,) = map(tuple, changed)
    assert spoilt[place] == 1.0 and picture[place[0]][place[1]] == 0.0
    assert script.canvas(digit) == picture  # what it was made of is whole


def shares_by_numpy(known, labels, asked, expected):
    gaps = np.square(np.subtract(np.array(asked)[:, None], np.array(known))).sum((-1, -2))
    return np.mean([labels[k] == label for k, label in zip(gaps.argmin(1), expected, strict=True)])


def test_nearest_agrees_with_numpy(script, monkeypatch, capsys):
    """Digits that are known: moved once they may be missed, at every place they are found."""
    monkeypatch.setattr(script, "EVERY", 2)
    learn = digits_of(19, 12)
    held_out, labels = learn[:8], list(range(12))
    learn, held_out = (
        [(digit, k) for k, (digit, _) in enumerate(digits)] for digits in (learn, held_out)
    )
    script.ask_neighbours(learn, held_out)
    lines = capsys.readouterr().out.strip().split("\n")
    asked = script.moved(held_out, random.Random(script.SEED + 2))
    once = script.moved(learn, random.Random(script.SEED + 1))
    share = shares_by_numpy(once, labels, asked, range(8))
    assert 0 < share < 1 and f"stored     12 | moved {share:.3f} |" in lines[0]
    known = [picture for digit, _ in learn for picture in script.everywhere(digit)]
    assert shares_by_numpy(known, np.repeat(labels, 25), asked[::2], range(0, 8, 2)) == 1
    assert "stored    300 | moved 1.000 |" in lines[-1] and "of 4" in lines[-1]


def test_learning_on_moved_digits_draws_new_places(small, monkeypatch):
    """`anew` each epoch, `once` for all, `middle` never; one maximum does not mind."""
    digits, found = digits_of(29, 8), {}
    real = small.see
    for way in small.WAYS:
        shown = []
        monkeypatch.setattr(small, "LEARN", way)
        monkeypatch.setattr(small, "see", lambda name, p, s=shown: s.append(p) or real(name, p))
        weights, _ = small.first_weights("connected")
        small.train("connected", digits, weights)
        found[way] = shown
    middle = small.moved(digits)
    assert found["middle"] == [middle] and len(found["once"]) == 1 and len(found["anew"]) == 2
    assert found["once"][0] != middle and found["anew"][0] != found["anew"][1]


def test_held_out_digits_are_the_last_and_tuning_takes_others(script, monkeypatch):
    learn, held_out = script.load_digits()
    assert (len(learn), len(held_out)) == (1157, 640)
    monkeypatch.setattr(script, "TUNING", True)
    fewer, sheets = script.load_digits()
    assert fewer + sheets == learn and len(sheets) == 256


@pytest.mark.parametrize(
    "setting",
    [
        {"MAPS": 0},
        {"HELD_OUT": 0},
        {"HELD_OUT": 1797},
        {"BATCH": 5000},
        {"REACH": -1},
        {"WINDOW": 0},
        {"NETWORKS": ["transformer"]},
        {"LEARN": "twice"},
    ],
)
def test_impossible_settings_end_in_a_sentence(script, monkeypatch, setting):
    for name, value in setting.items():
        monkeypatch.setattr(script, name, value)
    with pytest.raises(SystemExit, match="too small"):
        script.main()


def test_small_settings_end_well(script, monkeypatch, capsys):
    for name, value in {"HELD_OUT": 1760, "MAPS": 1, "WINDOW": 1, "REACH": 0, "BLOCK": 1,
                        "HIDDEN": 1, "EPOCHS": 1, "EVERY": 2000, "SURVEYED": 1, "SHOWN": 0,
                        "NETWORKS": [*script.RATES]}.items():  # fmt: skip
        monkeypatch.setattr(script, name, value)
    script.main()
    out = capsys.readouterr().out
    assert len(re.findall(r"^[a-z ]+\| middle ", out, re.MULTILINE)) == 5
    assert max(map(len, out.split("\n"))) <= 79


def test_the_solutions_of_the_exercises_run(script):
    page = ROOT / "book" / "back" / "solutions" / "microconv.md"
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    assert len(blocks) == 9
    names = dict(vars(script))
    for block in blocks:
        assert "assert" in block
        exec(block, names)
