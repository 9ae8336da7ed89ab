"""micrornn: a network that reads with a memory of fixed size.

Claim: on the sounds of English words, given their spelling, keeping a learned
share of the old state, one number a unit, makes up most of the distance from
a plain recurrent network to a gated one. Drawn as here, the gated network
loses the gradient fastest before training, the plain one after.

Left out: layers, dropout, biases, beam search, two directions, peepholes.
Elman, "Finding Structure in Time" (1990); Hochreiter and Schmidhuber, "Long
Short-Term Memory" (1997); Cho et al., "Learning Phrase Representations using
RNN Encoder-Decoder" (2014). The run shows held-out loss beside that of
counts, how far back the gradient reaches, words read aloud, and the gates.
"""
# === Imports ===
import gzip
import random
from collections import Counter, defaultdict
from hashlib import sha256
from math import exp, log, log10, sqrt, tanh
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
HELD_OUT = 0.1  # of the words, never trained on
FAMILIES = True  # False: hold out one by one, and half of them have kin
EXAMPLES = 20_000  # learn from no more: here that is all there are
# Each cell has the best of four or more rates, by words held out of the
# part that is trained on.
RATES = {"plain": 0.03, "leaky": 0.1, "gru": 0.07}
STEPS = 700  # microgpt's, of as many words
BATCH = 8
WARM_UP = 50  # small steps while Adam's running means still say little
WIDTH = 24  # numbers of memory
IDENTITY = ["relu"]  # cells whose recurrent matrix starts as one
KEEP = 0.0  # added to what a gate hears before it keeps: at 0 it keeps half
CLIP = 0.0  # longest gradient of all parameters; 0: as long as it is
WINDOW = 0  # cut the gradient at every so many tokens; 0: never
REVERSED = False  # True: read the spelling from its end
CLUES = 6  # symbols that the longest context of a count holds
DISCOUNT = 0.75  # microgpt's
FAR = 12  # follow the gradient so many tokens back
WORDS = 60  # held-out words over which it is averaged
NEW_WORDS = ["gizmo", "emoji", "zorble", "wizardry", "chatbot"]  # in no data
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
END = "."  # after the last sound


def read():
    """Lists [word, *sounds], in the order of the file."""
    data = gzip.decompress(shipped("cmudict_small.txt.gz"))
    return [line.split() for line in data.decode("ascii").splitlines()]


def example(word, *sounds):
    """(symbols, given): the first `given` symbols are not predicted.

    s o f t : S AO F T .   given 5: the loss is on the sounds alone
    """
    letters = word[::-1] if REVERSED else word
    return [*letters, ":", *sounds, END], len(word) + 1


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


# === Choose what to count ===
def past(ids, given, i):  # what an n-gram looks at, the nearest first
    """past([7, 8, 9], 1, 2) -> [8, 7]"""
    return ids[:i][::-1]


def place(ids, given, i):
    """What a reader of English would look at: the letter where sound i
    stands, the sound before it, the letters beside, the best clue first.

    place([5, 6, 7, 0, 8, 9], 4, 5) -> [6, 8, 7, 5, 0, None]
    """
    k, letter = i - given, dict(enumerate(ids[:given])).get
    return [letter(k), ids[i - 1], letter(k + 1), letter(k - 1),
            letter(k + 2), letter(k - 2)]


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


# --- Let counts of every length predict ---
def counted(task, view, longest):
    """Held-out loss of a table of the training part."""
    def cases(examples):
        return [(tuple(view(ids, given, i)[:longest]), ids[i])
                for ids, given in examples for i in range(given, len(ids))]

    table = count(cases(task.train))
    return fmean(-log(chance(table, *case, len(task.symbols)))
                 for case in cases(task.held_out))


def best_count(task):
    """Print losses by number of clues; the least, chosen with hindsight."""
    least = []
    for view in [past, place] if task.name == "sounds" else [past]:
        losses = [counted(task, view, n) for n in range(max(1, CLUES + 1))]
        least.append(min(losses))
        print(f"{task.name:6} | counts, {view.__name__:5} | "
              + " ".join(f"{loss:.3f}" for loss in losses))
    return min(least)


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


# === Put side by side ===
def beside(a, b):
    """[n][k] and [n][m] give [n][k + m]; the gradient is cut at column k."""
    k = len(a.value[0])

    def pull(grad):
        a.receive([row[:k] for row in grad])
        b.receive([row[k:] for row in grad])

    return record([x + y for x, y in zip(a.value, b.value)], pull)


# === The plain cell ===
# A cell takes one token's share x of what it needs, the old state's share
# u = U h, and the old state. It gives the new state, what it kept of the old
# one (for the picture), and `pull`: from d, the gradient of the new state, to
# those of x, u and, past U, of the old state itself.
def plain(x, u, state):
    """h' = tanh(x + u): nothing of h passes but through U."""
    new = [tanh(a + b) for a, b in zip(x, u)]

    def pull(d):
        slope = [g * (1 - n * n) for g, n in zip(d, new)]  # tanh' = 1 - tanh^2
        return slope, slope, [0.0] * len(d)

    return new, [0.0] * len(new), pull


def rectified(x, u, state):
    """h' = max(x + u, 0), which neither squashes nor bounds."""
    new = [v if v > 0.0 else 0.0 for v in map(add, x, u)]

    def pull(d):
        slope = [g if n else 0.0 for g, n in zip(d, new)]
        return slope, slope, [0.0] * len(d)

    return new, [0.0] * len(new), pull


# --- Keep a share of the old state ---
def sigmoid(v):
    """sigmoid(0) -> 0.5"""
    return 0.5 + 0.5 * tanh(0.5 * v)  # exp(-v) would overflow at -710


def leaky(x, u, state):
    """h' = z h + (1 - z) n, where n = tanh(x + u) and z = sigmoid(x_z).

    What stands in x_z, the second half of x, decides what z knows: one row
    for all symbols makes it a constant of the unit, a row each lets it choose.
    """
    width = len(state)
    new = [tanh(a + b) for a, b in zip(x, u)]
    keep = [sigmoid(v) for v in x[width:]]

    def pull(d):
        slope = [g * (1 - z) * (1 - n * n) for g, z, n in zip(d, keep, new)]
        gate = [g * (h - n) * z * (1 - z)
                for g, h, n, z in zip(d, state, new, keep)]
        # the path that no matrix and no tanh stand on
        return slope + gate, slope, list(map(mul, d, keep))

    return ([n + z * (h - n) for h, n, z in zip(state, new, keep)], keep,
            pull)


# === The gated cell ===
def gru(x, u, state):
    """The same sum, whose share z looks at the symbol and at the state.

    z = sigmoid(x_z + u_z), r = sigmoid(x_r + u_r), n = tanh(x_n + r u_n).
    Cho et al. reset before the product, U (r h). Here it comes after, as in
    the common libraries, so one product with U serves all three parts.
    """
    w = len(state)
    reset = [sigmoid(a + b) for a, b in zip(x[:w], u)]
    keep = [sigmoid(a + b) for a, b in zip(x[w:2 * w], u[w:])]
    past = u[2 * w:]
    new = [tanh(a + r * b) for a, r, b in zip(x[2 * w:], reset, past)]

    def pull(d):
        slope = [g * (1 - z) * (1 - n * n) for g, z, n in zip(d, keep, new)]
        gate = [g * (h - n) * z * (1 - z)
                for g, h, n, z in zip(d, state, new, keep)]
        gate = [s * b * r * (1 - r)
                for s, b, r in zip(slope, past, reset)] + gate
        return (gate + slope, gate + list(map(mul, slope, reset)),
                list(map(mul, d, keep)))

    return ([n + z * (h - n) for h, n, z in zip(state, new, keep)], keep,
            pull)


# --- Two states, one of them unseen ---
def lstm(x, u, state):
    """c' = f c + i n, h' = o tanh(c'); the state is h and then c.

    Its share f kept and share i let in need not sum to 1, so c is not bound
    between -1 and 1.
    """
    w = len(state) // 2
    sums = list(map(add, x, u))
    let_in, keep, show = ([sigmoid(v) for v in sums[k:k + w]]
                          for k in (0, w, 2 * w))
    new, cell = [tanh(v) for v in sums[3 * w:]], state[w:]
    after = [f * c + i * n for f, c, i, n in zip(keep, cell, let_in, new)]
    seen = [tanh(c) for c in after]

    def pull(d):
        dc = [b + a * o * (1 - t * t)
              for a, b, o, t in zip(d, d[w:], show, seen)]
        slope = ([g * n * i * (1 - i) for g, n, i in zip(dc, new, let_in)]
                 + [g * c * f * (1 - f) for g, c, f in zip(dc, cell, keep)]
                 + [g * t * o * (1 - o) for g, t, o in zip(d, seen, show)]
                 + [g * i * (1 - n * n) for g, i, n in zip(dc, let_in, new)])
        return slope, slope, [0.0] * w + list(map(mul, dc, keep))

    return list(map(mul, show, seen)) + after, keep, pull


# === Unroll through time ===
def unroll(cell, inputs, weights, lengths, size, felt):
    """States h of words that stand below one another: [tokens][w].

    One operation of the tape, however long the words. `size` is the length
    of a state, of which the first w numbers are h. Going back, `felt` gets
    the norm of the gradient at each state. Returns what was kept, too.
    """
    w, nothing = len(weights.value[0]), [0.0] * size
    places = [t for length in lengths for t in range(length)]
    pasts, steps, state = [], [], nothing
    for x, t in zip(inputs.value, places):
        if t == 0:
            state = nothing  # each word begins without a past
        pasts.append(state[:w])
        u = [sumprod(row, pasts[-1]) for row in weights.value]  # U h
        steps.append(cell(x, u, state))
        state = steps[-1][0]

    def back(grad):
        columns, dx, du, later = transpose(weights.value), [], [], nothing
        for t, d, (_, _, pull) in zip(reversed(places), reversed(grad),
                                      reversed(steps)):
            # what this state did to its own guess, and to all later ones
            d = [*map(add, d, later), *later[w:]]
            felt.append(sqrt(sumprod(d, d)))
            x, u, later = pull(d)
            dx.append(x)
            du.append(u)
            if t % WINDOW if WINDOW else t:  # back by U, and past U
                later = [*map(add, later, product([u], columns)[0]),
                         *later[w:]]
            else:
                later = nothing
        inputs.receive(dx[::-1])
        # dU, the sum over time of du h^T, as one product of long rows
        weights.receive(product(transpose(du[::-1]), transpose(pasts)))

    return (record([state[:w] for state, _, _ in steps], back),
            [keep for _, keep, _ in steps])


# === The recurrent network ===
CELLS = {  # cell, its parts of x and of u, states; "choosy": z by the symbol
    "plain": (plain, 1, 1, 1), "relu": (rectified, 1, 1, 1),
    "leaky": (leaky, 1, 1, 1), "choosy": (leaky, 2, 1, 1),
    "gru": (gru, 3, 3, 1), "lstm": (lstm, 4, 4, 2)}


class Network:
    """A table of symbols, a cell that loops, and a head that guesses."""

    def __init__(self, kind, task):
        def matrix(rows, columns, spread):
            return Node([[random.gauss(0, spread) for _ in range(columns)]
                         for _ in range(rows)])

        self.cell, parts, loops, states = CELLS[kind]
        self.size, symbols = states * WIDTH, len(task.symbols)
        # a symbol's share of every gate is a row: W e, and the bias in it
        self.table = matrix(symbols, parts * WIDTH, 0.5)
        self.weights = matrix(loops * WIDTH, WIDTH, 1 / sqrt(WIDTH))
        self.head = matrix(symbols, WIDTH, 0.5 / sqrt(WIDTH))
        self.parameters = [self.table, self.weights, self.head]
        if kind in IDENTITY:  # at first the state passes as it is
            self.weights.value = [[float(i % WIDTH == j) for j in range(WIDTH)]
                                  for i in range(loops * WIDTH)]
        # in each table the second part is what the keeping gate hears
        self.table.value = [[v + KEEP * (WIDTH <= i < 2 * WIDTH)
                             for i, v in enumerate(row)]
                            for row in self.table.value]
        self.shared = Node([[KEEP] * WIDTH])
        if kind == "leaky":
            self.parameters.append(self.shared)

    def logits(self, examples, asked):
        """[asked][symbols]: scores of what follows the rows `asked`."""
        symbols = [i for ids, _ in examples for i in ids]
        x = pick(self.table, symbols)
        if self.shared in self.parameters:
            x = beside(x, pick(self.shared, [0] * len(symbols)))
        self.felt = []
        states, self.kept = unroll(
            self.cell, x, self.weights, [len(ids) for ids, _ in examples],
            self.size, self.felt)
        return times(pick(states, asked), self.head)


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


# --- Shorten a gradient ---
def shorten(parameters):
    """Scale all gradients so that together they are no longer than CLIP."""
    norm = sqrt(sum(sumprod(row, row) for node in parameters
                    for row in node.grad))
    if norm > CLIP:
        for node in parameters:
            node.grad = [[CLIP / norm * g for g in row] for row in node.grad]


# --- Descend at a rate of its own ---
def train(model, task, rate):
    """Adam over shuffled passes; the mean loss of the last tenth."""
    optimizer, order, losses = Adam(model.parameters), [], [0.0]
    for step in range(1, STEPS + 1):
        if len(order) < BATCH:
            order = random.sample(task.train, len(task.train))
        loss = loss_of(model, [order.pop() for _ in order[:BATCH]])
        losses.append(loss.value[0][0])
        if not losses[-1] < 1e3:
            raise OverflowError
        backward(loss)
        if CLIP:
            shorten(model.parameters)
        # up for WARM_UP steps, then down, each along a straight line
        optimizer.step(rate * min(step / max(1, WARM_UP), (STEPS - step)
                                  / max(1, STEPS - WARM_UP)))
    return fmean(losses[-max(1, STEPS // 10):])


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


# === Follow the gradient back ===
def reach(model, task):
    """How much of the gradient of a word's last sound is left at states
    further back: log10 of its norm there by that at the guess, the mean
    over held-out words.
    """
    rows = []
    for ids, given in task.held_out:
        if len(ids) > FAR + 2 and len(rows) < WORDS:
            logits = model.logits([(ids[:-2], given)], [len(ids) - 3])
            backward(cross_entropy(logits, [ids[-2]]))
            rows.append([log10(max(norm, 1e-99) / (model.felt[0] or 1.0))
                         for norm in model.felt[:FAR + 1:2]])
    for node in model.parameters:
        node.grad = None  # nothing is learnt from it
    return [fmean(column) for column in zip(*rows)]


# === Generate ===
def generate(model, task, ids, given, temperature=0):
    """What follows the first `given` ids, up to END; 0 takes the likeliest."""
    ids = ids[:given]
    while len(ids) < task.longest:
        row = model.logits([(ids, given)], [len(ids) - 1]).value[0]
        TAPE.clear()
        if temperature:  # below 1 it sharpens the choice
            row = softmax([v / temperature for v in row])
            ids += random.choices(range(len(row)), row)
        else:
            ids.append(row.index(max(row)))
        if ids[-1] == task.id[END]:
            break
    return ids[given:]


# === Say new words, show the gates ===
def read_aloud(model, task, kind):
    """Words of nobody's list; of the last one, what each unit kept."""
    for word in NEW_WORDS:
        ids = [task.id[s] for s in example(word)[0][:-1]]
        ids += generate(model, task, ids, len(ids))
        names = [task.symbols[i] for i in ids]
        print(f"{kind:6} | {word:8} | " + " ".join(names[len(word) + 1:-1]))
    # a column a unit, from nothing kept to nothing new; what stays, once
    row = ""
    for name, keep in zip(names if NEW_WORDS else [], model.kept):
        before, row = row, "".join(" .:-=+*#%@"[min(9, int(10 * z))]
                                   for z in keep)
        if row != before:
            print(f"{kind:6} | keeps at {name:2} |{row}|")


# === Main ===
def study(kind, task, best):
    """Train one network; what it says, and how far back it was told."""
    random.seed(SEED)
    model = Network(kind, task)
    size = sum(len(w.value) * len(w.value[0]) for w in model.parameters)
    before = reach(model, task)
    random.seed(SEED)  # so that all cells see the same words in one order
    try:
        last = train(model, task, RATES[kind])
    except (OverflowError, ValueError) as error:
        raise SystemExit(f"{kind} left all bounds at the rate {RATES[kind]}: "
                         "choose a smaller one") from error
    lines = before, reach(model, task)
    read_aloud(model, task, kind)
    for when, line in zip(("before", "after"), lines):
        print(f"{kind:6} | reach, {when:6} | "
              + " ".join(f"{v:5.2f}" for v in line))
    loss = evaluate(model, task.held_out)
    return (f"{kind:6} | {size:5,} numbers | trained {last:.3f} | held-out "
            f"{loss:.3f} | - best count {loss - best:+.3f}")


def main():
    if min(BATCH, EXAMPLES, WIDTH) < 1 or not 0.001 <= HELD_OUT <= 0.9:
        raise SystemExit("BATCH, EXAMPLES or WIDTH is below 1, or HELD_OUT is "
                         "not from 0.001 to 0.9")
    if unknown := [kind for kind in RATES if kind not in CELLS]:
        raise SystemExit(f"RATES names {unknown[0]!r}, which is no cell: "
                         f"there are {', '.join(CELLS)}")
    rows = read()
    print("Losses are in nats per sound.")
    random.seed(SEED)
    task = Task("sounds", rows)
    print(f"sounds | {len(task.train):,} to train on | "
          f"{len(task.held_out):,} held out | {len(task.symbols)} symbols")
    if unknown := set("".join(NEW_WORDS)) - task.id.keys():
        raise SystemExit(f"NEW_WORDS has {min(unknown)!r}, which no word in "
                         "the data has")
    best = best_count(task)
    print(*[study(kind, task, best) for kind in RATES], sep="\n")


if __name__ == "__main__":
    main()
