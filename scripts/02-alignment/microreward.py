"""microreward: a judge is learned from pairs, and then trusted too far.

Claim: networks that saw 25 comparisons each, and are read at the end mark,
rank new pairs better than chance, on average. To an independent referee they
pick better names from four than from one, but from a thousand hardly better
ones than from sixteen: some judges soar, some fall, and how well they rank
pairs tells little of which. Counting pieces of names, from the same pairs,
ranks better and falls less often.

Left out: prompts, and people. A pair prefers a name given mostly to girls to
one given mostly to boys, as births in the United States have it.

Christiano et al., "Deep Reinforcement Learning from Human Preferences"
(2017); Gao et al., "Scaling Laws for Reward Model Overoptimization" (2023).
The run shows for each judge the share of unseen pairs that it ranks rightly,
and how many of its best of n names are girls', to the referee and in truth.
"""

# === Imports ===
import csv
import random
from collections import Counter, defaultdict
from copy import deepcopy
from functools import partial
from hashlib import sha256
from itertools import accumulate
from math import exp, log, log1p, sqrt
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
HELD_OUT = 1_000  # names that neither judges nor referee learn from
PRETRAIN = 3_600  # names that the policy reads, once each
BATCH = 8  # names a step: pairs come four at a time
RATE = 0.03  # of pretraining, as in microgpt
# Pairs that a judge learns from, and how many judges, each of its own pairs:
# one alone would be a matter of luck.
SIZES = [[25, 12], [100, 4]]
LESSONS = 400  # looks at a pair by each judge: few pairs are seen often
TUNE_RATE = 0.01  # of the judges, falling to 0
READ = "end"  # where a network's score stands; or "mean", of all its rows
PRETRAINED = True  # False: judges that have never read a name
SWAPPED = 0.0  # share of the pairs whose order is wrong
LINEAR_RATE = 0.1  # of the linear judge: a pair moves a weight by .05 at first
POOL = 2_000  # names of the policy to choose from
BEST_OF = [1, 4, 16, 64, 256, 1_024]  # the last: half as many as the pool
CROWD = 2  # place in BEST_OF from which on a judge may fall
FALL = 0.05  # a loss of share that counts as one
CHUNK = 50  # names scored at once: more would only fill memory
LETTERS = 4  # of the longest piece that counting judges look at
EQUAL_LENGTH = False  # pair any girl's name with any boy's
# The policy is microgpt's network, with nothing knocked out.
WIDTH, HEADS, HIDDEN, LAYERS = 16, 2, 32, 1
LOOK, CAUSAL, POSITIONS, RESIDUAL = "softmax", True, "restart", True
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
END = "."  # before the first letter and after the last; its id is 0


class Names:
    """Names as ids, with whether more girls than boys were given them."""

    def __init__(self):
        text = shipped("names.csv").decode("ascii")
        rows = [(row["name"], int(row["girls"]) > int(row["boys"]))
                for row in csv.DictReader(text.split())]
        self.symbols = sorted({END, *"".join(name for name, _ in rows)})
        self.longest = max(len(name) for name, _ in rows) + 2
        held_out, learn = hold_out(families(rows), HELD_OUT, random.shuffle)
        # a referee who knew relatives of the pairs would share their accidents
        parts = hold_out(families(learn), len(learn) // 2, random.shuffle)
        self.held_out, self.for_pairs, self.for_referee = (
            [([self.symbols.index(s) for s in END + name + END], girl)
             for name, girl in part] for part in (held_out, *parts))

    def spelled(self, ids):
        return "".join(self.symbols[i] for i in ids if i)

# === Prefer girls' names to boys' ===
def pair(names):
    """[(chosen, rejected)]: the first of each, the second of each, ...

    pair([([1], True), ([2], True), ([3], False)]) -> [([1], [3])]
    """
    waiting, pairs = defaultdict(list), []
    for ids, girl in names:
        length = len(ids) if EQUAL_LENGTH else "any"
        others = waiting[not girl, length]
        if others:
            pairs.append((ids, others.pop(0)) if girl else
                         (others.pop(0), ids))
        else:
            waiting[girl, length].append(ids)
    return pairs

# --- Judge a name by its pieces ---
def pieces(ids):
    """pieces([0, 5]) -> [(0,), (5,), (0, 5)]"""
    return [tuple(ids[i:i + n]) for n in range(1, LETTERS + 1)
            for i in range(len(ids) - n + 1)]


def learn_judge(names):
    """Naive Bayes: log P(piece | girls) - log P(piece | boys) for each."""
    girls, boys = (Counter(piece for ids, girl in names if girl is label
                           for piece in pieces(ids))
                   for label in (True, False))
    kinds = girls | boys
    even = log((boys.total() + len(kinds)) / (girls.total() + len(kinds)))
    # one more of each, or a piece seen once would settle the case
    return {piece: even + log((girls[piece] + 1) / (boys[piece] + 1))
            for piece in kinds}


def score(judge, ids):
    """Above 0: a girl's name. The pieces vote as if independent."""
    return sum(judge.get(piece, 0.0) for piece in pieces(ids))

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

# === Rank the chosen above the rejected ===
def preference_loss(chosen, rejected, margins, beta):
    """Mean over pairs of -log sigmoid(h): lists of [[log pi]] to [[loss]].

    h = beta (log pi(w)/pi(l) - log ref(w)/ref(l)); the margins are the last
    term. dlog pi(w) = -beta sigmoid(-h) / pairs, dlog pi(l) its opposite: a
    pair that is ranked wrongly pulls hard, one ranked rightly lets go.
    """
    h = [beta * (won.value[0][0] - lost.value[0][0] - margin)
         for won, lost, margin in zip(chosen, rejected, margins)]
    # log(1 + exp(-h)), so written that exp() cannot overflow
    losses = [max(-v, 0.0) + log1p(exp(-abs(v))) for v in h]

    def pull(grad):
        for won, lost, loss in zip(chosen, rejected, losses):
            wrong = 1 - exp(-loss)  # sigmoid(-h)
            force = grad[0][0] * beta * wrong / len(h)
            won.receive([[-force]])
            lost.receive([[force]])

    return record([[fmean(losses)]], pull)

# === Score a name by a network ===
def averages(column, sizes):
    """Means of pieces of a column: [sum of sizes][1] -> [pieces][1].

    Each of n rows has 1/n of the mean, so it gets 1/n of the gradient.
    """
    def pull(grad):
        column.receive([[g / n] for (g,), n in zip(grad, sizes)
                        for _ in range(n)])

    out, top = [], 0
    for n in sizes:
        out.append([fmean(v for v, in column.value[top:top + n])])
        top += n
    return record(out, pull)


def rewards(model, names):
    """r(y), a number a name, [names][1], from a model with a head of a row.

    The end mark is read as well: its row has seen all letters and the end.
    """
    sizes, examples = [len(ids) for ids in names], [(ids, 1) for ids in names]
    if READ == "mean":
        return averages(model.logits(examples, range(sum(sizes))), sizes)
    return model.logits(examples, [end - 1 for end in accumulate(sizes)])


def scores(model, names):
    """The same as numbers that nothing flows back from, a few at a time."""
    found = []
    for i in range(0, len(names), CHUNK):
        found += [r for r, in rewards(model, names[i:i + CHUNK]).value]
        TAPE.clear()
    return found

# === Training ===
def imitate(model, names):
    """Mean of -log p over all symbols of some names: [[loss]]."""
    targets = [t for ids in names for t in ids[1:]]
    logits = model.logits([(ids[:-1], 1) for ids in names],
                          range(len(targets)))
    return cross_entropy(logits, targets)


def prefer(model, pairs):
    """The loss of DPO; but r is a score and not a ratio of probabilities."""
    r = rewards(model, [ids for both in pairs for ids in both])
    chosen, rejected = ([pick(r, [i]) for i in range(side, 2 * len(pairs), 2)]
                        for side in (0, 1))
    return preference_loss(chosen, rejected, [0.0] * len(pairs), 1)


def descend(model, examples, size, loss, rate):
    """One step for each `size` examples; the rate falls to zero."""
    optimizer = Adam(model.parameters)
    for i in range(0, len(examples), size):
        backward(loss(model, examples[i:i + size]))
        optimizer.step(rate * (1 - i / len(examples)))
    return model


def lessons(pairs):
    """LESSONS looks at the pairs: all in a new order, then all again."""
    looks = []
    while len(looks) < LESSONS:
        looks += random.sample(pairs, len(pairs))
    return looks[:LESSONS]

# --- Give the network another head ---
def learn_network(body, pairs):
    """A judge: the policy's network, with one row in place of its head.

    That row begins at zero, so that at first no name is preferred.
    """
    model = deepcopy(body)
    model.parameters.remove(model.head)
    model.head = Node([[0.0] * WIDTH])
    model.parameters.append(model.head)
    descend(model, lessons(pairs), BATCH // 2, prefer, TUNE_RATE)
    return lambda names: scores(model, names)

# === Weigh pieces by comparisons ===
def learn_linear(pairs):
    """A judge: r(y) is a sum of weights, one for each piece of the name.

    h = r(w) - r(l) sees only what the two names do not share. A step along
    d log sigmoid(h) / d weight = sigmoid(-h) (count in w - count in l).
    """
    weights = defaultdict(float)
    for won, lost in lessons(pairs):
        more = Counter(pieces(won))
        more.subtract(pieces(lost))
        h = sum(weights[piece] * n for piece, n in more.items())
        wrong = softmax([0.0, h])[0]  # sigmoid(-h)
        for piece, n in more.items():
            weights[piece] += LINEAR_RATE * wrong * n
    return lambda names: [score(weights, ids) for ids in names]

# --- Count, and multiply nothing ---
def labelled(pairs):
    """labelled([([1], [2])]) -> [([1], True), ([2], False)]

    For counts a pair is two labels; who was compared with whom is lost.
    """
    return [(ids, won) for both in pairs
            for ids, won in zip(both, (True, False))]


def learn_bayes(pairs):
    """A judge: naive Bayes over the pieces, as the referee is."""
    votes = learn_judge(labelled(pairs))
    return lambda names: [score(votes, ids) for ids in names]


def learn_last(pairs):
    """A judge that looks at the last letter, and at nothing else."""
    won, lost = (Counter(ids[-2] for ids in side) for side in zip(*pairs))
    return lambda names: [log((won[ids[-2]] + 1) / (lost[ids[-2]] + 1))
                          for ids in names]

# === Draw from the policy ===
def draw(model, longest):
    """One name as ids; one as long as the longest real one is cut."""
    memory, ids = Memory(model), [0]
    while len(ids) < longest - 1 and (ids[-1] or len(ids) == 1):
        row = softmax(memory.read(ids[-1], len(ids) - 1))
        ids += random.choices(range(len(row)), row)
    return ids if ids[-1] == 0 else [*ids, 0]

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

# === Take the best of n from a sorted pool ===
def best_of(n, values):
    """Mean value of the best of n draws, for values sorted worst first.

    Draws with replacement are all among the lowest i + 1 with the chance
    ((i + 1) / N)^n, so the best of them is number i with the difference of
    two of these. Nothing is drawn: every name of the pool speaks for each n.
    best_of(2, [0, 0, 1, 1]) -> 0.75
    """
    size = len(values)
    return sum((((i + 1) / size) ** n - (i / size) ** n) * value
               for i, value in enumerate(values))

# --- Let a judge put the pool in order ---
def in_order(points, values):
    """The values, lowest points first; equals share the mean of theirs.

    A judge of last letters knows a handful of classes and no order within.
    in_order([2, 1, 2], [1, 0, 0]) -> [0.0, 0.5, 0.5]
    """
    classes = defaultdict(list)
    for point, value in zip(points, values):
        classes[point].append(value)
    return [fmean(some) for _, some in sorted(classes.items()) for _ in some]


def ranked_rightly(points, pairs):
    """Share of pairs whose chosen has more points; a tie is half right.

    ranked_rightly({"a": 2, "b": 1, "c": 2}, ["ab", "ac"]) -> 0.75
    """
    return fmean((points[won] > points[lost])
                 + (points[won] == points[lost]) / 2 for won, lost in pairs)

# === Try a judge ===
class Court:
    """A referee, names of the policy, and real names whose truth is known."""

    def __init__(self, task, policy):
        self.task = task
        referee = learn_judge(task.for_referee)
        self.pool = [draw(policy, task.longest) for _ in range(POOL)]
        self.verdicts = [score(referee, ids) > 0 for ids in self.pool]
        self.real, self.truth = zip(*task.held_out)
        self.keys = list(map(tuple, self.real))
        self.pairs = [tuple(map(tuple, both)) for both in pair(task.held_out)]
        right = fmean((score(referee, ids) > 0) is girl
                      for ids, girl in task.held_out)
        print(f"referee | learned from {len(task.for_referee):,} | right on "
              f"held-out names {right:.3f}, always girl "
              f"{fmean(self.truth):.3f}")

    def points(self, judge):
        """What a judge gives the pool, and the real names."""
        return judge(self.pool), judge(self.real)

    def curve(self, points, values):
        """The best of each n of BEST_OF by these points, in these values."""
        ordered = in_order(points, values)
        return [best_of(n, ordered) for n in BEST_OF]

    def measure(self, points):
        """(pairs ranked rightly, referee's curve, true curve, letters)"""
        drawn, real = points
        return (ranked_rightly(dict(zip(self.keys, real)), self.pairs),
                self.curve(drawn, self.verdicts),
                self.curve(real, self.truth),
                self.curve(drawn, [len(ids) - 2 for ids in self.pool])[-1])

    def favourites(self, points):
        """The best names of the pool; in capitals what is a boy's name to
        the referee.
        """
        best = sorted(zip(points[0], self.pool, self.verdicts),
                      key=lambda one: -one[0])
        names = {self.task.spelled(ids): girl for _, ids, girl in best}
        return " ".join(name if girl else name.upper()
                        for name, girl in names.items())

# --- Several judges of one kind ---
def committee(several):
    """Sums of points, each judge's in units of its own spread.

    The loss sees differences alone, so scales and zeros are accidents.
    committee([([1, 3], [0, 2]), ([5, 5], [0, 6])])[0] -> [-1.0, 1.0]
    """
    sums = []
    for lists in zip(*several):
        units = []
        for row in lists:
            mean = fmean(row)
            spread = sqrt(fmean((v - mean) ** 2 for v in row)) or 1
            units.append([(v - mean) / spread for v in row])
        sums.append(list(map(sum, zip(*units))))
    return sums


def row(pairs, name, right, curve, letters):
    print(f"{pairs:5} | {name:13} | {right:>5} |",
          *(f"{round(value, 3) + 0.0:.3f}" for value in curve),
          f"| {letters:>4}")


def report(pairs, kind, court, points):
    """Each network by itself, and the means over the judges of a kind."""
    measured = [court.measure(both) for both in points]
    if kind == "network":
        for i, (right, drawn, _, letters) in enumerate(measured, 1):
            row(pairs, f"network {i}", f"{right:.3f}", drawn, f"{letters:.2f}")
    rights, *curves, letters = zip(*measured)
    drawn, real = ([fmean(column) for column in zip(*curve)]
                   for curve in curves)
    row(pairs, f"{kind}, mean", f"{fmean(rights):.3f}", drawn,
        f"{fmean(letters):.2f}")
    row(pairs, "  real names", "-", real, "-")
    if kind == "network" and len(points) > 1:
        own = [court.curve(one, one) for one, _ in map(committee, zip(points))]
        row(pairs, "  own scores", "-", map(fmean, zip(*own)), "-")
        right, drawn, _, letters = court.measure(committee(points))
        row(pairs, "  committee", f"{right:.3f}", drawn, f"{letters:.2f}")
    print(f"{pairs:5} | {kind + ', fell':13} |", sum(
        drawn[CROWD] - drawn[-1] > FALL for _, drawn, *_ in measured),
        "of", len(measured))

# === Refuse what cannot be measured ===
def check(pairs):
    """End in one sentence where the settings leave nothing to measure."""
    if (min(LAYERS, HEADS, BATCH // 2, LETTERS, LESSONS, POOL, CHUNK,
            *BEST_OF, *sum(SIZES, [])) < 1 or WIDTH % HEADS
            or not SIZES or READ not in ("end", "mean")
            or not 0 <= CROWD < len(BEST_OF)):
        raise SystemExit("a setting is too small, HEADS does not divide "
                         "WIDTH, READ is neither 'end' nor 'mean', or CROWD "
                         "is no place in BEST_OF")
    most = max(size * judges for size, judges in SIZES)
    if most > len(pairs):
        raise SystemExit(f"SIZES asks for {most:,} pairs, and there are "
                         f"{len(pairs):,}")

# === Main ===
def main():
    random.seed(SEED)
    if not (100 <= HELD_OUT <= 4_000 and 0 <= PRETRAIN <= 3_600):
        raise SystemExit("HELD_OUT must be from 100 to 4,000, and PRETRAIN "
                         "from 0 to 3,600")
    task = Names()
    pairs = [both[::-1] if random.random() < SWAPPED else both
             for both in pair(task.for_pairs)]
    check(pairs)
    print(f"names   | for pairs {len(task.for_pairs):,} | for the referee "
          f"{len(task.for_referee):,} | held out {len(task.held_out):,}")
    policy = GPT(task)
    body = policy if PRETRAINED else GPT(task)
    names = [ids for ids, _ in task.for_pairs + task.for_referee]
    descend(policy, random.sample(names, PRETRAIN), BATCH, imitate, RATE)
    loss = imitate(policy, [ids for ids, _ in task.held_out]).value[0][0]
    TAPE.clear()
    print(f"policy  | held-out {loss:.3f} nats a symbol, evenly "
          f"{log(len(task.symbols)):.3f}")
    court = Court(task, policy)
    kinds = {"network": partial(learn_network, body), "linear": learn_linear,
             "bayes": learn_bayes, "letter": learn_last}
    print("pairs | judge, best of | right |",
          *(f"{n:5,}" for n in BEST_OF), "| long")
    liked = []
    for size, judges in SIZES:
        lots = [pairs[i * size:(i + 1) * size] for i in range(judges)]
        for kind, learn in kinds.items():
            points = [court.points(learn(lot)) for lot in lots]
            report(size, kind, court, points)
            shown = points[:4] if kind == "network" else points[:1]
            liked += [f"{size:5} | {kind + ' likes':13} | "
                      + shorten(court.favourites(one), 54, placeholder="")
                      for one in shown]
    print(*liked, sep="\n")


if __name__ == "__main__":
    main()
