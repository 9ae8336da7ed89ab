"""microrope: six ways to tell a network where it is, and longer words.

Claim: trained on words of at most six letters, a network that is told places
loses as much on words of nine as one told nothing; one whose attention is
told distances loses less, and less by a bias for each than by rotations
alone. This holds while the wanted letter is near. Count places through the
colon, and no way, as trained, beats a network told nothing on long words.

Left out: YaRN's ramp, random places, a second layer, running text.
Su et al., "RoFormer" (2021); Press et al., "Train Short, Test Long" (2022).
The run shows losses on held-out words of three lengths beside those of
counts, sound by sound, with the rotation stretched, fenced in and taken out.
"""
# === Imports ===
import gzip
import random
from collections import Counter, defaultdict, namedtuple
from copy import deepcopy
from hashlib import sha256
from math import cos, exp, inf, log, sin, sqrt
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
SHORT = 6  # letters of the longest word that is learned from
BANDS = {"up to 6": (1, 6), "7 and 8": (7, 8), "9 and more": (9, 99)}
HELD_OUT = 600  # words that judge; as many others choose the settings
PART = "judge"  # "choose": the words by which the numbers below were chosen
ASKED = 100  # words of each band
# How a network is told where a token stands, and a number or two for it.
WAYS = {
    "none": ("none", 0), "learned": ("learned", 0),
    "sinusoidal": ("sinusoidal", 10_000),  # the paper's base
    "rotary": ("rotary", 5),  # so small a base: of 5, 20, 100 and 10,000
    "ALiBi": ("ALiBi", (1, 0.25)),  # a slope a head; the paper's are too flat
    "learned bias": ("bias", 4)}  # beyond 4 all distances share the last
STRETCH = 1.5  # interpolation and NTK: nine letters in the room of six
WINDOW = 4  # letters that a fenced-in network sees on either side
TUNING = 0  # steps on long words, before all is asked again
TUNING_RATE = 0.01  # a third: what was learned is to be kept
POSITIONS = "restart"  # "absolute": do not begin again at the colon
STEPS = 400  # ten times as many keep the order on long words
BATCH, RATE = 8, 0.03  # microgpt's, as is the network
WIDTH, HEADS, HIDDEN = 16, 2, 32
LAYERS = 1  # a second one doubles the time and changes no order
WARM_UP = 50  # small steps while Adam's running means still say little
LOOK = None  # a new network is told of its way later
FAR = 8  # sounds of the longest words, counted one by one
NEW_WORDS = ["blockchain", "podcasters"]  # in no data
CLUES, DISCOUNT = 6, 0.75  # microgpt's table, with all of its clues
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


def read_words():
    """Lines such as ["soft", "S", "AO", "F", "T"]."""
    packed = shipped("cmudict_small.txt.gz")
    return [line.split() for line in
            gzip.decompress(packed).decode("ascii").splitlines()]


# --- Split by family, then by length ---
class Task:
    """Short words to learn from; others, of every length, to be asked."""

    def __init__(self, rows):
        parts = {}
        for part in ("judge", "choose"):  # no family has a word in two parts
            parts[part], rows = hold_out(families(rows), HELD_OUT,
                                         random.shuffle)
        every = [*parts["judge"], *parts["choose"], *rows]
        self.symbols = sorted({s for word, *sounds in every
                               for s in [*word, *sounds, ":", END]})
        self.id = {s: i for i, s in enumerate(self.symbols)}
        self.longest = max(len(self.number(row)[0]) for row in every)
        self.short = [self.number(row) for row in rows if len(row[0]) <= SHORT]
        self.long = [self.number(row) for row in rows if len(row[0]) > SHORT]
        self.asked = {band: [self.number(row) for row in parts[PART]
                             if low <= len(row[0]) <= high][:ASKED]
                      for band, (low, high) in BANDS.items()}

    def number(self, row):
        """(ids, given) of s o f t : S AO F T . - given are the first five."""
        word, *sounds = row
        return ([self.id[s] for s in [*word, ":", *sounds, END]],
                len(word) + 1)


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


# --- Let counts read long words ---
def count_in_place(task):
    """Losses of a table of the short words that is told where to look."""
    def cases(examples):
        return [(tuple(place(ids, given, i)[:CLUES]), ids[i])
                for ids, given in examples for i in range(given, len(ids))]

    table = count(cases(task.short))
    losses = [fmean(-log(chance(table, *case, len(task.symbols)))
                    for case in cases(examples))
              for examples in task.asked.values()]
    print(f"{'counts, told':19} | "
          + " | ".join(f"{loss:6.3f}       " for loss in losses).rstrip())


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


# === Tell where a token stands ===
def positions(length, given):
    """Positions of a sequence, beginning again at its last given symbol.

    The first transformer's decoder counts afresh too. So the row asked for
    the third sound shares a vector with the third letter, and can find it.
    positions(6, 4) -> [0, 1, 2, 0, 1, 2]
    """
    start = given - 1 if POSITIONS == "restart" else length
    return [i if i < start else i - start for i in range(length)]


# === Turn pairs of columns ===
def speeds(base, pairs):
    """Radians a step for each pair of columns: base^(-i / pairs).

    The first pair turns once in 2 pi = 6.3 steps; the slower the others, the
    longer until a pair says the same of two distances.
    speeds(10_000, 2) -> [1.0, 0.01]
    """
    return [base ** (-i / pairs) for i in range(pairs)]


def rotate(rows, places, steps):
    """R_m x for every row x at its place m: [n][2 * len(steps)], as long.

    A pair (a, b) becomes (a cos t - b sin t, a sin t + b cos t), t = m step.
    rotate([[1.0, 0.0, 5.0, 7.0]], [0], [1.0, 0.1]) -> [[1.0, 0.0, 5.0, 7.0]]
    """
    # of each place and step the cosine once, however many rows stand there
    hands = {m: [(cos(m * step), sin(m * step)) for step in steps]
             for m in set(places)}
    out = []
    for row, m in zip(rows, places):
        turned = []
        for (c, s), a, b in zip(hands[m], row[::2], row[1::2]):
            turned += a * c - b * s, a * s + b * c
        out.append(turned)
    return out


def turn(x, places, steps):
    """Rotate, on the tape: dx = R_m^T dy, and R_m^T is the turn by -m.

    Nothing here is learned: a rotation has no parameters.
    """
    def pull(grad):
        x.receive(rotate(grad, [-m for m in places], steps))

    return record(rotate(x.value, places, steps), pull)


# === Weigh by score and distance ===
def weigh(queries, keys, far, bias):
    """The attention matrix P of one head: [asking][tokens], rows sum to 1.

    P_ij = softmax over j of q_i . k_j / sqrt(d) + bias[far_ij]. The row
    far[i] numbers the distances, and ends with the last token that may be
    seen: that is the mask. A bias of zeros is attention as it was.
    weigh([[0]], [[1], [2], [3]], [[1, 1]], [9, 5]) -> [[0.5, 0.5, 0.0]]
    """
    rows, scale = [], 1 / sqrt(len(queries[0]))
    for query, row in zip(queries, far):
        scores = [scale * sumprod(query, key) + bias[distance]
                  for key, distance in zip(keys, row)]
        rows.append(softmax(scores) + [0.0] * (len(keys) - len(row)))
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


# --- Attend from the rows that are asked ---
def attend(queries, keys, values, bias, blocks):
    """[asking][WIDTH] and twice [tokens][WIDTH] to [asking][WIDTH].

    A block is a sequence: its rows that ask, its rows to be seen, and the
    numbers of the distances between them. Each head has a row of `bias`.
    """
    size, kept = WIDTH // HEADS, []
    out = [[0.0] * WIDTH for _ in queries.value]
    for asking, seen, far in blocks:
        for head, heights in enumerate(bias.value):
            columns = head * size, (head + 1) * size
            to, block = (*asking, *columns), (*seen, *columns)
            q, k, v = (cut(queries.value, to), cut(keys.value, block),
                       cut(values.value, block))
            weights = weigh(q, k, far, heights)
            paste(out, to, product(weights, transpose(v)))  # P V
            kept.append((head, far, to, block, q, k, v, weights))

    def pull(grad):
        nodes = queries, keys, values, bias
        dq, dk, dv, db = ([[0.0] * len(node.value[0]) for _ in node.value]
                          for node in nodes)
        for head, far, to, block, q, k, v, weights in kept:
            dout, dscores, scale = cut(grad, to), [], 1 / sqrt(size)
            for p, dp, row in zip(weights, product(dout, v), far):
                mean = sumprod(p, dp)  # dS = P (dP - sum(P dP))
                dscores.append([a * (b - mean) for a, b in zip(p, dp)])
                for distance, ds in zip(row, dscores[-1]):
                    db[head][distance] += ds  # shared by all that far apart
            dscores = [[scale * ds for ds in row] for row in dscores]
            paste(dq, to, product(dscores, transpose(k)))
            paste(dk, block, product(transpose(dscores), transpose(q)))
            paste(dv, block, product(transpose(weights), transpose(dout)))
        for node, rows in zip(nodes, (dq, dk, dv, db)):
            node.receive(rows)

    return record(out, pull)


# === Six ways to tell places ===
Way = namedtuple("Way", "kind steps bias last", defaults=[inf])


def way(kind, number, longest):
    """What a network does about places, its numbers worked out.

    All heads turn at the same speeds; a sinusoid is a hand that turns, as
    wide as the network, added and not applied. The row of a bias has a place
    for each distance m - n from -c to c, and those beyond share the ends.
    """
    steps, bias = [], [[0.0]] * HEADS
    if kind == "rotary":
        steps = speeds(number, WIDTH // HEADS // 2) * HEADS
    elif kind == "sinusoidal":
        steps = speeds(number, WIDTH // 2)
    elif kind == "ALiBi":
        bias = [[-slope * abs(far) for far in range(-longest, longest + 1)]
                for slope in number]
    elif kind == "bias":
        bias = [[0.0] * (2 * number + 1) for _ in range(HEADS)]
    return Way(kind, steps, Node(bias))


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


    # --- From tokens to logits, told of places ---
    def logits(self, examples, asked):
        """[asked][symbols]: scores of what follows the rows `asked`."""
        x = pick(self.tokens, [i for ids, _ in examples for i in ids])
        places = [p for ids, g in examples for p in positions(len(ids), g)]
        x = self.placed(x, places)
        for query, key, value, output, up, down in self.layers:
            y = rms_norm(x)
            # the last layer owes an answer to none but those who are asked
            rows = asked if query is self.layers[-1][0] else range(len(places))
            x, z = pick(x, rows), pick(y, rows)
            q, k = times(z, query), times(y, key)
            if self.look.kind == "rotary":
                q = turn(q, [places[i] for i in rows], self.look.steps)
                k = turn(k, places, self.look.steps)
            y = attend(q, k, times(y, value), self.look.bias,
                       self.blocks(examples, rows, places))
            x = plus(x, times(y, output))
            x = plus(x, times(relu(times(rms_norm(x), up)), down))
        return times(rms_norm(x), self.head)

    # --- Add a row for the place ---
    def placed(self, x, places):
        """Learned rows and sinusoids stand in x itself, from the first on."""
        if self.look.kind == "learned":
            last = self.look.last
            return plus(x, pick(self.positions,
                                [min(m, last) for m in places]))
        if self.look.kind == "sinusoidal":
            hand = [[1.0, 0.0] * (WIDTH // 2)] * len(places)
            return plus(x, Node(rotate(hand, places, self.look.steps)))
        return x

    def blocks(self, examples, rows, places):
        """(rows that ask, rows seen, distances) for each of the examples."""
        blocks, first, top, c = [], 0, 0, len(self.look.bias.value[0]) // 2
        for ids, _ in examples:
            mine = [i for i in rows if top <= i < top + len(ids)]
            blocks.append(((first, first + len(mine)), (top, top + len(ids)), [
                [max(-c, min(c, places[i] - places[j])) + c
                 for j in range(top, i + 1)] for i in mine]))
            first, top = first + len(mine), top + len(ids)
        return blocks


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


# --- Learn from examples ---
def train(model, examples, steps, rate):
    """Adam over shuffled passes: up for WARM_UP steps, then down to zero."""
    optimizer, order = Adam(model.parameters), []
    warm_up = min(WARM_UP, steps // 2)
    for step in range(1, steps + 1):
        if len(order) < BATCH:
            order = random.sample(examples, len(examples))
        backward(loss_of(model, [order.pop() for _ in order[:BATCH]]))
        optimizer.step(rate * min(step / max(1, warm_up), (steps - step)
                                  / max(1, steps - warm_up)))


# === Ask words of every length ===
def answers(model, ids, given):
    """(loss, whether the likeliest is right) of each sound of a word.

    All are asked in one pass: the sounds before are the true ones.
    """
    ends = range(given - 1, len(ids) - 1)
    rows = model.logits([(ids[:-1], given)], ends).value
    TAPE.clear()
    return [(-log(softmax(row)[ids[i + 1]]), row.index(max(row)) == ids[i + 1])
            for row, i in zip(rows, ends)]


def ask(who, model, task):
    """Print the loss in each band, and how many of its sounds are right."""
    cells = []
    for examples in task.asked.values():
        losses, right = zip(*[one for ids, given in examples
                              for one in answers(model, ids, given)])
        cells.append(f"{fmean(losses):6.3f} {100 * fmean(right):5.1f}%")
    print(f"{who:19} | " + " | ".join(cells))


# --- Sound by sound ---
def ask_each(who, model, task):
    """Loss of the first sound of the longest words, the second, and so on.

    A mean over a word hides where reading ends: its first sounds stand
    where those of short words do. The end of a word is left out.
    """
    *_, longest = task.asked.values()
    found = [[] for _ in range(FAR)]
    for ids, given in longest:
        for losses, (loss, _) in zip(found, answers(model, ids, given)[:-1]):
            losses.append(loss)
    print(f"{who:19} | sound by sound "
          + " ".join(f"{fmean(losses):.2f}" for losses in found if losses))


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


# --- Read words aloud ---
def read_aloud(who, model, task):
    """What follows the spelling, greedily."""
    for word in NEW_WORDS:
        ids = [task.id[s] for s in [*word, ":"]]
        said = [task.symbols[i] for i in generate(model, task, ids, len(ids))]
        print(f"{who:19} | {word} " + " ".join(said[:-1]))


# === Read on with other numbers ===
def others(name, task):
    """(who, way) to use what one way has learned as it was not trained."""
    kind, number = WAYS[name]
    look = way(kind, number, task.longest)
    if kind == "rotary":
        # positional interpolation: place m is now called m / STRETCH
        yield f"{name} PI", look._replace(
            steps=[step / STRETCH for step in look.steps])
        # NTK: a base with which the slowest pair is as slow as that, and
        # the fastest as it was, base'^(1 - pairs) = base^(1 - pairs) / STRETCH
        pairs = WIDTH // HEADS // 2
        yield f"{name} NTK", way(
            kind, number * STRETCH ** (pairs / max(1, pairs - 1)), 0)
        # a fence: what stands farther away gets the weight exp(-inf) = 0
        yield f"{name} near", look._replace(
            bias=Node([[-inf, *[0.0] * (2 * WINDOW + 1), -inf]] * HEADS))
    elif kind == "learned":
        # rows of places that no short word has are still as they were drawn
        top = max(max(positions(len(ids) - 1, g)) for ids, g in task.short)
        yield "last row", look._replace(last=top)
    if kind in ("rotary", "ALiBi"):  # the knock-outs
        yield f"{name} off", way("none", 0, 0)


# === Ask what a rotation does to a score ===
def fade(base):
    """Mean of cos((m - n) step): R_m q . R_n q / q . q if all pairs of q are
    equally long, at distances 0, 1, 2 ...
    """
    steps = speeds(base, WIDTH // HEADS // 2)
    print(f"turn by base {base:6,} | " + " ".join(
        f"{fmean(cos(m * step) for step in steps):5.2f}" for m in range(9)))


def move_both():
    """R_m q . R_n k, and the same with m and n moved on alike."""
    steps = speeds(10_000, WIDTH // 2)
    rows = [[random.gauss(0, 1) for _ in range(WIDTH)] for _ in "qk"]
    gap = max(abs(sumprod(*rotate(rows, [m, n], steps))
                  - sumprod(*rotate(rows, [m + on, n + on], steps)))
              for m in range(10) for n in range(10) for on in (1, 10, 1000))
    print(f"moved on alike, a query and a key differ by {gap:.0e} at most")


# === Train one way and ask ===
def study(name, task):
    """Train one way and ask; then with other numbers, and after tuning."""
    random.seed(SEED)  # every way begins with the same numbers and words
    model = GPT(task)
    model.look = way(*WAYS[name], task.longest)
    if model.look.kind == "bias":
        model.parameters.append(model.look.bias)
    train(model, task.short, STEPS, RATE)
    ask_each(name, model, task)
    read_aloud(name, model, task)
    for who, look in [(name, model.look), *others(name, task)]:
        model.look = look
        ask(who, model, task)
        if TUNING:
            random.seed(SEED)
            tuned = deepcopy(model)
            train(tuned, task.long, TUNING, TUNING_RATE)
            ask(f"{who}, tuned", tuned, task)


# === Main ===
def usable(kind, number):
    """Whether a way can do something with its number.

    usable("rotary", 0) -> False
    """
    if kind == "ALiBi":
        return len(number) == HEADS
    return (number > 0 if kind in ("rotary", "sinusoidal")
            else kind in ("none", "learned", "bias"))


def main():
    if (min(ASKED, BATCH, FAR, HEADS, HIDDEN, LAYERS, WIDTH) < 1
            or WIDTH % (2 * HEADS) or WINDOW < 0 or not 1 <= HELD_OUT <= 3_000
            or STRETCH <= 0 or not all(usable(*w) for w in WAYS.values())):
        raise SystemExit("a setting is too small, HELD_OUT over 3,000, a head "
                         "without pairs of columns, or a way unusable")
    random.seed(SEED)
    task = Task(read_words())
    if not (BANDS and task.short and task.long and all(task.asked.values())):
        raise SystemExit("no words are as short as SHORT, longer than that, "
                         "or in a band of BANDS")
    if not all(len(word) < task.longest and {*word} <= {*task.symbols}
               for word in NEW_WORDS):
        raise SystemExit("a new word is too long, or not in small letters")
    print(f"{len(task.short):,} words of up to {SHORT} letters to learn from")
    move_both()
    for base in 5, 100, 10_000:
        fade(base)
    print(f"{'letters':19}", *(f"{band:>13}" for band in BANDS), sep=" | ")
    count_in_place(task)
    for name in WAYS:
        study(name, task)


if __name__ == "__main__":
    main()
