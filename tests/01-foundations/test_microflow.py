"""Properties of microflow: lines, pairs, speeds, paths; against JAX, NumPy and SciPy."""

import random
import re
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

ROOT = Path(__file__).resolve().parents[2]
jax.config.update("jax_enable_x64", True)


def rows_of(seed, count, width=8):
    return np.random.default_rng(seed).normal(size=(count, width)).tolist()


def speed_to(points):
    """The mean speed of all lines from normal noise to these points, as likely as one another."""
    points = np.array(points)

    def speed(rows, time):
        rows = np.array(rows)
        gaps = ((rows[:, None] - time * points) ** 2).sum(-1) / (2 * (1 - time) ** 2)
        weights = np.exp(gaps.min(1, keepdims=True) - gaps)
        mean = weights @ points / weights.sum(1, keepdims=True)
        return ((mean - rows) / (1 - time)).tolist()

    return speed


def speed_to_gaussian(spread):
    """The same for data from N(0, spread^2), a number at a time."""

    def speed(rows, t):
        share = (t * spread**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * spread**2)
        return [[share * v for v in row] for row in rows]

    return speed


@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=50)
def test_a_line_goes_from_noise_to_digit_at_one_speed(script, seed, early, late):
    noise, digit = rows_of(seed, 2)
    assert script.on_line(noise, digit, 0.0)[0] == noise
    assert script.on_line(noise, digit, 1.0)[0] == pytest.approx(digit)
    (a, speed), (b, same) = (script.on_line(noise, digit, time) for time in (early, late))
    assert speed == same == pytest.approx(np.subtract(digit, noise))
    assert np.array(b) - a == pytest.approx((late - early) * np.array(speed), abs=1e-12)


def test_pairs_by_lot_are_noise_and_digits(script):
    random.seed(1)
    digits = rows_of(1, 5)
    batch = [list(script.by_lot(digits)()) for _ in range(40)]
    found = np.array([noise for pairs in batch for noise, _ in pairs])
    assert {tuple(digit) for pairs in batch for _, digit in pairs} == set(map(tuple, digits))
    assert len(batch[0]) == script.BATCH and found.shape[1] == 8
    assert abs(found.mean()) < 0.05 and abs(found.var() - 1) < 0.05


@given(st.integers(0, 10**6), st.integers(1, 40))
@settings(max_examples=25)
def test_uncrossed_pairs_are_near_the_optimal_transport(script, seed, count):
    """Each noise and each end once; no exchange helps; near the best of SciPy, on a line at it."""
    rows, ends = rows_of(seed, count), rows_of(seed + 1, count)
    pairs = script.uncrossed(rows, ends)
    assert [row for row, _ in pairs] == rows and sorted(end for _, end in pairs) == sorted(ends)
    found = np.array([end for _, end in pairs])
    across = np.array(rows) @ found.T
    own = np.diag(across)
    assert (across + across.T <= own[:, None] + own + 1e-8).all()
    costs = cdist(rows, ends, "sqeuclidean")
    best = costs[linear_sum_assignment(costs)].sum()
    cost = ((np.array(rows) - found) ** 2).sum()
    assert best - 1e-9 <= cost <= np.trace(costs) + 1e-9 and cost < 1.25 * best
    line = script.uncrossed(rows_of(seed, count, 1), rows_of(seed + 1, count, 1))
    assert [end for _, end in sorted(line)] == sorted(end for _, end in line)


def by_jax(weights, told):
    hidden = jax.nn.relu(told @ weights[0].T)
    hidden = hidden + jax.nn.relu(hidden @ weights[1].T)
    return hidden @ weights[2].T


def test_training_equals_jax(script, monkeypatch):
    """Twelve steps on the same pairs at the same times: the same network comes out."""
    monkeypatch.setattr(script, "STEPS", 12)
    monkeypatch.setattr(script, "BATCH", 6)
    own = list(zip(rows_of(1, 20), rows_of(2, 20), strict=True))
    first = script.first_weights(random.Random(3).gauss, 16)
    random.seed(5)
    ours = script.train("flow", "reflow", first, [], own)
    random.seed(5)
    weights = [jnp.array(node.value) for node in first]
    m, v = ([jnp.zeros_like(w) for w in weights] for _ in range(2))
    for step in range(1, 13):
        hours = np.array([random.random() for _ in range(6)])[:, None]
        noise, digits = map(np.array, zip(*random.choices(own, k=6), strict=True))
        told = np.array([script.clock(hour) for (hour,) in hours])
        told = jnp.concatenate([(1 - hours) * noise + hours * digits, told], axis=1)
        slopes = jax.grad(lambda w, x, y: ((by_jax(w, x) - y) ** 2).mean())(
            weights, told, digits - noise
        )
        m = [0.9 * a + 0.1 * g for a, g in zip(m, slopes, strict=True)]
        v = [0.99 * a + 0.01 * g * g for a, g in zip(v, slopes, strict=True)]
        rate = 0.01 * (1 - step / 12) * np.sqrt(1 - 0.99**step) / (1 - 0.9**step)
        weights = [
            w - rate * a / (jnp.sqrt(b) + 1e-8) for w, a, b in zip(weights, m, v, strict=True)
        ]
    for node, expected in zip(ours, weights, strict=True):
        assert np.abs(np.array(node.value) - expected).max() < 1e-9
    assert script.TAPE == []


def test_a_round_leaves_the_weights_that_it_began_with(script, monkeypatch):
    monkeypatch.setattr(script, "STEPS", 3)
    monkeypatch.setattr(script, "PAIRS", 12)
    first = script.first_weights(random.Random(3).gauss, 8)
    before = [[list(row) for row in node.value] for node in first]
    own = list(zip(rows_of(1, 9), rows_of(2, 9), strict=True))
    for kind in script.KINDS:
        after = script.train(kind, kind, first, rows_of(3, 9), own)
        assert [node.value for node in first] == before != [node.value for node in after]


@pytest.mark.parametrize("kind", ["by lot", "uncrossed", "reflow", "shuffled", "start only"])
def test_what_each_kind_learns_from(script, monkeypatch, kind):
    """Which noises, which ends, in which pairs, at which times."""
    seen = {}

    monkeypatch.setattr(script, "PAIRS", 60)

    def look(name, weights, couple, latest):
        seen["pairs"] = [pair for _ in range(40) for pair in couple()]
        seen["latest"] = latest

    monkeypatch.setattr(script, "learn_speed", look)
    random.seed(2)
    own = list(zip(rows_of(1, 60), rows_of(2, 60), strict=True))
    digits = rows_of(3, 60)
    script.train(kind, kind, [], digits, own)
    assert seen["latest"] == (0.0 if kind == "start only" else 1.0)
    noises, ends = ({tuple(row) for row in rows} for rows in zip(*seen["pairs"], strict=True))
    kept = kind not in ("by lot", "uncrossed")
    assert (noises <= {tuple(noise) for noise, _ in own}) == kept
    assert ends <= {tuple(end) for end in (list(zip(*own, strict=True))[1] if kept else digits)}
    partners = {(tuple(a), tuple(b)) for a, b in seen["pairs"]}
    true = {(tuple(a), tuple(b)) for a, b in own}
    if kind == "uncrossed":
        assert len(partners) == len(noises) == len(ends) == 60
    if kind == "shuffled":
        assert len(partners) == len(noises) == len(ends) == 60 and len(partners & true) < 10
    elif kept:
        assert partners == true


def test_hours_are_drawn_up_to_the_latest(script, monkeypatch):
    seen = []
    monkeypatch.setattr(script, "learn_pairs", lambda name, weights, pairs: seen.append(pairs()))
    own = list(zip(rows_of(1, 5), rows_of(2, 5), strict=True))
    script.learn_speed("x", [], script.kept(own), 0.0)
    script.learn_speed("x", [], script.kept(own))
    (at_start, none, _), (_, hours, _) = seen
    assert set(none) == {0.0} and {tuple(row) for row in at_start} <= {tuple(a) for a, _ in own}
    assert 0 <= min(hours) < 0.2 and 0.8 < max(hours) < 1


def test_one_step_of_the_best_guess_leads_all_noise_to_the_mean_digit(script):
    points, rows = rows_of(1, 30), rows_of(2, 20)
    ends = script.flow(speed_to(points), rows, 1)[-1]
    assert np.abs(np.array(ends) - np.mean(points, axis=0)).max() < 1e-12
    ends = np.array(script.flow(speed_to(points), rows, 200)[-1])
    assert cdist(ends, points).min(1).max() < 1e-6


def test_the_pencils_numbers(script):
    speed = speed_to([[-1.0], [1.0]])
    one, two = (script.flow(speed, [[1.0]], steps)[-1][0][0] for steps in (1, 2))
    assert one == pytest.approx(0) and two == pytest.approx(np.tanh(1))
    assert speed([[0.5]], 0.5)[0][0] == pytest.approx(0.523, abs=5e-4)


def test_ends_of_paths_cost_no_more_than_pairs_by_lot(script):
    """The theorem of reflow, and its first consequence: no two paths cross on a line."""
    draw = np.random.default_rng(1)
    points = draw.normal(size=(6, 1)) * 1.5
    noise = np.sort(draw.normal(size=(400, 1)), axis=0)
    ends = np.array(script.flow(speed_to(points), noise.tolist(), 400)[-1])
    by_lot = ((points[None] - noise[:, None]) ** 2).mean()
    assert ((ends - noise) ** 2).mean() < 0.7 * by_lot
    assert (np.diff(ends[:, 0]) > -1e-6).all()


@pytest.mark.parametrize(("heun", "order"), [(False, 1), (True, 2)])
def test_half_the_step_is_a_half_or_a_quarter_of_the_error(script, heun, order):
    speed, rows, spread = speed_to_gaussian(3.0), rows_of(1, 10, 1), 3.0
    # on a line paths keep the order, so the end is the noise times the spread
    gaps = [
        np.abs(np.array(script.flow(speed, rows, steps, heun)[-1]) - spread * np.array(rows)).max()
        for steps in (80, 160)
    ]
    assert np.log2(gaps[0] / gaps[1]) == pytest.approx(order, abs=0.1)


def test_many_small_steps_are_those_of_scipys_solver(script):
    speed = script.speed_of(script.first_weights(random.Random(4).gauss, 32))
    rows = rows_of(2, 3)
    exact = solve_ivp(
        lambda t, x: np.ravel(speed(x.reshape(3, 8).tolist(), t)),
        (0, 1), np.ravel(rows), rtol=1e-9, atol=1e-11,
    ).y[:, -1]  # fmt: skip
    ends = script.flow(speed, rows, 400, True)[-1]
    assert np.abs(np.ravel(ends) - exact).max() < 1e-6
    assert script.TAPE == []


def test_heun_asks_twice_and_euler_once(script):
    asked = []

    def speed(rows, time):
        asked.append(time)
        return [[1.0] * 8 for _ in rows]

    for heun, times in ((False, [0.0, 0.5]), (True, [0.0, 0.5, 0.5, 1.0])):
        asked.clear()
        path = script.flow(speed, rows_of(1, 2), 2, heun)
        assert asked == times and len(path) == 3
        assert np.abs(np.array(path[-1]) - np.array(path[0]) - 1).max() < 1e-12


@given(st.integers(0, 10**6), st.integers(1, 6))
@settings(max_examples=30)
def test_a_path_is_no_shorter_than_the_straight_way(script, seed, steps):
    path = [rows_of(seed + k, 4) for k in range(steps + 1)]
    ends = np.linalg.norm(np.subtract(path[0], path[-1]), axis=1)
    length = sum(np.linalg.norm(np.subtract(a, b), axis=1) for a, b in pairwise(path))
    assert script.bend(path) == pytest.approx(length.sum() / ends.sum()) and script.bend(path) >= 1
    straight = [[[v + k for v in row] for row in path[0]] for k in range(steps + 1)]
    assert script.bend(straight) == pytest.approx(1)


def test_a_gaussian_of_its_own_kind_goes_and_comes_back(script):
    """Straight training lines, and no way made: noise of variance 1 to data of variance 1."""
    path = np.array(script.flow(speed_to_gaussian(1.0), [[1.0]], 400))[:, 0, 0]
    assert path[-1] == pytest.approx(1, abs=0.01) and path[200] == pytest.approx(0.5**0.5, abs=0.01)


def test_a_crowd_of_digits_is_judged(script, capsys):
    draw = rows_of(1, 90)
    script.judge("x", "Euler  1", [draw[:30], draw[:30]], draw[60:], draw[30:60])
    found = re.fullmatch(
        r"x {11} \| Euler  1 \| apart (\S+) spread (\S+) prec (\S+) rec (\S+) away (\S+)\n",
        capsys.readouterr().out,
    )
    assert found
    numbers = [float(v) for v in found.groups()]
    assert numbers[0] == pytest.approx(script.told_apart(draw[:30], draw[30:60]), abs=5e-4)
    assert numbers[1] == pytest.approx(np.mean(np.square(draw[:30])), abs=5e-3)
    assert numbers[2:4] == pytest.approx(
        [script.covered(draw[:30], draw[30:60]), script.covered(draw[30:60], draw[:30])], abs=5e-3
    )


@pytest.mark.parametrize(
    "setting",
    [{"CODES": 0}, {"CODES": 40}, {"EULER": [0]}, {"HEUN": [-1]}, {"AFTER": [0]}, {"SAMPLES": 3},
     {"SAMPLES": 700}, {"HELD_OUT": 0}, {"PAIRS": 0}, {"CROWDS": 0}, {"SIZES": [0]},
     {"BATCH": 0}, {"WIDTH": 0}, {"FLOOR": 0.0}, {"FIRST": "reflow"}, {"SECOND": ["by chance"]}],
)  # fmt: skip
def test_a_setting_that_cannot_be_ends_the_run_in_a_sentence(script, monkeypatch, setting):
    for name, value in setting.items():
        monkeypatch.setattr(script, name, value)
    with pytest.raises(SystemExit, match="a setting is too small"):
        script.main()


@pytest.mark.parametrize(
    "setting",
    [{}, {"STEPS": 0}, {"SECOND": []}, {"EULER": []}, {"HEUN": []}, {"AFTER": []}, {"SIZES": []},
     {"PATHS": 0}, {"SHOWN": 0}, {"CLOCK": False}, {"FIRST": "uncrossed"}, {"CROWDS": 1}],
)  # fmt: skip
def test_a_small_run_ends_well(script, monkeypatch, capsys, setting):
    small = {"STEPS": 3, "SAMPLES": 6, "PAIRS": 12, "CROWDS": 2, "SIZES": [1], "ROUNDS": 2,
             "EULER": [1, 2], "HEUN": [1], "AFTER": [1], "WIDTH": 4, "BATCH": 4, "PATHS": 2,
             "SHOWN": 2, "SECOND": ["reflow", "shuffled"]}  # fmt: skip
    for name, value in {**small, **setting}.items():
        monkeypatch.setattr(script, name, value)
    script.main()
    out = capsys.readouterr().out
    assert ("shuffled" in out) == (setting.get("SECOND") != [])
    assert ("flow         | Euler  1" in out) == (setting.get("EULER") != []) and "learnt" in out


def test_the_code_of_the_solutions_is_right(script, monkeypatch):
    """Each block asserts what it claims."""
    monkeypatch.setattr(script, "STEPS", 20)
    monkeypatch.setattr(script, "PAIRS", 40)
    text = (ROOT / "book/back/solutions/microflow.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 7
    names = dict(vars(script))
    for block in blocks:
        exec(block, names)
