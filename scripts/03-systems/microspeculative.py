"""microspeculative: a cheap guesser drafts, the dear model checks.

Claim: drafts by a table of counts save more than half of a GPT's calls, and
the names that come out have the distribution of the GPT alone, exactly. One
line makes it so, a draw from what the draft lacks; without it the chances of
the first two letters are off by a tenth. And the table that predicts names
best is not the best draft.

Left out: batches, trees of drafts, temperature, and speed: plain Python pays
for each row that a call reads, so the run counts calls and rows.
Leviathan, Kalman and Matias, "Fast Inference from Transformers via
Speculative Decoding" (2023); Chen et al., "Accelerating Large Language Model
Decoding with Speculative Sampling" (2023). The run shows calls saved by
draft and by length, all ways in which the dice of a call can fall, and what
a rule that is wrong does to names.
"""
# === Imports ===
import random
from collections import Counter, defaultdict
from hashlib import sha256
from math import exp, log, sqrt
from operator import add, mul
from pathlib import Path
from statistics import fmean

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
HELD_OUT = 0.1  # of the names, never trained on
FAMILIES = True  # False: hold out one by one, and half of them have kin
EXAMPLES = 20_000  # more than there are: learn from all
# The target is microgpt's network, trained as there; Memory reads it so.
WIDTH = 16
HEADS = 2
HIDDEN = 32
LAYERS = 1
LOOK = "softmax"
CAUSAL = True
POSITIONS = "restart"
RESIDUAL = True
STEPS = 700
BATCH = 8
RATE = 0.03
WARM_UP = 50
DISCOUNT = 0.75  # microgpt's, for the counts that draft
REPORT = 350  # steps between two rows of the learning curve
CHECKED = 200  # held-out names behind such a row
LETTERS = [0, 1, 2, 3, 4]  # of the past that the drafting counts look at
LETTER = 1  # the draft that the other tables are about: not the best
LENGTHS = [1, 2, 3, 4, 6, 8]  # tokens drafted before the target is called
LENGTH = 4  # where lengths are not the point: names end, 8 gain little
OWN = 4_000  # names by the target to learn from; more teach more
NAMES = 500  # written for a row: its second digit moves by a few
ENUMERATED = 2  # first letters, by every fall of the dice; 3 take minutes
SPELLED = 5  # names, call by call
BEGUN = "ma"  # after which letters to compare the chances
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


def read():
    """Lists [name], in the order of the file."""
    lines = shipped("names.csv").decode("ascii").split()[1:]
    return [line.split(",")[:1] for line in lines]


def example(name):
    """(symbols, given): . e m m a . with 1 given, the first mark."""
    return [END, *name, END], 1


# --- Number the symbols, hold some examples out ---
class Task:
    """Examples with ids for symbols, in random order, and their split."""

    def __init__(self, name, rows):
        groups = families(rows) if FAMILIES else [[row] for row in rows]
        parts = hold_out(groups, int(HELD_OUT * len(rows)), random.shuffle)
        parts = [[example(*row) for row in part] for part in parts]
        self.name, both = name, parts[0] + parts[1]
        self.symbols = sorted({s for row, _ in both for s in row})
        self.id = {s: i for i, s in enumerate(self.symbols)}
        self.longest = max(len(row) for row, _ in both)
        self.held_out, train = ([([self.id[s] for s in row], given)
                                 for row, given in part] for part in parts)
        self.train = train[:EXAMPLES]

# --- Count and smooth ---
def count(cases):
    """Table of how often a token followed clues, from pairs of the two."""
    table = defaultdict(Counter)
    for clues, token in cases:
        for n in range(len(clues), -1, -1):
            table[clues[:n]][token] += 1
            if table[clues[:n]][token] > 1:
                break  # fewer clues count a token once a place (Kneser, Ney)
    return table


def chance(table, clues, token, classes):
    """P(token): counts give up DISCOUNT each, for fewer clues to spread.
    chance({(): Counter([0, 0])}, (), 0, 4) -> 0.71875
    """
    p = 1 / classes
    for n in range(len(clues) + 1):
        if seen := table.get(clues[:n]):
            p = (max(0, seen[token] - DISCOUNT)
                 + DISCOUNT * len(seen) * p) / seen.total()
    return p

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

# === Tell where a token stands ===
def positions(length, given):
    """Positions of a sequence, beginning again at its last given symbol.

    The first transformer's decoder counts afresh too. So the row asked for
    the third sound shares a vector with the third letter, and can find it.
    positions(6, 4) -> [0, 1, 2, 0, 1, 2]
    """
    start = given - 1 if POSITIONS == "restart" else length
    return [i if i < start else i - start for i in range(length)]

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

    # --- From tokens to logits ---
    def logits(self, examples, asked):
        """[asked][symbols]: scores of what follows the rows `asked`."""
        x = pick(self.tokens, [i for ids, _ in examples for i in ids])
        if POSITIONS != "none":
            x = plus(x, pick(self.positions, [
                p for ids, g in examples for p in positions(len(ids), g)]))
        blocks, top, size = [], 0, WIDTH // HEADS
        for ids, _ in examples:
            blocks += [(top, top + len(ids), left, left + size)
                       for left in range(0, WIDTH, size)]
            top += len(ids)
        for query, key, value, output, up, down in self.layers:
            y = rms_norm(x)  # before the layer, so x itself passes untouched
            y, self.maps = attend(times(y, query), times(y, key),
                                  times(y, value), blocks, self.look)
            if query is self.layers[-1][0]:  # who is not asked stops here
                x, y = pick(x, asked), pick(y, asked)
            y = times(y, output)
            x = plus(x, y) if RESIDUAL else y
            y = times(relu(times(rms_norm(x), up)), down)
            x = plus(x, y) if RESIDUAL else y
        return times(rms_norm(x), self.head)

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
    """Mean cross-entropy, [[loss]]: row i is asked for token i + 1."""
    targets = [t for ids, given in examples
               for t in [None] * (given - 1) + ids[given:]]
    asked = [row for row, t in enumerate(targets) if t is not None]
    logits = model.logits([(ids[:-1], given) for ids, given in examples],
                          asked)
    return cross_entropy(logits, [targets[row] for row in asked])

# --- Descend ---
def train(model, task):
    """Adam over shuffled passes; prints the learning curve."""
    optimizer, order, losses = Adam(model.parameters), [], []
    for step in range(1, STEPS + 1):
        if len(order) < BATCH:
            order = random.sample(task.train, len(task.train))
        loss = loss_of(model, [order.pop() for _ in order[:BATCH]])
        losses.append(loss.value[0][0])
        backward(loss)
        # up for WARM_UP steps, then down, each along a straight line
        optimizer.step(RATE * min(step / max(1, WARM_UP), (STEPS - step)
                                  / max(1, STEPS - WARM_UP)))
        if step % REPORT == 0:
            report(task, f"step {step:4}, trained {fmean(losses):.3f}",
                   evaluate(model, task.held_out[:CHECKED]))
            losses = []

# --- Ask what it knows ---
def evaluate(model, examples, alone=False):
    """The loss; `alone`: each prefix fed by itself, with no future behind."""
    losses = []
    for ids, given in examples:
        ends = range(given - 1, len(ids) - 1)
        for seen, asked in ([(ids[:i + 1], [i]) for i in ends] if alone
                            else [(ids[:-1], ends)]):
            rows = model.logits([(seen, given)], asked).value
            TAPE.clear()
            losses += [-log(softmax(row)[ids[i + 1]])
                       for row, i in zip(rows, asked)]
    return fmean(losses)

# === Keep keys and values ===
class Memory:
    """What a GPT has read: keys and values, for every layer and head.

    The mask allows it: no later token changes the row of an earlier one.
    The lists grow and their rows never change, so copies share the rows.
    """

    def __init__(self, model):
        self.model = model
        self.layers = [[([], []) for _ in range(HEADS)] for _ in model.layers]

    def copy(self):
        """The same past, to be continued in another way."""
        other = Memory(self.model)
        other.layers = [[(keys[:], values[:]) for keys, values in heads]
                        for heads in self.layers]
        return other

    def read(self, token, place):
        """Take one token in: [symbols], the scores of what follows it."""
        model, size = self.model, WIDTH // HEADS
        x = plus(pick(model.tokens, [token]), pick(model.positions, [place]))
        for matrices, heads in zip(model.layers, self.layers):
            query, key, value, output, up, down = matrices
            y = rms_norm(x)
            q, k, v = (times(y, w).value[0] for w in (query, key, value))
            seen, scale = [], 1 / sqrt(size)
            for i, (keys, values) in enumerate(heads):
                part = slice(i * size, (i + 1) * size)
                keys.append(k[part])
                values.append(v[part])
                weights = softmax([scale * sumprod(q[part], row)
                                   for row in keys])
                seen += product([weights], transpose(values))[0]
            x = plus(x, times(Node([seen]), output))
            x = plus(x, times(relu(times(rms_norm(x), up)), down))
        scores = times(rms_norm(x), model.head).value[0]
        TAPE.clear()
        return scores


# === Call the target ===
class Target:
    """p, the chances of what follows ids, and a count of the calls.

    A processor that reads its weights once a call pays for calls; plain
    Python pays for rows, the tokens that a call reads. Names share their
    beginnings: each is read once in the whole run, and none is undone.
    """

    def __init__(self, model, longest):
        self.model, self.past = model, {(): (Memory(model), None)}
        self.longest = longest
        self.calls = self.rows = 0

    def __call__(self, ids):
        """[symbols], the chances of what follows a begun name."""
        if len(ids) > self.longest - 2:  # no longer name was ever seen
            return [1.0] + [0.0] * (len(self.model.head.value) - 1)
        return self.after(tuple(ids))[1]

    def after(self, ids):
        """(Memory, chances) once the tuple ids has been read."""
        if ids not in self.past:
            memory = self.after(ids[:-1])[0].copy()
            row = memory.read(ids[-1], len(ids) - 1)
            self.past[ids] = memory, softmax(row)
        return self.past[ids]

    def check(self, ids, drafts):
        """One call: the chances after ids and after each of the drafts."""
        self.calls += 1
        self.rows += len(drafts) + 1
        return [self(begun(ids + drafts[:i])) for i in range(len(drafts) + 1)]


# --- Let a count draft ---
class Count:
    """q, from a table of what followed the last `letters` symbols."""

    def __init__(self, names, letters, classes):
        self.letters, self.classes, self.known = letters, classes, {}
        self.table = count((self.clues(ids[:i]), ids[i])
                           for ids in names for i in range(1, len(ids)))

    def clues(self, ids):
        """The nearest first, as `count` wants them."""
        return tuple(ids[::-1][:self.letters])

    def __call__(self, ids):
        clues = self.clues(ids)
        if clues not in self.known:
            self.known[clues] = [chance(self.table, clues, i, self.classes)
                                 for i in range(self.classes)]
        return self.known[clues]


def tables(names, classes, note=""):
    """A count for each of LETTERS, by its name."""
    return {f"{n} letters{note}": Count(names, n, classes) for n in LETTERS}


def likeliest(q):
    """The draft that does not throw dice: all chance on q's favourite."""
    def certain(ids):
        row = q(ids)
        top = row.index(max(row))
        return [float(i == top) for i in range(len(row))]

    return certain


# === Draft, check, repair ===
def throw(weights):
    """The dice: i with a chance in proportion to weights[i]."""
    return random.choices(range(len(weights)), weights)[0]


def begun(ids):
    """The name being written, from its mark: begun([0, 5, 0, 7]) -> [0, 7]

    The mark that ends a name, id 0, also begins the next one.
    """
    return ids[len(ids) - 1 - ids[::-1].index(0):]


def lacking(p, q):
    """What p has and q lacks; the dice need no sum of 1.

    lacking([0.5, 0.3, 0.2], [0.25, 0.3, 0.45]) -> [0.25, 0, 0]
    """
    left = [max(0, a - b) for a, b in zip(p, q)]
    return left if any(left) else p  # then they differ by rounding alone


def target_again(p, q):
    """The knock-out: in place of a rejected draft, any draw from p."""
    return p


# --- One call ---
def speculate(target, draft, ids, length, repair=lacking, dice=throw,
              stream=False):
    """(drafts kept, the target's own token) after the begun name `ids`.

    A call ends with the name, and then has no token of its own; in a
    stream, drafts go on into the next name.
    """
    drafts, q = [], []
    # each is drawn from the very chances that it will be compared with
    while len(drafts) < length and (stream or 0 not in drafts):
        q.append(draft(begun(ids + drafts)))
        drafts.append(dice(q[-1]))
    p = target.check(ids, drafts)
    # p(x) = min(p, q) + (1 - sum of min(p, q)) * lacking / its sum
    for i, x in enumerate(drafts):
        kept = min(p[i][x], q[i][x])  # of q(x): min(1, p(x) / q(x))
        if dice([kept, q[i][x] - kept]):  # the other side: rejected, with
            return drafts[:i], [dice(repair(p[i], q[i]))]  # all after it
    if 0 in drafts and not stream:
        return drafts, []
    return drafts, [dice(p[-1])]  # a row that was read anyway


# === Try every fall of the dice ===
class UndecidedError(Exception):
    """The program throws dice whose fall has not been chosen yet."""


def falling(falls):
    """Dice that fall as they are told, and then ask what else they may."""
    rest = list(falls[::-1])

    def dice(weights):
        if not rest:
            raise UndecidedError(weights)
        return rest.pop()

    return dice


def outcomes(program):
    """Results of program(dice) with their chances, none left out.

    The program is run anew for each way in which its dice can fall.
    outcomes(lambda dice: dice([1, 3])) -> {0: 0.25, 1: 0.75}
    """
    results, waiting = defaultdict(float), [((), 1.0)]
    while waiting:
        falls, chance = waiting.pop()
        try:
            results[program(falling(falls))] += chance
        except UndecidedError as undecided:
            [weights] = undecided.args
            total = sum(weights)
            # one run becomes as many as there are sides; 0 never falls
            waiting += [((*falls, i), chance * w / total)
                        for i, w in enumerate(weights) if w]
    return dict(results)


# --- Follow all names at once ---
def beginnings(write, size):
    """Chances of all first `size` tokens, for write(ids, dice) -> tokens.

    A call depends on the tokens before it alone, so ways that lead to the
    same tokens are added up before the next call.
    """
    found, open_ = defaultdict(float), {(0,): 1.0}
    while open_:
        ids = min(open_, key=len)
        chance = open_.pop(ids)
        more = outcomes(lambda dice, ids=ids: tuple(write([*ids], dice)))
        for new, share in more.items():
            whole = (ids + new)[:size + 1]
            into = found if len(whole) > size or whole[-1] == 0 else open_
            into[whole] = into.get(whole, 0.0) + chance * share
    return found


def variation(a, b):
    """Half the sum of |a - b|, the most by which any event's chance is off.
    variation({0: 0.5, 1: 0.5}, {1: 1.0}) -> 0.5
    """
    return sum(abs(a.get(k, 0) - b.get(k, 0)) for k in {*a, *b}) / 2


# === Write names, count calls ===
def compose(target, draft, length, number, **rule):
    """(names, tokens a call, rows a token); length 0 is the target alone."""
    target.calls = target.rows = tokens = 0
    names, ids = [], [0]
    while len(names) < number:
        for x in sum(speculate(target, draft, ids, length, **rule), []):
            tokens += 1
            ids = ids + [x]
            if x == 0:
                names.append(ids)
                ids = [0]
    return names, tokens / target.calls, target.rows / tokens


# --- Judge by names ---
def over(names, judge):
    """Mean of judge(a begun name, the id that follows) over all tokens."""
    return fmean(judge(ids[:i], ids[i]) for ids in names
                 for i in range(1, len(ids)))


def loss(p, names):
    """Nats a token."""
    return over(names, lambda ids, x: -log(p(ids)[x]))


def surprise(p, out, names):
    """Nats a token: what p loses on tokens that `out` draws."""
    return over(names, lambda ids, x: -sum(
        a * log(b) for a, b in zip(out(ids), p(ids)) if a))


def agreement(p, q, names):
    """alpha: the mean chance that a draft is kept, sum over x of min(p, q).

    On the target's own names, since these are what is being written.
    """
    return over(names, lambda ids, x: sum(map(min, p(ids), q(ids))))


# === Compare drafts ===
def compare(target, drafts, people, own):
    """A row a draft: losses on people's names and on the target's own."""
    for who, q in drafts.items():
        alpha = agreement(target, q, own)
        _, tokens, rows = compose(target, q, LENGTH, NAMES)
        losses = ("    -     -" if who == "its likeliest" else  # log 0
                  f"{loss(q, people):.3f} {loss(q, own):.3f}")
        print(f"{who:14} | {losses} | {alpha:.3f} | {tokens:.2f} {rows:.2f}")


# --- Vary the length ---
def vary(target, q, own):
    """Tokens a call: measured, in a stream of names, by the formula."""
    alpha = agreement(target, q, own)
    for k in LENGTHS:
        _, tokens, rows = compose(target, q, k, NAMES)
        _, stream, _ = compose(target, q, k, NAMES, stream=True)
        # a draft is kept with chance alpha, the i-th if all before it were
        formula = sum(alpha ** i for i in range(k + 1))
        print(f"length {k} | {tokens:.2f} | {stream:.2f} | {formula:.2f} "
              f"| {rows:.2f}")


# --- Break the rule ---
def writer(target, q, repair, size):
    """write(ids, dice): one call that drafts all of what is wanted."""
    def write(ids, dice):
        left = size + 1 - len(ids)
        return sum(speculate(target, q, ids, left, repair, dice), [])

    return write


def try_rules(target, drafts):
    """How far the first letters are off, by every fall of the dice."""
    for size in range(1, ENUMERATED + 1):
        alone = beginnings(lambda ids, dice: [dice(target(ids))], size)
        for who, q in drafts.items():
            for repair in (lacking, target_again):
                found = beginnings(writer(target, q, repair, size), size)
                print(f"first {size} | {who:13} | {repair.__name__:12} | "
                      f"off by {variation(alone, found):.1e}")


# --- See what the broken rule is good for ---
def again(p, q):
    """What comes out if a rejected draft is replaced by a draw from p.

    again([0.5, 0.25, 0.25], [0, 0.5, 0.5]) -> [0.25, 0.375, 0.375]
    """
    kept = list(map(min, p, q))
    return [b + (1 - sum(kept)) * a for a, b in zip(p, kept)]


def half(p, q):
    """half([1, 0], [0, 1]) -> [0.5, 0.5]"""
    return [(a + b) / 2 for a, b in zip(p, q)]


def mixed(p, q, mix):
    """A predictor out of two."""
    return lambda ids: mix(p(ids), q(ids))


def judge_rule(target, drafts, people, own):
    """Its tokens under the target, and people's names under it."""
    for who, q in drafts.items():
        rule, average = (mixed(target, q, mix) for mix in (again, half))
        print(f"again    | {who} | {surprise(target, rule, own):.3f} nats "
              f"under the target | people's {loss(rule, people):.3f}, "
              f"averaged {loss(average, people):.3f}")


# === Show a few ===
def spell(task, target, q):
    """Names call by call, the target's own tokens in brackets."""
    for _ in range(SPELLED):
        calls, ids = [], [0]
        while len(ids) == 1 or ids[-1] != 0:
            kept, own = speculate(target, q, ids, LENGTH)
            ids += kept + own
            kept, own = ("".join(task.symbols[i] for i in part)
                         for part in (kept, own))
            calls.append(kept + f"({own})" * bool(own))
        print(f"{len(ids) - 1:2} tokens, {len(calls)} calls | "
              + " ".join(calls))


def draw(task, p, q):
    """Both rows of chances after the letters BEGUN, small ones as others."""
    ids = [0, *(task.id[letter] for letter in BEGUN)]
    rows = sorted(zip(p(ids), q(ids), task.symbols), reverse=True)
    large = [row for row in rows if max(row[:2]) >= 0.04]
    for who, part in [*((row[2], [row]) for row in large),
                      ("others", [row for row in rows if row not in large]),
                      ("all", rows)]:
        both = [sum(row[i] for row in part) for i in (0, 1)]
        kept = sum(min(row[:2]) for row in part)
        print(f"after {BEGUN} | {who:6} | {both[0]:.3f} {both[1]:.3f} | kept "
              f"{kept:.3f}, lacking {both[0] - kept:.3f}")


# === Main ===
def report(task, who, loss):
    print(f"{task.name:6} | {who:24} | held-out {loss:.3f}")


def main():
    if (min(BATCH, CHECKED, EXAMPLES, HEADS, HIDDEN, LAYERS, NAMES, REPORT,
            WIDTH) < 1 or min(LENGTH, LETTER, OWN, *LENGTHS, *LETTERS) < 0
            or WIDTH % HEADS or not 0.001 <= HELD_OUT <= 0.9
            or min(BEGUN + "a") + max(BEGUN + "z") != "az"):
        raise SystemExit("a setting is too small, HEADS does not divide "
                         "WIDTH, HELD_OUT is not from 0.001 to 0.9, or BEGUN "
                         "holds more than letters")
    random.seed(SEED)
    task = Task("names", read())
    model, classes = GPT(task), len(task.symbols)
    train(model, task)
    report(task, "the target", evaluate(model, task.held_out))

    target = Target(model, task.longest)
    known, people = ([ids for ids, _ in part]
                     for part in (task.train, task.held_out))
    own, _, _ = compose(target, None, 0, OWN + NAMES)
    own, judges = own[:OWN], own[OWN:]
    print("names  | entropy of the target    | "
          f"{surprise(target, target, judges):.3f}")
    drafts, q = tables(known, classes), Count(known, LETTER, classes)
    certain = {"its likeliest": likeliest(q)}
    spell(task, target, q)
    draw(task, target, q)
    print("drafted by     | loss, people's own | alpha | tokens a call, rows "
          "a token")
    compare(target, {**drafts, **tables(own, classes, ", own"), **certain},
            people, judges)
    print("drafted  | a call | in a stream | formula | rows a token")
    vary(target, q, judges)
    try_rules(target, {f"{LETTER} letters": q, **certain})
    judge_rule(target, drafts, people, judges)


if __name__ == "__main__":
    main()
