"""Properties of microvae: slopes, prices, bounds, exact rivals; against JAX, NumPy and SciPy."""

import random
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

ROOT = Path(__file__).resolve().parents[2]
jax.config.update("jax_enable_x64", True)
SMALL = {
    "STEPS": 3,
    "SAMPLES": 6,
    "DRAWS": 2,
    "BLIND": 10,
    "SIZES": [2],
    "MIXED": 2,
    "ROUNDS": 1,
    "LAST_ROUNDS": 1,
    "WIDTH": 4,
    "BATCH": 2,
    "HELD_OUT": 60,
    "FLOORS": [0.01],
}


def rows_of(seed, count, width):
    return np.random.default_rng(seed).normal(size=(count, width)).tolist()


def set_all(script, monkeypatch, values):
    for name, value in values.items():
        monkeypatch.setattr(script, name, value)


def test_digits_are_offsets_from_the_mean_of_those_learned_from(script):
    mean, digits, rows, labels = script.load_digits()
    table = np.loadtxt(ROOT / "scripts/data/digits.csv.gz", delimiter=",")
    pixels = table[:, :64] / 16
    assert np.abs(np.array(mean) - pixels[:1200].mean(0)).max() < 1e-12
    assert np.abs(np.array(digits) + mean - pixels[:1200]).max() < 1e-12
    assert np.abs(np.array(rows) + mean - pixels[1200:]).max() < 1e-12
    assert labels == table[1200:, 64].tolist()
    assert (pixels[:, [0, 32, 39]] == 0).all()  # the pixels of which the chapter tells


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_the_loss_and_all_slopes_equal_jax(script, monkeypatch, own, beta):
    set_all(script, monkeypatch, {"OWN": own, "BETA": beta, "WIDTH": 7, "LATENTS": 3})
    digits = (0.3 * np.random.default_rng(2).normal(size=(9, 64))).tolist()
    noise = rows_of(3, 9, 3)
    monkeypatch.setattr(script, "gauss", lambda count, width: noise)
    random.seed(1)
    model = script.Model(digits)
    nodes = [*model.weights, model.spread]
    x, e = jnp.array(digits), jnp.array(noise)
    one = jnp.ones((9, 1))

    def loss(matrices):
        w1, w2, w3, w4, w5, spread = matrices
        seen = jax.nn.relu(jnp.hstack([x, one]) @ w1.T)
        mean, log_variance = seen @ w2.T, seen @ w3.T
        z = mean + jnp.sqrt(jnp.exp(log_variance)) * e
        guess = jax.nn.relu(jnp.hstack([z, one]) @ w4.T) @ w5.T
        missing = -jax.scipy.stats.norm.logpdf(x, guess, jnp.exp(spread / 2)).sum(1)
        variance = jnp.exp(log_variance)
        price = 0.5 * (mean**2 + variance - 1 - log_variance).sum(1)
        return (missing + beta * price).mean()

    value, slopes = jax.value_and_grad(loss)([jnp.array(node.value) for node in nodes])
    *_, found = script.loss_of(model, digits)
    script.backward(found)
    assert found.value[0][0] == pytest.approx(float(value), abs=1e-9)
    for node, slope in zip(nodes, slopes, strict=True):
        assert np.abs(np.array(node.grad) - slope).max() < 1e-9


def test_slopes_of_each_operation_by_nudging(script):
    """draw, price and surprise, each number moved by itself."""
    noise, truth = rows_of(1, 2, 3), rows_of(2, 2, 64)
    weights = rows_of(3, 2, 4)

    def drawn(mean, log_variance):
        out = script.draw(mean, log_variance, noise)
        kept = [
            [w * v for w, v in zip(*rows, strict=True)]
            for rows in zip(weights, out.value, strict=True)
        ]

        def pull(grad):
            out.receive([[grad[0][0] * w for w in row] for row in weights])

        return script.record([[sum(map(sum, kept))]], pull)

    cases = [
        (drawn, (rows_of(4, 2, 3), rows_of(5, 2, 3))),
        (script.price, (rows_of(6, 2, 3), rows_of(7, 2, 3))),
        (
            lambda guess, spread: script.surprise(guess, truth, spread),
            (rows_of(8, 2, 64), [[-0.7]]),
        ),
        (
            lambda guess, spread: script.surprise(guess, truth, spread),
            (rows_of(8, 2, 64), rows_of(9, 1, 64)),
        ),
    ]
    for operation, inputs in cases:
        nodes = [script.Node(rows) for rows in inputs]
        script.backward(operation(*nodes))
        for node, rows in zip(nodes, inputs, strict=True):
            for i, j in ((0, 0), (len(rows) - 1, len(rows[0]) - 1)):
                ends = []
                for step in (1e-6, -1e-6):
                    moved = [[list(row) for row in each] for each in inputs]
                    moved[inputs.index(rows)][i][j] += step
                    ends.append(operation(*map(script.Node, moved)).value[0][0])
                    script.TAPE.clear()
                slope = (ends[0] - ends[1]) / 2e-6
                assert slope == pytest.approx(node.grad[i][j], abs=1e-6)


@given(st.floats(-2, 2), st.floats(-3, 2))
@settings(max_examples=25)
def test_the_price_is_the_mean_log_ratio(script, mean, log_variance):
    price = script.price(script.Node([[mean]]), script.Node([[log_variance]])).value[0][0]
    script.TAPE.clear()
    # Gauss-Hermite quadrature is exact for a ratio of second degree
    points, weights = np.polynomial.hermite_e.hermegauss(8)
    z = mean + np.exp(log_variance / 2) * points
    ratio = multivariate_normal(mean, np.exp(log_variance)).logpdf(z) - multivariate_normal(
        0, 1
    ).logpdf(z)
    assert price == pytest.approx((weights * ratio).sum() / weights.sum(), abs=1e-9)
    assert price >= -1e-12


def test_drawn_codes_have_the_mean_and_the_variance_that_were_said(script):
    random.seed(4)
    count = 20_000
    noise = script.gauss(count, 1)
    said = script.Node([[0.7]] * count), script.Node([[np.log(0.3)]] * count)
    codes = np.array(script.draw(*said, noise).value)
    script.TAPE.clear()
    assert abs(codes[:, 0].mean() - 0.7) < 0.02 and abs(codes[:, 0].var() - 0.3) < 0.02
    assert (codes[:, 1] == 1).all()


def test_the_variance_is_held_between_its_limits(script, monkeypatch):
    set_all(script, monkeypatch, {"LEAST": 1.0, "STEPS": 5})
    random.seed(1)
    assert script.train(rows_of(1, 40, 64)).spread.value == [[0.0]]
    set_all(script, monkeypatch, {"LEAST": 0.5, "MOST": 0.6, "OWN": True})
    (logs,) = script.train(rows_of(1, 40, 64)).spread.value
    assert len(logs) == 64 and np.log(0.5) <= min(logs) and max(logs) <= np.log(0.6)


def test_the_pencils_coin():
    heads, tails = np.log(0.18), np.log(0.02)

    def bound(q):
        paid = sum(p * np.log(p / 0.5) for p in (q, 1 - q) if p)
        return q * heads + (1 - q) * tails - paid

    assert [round(bound(q), 2) for q in (0.5, 1.0, 0.9)] == [-2.81, -2.41, -2.30]
    assert bound(0.9) == pytest.approx(np.log(0.10))


def linear(script, mean, log_variances, decoder, rows):
    """A decoder's guesses for the codes that a linear encoder draws."""
    count = len(rows)
    codes = script.times(script.Node(rows), mean)
    told = script.times(script.Node([[1.0]] * count), log_variances)  # the same for every row
    drawn = script.draw(codes, told, script.gauss(count, len(mean.value)))
    return script.times(drawn, decoder), script.price(codes, told)


def test_a_linear_autoencoder_trained_long_reaches_probabilistic_pca(script):
    """Lucas et al.: nothing else is a maximum. The bound of it has no noise: it is summed up."""
    _, digits, _, _ = script.load_digits()
    exact = script.exact(script.fit(digits, 1, 2), digits)
    assert exact - script.exact(script.fit(digits, 1, 0), digits) > 5
    random.seed(3)
    mean, log_variances, decoder, spread = (
        script.Node([[random.gauss(0, 0.1) for _ in range(width)] for _ in range(height)])
        for height, width in ((2, 64), (2, 1), (64, 3), (1, 1))
    )
    spread.value = [[-2.6]]
    optimizer = script.Adam([mean, log_variances, decoder, spread])
    for step in range(1500):
        rows = random.choices(digits, k=32)
        guess, price = linear(script, mean, log_variances, decoder, rows)
        script.backward(script.plus(script.surprise(guess, rows, spread), price))
        optimizer.step(0.02 * (1 - step / 1500))
    x, w = np.array(digits), np.array(decoder.value)
    codes, v = x @ np.array(mean.value).T, np.array(log_variances.value)[:, 0]
    s2 = np.exp(spread.value[0][0])
    guess = codes @ w[:, :2].T + w[:, 2]
    squares = ((x - guess) ** 2).sum(1) + (w[:, :2] ** 2 @ np.exp(v)).sum()
    paid = 0.5 * (codes**2 + np.exp(v) - 1 - v).sum(1)
    bound = (-32 * np.log(2 * np.pi * s2) - squares / (2 * s2) - paid).mean()
    assert exact - 0.25 < bound <= exact


def test_bounds_lie_below_the_likelihood_and_weighing_tightens_them(script, monkeypatch):
    """With one number in the code the integral can be done on a grid."""
    set_all(script, monkeypatch, {"LATENTS": 1, "STEPS": 60, "DRAWS": 30})
    _, digits, rows, _ = script.load_digits()
    random.seed(5)
    model = script.train(digits)
    rows = rows[:40]
    bound, weighted, error, units = script.judge(model, rows)
    grid = np.linspace(-7, 7, 2001)
    guess = np.array(script.pictures(model, [[z] for z in grid]))
    s2 = np.exp(model.spread.value[0][0])
    prior = -0.5 * grid**2 - 0.5 * np.log(2 * np.pi) + np.log(grid[1] - grid[0])
    squares = ((np.array(rows)[:, None] - guess) ** 2).sum(-1)
    fits = -32 * np.log(2 * np.pi * s2) - squares / (2 * s2)
    truth = logsumexp(fits + prior, axis=1).mean()
    assert bound < weighted < truth + 0.05 and truth - weighted < 0.5
    still = model.encode(rows)[0].value
    script.TAPE.clear()
    expected = np.mean((np.array(script.pictures(model, still)) - rows) ** 2)
    assert error == pytest.approx(expected) and len(units) == 1 and units[0] > 0


def test_blind_guessing_reaches_the_same_likelihood(script, monkeypatch, capsys):
    set_all(script, monkeypatch, {"LATENTS": 1, "STEPS": 60, "DRAWS": 30, "BLIND": 1000})
    _, digits, rows, _ = script.load_digits()
    random.seed(6)
    model = script.train(digits)
    rows = rows[:40]
    weighted = script.judge(model, rows)[1]
    capsys.readouterr()
    script.blind(model, rows)
    nats = [float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()]
    assert len(nats) == 4 and nats[0] < nats[-1] and abs(nats[-1] - weighted) < 0.5


def density(mixture):
    """The same mixture, as full covariances."""
    parts, variance = mixture
    made = []
    for share, mean, variances, axes in parts:
        axes = np.array(axes).reshape(len(axes), 64)
        more = np.array(variances) - variance
        made.append((share, np.array(mean), variance * np.eye(64) + (axes.T * more) @ axes))
    return made


@pytest.mark.parametrize(("size", "latents"), [(1, 0), (1, 4), (3, 0), (3, 2)])
def test_exact_likelihoods_equal_scipy(script, size, latents):
    _, digits, rows, _ = script.load_digits()
    random.seed(2)
    mixture = script.fit(digits[:300], size, latents)
    logs = [
        np.log(share) + multivariate_normal(mean, covariance).logpdf(rows[:50])
        for share, mean, covariance in density(mixture)
    ]
    expected = logsumexp(logs, axis=0).mean()
    assert script.exact(mixture, rows[:50]) == pytest.approx(expected, abs=1e-6)


def test_one_part_is_the_best_of_its_kind(script):
    """Tipping and Bishop: axes of the covariance, and the mean of what is left over."""
    _, digits, rows, _ = script.load_digits()
    values, vectors = np.linalg.eigh(np.cov(np.array(digits).T, bias=True))
    left = values[:-4].mean()
    covariance = left * np.eye(64) + (vectors[:, -4:] * (values[-4:] - left)) @ vectors[:, -4:].T
    expected = multivariate_normal(np.zeros(64), covariance).logpdf(rows).mean()
    assert script.exact(script.fit(digits, 1, 4), rows) == pytest.approx(expected, abs=1e-6)


def test_more_rounds_do_not_lower_the_likelihood(script, monkeypatch):
    _, digits, _, _ = script.load_digits()
    found = []
    for first, last in ((1, 0), (4, 0), (8, 0), (8, 1), (8, 3)):
        set_all(script, monkeypatch, {"ROUNDS": first, "LAST_ROUNDS": last})
        random.seed(1)
        found.append(script.exact(script.fit(digits[:300], 4, 3), digits[:300]))
    assert found == sorted(found)


def test_what_a_mixture_draws_and_repeats(script):
    _, digits, _, _ = script.load_digits()
    mixture = script.fit(digits, 1, 3)
    parts, variance = mixture
    ((_, mean, variances, axes),) = parts
    random.seed(3)
    along = np.array(script.drawn(mixture, 4000)) @ np.array(axes).T
    assert np.allclose(along.var(0), np.array(variances) - variance, rtol=0.1)
    again = np.array(script.repeated(mixture, digits[5]))
    expected = mean + (np.array(digits[5]) - mean) @ np.array(axes).T @ np.array(axes)
    assert np.abs(again - expected).max() < 1e-9


def test_a_gaussian_without_code_equals_scipy(script, monkeypatch, capsys):
    set_all(script, monkeypatch, {"SAMPLES": 3000, "FLOORS": [0.001]})
    _, digits, rows, _ = script.load_digits()
    random.seed(1)
    (axes, axes_nats, first), (pixels, pixels_nats, second) = script.without_code(digits, rows)
    covariance = np.cov(np.array(digits).T, bias=True)
    assert (axes, pixels) == ("own axes", "own pixels")
    for nats, drawings, kind in (
        (axes_nats, first, covariance),
        (pixels_nats, second, np.diag(covariance.diagonal())),
    ):
        kind = kind + 0.001 * np.eye(64)
        expected = multivariate_normal(np.zeros(64), kind).logpdf(rows).mean()
        assert nats == pytest.approx(expected, abs=1e-3)  # eigen() is that exact for 64 axes
        assert np.abs(np.cov(np.array(drawings).T) - kind).max() < 0.02
    assert f"own axes {axes_nats:6.2f} | own pixels {pixels_nats:6.2f}" in capsys.readouterr().out


@given(st.lists(st.floats(-800, 800), min_size=1, max_size=6), st.floats(-50, 50))
def test_log_sum_equals_scipy_and_moves_with_its_terms(script, logs, shift):
    assert script.log_sum(logs) == pytest.approx(logsumexp(logs), abs=1e-9)
    moved = script.log_sum([v + shift for v in logs])
    assert moved == pytest.approx(script.log_sum(logs) + shift, abs=1e-9)


@pytest.mark.parametrize(
    "setting",
    [
        {"WIDTH": 0},
        {"LATENTS": 0},
        {"LATENTS": 64},
        {"LEAST": 0},
        {"LEAST": 2.0},
        {"SAMPLES": 3},
        {"SAMPLES": 700},
        {"HELD_OUT": 0},
        {"HELD_OUT": 1790},
        {"CHOOSING": 0},
        {"CHOOSING": 1200},
        {"SIZES": [0]},
        {"MIXED": 0},
        {"FLOORS": [0]},
        {"DRAWS": 0},
        {"BLIND": 0},
        {"BATCH": 0},
    ],
)
def test_a_setting_that_cannot_be_ends_the_run_in_a_sentence(script, monkeypatch, setting):
    set_all(script, monkeypatch, setting)
    with pytest.raises(SystemExit, match="a setting is too small"):
        script.main()


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"SIZES": []},
        {"STEPS": 0},
        {"OWN": True},
        {"LEAST": 1.0},
        {"NOISE": False, "BETA": 0.0},
        {"LATENTS": 2},
        {"LATENTS": 20},
        {"FLOORS": []},
        {"ROUNDS": 0},
    ],
)
def test_a_small_run_ends_well(script, monkeypatch, capsys, setting):
    set_all(script, monkeypatch, {**SMALL, **setting})
    script.main()
    out = capsys.readouterr().out
    assert ("10 x" in out or "2 x" in out) == (setting.get("SIZES") != [])
    assert ("p8.8 |" in out) == (setting.get("LATENTS") == 2)
    assert max(map(len, out.splitlines())) < 80


def test_the_code_of_the_solutions_is_right(script):
    """Each block asserts what it claims."""
    text = (ROOT / "book/back/solutions/microvae.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 7
    names = vars(script)
    for block in blocks:
        exec(block, names)
