"""Mixture of experts: a network grows, and no input pays for all of it.

Claim: at equal work, router counted, four small networks, of which a router
picks one for each picture, read a little more than one dense layer of relus,
in the mean of eight seeds. Dealt out by lot, or balanced with all force, they
read much less, with every seed. And a dense layer with as many numbers beats
them all, at three times the work.

Left out: several experts for one input, shared experts, limits of capacity.
Jacobs, Jordan, Nowlan and Hinton, "Adaptive Mixtures of Local Experts" (1991)
had all experts work; Fedus, Zoph and Shazeer, "Switch Transformers" (2022),
one. The run shows what each row costs, what it reads, and who reads what.
"""
# === Imports ===
import gzip
import random
from collections import namedtuple
from hashlib import sha256
from math import dist, exp, log, sqrt
from operator import add, mul
from pathlib import Path
from zlib import crc32

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
HELD_OUT = 597  # digits, with all their ways: whole sheets by other writers
WHITE = -1.0  # empty paper; ink is 1. With 0 a negative blinds dense layers
EXPERTS = 4
UNITS = 8  # hidden units of each expert
DENSE = 12  # the same work, rounded up: 900 multiplications against 870
LARGE = 35  # as many numbers to learn, rounded down: 2,625 against 2,660
STEPS = 1_600  # with five times as many the experts lead by no less
BATCH = 32
RATE = 0.01  # of Adam: the experts' best of four; falls to zero
RATE_DENSE = 0.02  # the dense layer's best of four
BALANCE = 0.1  # weight of the balance loss: more is no better, see HEAVY
HEAVY = 100.0  # a thousand times as much
BIAS_STEP = 0.01  # how far the rule without a loss moves a bias
ROWS = ["dense", "experts", "no balance", "heavy", "by lot", "large",
        "nearest"]
# The files that the run reads: other bytes would give other numbers.
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
WAYS = ["as it is", "head down", "negative", "transposed"]
# `inputs` are 64 pixels and a 1 for a bias; `way` is told to no router, and
# `lot` is drawn from the pixels: nothing to learn from, and as even a load.
Digit = namedtuple("Digit", "inputs label way lot")


def in_four_ways(pixels, label):
    """One picture as it is, its rows reversed, its ink swapped, transposed."""
    rows = [pixels[i:i + 8] for i in range(0, 64, 8)]
    ways = [pixels, sum(reversed(rows), []),
            [WHITE + 1.0 - v for v in pixels],
            [v for column in zip(*rows) for v in column]]
    return [Digit([*way, 1.0], label, place, crc32(str(way).encode()))
            for place, way in enumerate(ways)]


def load_digits():
    """Digits to learn from and held out, each picture in four ways."""
    lines = gzip.decompress(shipped("digits.csv.gz")).split()
    rows = [list(map(int, line.split(b","))) for line in lines]
    digits = [in_four_ways([WHITE + (1.0 - WHITE) * v / 16 for v in row[:64]],
                           row[64]) for row in rows]
    return sum(digits[:-HELD_OUT], []), sum(digits[-HELD_OUT:], [])


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


# === Soften a row of logits ===
def log_shares(logits, temperature):
    """log q, where q_i = exp(z_i / T) / sum of all."""
    scaled = [z / temperature for z in logits]
    top = max(scaled)  # subtracting the maximum keeps exp() below overflow
    total = top + log(sum(exp(z - top) for z in scaled))
    return [z - total for z in scaled]


def soften(logits, temperature=1.0):
    """What the logits say at a temperature: shares that sum to 1.

    A higher T keeps their order, and makes the lower places be heard.
    soften([0.0, 0.0]) -> [0.5, 0.5]
    """
    return list(map(exp, log_shares(logits, temperature)))


# --- Learn from soft answers ---
def soft_loss(logits, answers, temperature=1.0):
    """T^2 times the mean cross-entropy -sum(q log p), p at temperature T too.

    At T = 1, with q = 1 for the label, it is the usual loss. Its gradient is
    T (p - q) / n, and p - q shrinks like 1/T: T^2 makes up for that where
    steps follow the gradient's size. Adam's do not.
    """
    n, t = len(answers), temperature
    logs = [log_shares(row, t) for row in logits.value]
    loss = -t * t * sum(map(sumprod, answers, logs)) / n

    def pull(grad):
        scale = grad[0][0] * t / n
        logits.receive([[scale * (exp(a) - q) for a, q in zip(*two)]
                        for two in zip(logs, answers)])

    return record([[loss]], pull)


# === A network of two matrices ===
def look_at(pictures, w):
    """X W^T for pictures that need no gradient: a third of the work saved."""
    def pull(grad):
        w.receive(product(transpose(grad), transpose(pictures)))

    return record(product(pictures, w.value), pull)


class Network:
    """65 inputs, hidden units with relu, ten logits."""

    def __init__(self, hidden, seed):
        # Variance 2/inputs before a relu, which halves it, 1/inputs after.
        # One seed for all students: they differ in what they are told alone.
        draw = random.Random(f"{seed} {hidden}").gauss
        self.weights = [
            Node([[draw(0.0, sqrt(gain / inputs)) for _ in range(inputs)]
                  for _ in range(outputs)])
            for gain, outputs, inputs in
            ((2.0, hidden, 65), (1.0, 10, hidden))]

    def __call__(self, pictures):
        """[n][65] to [n][10], on the tape."""
        first, second = self.weights
        return times(relu(look_at(pictures, first)), second)

    def logits(self, pictures):
        """The same, only to look: nothing stays on the tape."""
        rows = self(pictures).value
        TAPE.clear()
        return rows


# === Ask the router ===
def shares(logits):
    """The softmax of every row, on the tape: [n][experts] to the same.

    dp_j / dz_i = p_j ((i = j) - p_i), so dz_i = p_i (dp_i - sum_j dp_j p_j).
    """
    rows = list(map(soften, logits.value))

    def pull(grad):
        logits.receive([[p * (g - mean) for p, g in zip(row, slopes)]
                        for row, slopes, mean in
                        zip(rows, grad, map(sumprod, grad, rows))])

    return record(rows, pull)


def choose(rows, bias):
    """The place of the largest p + b in every row; b has no other say.

    choose([[0.5, 0.5], [0.9, 0.1]], [0.0, 0.2]) -> [1, 0]
    """
    return [max(range(len(bias)), key=list(map(add, row, bias)).__getitem__)
            for row in rows]


# --- Send each picture to its expert ---
def dispatch(experts, pictures, chosen, gates):
    """Row i is p_c o_c(x_i), with c = chosen[i]: [n][10].

    The other experts do not see x_i: that is the work that is saved. They
    get no gradient from it, and the router gets its own through p_c alone:
    dp_c = dout . o_c(x). Gates of None count as 1, and teach it nothing.
    """
    parts, out = [], [None] * len(pictures)
    for e, expert in enumerate(experts):
        places = [i for i, c in enumerate(chosen) if c == e]
        if places:
            parts.append((e, places, expert([pictures[i] for i in places])))
    for e, places, answers in parts:
        for i, row in zip(places, answers.value):
            gate = gates.value[i][e] if gates else 1.0
            out[i] = [gate * v for v in row]

    def pull(grad):
        slopes = [[0.0] * len(experts) for _ in pictures]
        for e, places, answers in parts:
            for i, row in zip(places, answers.value):
                slopes[i][e] = sumprod(grad[i], row)
            answers.receive([[(gates.value[i][e] if gates else 1.0) * g
                              for g in grad[i]] for i in places])
        if gates:
            gates.receive(slopes)

    return record(out, pull)


# === Keep the load even ===
def loads(chosen, experts):
    """The share of each expert: loads([0, 1, 1, 1], 2) -> [0.25, 0.75]"""
    return [chosen.count(e) / len(chosen) for e in range(experts)]


def balance_loss(gates, chosen, weight):
    """weight E sum_e f_e P_e, f the shares of inputs, P the mean of gates.

    f is a count, which no small step changes: it is a constant here, and the
    slope goes through P: dP_e / dp_ie = 1/n. Even load, even P: the sum is 1.
    """
    n, experts = len(chosen), len(gates.value[0])
    counts = loads(chosen, experts)
    means = [sum(column) / n for column in zip(*gates.value)]

    def pull(grad):
        slope = grad[0][0] * weight * experts / n
        gates.receive([[slope * f for f in counts]] * n)

    return record([[weight * experts * sumprod(counts, means)]], pull)


def count_loss(gates, chosen, weight):
    """The same of counts alone, weight E sum_e f_e^2: flat wherever it is."""
    counts = loads(chosen, len(gates.value[0]))
    return Node([[weight * len(counts) * sumprod(counts, counts)]])


def move(bias, chosen, push):
    """Up for experts that have less than their share, down for the others.

    move([0.0, 0.0], [0, 0, 1], 0.5) -> [-0.5, 0.5]
    """
    even = 1.0 / len(bias)
    return [b + push * ((f < even) - (f > even))
            for b, f in zip(bias, loads(chosen, len(bias)))]


# === A mixture ===
class Mixture:
    """A router, its bias for the choice, and experts of `units` each.

    `told` names the field of a digit that says which expert it goes to, in
    place of a router. One expert is the dense layer: the gate is 1.
    """

    def __init__(self, experts, units, gated=True, told=None):
        self.experts = [Network(units, f"{SEED} {e}") for e in range(experts)]
        draw = random.Random(SEED).gauss
        self.router = Node([[draw(0.0, sqrt(1 / 65)) for _ in range(65)]
                            for _ in range(experts)])
        self.bias, self.gated, self.told = [0.0] * experts, gated, told
        self.routed = experts > 1 and told is None
        self.weights = [self.router] * self.routed + [
            node for expert in self.experts for node in expert.weights]

    def __call__(self, digits):
        """Logits, gates and choices for these digits, on the tape."""
        pictures = [digit.inputs for digit in digits]
        if self.told:
            gates, chosen = None, [getattr(digit, self.told)
                                   % len(self.experts) for digit in digits]
        else:
            gates = shares(look_at(pictures, self.router))
            chosen = choose(gates.value, self.bias)
        return (dispatch(self.experts, pictures, chosen,
                         gates if self.gated else None), gates, chosen)

    def numbers(self):
        """How many numbers it learns."""
        return sum(len(node.value) * len(node.value[0])
                   for node in self.weights)

    def work(self):
        """Multiplications for one picture, of router and one expert."""
        expert = sum(len(node.value) * len(node.value[0])
                     for node in self.experts[0].weights)
        return expert + self.routed * (65 * len(self.experts) + 10)


# === Training ===
def read_loss(logits, digits):
    """The usual cross-entropy: of soft answers those that are not soft."""
    return soft_loss(logits, [[float(label == digit.label)
                               for label in range(10)] for digit in digits])


def train(mixture, digits, rate, balance=0.0, even=balance_loss, push=0.0,
          steps=None):
    """Adam on the loss of reading, and on that of the load if it weighs."""
    steps = STEPS if steps is None else steps
    optimizer, order = Adam(mixture.weights), []
    shuffle = random.Random(SEED + 1).sample  # the same batches for all rows
    for done in range(steps):
        if len(order) < BATCH:
            order = shuffle(digits, len(digits))
        batch = [order.pop() for _ in range(BATCH)]
        logits, gates, chosen = mixture(batch)
        loss = read_loss(logits, batch)
        if balance:
            loss = plus(loss, even(gates, chosen, balance))
        backward(loss)
        optimizer.step(rate * (1.0 - done / steps))
        mixture.bias = move(mixture.bias, chosen, push)


# === Count what is read, and by whom ===
def measure(mixture, digits):
    """Share right, loss, and who got what: [ways][experts], as shares."""
    logits, _, chosen = mixture(digits)
    loss = read_loss(logits, digits)
    TAPE.clear()  # nothing to pull: this pass only looks
    right = sum(row.index(max(row)) == digit.label
                for row, digit in zip(logits.value, digits)) / len(digits)
    return right, loss.value[0][0], [
        loads(chosen[way::len(WAYS)], len(mixture.experts))
        for way in range(len(WAYS))]


def show_nearest(learn, held_out):
    """What whoever keeps all pictures reads, by the nearest: no training."""
    some = held_out[::5]  # each way as often, in a fifth of the time
    right = sum(min(learn, key=lambda other: dist(other.inputs, digit.inputs))
                .label == digit.label for digit in some) / len(some)
    numbers = 64 * len(learn)
    print(f"nearest    | numbers {numbers:,} | work {numbers:,} | right "
          f"{right:.3f}")


# === The rows of the table ===
# Every control changes one thing of the row "experts", whose rate it keeps.
# All see the same batches.
def rows():
    """Name -> how to build a mixture, how to train it."""
    built = {"experts": EXPERTS, "units": UNITS}
    even = {"rate": RATE, "balance": BALANCE}
    return {
        "dense": ({"experts": 1, "units": DENSE}, {"rate": RATE_DENSE}),
        "large": ({"experts": 1, "units": LARGE}, {"rate": RATE}),
        "experts": (built, even),
        "no balance": (built, {"rate": RATE}),
        "heavy": (built, even | {"balance": HEAVY}),
        "on counts": (built, even | {"balance": HEAVY, "even": count_loss}),
        "by bias": (built, {"rate": RATE, "push": BIAS_STEP}),
        "no gate": (built | {"gated": False}, even),
        "told": (built | {"told": "way"}, {"rate": RATE}),
        "by lot": (built | {"told": "lot"}, {"rate": RATE}),
    }


def show(name, learn, held_out):
    """Train one row, print what it costs, what it reads and who reads it."""
    built, trained = rows()[name]
    mixture = Mixture(**built)
    train(mixture, learn, **trained)
    right, loss, table = measure(mixture, held_out)
    busiest = max(map(sum, zip(*table))) / len(WAYS)
    print(f"{name:10} | numbers {mixture.numbers():5,} | work "
          f"{mixture.work():5,} | right {right:.3f} | loss {loss:.3f} | "
          f"busiest {busiest:.2f}")
    for way, row in zip(WAYS, table if mixture.routed else []):
        print(f"{'':10} | {way:10} |" + "".join(f"{v:5.2f}" for v in row))


# === Main ===
def main():
    learn, held_out = load_digits()
    if (min(HELD_OUT, EXPERTS, UNITS, DENSE, LARGE, BATCH) < 1
            or len(learn) < BATCH or not {*ROWS} <= {"nearest", *rows()}):
        raise SystemExit("HELD_OUT, EXPERTS, UNITS, DENSE, LARGE and BATCH "
                         "are 1 or more, HELD_OUT leaves a BATCH to learn "
                         "from, and ROWS are some of nearest, "
                         + ", ".join(rows()))
    print(f"digits     | learn {len(learn):,} | held out {len(held_out):,}")
    for name in ROWS:
        if name == "nearest":
            show_nearest(learn, held_out)
        else:
            show(name, learn, held_out)


if __name__ == "__main__":
    main()
