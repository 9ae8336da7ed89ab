"""A variational autoencoder: a code of few numbers, and what it is worth.

Claim: with four numbers a digit, a bound on a variational autoencoder's
likelihood of other writers' digits beats the exact likelihood of four
principal components; with the variance fixed at 1 its code says nothing. A
Gaussian beats both without a code, if it has a variance for each pixel.

Left out: convolutions, labels, flows, discrete codes, bits for real pixels.

Kingma and Welling (2014), Rezende et al. (2014); exact rivals by Tipping and
Bishop (1999). The run shows bounds and likelihoods on held-out digits, what
blind guessing of codes would have said, and digits drawn from each model.
"""
# === Imports ===
import gzip
import random
from hashlib import sha256
from itertools import combinations
from math import dist, exp, hypot, log, pi, sqrt
from operator import add, mul, sub
from pathlib import Path
from statistics import NormalDist, fmean, median, pstdev

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
HELD_OUT = 597  # by other writers, all but 43 of them
CHOOSING = 240  # the last of the others choose how many Gaussians
LATENTS = 4  # numbers a digit; with 2 the run prints the plane of all codes
WIDTH = 48  # hidden units of encoder and decoder; 32 are worse
STEPS = 600  # with three times as many the bound on others falls
BATCH = 32
LEARNING_RATE = 0.01  # falls to zero in a straight line over the run
NOISE = True  # False: the code is its mean, as in a plain autoencoder
BETA = 1.0  # the weight of the code's price; only 1 makes a bound
LEAST = 0.001  # no variance of pixels is smaller; 1.0 fixes it there
MOST = 1.0  # and none is larger
OWN = False  # True: each pixel has a variance, not all the same
DRAWS = 20  # codes a digit for the bounds
BLIND = 1_000  # codes drawn without looking at the digit
SAMPLES = 300  # digits drawn from each model
SIZES = [20, 40]  # round Gaussians to choose from; []: no rivals
MIXED = 10  # sets of principal components in a mixture
ROUNDS = 10  # of fitting a mixture: more moves little
LAST_ROUNDS = 2  # with principal components, which are dear
FLOORS = [0.01, 0.001, 0.0001, 0.000001]  # under variances without a code
# The file that the run reads: other bytes would give other numbers.
HASHES = {"digits.csv.gz":
          "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"}

# === Read a shipped file ===
HERE = Path(globals().get("__file__", "pasted")).resolve()
FOLDER = (HERE.parent.parent / "data" if HERE.is_file() else
          Path("scripts/data").resolve())  # pasted: from the book's folder


def shipped(name):
    """The bytes of a data file; if they are not what they should be, one
    sentence that says what to do, and the end of the run.
    """
    path = FOLDER / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SystemExit(f"{name} is missing: it belongs in {FOLDER} "
                         f"({error.strerror})") from error
    if sha256(data).hexdigest() == HASHES[name]:
        return data
    if sha256(data.replace(b"\r\n", b"\n")).hexdigest() == HASHES[name]:
        raise SystemExit(f"{name} is altered, but only in its line ends "
                         f"(CR LF): delete {path} and restore it with "
                         "`git -c core.autocrlf=false checkout -- :/scripts`")
    raise SystemExit(f"{name} is altered: put the file with the SHA-256 "
                     f"{HASHES[name]} into {FOLDER}")

# === Data ===
def load_digits():
    """The mean digit [64], from 0 to 1; digits learned from and held out, as
    offsets from it; the labels of the latter."""
    lines = gzip.decompress(shipped("digits.csv.gz")).split()
    rows = [[int(v) for v in line.split(b",")] for line in lines]
    grey = [[v / 16 for v in row[:64]] for row in rows]
    mean = list(map(fmean, transpose(grey[:-HELD_OUT])))
    offsets = [list(map(sub, row, mean)) for row in grey]
    return (mean, offsets[:-HELD_OUT], offsets[-HELD_OUT:],
            [row[64] for row in rows[-HELD_OUT:]])


def print_row(name, mean, offsets):
    """Pictures side by side: eight lines of eight characters each."""
    rows = [list(map(add, mean, row)) for row in offsets]
    for i in range(0, 64, 8):
        parts = ("".join(" .:-=+*#%@"[min(max(int(10 * v), 0), 9)]
                         for v in row[i:i + 8]) for row in rows)
        print(f"{name}.{i // 8 + 1} |" + "|".join(parts) + "|")

# === The tape ===
TAPE = []  # every operation of the forward pass, in the order it ran


class Node:
    """A matrix and the gradient of the loss with respect to it.

    Both are lists of rows of the same shape; `grad` is None until something
    flows back. Rows are never changed in place, so nodes may share them.
    """

    __slots__ = ("value", "grad")

    def __init__(self, value):
        self.value, self.grad = value, None

    def receive(self, rows):
        """Add `rows` to the gradient: one value used twice gets both parts."""
        if self.grad is None:
            self.grad = rows
        else:
            self.grad = [list(map(add, a, b)) for a, b in zip(self.grad, rows)]


def record(value, pull):
    """Put one operation on the tape; `pull` takes the output's gradient."""
    out = Node(value)
    TAPE.append((out, pull))
    return out


def backward(loss):
    """Run the tape in reverse from a 1 x 1 loss, and leave it empty.

    In reverse order each node has the whole of its gradient before it is
    pulled. Popping frees each closure at once: no graph stays behind for
    the cyclic garbage collector.
    """
    loss.grad = [[1.0]]
    while TAPE:
        out, pull = TAPE.pop()
        if out.grad is not None:  # else the loss does not depend on it
            pull(out.grad)

# --- Multiply by a transposed matrix ---
def product(a, b):
    """A B^T of two lists of rows.

    product([[1, 2]], [[3, 4], [5, 6]]) -> [[11, 17]]
    """
    return [[sumprod(row, col) for col in b] for row in a]


def transpose(a):
    """transpose([[1, 2], [3, 4]]) -> [(1, 3), (2, 4)]"""
    return list(zip(*a))


def times(a, b):
    """C = A B^T: [n][k] and [m][k] give [n][m].

    Rows against rows, because Python reads a row without copying it.
    dA = dC B and dB = dC^T A, both written as a product of rows again.
    """
    def pull(grad):
        a.receive(product(grad, transpose(b.value)))
        b.receive(product(transpose(grad), transpose(a.value)))

    return record(product(a.value, b.value), pull)

# --- Add ---
def plus(a, b):
    """A + B, the same shape; the gradient passes to both unchanged."""
    def pull(grad):
        a.receive(grad)
        b.receive(grad)

    return record([list(map(add, x, y)) for x, y in zip(a.value, b.value)],
                  pull)

# --- Cut below zero ---
def relu(a):
    """max(A, 0); the gradient passes where the value did."""
    out = [[v if v > 0.0 else 0.0 for v in row] for row in a.value]

    def pull(grad):
        a.receive([[g if v else 0.0 for g, v in zip(grad_row, row)]
                   for grad_row, row in zip(grad, out)])

    return record(out, pull)

# === Adam ===
class Adam:
    """Kingma and Ba's optimizer: a step of its own size for every number.

    m and v are running means of the gradient and of its square. Their
    corrections for the start at zero are folded into one step size a call
    (section 2 of the paper), so the inner loop has no division but one.
    """

    def __init__(self, parameters, beta1=0.9, beta2=0.99, epsilon=1e-8):
        self.parameters = parameters
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.steps = 0
        self.moments = [[([0.0] * len(row), [0.0] * len(row))
                         for row in node.value] for node in parameters]

    def step(self, learning_rate):
        """Move every parameter against its gradient, then forget that."""
        self.steps += 1
        b1, b2, eps = self.beta1, self.beta2, self.epsilon
        c1, c2 = 1 - b1, 1 - b2  # not once for every number
        rate = (learning_rate * sqrt(1 - b2 ** self.steps)
                / (1 - b1 ** self.steps))
        for node, moments in zip(self.parameters, self.moments):
            if node.grad is None:
                continue
            for i, (grad, (m, v)) in enumerate(zip(node.grad, moments)):
                m = [b1 * a + c1 * g for a, g in zip(m, grad)]
                v = [b2 * a + c2 * g * g for a, g in zip(v, grad)]
                moments[i] = m, v
                node.value[i] = [w - rate * a / (root + eps) for w, a, root
                                 in zip(node.value[i], m, map(sqrt, v))]
            node.grad = None

# === Draw a code ===
def draw(mean, log_variance, noise):
    """z = mean + exp(log_variance / 2) noise, and a 1: [n][k] -> [n][k + 1].

    The dice fall outside: given the noise, z is an ordinary function of what
    the encoder said, and slopes pass through it. The 1 serves as a bias.
    """
    pushes = [[exp(0.5 * v) * e for v, e in zip(*rows)]
              for rows in zip(log_variance.value, noise)]

    def pull(grad):
        # dz / dmean = 1, dz / dlog_variance = exp(log_variance / 2) e / 2
        mean.receive([row[:-1] for row in grad])
        log_variance.receive([[0.5 * g * p for g, p in zip(*rows)]
                              for rows in zip(grad, pushes)])

    return record([[*map(add, a, b), 1.0]
                   for a, b in zip(mean.value, pushes)], pull)

# --- What a code costs ---
def price(mean, log_variance):
    """KL(N(mean, variance) || N(0, 1)) in nats a row, mean of n: [[kl]].

    The sum of (mean^2 + variance - 1 - log variance) / 2 over a code.
    """
    variances = [list(map(exp, row)) for row in log_variance.value]
    count = len(variances)
    total = sum(sumprod(m, m) + sum(s) - len(s) - sum(v) for m, s, v
                in zip(mean.value, variances, log_variance.value))

    def pull(grad):
        scale = grad[0][0] / count
        mean.receive([[scale * m for m in row] for row in mean.value])
        log_variance.receive([[0.5 * scale * (s - 1) for s in row]
                              for row in variances])

    return record([[0.5 * total / count]], pull)

# --- What is still missing ---
def pixels(spread):
    """The log variance of each of 64 pixels, from one or from 64 numbers."""
    return spread * (64 // len(spread))


def surprise(guess, truth, spread):
    """-log N(truth; guess, variance) in nats a row, mean of n: [[nats]].

    spread holds the log variance of all pixels, [1][1], or of each, [1][64].
    """
    errors = [list(map(sub, a, b)) for a, b in zip(guess.value, truth)]
    count, logs = len(errors), pixels(spread.value[0])
    inverse = [exp(-v) for v in logs]
    # mean squared error of each pixel over its variance: 1 if that is right
    ratios = [w * sumprod(column, column) / count
              for w, column in zip(inverse, transpose(errors))]

    def pull(grad):
        slopes = [0.5 * grad[0][0] * (1 - ratio) for ratio in ratios]
        spread.receive([slopes if len(spread.value[0]) > 1
                        else [sum(slopes)]])
        factors = [grad[0][0] / count * w for w in inverse]
        guess.receive([list(map(mul, row, factors)) for row in errors])

    return record([[0.5 * (64 * log(2 * pi) + sum(logs) + sum(ratios))]],
                  pull)

# === Encoder and decoder ===
class Model:
    """Five matrices, outputs by inputs, and the log variance of pixels."""

    def __init__(self, digits):
        self.weights = [
            Node([[random.gauss(0.0, gain / sqrt(n_in)) for _ in range(n_in)]
                  for _ in range(n_out)]) for n_out, n_in, gain in
            # log variances start near 0, each code as vague as the prior,
            # and pictures near the mean digit: the model without a code
            ((WIDTH, 65, sqrt(2)), (LATENTS, WIDTH, 1.0),
             (LATENTS, WIDTH, 0.1), (WIDTH, LATENTS + 1, sqrt(2)),
             (64, WIDTH, 0.1))]
        spreads = spreads_of(digits)
        self.spread = Node([[log(v + LEAST) for v in
                             (spreads if OWN else [fmean(spreads)])]])
        self.hold()

    def encode(self, rows):
        """Means and log variances of codes: [n][64] -> two of [n][k]."""
        hidden, mean, log_variance, _, _ = self.weights
        seen = relu(times(Node([[*row, 1.0] for row in rows]), hidden))
        return times(seen, mean), times(seen, log_variance)

    def decode(self, codes):
        """Mean pictures of codes that end in a 1: [n][k + 1] -> [n][64]."""
        *_, hidden, out = self.weights
        return times(relu(times(codes, hidden)), out)

    def hold(self):
        """Keep the variance of pixels where it may be."""
        self.spread.value = [[min(max(v, log(LEAST)), log(MOST))
                              for v in self.spread.value[0]]]


def spreads_of(digits):
    """Variance of each pixel, whose mean is 0: [n][64] -> [64]."""
    return [fmean(v * v for v in column) for column in transpose(digits)]

# === Training ===
def gauss(count, width):
    return [[random.gauss(0, 1) for _ in range(width)] for _ in range(count)]


def loss_of(model, batch):
    """What is missing, what codes cost, and their sum, the negative bound."""
    mean, log_variance = model.encode(batch)
    noise = (gauss(len(batch), LATENTS) if NOISE
             else [[0.0] * LATENTS] * len(batch))
    guess = model.decode(draw(mean, log_variance, noise))
    missing = surprise(guess, batch, model.spread)
    cost = price(mean, log_variance)
    return missing, cost, plus(missing, times(cost, Node([[BETA]])))


def train(digits):
    """A model trained on the negative bound, one draw a digit."""
    model, sums = Model(digits), []
    optimizer = Adam([*model.weights, model.spread])
    for step in range(1, STEPS + 1):
        missing, cost, loss = loss_of(model, random.choices(digits, k=BATCH))
        sums.append((missing.value[0][0], cost.value[0][0]))
        backward(loss)
        optimizer.step(LEARNING_RATE * (1 - step / STEPS))
        model.hold()
        if step % max(STEPS // 5, 1) == 0:
            nats, paid = map(fmean, zip(*sums))
            variance = fmean(map(exp, model.spread.value[0]))
            print(f"step {step:5,} | bound {-nats - paid:6.2f} | code "
                  f"{paid:5.2f} | variance {variance:.4f}")
            sums = []
    return model

# === How likely is a new digit? ===
def log_sum(logs):
    """log_sum([0.0]) -> 0.0"""
    top = max(logs)  # taken out, so that no exp() overflows
    return top + log(sum(exp(v - top) for v in logs))


def measured(model, rows):
    """Rows in units of the pixels' deviations, and what log N adds to half
    the squared distance between two of them."""
    logs = pixels(model.spread.value[0])
    scales = [exp(-0.5 * v) for v in logs]
    return ([list(map(mul, row, scales)) for row in rows],
            -0.5 * (64 * log(2 * pi) + sum(logs)))


def judge(model, rows):
    """Bound, weighted bound, error of the mean code, and price by unit."""
    truth, constant = measured(model, rows)
    mean, log_variance = model.encode(rows)
    cost = [[0.5 * (m * m + exp(v) - 1 - v) for m, v in zip(*code)]
            for code in zip(mean.value, log_variance.value)]
    fits, weights = [], []  # [draws][n]
    for _ in range(DRAWS):
        noise = gauss(len(rows), LATENTS)
        codes = draw(mean, log_variance, noise)
        guess, _ = measured(model, model.decode(codes).value)
        fits.append([constant - 0.5 * dist(a, b) ** 2
                     for a, b in zip(truth, guess)])
        # log p(x|z) + log p(z) - log q(z|x); both have the same 2 pi
        weights.append([fit + 0.5 * (1 + sum(v) + sumprod(e, e)
                                     - sumprod(z, z)) for fit, z, v, e in
                        zip(fits[-1], codes.value, log_variance.value,
                            noise)])
    still = draw(mean, log_variance, [[0.0] * LATENTS] * len(rows))
    errors = fmean(dist(a, b) ** 2 / 64 for a, b
                   in zip(rows, model.decode(still).value))
    TAPE.clear()  # nothing to pull: this pass only looks
    bound = fmean(map(fmean, fits)) - fmean(map(sum, cost))
    weighted = fmean(map(log_sum, transpose(weights))) - log(DRAWS)
    return (bound, weighted, errors,
            sorted(map(fmean, transpose(cost)), reverse=True))

# --- Guess codes blindly ---
def pictures(model, codes):
    """Mean pictures of codes [n][k]."""
    decoded = model.decode(Node([[*code, 1.0] for code in codes]))
    TAPE.clear()
    return decoded.value


def blind(model, rows):
    """log of the mean of p(x|z) over codes drawn from the prior: ever more."""
    truth, constant = measured(model, rows)
    guess, _ = measured(model, pictures(model, gauss(BLIND, LATENTS)))
    logs = [[constant - 0.5 * dist(a, b) ** 2 for b in guess] for a in truth]
    for count in (1, 10, 100, 1_000, 10_000, 100_000):
        if count <= BLIND:
            nats = fmean(log_sum(row[:count]) for row in logs) - log(count)
            print(f"blind {count:6,} | nats {nats:6.2f}")

# === Find the axes of a cloud ===
def eigen(matrix):
    """Eigenvalues of a symmetric matrix, none negative, and eigenvectors.

    Turns two rows at a time until they are at right angles, which does
    not change M^T M; then each row is an eigenvalue times its eigenvector.
    eigen([[2.0, 0.0], [0.0, 8.0]]) -> ([8.0, 2.0], [[0.0, 1.0], [1.0, 0.0]])
    """
    rows, turned = list(matrix), True
    small = 1e-12 * sum(sumprod(row, row) for row in rows)
    while turned:
        turned = False
        for i, j in combinations(range(len(rows)), 2):
            a, b = rows[i], rows[j]
            ab = sumprod(a, b)
            if abs(ab) > small:
                half, turned = (sumprod(b, b) - sumprod(a, a)) / (2 * ab), True
                t = (1 if half >= 0 else -1) / (abs(half) + hypot(half, 1))
                c = 1 / hypot(t, 1)  # a cosine; c t is the sine
                rows[i] = [c * (x - t * y) for x, y in zip(a, b)]
                rows[j] = [c * (t * x + y) for x, y in zip(a, b)]
    pairs = sorted(((hypot(*row), row) for row in rows), reverse=True)
    return ([value for value, _ in pairs],
            [[v / (value or 1.0) for v in row] for value, row in pairs])


def cloud(rows, weights):
    """Weighted mean [k], variances along the axes [k], axes [k][k]."""
    total = sum(weights)
    mean = [sumprod(weights, column) / total for column in transpose(rows)]
    offsets = transpose([list(map(sub, row, mean)) for row in rows])
    heavy = [list(map(mul, weights, column)) for column in offsets]
    return mean, *eigen([[v / total for v in row]
                         for row in product(heavy, offsets)])

# === Mixtures of principal components ===
def weigh(mixture, row):
    """log of share times density, for each part of a mixture."""
    parts, variance = mixture
    logs = []
    for share, mean, variances, axes in parts:
        along = [(sumprod(axis, row) - sumprod(axis, mean)) ** 2
                 for axis in axes]
        rest = dist(row, mean) ** 2 - sum(along)  # across all axes
        logs.append(log(share) - 0.5 * (
            64 * log(2 * pi) + (64 - len(axes)) * log(variance)
            + rest / variance + sum(map(log, variances))
            + sum(a / v for a, v in zip(along, variances))))
    return logs


def refit(rows, weights, latents):
    """Parts [(share, mean, variances, axes)] that share what is left over as
    one variance: of all pixels, of all parts (Tipping and Bishop, 1999).
    """
    parts, rest = [], 0.0
    for part in weights:
        share = sum(part) / len(rows)
        if latents:
            mean, variances, axes = cloud(rows, part)
        else:  # no axes to find: all of the variance is left over
            mean = [sumprod(part, c) / sum(part) for c in transpose(rows)]
            variances, axes = [sumprod(part, [dist(row, mean) ** 2 for row
                                              in rows]) / sum(part)], []
        rest += share * sum(variances[latents:])
        parts.append((share, mean, variances[:latents], axes[:latents]))
    variance = max(rest / (64 - latents), LEAST)
    return [(share, mean, [max(v, variance) for v in variances], axes)
            for share, mean, variances, axes in parts], variance

# --- Fit them in turns ---
def fit(rows, size, latents):
    """A mixture: expectation-maximisation, first with round Gaussians.

    Of size 1 it is probabilistic principal components, exact at once.
    """
    if size == 1:
        return refit(rows, [[1.0] * len(rows)], latents)
    start = [(1 / size, row, [], []) for row in random.sample(rows, size)]
    mixture = start, fmean(spreads_of(rows))
    for step in range(ROUNDS + (LAST_ROUNDS if latents else 0)):
        weights = []
        for row in rows:
            logs = weigh(mixture, row)
            total = log_sum(logs)
            weights.append([exp(v - total) + 1e-12 for v in logs])
        mixture = refit(rows, transpose(weights),
                        latents if step >= ROUNDS else 0)
    return mixture


def exact(mixture, rows):
    """Mean log density of rows, in nats."""
    return fmean(log_sum(weigh(mixture, row)) for row in rows)

# --- Draw from them, repeat by them ---
def placed(mean, axes, along):
    """Where a step along each axis leads from the mean: [64]."""
    for axis, step in zip(axes, along):
        mean = [m + step * v for m, v in zip(mean, axis)]
    return mean


def drawn(mixture, count):
    """Mean pictures of as many codes: choose a part, then a place in it."""
    parts, variance = mixture
    # of the variance along an axis, that of every pixel is not the code's
    return [placed(mean, axes, [random.gauss(0, sqrt(v - variance))
                                for v in variances])
            for _, mean, variances, axes in random.choices(
                parts, [part[0] for part in parts], k=count)]


def repeated(mixture, row):
    """The row as the likeliest part's mean and axes can say it."""
    logs = weigh(mixture, row)
    _, mean, _, axes = mixture[0][logs.index(max(logs))]
    return placed(mean, axes, product([list(map(sub, row, mean))], axes)[0])

# === One Gaussian, no code ===
def log_density(variances, rows):
    """Mean log density of rows of independent numbers with mean 0."""
    inverse = [1 / v for v in variances]
    logs = sum(log(2 * pi * v) for v in variances)
    return fmean(-0.5 * (logs + sumprod(inverse, [v * v for v in row]))
                 for row in rows)


def without_code(digits, rows):
    """A variance for each principal axis, or pixel, over lower floors."""
    _, along, axes = cloud(digits, [1.0] * len(digits))
    print("axes | variance along", *(f"{v:.3f}" for v in along[:8]))
    flat = [[float(i == j) for j in range(64)] for i in range(64)]
    kinds = [("own axes", along, axes, product(rows, axes)),
             ("own pixels", spreads_of(digits), flat, rows)]
    for floor in FLOORS:
        full, own = (log_density([v + floor for v in variances], turned)
                     for _, variances, _, turned in kinds)
        print(f"floor {floor:f} | nats: own axes {full:6.2f} | own pixels "
              f"{own:6.2f}")
    for name, variances, base, turned in kinds:
        variances = [v + LEAST for v in variances]
        noise = [list(map(mul, map(sqrt, variances), row))
                 for row in gauss(SAMPLES, 64)]
        yield (name, log_density(variances, turned),
               product(noise, transpose(base)))

# === Tell two crowds apart ===
def told_apart(ours, theirs):
    """Share of rows whose nearest other one is theirs: half is the best.

    told_apart([[0], [1]], [[8], [9]]) -> 1.0
    """
    rows, hits = ours + theirs, 0
    for i, row in enumerate(rows):
        distances = [dist(row, other) for other in rows]
        distances[i] = max(distances) + 1.0  # not to itself
        nearest = distances.index(min(distances))
        hits += (i < len(ours)) == (nearest < len(ours))
    return hits / len(rows)


# --- Precision, recall and copies ---
def covered(rows, others):
    """Share of rows within the third-neighbour radius of one of the others.

    Samples among digits: precision. Digits among samples: recall.
    """
    radii = [sorted(dist(a, b) for b in others)[min(3, len(others) - 1)]
             for a in others]
    return fmean(any(dist(row, other) <= radius
                     for other, radius in zip(others, radii)) for row in rows)


def distance(rows, known):
    """Median distance to the nearest known row."""
    return median(min(dist(row, other) for other in known) for row in rows)

# === Set models side by side ===
def tell(name, nats, error, drawings, judged):
    """A row of the table: the density of new digits, and the drawings."""
    print(f"{name:12} | nats {nats:6.2f} | error {error:.4f} | apart "
          f"{told_apart(drawings, judged):.3f} | prec "
          f"{covered(drawings, judged):.2f} rec "
          f"{covered(judged, drawings):.2f}")
    return name, drawings


def rivals(digits, rows, judged):
    """Exact likelihoods, and what each of them draws."""
    found = [(exact(fit(digits[:-CHOOSING], size, 0), digits[-CHOOSING:]),
              size) for size in SIZES]
    print("choose Gaussians", *(f"{size} {nats:.2f}" for nats, size in found),
          sep=" | ")
    size, crowds, others = max(found)[1], [], [*without_code(digits, rows)]
    for name, parts, latents in [
            ("no code", 1, 0), (f"{LATENTS} axes", 1, LATENTS),
            (f"{size} Gaussians", size, 0),
            (f"{MIXED} x {LATENTS} axes", MIXED, LATENTS)]:
        mixture = fit(digits, parts, latents)
        error = fmean(dist(row, repeated(mixture, row)) ** 2 / 64
                      for row in rows)
        crowds.append(tell(name, exact(mixture, rows), error,
                           drawn(mixture, SAMPLES), judged))
    nothing = fmean(sumprod(row, row) / 64 for row in rows)
    return crowds + [tell(name, nats, nothing, drawings, judged) for
                     name, nats, drawings in others]

# === Lay out the plane of codes ===
def plane(model, mean, rows, labels):
    """With two latents: what codes all over the plane decode to, and where
    the digits held out lie, class by class."""
    steps = [NormalDist().inv_cdf((i + 0.5) / 8) for i in range(8)]
    for i, y in enumerate(reversed(steps), 1):
        print_row(f"p{i}", mean, pictures(model, [[x, y] for x in steps]))
    codes = model.encode(rows)[0].value
    TAPE.clear()
    for label in range(10):
        x, y = transpose([code for code, other in zip(codes, labels)
                          if other == label])
        print(f"class {label} | x {fmean(x):+.2f} +- {pstdev(x):.2f} | "
              f"y {fmean(y):+.2f} +- {pstdev(y):.2f}")

# === Main ===
def main():
    random.seed(SEED)
    known = 1_797 - HELD_OUT
    if not (0 < LEAST <= MOST and 0 < LATENTS < 64 and min(
            WIDTH, BATCH, DRAWS, BLIND, MIXED, *SIZES, *FLOORS) > 0
            and 3 < SAMPLES <= min(HELD_OUT, known)
            and 0 < CHOOSING <= known - max(MIXED, *SIZES, 1)):
        raise SystemExit("a setting is too small, or asks for more digits "
                         "than there are")
    mean, digits, rows, labels = load_digits()
    model = train(digits)
    bound, weighted, error, units = judge(model, rows)
    print("code | nats by unit", *(f"{nats:.2f}" for nats in units[:9]))
    print(f"weighted {DRAWS:3} | nats {weighted:6.2f}")
    blind(model, rows)
    judged = random.sample(rows, SAMPLES)
    drawings = pictures(model, gauss(SAMPLES, LATENTS))
    crowds = rivals(digits, rows, judged)[1::2] if SIZES else []
    crowds.append(tell("autoencoder", bound, error, drawings, judged))
    scales = [exp(0.5 * v) for v in pixels(model.spread.value[0])]
    tell("with noise", bound, error, [list(map(random.gauss, row, scales))
                                      for row in drawings], judged)
    learnt = told_apart(random.sample(digits, SAMPLES), judged)
    print(f"digits learnt | apart {learnt:.3f}")
    for name, drawings in crowds:
        print_row(f"{name:12}", mean, drawings[:4])
    if LATENTS == 2:
        plane(model, mean, rows, labels)


if __name__ == "__main__":
    main()
