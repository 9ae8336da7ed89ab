"""microsft: sixty-four answers teach a network a form, and few words.

Claim: a small GPT that has read a dictionary answers in a new form after 64
questions with answers, about words of other families. If it had read the
same lines with the sounds dealt to the wrong words, it learns the form and
says less than one word of a hundred right, and a fresh network says fewer
than half as many as the first. Moving all numbers costs words that it knew,
asked in its old form, with the mark or without. Moving only the rows of the
three new marks, with all others frozen, keeps more of them.

Left out: chat templates, many turns, a weight for each example. Ouyang et
al., "Training language models to follow instructions" (2022); Zhou et al.,
"LIMA" (2023). The run asks for held-out words in both forms, after the 64
pairs alone and with old lines replayed, for all numbers and for three rows,
beside counts that were told where to look.
"""


# === Imports ===
import gzip
import random
from collections import Counter, defaultdict
from copy import deepcopy
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
LONGEST = 6  # letters of a word; longer ones take more reading
HELD_OUT = 250  # words to ask, of families that nobody reads
STEPS = 600  # of reading the dictionary; the curve is still falling
BATCH, RATE, WARM_UP = 8, 0.03, 50  # of reading, as in microgpt
HOW = {  # fine-tuning itself
    "base": "dictionary",  # or "shuffled": wrong sounds; or "none": fresh
    "pairs": 64,  # with 256 it knows more words
    "steps": 100,  # with 60 or 300 it says no more words right
    "rate": 0.01,  # with .003 the form comes late, with .03 words go
    "warm up": 20,
    "loss": "answer",  # or "everything", or "sounds": never on the end
    "replay": 0.0,  # share of each batch that is old dictionary lines
    "learn": "all",  # or "marks": the rows of the three new marks alone
    "copy": False,  # True: the new marks begin as copies of the old
}
WAYS = {  # what differs from HOW
    "answer": {},
    "replay": {"replay": 0.25},
    "marks": {"learn": "marks", "rate": 0.1},
    "marks, old": {"learn": "marks", "rate": 0.1, "replay": 0.25},
    "fresh": {"base": "none", "steps": 150, "rate": 0.05},  # its best
}
CURVE = [10, 20, 25, 30, 60]  # steps of the first way at which to ask
SHOWN = 4  # held-out words whose answers are printed
CLUES = 5  # letters and sounds that a count looks at
DISCOUNT = 0.75  # as in microgpt
# microgpt's network, with nothing knocked out.
WIDTH, HEADS, HIDDEN, LAYERS = 16, 2, 32, 1
LOOK, CAUSAL, POSITIONS, RESIDUAL = "softmax", True, "restart", True
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
OLD, NEW = ".-.", "?:!"  # the marks before, between and after, in each form


def line(word, sounds, marks):
    """(symbols, given): the first `given` are the question.

    . s o f t - S AO F T .   a line of the dictionary, given 6
    ? s o f t : S AO F T !   a question with its answer, given 6
    """
    before, between, after = marks
    return [before, *word, between, *sounds, after], len(word) + 2


class Words:
    """Rows [word, *sounds]: half of them to read, the others to ask."""

    def __init__(self):
        data = gzip.decompress(shipped("cmudict_small.txt.gz"))
        rows = [row.split() for row in data.decode("ascii").splitlines()]
        rows = [row for row in rows if len(row[0]) <= LONGEST]
        if not 1 <= HELD_OUT <= len(rows) / 2:
            raise SystemExit(f"HELD_OUT is not from 1 to half of the "
                             f"{len(rows)} words")
        self.held_out, learn = hold_out(families(rows), HELD_OUT,
                                        random.shuffle)
        if len(learn) < 2:
            raise SystemExit("HELD_OUT leaves no words to learn from")
        half = len(learn) // 2
        self.dictionary, self.pairs = learn[:half], learn[half:]
        self.sounds = {s for row in rows for s in row[1:]}
        self.symbols = sorted(self.sounds | set("".join(
            row[0] for row in rows) + OLD + NEW))
        self.id = {s: i for i, s in enumerate(self.symbols)}
        self.longest = max(map(len, rows)) + LONGEST + 2  # with three marks


# === Say on what the loss is ===
def example(task, row, marks, loss):
    """(ids, given, targets): targets[i] is what row i is asked for, or None.

    ? s o f t : S AO F T !   everything: asked for all after the first
              S AO F T !     answer: what is given is not predicted
              S AO F T       sounds: and nobody says when to stop
    """
    symbols, given = line(row[0], row[1:], marks)
    ids = [task.id[s] for s in symbols]
    targets = ids[1:]
    if loss != "everything":
        targets = [None] * (given - 1) + targets[given - 1:]
    if loss == "sounds":
        targets[-1] = None
    return ids, given, targets


def dictionary(task, shuffled):
    """The lines to read; shuffled: each word with the sounds of another."""
    words, sounds = zip(*((row[0], row[1:]) for row in task.dictionary))
    if shuffled:
        sounds = random.sample(sounds, len(sounds))
    return [example(task, [word, *said], OLD, "everything")
            for word, said in zip(words, sounds)]


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
    """Mean cross-entropy, [[loss]], over what is asked for, all together.

    The examples stand below one another: none is padded, and none sees
    another, since attention goes block by block.
    """
    targets = [t for *_, wanted in examples for t in wanted]
    asked = [row for row, t in enumerate(targets) if t is not None]
    logits = model.logits([(ids[:-1], given) for ids, given, _ in examples],
                          asked)
    return cross_entropy(logits, [targets[row] for row in asked])


def deal(examples):
    """One example after another, for ever, in shuffled passes."""
    while True:
        yield from random.sample(examples, len(examples))


# --- Move three rows alone ---
def freeze(model, rows):
    """Forget the gradient of all but these rows of tokens and of head.

    Adam leaves a node without gradient alone, and a row of zeros as well.
    """
    for node in model.parameters:
        if node is model.tokens or node is model.head:
            node.grad = [grad if i in rows else [0.0] * WIDTH
                         for i, grad in enumerate(node.grad)]
        else:
            node.grad = None


def copy_marks(model, task):
    """The cheap rival: let each new mark mean what the old one does."""
    for new, old in zip(NEW, OLD):
        for table in (model.tokens, model.head):
            table.value[task.id[new]] = table.value[task.id[old]]


# --- Descend, with some old lines in every batch ---
def train(model, new, steps, rate, warm_up, old=(), replay=0, rows=None):
    """Adam, and after each step its number: up for `warm_up`, then down."""
    optimizer, again = Adam(model.parameters), round(BATCH * replay)
    new, old = deal(new), deal(old)
    for step in range(1, steps + 1):
        batch = ([next(new) for _ in range(BATCH - again)]
                 + [next(old) for _ in range(again)])
        backward(loss_of(model, batch))
        if rows:
            freeze(model, rows)
        optimizer.step(rate * min(step / max(1, warm_up), (steps - step)
                                  / max(1, steps - warm_up)))
        yield step


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


# === Ask for a word ===
def ask(model, task, word, marks):
    """What is likeliest after the question, up to the first that is no
    sound: that should be the form's end.
    """
    memory = Memory(model)
    given = [task.id[s] for s in line(word, (), marks)[0][:-1]]
    for token, place in zip(given, positions(len(given), len(given))):
        scores = memory.read(token, place)
    said, room = [], task.longest - len(given)
    while len(said) < room:
        said.append(task.symbols[scores.index(max(scores))])
        if said[-1] not in task.sounds:
            break
        if len(said) < room:
            scores = memory.read(task.id[said[-1]], len(said))
    return said


# --- Content and form, apart ---
def marked(said, sounds, marks):
    """(sounds right, form right, both): whether the right sounds came
    before the first mark, and whether that is the form's own.

    marked(["AA", "."], ["AA"], "?:!") -> (True, False, False)
    """
    content, form = said[:-1] == sounds, said[-1] == marks[-1]
    return content, form, content and form


def exam(model, task, marks):
    """Shares of held-out words whose sounds, form, and both are right."""
    return [fmean(column) for column in zip(*(
        marked(ask(model, task, word, marks), sounds, marks)
        for word, *sounds in task.held_out))]


def losses(model, task, marks):
    """Held out, in nats a symbol: (on the sounds, on the end)."""
    content, form = [], []
    for row in task.held_out:
        ids, given, _ = example(task, row, marks, "answer")
        asked = range(given - 1, len(ids) - 1)
        scores = model.logits([(ids[:-1], given)], asked).value
        TAPE.clear()
        found = [-log(softmax(score)[ids[i + 1]])
                 for score, i in zip(scores, asked)]
        content += found[:-1]
        form += found[-1:]
    return fmean(content), fmean(form)


# === Measure a model in both forms ===
def measure(task, model, who):
    """A row: for each form the losses, and the shares of the exam."""
    print(f"{who:13}", *("| {:.3f} {:5.2f}  {:.3f} {:.3f} {:.3f}".format(
        *losses(model, task, marks), *exam(model, task, marks))
        for marks in (NEW, OLD)))


def show(task, models):
    """What some models say when they are asked in the new form."""
    print("says | word  ", *(f"| {who:16}" for who in models))
    for word, *_ in task.held_out[:SHOWN]:
        print(f"says | {word:6}", *(
            f"| {' '.join(ask(model, task, word, NEW)):16.16}"
            for model in models.values()))


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


# === Let counts answer ===
def clues(task, row, i):
    """What `place` sees before sound i, in the new form."""
    symbols, given = line(row[0], row[1:], NEW)  # `place` knows no `?`
    return tuple(place(symbols[1:], given - 1, given - 1 + i)[:CLUES])


def counted(task, who, rows):
    """A row for a table of counts, which was told where to look."""
    table = count((clues(task, row, i), symbol) for row in rows
                  for i, symbol in enumerate([*row[1:], NEW[-1]]))

    def p(symbol, row, i):
        return chance(table, clues(task, row, i), symbol, len(task.symbols))

    content = [-log(p(sound, row, i)) for row in task.held_out
               for i, sound in enumerate(row[1:])]
    form = [-log(p(NEW[-1], row, len(row) - 1)) for row in task.held_out]
    shares = []
    for word, *sounds in task.held_out:
        row = [word]
        while row[-1] != NEW[-1] and len(row) <= 2 * LONGEST:
            row.append(max(sorted(task.sounds) + [NEW[-1]],
                           key=lambda s: p(s, row, len(row) - 1)))
        shares.append(marked(row[1:], sounds, NEW))
    print(f"{who:13} | {fmean(content):.3f} {fmean(form):5.2f}  "
          + " ".join(f"{fmean(column):.3f}" for column in zip(*shares)))


# === Read first, then learn to answer ===
def read(task, kind):
    """(network that has read the dictionary, or nothing; its lines)."""
    random.seed(SEED)  # all begin with the same numbers
    model, lines = GPT(task), dictionary(task, kind == "shuffled")
    for _ in train(model, lines, 0 if kind == "none" else STEPS, RATE,
                   WARM_UP):
        pass
    return model, lines


def tune(task, base, lines, how, curve=()):
    """A copy of the base that learned from pairs; prints its `curve`."""
    random.seed(SEED)  # the same pairs in the same order for every way
    model = deepcopy(base)
    if how["copy"]:
        copy_marks(model, task)
    pairs = [example(task, row, NEW, how["loss"])
             for row in task.pairs[:how["pairs"]]]
    rows = [task.id[mark] for mark in NEW] if how["learn"] == "marks" else None
    for step in train(model, pairs, how["steps"], how["rate"],
                      how["warm up"], lines, how["replay"], rows):
        if step in curve:
            print(f"step {step:3} | sounds {{:.3f}} | form {{:.3f}} | both "
                  "{:.3f}".format(*exam(model, task, NEW)))
    return model


# === Refuse what cannot be run ===
def sound():
    """Whether the settings can be run, as far as one can tell beforehand."""
    return (min(LONGEST, BATCH, WIDTH, HEADS, HIDDEN, LAYERS) >= 1
            and WIDTH % HEADS == 0 and min(STEPS, CLUES) >= 0
            and all(change.keys() <= HOW.keys() and known(HOW | change)
                    for change in WAYS.values()))


def known(how):
    return (how["base"] in ("dictionary", "shuffled", "none")
            and how["loss"] in ("answer", "everything", "sounds")
            and how["learn"] in ("all", "marks")
            and how["pairs"] >= 1 and 0 <= how["replay"] <= 1)


# === Main ===
def main():
    if not sound():
        raise SystemExit("a setting is below 1, HEADS does not divide WIDTH, "
                         "or an entry of HOW or WAYS is none that there is")
    random.seed(SEED)
    task = Words()
    print(f"words | {len(task.dictionary):,} lines to read | "
          f"{len(task.pairs):,} to make pairs of | {len(task.held_out)} held "
          "out")
    ways = {who: HOW | change for who, change in WAYS.items()}
    bases = {kind: read(task, kind)
             for kind in dict.fromkeys(how["base"] for how in ways.values())}
    tuned = {who: tune(task, *bases[how["base"]], how,
                       CURVE if who == next(iter(ways)) else ())
             for who, how in ways.items()}
    ends = [*ways][:1] + [*ways][-1:]  # the first way and the last
    show(task, {"base": bases[ways[ends[0]]["base"]][0]} | {
        who: tuned[who] for who in ends} if ends else {})
    print(14 * " " + "| new: loss, end  sounds form both | old: the same")
    for kind, (model, _) in bases.items():
        if kind != "none":
            measure(task, model, kind)
    for who, model in tuned.items():
        measure(task, model, who)
    counted(task, "counts, pairs", task.pairs[:HOW["pairs"]])
    counted(task, "counts, read", task.dictionary)


if __name__ == "__main__":
    main()
