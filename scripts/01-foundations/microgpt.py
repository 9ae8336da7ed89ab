"""microgpt: one GPT, trained on two kinds of sequence.

Claim: attention pays where the answer stands at a place that the data must
point out. The same network learns names letter by letter, and the sounds of
English words given their spelling. Trained from the start with a plain mean
of the past in place of attention, only the sounds suffer.

Left out: biases, learned gains, dropout, weight decay, KV cache, tokenizer.
Vaswani et al., "Attention Is All You Need" (2017); Radford et al., "Improving
Language Understanding by Generative Pre-Training" (2018); after Andrej
Karpathy's makemore and microgpt. The run shows held-out loss beside that of
counts, names, words read aloud, and where the heads look.
"""
# === Imports ===
import gzip
import random
from collections import Counter, defaultdict
from hashlib import sha256
from itertools import zip_longest
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
HELD_OUT = 0.1  # of the examples, never trained on
FAMILIES = True  # False: hold out one by one, and half of them have kin
EXAMPLES = 20_000  # learn from no more: here that is all there are
STEPS = 700  # over half of the words, three quarters of the names
BATCH = 8  # as good a word as 4, and Adam is paid for half as often
WIDTH = 16  # twice that is slower, and worse at this RATE so early
HEADS = 2  # one alone is worse on the sounds, four gain little
HIDDEN = 32  # GPT's four times WIDTH is slower and no better this early
LAYERS = 1  # a second one doubles the time, also no better this early
RATE = 0.03  # with 0.05 the sounds end worse
WARM_UP = 50  # small steps while Adam's running means still say little
CLUES = 6  # tokens that the longest context of a count holds
DISCOUNT = 0.75  # with 0.9 the best counts are much the same
REPORT = 350  # steps between two rows of the learning curve
CHECKED = 200  # held-out sequences behind such a row, words to read aloud
SAMPLES = 200  # names at each temperature
TEMPERATURES = [0.5, 0.8, 1.1]
NEW_WORDS = ["gizmo", "emoji", "zorble", "wizardry", "chatbot"]  # in no data
# The knock-outs: give one of these another value and run again.
LOOK = "softmax"  # "mean": the past unweighted; "self": no past at all
CAUSAL = True  # False: a token sees those that come after it
POSITIONS = "restart"  # "absolute": do not begin again; "none": no positions
RESIDUAL = True  # False: a layer replaces its input instead of adding to it
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


# --- Sample names ---
def sample_names(model, task):
    """Hits in the part trained on, and scaled in the other, the control."""
    parts = [{tuple(ids[1:]) for ids, _ in part}
             for part in (task.train, task.held_out)]
    for temperature in TEMPERATURES:
        names = [tuple(generate(model, task, [task.id[END]], 1, temperature))
                 for _ in range(SAMPLES)]
        hits = [100 * sum(ids in part for ids in names) / max(1, SAMPLES)
                * len(parts[0]) / len(part) for part in parts]
        some = " ".join("".join(task.symbols[i] for i in ids[:-1])
                        for ids in names[:7])
        print(f"names  | at {temperature} | trained on {hits[0]:4.1f}% | held "
              f"out {hits[1]:4.1f}% | " + shorten(some, 27, placeholder=""))


# --- Read words aloud, show where the heads look ---
def read_aloud(model, task):
    """Held-out words by greedy generation, then words of nobody's list."""
    right = [a == b for ids, given in task.held_out[:CHECKED] for a, b in
             zip_longest(ids[given:], generate(model, task, ids, given))]
    print(f"sounds | said right in their place {100 * fmean(right):.1f}%")
    for word in NEW_WORDS:
        ids = [task.id[s] for s in [*word, ":"]]
        ids += generate(model, task, ids, len(ids))
        names = [task.symbols[i] for i in ids]
        print(f"sounds | {word:8} | " + " ".join(names[len(word) + 1:-1]))
    # what the last word's heads weighed, in tenths, before each sound
    for head, weights in enumerate(model.maps if NEW_WORDS else []):
        print(f"head {head} |    |" + "".join(f"{s:>3}" for s in names[:-1]))
        for sound, row in zip(names[len(word) + 1:], weights[len(word):]):
            print(f"head {head} | {sound:2} |" + "".join(
                f"{min(9, int(10 * w)) or '.':>3}" for w in row))


# === Main ===
def report(task, who, loss):
    print(f"{task.name:6} | {who:24} | held-out {loss:.3f}")


def main():
    if (min(BATCH, CHECKED, EXAMPLES, HEADS, HIDDEN, LAYERS, REPORT, WIDTH) < 1
            or WIDTH % HEADS or not 0.001 <= HELD_OUT <= 0.9):
        raise SystemExit("a setting is below 1, HEADS does not divide WIDTH, "
                         "or HELD_OUT is not from 0.001 to 0.9")
    data = {name: read(name) for name in TASKS}
    print("Losses are in nats per predicted symbol.")
    for name, rows in data.items():
        random.seed(SEED)  # a task runs the same with or without the other
        task = Task(name, rows)
        print(f"{name:6} | {len(task.train):,} to train on | "
              f"{len(task.held_out):,} held out | {len(task.symbols)} symbols")
        best, model = best_count(task), GPT(task)
        size = sum(len(w.value) * len(w.value[0]) for w in model.parameters)
        print(f"{name:6} | gpt of {size:,} numbers")
        train(model, task)
        (sample_names if name == "names" else read_aloud)(model, task)
        loss = evaluate(model, task.held_out)
        report(task, "gpt", loss)
        print(f"{name:6} | gpt - best count         | {loss - best:+.3f}")
        report(task, "gpt, prefix by prefix",
               evaluate(model, task.held_out[:CHECKED], alone=True))
        model.look = "mean"  # what was learnt stays, where it looks is lost
        report(task, "gpt, averaging", evaluate(model, task.held_out))


if __name__ == "__main__":
    main()
