"""microssm: a state that decides by what it reads what to keep.

Claim: a state whose steps and writing depend on the token finds one marked
letter among twelve. With both fixed, and nothing bent before, no training
finds it in every word, since its scores are a part of the letters plus a part
of the mark; here it stays below a vote for the commonest. Two ways around
need no chosen step. If the last of three marks counts, a chosen step learns
sooner than both, and a gate with a quarter of the state ends close behind.

Left out: a convolution before, a gate after, reading by the token (one
question for all), depth, the delta rule. Gu and Dao, "Mamba" (2024); fixed is
S4D, Gu et al. (2022). The run shows letters found by six layers, what each
state holds at the end, and that a tree of steps equals the recurrence.
"""

# === Imports ===
import csv
import random
from collections import Counter, namedtuple
from hashlib import sha256
from math import exp, expm1, log, log1p, sqrt
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
HELD_OUT = 600  # names that judge; as many others chose the rate
PART = "judge"  # "choose": the names by which RATE was chosen
LETTERS = 12  # one or two names; the state is asked after the last
MARKS = 1  # more of them: the letter marked last is asked for
ASKED = 500  # questions for the judge: a share is good to .02
WIDTH = 16
STATES = 4  # numbers that each channel keeps, as S4D's real ones
STEPS = 250  # who leads early; with 1,000 all but one layer find it
BATCH = 8  # names are short, and so is the run
RATE = 0.03  # of .01, .03 and .06; no other wins a layer .03
WARM_UP = 20  # small steps while Adam's running means still say little
SLOW = 0.02  # the shortest first step: a memory of 50 tokens
FAST = 0.5  # the longest: after two tokens a third is left
SHARES = 5  # parts of the training in the row that shows how it learned
# What a token decides in each layer, or what stands in its place.
LAYERS = {"fixed": [], "ReLU first": ["relu"],
          "selective": ["step", "write"], "no step": ["write"],
          "gate": ["step", "gate"], "attention": ["query", "key", "value"]}
LONG = 1_024  # tokens for the tree
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
SYMBOLS = "abcdefghijklmnopqrstuvwxyz?"  # ? asks, and is never an answer
Question = namedtuple("Question", "letters marks answer")

def read_texts():
    """The names run together, in random order: to learn from, held out."""
    rows = csv.DictReader(shipped("names.csv").decode("ascii").split())
    held_out, learn = hold_out(families([[row["name"]] for row in rows]),
                               2 * HELD_OUT, random.shuffle)
    parts = {"judge": held_out[:HELD_OUT], "choose": held_out[HELD_OUT:]}
    return ["".join(name for name, in part) for part in (learn, parts[PART])]

# --- Mark a letter and ask for it ---
def ask(text):
    """LETTERS letters from anywhere in the text, the marked places, and
    the letter that was marked last, which is to be named.
    """
    start = random.randrange(len(text) - LETTERS + 1)
    letters = [SYMBOLS.index(c) for c in text[start:start + LETTERS]]
    marks = sorted(random.sample(range(LETTERS), MARKS))
    return Question(letters, marks, letters[marks[-1]])

# === Vote for the commonest letter ===
def vote(learn, asked):
    """How often the commonest of the letters is it; all names break ties."""
    overall = Counter(map(SYMBOLS.index, learn))
    return fmean(q.answer == max(q.letters, key=lambda c: (
        q.letters.count(c), overall[c])) for q in asked)

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

# === Keep some, add some ===
def scan(decay, drive, length):
    """h_t = a_t h_(t-1) + b_t, number by number, from h = 0; the last h.

    Sequences of `length` rows stand below one another, [n][K] twice, and
    give [n / length][K]. Backward, dh_t is what came from later: it was
    multiplied by a_(t+1) on the way. db_t = dh_t, da_t = dh_t h_(t-1).
    """
    before, ends = [], []  # the state that each token met
    for i, (a, b) in enumerate(zip(decay.value, drive.value)):
        if i % length == 0:
            h = [0.0] * len(a)
        before.append(h)
        h = list(map(add, map(mul, a, h), b))
        if i % length == length - 1:
            ends.append(h)

    def pull(grad):
        da, db = [], []
        for i in reversed(range(len(before))):
            if i % length == length - 1:
                dh = grad[i // length]
            db.append(dh)
            da.append(list(map(mul, dh, before[i])))
            dh = list(map(mul, dh, decay.value[i]))
        decay.receive(da[::-1])
        drive.receive(db[::-1])

    return record(ends, pull)

# === A step that is never negative ===
def softplus(x):
    """Delta = log(1 + e^x), row by row; its slope is the sigmoid of x.

    softplus(Node([[0.0]])).value -> [[0.6931471805599453]]
    """
    out = [[log1p(exp(-abs(v))) + (v if v > 0.0 else 0.0) for v in row]
           for row in x.value]

    def pull(grad):  # e^(x - Delta) is the sigmoid, and cannot overflow
        x.receive([[g * exp(v - d) for g, v, d in zip(*rows)]
                   for rows in zip(grad, x.value, out)])

    return record(out, pull)

# --- Forget by the size of the step ---
def fade(step, rates):
    """a = exp(-Delta lambda) with lambda = e^rate: [n][d], [d][N] to [n][dN].

    dh/dt = -lambda h for a time Delta: a long step forgets, none keeps all.
    dDelta = -sum_k da a lambda, drate = -sum_t da a Delta lambda.
    """
    speeds = [list(map(exp, row)) for row in rates.value]
    out = [[exp(-d * v) for d, row in zip(steps, speeds) for v in row]
           for steps in step.value]

    def pull(grad):
        flat, many = sum(speeds, []), len(speeds[0])
        dsteps, total = [], [0.0] * len(flat)
        for da, a, steps in zip(grad, out, step.value):
            part = list(map(mul, map(mul, da, a), flat))
            dsteps.append([-sum(part[i:i + many])
                           for i in range(0, len(part), many)])
            long = [d for d in steps for _ in range(many)]
            total = list(map(add, total, map(mul, part, long)))
        step.receive(dsteps)
        rates.receive([[-v for v in total[i:i + many]]
                       for i in range(0, len(total), many)])

    return record(out, pull)

# --- Write each channel into its numbers ---
def write(step, x, into):
    """b_ik = Delta_i x_i B_k, row by row: [n][d] twice and [n][N] to [n][dN].

    write(Node([[2]]), Node([[3]]), Node([[1, 5]])).value -> [[6, 30]]
    """
    many = len(into.value[0])

    def pull(grad):
        dstep, dx, dinto = [], [], []
        for row, ds, xs, bs in zip(grad, step.value, x.value, into.value):
            parts = [row[i:i + many] for i in range(0, len(row), many)]
            along = [sumprod(part, bs) for part in parts]
            dstep.append(list(map(mul, along, xs)))
            dx.append(list(map(mul, along, ds)))
            both = list(map(mul, ds, xs))
            dinto.append([sumprod(part, both) for part in zip(*parts)])
        for node, rows in zip((step, x, into), (dstep, dx, dinto)):
            node.receive(rows)

    return record([[d * v * w for d, v in zip(ds, xs) for w in bs]
                   for ds, xs, bs in zip(step.value, x.value, into.value)],
                  pull)

# --- Put the new in place of the old ---
def replace(decay, new):
    """(1 - a) u, number by number: what a gate adds to a h."""
    def pull(grad):
        decay.receive([[-g * u for g, u in zip(*rows)]
                       for rows in zip(grad, new.value)])
        new.receive([[g * (1 - a) for g, a in zip(*rows)]
                     for rows in zip(grad, decay.value)])

    return record([[(1 - a) * u for a, u in zip(*rows)]
                   for rows in zip(decay.value, new.value)], pull)

# === Look at every token again ===
def look(query, keys, values, length):
    """Attention with one head from the end of each sequence.

    [n / length][d] and twice [n][d] give [n / length][d].
    """
    scale, out, kept = 1 / sqrt(len(query.value[0])), [], []
    for i, q in enumerate(query.value):
        k = keys.value[i * length:(i + 1) * length]
        v = values.value[i * length:(i + 1) * length]
        p = softmax([scale * sumprod(q, row) for row in k])
        out.append([sumprod(p, column) for column in zip(*v)])
        kept.append((q, k, v, p))

    def pull(grad):
        dq, dk, dv = [], [], []
        for dout, (q, k, v, p) in zip(grad, kept):
            dp = [sumprod(dout, row) for row in v]
            mean = sumprod(p, dp)  # dS = P (dP - sum(P dP))
            ds = [scale * a * (b - mean) for a, b in zip(p, dp)]
            dq.append([sumprod(ds, column) for column in zip(*k)])
            dk += [[s * w for w in q] for s in ds]
            dv += [[a * g for g in dout] for a in p]
        for node, rows in zip((query, keys, values), (dq, dk, dv)):
            node.receive(rows)

    return record(out, pull)

# === One reader, six layers ===
class Reader:
    """Letters with a mark, one layer that carries them on, an answer."""

    def __init__(self, chosen):
        self.parameters, self.chosen = [], chosen

        def learned(rows):
            self.parameters.append(Node(rows))
            return self.parameters[-1]

        def matrix(rows, columns, spread=0.5):
            return learned([[random.gauss(0, spread) for _ in range(columns)]
                            for _ in range(rows)])

        def linear(outputs, inputs):  # small outputs, whatever the width
            return matrix(outputs, inputs, 0.5 / sqrt(inputs))

        self.letters = matrix(len(SYMBOLS), WIDTH)
        self.places = matrix(LETTERS + 1, WIDTH)
        self.marks = matrix(2, WIDTH)  # without and with
        self.head = linear(len(SYMBOLS) - 1, WIDTH)
        self.weights = {name: linear(WIDTH, WIDTH)
                        for name in chosen if name != "write"}
        self.shift = learned([[0.0] * WIDTH]) if "relu" in chosen else None
        self.kept = 2 * WIDTH * (LETTERS + 1)  # keys and values
        if "query" not in chosen:
            self.state(linear, matrix, learned)
        alone = {"gate", "query"} & {*chosen}  # one number a channel
        self.output = linear(WIDTH, WIDTH if alone else self.kept)

    # --- The numbers of a state ---
    def state(self, linear, matrix, learned):
        """A gate is a state of one number a channel, with the rate 1."""
        drawn = [exp(random.uniform(log(SLOW), log(FAST)))
                 for _ in range(WIDTH)]  # spread over all lengths of memory
        # the inverse of softplus, so that the first steps are these
        self.step = learned([[log(expm1(step)) for step in drawn]])
        self.rates, self.kept = Node([[0.0]] * WIDTH), WIDTH
        if "gate" not in self.chosen:
            self.kept = WIDTH * STATES
            # lambda_k = 1, 2, 3, ...: S4D-Real, all of them learned
            self.rates = learned([[log(k + 1) for k in range(STATES)]
                                  for _ in range(WIDTH)])
            self.into = (linear(STATES, WIDTH) if "write" in self.chosen
                         else matrix(1, STATES))

    # --- Before the last norm ---
    def carried(self, questions):
        """What stands at the question mark: [questions][WIDTH]."""
        rows = [(i, place, int(place in q.marks)) for q in questions
                for place, i in enumerate([*q.letters, len(SYMBOLS) - 1])]
        letters, places, marked = zip(*rows)
        x = plus(plus(pick(self.letters, letters), pick(self.places, places)),
                 pick(self.marks, marked))
        last = range(LETTERS, len(rows), LETTERS + 1)
        w = self.weights
        y = (look(times(pick(x, last), w["query"]), times(x, w["key"]),
                  times(x, w["value"]), LETTERS + 1) if "query" in w
             else self.remember(x))
        return plus(pick(x, last), times(y, self.output))

    def logits(self, questions):
        """A score for each letter: [questions][26]."""
        return times(rms_norm(self.carried(questions)), self.head)

    # --- Let the token choose, or not ---
    def remember(self, x):
        """Each sequence's last state. What no token decides is worked out
        once, and picked for all.
        """
        every, w = [0] * len(x.value), self.weights
        if "relu" in self.chosen:
            x = relu(plus(times(x, w["relu"]), pick(self.shift, every)))
        if "step" in self.chosen:
            step = softplus(plus(times(x, w["step"]), pick(self.step, every)))
            decay = fade(step, self.rates)
        else:
            step = softplus(self.step)
            decay = pick(fade(step, self.rates), every)
            step = pick(step, every)
        if "gate" in self.chosen:
            drive = replace(decay, times(x, w["gate"]))
        else:
            drive = write(step, x, times(x, self.into) if "write" in
                          self.chosen else pick(self.into, every))
        self.last = decay.value, drive.value
        return scan(decay, drive, LETTERS + 1)

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
def train(model, questions):
    """Adam, up for WARM_UP steps, level, and down over the second half.
    Returns the share right in SHARES parts, before it learned from them.
    """
    optimizer, right = Adam(model.parameters), []
    for step in range(1, STEPS + 1):
        batch = [questions.pop() for _ in range(BATCH)]
        answers = [question.answer for question in batch]
        logits = model.logits(batch)
        right += map(found, logits.value, answers)
        backward(cross_entropy(logits, answers))
        optimizer.step(RATE * min(1, step / WARM_UP, 2 - 2 * step / STEPS))
    cuts = [len(right) * part // SHARES for part in range(SHARES + 1)]
    return [fmean(right[a:b]) for a, b in zip(cuts, cuts[1:]) if a < b]

def found(row, answer):
    """found([1, 3, 2], 1) -> True"""
    return row.index(max(row)) == answer

# === Ask for held-out letters ===
def judge(model, asked):
    """(loss, share right) of questions from names that it never saw."""
    losses, right = [], []
    for question in asked:
        row, = model.logits([question]).value
        TAPE.clear()
        losses.append(-log(softmax(row)[question.answer]))
        right.append(found(row, question.answer))
    return fmean(losses), fmean(right)

# --- What the state holds of each token ---
def holds(model, question):
    """Shares of the tokens in the last state, as lengths of their parts.

    h_T = sum_t (a_T ... a_(t+1)) b_t: what token t wrote, times all that
    was kept since. The scan never sees these parts; here they are apart.
    """
    model.carried([question])
    TAPE.clear()
    left, lengths = [1.0] * len(model.last[0][0]), []
    for a, b in zip(*(rows[::-1] for rows in model.last)):
        part = list(map(mul, left, b))
        lengths.append(sqrt(sumprod(part, part)))
        left = list(map(mul, left, a))
    total = sum(lengths) or 1.0  # a ReLU may have let nothing through
    return [v / total for v in lengths[::-1]]

def show_state(name, model, asked):
    """The shares in one state, and the marked letter's in a hundred."""
    if "query" in model.chosen:
        return  # it has no state
    question = asked[0]
    print(f"{name:10} | " + " ".join(f"{share:.2f}"
                                     for share in holds(model, question)))
    part = fmean(holds(model, q)[q.marks[-1]] for q in asked[:100])
    print(f"{name:10} | share of the marked letter {part:.2f}")

# === Swap two letters, move the mark ===
def mixed(model, asked):
    """The largest part of a score that depends on letters and mark both.

    Two orders, either mark: the alternating sum of the four is zero for
    any part of the letters plus any part of the mark.
    """
    largest = 0.0
    for question in asked[:20]:
        letters, p, q = question.letters, 0, LETTERS - 1
        swapped = [letters[q], *letters[1:q], letters[p]]
        four = model.carried([Question(order, [place], 0) for order in (
            letters, swapped) for place in (p, q)]).value
        TAPE.clear()
        largest = max(largest, *(abs(a - b - c + d) for a, b, c, d
                                 in zip(*four)))
    return largest

# === Merge two steps into one ===
Step = namedtuple("Step", "keep add")  # h becomes keep h + add

def merge(first, second):
    """merge(Step(0.5, 1), Step(0.5, 4)) -> (0.25, 4.5)"""
    return Step(second.keep * first.keep, second.keep * first.add + second.add)

# --- All beginnings, as a tree ---
def beginnings(steps):
    """([the first step, the first two merged, ...], merges, levels).

    Neighbours are merged, the half as many are solved the same way, and
    every other beginning needs one merge more. None of a level must wait.
    """
    if len(steps) < 2:
        return steps, 0, 0
    halves = list(map(merge, steps[::2], steps[1::2]))
    even, merges, levels = beginnings(halves)
    out = steps[:1]
    for i, step in enumerate(steps[1:], 1):
        out.append(even[i // 2] if i % 2 else merge(even[i // 2 - 1], step))
    return out, merges + len(halves) + (len(steps) - 1) // 2, levels + 2

# --- Two ways to one state ---
def compare_ways():
    """The recurrence and the tree on the same numbers."""
    steps = [Step(random.random(), random.gauss(0, 1)) for _ in range(LONG)]
    out, merges, levels = beginnings(steps)
    h, gap = 0.0, 0.0
    for step, whole in zip(steps, out):
        h = step.keep * h + step.add
        gap = max(gap, abs(h - whole.add))
    print(f"tree       | {LONG:,} tokens | {merges:,} merges | {levels} "
          f"levels | off by {gap:.0e} at most")

# === Train one layer and ask ===
def study(name, texts, asked):
    """Train one layer and ask it; every layer has the same questions."""
    random.seed(SEED)
    questions = [ask(texts[0]) for _ in range(STEPS * BATCH)]
    model = Reader(LAYERS[name])
    learned = train(model, questions)
    loss, right = judge(model, asked)
    numbers = sum(len(row) for node in model.parameters for row in node.value)
    print(f"{name:10} | while learning "
          + " ".join(f"{share:.2f}" for share in learned))
    show_state(name, model, asked)
    return (f"{name:10} | {numbers:10,} | {model.kept:4} | {loss:5.3f} | "
            f"{right:5.3f} | {mixed(model, asked):.0e}")

# === Main ===
def main():
    if (min(ASKED, BATCH, LONG, MARKS, SHARES, STATES, WARM_UP, WIDTH) < 1
            or STEPS < 0 or SHARES > 10 or max(2, MARKS) > LETTERS
            or not 0 <= RATE <= 1
            or not 1 <= HELD_OUT <= 1_000 or not 0 < SLOW < FAST <= 100
            or PART not in ("judge", "choose")
            or {*sum(LAYERS.values(), [])}
            - {"relu", "step", "write", "gate", "query", "key", "value"}):
        raise SystemExit("a setting is too small or too large, MARKS more "
                         "than LETTERS, PART or a word of LAYERS unknown")
    random.seed(SEED)
    texts = read_texts()
    if min(map(len, texts)) < LETTERS:
        raise SystemExit("LETTERS is longer than a part of the names")
    compare_ways()
    asked = [ask(texts[1]) for _ in range(ASKED)]
    print("first of the questions |", "".join(
        SYMBOLS[c].upper() if i in asked[0].marks else SYMBOLS[c]
        for i, c in enumerate(asked[0].letters)) + "?")
    rows = [study(name, texts, asked) for name in LAYERS]
    print("layer      | parameters | kept | loss  | right | mixed")
    print(*rows, sep="\n")
    print(f"vote       | {len(SYMBOLS) - 1:10} |    0 |       | "
          f"{vote(texts[0], asked):5.3f} |")


if __name__ == "__main__":
    main()
