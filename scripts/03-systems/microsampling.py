"""microsampling: how to choose from what a network predicts.

Claim: the likeliest name of a network trained on names is nearly always the
empty one, so whoever searches harder ends with nothing. What we want is a
sample. Made as surprising as real names are, samples sharpened by a
temperature leave counts less surprised by real names than samples from which
unlikely letters are cut; but a cut to a share of the probability repeats
itself less. The ruler decides.

Left out: penalties for repetition, contrastive and stochastic beam search,
and everything that a vocabulary of 50,000 tokens would change.
Lowerre, "The Harpy Speech Recognition System" (1976); Fan et al. (2018);
Holtzman et al., "The Curious Case of Neural Text Degeneration" (2020). The
run shows the likeliest names by exact search, what beams of growing width
say, and what six rules of choosing make up, miss, repeat and copy.
"""
# === Imports ===
import gzip
import random
from collections import Counter, defaultdict
from hashlib import sha256
from heapq import heappop, heappush, nlargest
from itertools import accumulate
from math import exp, log, sqrt
from operator import add, mul
from pathlib import Path
from statistics import fmean
from textwrap import shorten

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
TASKS = {"names": "names.csv", "sounds": "cmudict_small.txt.gz"}
HELD_OUT = 0.3  # much, since judges of the samples are made of it
FAMILIES = True  # False: hold out one by one, and copies pay
EXAMPLES = 20_000  # learn from no more: here that is all there are
STEPS = 700  # microgpt's network and training, as they stand there
BATCH, RATE, WARM_UP = 8, 0.03, 50
WIDTH, HEADS, HIDDEN, LAYERS = 16, 2, 32, 1
LOOK, CAUSAL = "softmax", True  # what Memory keeps is for these, and
POSITIONS, RESIDUAL = "restart", True  # has no switches of its own
REPORT = 350  # steps between two rows of the learning curve
CHECKED = 200  # held-out sequences behind such a row
DISCOUNT = 0.75  # for the counts, as in microgpt
LETTERS = 27  # a to z, and the end
PAST = 3  # letters that a judge looks back
BEAMS = [1, 4, 16, 32]  # at 16 the empty name is out of sight
LIKELIEST = 8  # names that the exact search goes on to find
WORDS = 80  # held-out words to read aloud
SAMPLES = 1_200  # names behind a row; half of what is held out, at most
TRIALS = 400  # names behind one step of tuning
TRIES = 7  # such steps: an interval of 1 shrinks to less than .01
# Each rule's knob, open and nearly shut.
KNOBS = {"temperature": (1.2, 0.2), "top-k": (27, 1), "top-p": (1.0, 0.1),
         "min-p": (0.001, 0.9), "typical": (1.0, 0.5),
         "hot min-p": (0.001, 0.9)}
HEAT = 1.5  # the temperature before a cut by hot min-p
HASHES = {"names.csv":
          "0d303657311a1131fcec761b7ecd72277c4a0a8fae72392f9ba2f4d581691250",
          "cmudict_small.txt.gz":
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
END = "."  # after the last symbol; names start with it too


def read(task):
    """Lists [name] or [word, *sounds], in the order of the file."""
    data = shipped(TASKS[task])
    if task == "names":
        return [row.split(",")[:1] for row in data.decode("ascii").split()[1:]]
    lines = gzip.decompress(data).decode("ascii").splitlines()
    return [line.split() for line in lines]


def example(word, *sounds):
    """(symbols, given): the first `given` symbols are not predicted.

    . e m m a .            given 1
    s o f t : S AO F T .   given 5: the loss is on the sounds alone
    """
    return (([*word, ":", *sounds, END], len(word) + 1) if sounds
            else ([END, *word, END], 1))


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



# === Remember every past that was asked for ===
class Future:
    """What a model says after one beginning, whatever is chosen then.

    Samples share their first letters, and so do the ways of a search. Each
    is asked for once, continuing the memory of the one before it.
    """

    def __init__(self, model, task, ids, given):
        memory = Memory(model)
        for token, place in zip(ids[:given], positions(given, given)):
            scores = memory.read(token, place)
        self.given, self.longest = given, task.longest
        self.end, self.symbols = task.id[END], task.symbols
        self.known = {(): (memory, log_softmax(scores))}

    def logs(self, chosen):
        """log p of every symbol, [symbols], after those in the tuple."""
        if chosen not in self.known:
            self.logs(chosen[:-1])  # so that its memory is there
            memory = self.known[chosen[:-1]][0].copy()
            place = positions(self.given + len(chosen), self.given)[-1]
            scores = memory.read(chosen[-1], place)
            self.known[chosen] = memory, log_softmax(scores)
        return self.known[chosen][1]

    def ended(self, chosen):
        """At the end mark, or where the model has no position left."""
        return (chosen[-1:] == (self.end,)
                or self.given + len(chosen) == self.longest)

    def spelled(self, chosen):
        return "".join(self.symbols[i] for i in chosen if i != self.end)


def log_softmax(row):
    """In logarithms a product of many small p does not end at 0."""
    top = max(row)
    total = top + log(sum(exp(v - top) for v in row))
    return [v - total for v in row]


# === Find the likeliest of all ===
def likeliest(future, wanted):
    """The `wanted` likeliest continuations of all: [(log p, chosen)].

    Dijkstra: -log p is a length, and going on makes no way shorter. So the
    first to leave the heap at its end is nearer than any that may follow.
    """
    heap, found = [(0.0, ())], []
    while heap and len(found) < wanted:
        length, chosen = heappop(heap)
        if future.ended(chosen):
            found.append((-length, chosen))
            continue
        for token, v in enumerate(future.logs(chosen)):
            heappush(heap, (length - v, (*chosen, token)))
    return found


# === Search with a beam ===
def beam(future, width):
    """`width` continuations that have ended, [(log p, chosen)].

    At each step all ways compete by one symbol more, and the best are kept.
    A way that has ended holds its place in the beam to the last, so what is
    found first is not preferred; production systems stop earlier.
    """
    alive, done = [(0.0, ())], []
    while alive:
        steps = [(total + v, (*chosen, token)) for total, chosen in alive
                 for token, v in enumerate(future.logs(chosen))]
        ways = nlargest(width - len(done), steps)
        done += [way for way in ways if future.ended(way[1])]
        alive = [way for way in ways if not future.ended(way[1])]
    return done


def by_mean(way):
    """log p a symbol, the end mark among them: so long ways may win."""
    return way[0] / len(way[1])


# === Temper the odds ===
# A rule takes the probabilities and one knob, and gives weights to draw by,
# which need not sum to one.
def temperature(p, t):
    """softmax(z / t) is p^(1/t), but for a factor.

    Odds of 2 to 1 become 4 to 1.
    temperature([0.5, 0.25], 0.5) -> [1.0, 0.25]
    """
    top = max(p)  # without it a cold power would make all of them 0
    return [(v / top) ** (1 / t) for v in p]


# --- Cut the unlikely off ---
def only(p, chosen):
    """only([0.2, 0.5, 0.3], [2]) -> [0.0, 0.0, 0.3]"""
    kept = [0.0] * len(p)
    for i in chosen:
        kept[i] = p[i]
    return kept


def descending(p):
    """descending([0.2, 0.5, 0.3]) -> [1, 2, 0]"""
    return sorted(range(len(p)), key=lambda i: -p[i])


def top_k(p, k):
    """The k likeliest. top_k([0.2, 0.5, 0.3], 2) -> [0.0, 0.5, 0.3]"""
    return only(p, descending(p)[:max(1, round(k))])


def beginning(p, order, share):
    """The fewest symbols, in this order, whose p sum to the share.

    The one that crosses the line stays in: else a share below the likeliest
    one's would leave nothing to draw.
    beginning([0.2, 0.5, 0.3], [1, 2, 0], 0.6) -> [1, 2]
    """
    sums = list(accumulate(p[i] for i in order))
    return order[:sum(s < share for s in sums) + 1]


def top_p(p, share):
    """The nucleus. top_p([0.2, 0.5, 0.3], 0.6) -> [0.0, 0.5, 0.3]"""
    return only(p, beginning(p, descending(p), share))


def min_p(p, share):
    """Those with at least this share of what the likeliest has.

    min_p([0.2, 0.5, 0.3], 0.5) -> [0.0, 0.5, 0.3]
    """
    least = min(share, 1) * max(p)
    return [v if v >= least else 0.0 for v in p]


# --- Expect the usual surprise ---
def typical(p, share):
    """Those whose -log p lies next to its mean, the entropy.

    A sure thing says less than symbols do on the average, so it may go.
    typical([0.5, 0.25, 0.125, 0.125], 0.2) -> [0.0, 0.25, 0.0, 0.0]
    """
    logs = [log(v) if v else -1e9 for v in p]
    entropy = -sumprod(p, logs)
    order = sorted(range(len(p)), key=lambda i: abs(logs[i] + entropy))
    return only(p, beginning(p, order, share))


def hot_min_p(p, share):
    """Heat first, then cut: the likely become equals, the rest stays out."""
    return min_p(temperature(p, HEAT), share)


RULES = {"temperature": temperature, "top-k": top_k, "top-p": top_p,
         "min-p": min_p, "typical": typical, "hot min-p": hot_min_p}


# === Draw names ===
def draw(future, rule, knob):
    """Symbol by symbol until the end: a tuple."""
    chosen = ()
    while not future.ended(chosen):
        weights = rule([exp(v) for v in future.logs(chosen)], knob)
        chosen += tuple(random.choices(range(len(weights)), weights))
    return chosen


def draw_names(future, rule, knob, number):
    """As examples, so that counts can be made of them as of real names."""
    return [([future.end, *draw(future, rule, knob)], 1)
            for _ in range(number)]


# === Judge both ways ===
def cases(names):
    """(the letters before, the nearest first; the letter), for all letters.

    cases([([0, 5, 0], 1)]) -> [((0,), 5), ((5, 0), 0)]
    """
    return [(tuple(ids[max(0, i - PAST):i][::-1]), ids[i])
            for ids, _ in names for i in range(1, len(ids))]


def surprise(known, names):
    """Nats a letter that counts of the known names lose on the others.

    Of samples by real names: what the samples make up. Of real names by
    samples: what the samples miss.
    """
    table = count(cases(known))
    return fmean(-log(chance(table, *case, LETTERS)) for case in cases(names))


# --- Tune a rule ---
def tune(future, rule, ends, real, target):
    """The knob at which samples surprise real names as much as `target`.

    Between open and shut, halve: still too surprising, then shut further.
    Every rule gets the same number of tries.
    """
    wide, narrow = ends
    for _ in range(TRIES):
        knob = (wide + narrow) / 2
        names = draw_names(future, rule, knob, TRIALS)
        if surprise(real, names) > target:
            wide = knob
        else:
            narrow = knob
    return (wide + narrow) / 2


# === Compare the rules ===
def compare(model, task):
    """Tune with one half of the held-out names, judge with the other."""
    half = min(SAMPLES, len(task.held_out) // 2)
    tuning, judging = task.held_out[:half], task.held_out[half:2 * half]
    learnt = random.sample(task.train, min(half, len(task.train)))
    target = surprise(tuning, learnt)  # a perfect pupil's names have it too
    known = {tuple(ids) for ids, _ in task.train}

    def show(name, knob, names):
        copies = fmean(tuple(ids) in known for ids, _ in names)
        distinct = len({tuple(ids) for ids, _ in names}) / len(names)
        print(f"{name:11} {knob:5.3g} | made up "
              f"{surprise(judging, names):.3f} | missed "
              f"{surprise(names, judging):.3f} | distinct {distinct:.3f} | "
              f"copies {copies:.2f}")

    show("learnt from", 1, learnt)
    for name, ends in [("as it is", None), *KNOBS.items()]:
        future = Future(model, task, [task.id[END]], 1)
        rule = RULES[name] if ends else temperature
        knob = tune(future, rule, ends, tuning, target) if ends else 1
        names = draw_names(future, rule, knob, half)
        show(name, knob, names)
        print(f"{name:11} says  | " + shorten(" ".join(
            future.spelled(ids) for ids, _ in names), 59, placeholder=""))


# === Look for the best name ===
def search_names(model, task):
    """The likeliest names, exactly; then what beams find, and by the mean."""
    future = Future(model, task, [task.id[END]], 1)
    for total, chosen in likeliest(future, LIKELIEST):
        print(f"names  | of all  | log p {total:6.2f} | "
              f"'{future.spelled(chosen)}'")
    print(f"names  | of all  | asked {len(future.known):,} times")
    for width in BEAMS:
        found = beam(future, width)
        (total, best), (_, even) = max(found), max(found, key=by_mean)
        print(f"names  | beam {width:2} | log p {total:6.2f} | "
              f"'{future.spelled(best)}' | by mean '{future.spelled(even)}'")


# === Look for the best reading ===
def edits(a, b):
    """Fewest symbols to insert, drop or change: edits("lid", "old") -> 2"""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        left, *above = row
        row = [i]
        for y, up in zip(b, above):
            row.append(min(up + 1, row[-1] + 1, left + (x != y)))
            left = up
    return row[-1]


def search_sounds(model, task):
    """Read held-out words aloud, searching harder and harder."""
    words = task.held_out[:WORDS]
    truth = [ids[given:-1] for ids, given in words]
    print(f"sounds | truth | length {fmean(map(len, truth)):.2f}")
    for width in [*BEAMS, "exact"]:
        futures = [Future(model, task, *word) for word in words]
        found = [likeliest(future, 1) if width == "exact" else
                 beam(future, width) for future in futures]
        asked = fmean(len(future.known) for future in futures)
        for name, score in [("sum", None), ("mean", by_mean)]:
            said = [[i for i in max(ways, key=score)[1] if i != task.id[END]]
                    for ways in found]
            wrong = sum(map(edits, said, truth)) / sum(map(len, truth))
            print(f"sounds | {width:>5} by {name:4} | asked {asked:5.1f} | "
                  f"wrong {wrong:.3f} | length {fmean(map(len, said)):.2f} | "
                  f"silent {fmean(not chosen for chosen in said):.3f}")


# === Main ===
def report(task, who, loss):
    print(f"{task.name:6} | {who:24} | held-out {loss:.3f}")


def main():
    if (min(BATCH, CHECKED, EXAMPLES, HEADS, HIDDEN, LAYERS, REPORT, SAMPLES,
            TRIALS, TRIES, WIDTH, WORDS, *BEAMS) < 1 or WIDTH % HEADS
            or not 0.001 <= HELD_OUT <= 0.9 or not KNOBS.keys() <= RULES.keys()
            or min(HEAT, *map(min, KNOBS.values()), 1) <= 0):
        raise SystemExit("a setting is too small, HEADS does not divide "
                         "WIDTH, HELD_OUT is not from 0.001 to 0.9, or KNOBS "
                         "has a rule that is not among RULES")
    data = {name: read(name) for name in TASKS}
    for name, rows in data.items():
        random.seed(SEED)  # a task runs the same with or without the other
        task = Task(name, rows)
        print(f"{name:6} | {len(task.train):,} to train on | "
              f"{len(task.held_out):,} held out | {len(task.symbols)} symbols")
        model = GPT(task)
        train(model, task)
        if name == "names":
            report(task, f"counts, {PAST} letters back",
                   surprise(task.train, task.held_out))
            search_names(model, task)
            compare(model, task)
        else:
            search_sounds(model, task)


if __name__ == "__main__":
    main()
