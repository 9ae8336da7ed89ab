"""One backward pass gives the slope of the loss along every weight.

At most two multiply-adds for each operation of the forward pass find them
all: the run counts, and checks slopes by nudging. Then a tape of matrices
learns to read strangers' digits, from a right and from a wrong gradient.

Left out: second derivatives, operations in place, broadcasting, the GPU.
After Linnainmaa (master's thesis, 1970), Rumelhart, Hinton and Williams
(Nature, 1986) and Karpathy's micrograd (2020), a graph of numbers.
"""
# === Imports ===
import gc
import gzip
import random
from functools import reduce
from hashlib import sha256
from math import dist, exp, log, sqrt
from operator import add, gt, lt, mul
from pathlib import Path
from statistics import fmean

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
HELD_OUT = 640  # five whole sheets: nothing learned stands on one of them
OTHER_WRITERS = True  # False: hold out any digits, so each hand is known
HIDDEN = 32  # twice as many take longer, and read hardly more
ROUNDS = 2  # the middle layer runs twice on one matrix: a weight with two uses
SPREAD = 1.0  # at 0 every weight starts at zero, and none can learn
EPOCHS = 10  # training error is nearly gone by then
BATCH = 32  # a steadier direction than one digit, and 36 steps an epoch
LEARNING_RATE = 0.01  # falls to zero in a straight line over the run
BETA2 = 0.99  # a memory of 100 steps; with 0.999 it would outlast the run
PROBE = 8  # digits on which the engines are compared
PUSHED = 107  # forward mode finds one slope in so many: all take a minute
KEPT = "last"  # or "first": the part of a gradient that a broken tape keeps
NOISE = 0.0  # at 2, noise twice as long as the gradients of W1 and W2 joins
FRESH = True  # False: the noise of one draw at every step
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
    """([64 levels of grey, 1 for a bias], label): to learn from, held out."""
    lines = gzip.decompress(shipped("digits.csv.gz")).split()
    rows = [list(map(int, line.split(b","))) for line in lines]
    digits = [([v / 16 for v in row[:64]] + [1.0], row[64]) for row in rows]
    if not OTHER_WRITERS:  # else the last sheets stay together
        random.Random(SEED).shuffle(digits)
    return digits[:-HELD_OUT], digits[-HELD_OUT:]


# === A number that knows its parents ===
class Value:
    """A number, the parents it was computed from, and its slopes by them."""
    __slots__ = ("data", "grad", "parents", "slopes")

    def __init__(self, data, parents=(), slopes=()):
        self.data, self.grad = data, 0.0
        self.parents, self.slopes = parents, slopes

    # --- Each operation beside its derivative ---
    def __add__(self, other):  # d(a + b) = da + db
        return Value(self.data + other.data, (self, other), (1.0, 1.0))
    def __sub__(self, other):  # d(a - b) = da - db
        return Value(self.data - other.data, (self, other), (1.0, -1.0))
    def __mul__(self, other):  # d(a b) = b da + a db
        return Value(self.data * other.data, (self, other),
                     (other.data, self.data))
    def relu(self):  # slope 1 where the value passes, 0 where it is cut
        on = 1.0 if self.data > 0.0 else 0.0
        return Value(on * self.data, (self,), (on,))
    def exp(self):  # d exp(a) = exp(a) da
        result = exp(self.data)
        return Value(result, (self,), (result,))
    def log(self):  # d log(a) = da / a
        return Value(log(self.data), (self,), (1.0 / self.data,))


# === Put parents before children ===
def topological(root):
    """All that the root was computed from, parents first, the root last."""
    # a stack, since recursion would stop 1,000 levels deep
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        value, parents_placed = stack.pop()
        if parents_placed:
            order.append(value)
        elif value not in seen:
            seen.add(value)
            stack += [(value, True), *((p, False) for p in value.parents)]
    return order


# --- Pull gradients back, push a speed forward ---
def pull_back(order):
    """Leave in each .grad the derivative of the last value by that one."""
    for value in order:
        value.grad = 0.0
    order[-1].grad = 1.0
    for value in reversed(order):
        for parent, slope in zip(value.parents, value.slopes):
            parent.grad += slope * value.grad  # one term for each use


def push_forward(order, leaf):
    """Slope of the last value along `leaf`, and the multiplications done."""
    speeds, done = {leaf: 1.0}, 0  # the speeds of all that moves with the leaf
    for value in order:
        for parent, slope in zip(value.parents, value.slopes):
            if parent in speeds:
                speeds[value] = speeds.get(value, 0.0) + slope * speeds[parent]
                done += 1
    return speeds.get(order[-1], 0.0), done


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


# --- Score the predictions ---
def softmax(row):
    """softmax([0, 0]) -> [0.5, 0.5]"""
    top = max(row)  # subtracting the maximum keeps exp() below overflow
    exps = [exp(v - top) for v in row]
    total = sum(exps)
    return [e / total for e in exps]


def cross_entropy(logits, targets):
    """Mean of -log p(target) over the rows: [n][classes] -> [[loss]].

    A target of None leaves its row out. dlogits = (p - onehot(target)) / n.
    """
    probabilities = [softmax(row) for row in logits.value]
    counted = [(p, t) for p, t in zip(probabilities, targets) if t is not None]
    loss = -sum(log(p[t]) for p, t in counted) / len(counted)

    def pull(grad):
        scale = grad[0][0] / len(counted)
        rows = []
        for p, target in zip(probabilities, targets):
            row = [0.0 if target is None else scale * v for v in p]
            if target is not None:
                row[target] -= scale
            rows.append(row)
        logits.receive(rows)

    return record([[loss]], pull)


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


# === One network, twice ===
def first_weights():
    """Three matrices, each of outputs by inputs."""
    # Variance 1/inputs keeps a sum as large as its terms, 2/inputs also one
    # that relu halves. W2's result is added to its input: it starts smaller.
    draw = random.Random(SEED + 1).gauss
    return [[[SPREAD * draw(0.0, sqrt(gain / n_in)) for _ in range(n_in)]
             for _ in range(n_out)] for n_out, n_in, gain in
            ((HIDDEN, 65, 2.0), (HIDDEN, HIDDEN, 0.5), (10, HIDDEN, 1.0))]


def tape_logits(digits, w1, w2, w3):
    """[n][65] to [n][10], through layers of [n][32]."""
    hidden = relu(times(Node([inputs for inputs, _ in digits]), w1))
    for _ in range(ROUNDS):
        hidden = plus(hidden, relu(times(hidden, w2)))
    return times(hidden, w3)


def tape_loss(digits, weights):
    """Record the network and its loss on these digits."""
    return cross_entropy(tape_logits(digits, *weights),
                         [label for _, label in digits])


# --- The same, number by number ---
def dot(a, b):
    """dot([1, 2], [3, 4]) -> 11"""
    return reduce(add, map(mul, a, b))


def scalar_loss(digits, w1, w2, w3):
    """The loss of tape_loss, with one Value for every number in it."""
    losses = []
    for inputs, label in digits:
        row = [Value(v) for v in inputs]
        hidden = [dot(w, row).relu() for w in w1]
        for _ in range(ROUNDS):
            hidden = [h + dot(w, hidden).relu() for h, w in zip(hidden, w2)]
        logits = [dot(w, hidden) for w in w3]
        total = reduce(add, [logit.exp() for logit in logits])
        losses.append(total.log() - logits[label])
    return reduce(add, losses) * Value(1.0 / len(digits))


# === Break it ===
def keep_one(node, rows):
    """In place of Node.receive, which adds all parts of a gradient up."""
    if KEPT == "last" or node.grad is None:
        node.grad = rows


WAYS = {"added": Node.receive, "one kept": keep_one}


def gradient(digits, matrices, way="added"):
    """The slopes of the loss, matrix by matrix; `way` stays in force."""
    Node.receive = WAYS[way]
    weights = [Node(rows) for rows in matrices]
    backward(tape_loss(digits, weights))
    return [node.grad or [] for node in weights]  # [] for W2 without rounds


# === Compare the engines ===
def count_paths(order):
    """Products in the chain rule, written out: slopes of 1, pulled back."""
    for value in order:
        value.slopes = [1] * len(value.parents)
    pull_back(order)
    return int(sum(value.grad for value in order if not value.parents))


def compare(digits):
    """Print what each engine does for one batch, and that they agree."""
    numbers = [[list(map(Value, r)) for r in m] for m in first_weights()]
    order = topological(scalar_loss(digits, *numbers))
    pull_back(order)
    edges = [len(value.parents) for value in order if value.parents]
    leaves = [value for rows in numbers for row in rows for value in row]
    pushes = [push_forward(order, leaf) for leaf in leaves[::PUSHED]]
    worst = max(abs(value.grad - slope) for two in
                zip(numbers, gradient(digits, first_weights()))
                for rows in zip(*two) for value, slope in zip(*rows))
    print(f"scalar graph   | operations {len(edges):,} | edges "
          f"{sum(edges):,} | paths {count_paths(order):,}")
    print(f"pushed forward | {len(pushes):,} of {len(leaves):,} slopes | "
          f"multiplications {sum(done for _, done in pushes):,}")
    tape_loss(digits, map(Node, first_weights()))
    kept = [len(out.value) * len(out.value[0]) for out, _ in TAPE]
    TAPE.clear()
    print(f"matrix tape    | operations {len(kept)} | numbers kept "
          f"{sum(kept):,} | largest difference {worst:.0e}")


# --- Check against finite differences ---
def nudge(digits, place, i, j, step):
    """The slope of the loss along a weight, from a run on either side."""
    losses = []
    for change in step, -step:
        matrices = first_weights()
        matrices[place][i][j] += change
        losses += tape_loss(digits, map(Node, matrices)).value[0]
    TAPE.clear()
    return (losses[0] - losses[1]) / (2 * step)


def check(digits):
    """Nudge the steepest weight of each matrix, by steps of many sizes."""
    added, kept = (gradient(digits, first_weights(), way) for way in WAYS)
    steepest = [max((abs(slope), k, i, j) for i, row in enumerate(rows)
                    for j, slope in enumerate(row))[1:]
                for k, rows in enumerate(added) if rows]
    for size in range(1, 14):
        error = max(abs(nudge(digits, k, i, j, 10.0 ** -size) - added[k][i][j])
                    for k, i, j in steepest)
        print(f"nudged | step 1e-{size:02} | largest error {error:.1e}")
    for k, i, j in steepest:
        print(f"slope in W{k + 1} | nudged {nudge(digits, k, i, j, 1e-5):.8f} "
              f"| added {added[k][i][j]:.8f} | one kept {kept[k][i][j]:.8f}")


# === Learn to read digits ===
def train(digits, held_out, way):
    """Print a learning curve; say of each held-out digit if it is read."""
    digits, shuffle = list(digits), random.Random(SEED + 2).shuffle
    weights = [Node(rows) for rows in first_weights()]
    optimizer, batches = Adam(weights, beta2=BETA2), len(digits) // BATCH
    for epoch in range(1, EPOCHS + 1):
        shuffle(digits)
        losses, rows = 0.0, [node.value for node in weights]
        cosines = map(cosine, *(gradient(digits[:BATCH], rows, each)
                                for each in ("added", way)))
        for i in range(batches):
            loss = tape_loss(digits[i * BATCH:(i + 1) * BATCH], weights)
            losses += loss.value[0][0]
            backward(loss)
            draw = random.Random(SEED + 3 + FRESH * optimizer.steps).gauss
            for node in weights[:-1] if NOISE and ROUNDS else []:
                flat = sum(node.grad, [])
                size = NOISE * sqrt(sumprod(flat, flat) / len(flat))
                node.grad = [[draw(g, size) for g in row] for row in node.grad]
            done = optimizer.steps / (EPOCHS * batches)
            optimizer.step(LEARNING_RATE * (1.0 - done))
        print(f"{way:8} | epoch {epoch:2} | loss {losses / batches:.4f} | "
              f"held out {fmean(reads(weights, held_out)):.3f} | cosines "
              + " ".join(f"{each:.2f}" for each in cosines))
    return reads(weights, held_out)


# --- Measure on digits it never saw ---
def cosine(a, b):
    """cosine([[2, 0], [0, 0]], [[3, 4], [0, 0]]) -> 0.6"""
    aa, ab, bb = (sum(map(sumprod, *two)) for two in ((a, a), (a, b), (b, b)))
    return ab / sqrt(aa * bb) if aa * bb else 0.0


def reads(weights, digits):
    """For each digit, whether the largest logit is that of its label."""
    rows = tape_logits(digits, *weights).value
    TAPE.clear()  # nothing to pull: this pass only looks
    return [row.index(max(row)) == label
            for row, (_, label) in zip(rows, digits)]


# === Main ===
def main():
    gc.disable()  # without cycles it would search every value for nothing
    learn, held_out = load_digits()
    if min(HELD_OUT, HIDDEN, PROBE, PUSHED, BATCH, len(learn) - BATCH + 1) < 1:
        raise SystemExit("HELD_OUT, HIDDEN, BATCH, PROBE and PUSHED are 1 or "
                         "more; HELD_OUT leaves a BATCH to learn from")
    print(f"digits | learn {len(learn):,} | held out {len(held_out):,}")
    compare(learn[:PROBE])
    check(learn[:PROBE])
    near = [min((dist(inputs, known), its) for known, its in learn)[1]
            == label for inputs, label in held_out]
    added, kept = (train(learn, held_out, way) for way in WAYS)
    for name, other in ("nearest digit", near), ("one kept", kept):
        print(f"{name:13} | held out {fmean(other):.3f} | alone right "
              f"{sum(map(lt, added, other))} | added alone right "
              f"{sum(map(gt, added, other))}")


if __name__ == "__main__":
    main()
