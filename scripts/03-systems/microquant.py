"""microquant: trained weights in eight, four, three and two bits.

Claim: eight bits a weight cost nothing, and four little. At two, a grid that
covers the largest weight ruins the network, and each of two ideas wins much
of it back: a scale with the least squared error, or errors handed on to the
weights that come after. Fewer weights at three bits do as well as more at
two, in fewer bytes.

Left out: training with rounded weights, uneven levels, biases, the rescaling
in integers between layers, and speed: Python gains none.

Frantar et al., "GPTQ" (2023), in the form of Chee et al. (2023). The run
shows bytes, loss and accuracy of networks of four sizes that read digits and
of a GPT that spells names; and how a loud channel ruins a grid.
"""

# === Imports ===
import csv
import gzip
import random
import struct
from collections import Counter, namedtuple
from copy import deepcopy
from hashlib import sha256
from math import exp, log, sqrt
from operator import add, mul
from pathlib import Path

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
HELD_DIGITS = 597  # leaves 1,200 to learn from
HELD_NAMES = 300  # over 2,000 letters to predict
SIZES = [[64, 8, 10], [64, 12, 10], [64, 24, 10], [64, 32, 32, 10]]
WIDTH, HEADS, HIDDEN, LAYERS = 16, 2, 32, 1  # microgpt's network
LOOK, CAUSAL = "softmax", True  # attention as it is, with its mask
BATCH = 8
DIGIT_STEPS, DIGIT_RATE = 1_200, 0.01  # eight times over the digits
NAME_STEPS, NAME_RATE = 450, 0.03  # half of the names, once
BITS = [4, 3, 2]  # 8 have a row of their own: nothing happens there
SHARES = 20  # a fit tries 1/20 of the widest scale, 2/20, ...
GROUP = 16  # divides every row, so no group is cut short
CALIBRATION = 256  # digits learned from that show what the layers see
DAMPING = 0.01  # of the mean of H's diagonal: some pixels are never lit
LOUD = 50.0  # how much louder the planted channel is; 1 plants nothing
# The files that the run reads: other bytes would give other numbers.
HASHES = {"digits.csv.gz":
          "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
          "names.csv":
          "0d303657311a1131fcec761b7ecd72277c4a0a8fae72392f9ba2f4d581691250"}

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
    """([64 levels of grey, from 0 to 1], [digit]): learned from, held out."""
    lines = gzip.decompress(shipped("digits.csv.gz")).split()
    rows = [list(map(int, line.split(b","))) for line in lines]
    digits = [([v / 16 for v in row[:64]], row[64:]) for row in rows]
    # the last digits of the file are by other writers, all but 43 of them
    learn, held_out = digits[:-HELD_DIGITS], digits[-HELD_DIGITS:]
    random.shuffle(learn)
    return learn, held_out


TASK = namedtuple("Task", "symbols longest")(
    ".abcdefghijklmnopqrstuvwxyz", 15)  # . begins and ends a name


def load_names():
    """(ids, the id that follows each): learned from, held out."""
    lines = csv.DictReader(shipped("names.csv").decode("ascii").split())
    rows = [[0, *map(TASK.symbols.index, row["name"]), 0] for row in lines]
    random.shuffle(rows)
    names = [(ids[:-1], ids[1:]) for ids in rows]
    return names[HELD_NAMES:], names[:HELD_NAMES]

# === Count pairs of letters ===
def pair_counts(learn, held_out):
    """Held-out loss of counts, each pair taken to be seen once more."""
    pairs = Counter(pair for name in learn for pair in zip(*name))
    firsts = Counter(first for ids, _ in learn for first in ids)
    logs = [log((pairs[pair] + 1) / (firsts[pair[0]] + len(TASK.symbols)))
            for name in held_out for pair in zip(*name)]
    return -sum(logs) / len(logs)

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

# === Pick rows ===
def pick(table, chosen):
    """Row chosen[i] of the table for every i: [rows][n] -> [chosen][n].

    A row chosen twice gets both gradients, one never chosen gets zeros.
    """
    def pull(grad):
        rows = [None] * len(table.value)
        for i, row in zip(chosen, grad):
            rows[i] = row if rows[i] is None else list(map(add, rows[i], row))
        zeros = [0.0] * len(grad[0])
        table.receive([zeros if row is None else row for row in rows])

    return record([table.value[i] for i in chosen], pull)

# === Divide by the root mean square ===
def rms_norm(x):
    """y = s x with s = 1 / sqrt(mean(x^2) + epsilon), row by row.

    dx = s (dy - y mean(dy y)): a longer x would give the same y, so the
    part of dy that points along y is taken out. GPT-2's LayerNorm also
    subtracts the mean; a learned gain would only scale the next matrix.
    """
    width = len(x.value[0])
    scales = [1 / sqrt(sumprod(row, row) / width + 1e-5)
              for row in x.value]
    out = [[s * v for v in row] for s, row in zip(scales, x.value)]

    def pull(grad):
        along = [sumprod(dy, y) / width for dy, y in zip(grad, out)]
        x.receive([[s * (g - a * v) for g, v in zip(dy, y)]
                   for s, a, dy, y in zip(scales, along, grad, out)])

    return record(out, pull)

# === Weigh the past ===
def weigh(queries, keys, look="softmax"):
    """The attention matrix P of one head, [n][n]: every row sums to 1.

    P_ij = softmax over j <= i of q_i . k_j / sqrt(d). The sum of d products
    grows like sqrt(d): undivided, it would start the softmax near 0 and 1,
    where it has no slope.
    weigh([[3], [0]], [[1], [2]]) -> [[1.0, 0.0], [0.5, 0.5]]
    """
    n, scale = len(queries), 1 / sqrt(len(queries[0]))
    rows = []
    for i, query in enumerate(queries):
        seen = i + 1 if CAUSAL else n  # the mask: the future gets no score
        if look == "softmax":
            row = softmax([scale * sumprod(query, key)
                           for key in keys[:seen]])
        else:
            row = [1 / seen] * seen if look == "mean" else [0.0] * i + [1.0]
        rows.append(row + [0.0] * (n - len(row)))
    return rows

# --- Cut a head out and paste it back ---
def cut(rows, block):
    """Some rows and some columns of a matrix.

    cut([[1, 2], [3, 4]], (1, 2, 0, 1)) -> [[3]]
    """
    top, bottom, left, right = block
    return [row[left:right] for row in rows[top:bottom]]


def paste(rows, block, part):
    """Write `part` over a block of `rows`, in place."""
    top, bottom, left, right = block
    for row, new in zip(rows[top:bottom], part):
        row[left:right] = new

# --- Attend from every row ---
def attend(queries, keys, values, blocks, look):
    """Attention as one operation: three times [tokens][WIDTH] to one.

    The sequences of a batch stand below one another, so that `times` takes
    them all at once. Here each block, one head of one sequence, goes its
    own way. Returns the matrices P as well.
    """
    out, kept = [[0.0] * WIDTH for _ in queries.value], []
    for block in blocks:
        q, k, v = (cut(x.value, block) for x in (queries, keys, values))
        weights = weigh(q, k, look)
        paste(out, block, product(weights, transpose(v)))  # P V
        kept.append((block, q, k, v, weights))

    def pull(grad):
        dq, dk, dv = ([[0.0] * WIDTH for _ in grad] for _ in range(3))
        for block, q, k, v, weights in kept:
            dout = cut(grad, block)
            paste(dv, block, product(transpose(weights), transpose(dout)))
            if look != "softmax":
                continue  # then the scores had no say
            dscores, scale = [], 1 / sqrt(len(q[0]))
            for p, dp in zip(weights, product(dout, v)):
                mean = sumprod(p, dp)  # dS = P (dP - sum(P dP))
                dscores.append([scale * a * (b - mean)
                                for a, b in zip(p, dp)])
            paste(dq, block, product(dscores, transpose(k)))
            paste(dk, block, product(transpose(dscores), transpose(q)))
        for node, rows in ((queries, dq), (keys, dk), (values, dv)):
            node.receive(rows)

    return record(out, pull), [weights for *_, weights in kept]

# === Note what a matrix is shown ===
HEARD = {}  # the rows that last met each matrix


def through(x, matrix):
    """X W^T, and a note of X: errors of W will be multiplied by it."""
    HEARD[matrix] = x.value
    return times(x, matrix)


def listen(model, sample):
    """What each matrix is shown when the model reads the sample."""
    model.logits(sample)
    TAPE.clear()
    return [HEARD[matrix] for matrix in model.matrices]

# === A network of matrices ===
class MLP:
    """Matrices with a cut below zero before each, and nothing else."""

    def __init__(self, sizes):
        # variance 2/inputs makes up for the half that relu cuts away
        self.matrices = self.parameters = [
            Node([[random.gauss(0, sqrt(2 / n_in)) for _ in range(n_in)]
                  for _ in range(n_out)])
            for n_in, n_out in zip(sizes, sizes[1:])]

    def logits(self, rows):
        """[n][64] to [n][10]; the first cut finds nothing below zero."""
        x = Node(rows)
        for matrix in self.matrices:
            x = through(relu(x), matrix)
        return x

# === The model ===
class GPT:
    """Parameters, and the function from sequences to logits."""

    def __init__(self, task):
        def matrix(rows, columns, spread=0.5):
            return Node([[random.gauss(0, spread) for _ in range(columns)]
                         for _ in range(rows)])

        def linear(outputs, inputs):  # small outputs, whatever the width
            return matrix(outputs, inputs, 0.5 / sqrt(inputs))

        self.tokens = matrix(len(task.symbols), WIDTH)
        self.positions = matrix(task.longest, WIDTH)
        self.layers = [[linear(WIDTH, WIDTH) for _ in "qkvo"]
                       + [linear(HIDDEN, WIDTH), linear(WIDTH, HIDDEN)]
                       for _ in range(LAYERS)]
        self.head = linear(len(task.symbols), WIDTH)
        self.parameters = [self.tokens, self.positions, self.head,
                           *sum(self.layers, [])]
        self.look = LOOK

    # --- From letters to logits, noting inputs ---
    @property
    def matrices(self):
        """All that multiply; the two tables are only looked up."""
        return [*self.layers[0], self.head]

    def logits(self, names):
        """[letters][symbols]: scores of what follows every letter."""
        x = plus(pick(self.tokens, sum(names, [])), pick(self.positions, [
            place for ids in names for place in range(len(ids))]))
        blocks, top, size = [], 0, WIDTH // HEADS
        for ids in names:
            blocks += [(top, top + len(ids), left, left + size)
                       for left in range(0, WIDTH, size)]
            top += len(ids)
        query, key, value, output, up, down = self.layers[0]
        y = rms_norm(x)  # from here as in any GPT
        y, _ = attend(through(y, query), through(y, key), through(y, value),
                      blocks, self.look)
        x = plus(x, through(y, output))
        x = plus(x, through(relu(through(rms_norm(x), up)), down))
        return through(rms_norm(x), self.head)

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

# === Training ===
def train(model, examples, steps, rate):
    """Adam; its rate rises for a tenth of the steps, then falls to 0."""
    optimizer, order = Adam(model.parameters), []
    for step in range(1, steps + 1):
        if len(order) < BATCH:
            order = random.sample(examples, len(examples))
        inputs, targets = zip(*[order.pop() for _ in range(BATCH)])
        backward(cross_entropy(model.logits(inputs), sum(targets, [])))
        optimizer.step(rate * min(10 * step / steps,
                                  (steps - step) / (0.9 * steps)))

# --- Judge by what is held out ---
def judge(model, examples):
    """Loss in nats, and the share of targets with the largest logit."""
    inputs, targets = zip(*examples)
    out, targets = model.logits(inputs), sum(targets, [])
    loss = cross_entropy(out, targets).value[0][0]
    TAPE.clear()
    HEARD.clear()  # most models are judged once and not needed again
    hits = [row.index(max(row)) == t for row, t in zip(out.value, targets)]
    return f"{loss:5.3f} {sum(hits) / len(hits):.3f}"

# === Choose a grid ===
# A code c from low to high stands for the number scale (c - zero).
Grid = namedtuple("Grid", "scale zero low high")


def half(value):
    """The nearest 16-bit float, which is what the bytes will hold."""
    return struct.unpack("<e", struct.pack("<e", value))[0] or 1.0


def covering(bottom, top, bits, symmetric):
    """The narrowest even grid from `bottom` <= 0 to `top` >= 0.

    Symmetric: 0 in the middle and one code unused, so that -w has the code
    -c. Otherwise the whole range counts, and the code `zero` stands for 0,
    which stays exact: dead pixels and relu give it all the time.
    covering(-6.0, 3.0, 3, True) -> (2.0, 0, -3, 3)
    covering(-6.0, 1.0, 3, False) -> (1.0, 6, 0, 7)
    """
    if symmetric:
        high = 2 ** (bits - 1) - 1
        return Grid(half(max(-bottom, top) / high), 0, -high, high)
    high = 2 ** bits - 1
    scale = half((top - bottom) / high)
    return Grid(scale, min(high, round(-bottom / scale)), 0, high)

# --- Round to the nearest level ---
def encode(value, grid):
    """encode(-2.6, Grid(2.0, 0, -3, 3)) -> -1"""
    code = round(value / grid.scale + grid.zero)
    return min(max(code, grid.low), grid.high)


def decode(code, grid):
    """decode(-1, Grid(2.0, 0, -3, 3)) -> -2.0"""
    return grid.scale * (code - grid.zero)

# --- Fit the scale ---
def fit(values, bits, symmetric, fitted=False):
    """The widest grid covers all; a fitted one has the least squared error.

    A narrower grid clips the largest values and is finer for all others.
    fit([1.0, 1.0, 1.0, 1.0, -2.0], 2, True).scale -> 2.0
    fit([1.0, 1.0, 1.0, 1.0, -2.0], 2, True, True).scale -> 1.2001953125
    """
    bottom, top = min(0.0, *values), max(0.0, *values)
    shares = [1.0, *(k / SHARES for k in range(1, SHARES) if fitted)]
    grids = [covering(share * bottom, share * top, bits, symmetric)
             for share in shares]
    return min(grids, key=lambda grid: sum(
        (value - decode(encode(value, grid), grid)) ** 2 for value in values))

# === Share a grid among weights ===
class Rounded:
    """A matrix as codes and grids; each grid serves `span` weights on end."""

    def __init__(self, rows, bits, sharing, symmetric, fitted=False):
        self.bits, self.symmetric, self.width = bits, symmetric, len(rows[0])
        flat = [w for row in rows for w in row]
        self.span = {"tensor": len(flat), "row": self.width,
                     "group": GROUP}[sharing]
        self.grids = [fit(flat[i:i + self.span], bits, symmetric, fitted)
                      for i in range(0, len(flat), self.span)]
        self.codes = list(map(encode, flat, self.each_grid()))

    def each_grid(self):
        """The grid of every weight."""
        return [grid for grid in self.grids for _ in range(self.span)]

    def rows(self, flat):
        """A list of something for every weight, in rows as the matrix is."""
        return [flat[i:i + self.width]
                for i in range(0, len(flat), self.width)]

    def matrix(self):
        """The numbers that the codes stand for."""
        return self.rows(list(map(decode, self.codes, self.each_grid())))

    # --- Pack it into bytes ---
    def pack(self):
        """Codes without a gap, counted from `low` up; zeros; scales."""
        number = 0
        for code in reversed(self.codes):
            number = number << self.bits | code - self.grids[0].low
        size = (len(self.codes) * self.bits + 7) // 8
        scales, zeros, *_ = zip(*self.grids)
        return (number.to_bytes(size, "little")
                + (b"" if self.symmetric else bytes(zeros))
                + struct.pack(f"<{len(scales)}e", *scales))

# === Multiply codes, then scale once ===
def stretched(rows, factors):
    """stretched([[1, 2]], [3, 4]) -> [[3, 8]]"""
    return [list(map(mul, row, factors)) for row in rows]


class Integers:
    """An MLP with a grid for each row of weights and each layer's inputs.

    A sample fixes the grid of the inputs, one for all columns: scales of
    their own could not be taken out of the sum. Nothing here needs a zero:
    the weights are symmetric, and what relu lets pass starts at 0.
    """

    def __init__(self, model, sample, bits):
        self.layers = [
            (fit([v for row in heard for v in row], bits, False),
             Rounded(matrix.value, 8, "row", True))
            for matrix, heard in zip(model.matrices, listen(model, sample))]

    def logits(self, rows):
        """The first float of a layer appears after its last sum."""
        for grid, weights in self.layers:
            # what is below zero gets the code 0, so relu is free
            codes = [[encode(v, grid) for v in row] for row in rows]
            sums = product(codes, weights.rows(weights.codes))
            rows = stretched(sums, [grid.scale * each.scale
                                    for each in weights.grids])
        return Node(rows)

# === Ask what the layer sees ===
def hessian(inputs):
    """H = X^T X, and a little on its diagonal, so that none of it is 0.

    An error d in a row of weights costs |X d|^2 = d H d: errors in columns
    that light up together add up, or cancel.
    """
    columns = transpose(inputs)
    rows = product(columns, columns)
    damp = DAMPING * sum(row[i] for i, row in enumerate(rows)) / len(rows)
    for i, row in enumerate(rows):
        row[i] += damp
    return rows


def answers(costs):
    """How each weight best answers the errors of those before it.

    With h in the last corner of H and g beside it, d H d = h (d_n + g d'/h)^2
    + d' (H' - g g/h) d': the last weight cancels the first term with
    -g d'/h, and what is left is the same question with a weight less.
    answers([[2.0, 1.0], [1.0, 1.0]]) -> [[], [1.0]]
    """
    shares = []
    while costs:
        *costs, last = costs
        shares.insert(0, [g / last[-1] for g in last[:-1]])
        costs = [[v - row[-1] * s for v, s in zip(row, shares[0])]
                 for row in costs]
    return shares

# --- Hand each error on ---
def hand_on(row, grids, shares):
    """Codes of one row: each weight first takes over what went wrong."""
    codes, errors = [], []
    for w, grid, share in zip(row, grids, shares):
        codes.append(encode(w + sumprod(share, errors), grid))
        errors.append(w - decode(codes[-1], grid))
    return codes


def compress(model, options, sample=(), chosen=()):
    """A copy with all or the chosen matrices rounded, and their bytes.

    With a sample, errors are handed on. Each matrix is shown what the
    rounded ones before it give: its errors are weighed by what it will meet.
    """
    model, total = deepcopy(model), 0
    for i in chosen or range(len(model.matrices)):
        matrix = model.matrices[i]
        rounded = Rounded(matrix.value, *options)
        if sample:
            shares = answers(hessian(listen(model, sample)[i]))
            grids = rounded.rows(rounded.each_grid())
            rounded.codes = [code for pair in zip(matrix.value, grids)
                             for code in hand_on(*pair, shares)]
        matrix.value = rounded.matrix()
        total += len(rounded.pack())
    return model, total

# === Plant a loud channel ===
def rescaled(model, i, factors):
    """Hidden units of layer i times `factors`, undone in the next layer.

    relu(f v) = f relu(v) for f > 0: not one output changes.
    """
    model = deepcopy(model)
    one, two = model.matrices[i:i + 2]
    one.value = [[f * w for w in row] for f, row in zip(factors, one.value)]
    two.value = stretched(two.value, [1 / f for f in factors])
    return model


def planted(model, sample):
    """The unit of the first layer that says most says it LOUD times over."""
    totals = list(map(sum, transpose(listen(model, sample)[1])))
    return rescaled(model, 0, [LOUD if total == max(totals) else 1.0
                               for total in totals])


def smoothed(model, sample):
    """SmoothQuant: a loud channel shares its loudness with its weights.

    s_j = sqrt(max|x_j| / max|w_j|) makes x_j / s_j and w_j s_j equally large.
    """
    for i, matrix in enumerate(model.matrices[1:]):
        heard = listen(model, sample)[i + 1]
        model = rescaled(model, i, [
            sqrt(max(map(abs, w)) / (max(x) or 1.0)) for x, w in
            zip(transpose(heard), transpose(matrix.value))])
    return model

# === Tables ===
def show(name, model, held_out):
    """A row for a network in floats."""
    count = sum(len(m.value) * len(m.value[0]) for m in model.matrices)
    print(f"{name} | float32 | {count:5,} weights | {4 * count:6,} bytes | "
          f"{judge(model, held_out)}")


def show_grids(name, model, sample, held_out, grids):
    """A row a grid: bytes; loss, accuracy; the same with errors handed on."""
    for options in grids:
        bits, sharing, symmetric, fitted = options
        plain, size = compress(model, options)
        handed, _ = compress(model, options, sample)
        kind = "symmetric " if symmetric else "zero-point"
        print(f"{name} {bits} bits | {sharing:6} | {kind} "
              f"{'fitted' if fitted else 'widest'} | {size:5,} | "
              f"{judge(plain, held_out)} | {judge(handed, held_out)}")


def show_outlier(model, sample, held_out):
    """What a planted channel does to grids of weights and of inputs."""
    loud = planted(model, sample)
    for name, net in (("as trained", model), ("one loud", loud),
                      ("smoothed", smoothed(loud, sample))):
        rows = [(f"weights {bits} bits, {sharing}",
                 compress(net, (bits, sharing, True, True))[0]) for bits,
                sharing in ((8, "tensor"), (8, "row"), (4, "tensor"))]
        rows += [(f"inputs {bits} bits", Integers(net, sample, bits))
                 for bits in (8, 6)]
        for kind, other in rows:
            print(f"{name:10} | {kind:22} | {judge(other, held_out)}")

# === Study digits ===
def study_digits(learn, held_out):
    """Four sizes, rounded alike; the last on other grids, then outliers."""
    print(f"digits | learn {len(learn):,} | held out {len(held_out):,}")
    sample = [row for row, _ in learn[:CALIBRATION]]
    for sizes in SIZES:
        model = MLP(sizes)
        train(model, learn, DIGIT_STEPS, DIGIT_RATE)
        name = f"MLP {sizes[1]:2}"
        show(name, model, held_out)
        show_grids(name, model, sample, held_out, [
            (bits, "row", False, False) for bits in [8, *BITS]])
    show_grids(name, model, sample, held_out, [
        (bits, *kind) for bits in BITS for kind in (
            ("tensor", True, False), ("tensor", True, True),
            ("row", True, False), ("row", True, True),
            ("group", True, False), ("group", True, True),
            ("row", False, True))])
    show_outlier(model, sample, held_out)

# === Study names ===
def study_names(learn, held_out):
    """A GPT on some grids, then each of its matrices alone on one."""
    print(f"names  | learn {len(learn):,} | held out {len(held_out):,}")
    print(f"names  | counted pairs | {pair_counts(learn, held_out):.3f}")
    model = GPT(TASK)
    train(model, learn, NAME_STEPS, NAME_RATE)
    show("names  | trained", model, held_out)
    sample = [ids for ids, _ in learn[:CALIBRATION // 4]]  # of some 7 letters
    show_grids("names ", model, sample, held_out, [
        (8, "row", True, False),
        *((bits, "row", True, fitted) for bits in BITS
          for fitted in (False, True)), (2, "row", False, True)])
    names = ["query", "key", "value", "output", "up", "down", "head"]
    for name, chosen in [*((f"only {name}", [i]) for i, name in
                           enumerate(names)), ("all but head", range(6))]:
        rounded, _ = compress(model, (2, "row", True, True), (), chosen)
        print(f"names  | {name:12} in 2 bits | {judge(rounded, held_out)}")

# === Main ===
def main():
    random.seed(SEED)
    digits, names = load_digits(), load_names()
    if (not all(digits + names) or min(BATCH, GROUP, CALIBRATION) < 1
            or min(LOUD, DAMPING) <= 0 or not {*BITS} <= {*range(2, 9)}
            or min(map(len, SIZES), default=0) < 3):
        raise SystemExit("a setting is too small, BITS are not 2 to 8, or "
                         "SIZES has fewer than two matrices")
    study_digits(*digits)
    study_names(*names)


if __name__ == "__main__":
    main()
