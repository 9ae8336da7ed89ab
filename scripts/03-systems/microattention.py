"""microattention: eight ways to look back, trained alike.

Claim: what a layer can recall is bounded by what it keeps, and seldom
reaches that bound in a short training.

Left out: ...
"""

# === Imports ===
import gzip
import random
import sys
import time
from hashlib import sha256
from math import exp, log, sqrt
from operator import add, mul
from pathlib import Path

# === Settings ===
SEED = 1
TASKS = ["recall", "sounds"]
WIDTH = 16  # as in microgpt: small enough for plain Python
HEADS = 4  # two for each of the two indexes
RECORDS = 16  # more than any head has columns, so none can list them all
INDEXES = 2  # 1: questions come by name alone
STEPS = {"recall": 300, "sounds": 400}
BATCH = 4  # as good a sequence as 8, and twice as many steps
WARM_UP = 20
TEST = {"recall": 150, "sounds": 500}
# name: (how scores become weights, key heads, latents, window)
KINDS = {
    "multi-head": ("softmax", 4, 0, 0),
    "grouped, 2": ("softmax", 2, 0, 0),
    "latent, 16": ("softmax", 4, 16, 0),
    "multi-query": ("softmax", 1, 0, 0),
    "latent, 8": ("softmax", 4, 8, 0),
    "window, 8": ("softmax", 4, 0, 8),
    "linear": ("linear", 4, 0, 0),
    "mean": ("mean", 4, 0, 0),
    "nothing": ("none", 0, 0, 0)}
RATES = {"multi-head": 0.03, "grouped, 2": 0.03, "latent, 16": 0.03,
         "multi-query": 0.03, "latent, 8": 0.03, "window, 8": 0.03,
         "linear": 0.03, "mean": 0.03, "nothing": 0.03}

# === Data ===
FOLDER = Path(__file__).resolve().parent.parent / "data"
FILE = "cmudict_small.txt.gz"
HASH = "7fd27580a900cd6a97820ca4047788a8aa20dc7a0bdee38d3203071b6da4aa2c"


def read_words():
    """Spellings with their sounds: [(["h", "i"], ["HH", "AY"]), ...]."""
    path = FOLDER / FILE
    packed = path.read_bytes() if path.is_file() else b""
    if sha256(packed).hexdigest() != HASH:
        sys.exit(f"{path.name} is missing or altered: it belongs in "
                 f"{FOLDER}, with the SHA-256 {HASH}")
    lines = gzip.decompress(packed).decode("ascii").splitlines()
    return [(list(word), sounds) for word, *sounds in map(str.split, lines)]


# --- Hand out rooms and ask for them ---
def recall():
    """One sequence: RECORDS tokens and as many questions about them.

    A token is a tuple of ids, whose vectors are added: a record is a name
    0..25, a room 26..51 and a digit 52..61 at once; a question is a name or
    a room, sees all records and no other question, and asks for the digit.
    Returns (tokens, questions), a question being
    (token, records seen, target, how many records back).
    """
    tokens = list(zip(random.sample(range(26), RECORDS),
                      random.sample(range(26, 52), RECORDS),
                      random.choices(range(52, 62), k=RECORDS)))
    questions = []
    for _ in tokens:
        i, by = random.randrange(RECORDS), random.randrange(INDEXES)
        questions.append(((tokens[i][by],), RECORDS, tokens[i][2] - 52,
                          RECORDS - i))
    return tokens, questions


# --- Ask for the sounds of a word ---
def spelling(word, sounds, number):
    """The same shape for s o f t : S AO F T . with the loss on the sounds.

    The token that asks is the last one seen. Each is a symbol and a place;
    the places begin again at the colon, as in microgpt.
    """
    ids = [number[s] for s in [*word, ":", *sounds, "."]]
    tokens = [(s, len(number) + (i if i < len(word) else i - len(word)))
              for i, s in enumerate(ids[:-1])]
    return tokens, [(tokens[i], i + 1, ids[i + 1], i - len(word) + 1)
                    for i in range(len(word), len(tokens))]


# --- Hold some examples out ---
class Task:
    """Examples to train on, others to test, the sizes of the two tables."""

    def __init__(self, name, words):
        self.name = name
        if name == "recall":  # there are more sequences than anyone can meet
            self.rows, self.classes = 62, 10
            self.test = [recall() for _ in range(TEST[name])]
            self.train = [recall() for _ in range(STEPS[name] * BATCH)]
            return
        symbols = sorted({s for pair in words for part in pair for s in part}
                         | {":", "."})
        number = {s: i for i, s in enumerate(symbols)}
        words = [spelling(*pair, number)
                 for pair in random.sample(words, len(words))]
        self.classes = len(symbols)
        self.rows = 1 + max(t[1] for tokens, _ in words for t in tokens)
        self.test, self.train = words[:TEST[name]], words[TEST[name]:]


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
    return [[sum(map(mul, row, col)) for col in b] for row in a]


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
    scales = [1 / sqrt(sum(map(mul, row, row)) / width + 1e-5)
              for row in x.value]
    out = [[s * v for v in row] for s, row in zip(scales, x.value)]

    def pull(grad):
        along = [sum(map(mul, dy, y)) / width for dy, y in zip(grad, out)]
        x.receive([[s * (g - a * v) for g, v in zip(dy, y)]
                   for s, a, dy, y in zip(scales, along, grad, out)])

    return record(out, pull)


# === Turn scores into weights ===
def weigh(queries, keys, spans, rule):
    """P_ij = f(s_ij) / sum_k f(s_ik) and, for the way back, f'(s_ij) / sum.

    Row i looks at keys[start:stop], spans[i]. softmax: f = exp and
    s = q.k / sqrt(d), so f' / sum is P itself; linear: f(s) = s = q.k.
    weigh([[1, 1]], [[1, 0], [1, 1]], [(0, 2)], "linear")[0] -> [[1/3, 2/3]]
    """
    weights, slopes = [], []
    scale = 1 / sqrt(len(queries[0])) if rule == "softmax" else 1
    for query, (start, stop) in zip(queries, spans):
        before, after = [0.0] * start, [0.0] * (len(keys) - stop)
        if rule == "mean":
            row = slope = [1 / (stop - start)] * (stop - start)
        else:
            row = [scale * sum(map(mul, query, key))
                   for key in keys[start:stop]]
            if rule == "softmax":
                row = softmax(row)
                slope = [scale * p for p in row]
            else:
                total = sum(row)
                row = [s / total for s in row]
                slope = [1 / total] * len(row)
        weights.append(before + row + after)
        slopes.append(before + slope + after)
    return weights, slopes


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


# --- Let heads share keys ---
def attend(queries, keys, values, places, groups, rule):
    """[asked][WIDTH] from queries, [asked][WIDTH], and shared keys.

    A group of heads reads one block of keys and values. Its queries stand
    below one another as if they were more rows of a single head: shared
    keys are more questions to the same list. groups = HEADS is multi-head,
    1 multi-query.
    """
    size, share = WIDTH // HEADS, HEADS // groups
    out, kept = [[0.0] * WIDTH for _ in queries.value], []
    for (top, bottom), (first, last), spans in places:
        for group in range(groups):
            heads = [(top, bottom, left, left + size) for left in range(
                group * share * size, (group + 1) * share * size, size)]
            block = (first, last, group * size, (group + 1) * size)
            q = sum((cut(queries.value, head) for head in heads), [])
            k, v = cut(keys.value, block), cut(values.value, block)
            weights, slopes = weigh(q, k, spans * share, rule)
            spread(out, heads, product(weights, transpose(v)))
            kept.append((heads, block, q, k, v, weights, slopes))

    def pull(grad):
        dq, dk, dv = ([[0.0] * len(node.value[0]) for _ in node.value]
                      for node in (queries, keys, values))
        for heads, block, q, k, v, weights, slopes in kept:
            dout = sum((cut(grad, head) for head in heads), [])
            paste(dv, block, product(transpose(weights), transpose(dout)))
            if rule == "mean":
                continue  # the scores had no say
            dscores = []
            for p, slope, dp in zip(weights, slopes, product(dout, v)):
                mean = sum(map(mul, p, dp))
                dscores.append([a * (b - mean) for a, b in zip(slope, dp)])
            spread(dq, heads, product(dscores, transpose(k)))
            paste(dk, block, product(transpose(dscores), transpose(q)))
        for node, rows in ((queries, dq), (keys, dk), (values, dv)):
            node.receive(rows)

    return record(out, pull)


def spread(rows, heads, parts):
    """Undo the stacking: each head's rows go back to its columns."""
    n = len(parts) // len(heads)
    for i, head in enumerate(heads):
        paste(rows, head, parts[i * n:(i + 1) * n])


# === Make scores positive ===
def positive(row):
    """phi(x) = x + 1 above zero, e^x below: never negative, never flat.

    positive([1, 0]) -> [2, 1.0]
    """
    return [v + 1 if v > 0 else exp(v) for v in row]


def features(x):
    """phi on every number; its slope is 1 above zero and phi itself below."""
    out = [positive(row) for row in x.value]

    def pull(grad):
        x.receive([[g * min(1.0, v) for g, v in zip(dy, row)]
                   for dy, row in zip(grad, out)])

    return record(out, pull)


# === One layer that looks back ===
class Layer:
    """Parameters, and the function from sequences to logits."""

    def __init__(self, kind, task):
        self.rule, self.groups, self.latents, self.window = KINDS[kind]

        def matrix(rows, columns, spread):
            return Node([[random.gauss(0, spread) for _ in range(columns)]
                         for _ in range(rows)])

        def linear(outputs, inputs, spread=0.5):
            return matrix(outputs, inputs, spread / sqrt(inputs))

        self.table = matrix(task.rows, WIDTH, 0.5)
        self.head = linear(task.classes, WIDTH)
        self.parameters = [self.table, self.head]
        kept = self.groups * WIDTH // HEADS  # columns of keys
        source = self.latents or WIDTH
        if self.rule in ("softmax", "linear"):
            self.query, self.key = linear(WIDTH, WIDTH), linear(kept, source)
            self.parameters += [self.query, self.key]
        if self.latents:  # two small matrices in a row would be too small
            self.down = linear(self.latents, WIDTH, 1)
            self.parameters.append(self.down)
        if self.groups:
            self.value, self.output = linear(kept, source), linear(WIDTH,
                                                                   WIDTH)
            self.parameters += [self.value, self.output]

    def embed(self, tokens):
        """The sum of the vectors of a token's ids: [tokens][WIDTH]."""
        first, *others = transpose(tokens)
        x = pick(self.table, first)
        for ids in others:
            x = plus(x, pick(self.table, ids))
        return x

    # --- From tokens to logits ---
    def logits(self, examples):
        """[questions][classes], the questions of all examples in a row."""
        asking = self.embed([q[0] for _, questions in examples
                             for q in questions])
        if self.rule != "none":
            asking = plus(asking, times(self.look_back(
                rms_norm(asking), examples), self.output))
        return times(rms_norm(asking), self.head)

    def look_back(self, asking, examples):
        """Queries from those who ask, keys and values from those kept."""
        y = rms_norm(self.embed([t for tokens, _ in examples
                                 for t in tokens]))
        places, top, first = [], 0, 0
        for tokens, questions in examples:
            bottom, last = top + len(questions), first + len(tokens)
            places.append(((top, bottom), (first, last), [
                (max(0, seen - self.window) if self.window else 0, seen)
                for _, seen, _, _ in questions]))
            top, first = bottom, last
        if self.latents:
            y = times(y, self.down)
        values = times(y, self.value)
        if self.rule == "mean":  # queries and keys without a say
            return attend(asking, values, values, places, HEADS, "mean")
        queries, keys = times(asking, self.query), times(y, self.key)
        if self.rule == "linear":
            queries, keys = features(queries), features(keys)
        return attend(queries, keys, values, places, self.groups, self.rule)


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
        rate = (learning_rate * sqrt(1 - b2 ** self.steps)
                / (1 - b1 ** self.steps))
        for node, moments in zip(self.parameters, self.moments):
            if node.grad is None:
                continue
            for i, (grad, (m, v)) in enumerate(zip(node.grad, moments)):
                m = [b1 * a + (1 - b1) * g for a, g in zip(m, grad)]
                v = [b2 * a + (1 - b2) * g * g for a, g in zip(v, grad)]
                moments[i] = m, v
                node.value[i] = [w - rate * a / (sqrt(b) + eps) for w, a, b
                                 in zip(node.value[i], m, v)]
            node.grad = None


# === Training ===
def targets_of(examples):
    return [q[2] for _, questions in examples for q in questions]


def train(model, task, rate):
    """Adam, up for WARM_UP steps and down to zero, each along a line."""
    optimizer, steps = Adam(model.parameters), STEPS[task.name]
    for step in range(steps):
        batch = task.train[step * BATCH:(step + 1) * BATCH]
        backward(cross_entropy(model.logits(batch), targets_of(batch)))
        optimizer.step(rate * min((step + 1) / WARM_UP,
                                  (steps - step) / (steps - WARM_UP)))


def examine(model, task):
    """Loss; share of right answers: all, near, far."""
    logits = model.logits(task.test)
    targets = targets_of(task.test)
    loss = cross_entropy(logits, targets).value[0][0]
    TAPE.clear()
    back = [q[3] for _, questions in task.test for q in questions]
    right = [row.index(max(row)) == t for row, t in zip(logits.value, targets)]
    near = [r for r, b in zip(right, back) if b <= 8]
    far = [r for r, b in zip(right, back) if b > 8]
    return loss, [sum(r) / max(1, len(r)) for r in (right, near, far)]


def main():
    words = read_words()
    for name in TASKS:
        random.seed(SEED)
        task = Task(name, words)
        for kind in RATES:
            random.seed(SEED)
            model = Layer(kind, task)
            a = time.process_time()
            train(model, task, RATES[kind])
            loss, shares = examine(model, task)
            print(name, kind, f"{loss:.3f}", *(f"{s:.3f}" for s in shares),
                  f"{time.process_time() - a:.1f}", flush=True)


if __name__ == "__main__":
    main()
