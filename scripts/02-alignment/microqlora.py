"""microqlora: a rounded network is fine-tuned and never made whole again.

Claim: kept in four bits a weight and never turned back into floats as a
whole, a small GPT learns girls' names through thin pairs as well as the same
GPT in floats, to 0.03 nats. At two bits, with pairs beside the layer and none
beside the head, it does not. A hundred steps of such pairs on old names win
back less than two thirds of what two bits of NF2 lost. Four even levels on a
fitted scale win back more than half, without training and without a bit; with
the pairs besides, less than a third of the loss is left. Whoever lets the
pairs learn beside floats, and rounds afterwards, loses more than twice as
much at two bits. But while they learn, even pairs of rank 2 weigh more than a
base of this size.

Left out: dropout, paged optimizers, computing in 16 bits.

Dettmers et al., "QLoRA: Efficient Finetuning of Quantized LLMs" (2023). The
run shows the levels of NF4 and of its smaller kin from their formula, what
rounding costs in bytes and in nats, new names learned on rounded bases, old
names repaired, pairs that never saw the rounding, and the memory of each way.
"""

# === Imports ===
import csv
import random
import struct
from bisect import bisect_left
from collections import Counter, defaultdict
from copy import copy
from hashlib import sha256
from math import exp, log, sqrt
from operator import add, mul
from pathlib import Path
from statistics import NormalDist

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
HELD_OUT = 0.08  # of the names, never trained on
FAMILIES = True  # and no relative of theirs either, on either side
NEW = 150  # girls' names to learn from, as in microlora
OLD_STEPS, OLD_RATE = 450, 0.03  # over the boys' names, a bit more than once
STEPS = 100  # of pairs on new names: five times over them
BATCH = 8
WIDTH, HEADS, HIDDEN, LAYERS = 16, 2, 32, 1  # microgpt's network
LOOK, CAUSAL = "softmax", True  # attention as it is, with its mask
RANK = 2
ALPHA = 8  # B A is scaled by ALPHA / rank, so that ranks share one rate
RATE = 0.01  # of all pairs; 0.003 and 0.03 change no order
REPAIR_STEPS = 100  # of pairs on old names
SHARES = 20  # a fit tries 1/20 of the largest weight, 2/20, ...
SPREAD = 64  # weights a block where the run shows how they are spread
# Levels and their bits, the widest scale or one fitted, weights that share a
# scale (64 in the paper), and whether scales are rounded, too.
CODES = {"NF4": ("normal", 4, "widest", 64, False),
         "NF4, double": ("normal", 4, "widest", 64, True),
         "even 4": ("even", 4, "widest", 64, False),
         "NF3": ("normal", 3, "widest", 64, False),
         "NF2": ("normal", 2, "widest", 64, False),
         "NF2, 16": ("normal", 2, "widest", 16, False),
         "even 2": ("even", 2, "widest", 64, False),
         "NF2, fitted": ("normal", 2, "fitted", 64, False),
         "even 2, fitted": ("even", 2, "fitted", 64, False)}
# The codes on which pairs learn new names, and those that old names repair.
LEARNED = ["NF4, double", "even 4", "NF2", "NF2, fitted", "even 2, fitted"]
REPAIRED = ["NF2", "NF2, fitted", "even 2, fitted"]
# The files that the run reads: other bytes would give other numbers.
HASHES = {"names.csv":
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


# === Hold out whole families ===
def families(rows):
    """Rows that begin with a word, in families: abandon with abandoned.

    Held out with its family trained on, a word would be half known. In the
    order of the alphabet a word joins the family before it if it begins
    with that family's stem: the first four letters of its first word, or
    all three. A prefix makes a new family: unable stands far from able.

    families([["in"], ["ink"], ["inky"]]) -> [[["in"]], [["ink"], ["inky"]]]
    """
    found, stem = [], ""
    for row in sorted(rows):
        if len(stem) < 3 or not row[0].startswith(stem):
            stem = row[0][:4]
            found.append([])
        found[-1].append(row)
    return found


def hold_out(groups, count, shuffle):
    """(`count` rows held out, those to learn from): no group on both sides.

    What is left of the last group that is held out goes to neither side.
    """
    shuffle(groups)
    held_out = []
    while len(held_out) < count:
        held_out += groups.pop()
    learn = sum(groups, [])
    for rows in (held_out, learn):
        shuffle(rows)
    return held_out[:count], learn


# === Data ===
END = "."  # before the first letter and after the last


class Side:
    """Names given mostly to girls, or mostly to boys, as ids: (ids, 1)."""

    symbols = END + "abcdefghijklmnopqrstuvwxyz"
    longest = 15  # a name of 13 letters, with its two marks

    def __init__(self, *parts):
        self.held_out, self.train = (
            [(list(map(self.symbols.index, END + name + END)), 1)
             for name in part] for part in parts)  # 1: the first is given


def sides():
    """The boys' names and the girls', families held out of both at once."""
    text = shipped("names.csv").decode("ascii")
    rows = [[row["name"], int(row["girls"]) - int(row["boys"])]
            for row in csv.DictReader(text.split())]
    groups = families(rows) if FAMILIES else [[row] for row in rows]
    parts = hold_out(groups, int(HELD_OUT * len(rows)), random.shuffle)
    return [Side(*([name for name, lead in part if sign * lead > 0]
                   for part in parts)) for sign in (-1, 1)]

# === Count what follows the last letters ===
def counts(side, letters, base=(), weight=1):
    """Held-out loss of counts that look back at most so many letters.

    With the names of a base, each of the side's own counts so many times.
    Witten and Bell: if n letters followed a context, of k kinds, expect a
    new kind k times in n + k, and ask the shorter context which.
    """
    table, logs = defaultdict(Counter), []
    for names, often in (base, 1), (side.train, weight):
        for ids, _ in names:
            for i in range(1, len(ids)):
                for n in range(min(i, letters) + 1):
                    table[tuple(ids[i - n:i])][ids[i]] += often
    for ids, _ in side.held_out:
        for i in range(1, len(ids)):
            p = 1 / len(side.symbols)
            for n in range(min(i, letters) + 1):
                seen = table[tuple(ids[i - n:i])]
                if seen:
                    p = ((seen[ids[i]] + len(seen) * p)
                         / (sum(seen.values()) + len(seen)))
            logs.append(-log(p))
    return sum(logs) / len(logs)

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

# === Multiply by a frozen matrix and a thin pair ===
def adapted(x, frozen, pair):
    """Y = X W^T + s (X A^T) B^T with s = ALPHA / rank; W gets no gradient.

    [n][in] with W [out][in], A [rank][in], B [out][rank] gives [n][out].
    With Z = X A^T and D = s dY: dB = D^T Z, dZ = D B, dA = dZ^T X and
    dX = dY W + dZ A. No gradient has the shape of W.
    """
    a, b = pair
    scale = ALPHA / len(a.value)
    z = product(x.value, a.value)
    thin = product(z, [[scale * v for v in row] for row in b.value])

    def pull(grad):
        d = [[scale * g for g in row] for row in grad]
        dz = product(d, transpose(b.value))
        b.receive(product(transpose(d), transpose(z)))
        a.receive(product(transpose(dz), transpose(x.value)))
        x.receive(product(grad, transpose(frozen.value)))
        x.receive(product(dz, transpose(a.value)))

    return record([list(map(add, *rows)) for rows in
                   zip(product(x.value, frozen.value), thin)], pull)

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

    # --- From tokens to logits, past the pairs ---
    pairs = None  # or a list of (A, B), one for each matrix of the layer
    head_pair = None  # or (A, B) beside the head

    def through(self, x, k):
        """X through matrix k of the layer, and its pair if it has one."""
        w = self.layers[0][k]
        return adapted(x, w, self.pairs[k]) if self.pairs else times(x, w)

    def logits(self, examples, asked):
        """[asked][symbols]: scores of what follows the rows `asked`."""
        places = [p for ids, _ in examples for p in range(len(ids))]
        x = plus(pick(self.tokens, [i for ids, _ in examples for i in ids]),
                 pick(self.positions, places))
        blocks, top, size = [], 0, WIDTH // HEADS
        for ids, _ in examples:
            blocks += [(top, top + len(ids), left, left + size)
                       for left in range(0, WIDTH, size)]
            top += len(ids)
        y = rms_norm(x)  # from here as in any GPT, but for the pairs
        heads, _ = attend(*(self.through(y, k) for k in range(3)), blocks,
                          self.look)
        x = plus(x, self.through(heads, 3))
        x = plus(x, self.through(relu(self.through(rms_norm(x), 4)), 5))
        y = pick(rms_norm(x), asked)
        return (adapted(y, self.head, self.head_pair) if self.head_pair
                else times(y, self.head))

# === Give every matrix a thin pair ===
def thin_pairs(model, rank):
    """A random, B zero: B A is zero, and the gradient of B is not.

    A's rows have a length near 1, so that Z is about as large as X.
    """
    pairs = []
    for matrix in model.layers[0]:
        inputs = len(matrix.value[0])
        pairs.append((Node([[random.gauss(0, 1 / sqrt(inputs))
                             for _ in range(inputs)] for _ in range(rank)]),
                      Node([[0.0] * rank for _ in matrix.value])))
    return pairs

# --- Melt a pair into its matrix ---
def melt(matrix, pair):
    """W + s B A: the same function as W with its pair, at W's price."""
    a, b = pair
    scale = ALPHA / len(a.value)
    return [[w + scale * v for w, v in zip(*rows)] for rows in
            zip(matrix.value, product(b.value, transpose(a.value)))]

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

# === Place the levels ===
def normal_levels(bits):
    """NF4, and its kin of other sizes: quantiles of a normal weight.

    From the median to the tail p in equal steps of probability, one step
    more above than below, so that 0 is a level and none is spent twice.
    p leaves out half a level's share, the mean of the shares of 2^bits
    levels and of 2^bits - 1. Divided by the largest: from -1 to 1.
    [round(v, 3) for v in normal_levels(2)] -> [-1.0, 0.0, 0.436, 1.0]
    """
    half, bell = 2 ** (bits - 1), NormalDist()
    tail = 1 - (1 / (4 * half) + 1 / (4 * half - 2)) / 2
    below, above = ([bell.inv_cdf(0.5 + (tail - 0.5) * i / steps)
                     for i in range(1, steps + 1)]
                    for steps in (half - 1, half))
    return [v / above[-1] for v in
            [*(-v for v in reversed(below)), 0.0, *above]]


def even_levels(bits):
    """As many at equal distances, without 0: no weight need be there.

    even_levels(1) -> [-1.0, 1.0]
    """
    top = 2 ** bits - 1
    return [2 * i / top - 1 for i in range(top + 1)]


LEVELS = {"normal": normal_levels, "even": even_levels}

# === Choose a scale for a block ===
def nearest(value, levels):
    """The index of the level next to a value.

    nearest(0.3, [-1.0, 0.0, 0.4, 1.0]) -> 2
    """
    i = min(max(bisect_left(levels, value), 1), len(levels) - 1)
    return i - (value - levels[i - 1] < levels[i] - value)


def scale_of(weights, levels, fit):
    """What the level 1 stands for: the largest weight, or less.

    A smaller scale clips the largest weights and serves all others better.
    scale_of([1.0, 1.0, 1.0, 1.0, -2.0], [-1.0, 0.0, 1.0], "widest") -> 2.0
    scale_of([1.0, 1.0, 1.0, 1.0, -2.0], [-1.0, 0.0, 1.0], "fitted") -> 1.2
    """
    top = max(map(abs, weights)) or 1.0  # a block of zeros
    first = 1 if fit == "fitted" else SHARES
    return min((top * share / SHARES for share in
                range(SHARES, first - 1, -1)), key=lambda scale: sum(
        (w - scale * levels[nearest(w / scale, levels)]) ** 2
        for w in weights))

# === Round the scales as well ===
def pack_scales(scales):
    """Double quantization: a byte a scale, and two floats for all of them.

    Scales are positive and much alike, so their mean is taken out first.
    The paper starts afresh after 256 of them; this network has fewer.
    """
    mean = sum(scales) / len(scales)
    unit = max(abs(s - mean) for s in scales) / 127 or mean
    return struct.pack("<ff", mean, unit) + bytes(
        round((s - mean) / unit) + 127 for s in scales)


def unpack_scales(data):
    """One float a scale, off by half a unit at most; never 0."""
    mean, unit = struct.unpack_from("<ff", data)
    return [max(mean + unit * (code - 127), unit) for code in data[8:]]

# === Keep matrices as bytes ===
class Store:
    """Matrices as codes without a gap, and a scale for each block."""

    def __init__(self, matrices, code):
        levels, self.bits, fit, self.block, self.double = code
        self.levels = LEVELS[levels](self.bits)
        flat = [w for rows in matrices for row in rows for w in row]
        scales = [scale_of(flat[i:i + self.block], self.levels, fit)
                  for i in range(0, len(flat), self.block)]
        self.scales = (pack_scales(scales) if self.double else
                       struct.pack(f"<{len(scales)}f", *scales))
        scales, number = self.read_scales(), 0  # as they will come back
        for i in reversed(range(len(flat))):
            number = number << self.bits | nearest(
                flat[i] / scales[i // self.block], self.levels)
        self.codes = number.to_bytes((len(flat) * self.bits + 7) // 8,
                                     "little")

    def read_scales(self):
        """One float a block."""
        if self.double:
            return unpack_scales(self.scales)
        return struct.unpack(f"<{len(self.scales) // 4}f", self.scales)

    def size(self):
        """Bytes, all counted but for the levels, which the code names."""
        return len(self.codes) + len(self.scales)

    # --- Read a matrix from its bytes ---
    def rows(self, first, count, width):
        """`count` rows of `width` floats, from weight number `first` on."""
        start, end = first * self.bits, (first + count * width) * self.bits
        number = int.from_bytes(self.codes[start // 8:(end + 7) // 8],
                                "little") >> start % 8
        mask, scales = 2 ** self.bits - 1, self.read_scales()
        flat = [scales[(first + i) // self.block]
                * self.levels[number >> i * self.bits & mask]
                for i in range(count * width)]
        return [flat[i:i + width] for i in range(0, len(flat), width)]


class Frozen:
    """Stands where a node stood. Its floats exist while they are read."""

    grad = None

    def __init__(self, store, *place):
        self.store, self.place = store, place

    @property
    def value(self):
        return self.store.rows(*self.place)

    def receive(self, rows):
        """A frozen matrix has no use for a gradient."""

# === Round a model ===
def rounded(model, code):
    """The model with all that multiplies as bytes, and these bytes.

    The two tables are only looked up, and stay as they are.
    """
    nodes = [*model.layers[0], model.head]
    store, first = Store([node.value for node in nodes], code), 0
    for k, node in enumerate(nodes):
        count, width = len(node.value), len(node.value[0])
        nodes[k] = Frozen(store, first, count, width)
        first += count * width
    small = copy(model)
    *layer, small.head = nodes
    small.layers = [layer]
    small.parameters = [model.tokens, model.positions, *nodes]
    return small, store

# === Training ===
def loss_of(model, examples):
    """Mean cross-entropy over the letters and the last mark: [[loss]]."""
    targets = [t for ids, _ in examples for t in ids[1:]]
    logits = model.logits([(ids[:-1], given) for ids, given in examples],
                          range(len(targets)))
    return cross_entropy(logits, targets)


def evaluate(model, side):
    """The held-out loss in nats, and nothing is learnt."""
    loss = loss_of(model, side.held_out).value[0][0]
    TAPE.clear()
    return loss


def train(model, examples, parameters, rate, steps):
    """Adam on `parameters`; the rate rises for a fifth, then falls to 0."""
    optimizer, order = Adam(parameters), []
    for step in range(1, steps + 1):
        if len(order) < BATCH:
            order = random.sample(examples, len(examples))
        backward(loss_of(model, [order.pop() for _ in
                                 range(min(BATCH, len(order)))]))
        optimizer.step(rate * min(5 * step / steps,
                                  1.25 * (steps - step) / steps))
        for node in model.parameters:  # those that Adam does not move
            node.grad = None


def taught(model, examples, steps):
    """A model with pairs that learned the examples; the base is shared."""
    random.seed(SEED)  # every base meets the same pairs and names
    model = copy(model)
    model.pairs = thin_pairs(model, RANK)
    train(model, examples, [node for pair in model.pairs for node in pair],
          RATE, steps)
    return model

# === Show what rounding does ===
def flattened(model):
    """The weights of all that multiplies, in the order of the bytes."""
    return [w for node in (*model.layers[0], model.head)
            for row in node.value for w in row]


def show_spread(name, values):
    """Where weights lie between minus and plus the largest of their block."""
    bins = Counter()
    for i in range(0, len(values), SPREAD):
        block = values[i:i + SPREAD]
        top = max(map(abs, block)) or 1.0
        bins.update(min(int(8 * w / top + 8), 15) for w in block)
    print(f"spread of {name} |", *(f"{1000 * bins[k] / len(values):.0f}"
                                   for k in range(16)))


def show_codes(base, old):
    """A row a code: real bits, squared error, loss. Returns the models."""
    models, weights = {}, flattened(base)
    for name, code in CODES.items():
        models[name], store = rounded(base, code)
        error = sum((v - w) ** 2 for v, w in
                    zip(flattened(models[name]), weights))
        print(f"{name:14} | {8 * store.size() / len(weights):.3f} bits a "
              f"weight | error {error / sumprod(weights, weights):.4f} | "
              f"old {evaluate(models[name], old):.3f}")
    return models

# === Learn on rounded bases ===
def show_taught(name, models, side, examples, steps):
    """A row a base: the held-out loss before and after its pairs learn."""
    learned = {}
    for base, model in models.items():
        learned[base] = taught(model, examples, steps)
        print(f"{name} names on {base:14} | before "
              f"{evaluate(model, side):.3f} | after "
              f"{evaluate(learned[base], side):.3f}")
    return learned


def show_later(base, learned, models, new):
    """Pairs that learned beside floats, and a base that is rounded later."""
    melted = copy(base)
    melted.layers = [[Node(melt(*both)) for both in
                      zip(base.layers[0], learned.pairs)]]
    for name, model in models.items():
        worn = copy(model)
        worn.pairs = learned.pairs
        merged, _ = rounded(melted, CODES[name])
        print(f"later {name:14} | with the pairs melted in "
              f"{evaluate(merged, new):.3f} | beside them "
              f"{evaluate(worn, new):.3f}")

# === Count the bytes ===
def show_memory(base, learned):
    """What training holds, in floats of four bytes but for the codes.

    A number that learns needs itself, its gradient and Adam's two means.
    """
    def count(nodes):
        return sum(len(node.value) * len(node.value[0]) for node in nodes)

    everything = count(base.parameters)
    pairs = count(node for pair in learned.pairs for node in pair)
    rows = [("full", 0, everything), ("LoRA", 4 * everything, pairs)]
    for name in LEARNED:
        _, store = rounded(base, CODES[name])
        tables = count([base.tokens, base.positions])
        rows.append((name, 4 * tables + store.size(), pairs))
    for name, frozen, learning in rows:
        print(f"memory {name:14} | frozen {frozen:6,} | learning "
              f"{16 * learning:6,} | all {frozen + 16 * learning:6,} bytes")

# === Refuse what measures nothing ===
def check():
    """One sentence for settings that measure nothing."""
    sane = all(levels in LEVELS and bits in range(2, 9) and block > 0
               for levels, bits, _, block, _ in CODES.values())
    if not sane or not {*LEARNED, *REPAIRED} <= {*CODES}:
        raise SystemExit("CODES have levels normal or even, 2 to 8 bits and "
                         "a block; LEARNED and REPAIRED name some of them")
    if min(NEW, BATCH, LAYERS, RANK, SHARES, SPREAD) < 1:
        raise SystemExit("NEW, BATCH, LAYERS, RANK, SHARES and SPREAD are at "
                         "least 1")
    if not 0 < HELD_OUT < 1:
        raise SystemExit("HELD_OUT is a share of the names: between 0 and 1")

# === Main ===
def main():
    check()
    random.seed(SEED)
    old, new = sides()
    if not all((old.held_out, old.train, new.held_out, new.train)):
        raise SystemExit("HELD_OUT leaves nothing to measure or to learn")
    few = new.train = new.train[:NEW]
    base = GPT(old)
    train(base, old.train, base.parameters, OLD_RATE, OLD_STEPS)
    print(f"old names | {len(old.train):,} to train on | "
          f"{len(old.held_out)} held out | floats {evaluate(base, old):.3f}")
    print(f"new names | {len(few)} to train on | {len(new.held_out)} held "
          f"out | counts {counts(new, 1, old.train, 30):.3f}")
    for bits in (4, 3, 2):
        levels = [f"{level:.4f}" for level in normal_levels(bits)]
        for i in range(0, len(levels), 8):
            print(f"NF{bits} |", *levels[i:i + 8])
    weights = flattened(base)
    show_spread("weights", weights)
    show_spread("normals", [random.gauss(0, 1) for _ in 20 * weights])
    models = show_codes(base, old)
    learned = show_taught("new", {"floats": base, **{
        name: models[name] for name in LEARNED}}, new, few, STEPS)
    show_later(base, learned["floats"],
               {name: models[name] for name in LEARNED}, new)
    show_taught("old", {"floats": base, **{
        name: models[name] for name in REPAIRED}}, old, old.train,
        REPAIR_STEPS)
    show_memory(base, learned["floats"])


if __name__ == "__main__":
    main()
