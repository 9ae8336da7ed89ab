"""One backward pass gives the slope of the loss along every weight.

It takes at most two multiply-adds for each operation of the forward pass,
however many weights there are. The run counts them on a graph of numbers, and
checks its slopes against finite differences. A tape of matrices then finds
the same gradients with thousands of times fewer recorded operations. It
trains a classifier of handwritten digits, beside two baselines; and once
more, with gradients that replace each other and do not add up.

Left out: second derivatives, operations in place, broadcasting, the GPU.
After Seppo Linnainmaa (master's thesis, 1970), Rumelhart, Hinton and Williams
(Nature, 1986) and Andrej Karpathy's micrograd (2020), a graph of numbers.
"""
# === Imports ===
import gc
import gzip
import random
from functools import reduce
from hashlib import sha256
from math import dist, exp, log, sqrt
from operator import add, mul
from pathlib import Path

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
HELD_OUT = 597  # leaves 1,200 digits to learn from
OTHER_WRITERS = True  # False: hold out any digits, by whomever
HIDDEN = 32  # twice as many gain little and take twice the time
ROUNDS = 2  # the middle layer runs twice on one matrix: a weight with two uses
SPREAD = 1.0  # at 0 every weight starts at zero, and none can learn
EPOCHS = 10  # training error is nearly gone by then
BATCH = 32  # a steadier direction than one digit, and 37 steps an epoch
LEARNING_RATE = 0.01  # falls to zero in a straight line over the run
PROBE = 8  # digits on which the two engines are compared
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
def load_digits():
    """(inputs, label) pairs: those to learn from, those held out.

    65 inputs: 8 x 8 levels of grey from 0 to 1, then a constant 1. The
    weight on that constant is the unit's bias, and needs no code.

    The file goes from writer to writer. Its last digits are by people who
    wrote none of the others; in any order, each has known handwriting.
    """
    lines = gzip.decompress(shipped("digits.csv.gz")).split()
    rows = [list(map(int, line.split(b","))) for line in lines]
    digits = [([v / 16 for v in row[:64]] + [1.0], row[64]) for row in rows]
    if not OTHER_WRITERS:
        random.Random(SEED).shuffle(digits)
    return digits[:-HELD_OUT], digits[-HELD_OUT:]


# === A number that knows its parents ===
class Value:
    """A number, the numbers it was computed from, and the slopes to them.

    slopes[i] is the derivative of this value by parents[i]. Values point at
    their parents and never back: no cycle, so Python frees a graph that is
    no longer needed at once.
    """

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
    """All that the root was computed from, parents first, the root last.

    A value goes on the stack to send its parents ahead, and once more to
    take its place behind them. A function that called itself would need one
    Python frame for each level of the graph, and 1,000 is the usual limit.
    """
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        value, parents_placed = stack.pop()
        if parents_placed:
            order.append(value)
        elif value not in seen:
            seen.add(value)
            stack.append((value, True))
            stack += [(parent, False) for parent in value.parents]
    return order


# --- Pull the gradient back ---
def pull_back(order):
    """Leave in each .grad the derivative of the last value by that one."""
    for value in order:
        value.grad = 0.0
    order[-1].grad = 1.0
    for value in reversed(order):
        for parent, slope in zip(value.parents, value.slopes):
            parent.grad += slope * value.grad  # one term for each use


# === Check against finite differences ===
def central_difference(function, at, step):
    """central_difference(lambda v: v * v, 3.0, 1.0) -> 6.0"""
    return (function(at + step) - function(at - step)) / (2 * step)


def every_operation(a, b):
    """Sum, difference, product, exp, relu and log, with `a` used thrice."""
    return ((a * b).exp() + (a - b).relu()).log() * a


def check_values():
    """Print the error of finite differences for thirteen sizes of step."""
    a, b = Value(1.7), Value(0.6)
    pull_back(topological(every_operation(a, b)))
    for digits in range(1, 14):
        slope = central_difference(
            lambda v: every_operation(Value(v), b).data, 1.7, 10.0 ** -digits)
        print(f"finite difference | step 1e-{digits:02} | "
              f"relative error {abs(slope / a.grad - 1.0):.1e}")


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
    # Variance 1/inputs keeps a sum of that many terms as large as one of
    # them; 2/inputs makes up for the half that relu cuts away. W2 starts
    # smaller, because what it computes is added to what it was given.
    draw = random.Random(SEED + 1).gauss
    return [[[SPREAD * draw(0.0, sqrt(gain / n_in)) for _ in range(n_in)]
             for _ in range(n_out)] for n_out, n_in, gain in
            ((HIDDEN, 65, 2.0), (HIDDEN, HIDDEN, 0.5), (10, HIDDEN, 1.0))]


def tape_logits(digits, w1, w2, w3):
    """[n][65] to [n][10], through layers of [n][32]."""
    hidden = relu(times(Node([inputs for inputs, _ in digits]), w1))
    for _ in range(ROUNDS):
        # hidden is used twice here, w2 once in each round
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


# --- Count the paths ---
def count_paths(order):
    """Ways from root to leaf: the products of the chain rule, written out."""
    ways = dict.fromkeys(order, 0)
    ways[order[-1]] = 1
    for value in reversed(order):
        for parent in value.parents:
            ways[parent] += ways[value]
    return sum(ways[value] for value in order if not value.parents)


# --- Compare the engines ---
def compare(digits):
    """Print what each engine records for one batch, and that they agree."""
    numbers = [[[Value(v) for v in row] for row in rows]
               for rows in first_weights()]
    order = topological(scalar_loss(digits, *numbers))
    pull_back(order)
    operations = sum(1 for value in order if value.parents)
    edges = sum(len(value.parents) for value in order)  # a multiply-add each
    print(f"scalar graph | operations {operations:,} | edges {edges:,} | "
          f"paths {count_paths(order):,}")
    matrices = [Node(rows) for rows in first_weights()]
    loss = tape_loss(digits, matrices)
    print(f"matrix tape  | operations {len(TAPE)}")
    backward(loss)
    worst = max(abs(value.grad - g) for rows, node in zip(numbers, matrices)
                if node.grad  # without rounds nothing reaches the middle one
                for values, row in zip(rows, node.grad)
                for value, g in zip(values, row))
    print(f"gradients of the two | largest difference {worst:.1e}")


# === Learn to read digits ===
def train(digits, held_out, name):
    """Print a learning curve."""
    digits, shuffle = list(digits), random.Random(SEED + 2).shuffle
    weights = [Node(rows) for rows in first_weights()]
    # a last, shorter batch is left out; its digits return shuffled
    optimizer, batches = Adam(weights), len(digits) // BATCH
    for epoch in range(1, EPOCHS + 1):
        shuffle(digits)
        losses = 0.0
        for i in range(batches):
            loss = tape_loss(digits[i * BATCH:(i + 1) * BATCH], weights)
            losses += loss.value[0][0]
            backward(loss)
            done = optimizer.steps / (EPOCHS * batches)
            optimizer.step(LEARNING_RATE * (1.0 - done))
        print(f"{name} | epoch {epoch:2} | loss {losses / batches:.4f} | "
              f"held out {accuracy(held_out, weights):.3f}")


# --- Measure on digits it never saw ---
def accuracy(digits, weights):
    """Share of the digits whose largest logit is the right one."""
    rows = tape_logits(digits, *weights).value
    TAPE.clear()  # nothing to pull: this pass only looks
    return sum(row.index(max(row)) == label
               for row, (_, label) in zip(rows, digits)) / len(digits)


def baselines(digits, held_out):
    """Print what needs no gradient: the commonest label, the nearest digit."""
    majority = max(range(10), key=[label for _, label in digits].count)
    common = near = 0
    for inputs, label in held_out:
        _, nearest = min((dist(inputs, known), its) for known, its in digits)
        common += label == majority
        near += label == nearest
    print(f"majority label    | held out {common / len(held_out):.3f}")
    print(f"nearest neighbour | held out {near / len(held_out):.3f}")


# === Break it ===
def overwrite(node, rows):
    """In place of Node.receive: each part of a gradient replaces the last."""
    node.grad = rows


# === Main ===
def main():
    gc.disable()  # without cycles it would search every value for nothing
    learn, held_out = load_digits()
    weights = sum(len(rows) * len(rows[0]) for rows in first_weights())
    print(f"digits | learn {len(learn):,} | held out {len(held_out):,} | "
          f"weights {weights:,}")
    check_values()
    compare(learn[:PROBE])
    baselines(learn, held_out)
    train(learn, held_out, "gradients add up")
    Node.receive = overwrite  # last, since it stays broken
    train(learn, held_out, "they overwrite  ")


if __name__ == "__main__":
    main()
