"""microbert: hide letters, guess them from both sides, then sort names.

Claim: the same small network guesses a hidden letter of a held-out name better
when it may look to both sides than to the left alone; and having practised on
names without labels, it sorts girls' names from boys' by 100 labels better
than it would from nothing. But counts fill the hole better, a network that
reads left to right does too if it tries all 26 letters, and the last letter
of a name, looked up in a table, sorts better than any of them.

Left out: words, pairs of sentences, dropout, masks that are random letters.

Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for
Language Understanding" (2019). The run shows holes filled by counts and by
networks, and names sorted with few labels, whole families held out.
"""
# === Imports ===
import csv
import random
from collections import Counter, defaultdict
from copy import deepcopy
from hashlib import sha256
from itertools import accumulate
from math import exp, log, sqrt
from operator import add, mul
from pathlib import Path
from statistics import fmean
from string import ascii_lowercase

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
HELD_OUT = 800  # names, never trained on, and no relative of theirs is
HOLES = 250  # of these names get one hole each; each letter is tried there
LABELS = [100]  # names whose kind is told, of some 7,200
DRAWS = 2  # other labels, of which a mean is taken
NETWORKS = ["scratch", "masked", "causal"]  # also: "left", "sparse"
SHARE = 0.4  # of a name's letters are hidden; BERT hides 0.15
STEPS = 450  # over every name once
BATCH = 16  # with 8 names a step, half as many are met, and it shows
WIDTH, HEADS, HIDDEN, LAYERS = 16, 2, 32, 1  # microgpt's network
LOOK, POSITIONS, RESIDUAL = "softmax", "restart", True  # as microgpt has them
RATE = 0.02  # 0.03 is worse for holes, and no better for reading on
WARM_UP = 50  # small steps while Adam's running means still say little
TUNE_STEPS = 100  # for the labels, with BATCH names each
TUNE_RATE = 0.01  # 0.03 is worse for all three, by other held-out names
CLUES = 3  # letters that the longest context of a count holds
DISCOUNT = 0.75  # as in microgpt
PIECES = 3  # letters of the longest piece that votes
PASSES, VOTE_RATE = 20, 0.1  # of the votes, over the labels
SHOWN = 2  # held-out names, each letter hidden in turn
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
END, HOLE = ".", "_"  # what stands at both ends; what hides a letter
SYMBOLS = END + ascii_lowercase + HOLE
LETTERS = range(1, 27)  # the ids of a to z


def spell(name):
    """Ids between two marks: spell("abe") -> [0, 1, 2, 5, 0]"""
    return [SYMBOLS.index(s) for s in END + name + END]


class Names:
    """(ids, girl): whether the name was given to more girls than boys."""

    symbols = SYMBOLS

    def __init__(self):
        lines = shipped("names.csv").decode("ascii").split()
        rows = [(row["name"], int(row["girls"]) > int(row["boys"]))
                for row in csv.DictReader(lines)]
        self.longest = max(len(name) for name, _ in rows) + 2
        self.held_out, self.train = (
            [(spell(name), girl) for name, girl in part] for part in
            hold_out(families(rows), HELD_OUT, random.shuffle))


# === Hide some letters ===
def hide(ids, share):
    """(ids with holes, where they are): one at least, `share` on average.

    The marks stay. BERT shows a tenth of its hidden words after all and puts
    a wrong word for another tenth, since no later task has holes.
    hide([0, 5, 0], 0.4) -> ([0, 27, 0], [1])
    """
    letters = range(1, len(ids) - 1)
    count = int(share * len(letters) + random.random())  # right on average
    where = set(random.sample(letters, max(1, count)))
    return ([SYMBOLS.index(HOLE) if i in where else s
             for i, s in enumerate(ids)], sorted(where))


# === Grade answers ===
def grade(fill, holes):
    """(mean nats, share right) of 26 probabilities for each hole."""
    nats, right = [], []
    for ids, i in holes:
        row = fill(ids, i)
        nats.append(-log(row[ids[i] - 1]))
        right.append(row.index(max(row)) == ids[i] - 1)
    return fmean(nats), fmean(right)


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


# === Look left, or to both sides ===
def left(ids, i):
    """The symbols before a hole, the nearest first.

    left([0, 7, 8, 9, 0], 2) -> [7, 0, None]
    """
    near = dict(enumerate(ids)).get
    return [near(i - k) for k in range(1, CLUES + 1)]


def both(ids, i):
    """The symbols around it, right and left in turn.

    both([0, 7, 8, 9, 0], 2) -> [9, 7, 0]
    """
    near = dict(enumerate(ids)).get
    return [near(i + k * side) for k in range(1, CLUES + 1)
            for side in (1, -1)][:CLUES]


# --- Fill a hole by counts ---
def counted(names, view, longest):
    """What to say at a hole, of a table of every letter of every name."""
    def clues(ids, i):
        return tuple(view(ids, i)[:longest])

    table = count((clues(ids, i), ids[i]) for ids, _ in names.train
                  for i in range(1, len(ids) - 1))
    return lambda ids, i: [chance(table, clues(ids, i), letter, 26)
                           for letter in LETTERS]


# === Try every letter in the hole ===
def trying(chances):
    """Fill a hole by a model that only ever reads from left to right.

    p(c | rest) is p(name with c) over the sum for all 26 letters: what
    comes before the hole cancels, what comes after it does not.
    """
    def fill(ids, i):
        tried = [ids[:i] + [letter] + ids[i + 1:] for letter in LETTERS]
        return softmax(chances(tried, i))

    return fill


def counted_on(names, longest):
    """The log chances that a count of the past gives to tried names."""
    def cases(ids, start):
        return [(tuple(left(ids, i)[:longest]), ids[i])
                for i in range(start, len(ids))]

    table = count(case for ids, _ in names.train for case in cases(ids, 1))
    return lambda tried, i: [sum(log(chance(table, *case, 27))
                                 for case in cases(ids, i)) for ids in tried]


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


# === Open the eyes to the right ===
CAUSAL = True  # what `weigh` reads: each network sets it before it looks


class Reader(GPT):
    """microgpt's network, which may also look to the right."""

    def __init__(self, names, causal):
        super().__init__(names)
        self.causal = causal

    def logits(self, examples, asked):
        global CAUSAL
        CAUSAL = self.causal
        return super().logits(examples, asked)


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
def descend(model, draw, loss, steps, rate, warm_up):
    """Adam, up for `warm_up` steps and then down, each a straight line."""
    optimizer = Adam(model.parameters)
    order = []
    for step in range(1, steps + 1):
        if len(order) < BATCH:
            order = random.sample(draw, len(draw))
        backward(loss(model, [order.pop() for _ in order[:BATCH]]))
        optimizer.step(rate * min(step / max(1, warm_up), (steps - step)
                                  / max(1, steps - warm_up)))
    return model


# --- Ask for what is hidden ---
def hidden_loss(model, batch):
    """Mean cross-entropy at the holes, [[loss]]; no other row is asked."""
    shown, asked, targets, top = [], [], [], 0
    for ids, _ in batch:
        holed, where = hide(ids, SHARE)
        shown.append((holed, 1))
        asked += [top + i for i in where]
        targets += [ids[i] for i in where]
        top += len(ids)
    return cross_entropy(model.logits(shown, asked), targets)


# --- Ask for what comes next ---
def next_loss(model, batch, share=1):
    """Mean cross-entropy, [[loss]]: every row is asked for the next symbol.

    With a `share` below 1 only so many rows are asked, as if the others had
    no answer: the control that hears as few letters as the masked network.
    """
    shown = [(ids[:-1], 1) for ids, _ in batch]
    targets = [s for ids, _ in batch for s in ids[1:]]
    asked = range(len(targets))
    if share < 1:
        asked = sorted(random.sample(asked, max(1, int(share * len(asked)))))
    return cross_entropy(model.logits(shown, asked),
                         [targets[row] for row in asked])


# === Fill a hole by a network ===
def masked_fill(model):
    """Put a hole there and ask its row."""
    def fill(ids, i):
        holed = ids[:i] + [SYMBOLS.index(HOLE)] + ids[i + 1:]
        row = model.logits([(holed, 1)], [i]).value[0]
        TAPE.clear()
        return softmax(row[1:27])  # no hole hides a mark or a hole

    return fill


def read_on(model):
    """The log chances that a network reading on gives to tried names."""
    def chances(tried, i):
        length = len(tried[0]) - 1
        asked = [k * length + j for k in range(len(tried))
                 for j in range(i - 1, length)]
        rows = iter(model.logits([(ids[:-1], 1) for ids in tried],
                                 asked).value)
        TAPE.clear()
        return [sum(log(softmax(next(rows))[s]) for s in ids[i:])
                for ids in tried]

    return chances


# === Sort names by a network ===
def label_loss(model, batch):
    """Mean cross-entropy of girl or boy, asked at each name's last mark."""
    ends = [n - 1 for n in accumulate(len(ids) for ids, _ in batch)]
    logits = model.logits([(ids, 1) for ids, _ in batch], ends)
    return cross_entropy(logits, [int(girl) for _, girl in batch])


def tune(model, labelled):
    """A copy with another head, all of it trained on the labels.

    The mark that ends a name plays the part of BERT's [CLS]: its row has
    looked at every letter, and nobody asked it for one.
    """
    model = deepcopy(model)
    head = Node([[random.gauss(0, 0.5 / sqrt(WIDTH)) for _ in range(WIDTH)]
                 for _ in range(2)])
    model.parameters[model.parameters.index(model.head)] = head
    model.head = head
    return descend(model, labelled, label_loss, TUNE_STEPS, TUNE_RATE, 0)


def sorted_right(model, names):
    """The share of the held-out names that it sorts as most parents did."""
    right = []
    for ids, girl in names.held_out:
        boys, girls = model.logits([(ids, 1)], [len(ids) - 1]).value[0]
        TAPE.clear()
        right.append((girls > boys) == girl)
    return fmean(right)


# === Let pieces of a name vote ===
def pieces(ids):
    """pieces([0, 5]) -> {(0,), (5,), (0, 5)}"""
    return {tuple(ids[i:i + n]) for n in range(1, PIECES + 1)
            for i in range(len(ids) - n + 1)}


def vote(votes, ids):
    """Above 0: a girl's name."""
    return sum(votes[piece] for piece in pieces(ids))


def learn_votes(labelled):
    """Logistic regression: a weight for each piece, by stochastic steps.

    d(-log p) / d weight = p - 1 for a girl's name that has the piece, p for
    a boy's, with p = sigmoid(sum of weights) = softmax([0, sum])[1].
    """
    votes = defaultdict(float)
    for _ in range(PASSES):
        for ids, girl in random.sample(labelled, len(labelled)):
            wrong = girl - softmax([0.0, vote(votes, ids)])[1]
            for piece in pieces(ids):
                votes[piece] += VOTE_RATE * wrong
    return lambda ids: vote(votes, ids) > 0


# --- Look at the last letter alone ---
def learn_last(labelled):
    """The kind that more of the labelled names with this last letter have."""
    seen = Counter((ids[-2], girl) for ids, girl in labelled)
    return lambda ids: seen[ids[-2], True] >= seen[ids[-2], False]


# === Fill the holes ===
def say(who, result):
    print(f"{who:34} | {result[0]:.3f} nats | {100 * result[1]:4.1f}% right")


def best(who, fillers, holes):
    """The least of several counts, chosen with hindsight."""
    say(who, min(grade(fill, holes) for fill in fillers))


def fill_by_counts(names, holes):
    sizes = range(1, CLUES + 1)
    best("counts, left", [counted(names, left, n) for n in sizes], holes)
    best("counts, both sides", [counted(names, both, n) for n in sizes],
         holes)
    best("counts, left, 26 letters tried",
         [trying(counted_on(names, n)) for n in sizes], holes)


# --- Train one network, let it fill ---
def practise(kind, names, holes):
    """A network that has learned from names without labels.

    masked: holes, from both sides.  left: holes, from the left.
    causal: what comes next.         sparse: that, asked as rarely as masked.
    """
    random.seed(SEED)  # all begin with the same numbers
    model = Reader(names, causal=kind != "masked")
    if kind in ("masked", "left"):
        descend(model, names.train, hidden_loss, STEPS, RATE, WARM_UP)
        say(f"{kind} network", grade(masked_fill(model), holes))
    elif kind != "scratch":
        def loss(model, batch):
            return next_loss(model, batch, SHARE if kind == "sparse" else 1)

        descend(model, names.train, loss, STEPS, RATE, WARM_UP)
        say(f"{kind} network, 26 letters tried",
            grade(trying(read_on(model)), holes))
    if kind == "masked":
        model.causal = True  # the knock-out: what was learnt stays
        say("masked network, right eye shut",
            grade(masked_fill(model), holes))
        model.causal = False
        show(names, masked_fill(model), counted(names, both, 2))
    return model


# --- Show what two of them would say ---
def likeliest(row):
    """The three likeliest letters of 26 chances, in whole per cent."""
    top = sorted(LETTERS, key=lambda letter: -row[letter - 1])[:3]
    return " ".join(f"{SYMBOLS[s]} {100 * row[s - 1]:2.0f}%" for s in top)


def show(names, network, counts):
    """Held-out names with each letter hidden in turn."""
    for ids, _ in names.held_out[:SHOWN]:
        name = "".join(SYMBOLS[s] for s in ids[1:-1])
        for i in range(1, len(ids) - 1):
            print(f"{name[:i - 1] + HOLE + name[i:]:13} | network "
                  + likeliest(network(ids, i)) + " | counts "
                  + likeliest(counts(ids, i)))


# === Sort the names ===
def sort_names(models, names):
    """For each number of labels: who sorts how many held-out names right."""
    for number in LABELS:
        right = defaultdict(list)
        for draw in range(DRAWS):
            told = names.train[draw * number:][:number]
            for who, learn in (("last letter", learn_last),
                               ("pieces", learn_votes)):
                guess = learn(told)
                right[who].append(fmean(guess(ids) == girl for ids, girl
                                        in names.held_out))
            for kind, model in models.items():
                random.seed(f"{SEED} {draw}")  # the same batches for all
                right[kind].append(sorted_right(tune(model, told), names))
        for who, shares in right.items():
            print(f"{number} labels, {who:11} | {100 * fmean(shares):.1f}%"
                  " right")


# === Main ===
def refuse():
    """End the run in a sentence if a setting cannot work."""
    if (min(BATCH, CLUES, DRAWS, HEADS, HIDDEN, LAYERS, WIDTH, *LABELS) < 1
            or WIDTH % HEADS or not 0 <= SHARE <= 1
            or not 1 <= HOLES <= HELD_OUT <= 4_000
            or DRAWS * max(LABELS, default=1) > 2_000
            or set(NETWORKS) - {"scratch", "masked", "causal", "left",
                                "sparse"}):
        raise SystemExit(
            "a setting is below 1, HEADS does not divide WIDTH, SHARE is not "
            "from 0 to 1, HOLES <= HELD_OUT <= 4,000 or DRAWS * LABELS <= "
            "2,000 fails, or NETWORKS names one that does not exist")


def main():
    refuse()
    random.seed(SEED)
    names = Names()
    holes = [(ids, random.randrange(1, len(ids) - 1))
             for ids, _ in names.held_out[:HOLES]]
    girls = fmean(girl for _, girl in names.held_out)
    print(f"{len(names.train):,} names to learn from, {HELD_OUT} held out, "
          f"{100 * girls:.1f}% of them girls'")
    fill_by_counts(names, holes)
    sort_names({kind: practise(kind, names, holes) for kind in NETWORKS},
               names)


if __name__ == "__main__":
    main()
