"""microgrpo: checked answers decide whether a policy counts aloud.

Claim: a small GPT that was taught two ways of telling how many vowels a name
has, at once or counting aloud, and uses them equally often, turns to the way
that it does better when a program checks nothing but the last number. With
SEED 1 that is counting aloud, and it turns away from it when the same program
pays half for it. Whoever has the answers and knows the better way can do
without: with SEED 1 and equal work, imitating them does better still.

Left out: the KL to a reference, thoughts that nobody taught, a reward that
can be fooled. Shao et al., "DeepSeekMath" (2024); Williams (1992). The
run shows both ways before and after, beside supervised steps of equal work,
imitation of the policy's own right answers, and a checker that tosses a coin.
"""
# === Imports ===
import random
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from math import exp, log, sqrt
from operator import add, mul
from pathlib import Path
from statistics import fmean, pstdev
from string import ascii_uppercase

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
LONGEST = 6  # letters of a name; longer ones take more teaching
HELD_OUT = 400  # names, by whole families
THOUGHTS = "counts"  # "dots": as long, a row of A that says nothing
ALOUD = 0.5  # share of the names that are taught counting aloud
STEPS = 1_000  # of teaching; after 600 counting aloud pays less often
BATCH, RATE, WARM_UP = 8, 0.03, 50  # of teaching, as in microgpt
QUESTIONS = 8  # a step of GRPO
GROUP = 8  # answers to each; pairs do as well, but most of them are idle
HOW = {  # GRPO itself
    "checker": "number",
    "baseline": True,  # subtract the group's mean, divide by its deviation
    "epochs": 1,  # passes over a batch of answers
    "clip": 0.2,  # how far the ratio of a symbol's chances counts
    "rate": 0.003,  # ten times less than of teaching
    "steps": 40,  # the share aloud is near its end by then
}
TRIES = {"grpo": {}, "coin": {"checker": "coin"}}  # what differs from HOW
# Whose answers to imitate instead: a teacher's, of which this share is
# counted aloud, or the policy's own (None), as far as they are right.
RIVALS = {"own right": None, "aloud only": 1}
IMITATE_RATE = 0.01  # with .003 and .03 the rivals do much the same
DRAWN = 2  # answers to each held-out name, beside the greedy one
REPORT = 10  # steps between two rows of the curve
SHOWN = 5  # held-out names whose answers are printed
# The policy is microgpt's network, with nothing knocked out.
WIDTH, HEADS, HIDDEN, LAYERS = 16, 2, 32, 1
LOOK, CAUSAL, POSITIONS, RESIDUAL = "softmax", True, "restart", True
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
NUMBERS = ascii_uppercase  # A for none, B for one: a symbol for every count
COLON, EQUALS, END = ":=."  # the last three symbols of `emma:=C.`


class Names:
    """Short names, some held out by families, and ids for all symbols."""

    def __init__(self):
        text = shipped("names.csv").decode("ascii")
        rows = [row.split(",")[:1] for row in text.split()[1:]]
        rows = [row for row in rows if len(row[0]) <= LONGEST]
        if not 1 <= HELD_OUT <= len(rows) / 2 - QUESTIONS:
            raise SystemExit(f"HELD_OUT is not from 1 to half of the "
                             f"{len(rows)} names, QUESTIONS less")
        parts = hold_out(families(rows), HELD_OUT, random.shuffle)
        self.held_out, self.train = (sum(part, []) for part in parts)
        self.symbols = sorted({COLON, EQUALS, END, *NUMBERS[:LONGEST + 1],
                               *"".join(self.train + self.held_out)})
        self.id = {s: i for i, s in enumerate(self.symbols)}
        self.longest = 2 * LONGEST + 4  # emma:BBBC=C. with longer names

    def example(self, name, said):
        """([ids], given): the first `given` ids are not predicted."""
        return [self.id[s] for s in name + COLON + said], len(name) + 1


def commonest(task):
    """The share right of who always says the commonest number."""
    numbers = Counter(counts(name)[-1] for name in task.held_out)
    return max(numbers.values()) / len(task.held_out)


# === Answer at once, or count aloud ===
def counts(name):
    """Vowels so far, a symbol for each letter. counts("emma") -> 'BBBC'"""
    return "".join(NUMBERS[n] for n in accumulate(s in "aeiouy" for s in name))


def answer(name, aloud):
    """A right answer. answer("emma", True) -> 'BBBC=C.'

    answer("emma", False) -> '=C.'
    """
    said = counts(name)
    thoughts = said if THOUGHTS == "counts" else NUMBERS[0] * len(said)
    return aloud * thoughts + EQUALS + said[-1] + END


# --- Check the last number ---
def reward(name, said):
    """1.0 if the last number is right: nobody asks how it was found.

    reward("emma", "GAG=C.") -> 1.0
    reward("emma", "BBBC=B.") -> 0.0
    """
    return float(said.endswith(EQUALS + counts(name)[-1] + END))


def half(name, said):
    """Half the reward for a right number that was counted aloud.

    half("emma", "BBBC=C.") -> 0.5
    half("emma", "=C.") -> 1.0
    """
    return reward(name, said) * (1.0 if said.startswith(EQUALS) else 0.5)


def coin(name, said):
    """The knock-out of the checker: it looks at nothing."""
    return float(random.random() < 0.5)


CHECKERS = {"number": reward, "half": half, "coin": coin}


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
    logits, targets = predictions(model, examples)
    return cross_entropy(logits, targets)


def predictions(model, examples):
    """(logits, the ids that follow), of the answers alone, row by row."""
    targets = [t for ids, given in examples
               for t in [None] * (given - 1) + ids[given:]]
    asked = [row for row, t in enumerate(targets) if t is not None]
    logits = model.logits([(ids[:-1], given) for ids, given in examples],
                          asked)
    return logits, [targets[row] for row in asked]


def imitate(model, examples, steps, rate, warm_up=0):
    """Adam over shuffled passes: up for `warm_up` steps, then down to 0."""
    optimizer, order = Adam(model.parameters), []
    for step in range(steps):
        if len(order) < BATCH:
            order = examples * -(-BATCH // len(examples))  # at least a batch
            random.shuffle(order)
        backward(loss_of(model, [order.pop() for _ in range(BATCH)]))
        optimizer.step(rate * min((step + 1) / max(1, warm_up),
                                  (steps - step) / max(1, steps - warm_up)))
    return model


# --- Teach both ways ---
def lessons(task, aloud):
    """A right answer to each name, counted aloud with this chance."""
    return [task.example(name, answer(name, random.random() < aloud))
            for name in task.train]


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


# === Ask once, answer many times ===
@dataclass
class Answer:
    """What was said, and all that a step of learning needs to know of it."""

    ids: list  # with the question
    given: int  # symbols of the question
    said: str
    chances: list  # of each symbol said, when it was said
    earned: float = 0.0  # its advantage

    def aloud(self):
        return not self.said.startswith(EQUALS)


def ask(model, task, name):
    """(ids of the question, memory of it, scores of the first symbol)."""
    ids, given = task.example(name, "")
    memory = Memory(model)
    for token, place in zip(ids, positions(given, given)):
        scores = memory.read(token, place)
    return ids, memory, scores


def say(task, asked, greedy=False):
    """One answer, drawn at temperature 1 or greedy.

    The question was read once: every answer goes on from a copy of its keys
    and values, as servers do that share a prompt.
    """
    ids, memory, scores = asked
    said, chances, memory = [], [], memory.copy()
    while len(ids) + len(said) < task.longest:
        if said:  # the colon stood at place 0
            scores = memory.read(said[-1], len(said))
        p = softmax(scores)
        said += ([p.index(max(p))] if greedy else
                 random.choices(range(len(p)), p))
        chances.append(p[said[-1]])
        if task.symbols[said[-1]] == END:
            break
    return Answer(ids + said, len(ids),
                  "".join(task.symbols[i] for i in said), chances)


# === Compare an answer with its group ===
def advantages(rewards, baseline=True):
    """How much better than its group, in deviations of the group.

    A = (R - mean) / deviation. Where all earned the same there is nothing
    to learn: 0, not 0 / 0.
    advantages([1, 1, 0, 0]) -> [1.0, 1.0, -1.0, -1.0]
    advantages([1, 1]) -> [0.0, 0.0]
    """
    if not baseline:
        return rewards
    mean, deviation = fmean(rewards), pstdev(rewards)
    return [(r - mean) / deviation if deviation else 0.0 for r in rewards]


# === Push what was said up or down ===
def clipped_loss(logits, targets, earned, chances, clip, answers):
    """[[loss]], and the share of symbols that no longer pull.

    loss = -sum of min(r A, clip(r, 1 - e, 1 + e) A) / answers, with
    r = p / p_old. Since dr = r dlog p, a symbol pulls with the force r A,
    dlogits = -r A (onehot - p) / answers, until its clipped term is less.
    """
    probabilities, forces, total = list(map(softmax, logits.value)), [], 0.0
    for p, target, a, chance in zip(probabilities, targets, earned, chances):
        ratio = p[target] / chance
        held = max(1 - clip, min(1 + clip, ratio))
        total += min(ratio * a, held * a)
        forces.append(ratio * a if ratio * a <= held * a else 0.0)

    def pull(grad):
        rows, scale = [], grad[0][0] / answers
        for p, target, force in zip(probabilities, targets, forces):
            row = [scale * force * v for v in p]
            row[target] -= scale * force
            rows.append(row)
        logits.receive(rows)

    return (record([[-total / answers]], pull),
            fmean(force == 0.0 for force in forces))


# === One batch of questions ===
def answers_to(model, task, checker, baseline):
    """Groups of answers to random names, each with its advantage."""
    groups = []
    for name in random.sample(task.train, QUESTIONS):
        asked = ask(model, task, name)
        group = [say(task, asked) for _ in range(GROUP)]
        rewards = [CHECKERS[checker](name, one.said) for one in group]
        for one, earned in zip(group, advantages(rewards, baseline)):
            one.earned = earned
        groups.append(group)
    return groups


def tokens_read(group):
    """The question once, and of each answer all but its last symbol."""
    return group[0].given + sum(len(one.chances) - 1 for one in group)


def push(model, answers, clip, number):
    """The clipped loss of some answers, divided by the number of all."""
    logits, targets = predictions(
        model, [(one.ids, one.given) for one in answers])
    earned = [one.earned for one in answers for _ in one.chances]
    chances = [chance for one in answers for chance in one.chances]
    return clipped_loss(logits, targets, earned, chances, clip, number)


# === Climb on checked answers ===
def grpo(model, task, change, curve=False):
    """(a tuned copy, tokens of work, share of symbols clipped).

    Work: 1 for a token read, 3 for one that is trained on, since backward
    costs about twice as much as forward.
    """
    how = HOW | change
    model, clipped, work, seen = deepcopy(model), [], 0, []
    optimizer = Adam(model.parameters)
    for step in range(how["steps"]):
        groups = answers_to(model, task, how["checker"], how["baseline"])
        work += sum(map(tokens_read, groups))
        answers = sum(groups, [])
        # no advantage, no force: these need no backward pass
        live = [one for one in answers if one.earned]
        for _ in range(how["epochs"] if live else 0):
            loss, share = push(model, live, how["clip"], len(answers))
            backward(loss)
            optimizer.step(how["rate"] * (1 - step / how["steps"]))
            clipped.append(share)
            work += 3 * sum(len(one.ids) - 1 for one in live)
        seen += [(one.aloud(), len(one.said), not one.earned)
                 for one in answers]
        if curve and (step + 1) % REPORT == 0:
            print(f"step {step + 1:4} | aloud {{:.3f}} | symbols {{:.2f}} | "
                  "idle {:.3f}".format(*map(fmean, zip(*seen))))
            seen = []
    return model, work, fmean(clipped or [0])


# === Imitate for as much work ===
def own_right(model, task):
    """(right answers of the model itself, tokens read): as many questions
    as GRPO asks, all of them before anything is learned.
    """
    right, work = [], 0
    for name in random.sample(task.train, min(
            QUESTIONS * HOW["steps"], len(task.train))):
        asked = ask(model, task, name)
        group = [say(task, asked) for _ in range(GROUP)]
        right += [(one.ids, one.given) for one in group
                  if reward(name, one.said)]
        work += tokens_read(group)
    return right, work


def rival(model, task, who, work):
    """A copy that imitates its own right answers, or those of a teacher."""
    share = RIVALS[who]
    examples, spent = (own_right(model, task) if share is None else
                       (lessons(task, share), 0))
    step = 3 * BATCH * fmean([len(ids) - 1 for ids, _ in examples] or [1])
    steps = max(0, round((work - spent) / step)) if examples else 0
    return imitate(deepcopy(model), examples, steps, IMITATE_RATE)


# === Measure on names of other families ===
def measure(model, task, who, work=0, clipped=0.0):
    """A row: right if greedy and if drawn, by the way taken, and how long."""
    random.seed(SEED)  # a row does not depend on those above it
    greedy, share, drawn = [], [], []
    for name in task.held_out:
        asked = ask(model, task, name)
        greedy.append(reward(name, say(task, asked, True).said))
        share.append(1 - softmax(asked[2])[task.id[EQUALS]])
        answers = [say(task, asked) for _ in range(DRAWN)]
        drawn += [(one, reward(name, one.said)) for one in answers]
    ways = [[right for one, right in drawn if one.aloud() is way]
            for way in (True, False)]
    print(f"{who:11} | {fmean(greedy):.3f} {fmean(r for _, r in drawn):.3f} | "
          f"{fmean(share):.3f} | "
          + " ".join(f"{fmean(way):.3f}" if way else "    -" for way in ways)
          + f" | {fmean(len(one.said) for one, _ in drawn):7.2f} | "
          f"{work / 1000:4.0f} | {clipped:.3f}")


def show(models, task):
    """What the models say most likely, and whether the number is right."""
    for name in task.held_out[:SHOWN]:
        print(f"says | {name:6}", *(
            f"| {who} {said:9} {'right' if reward(name, said) else 'wrong'}"
            for who, said in ((who, say(task, ask(model, task, name),
                                        True).said)
                              for who, model in models.items())))


# === Main ===
def sound():
    """Whether the settings can be run, as far as one can tell beforehand."""
    return (min(LONGEST, BATCH, QUESTIONS, GROUP, DRAWN, REPORT, WIDTH, HEADS,
                HIDDEN, LAYERS) >= 1 and WIDTH % HEADS == 0
            and LONGEST <= 25 and THOUGHTS in ("counts", "dots")
            and all(change.keys() <= HOW.keys()
                    and (HOW | change)["checker"] in CHECKERS
                    for change in TRIES.values()))


def main():
    if not sound():
        raise SystemExit("a setting is below 1, HEADS does not divide WIDTH, "
                         "LONGEST is over 25, or THOUGHTS, a checker or an "
                         "entry of TRIES is none that there is")
    random.seed(SEED)
    task = Names()
    print(f"names | {len(task.train):,} to learn from | {len(task.held_out)} "
          f"held out | always the commonest number {commonest(task):.3f}")
    taught = imitate(GPT(task), lessons(task, ALOUD), STEPS, RATE, WARM_UP)
    tuned = {}
    for name, change in TRIES.items():
        random.seed(SEED)  # a row does not depend on those above it
        tuned[name] = grpo(taught, task, change, curve=not tuned)
    first = list(tuned)[:1]
    show({"taught": taught} | {name: tuned[name][0] for name in first}, task)
    print("            | greedy drawn | aloud | right aloud, not | symbols "
          "| work | clip")
    measure(taught, task, "taught")
    for name, found in tuned.items():
        measure(found[0], task, name, *found[1:])
    for name in RIVALS:
        random.seed(SEED)
        work = tuned[first[0]][1] if first else 0
        measure(rival(taught, task, name, work), task, name, work)


if __name__ == "__main__":
    main()
