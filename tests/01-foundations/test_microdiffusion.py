"""Properties of microdiffusion: guesses, steps, mixtures, measures; against JAX, NumPy, SciPy."""

import random
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

ROOT = Path(__file__).resolve().parents[2]
jax.config.update("jax_enable_x64", True)
levels = st.integers(1, 50)


def rows_of(seed, count, width=8):
    return np.random.default_rng(seed).normal(size=(count, width)).tolist()


@given(st.integers(0, 10**6), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_eigenvectors_equal_numpy(script, seed, size):
    half = np.random.default_rng(seed).normal(size=(size, size + 2))
    matrix = half @ half.T
    values, vectors = script.eigen(matrix.tolist())
    assert np.allclose(values, np.linalg.eigvalsh(matrix)[::-1], rtol=1e-8, atol=1e-8)
    vectors = np.array(vectors)
    assert np.abs(vectors @ vectors.T - np.eye(size)).max() < 1e-4
    assert np.abs(vectors.T * values @ vectors - matrix).max() < 1e-6 * max(values)


def test_a_weighted_cloud_equals_numpy(script):
    rows, weights = np.array(rows_of(1, 40, 3)), np.random.default_rng(2).random(40)
    mean, variances, axes = script.cloud(rows.tolist(), weights.tolist())
    assert np.allclose(mean, np.average(rows, axis=0, weights=weights))
    covariance = np.cov(rows.T, aweights=weights, bias=True)
    assert np.allclose(np.array(axes).T * variances @ np.array(axes), covariance)


def test_codes_are_principal_components(script):
    digits, _ = script.load_digits()
    codes = script.Codes(digits)
    rows, pixels = np.array(codes.encode(digits)), np.array(digits)
    assert np.abs(rows.mean(0)).max() < 1e-9
    assert np.abs(np.cov(rows.T, bias=True) - np.eye(8)).max() < 1e-8
    _, singular, right = np.linalg.svd(pixels - pixels.mean(0), full_matrices=False)
    assert codes.kept == pytest.approx((singular[:8] ** 2).sum() / (singular**2).sum())
    best = pixels.mean(0) + (pixels[3] - pixels.mean(0)) @ right[:8].T @ right[:8]
    assert np.abs(np.array(codes.decode(rows[3].tolist())) - best).max() < 1e-8


def test_digits_held_out_are_the_last_in_the_file(script):
    digits, held_out = script.load_digits()
    pixels = np.loadtxt(ROOT / "scripts/data/digits.csv.gz", delimiter=",")[:, :64] / 16
    assert np.array_equal(digits, pixels[:1200]) and np.array_equal(held_out, pixels[1200:])


def test_shades_go_from_white_to_black(script):
    lines = script.shade([k / 63 for k in range(64)])
    assert [len(line) for line in lines] == [8] * 8
    assert lines[0][0] == " " and lines[-1][-1] == "@" and script.shade([-1.0] * 64)[0] == " " * 8


def by_jax(weights, rows, hours, clock):
    told = jnp.array([[*row, *clock(hour)] for row, hour in zip(rows, hours, strict=True)])
    hidden = jax.nn.relu(told @ weights[0].T)
    hidden = hidden + jax.nn.relu(hidden @ weights[1].T)
    return hidden @ weights[2].T


def test_network_and_gradients_equal_jax(script):
    weights = script.first_weights(random.Random(3).gauss, 16)
    rows, truth, hours = rows_of(1, 6), rows_of(2, 6), [0.1, 0.2, 0.5, 0.7, 0.9, 1.0]
    loss = script.squared_error(script.network(weights, rows, hours), truth)

    def expected(matrices):
        return ((by_jax(matrices, rows, hours, script.clock) - jnp.array(truth)) ** 2).mean()

    matrices = [jnp.array(node.value) for node in weights]
    value, gradients = jax.value_and_grad(expected)(matrices)
    script.backward(loss)
    assert loss.value[0][0] == pytest.approx(float(value), abs=1e-12)
    for node, gradient in zip(weights, gradients, strict=True):
        assert np.abs(np.array(node.grad) - gradient).max() < 1e-12


def test_the_slope_of_the_squared_error_by_nudging(script):
    guess, truth = rows_of(4, 3, 2), rows_of(5, 3, 2)

    def loss(rows):
        script.TAPE.clear()
        return script.squared_error(script.Node(rows), truth).value[0][0]

    node = script.Node(guess)
    script.backward(script.squared_error(node, truth))
    for i, j in ((0, 0), (1, 1), (2, 0)):
        up, down = ([list(row) for row in guess] for _ in range(2))
        up[i][j] += 1e-6
        down[i][j] -= 1e-6
        assert (loss(up) - loss(down)) / 2e-6 == pytest.approx(node.grad[i][j], abs=1e-8)


def test_the_clock_can_be_taken_away(script, monkeypatch):
    assert len(script.clock(0.3)) == 9 and script.clock(0.3) != script.clock(0.4)
    monkeypatch.setattr(script, "CLOCK", False)
    assert script.clock(0.3) == script.clock(0.4) == [1.0]
    weights = script.first_weights(random.Random(3).gauss, 4)
    early, late = (script.network(weights, rows_of(1, 2), [hour] * 2).value for hour in (0, 1))
    assert early == late


def test_the_rate_falls_to_zero_and_the_tape_is_left_empty(script, monkeypatch):
    rates = []
    monkeypatch.setattr(script.Adam, "step", lambda self, rate: rates.append(rate))
    monkeypatch.setattr(script, "STEPS", 4)
    script.TAPE.clear()
    guess = script.train(rows_of(1, 30))
    assert rates == pytest.approx([0.0075, 0.005, 0.0025, 0.0])
    assert np.shape(guess(rows_of(2, 3), 7)) == (3, 8) and script.TAPE == []


def test_training_guesses_better_than_guessing_nothing(script, monkeypatch):
    monkeypatch.setattr(script, "STEPS", 150)
    random.seed(5)
    points = [[2.0] * 8, [-2.0] * 8]
    guess = script.train(points)
    rows, noises = script.spoil(points * 40, [30] * 80)
    error = np.mean((np.array(guess(rows, 30)) - np.array(noises)) ** 2)
    assert error < 0.6 * np.mean(np.array(noises) ** 2)


def test_signal_falls_from_one_and_never_ends(script):
    signals = [script.signal(level) for level in range(51)]
    assert signals[0] == 1 and sorted(signals, reverse=True) == signals and signals[-1] > 0.005


@given(levels, levels, st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_the_true_noise_leads_to_the_digit_spoilt_less(script, level, other, seed):
    low, high = sorted((level, other))
    rows = rows_of(seed, 3)
    random.seed(seed)
    spoilt, noises = script.spoil(rows, [high] * 3)
    less = script.step_down(spoilt, noises, high, low - 1, 0.0)
    b = script.signal(low - 1)
    expected = np.sqrt(b) * np.array(rows) + np.sqrt(1 - b) * np.array(noises)
    assert np.abs(np.array(less) - expected).max() < 1e-9


@given(levels, st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_ancestral_steps_are_those_of_ddpm(script, level, seed):
    """Mean and variance as Ho et al. write them, with alpha, beta and alpha-bar."""
    row, noise = rows_of(seed, 2)
    bar, before = script.signal(level), script.signal(level - 1)
    alpha = bar / before
    mean = (np.array(row) - (1 - alpha) / np.sqrt(1 - bar) * np.array(noise)) / np.sqrt(alpha)
    variance = (1 - before) / (1 - bar) * (1 - alpha)
    random.seed(seed)
    drawn = [random.gauss(0, 1) for _ in range(8)]
    random.seed(seed)
    (found,) = script.step_down([row], [noise], level, level - 1, 1.0)
    assert np.abs(found - (mean + np.sqrt(variance) * np.array(drawn))).max() < 1e-9


def test_the_pencils_guess(script, monkeypatch):
    monkeypatch.setattr(script, "signal", lambda level: 0.36)
    ((guess,),) = script.near([[-1.0], [1.0]], 0.0)([[0.6]], 1)
    odds = np.exp(1.125)
    assert guess == pytest.approx(1.5 / (1 + odds)) and round(guess, 2) == 0.37
    assert (0.6 - 0.8 * guess) / 0.6 == pytest.approx(np.tanh(0.6 * 0.6 / 0.64))


def mixture_of(seed, size):
    draw = np.random.default_rng(seed)
    shares = draw.dirichlet(np.ones(size))
    return [
        (
            float(share),
            draw.normal(size=8).tolist(),
            draw.uniform(0.1, 2, 8).tolist(),
            np.linalg.qr(draw.normal(size=(8, 8)))[0].tolist(),
        )
        for share in shares
    ]


def log_density(x, mixture, a):
    logs = []
    for share, mean, variances, axes in mixture:
        axes = jnp.array(axes)
        covariance = a * axes.T * jnp.array(variances) @ axes + (1 - a) * jnp.eye(8)
        gap = x - jnp.sqrt(a) * jnp.array(mean)
        logs.append(
            jnp.log(share)
            - 0.5 * (gap @ jnp.linalg.solve(covariance, gap) + jnp.linalg.slogdet(covariance)[1])
        )
    return jax.nn.logsumexp(jnp.array(logs))


@pytest.mark.parametrize(("size", "level"), [(1, 5), (3, 1), (3, 20), (5, 50)])
def test_a_guess_is_a_slope_of_the_log_density(script, size, level):
    mixture, rows, a = mixture_of(size, size), rows_of(level, 3), script.signal(level)
    slopes = [jax.grad(log_density)(jnp.array(row), mixture, a) for row in rows]
    guesses = script.by_mixture(mixture)(rows, level)
    assert np.abs(np.array(guesses) + np.sqrt(1 - a) * np.array(slopes)).max() < 1e-9


@pytest.mark.parametrize("width", [0.1, 0.7])
@pytest.mark.parametrize("level", [1, 25, 50])
def test_blurred_points_are_a_mixture_of_round_gaussians(script, width, level):
    points, rows = rows_of(1, 12), rows_of(2, 5)
    flat = np.eye(8).tolist()
    mixture = [(1 / 12, point, [width**2] * 8, flat) for point in points]
    ours, theirs = script.near(points, width), script.by_mixture(mixture)
    assert np.abs(np.array(ours(rows, level)) - np.array(theirs(rows, level))).max() < 1e-9


def test_the_perfect_guess_is_the_mean_noise_by_numpy(script):
    points, rows, level = rows_of(1, 30), rows_of(2, 4), 12
    a = script.signal(level)
    gaps = np.array(rows)[:, None] - np.sqrt(a) * np.array(points)
    logs = -(gaps**2).sum(-1) / (2 * (1 - a))
    weights = np.exp(logs - logs.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    expected = (weights[..., None] * gaps).sum(1) / np.sqrt(1 - a)
    assert np.abs(np.array(script.near(points, 0.0)(rows, level)) - expected).max() < 1e-9


@pytest.mark.parametrize("fresh", [0.0, 1.0])
def test_perfect_guesses_lead_to_copies_and_blurred_ones_do_not(script, fresh):
    random.seed(2)
    points = rows_of(3, 20)
    ends = {width: script.denoise(script.near(points, width), 30, 50, fresh)[-1]
            for width in (0.0, 0.5)}  # fmt: skip
    assert script.distance(ends[0.0], points) < 1e-4
    assert script.distance(ends[0.5], points) > 0.5


def test_the_spread_of_many_steps_and_of_few(script, monkeypatch, capsys):
    """Normal data of variance 1 and the best guess of it: what is left can be computed."""
    monkeypatch.setattr(script, "SAMPLES", 500)
    monkeypatch.setattr(script, "STEPS_TRIED", [50, 5])
    random.seed(3)
    flat = np.eye(8).tolist()
    script.try_steps(script.by_mixture([(1.0, [0.0] * 8, [1.0] * 8, flat)]), rows_of(1, 500))
    pattern = r"steps +\d+ \| apart: .* \| spread: ancestral (\S+), DDIM (\S+)"
    found = np.array(re.findall(pattern, capsys.readouterr().out), dtype=float)
    assert np.abs(found - [[0.918, 0.956], [0.513, 0.636]]).max() < 0.07


def test_fifty_steps_by_a_gaussian_keep_its_moments(script):
    random.seed(4)
    mixture = mixture_of(6, 1)
    _, mean, variances, axes = mixture[0]
    covariance = np.array(axes).T * variances @ np.array(axes)
    found = np.array(script.denoise(script.by_mixture(mixture), 1500, 50, 1.0)[-1])
    assert np.abs(found.mean(0) - mean).max() < 0.15
    # steps of this size lose some of the largest variances, here 1.9
    assert np.abs(np.cov(found.T) - covariance).max() < 0.3
    found = np.array(script.drawn(mixture, 3000))
    assert np.abs(found.mean(0) - mean).max() < 0.1
    assert np.abs(np.cov(found.T) - covariance).max() < 0.2


def test_expectation_maximisation_equals_scipy(script, monkeypatch):
    """The same rounds with SciPy's densities and NumPy's covariances."""
    monkeypatch.setattr(script, "FLOOR", 1e-9)
    monkeypatch.setattr(script, "ROUNDS", 7)
    draw = np.random.default_rng(8)
    rows = np.concatenate([draw.normal(size=(90, 8)), draw.normal(2, 0.5, size=(60, 8))])
    random.seed(1)
    means = np.array(random.sample(rows.tolist(), 3))
    random.seed(1)
    ours = script.fit(rows.tolist(), 3)
    shares, covariances, likelihoods = np.ones(3) / 3, [np.eye(8)] * 3, []
    for _ in range(7):
        logs = np.array(
            [
                np.log(share) + multivariate_normal(mean, covariance).logpdf(rows)
                for share, mean, covariance in zip(shares, means, covariances, strict=True)
            ]
        )
        likelihoods.append(logsumexp(logs, axis=0).mean())
        parts = np.exp(logs - logsumexp(logs, axis=0))
        shares, means = parts.mean(1), parts @ rows / parts.sum(1, keepdims=True)
        covariances = [np.cov(rows.T, aweights=part, bias=True) for part in parts]
    assert likelihoods == sorted(likelihoods)
    for k, (share, mean, variances, axes) in enumerate(ours):
        assert share == pytest.approx(shares[k], abs=1e-9)
        assert np.abs(mean - means[k]).max() < 1e-8
        covariance = np.array(axes).T * variances @ np.array(axes)
        assert np.abs(covariance - covariances[k]).max() < 1e-7


def test_no_gaussian_is_thinner_than_the_floor(script):
    random.seed(1)
    rows = [[0.0] * 8] * 10 + rows_of(1, 30)
    for share, _, variances, _ in script.fit(rows, 3):
        assert share > 0 and min(variances) >= script.FLOOR


@given(st.integers(0, 10**6), st.integers(2, 20), st.integers(2, 20))
@settings(max_examples=30, deadline=None)
def test_told_apart_equals_the_nearest_neighbours_of_scipy(script, seed, ours, theirs):
    a, b = rows_of(seed, ours, 3), rows_of(seed + 1, theirs, 3)
    labels = np.array([0] * ours + [1] * theirs)
    rows = np.array(a + b)
    nearest = KDTree(rows).query(rows, k=2)[1][:, 1]
    assert script.told_apart(a, b) == pytest.approx((labels[nearest] == labels).mean())
    assert script.told_apart(a, b) == script.told_apart(b, a)


def test_told_apart_of_one_kind_and_of_two(script):
    draw = rows_of(1, 400)
    assert abs(script.told_apart(draw[:200], draw[200:]) - 0.5) < 0.08
    far = [[v + 50 for v in row] for row in draw[200:]]
    assert script.told_apart(draw[:200], far) == 1.0


def test_covered_and_distance_by_numpy(script):
    a, b = np.array(rows_of(1, 30)), np.array(rows_of(2, 25))
    within = np.sort(np.linalg.norm(b[:, None] - b, axis=-1))[:, 3]
    apart = np.linalg.norm(a[:, None] - b, axis=-1)
    assert script.covered(a.tolist(), b.tolist()) == pytest.approx((apart <= within).any(1).mean())
    assert script.distance(a.tolist(), b.tolist()) == pytest.approx(np.median(apart.min(1)))
    assert (
        script.covered(b.tolist(), b.tolist()) == 1 and script.distance(a.tolist(), a.tolist()) == 0
    )


def test_errors_of_guessing_nothing_and_of_knowing_all(script):
    random.seed(3)
    tests = script.tests_of(rows_of(1, 100))
    assert list(tests) == list(range(1, 51)) and {len(rows) for rows, _ in tests.values()} == {4}
    nothing = script.errors(lambda rows, level: [[0.0] * 8 for _ in rows], tests)
    expected = [np.mean(np.array(noises) ** 2) for _, noises in tests.values()]
    assert nothing == pytest.approx(expected)
    assert set(script.errors(lambda rows, level: tests[level][1], tests)) == {0.0}


def test_a_rival_is_chosen_on_digits_that_it_did_not_fit(script, monkeypatch, capsys):
    monkeypatch.setattr(script, "CHOOSING", 30)
    random.seed(2)
    rows, fitted = rows_of(1, 90), []

    def made(first, width):
        fitted.append(first)
        return script.near(first, width)

    best = script.choose("blur", [0.01, 0.8], rows, made)
    assert best == 0.8 and fitted == [rows[:60]] * 2
    assert re.fullmatch(r"choose blur {6}\| 0.01 \S+ \| 0.8 \S+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    "setting",
    [{"CODES": 0}, {"LEVELS": 5}, {"STEPS_TRIED": [0]}, {"STEPS_TRIED": [100]}, {"EXAMPLES": 5},
     {"EXAMPLES": 5000}, {"SAMPLES": 0}, {"SAMPLES": 700}, {"HELD_OUT": 0}, {"END": 1.0},
     {"END": 1e-9}, {"END": 1 - 1e-12}, {"LEVELS": 10**6}, {"FLOOR": 0.01},
     {"SIZES": [0]}, {"WIDTHS": []}, {"CHOOSING": 0}, {"BATCH": 0}, {"WIDTH": 0}],
)  # fmt: skip
def test_a_setting_that_cannot_be_ends_the_run_in_a_sentence(script, monkeypatch, setting):
    for name, value in setting.items():
        monkeypatch.setattr(script, name, value)
    with pytest.raises(SystemExit, match="a setting is too small"):
        script.main()


@pytest.mark.parametrize("setting", [{}, {"SIZES": []}, {"STEPS": 0}, {"STEPS_TRIED": []}])
def test_a_small_run_ends_well(script, monkeypatch, capsys, setting):
    small = {"STEPS": 3, "SAMPLES": 6, "EXAMPLES": 60, "CHOOSING": 25, "SIZES": [2],
             "WIDTHS": [0.4], "ROUNDS": 2, "STEPS_TRIED": [2], "LEVELS": 20, "WIDTH": 4,
             "BATCH": 2}  # fmt: skip
    for name, value in {**small, **setting}.items():
        monkeypatch.setattr(script, name, value)
    script.main()
    out = capsys.readouterr().out
    assert ("perfect" in out) == (setting.get("SIZES") != []) and "network 3.8 |" in out


def test_the_code_of_the_solutions_is_right(script):
    """Each block asserts what it claims."""
    text = (ROOT / "book/back/solutions/microdiffusion.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 5
    names = dict(vars(script))
    for block in blocks:
        exec(block, names)
