"""Diffusion: spoil digits with noise, learn to guess it, draw new digits.

Claim: a network that learnt only to guess the noise in spoilt digits draws
digits that are harder to tell from real ones than those of the Gaussian with
their mean and covariance, and copies none. The perfect guesser of the digits
learned from copies them all; blurred, it beats this network on new digits.

Left out: convolutions, text, guidance, likelihoods, averaged weights.

Sohl-Dickstein et al. (2015), Ho et al. (2020); the steps of Song et al.
(2021). The run shows digits as they come out of noise, and for each guesser
its error and how well its digits pass for digits of other writers.
"""
# === Imports ===
import gzip
import random
from hashlib import sha256
from itertools import combinations
from math import cos, dist, exp, hypot, log, pi, prod, sin, sqrt
from operator import add, mul, sub, truediv
from pathlib import Path
from statistics import fmean, median, stdev

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
HELD_OUT = 597  # by other writers, all but 43 of them
EXAMPLES = 1_200  # digits to learn from: all that are left, or fewer
CHOOSING = 240  # the last of these choose a mixture and a blur
CODES = 8  # numbers a digit: two thirds of what 64 pixels vary
LEVELS = 50  # of noise; ten are enough for a worse digit
END = 0.95  # of a quarter turn: at 1 no signal is left to divide by
CLOCK = True  # False: nobody tells the network how much noise there is
WIDTH = 64  # a dozen units guess about as well as a straight line, no better
STEPS = 1_000  # 5,000 are better, and take a minute
BATCH = 32
LEARNING_RATE = 0.01  # falls to zero in a straight line over the run
SAMPLES = 300  # drawn from each guesser
STEPS_TRIED = [50, 10, 5, 2, 1]  # by either sampler
SIZES = [2, 5, 10, 20]  # Gaussians in a mixture; [] leaves out all rivals
WIDTHS = [0.2, 0.3, 0.4, 0.5, 0.6]  # of the noise on copies
ROUNDS = 10  # of fitting a mixture: more moves little
FLOOR = 0.1  # no Gaussian is thinner: far below, one can settle on a digit
SHOWN = [1.0, 0.6, 0.4, 0.2, 0.1, 0.0]  # shares of the levels in pictures
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
    """64 levels of grey, from 0 to 1, a digit: to learn from, held out."""
    lines = gzip.decompress(shipped("digits.csv.gz")).split()
    rows = [[int(v) / 16 for v in line.split(b",")[:64]] for line in lines]
    return rows[:-HELD_OUT], rows[-HELD_OUT:]

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

# === Digits as few numbers ===
class Codes:
    """Principal components of variance 1; latent diffusion learns others."""

    def __init__(self, digits):
        self.mean, variances, axes = cloud(digits, [1.0] * len(digits))
        self.kept = sum(variances[:CODES]) / sum(variances)
        self.scales = [sqrt(v) for v in variances[:CODES]]
        self.axes = axes[:CODES]

    def encode(self, digits):
        """[n][64] -> [n][codes]"""
        offsets = [list(map(sub, digit, self.mean)) for digit in digits]
        return [list(map(truediv, row, self.scales))
                for row in product(offsets, self.axes)]

    def decode(self, code):
        """[codes] -> [64]: the nearest picture that these numbers can say."""
        scaled = list(map(mul, code, self.scales))
        return list(map(add, self.mean,
                        product([scaled], transpose(self.axes))[0]))


def shade(digit):
    """Eight lines of eight characters, from white to black."""
    marks = [" .:-=+*#%@"[min(max(int(10 * v), 0), 9)] for v in digit]
    return ["".join(marks[i:i + 8]) for i in range(0, 64, 8)]

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

# --- Score a guess ---
def squared_error(guess, truth):
    """Mean of (guess - truth)^2 over n k numbers: [n][k] -> [[loss]]."""
    # its gradient is 2 (guess - truth) / (n k)
    errors = [list(map(sub, a, b)) for a, b in zip(guess.value, truth)]
    count = len(errors) * len(errors[0])

    def pull(grad):
        scale = 2 * grad[0][0] / count
        guess.receive([[scale * e for e in row] for row in errors])

    return record([[sum(sumprod(e, e) for e in errors) / count]], pull)

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

# === Tell it the time ===
def clock(time):
    """A time from 0 to 1 as sines and cosines, slow and fast, and a bias."""
    angles = [pi * time * speed for speed in (0.5, 1, 2, 4)] * CLOCK
    return [*map(sin, angles), *map(cos, angles), 1.0]


# --- The network ---
def first_weights(draw, width):
    """Three matrices, outputs by inputs; `draw` is random's gauss."""
    # The second is added to its input, so it starts smaller; the last starts
    # near zero, so that the first guesses are no worse than guessing nothing.
    told = len(clock(0.0))
    return [Node([[draw(0.0, gain / sqrt(n_in)) for _ in range(n_in)]
                  for _ in range(n_out)]) for n_out, n_in, gain in
            ((width, CODES + told, sqrt(2)), (width, width, sqrt(0.5)),
             (CODES, width, 0.1))]


def network(weights, rows, hours):
    """What to guess for codes at their hours: [n][codes] -> the same."""
    w1, w2, w3 = weights
    inputs = Node([[*row, *clock(time)] for row, time in zip(rows, hours)])
    hidden = relu(times(inputs, w1))
    hidden = plus(hidden, relu(times(hidden, w2)))
    return times(hidden, w3)

# --- Learn from pairs ---
def learn_pairs(name, weights, pairs):
    """Training; pairs() gives a batch of rows, their hours, and the truth."""
    optimizer, losses = Adam(weights), []
    for step in range(1, STEPS + 1):
        rows, hours, truth = pairs()
        loss = squared_error(network(weights, rows, hours), truth)
        losses += loss.value[0]
        backward(loss)
        optimizer.step(LEARNING_RATE * (1 - step / STEPS))
        if step % max(STEPS // 4, 1) == 0:
            print(f"{name} | step {step:5,} | error {fmean(losses):.3f}")
            losses = []

# === Spoil a digit ===
def signal(level):
    """alpha-bar: how much of the variance at a level is still the digit's."""
    return cos(END * pi / 2 * level / LEVELS) ** 2


def spoil(rows, levels):
    """x_t = sqrt(a) x_0 + sqrt(1 - a) e: the spoilt rows, and each e."""
    noises = [[random.gauss(0, 1) for _ in row] for row in rows]
    return [mixed(sqrt(signal(t)), row, sqrt(1 - signal(t)), noise)
            for row, t, noise in zip(rows, levels, noises)], noises


def mixed(a, x, b, y):
    """mixed(2, [1, 0], 3, [0, 1]) -> [2, 3]"""
    return [a * v + b * w for v, w in zip(x, y)]


# --- Guess the noise ---
def train(codes):
    """A network that guesses noise: a function of spoilt rows, one level."""
    weights = first_weights(random.gauss, WIDTH)

    def pairs():
        levels = random.choices(range(1, LEVELS + 1), k=BATCH)
        spoilt, noises = spoil(random.choices(codes, k=BATCH), levels)
        return spoilt, [level / LEVELS for level in levels], noises

    def guess(rows, level):
        noises = network(weights, rows, [level / LEVELS] * len(rows)).value
        TAPE.clear()  # nothing to pull: this pass only looks
        return noises

    learn_pairs("network", weights, pairs)
    return guess

# === Take the noise out ===
def step_down(rows, noises, level, lower, fresh):
    """From one level to a lower one, by the guessed noises.

    The guess says which digit it was: x_0 = (x - sqrt(1 - a) e) / sqrt(a).
    Spoil that again, less: with the same noise (DDIM, fresh = 0), or with a
    part of it drawn afresh (fresh = 1: the ancestral step of DDPM).
    """
    a, b = signal(level), signal(lower)
    new = fresh * sqrt((1 - b) / (1 - a) * (1 - a / b))
    old = sqrt(1 - b - new * new)
    grow = sqrt(b / a)
    return [[grow * v + (old - grow * sqrt(1 - a)) * e
             + new * random.gauss(0, 1) for v, e in zip(row, noise)]
            for row, noise in zip(rows, noises)]


def denoise(guess, count, steps, fresh):
    """The rows at every level of the way from pure noise to digits."""
    levels = [round(LEVELS * (steps - i) / steps) for i in range(steps + 1)]
    rows = [[random.gauss(0, 1) for _ in range(CODES)] for _ in range(count)]
    path = [rows]
    for level, lower in zip(levels, levels[1:]):
        rows = step_down(rows, guess(rows, level), level, lower, fresh)
        path.append(rows)
    return path

# === The perfect guesser ===
def near(points, width):
    """The best guess if digits are these points, spread by `width`: the mean
    of what was added, since spoilt, each is a Gaussian of variance c."""
    def guess(rows, level):
        a = signal(level)
        c = a * width * width + 1 - a
        centres = [[sqrt(a) * v for v in point] for point in points]
        columns, guesses = transpose(centres), []
        for row in rows:
            apart = [dist(row, centre) ** 2 for centre in centres]
            least = min(apart)  # subtracting it keeps one exp() at 1
            weights = [exp(0.5 * (least - v) / c) for v in apart]
            scale = 1 / sum(weights)
            guesses.append([sqrt(1 - a) / c * (x - scale * sumprod(weights, w))
                            for x, w in zip(row, columns)])
        return guesses

    return guess

# === A mixture of Gaussians ===
def weigh(mixture, row):
    """Each Gaussian's probability to have drawn this row, and the offset
    from its mean along its axes, over the variances."""
    logs, pulls = [], []
    for share, mean, variances, axes in mixture:
        offset = list(map(sub, row, mean))
        along = [sumprod(axis, offset) for axis in axes]
        pulls.append([v / w for v, w in zip(along, variances)])
        logs.append(log(share * share / prod(variances))
                    - sumprod(along, pulls[-1]))
    top = max(logs)
    exps = [exp(0.5 * (v - top)) for v in logs]
    total = sum(exps)
    return [v / total for v in exps], pulls


def fit(rows, size):
    """Expectation-maximisation: [n][k] -> [(share, mean, variances, axes)].

    Each row is shared out by the densities, then each Gaussian is fitted to
    its part; neither lowers the likelihood (Dempster et al., 1977).
    """
    flat = [[float(i == j) for j in range(CODES)] for i in range(CODES)]
    mixture = [(1 / size, row, [1.0] * CODES, flat)
               for row in random.sample(rows, size)]
    for _ in range(ROUNDS):
        parts = transpose([weigh(mixture, row)[0] for row in rows])
        mixture = []
        for part in parts:
            mean, variances, axes = cloud(rows, part)
            mixture.append((sum(part) / len(rows), mean,
                            [max(v, FLOOR) for v in variances], axes))
    return mixture

# --- Draw from a mixture ---
def drawn(mixture, count):
    """New rows: choose a Gaussian, then a place in it."""
    rows, shares = [], [share for share, *_ in mixture]
    for _, mean, variances, axes in random.choices(mixture, shares, k=count):
        along = [random.gauss(0, sqrt(v)) for v in variances]
        rows.append(list(map(add, mean, product([along], transpose(axes))[0])))
    return rows

# --- Guess by a mixture ---
def by_mixture(mixture):
    """The best guess if digits came from it: spoilt, it is a mixture again,
    and the guess -sqrt(1 - a) times the slope of its log density."""
    columns = transpose([axis for *_, axes in mixture for axis in axes])

    def guess(rows, level):
        a = signal(level)
        spoilt = [(share, [sqrt(a) * v for v in mean],
                   [a * v + 1 - a for v in variances], axes)
                  for share, mean, variances, axes in mixture]
        pulls = [[sqrt(1 - a) * share * v for share, pull in
                  zip(*weigh(spoilt, row)) for v in pull] for row in rows]
        return product(pulls, columns)

    return guess

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

# === Judge a guesser ===
def tests_of(rows):
    """Every level of noise on another 25th of the rows: {level: (x, e)}."""
    return {level: spoil(rows[level % 25::25], [level] * len(rows))
            for level in range(1, LEVELS + 1)}


def errors(guess, tests):
    """Mean squared error of the guessed noise at each level."""
    return [fmean(dist(a, b) ** 2 / CODES
                  for a, b in zip(guess(rows, level), noises))
            for level, (rows, noises) in tests.items()]


def compare(guessers, learn, held_out, judged):
    """Each one's errors and what its digits look like; errors by level."""
    unseen, seen, bands = tests_of(held_out), tests_of(learn), []
    for name, guess, digits in guessers:
        found = errors(guess, unseen)
        print(f"{name:12} | error {fmean(found):.3f} "
              f"{fmean(errors(guess, seen)):.3f} | apart "
              f"{told_apart(digits, judged):.3f} | prec "
              f"{covered(digits, judged):.2f} rec "
              f"{covered(judged, digits):.2f} | away "
              f"{distance(digits, learn) / distance(judged, learn):.2f}")
        bands.append((name, [found[i * LEVELS // 10:(i + 1) * LEVELS // 10]
                             for i in range(10)]))
    for name, band in bands:
        print(f"{name:12} |", *(f"{fmean(part):5.3f}" for part in band))

# --- Steps, many and few ---
def try_steps(guess, judged):
    """Both samplers; `spread` is the variance of codes, 1 for digits."""
    for steps in STEPS_TRIED:
        ends = [denoise(guess, SAMPLES, steps, fresh)[-1]
                for fresh in (1.0, 0.0)]
        new, old = (told_apart(rows, judged) for rows in ends)
        a, b = (fmean(v * v for row in rows for v in row) for rows in ends)
        print(f"steps {steps:2} | apart: ancestral {new:.3f}, DDIM {old:.3f} "
              f"| spread: ancestral {a:.2f}, DDIM {b:.2f}")

# === Look at the way ===
def show(name, path, learn, codes):
    """Three digits on their way out of noise; beside each the nearest."""
    picked = [round((len(path) - 1) * (1 - share)) for share in SHOWN]
    for i, way in enumerate(zip(*(path[step][:3] for step in picked)), 1):
        way += min(learn, key=lambda known: dist(known, way[-1])),
        pictures = [shade(codes.decode(row)) for row in way]
        for j, parts in enumerate(zip(*pictures), 1):
            print(f"{name} {i}.{j} |" + "|".join(parts) + "|")

# === Rivals ===
def choose(name, options, learn, made):
    """The option whose guesser errs least on digits that it did not fit."""
    first, tests = learn[:-CHOOSING], tests_of(learn[-CHOOSING:])
    found = [(fmean(errors(made(first, option), tests)), option)
             for option in options]
    print(f"choose {name:9}", *(f"{option} {error:.3f}"
                                for error, option in found), sep=" | ")
    return min(found)[1]


def rivals(learn, codes):
    """Closed forms: copies, blurred copies, one Gaussian and several."""
    size = choose("Gaussians", SIZES, learn,
                  lambda rows, n: by_mixture(fit(rows, n)))
    width = choose("blur", WIDTHS, learn, near)
    # twenty steps, since each of them asks all digits learned from
    path = denoise(near(learn, 0.0), SAMPLES, 20, 1.0)
    show("perfect", path, learn, codes)
    one, many = fit(learn, 1), fit(learn, size)
    return [("perfect", near(learn, 0.0), path[-1]),
            (f"blurred {width}", near(learn, width),
             [[random.gauss(v, width) for v in row]
              for row in random.choices(learn, k=SAMPLES)]),
            ("one Gaussian", by_mixture(one), drawn(one, SAMPLES)),
            (f"{size} Gaussians", by_mixture(many), drawn(many, SAMPLES)),
            (f"in {LEVELS} steps", by_mixture(many),
             denoise(by_mixture(many), SAMPLES, LEVELS, 1.0)[-1])]

# === Main ===
def main():
    random.seed(SEED)
    digits, others = load_digits()
    if not (0 < END < 1 and CODES < 33 and LEVELS > 19 and FLOOR > 0.04
            and min(signal(LEVELS), 1 - signal(1)) > 1e-9 and min(
            CODES, WIDTH, BATCH, SAMPLES - 3, EXAMPLES - 24, HELD_OUT - 24,
            *SIZES, *STEPS_TRIED) > 0 and max([1, *STEPS_TRIED]) <= LEVELS
            and SAMPLES <= HELD_OUT and len(digits) >= EXAMPLES
            and (not SIZES or WIDTHS and 24 < CHOOSING
                 <= EXAMPLES - max(SIZES) and SAMPLES <= EXAMPLES)):
        raise SystemExit("a setting is too small, or asks for more digits "
                         "than there are")
    codes = Codes(digits)
    known, held_out = codes.encode(digits), codes.encode(others)
    learn = known[::len(known) // EXAMPLES][:EXAMPLES]
    print(f"digits | learn {len(learn):,} | held out {len(held_out)} | "
          f"{CODES} numbers keep {codes.kept:.3f} of the variance")
    judged = random.sample(held_out, SAMPLES)
    guess = train(learn)
    path = denoise(guess, SAMPLES, LEVELS, 1.0)
    show("network", path, learn, codes)
    others = rivals(learn, codes) if SIZES else []
    compare([("network", guess, path[-1]), *others], learn, held_out, judged)
    floor = [told_apart(random.sample(learn, min(SAMPLES, EXAMPLES)), judged)
             for _ in range(10)]
    print(f"digits learnt, ten draws | apart {fmean(floor):.3f} +- "
          f"{stdev(floor):.3f}")
    try_steps(guess, judged)


if __name__ == "__main__":
    main()
