"""Flow matching: learn the speed of straight lines, then straighten the flow.

Claim: a network that learned the speed of straight lines from noise to digits
needs several of Euler's steps to draw: one takes all noise to the mean digit,
which is worse than no step. After a reflow, more training on the ends of its
own paths, one step draws nearly as well as fifty did. With the same ends
shuffled it does not, nor after as much training without reflow. Pairs
uncrossed before any training pass about as well after one step, and vary less.

Left out: convolutions, text, guidance, likelihoods, averaged weights.

Lipman et al., Liu et al., Albergo and Vanden-Eijnden (all 2023). The run shows
paths before and after reflow, the digits of few steps and of many, and how
well each crowd of digits passes for digits of other writers.
"""
# === Imports ===
import gzip
import random
from hashlib import sha256
from itertools import combinations
from math import cos, dist, exp, hypot, log, pi, prod, sin, sqrt
from operator import add, mul, sub, truediv
from pathlib import Path
from statistics import fmean, median

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
HELD_OUT = 597  # by other writers, all but 43 of them
CODES = 8  # numbers a digit: two thirds of what 64 pixels vary
CLOCK = True  # False: nobody tells the network where on the line it is
WIDTH = 64  # narrower than 17 inputs, the noise could not pass
STEPS = 1_000  # in each round, as many as microdiffusion's
BATCH = 32
LEARNING_RATE = 0.01  # falls to zero in a straight line over a round
FIRST = "by lot"  # how noise and digits are paired; or "uncrossed"
PAIRS = 1_200  # noises followed to their ends, as many as digits
SECOND = ["reflow"]  # rounds of training; KINDS has the others
EULER = [1, 2, 4, 8, 50]  # steps of the first flow, a call of it each
HEUN = [1, 2, 4]  # steps of two calls each
AFTER = [1, 2, 4]  # Euler's steps of a flow that was trained once more
SAMPLES = 300  # drawn for one crowd
CROWDS = 2  # drawn of each kind: the test of one alone varies by .02
BLUR = 0.4  # of copies, chosen in microdiffusion
SIZES = [1, 20]  # Gaussians in a mixture: the plainest, the best there
ROUNDS = 10  # of fitting a mixture: more moves little
FLOOR = 0.1  # variance that no Gaussian of a mixture goes below
SHOWN = 3  # digits drawn on the page, and
PATHS = 8  # paths
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

# === Stand on a line ===
def on_line(noise, digit, time):
    """Where the line from noise to digit is at a time, and its speed.

    x_t = (1 - t) x_0 + t x_1 moves by x_1 - x_0, all the way the same.
    on_line([0.0, 4.0], [2.0, 0.0], 0.5) -> ([1.0, 2.0], [2.0, -4.0])
    """
    speed = list(map(sub, digit, noise))
    return along(noise, speed, time), speed


def along(row, speed, time):
    """along([1.0, 0.0], [2.0, 4.0], 0.5) -> [2.0, 2.0]"""
    return [x + time * v for x, v in zip(row, speed)]


def noises(count):
    """Rows that know nothing: where every line and every path begins."""
    return [[random.gauss(0, 1) for _ in range(CODES)] for _ in range(count)]

# === Pair noise with digits ===
def by_lot(digits):
    """A batch of pairs that know nothing of one another."""
    return lambda: zip(noises(BATCH), random.choices(digits, k=BATCH))


def kept(pairs):
    """A batch of pairs that were made before."""
    return lambda: random.choices(pairs, k=BATCH)


def uncrossed(rows, ends):
    """Pairs whose lines no exchange of two ends makes shorter.

    |a - x|^2 + |b - y|^2 is the smaller sum unless (a - b) (x - y) < 0, and
    each exchange lowers the sum; so this ends, near the optimal transport.
    uncrossed([[1], [3]], [[9], [7]]) -> [([1], [7]), ([3], [9])]
    """
    ends, changed = list(ends), True
    own = list(map(sumprod, rows, ends))
    while changed:
        changed = False
        for i, j in combinations(range(len(rows)), 2):
            a, b = sumprod(rows[i], ends[j]), sumprod(rows[j], ends[i])
            if a + b > own[i] + own[j] + 1e-9:
                ends[i], ends[j] = ends[j], ends[i]
                own[i], own[j], changed = a, b, True
    return list(zip(rows, ends))

# === Learn the speed ===
def learn_speed(name, weights, couple, latest=1.0):
    """Train on the lines of couple()'s pairs, between times 0 and latest.

    The network sees a place and a time, not the line; the best it can say
    is the mean speed of all lines that pass there.
    """
    def pairs():
        hours = [latest * random.random() for _ in range(BATCH)]
        rows, speeds = zip(*(on_line(noise, digit, time) for
                             (noise, digit), time in zip(couple(), hours)))
        return rows, hours, speeds

    learn_pairs(f"{name:10}", weights, pairs)


def speed_of(weights):
    """The trained network as a function of rows at one time."""
    def speed(rows, time):
        found = network(weights, rows, [time] * len(rows)).value
        TAPE.clear()  # nothing to pull: this pass only looks
        return found

    return speed

# === Follow the speed ===
def flow(speed, rows, steps, heun=False):
    """The rows at every step of their way, from noise to digits.

    Euler goes on as it begins a step. Heun looks at the speed where that
    leads, comes back, and goes by the mean of both: two calls a step.
    """
    path = [rows]
    for i in range(steps):
        first = speed(rows, i / steps)
        if heun:
            ahead = list(map(along, rows, first, [1 / steps] * len(rows)))
            second = speed(ahead, (i + 1) / steps)
            first = [[(a + b) / 2 for a, b in zip(*pair)]
                     for pair in zip(first, second)]
        rows = list(map(along, rows, first, [1 / steps] * len(rows)))
        path.append(rows)
    return path


def bend(path):
    """Length of the ways over the distance of their ends: straight is 1.

    bend([[[0.0, 0.0]], [[0.0, 3.0]], [[4.0, 3.0]]]) -> 1.4
    """
    ways = list(zip(*path))
    lengths = (dist(a, b) for way in ways for a, b in zip(way, way[1:]))
    return sum(lengths) / sum(dist(way[0], way[-1]) for way in ways)

# === Train on pairs of a kind ===
KINDS = ["by lot", "uncrossed", "reflow", "shuffled", "start only"]


def train(name, kind, weights, digits, own):
    """Weights that learned on from these; `own` are the last flow's pairs.

    The second round of every kind is as long, and starts from the same
    place: what differs is which noise goes with which digit.
    """
    weights = [Node(list(node.value)) for node in weights]
    latest, couple = 1.0, kept(own)  # "reflow": noises, ends of their paths
    if kind == "by lot":
        couple = by_lot(digits)
    elif kind == "uncrossed":  # each digit in turn, as often as others
        ends = [digits[i % len(digits)] for i in range(PAIRS)]
        couple = kept(uncrossed(noises(PAIRS), ends))
    elif kind == "shuffled":  # the same noises and the same ends
        rows, ends = map(list, zip(*own))
        random.shuffle(ends)
        couple = kept(list(zip(rows, ends)))
    elif kind == "start only":  # never sees the way: plain distillation
        latest = 0.0
    learn_speed(name, weights, couple, latest)
    return weights

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

# === Judge a crowd ===
def judge(name, how, crowds, digits, judged):
    """How well drawn crowds pass for digits that nobody learned from.

    The share told apart is a mean over the crowds; a spread of 1 is that of
    the digits learned from, and of noise.
    """
    share = fmean(told_apart(crowd, judged) for crowd in crowds)
    rows = crowds[0]
    spread = fmean(v * v for row in rows for v in row)
    print(f"{name:12} | {how:8} | apart {share:.3f} spread {spread:.2f} "
          f"prec {covered(rows, judged):.2f} rec {covered(judged, rows):.2f} "
          f"away {distance(rows, digits) / distance(judged, digits):.2f}")


def judge_flow(name, speed, starts, euler, heun, digits, judged):
    """A flow with few calls of the network and with many."""
    for method, counts in ("Euler", euler), ("Heun", heun):
        for steps in counts:
            twice = method == "Heun"
            ends = [flow(speed, rows, steps, twice)[-1] for rows in starts]
            judge(name, f"{method:5} {steps * (1 + twice):2}", ends, digits,
                  judged)


def judge_rivals(digits, judged):
    """What needs no network and no steps; and the digits learned from."""
    for size in SIZES:
        mixture = fit(digits, size)
        judge(f"{size} Gaussian" + "s" * (size > 1), "at once",
              [drawn(mixture, SAMPLES) for _ in range(CROWDS)], digits, judged)
    copies = [random.choices(digits, k=SAMPLES) for _ in range(CROWDS)]
    judge(f"blurred {BLUR}", "at once",
          [[[random.gauss(v, BLUR) for v in row] for row in crowd]
           for crowd in copies], digits, judged)
    judge("digits", "learnt", [random.sample(digits, SAMPLES)
                               for _ in range(CROWDS)], digits, judged)

# === Look at the ways ===
def show_paths(name, path):
    """How long the paths are; the first number of some at eleven times."""
    print(f"{name:12} | its paths are {bend(path):.2f} times as long as the "
          "straight way")
    for i, way in enumerate(list(zip(*path))[:PATHS], 1):
        numbers = (way[round(k * (len(way) - 1) / 10)][0] for k in range(11))
        print(f"path of {name} {i} |", *(f"{v:5.2f}" for v in numbers))


def show_digits(columns, codes):
    """The same noises as digits, a column for each way of drawing."""
    for i, row in enumerate(zip(*columns), 1):
        pictures = [shade(codes.decode(code)) for code in row]
        for j, parts in enumerate(zip(*pictures), 1):
            print(f"digit {i}.{j} |" + "|".join(parts) + "|")

# === Main ===
def main():
    random.seed(SEED)
    images, others = load_digits()
    if (min(CODES, WIDTH, BATCH, PAIRS, SAMPLES - 3, CROWDS, HELD_OUT, ROUNDS,
            len(images), FLOOR, *SIZES, *EULER, *HEUN, *AFTER) <= 0
            or max([SAMPLES, *SIZES]) > min(HELD_OUT, len(images))
            or CODES > 32 or FIRST not in KINDS[:2] or {*SECOND} - {*KINDS}):
        raise SystemExit("a setting is too small, or asks for more digits "
                         "than there are, or for pairs of no known kind")
    codes = Codes(images)
    digits, held_out = codes.encode(images), codes.encode(others)
    judged = random.sample(held_out, SAMPLES)
    starts = [noises(SAMPLES) for _ in range(CROWDS)]
    first = train("flow", FIRST, first_weights(random.gauss, WIDTH),
                  digits, [])
    flows, rows = {"flow": speed_of(first)}, noises(PAIRS)
    pairs = list(zip(rows, flow(flows["flow"], rows, 4, True)[-1]))
    for kind in SECOND:
        flows[kind] = speed_of(train(kind, kind, first, digits, pairs))
    print("lines | mean square: by lot "
          f"{fmean(dist(*line) ** 2 for line in zip(rows, digits)):.1f}, to "
          f"their own ends {fmean(dist(*line) ** 2 for line in pairs):.1f}")
    some = starts[0][:SHOWN]
    columns = [[[0.0] * CODES] * SHOWN]  # the mean digit, then the drawn
    columns += [flow(flows["flow"], some, steps)[-1] for steps in EULER]
    show_digits(columns + [flow(flows[kind], some, 1)[-1]
                           for kind in SECOND[:1]], codes)
    for name, speed in flows.items():
        show_paths(name, flow(speed, starts[0], 20))
    for name, speed in flows.items():
        steps = (EULER, HEUN) if name == "flow" else (AFTER, [])
        judge_flow(name, speed, starts, *steps, digits, judged)
    judge_rivals(digits, judged)


if __name__ == "__main__":
    main()
