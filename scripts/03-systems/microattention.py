"""microattention: nine ways to look back, trained alike.

Claim: where records must be told apart, 300 steps leave heads that share keys
ahead of latents of the same size; with another start of the latents and ten
times the steps the seed decides. A window of half the records stays far
behind both. After 300 steps so is linear attention, whose memory never grows;
on the sounds of English words it is nearer to multi-head attention.

Left out: a norm, a feed-forward layer, a second layer, rotary positions.
Shazeer, "Fast Transformer Decoding: One Write-Head is All You Need" (2019).
The run shows held-out answers beside chance and two floors; what is computed
and kept, counted and by formula; and each layer run from its memory alone.
"""

# === Imports ===
import gzip
import random
from functools import reduce
from hashlib import sha256
from math import exp, inf, log, sqrt
from operator import add, mul
from pathlib import Path
from string import ascii_letters, digits

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
WIDTH = 16  # microgpt's
HEADS = 4  # two for each index, if they choose to divide the work so
KINDS = {  # name: what makes weights of scores, key heads, latents, window
    "multi-head": ("softmax", 4, 0, 0), "grouped-query": ("softmax", 2, 0, 0),
    "multi-query": ("softmax", 1, 0, 0),
    "latent 16": ("softmax", 4, 16, 0),  # keeps as much as grouped-query
    "latent 8": ("softmax", 4, 8, 0),  # as much as multi-query
    "window 8": ("softmax", 4, 0, 8),  # half of the records
    "linear": ("linear", 4, 0, 0), "mean": ("mean", 4, 0, 0),
    "nothing": ("nothing", 4, 0, 0)}
RECALL = ["multi-head", "grouped-query", "multi-query", "latent 16",
          "latent 8", "window 8", "linear", "mean", "nothing"]
SOUNDS = ["multi-head", "linear", "mean"]  # about eight seconds each
RATE = 0.05  # of 0.03, 0.04, 0.05 and 0.06, good for nearly all
RATES = {"latent 16": 0.03, "latent 8": 0.03}  # the narrow one: by seed 1
ORTHONORMAL = False  # True: the matrix that makes latents starts as a rotation
RECORDS = 16  # four times the columns of a head
INDEXES = 2  # 1: by name alone, which one head of keys learns far better
STEPS = 300  # what a minute and a half allows
BATCH = 4
WARM_UP = 20  # small steps while Adam's running means still say little
TEST = {"recall": 120, "sounds": 300}  # held-out sequences
HASHES = {"cmudict_small.txt.gz":
          "7fd27580a900cd6a97820ca4047788a8aa20dc7a0bdee38d3203071b6da4aa2c"}

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
def read_words():
    """Lines such as ["soft", "S", "AO", "F", "T"]."""
    packed = shipped("cmudict_small.txt.gz")
    return [line.split() for line in
            gzip.decompress(packed).decode("ascii").splitlines()]


# === Hand out rooms and ask for them ===
def records():
    """(tokens, questions): a hotel's book and as many questions about it.

    A token is a tuple of ids whose vectors are added. A record is a name
    0..25, a room 26..51 and a digit 52..61 at once; a question is one name
    or one room. It asks for the digit, sees every record and no question:
    (token, tokens seen, target, how many records back the answer stands).
    """
    # digits alone may repeat, so nearly every book has a favourite
    tokens = list(zip(random.sample(range(26), RECORDS),
                      random.sample(range(26, 52), RECORDS),
                      random.choices(range(52, 62), k=RECORDS)))
    questions = []
    for _ in tokens:
        # drawn anew each time: who sees only names loses half of the answers
        i, index = random.randrange(RECORDS), random.randrange(INDEXES)
        questions.append(((tokens[i][index],), RECORDS, tokens[i][2] - 52,
                          RECORDS - i))
    return tokens, questions


# === Ask for the sounds of a word ===
def spelling(word, sounds, number):
    """The same for s o f t : S AO F T . with questions from the colon on.

    A token is a symbol and a place; places begin again at the colon.
    """
    n, ids = len(word), [number[s] for s in [*word, ":", *sounds, "."]]
    tokens = [(s, len(number) + (i if i < n else i - n))
              for i, s in enumerate(ids[:-1])]
    return tokens, [(tokens[i], i + 1, ids[i + 1], n)
                    for i in range(n, len(tokens))]


# === Hold some examples out ===
class Task:
    """Examples to train on, others to test, the sizes of two matrices."""

    def __init__(self, name, words):
        self.name, held = name, TEST[name]
        if name == "recall":  # new ones as long as we like: none comes twice
            examples = [records() for _ in range(held + STEPS * BATCH)]
            self.rows, self.classes = 62, 10
        else:
            symbols = sorted({s for word, *sounds in words
                              for s in [*word, *sounds, ":", "."]})
            number = {s: i for i, s in enumerate(symbols)}
            held_out, learn = hold_out(families(words), held, random.shuffle)
            examples = [spelling(word, sounds, number)
                        for word, *sounds in held_out + learn]
            self.classes = len(symbols)
            self.rows = self.classes + max(len(t) for t, _ in examples)
        self.test, self.train = examples[:held], examples[held:]


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


# === Weigh a span ===
def weigh(queries, keys, spans, rule):
    """Weights f(s) / sum f(s) of each row's scores, and f'(s) / sum f(s).

    Row i scores keys[start:stop] of spans[i], s = q.k. "softmax": f(s) =
    exp(s / sqrt(d)); "linear": f(s) = s, of features that are positive;
    "mean": f(s) = 1. The slopes are for the way back.
    weigh([[3]], [[5], [7]], [(1, 2)], "mean") -> ([[0.0, 1.0]], [[0.0, 0.0]])
    """
    weights, slopes, scale = [], [], 1 / sqrt(len(queries[0]))
    for query, (start, stop) in zip(queries, spans):
        row = [sumprod(query, key) for key in keys[start:stop]]
        if rule == "softmax":
            row = softmax([scale * s for s in row])
            slope = [scale * p for p in row]
        elif rule == "linear":
            total = sum(row)
            row, slope = [s / total for s in row], [1 / total] * len(row)
        else:
            row, slope = [1 / len(row)] * len(row), [0.0] * len(row)
        # zeros where nothing is seen: they let no gradient through
        for rows, part in (weights, row), (slopes, slope):
            rows.append([0.0] * start + part + [0.0] * (len(keys) - stop))
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


# === Let heads share keys ===
def attend(queries, keys, values, places, groups, rule):
    """[asked][WIDTH] from queries of that shape and [kept][groups * size].
    A head reads the keys and values of its group: groups = HEADS is
    multi-head, 1 is multi-query. `places` has, for each sequence, its rows
    that ask, its rows that are kept, and the spans of those who ask.
    """
    size = WIDTH // HEADS
    out, kept = [[0.0] * WIDTH for _ in queries.value], []
    for asked, stored, spans in places:
        for head in range(HEADS):
            # the columns of its group: a copy would cost what sharing saves
            left = head * groups // HEADS * size
            to, block = (*asked, head * size, (head + 1) * size), (
                *stored, left, left + size)
            q, k, v = (cut(queries.value, to), cut(keys.value, block),
                       cut(values.value, block))
            weights, slopes = weigh(q, k, spans, rule)
            paste(out, to, product(weights, transpose(v)))
            kept.append((to, block, q, k, v, weights, slopes))

    def pull(grad):
        dq, dk, dv = ([[0.0] * len(node.value[0]) for _ in node.value]
                      for node in (queries, keys, values))
        for to, block, q, k, v, weights, slopes in kept:
            dout, dscores = cut(grad, to), []
            # product(dout, v) is dP: how much each value would have helped
            for p, slope, dp in zip(weights, slopes, product(dout, v)):
                mean = sumprod(p, dp)  # dS = slope (dP - sum(P dP))
                dscores.append([a * (b - mean) for a, b in zip(slope, dp)])
            paste(dq, to, product(dscores, transpose(k)))
            for rows, left, right in (dk, dscores, q), (dv, weights, dout):
                part = product(transpose(left), transpose(right))
                paste(rows, block, [list(map(add, a, b)) for a, b in zip(
                    cut(rows, block), part)])  # heads that share: both parts
        for node, rows in (queries, dq), (keys, dk), (values, dv):
            node.receive(rows)

    return record(out, pull)


# === Make features positive ===
def positive(row):
    """positive([1, 0]) -> [2, 1.0]"""
    return [v + 1 if v > 0 else exp(v) for v in row]


def features(x):
    """phi: x + 1 above zero, where its slope is 1, and e^x, its own, below."""
    out = [positive(row) for row in x.value]

    def pull(grad):
        x.receive([[g * min(1.0, v) for g, v in zip(dy, row)]
                   for dy, row in zip(grad, out)])

    return record(out, pull)


# === Turn rows to right angles ===
def orthonormal(rows):
    """Gram and Schmidt: rows of length 1, each at right angles to all others.

    orthonormal([[3, 0], [5, 2]]) -> [[1.0, 0.0], [0.0, 1.0]]
    """
    done = []
    for row in rows:
        for other in done:
            along = sumprod(row, other)
            row = [a - along * b for a, b in zip(row, other)]
        length = sqrt(sumprod(row, row))
        done.append([v / length for v in row])
    return done


# === A layer that looks back ===
class Layer:
    """Parameters, and the function from sequences to logits."""

    def __init__(self, kind, task):
        def linear(outputs, inputs, spread=0.5):
            spread /= sqrt(inputs)
            return Node([[random.gauss(0, spread) for _ in range(inputs)]
                         for _ in range(outputs)])

        self.rule, self.groups, self.latents, self.window = KINDS[kind]
        kept, source = self.groups * WIDTH // HEADS, self.latents or WIDTH
        self.table = linear(task.rows, WIDTH, 2)
        self.head = linear(task.classes, WIDTH)
        self.layer = [linear(WIDTH, WIDTH), linear(kept, source),
                      linear(kept, source), linear(WIDTH, WIDTH)]
        self.query, self.key, self.value, self.output = self.layer
        if self.latents:  # with 0.5 keys would start at half their size
            self.down = linear(self.latents, WIDTH, 1)
            if ORTHONORMAL:  # no direction of y starts out nearly lost
                self.down.value = orthonormal(self.down.value)
            self.layer.append(self.down)
        self.parameters = [self.table, self.head, *self.layer]

    def embed(self, tokens):
        """The sum of the vectors of a token's ids: [tokens][WIDTH]."""
        # one table for ids of every kind, so that no column is a name's or a
        # room's by design: query and key have to learn to tell them apart
        return reduce(plus, [pick(self.table, ids)
                             for ids in transpose(tokens)])

    # === From questions to logits ===
    def logits(self, examples):
        """[questions][classes], the questions of all examples in a row."""
        x = self.embed([q[0] for _, asked in examples for q in asked])
        # added to the question's own row, as in microgpt; a layer that sees
        # nothing has only that row to answer from
        if self.rule != "nothing":
            x = plus(x, times(self.recall(x, examples), self.output))
        return times(x, self.head)

    def recall(self, asking, examples):
        """Queries of those who ask, keys and values of what is kept."""
        y = self.embed([t for tokens, _ in examples for t in tokens])
        # one tall matrix of all sequences: three products and not three for
        # each; `places` says which rows belong together
        places, a, k = [], 0, 0
        for tokens, questions in examples:
            spans = [(max(0, seen - self.window) if self.window else 0, seen)
                     for _, seen, _, _ in questions]
            places.append(((a, a + len(questions)), (k, k + len(tokens)),
                           spans))
            a, k = a + len(questions), k + len(tokens)
        if self.latents:
            y = times(y, self.down)
        # with all tokens at hand, keys made from latents once serve all that
        # ask; to absorb the matrices pays when one row asks at a time
        values = times(y, self.value)
        if self.rule == "mean":  # nobody asks, so any matrix will do
            return attend(asking, values, values, places, HEADS, self.rule)
        queries, keys = times(asking, self.query), times(y, self.key)
        if self.rule == "linear":
            queries, keys = features(queries), features(keys)
        return attend(queries, keys, values, places, self.groups, self.rule)


# === Keep what a later question needs ===
WORK = [0]  # multiply-adds so far


def against(rows, row):
    """against([[2, 1]], [3, 4]) -> [10]"""
    WORK[0] += len(rows) * len(row)
    return [sumprod(r, row) for r in rows]


def keep(model, memory, y):
    """One token, the row y, leaves in `memory` all that it will."""
    if model.latents:  # keys and values can be made again from these
        memory.append(against(model.down.value, y))
        return
    key, value = against(model.key.value, y), against(model.value.value, y)
    if model.rule == "softmax":
        memory.append(key + value)
        del memory[:-model.window]  # [:-0] is nothing: no window, all stay
        return
    size = WIDTH // HEADS
    if not memory:  # M, one block of [size][size] a head, and z below it
        memory += [[0.0] * size for _ in key] + [[0.0] * WIDTH]
    # M += phi(k)^T v and z += phi(k): the token is in the sums, and no
    # row is left by which it could be found or dropped
    for i, k in enumerate(positive(key)):
        left = i // size * size
        memory[i] = [s + k * v for s, v in zip(memory[i], value[left:])]
        memory[-1][i] += k
    WORK[0] += WIDTH * size


# === Answer from memory ===
def look(model, memory, y):
    """What `attend` gives to one row that asks, from `memory` alone."""
    query, size, out = against(model.query.value, y), WIDTH // HEADS, []
    for head in range(HEADS):
        rows = slice(head * size, (head + 1) * size)
        q = query[rows]
        if model.rule == "linear":  # phi(q) M / phi(q).z
            q = positive(q)
            total, = against([memory[-1][rows]], q)
            out += [v / total for v in against(transpose(memory[rows]), q)]
            continue
        if model.latents:  # q.(U_k c) = (U_k^T q).c: so no key is made again
            q = against(transpose(model.key.value[rows]), q)
            keys = values = memory
        else:
            left = head * model.groups // HEADS * size
            keys = [row[left:left + size] for row in memory]
            left += model.groups * size
            values = [row[left:left + size] for row in memory]
        weights = softmax([s / sqrt(size) for s in against(keys, q)])
        # latents are mixed first and brought up once, U_v (sum P c); with
        # sum P (U_v c) there would be a value of every token to make
        mixed = against(transpose(values), weights)
        out += (against(model.value.value[rows], mixed) if model.latents
                else mixed)
    return out


# === Count, and compare both ways ===
def formula(model, n):
    """Multiply-adds for token n and one question, and floats then kept."""
    latents, kept = model.latents, model.groups * WIDTH // HEADS
    seen, size, square = min(n, model.window or n), WIDTH // HEADS, WIDTH ** 2
    if model.rule == "linear":
        return 4 * square + 2 * WIDTH * size + WIDTH, WIDTH * size + WIDTH
    if latents:
        return (2 * square + 3 * WIDTH * latents + 2 * seen * HEADS * latents,
                seen * latents)
    return 2 * square + 2 * WIDTH * (kept + seen), 2 * seen * kept


def account(kind, model, task):
    """What is counted, by formula; training's way and this one compared."""
    tokens, questions = task.test[0]
    asking = model.embed([q[0] for q in questions])
    trained, memory = model.recall(asking, task.test[:1]).value, []
    for n, y in enumerate(model.embed(tokens * 4).value, 1):
        WORK[0] = 0
        keep(model, memory, y)
        # one token and one answer, as when each token is written in turn
        if n in (RECORDS, 4 * RECORDS):
            out = look(model, memory, asking.value[0])
            against(model.output.value, out)
            work, floats = formula(model, n)
            print(f"cost   | {kind:13} | after {n} | work {WORK[0]:5,} = "
                  f"{work:5,} | kept {sum(map(len, memory)):5,} = {floats:5,}")
        if n == RECORDS:
            again = [look(model, memory, y) for y in asking.value]
    TAPE.clear()
    gap = max(abs(a - b) for x, y in zip(trained, again) for a, b in zip(x, y))
    size = sum(len(w.value) * len(w.value[0]) for w in model.layer)
    print(f"cost   | {kind:13} | numbers {size:,} | off by {gap:.0e}")


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
def train(model, task, rate):
    """Adam, up for WARM_UP steps, then down to zero; the loss by thirds."""
    optimizer, losses = Adam(model.parameters), []
    for step in range(STEPS):
        batch = task.train[step * BATCH:(step + 1) * BATCH]
        loss = cross_entropy(model.logits(batch),
                             [q[2] for _, asked in batch for q in asked])
        losses.append(loss.value[0][0])
        backward(loss)
        # small steps at the end average over what single batches want
        optimizer.step(rate * min((step + 1) / max(1, WARM_UP), (STEPS - step)
                                  / max(1, STEPS - WARM_UP)))
    third = max(1, STEPS // 3)  # records: a loss on sequences never met before
    return [sum(losses[i * third:(i + 1) * third]) / third for i in range(3)]


# --- Ask what nobody trained on ---
def examine(who, model, task):
    """Loss and right answers; those to near records and to far ones."""
    questions = [q for _, asked in task.test for q in asked]
    logits, targets = model.logits(task.test), [q[2] for q in questions]
    loss = cross_entropy(logits, targets).value[0][0]
    TAPE.clear()
    said = [row.index(max(row)) for row in logits.value]
    line = f"{task.name} | {who:13} | held-out {loss:.3f}"
    parts = [("right", 0, inf), ("near", 0, RECORDS // 2),
             ("far", RECORDS // 2, inf)]
    for name, low, high in parts if task.name == "recall" else parts[:1]:
        hits = [a == q[2] for a, q in zip(said, questions)
                if low < q[3] <= high]
        line += f" | {name} {100 * sum(hits) / len(hits):4.1f}%"
    print(line)
    return said


# --- Show one sequence ---
def show(task, said):
    """The first held-out book; the answers to all questions, and ours."""
    symbols = ascii_letters + digits
    tokens, questions = task.test[0]
    asked = [symbols[token[0]] for token, *_ in questions]
    print("book   |", *("".join(symbols[i] for i in t) for t in tokens))
    print("right  |", *(f"{s}={q[2]}" for s, q in zip(asked, questions)))
    print("said   |", *(f"{s}={a}" for s, a in zip(asked, said)))


# === Main ===
def study(task, kinds):
    """Train each kind on the same sequences, measure, cut, count."""
    trained = []
    for kind in kinds:
        # the same first draws for all: designs of equal shapes start equal
        random.seed(SEED)
        model = Layer(kind, task)
        trained.append((kind, model, train(model, task,
                                           RATES.get(kind, RATE))))
        said = examine(kind, model, task)
        if task.name == "recall" and kind == "multi-head":
            show(task, said)
            model.window = 8  # what was learnt stays, half of the sight goes
            examine("cut to 8", model, task)
            model.window, model.rule = 0, "mean"  # scores have no say
            examine("averaging", model, task)
            model.rule = "softmax"
    for kind, _, losses in trained:
        print(f"{task.name} | {kind:13} | train "
              + " ".join(f"{loss:.3f}" for loss in losses))
    for kind, model, _ in trained:
        if task.name == "recall" and kind not in ("mean", "nothing"):
            account(kind, model, task)


def main():
    words = read_words()  # first, so that missing data stop it here
    for name, kinds in ("recall", RECALL), ("sounds", SOUNDS):
        random.seed(SEED)
        study(Task(name, words), kinds)


if __name__ == "__main__":
    main()
