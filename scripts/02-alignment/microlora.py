"""microlora: a small GPT learns a new task through two thin matrices.

Claim: trained on boys' names, a network learns more than half of what there
is to learn about girls' names through a product B A of rank 1 beside each
matrix, with a fourteenth of the numbers that full fine-tuning trains. But one
row of the head, for the mark that ends a name, gets half with 16. Full
fine-tuning that forgets as much learns more than rank 4. The six matrices
themselves, trained at full rank without embeddings and head, do hardly better
than rank 4; with embeddings and head unfrozen, rank 4 does as well as full
fine-tuning with small steps. From rank 4 up, it matters more here where LoRA
may learn than at which rank.

Left out: dropout, quantized weights, adapters on embeddings and head.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2022). The
run shows held-out loss in nats per letter on new and old names, whole families
held out, beside counts, training from scratch, the row for the end mark and
the two halves of full fine-tuning; that an adapter melts into its matrix and
comes off without a trace; how many directions the full update has; what a zero
start keeps from learning.
"""

# === Imports ===
import csv
import random
from collections import Counter, defaultdict
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
HELD_OUT = 0.08  # of the names, never trained on
FAMILIES = True  # and no relative of theirs either, on either side
NEW = 150  # girls' names to learn from: with more a base is worth less
OLD_STEPS, OLD_RATE = 450, 0.03  # over the boys' names, a bit more than once
STEPS = 100  # of every adaptation: five times over the new names
BATCH = 8
WIDTH, HEADS, HIDDEN, LAYERS = 16, 2, 32, 1  # microgpt's network
LOOK, CAUSAL = "softmax", True  # attention as it is, with its mask
RATES = [0.003, 0.01, 0.03]  # of full fine-tuning
BEST = 0.01  # the one whose update is taken apart
EARLY = 50  # steps of a full fine-tuning at the first rate that stops early
SCRATCH_STEPS = 100  # without a base; 60 teach less, 300 overfit
RATE = 0.01  # of LoRA and of the head
MARK_RATES = [0.01, 0.1]  # of the end mark's row in the head; 0.3 is no better
OTHER_RATES = [0.003, 0.03]  # of LoRA's largest rank: full has three, too
RANKS = [1, 2, 4]
ALPHA = 8  # B A is scaled by ALPHA / rank, so that ranks share one rate
LEARN = "AB"  # knock-outs: "A" or "B" leaves the other as it was drawn
COUNTED = [1, 2, 3]  # letters that the counts look back
WEIGHTS = [10, 30]  # of a girl's name beside a boy's; 3 counts worse
MATRICES = ["query", "key", "value", "output", "up", "down"]
TURNS = 100  # of a power iteration; the printed digits have settled
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
    """The boys' names and the girls', each name where more had it.

    Families are held out of both sides at once: a network that learned
    daniel would not meet daniela for the first time.
    """
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

# === Adapt and measure ===
class Study:
    """A base, and what every way of adapting it starts from."""

    def __init__(self):
        self.old, self.new = sides()
        if min(NEW, BATCH, len(RATES), min(RANKS, default=0),
               len(self.old.held_out), len(self.new.held_out)) < 1:
            raise SystemExit("too little to measure: NEW and BATCH at least "
                             "1, HELD_OUT a name, RATES and RANKS one each")
        self.few = self.new.train = self.new.train[:NEW]
        self.model = GPT(self.old)
        train(self.model, self.old.train, self.model.parameters, OLD_RATE,
              OLD_STEPS)
        self.base = self.values()
        for name, side in (("old", self.old), ("new", self.new)):
            print(f"{name} names | {len(side.train):,} to train on | "
                  f"{len(side.held_out)} held out")
        self.show("base", [])

    def values(self):
        """Rows are replaced, never changed: a shallow copy keeps them."""
        return [list(node.value) for node in self.model.parameters]

    def restore(self, values):
        """Put numbers back, and the seed: new pairs are always the same."""
        random.seed(SEED)
        self.model.pairs = self.model.head_pair = None
        for node, rows in zip(self.model.parameters, values):
            node.value = list(rows)

    def show(self, name, parameters):
        """Held-out losses; Adam keeps two means of each trained number."""
        size = sum(len(n.value) * len(n.value[0]) for n in parameters)
        new, old = (evaluate(self.model, s) for s in (self.new, self.old))
        print(f"{name:22} | trained {size:5,} | Adam {2 * size:5,} | "
              f"new {new:.3f} | old {old:.3f}")

    # --- One way of adapting ---
    def adapt(self, name, parameters, rate, steps=STEPS):
        """Train `parameters` on the few new names and print a row."""
        random.seed(SEED)  # with pairs drawn or not: names in one order
        train(self.model, self.few, parameters, rate, steps)
        self.show(name, parameters)
        return self.values()

    def lora(self, name, rank, learn, rate=RATE, also=()):
        """Fresh pairs beside the base, of which A, B or both learn."""
        self.restore(self.base)
        pairs = self.model.pairs = thin_pairs(self.model, rank)
        self.adapt(name, [*also, *(
            node for pair in pairs for letter, node in zip("AB", pair)
            if letter in learn)], rate)
        return pairs

    def mark(self, rate):
        """Of the head only the row for END: a pair with a B that points."""
        self.restore(self.base)
        row = Node([[0.0] * WIDTH])  # A may start at zero, for B does not
        self.model.head_pair = row, Node([[(symbol == END) / ALPHA]
                                          for symbol in Side.symbols])
        self.adapt(f"end mark, rate {rate}", [row], rate)

# === Put adapters on, take them off, melt them ===
def swap(study, adapters):
    """How far the logits of one name move, at most, each time."""
    model, (name, _) = study.model, study.new.held_out[0]

    def logits(pairs):
        model.pairs = pairs
        rows = model.logits([(name, 1)], range(len(name))).value
        TAPE.clear()
        return sum(rows, [])

    def gap(one, other):
        return max(abs(a - b) for a, b in zip(one, other))

    study.restore(study.base)
    plain = logits(None)
    for rank, pairs in {"new": thin_pairs(model, 4), **adapters}.items():
        on, off = logits(pairs), logits(None)
        for matrix, pair in zip(model.layers[0], pairs):
            matrix.value = melt(matrix, pair)
        melted = logits(None)
        study.restore(study.base)
        print(f"adapter {rank:>3} | on {gap(on, plain):.3f} | off again "
              f"{gap(off, plain):.0e} | melted, against on "
              f"{gap(melted, on):.0e}")

# === Peel off the strongest directions ===
def peel(m, rank):
    """Shares of the `rank` strongest directions of M, and what is left.

    Power iteration: M^T M stretches its first eigenvector v most, so any
    start turns towards it. M v v^T is the best matrix of rank 1, its share
    the part of the sum of squares. Then the same with what is left.
    peel([[2, 0], [0, 0]], 1) -> ([1.0], [[0.0, 0.0], [0.0, 0.0]])
    """
    total, shares = sum(x * x for row in m for x in row) or 1.0, []
    for _ in range(rank):
        v = [1.0] * len(m[0])
        for _ in range(TURNS):
            mv = [sumprod(row, v) for row in m]
            v = [sumprod(column, mv) for column in zip(*m)]
            size = sqrt(sumprod(v, v)) or 1.0  # zeros stay zeros
            v = [x / size for x in v]
        mv = [sumprod(row, v) for row in m]
        m = [[x - a * b for x, b in zip(row, v)] for row, a in zip(m, mv)]
        shares.append(sumprod(mv, mv) / total)
    return shares, m

# --- Cut the full update down ---
def directions(study, tuned):
    """How much of the update a few directions hold, and what they do."""
    start = study.base[3:]  # without embeddings and head
    updates = [[[a - b for a, b in zip(*rows)] for rows in zip(*pair)]
               for pair in zip(tuned[3:], start)]
    for name, update in zip(MATRICES, updates):
        chance = [[random.gauss(0, 1) for _ in row] for row in update]
        held = [f"{100 * sum(peel(m, r)[0]):3.0f}%"
                for m in (update, chance) for r in (1, 4)]
        print(f"update | {name:6} | 1 direction holds {held[0]}, 4 {held[1]}"
              f" | by chance {held[2]}, {held[3]}")
    for rank in [0, *RANKS]:
        study.restore(tuned)
        for node, update in zip(study.model.layers[0], updates):
            node.value = [[a - b for a, b in zip(*rows)] for rows in
                          zip(node.value, peel(update, rank)[1])]
        print(f"update | cut to rank {rank} | new "
              f"{evaluate(study.model, study.new):.3f}")

# === Main ===
def main():
    random.seed(SEED)
    study = Study()
    everything, best = study.model.parameters, None
    for rate in RATES:
        study.restore(study.base)
        tuned = study.adapt(f"full, rate {rate}", everything, rate)
        best = tuned if rate == BEST or not best else best
    study.restore(study.base)
    study.adapt(f"full, {RATES[0]}, {EARLY} steps", everything, RATES[0],
                EARLY)
    study.restore(study.base)
    study.adapt("head only", [study.model.head], RATE)
    for rate in MARK_RATES:
        study.mark(rate)
    for name, half in (("the six matrices", everything[3:]),
                       ("embeddings and head", everything[:3])):
        study.restore(study.base)
        study.adapt(name, half, BEST)
    adapters = {rank: study.lora(f"LoRA, rank {rank}", rank, LEARN)
                for rank in RANKS}
    for rate in OTHER_RATES:
        study.lora(f"LoRA, rate {rate}", RANKS[-1], LEARN, rate)
    study.lora("LoRA and the rest", RANKS[-1], LEARN, RATES[0],
               everything[:3])
    study.lora("A learns, B stays 0", RANKS[-1], "A")
    swap(study, adapters)
    directions(study, best)
    for letters in COUNTED:
        print(f"counts, {letters} letters back | new "
              f"{counts(study.new, letters):.3f}")
        for weight in WEIGHTS:
            both = counts(study.new, letters, study.old.train, weight)
            print(f"counts of both, {letters} letters back, {weight} times | "
                  f"new {both:.3f}")
    study.restore([node.value for node in GPT(study.new).parameters])
    study.adapt("from scratch", everything, OLD_RATE, SCRATCH_STEPS)


if __name__ == "__main__":
    main()
