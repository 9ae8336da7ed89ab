"""microppo: a policy learns from a score, and PPO is taken apart.

Claim: subtracting the batch's mean reward divides the variance of the first
policy gradient by more than two. PPO, which learns four times from each of 640
names, climbs no higher than REINFORCE with as many steps in smaller batches,
once each has its own rate. Its clip is idle there; at seven times the rate and
twice the repeats a policy without it stops saying names.

Left out: prompts, people, minibatches. The score is a proxy's, learned from
pairs as in microdpo; a referee who learned from other families looks on.
Williams (1992), REINFORCE; Schulman et al., "Proximal Policy Optimization
Algorithms" (2017). The run shows the noise, what each policy reaches of what
is possible, and rivals that do not climb: DPO, imitation, the best of n.
"""

# === Imports ===
import random
from collections import Counter, defaultdict, namedtuple
from copy import deepcopy
from functools import partial
from hashlib import sha256
from math import exp, log, log1p, sqrt
from operator import add, mul
from pathlib import Path
from statistics import fmean, variance
from textwrap import shorten

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
HELD_OUT = 800  # names that nobody learns from
PRETRAIN = 3_600  # names that the reference sees, once each
RATE = 0.03  # of pretraining, as in microdpo
PAIRS = 400  # all that the proxy and DPO learn from, as there
EQUAL_LENGTH = False  # pair any girl's name with any boy's
LETTERS = 4  # of the longest piece that a judge looks at
BETA = 0.1  # the price of a nat of KL; the reward is at most 1
# baseline, batches, names a batch, epochs, rate, clip: 80 steps for all, the
# first three with 640 names, each at its own best rate of four
POLICIES = {
    "raw": ("none", 80, 8, 1, 0.006, None),
    "mean": ("mean", 80, 8, 1, 0.006, None),
    "ppo": ("mean", 20, 32, 4, 0.003, 0.2),
    "ppo, unclipped": ("mean", 20, 32, 4, 0.003, None),
    "pushed": ("mean", 10, 32, 8, 0.02, 0.2),
    "pushed, unclipped": ("mean", 10, 32, 8, 0.02, None),
}
LAMBDA = 1.0  # 1: all that came counts; less: trust the value function
VALUE_WEIGHT = 0.5  # of the value function's loss, as is usual
PENALTY = 0.0  # for leaving the batch's policy, the paper's other leash
NOISE = 12  # batches of 32 behind the numbers about the noise
DPO_BETAS = [1]  # one more policy for each
DPO_RATE = 0.006
IMITATE = [4]  # passes over the best of each four
IMITATED = 640  # names to choose from: as many as PPO sees
BEST_OF = [2, 4, 16]
SAMPLES = 300  # names behind a row: a share near .9 is known to .02
POOL = 1_000  # names of the reference that are weighed
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
    """Names as ids, girls' or not, in parts of whole families."""

    def __init__(self):
        text = shipped("names.csv").decode("ascii")
        rows = [row.split(",") for row in text.split()[1:]]
        self.symbols = sorted({END, *"".join(row[0] for row in rows)})
        self.longest = max(len(row[0]) for row in rows) + 2
        held_out, learn = hold_out(families(rows), HELD_OUT, random.shuffle)
        for_judge, for_pairs = hold_out(families(learn), len(learn) // 2,
                                        random.shuffle)
        self.held_out, self.learn, self.for_judge, self.for_pairs = (
            [([self.symbols.index(s) for s in END + name + END],
              int(girls) > int(boys)) for name, girls, boys in part]
            for part in (held_out, learn, for_judge, for_pairs))

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

# === Score whole names ===
def imitate(model, names):
    """The loss of pretraining and fine-tuning: mean -log p of a symbol."""
    targets = [t for ids in names for t in ids[1:]]
    logits = model.logits([(ids[:-1], 1) for ids in names],
                          range(len(targets)))
    return cross_entropy(logits, targets)


def log_probability(model, ids):
    """log pi(y), the sum over t of log p(y_t | y_<t): [[log pi]].

    The mean loss of one name, times minus its number of symbols.
    """
    return times(imitate(model, [ids]), Node([[1.0 - len(ids)]]))


def log_probabilities(model, names):
    """The same for each name, as numbers that nothing flows back from."""
    found = [log_probability(model, ids).value[0][0] for ids in names]
    TAPE.clear()
    return found

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

# === Draw a name and keep its price ===
# symbols; log pi of each but the first; what a value function expected there
Drawn = namedtuple("Drawn", "ids logs values")


def draw(model, longest):
    """A name; one as long as the longest real one is cut.

    A head's row beyond those of the symbols is a value function.
    """
    memory, ids, logs, values = Memory(model), [0], [], []
    kinds = len(model.tokens.value)
    while len(ids) < longest and (ids[-1] or len(ids) == 1):
        scores = memory.read(ids[-1], len(ids) - 1)
        row = softmax(scores[:kinds])
        ids += random.choices(range(kinds), row)
        logs.append(log(row[ids[-1]]))
        values += scores[kinds:]
    return Drawn(ids, logs, values)


def letter_logs(model, names):
    """log p of each symbol of each name, as numbers that nothing flows to."""
    logits = model.logits([(ids[:-1], 1) for ids in names],
                          range(sum(map(len, names)) - len(names)))
    TAPE.clear()
    rows = iter(logits.value)
    return [[log(max(softmax(next(rows))[t], 1e-300)) for t in ids[1:]]
            for ids in names]

# === Score a batch ===
def rewards_of(drawn, reference, proxy):
    """[names][symbols]: what each symbol earned.

    Each pays BETA (log pi - log ref); the last gets the score of the whole.
    """
    known = letter_logs(reference, [one.ids for one in drawn])
    rewards = [[-BETA * (a - b) for a, b in zip(one.logs, logs)]
               for one, logs in zip(drawn, known)]
    for one, row in zip(drawn, rewards):
        row[-1] += proxy(one.ids)  # a part of a name has no score
    return rewards

# === Subtract what was expected ===
def expected(baseline, drawn, rewards):
    """[names][symbols]: what a baseline says is still to come there.

    A baseline that knew the symbol it stands beside would change the mean
    of the gradient. The batch's mean does know it, by one part in `size`.
    """
    if baseline == "value":
        return [one.values for one in drawn]
    guess = fmean(map(sum, rewards)) if baseline == "mean" else 0.0
    return [[guess] * len(row) for row in rewards]


def advantages(rewards, values, share=1.0):
    """How much better each symbol of a name did than was expected.

    A_t = d_t + share A_(t+1) with d_t = r_t + V_(t+1) - V_t. At share 1
    it is all that was still to come, less V_t; at 0 V_(t+1) is trusted.
    advantages([0, 0, 1], [0.5, 0.5, 0.25]) -> [0.5, 0.5, 0.75]
    """
    found, later, after = [], 0.0, 0.0
    for reward, value in zip(reversed(rewards), reversed(values)):
        later = reward + after - value + share * later
        after = value
        found.append(later)
    return found[::-1]

# === Clip the ratio ===
def surrogate(logits, targets, old, gains, size, clip=None, penalty=0.0):
    """([[loss]], share clipped): - sum of min(r A, clipped r A) / size.

    r = pi(symbol) / pi_old(symbol), one for each row of the logits; `old`
    has log pi_old and `gains` A. The gradient is r A dlog pi: where r is 1,
    in the first pass over a batch, that is REINFORCE. A symbol that did
    well and is past 1 + clip pulls no more, nor one that did badly and is
    below 1 - clip. The way back is open: what was raised too far can fall.
    """
    chances, forces, total, stopped = [], [], 0.0, 0
    for row, target, before, gain in zip(logits.value, targets, old, gains):
        chances.append(softmax(row))
        ratio = max(chances[-1][target], 1e-300) / exp(before)
        bound = (ratio if clip is None else min(ratio, 1 + clip) if gain > 0
                 else max(ratio, 1 - clip))
        stopped += bound != ratio
        # the penalty, for one experiment, has mean KL(pi_old | pi)
        total += penalty * (ratio - 1 - log(ratio)) - bound * gain
        force = ratio * gain if bound == ratio else 0.0
        forces.append(force - penalty * (ratio - 1))

    def pull(grad):
        rows = []
        for p, target, force in zip(chances, targets, forces):
            force *= grad[0][0] / size
            row = [force * v for v in p]  # minus force (onehot - p)
            row[target] -= force
            rows.append(row)
        logits.receive(rows)

    return record([[total / size]], pull), stopped / len(forces)

# --- Expect a reward ---
def columns(a, left, right):
    """Some columns of a matrix; to the others no gradient flows."""
    def pull(grad):
        after = [0.0] * (len(a.value[0]) - right)
        a.receive([[0.0] * left + row + after for row in grad])

    return record([row[left:right] for row in a.value], pull)


def value_error(values, togo, size):
    """VALUE_WEIGHT / 2 times the sum of (V - what came)^2, / size."""
    gaps = [row[0] - g for row, g in zip(values.value, togo)]

    def pull(grad):
        scale = grad[0][0] * VALUE_WEIGHT / size
        values.receive([[scale * gap] for gap in gaps])

    return record([[VALUE_WEIGHT / 2 * sumprod(gaps, gaps) / size]], pull)

# === Learn from a batch ===
def loss_on(policy, drawn, gains, clip=None, penalty=0.0, togo=None):
    """[[loss]] of names that were drawn, and the share clipped."""
    logits = policy.logits([(one.ids[:-1], 1) for one in drawn],
                           range(sum(len(one.logs) for one in drawn)))
    kinds = len(policy.tokens.value)
    loss, clipped = surrogate(
        columns(logits, 0, kinds), [t for one in drawn for t in one.ids[1:]],
        [v for one in drawn for v in one.logs], sum(gains, []), len(drawn),
        clip, penalty)
    if togo is not None:
        loss = plus(loss, value_error(
            columns(logits, kinds, kinds + 1), sum(togo, []), len(drawn)))
    return loss, clipped

# === Climb ===
def climb(reference, proxy, longest, baseline, batches, size, epochs, rate,
          clip):
    """(a copy of the reference that has climbed the score, share clipped).

    One step an epoch, on the whole batch; the rate falls to zero.
    """
    policy, shares = deepcopy(reference), []
    if baseline == "value":  # which expects nothing yet
        policy.head.value = [*policy.head.value, [0.0] * WIDTH]
    optimizer = Adam(policy.parameters)  # divides a reward's scale out
    for i in range(batches):
        drawn = [draw(policy, longest) for _ in range(size)]
        # once a batch: from the second epoch on, advantages and old chances
        # are those of a policy that is gone, which is what the ratio mends
        rewards = rewards_of(drawn, reference, proxy)
        values = expected(baseline, drawn, rewards)
        gains = [advantages(r, v, LAMBDA) for r, v in zip(rewards, values)]
        togo = ([advantages(r, [0.0] * len(r)) for r in rewards]
                if baseline == "value" else None)
        for _ in range(epochs):
            loss, clipped = loss_on(policy, drawn, gains, clip, PENALTY, togo)
            backward(loss)
            optimizer.step(rate * (1 - i / batches))
            shares.append(clipped)
    return policy, fmean(shares)

# === Two names for a pencil ===
def pencil():
    """Ada scores 0.9, bob 0.5, each has a half; then a step too far."""
    for guess in (0.0, 0.7):
        pulls = []
        for name, score in enumerate((0.9, 0.5)):
            logits = Node([[0.0, 0.0]])
            backward(surrogate(logits, [name], [log(0.5)], [score - guess],
                               1)[0])
            pulls.append(-logits.grad[0][0])
        print(f"pencil | less {guess} | ada's logit: if ada is drawn "
              f"{pulls[0]:+.3f}, if bob {pulls[1]:+.3f}")
    for gain in (0.2, -0.2):
        logits = Node([[log(0.65), log(0.35)]])
        backward(surrogate(logits, [0], [log(0.5)], [gain], 1, 0.2)[0])
        print(f"pencil | ada at 0.65 | ratio 1.3 | advantage {gain:+.1f} | "
              f"pull {-logits.grad[0][0]:+.3f}")

# === Measure the noise ===
def gradient(policy, drawn, scores):
    """The mean of score x d log pi(name), all parameters in one list."""
    backward(loss_on(policy, drawn, [[score] * len(one.logs) for one, score
                                     in zip(drawn, scores)])[0])
    flat = [-v for node in policy.parameters for row in node.grad
            for v in row]
    for node in policy.parameters:
        node.grad = None
    return flat


def spread(vectors):
    """(variance, summed; squared length of the mean, less its own noise).

    spread([[1.0, 0.0], [3.0, 0.0]]) -> (2.0, 3.0)
    """
    n = len(vectors)
    mean = [sum(column) / n for column in zip(*vectors)]
    squared = sumprod(mean, mean)
    noise = (sum(sumprod(v, v) for v in vectors) - n * squared) / (n - 1)
    return noise, squared - noise / n


def show_noise(policy, proxy, longest):
    """The same names with and without the batch's mean: NOISE batches."""
    raw, less, seen = [], [], []
    for _ in range(NOISE):
        drawn = [draw(policy, longest) for _ in range(32)]
        scores = [proxy(one.ids) for one in drawn]
        # linear in the scores: what their mean sends is subtracted later
        whole = gradient(policy, drawn, scores)
        even = gradient(policy, drawn, [fmean(scores)] * len(drawn))
        raw.append(whole)
        less.append([a - b for a, b in zip(whole, even)])
        seen += scores
    (noise, length), (rest, other) = spread(raw), spread(less)
    print(f"noise     | raw {noise:.3f}, less the mean {rest:.3f}: "
          f"{noise / rest:.2f} | foretold "
          f"{1 + fmean(seen) ** 2 / variance(seen):.2f}")
    print(f"noise     | gradient {length:.3f}, {other:.3f}")

# === Measure a policy ===
class Bench:
    """Measures names by proxy, referee and their price in KL."""

    def __init__(self, reference, proxy, referee, task):
        self.reference, self.task = reference, task
        self.proxy, self.referee = proxy, referee
        print("policy            | judged  score    KL reached | clipped | "
              "differ  in a  long")

    def policy(self, name, policy, clipped=0.0):
        """KL(pi || ref) = mean of log pi(y) - log ref(y) over y from pi."""
        random.seed(SEED)  # a row does not depend on those above it
        drawn = [draw(policy, self.task.longest) for _ in range(SAMPLES)]
        names = [one.ids for one in drawn]
        kl = (sum(sum(one.logs) for one in drawn)
              - sum(map(sum, letter_logs(self.reference, names)))) / SAMPLES
        differ = len(set(map(tuple, names))) / SAMPLES
        in_a = fmean(ids[-2] == self.task.symbols.index("a") for ids in names)
        self.row(name, fmean(self.referee(ids) > 0 for ids in names),
                 fmean(map(self.proxy, names)), kl,
                 f" {clipped:7.3f} | {differ:6.3f} {in_a:5.3f} "
                 f"{fmean(map(len, names)) - 2:5.2f}")
        some = " ".join("".join(self.task.symbols[i] for i in ids[1:-1])
                        or "''" for ids in names[:12])
        print(f"{'':12} says | " + shorten(some, 59, placeholder=""))

    def row(self, name, judged, score, kl, rest=""):
        print(f"{name:17} | {judged:6.3f} {score:6.3f} {kl:5.2f} "
              f"{score - BETA * kl:7.3f} |{rest}")

# === Weigh a pool of names ===
def show_weighed(bench, name, weights, pool):
    """A row for a policy that chooses among the reference's own names.

    All N are equally likely, so weights w have KL: sum of w log(w N).
    """
    total = sum(weights) or 1.0  # if the proxy says no to the whole pool
    weights = [w / total for w in weights]
    judged, score = (sumprod(weights, column) for column in zip(*pool))
    bench.row(name, judged, score,
              sum(w * log(w * len(pool)) for w in weights if w))


def choose(bench, reference):
    """What needs no training."""
    random.seed(SEED)
    names = [draw(reference, bench.task.longest).ids for _ in range(POOL)]
    pool = [(float(bench.referee(ids) > 0), bench.proxy(ids))
            for ids in sorted(names, key=bench.proxy)]
    for n in BEST_OF:
        show_weighed(bench, f"best of {n}", [
            ((i + 1) / POOL) ** n - (i / POOL) ** n for i in range(POOL)],
            pool)
    show_weighed(bench, "ask until yes", [float(score > 0.5)
                                          for _, score in pool], pool)
    top = pool[-1][1]  # divided out, so that a small BETA cannot overflow
    show_weighed(bench, "the best there is", [exp((score - top) / BETA)
                                              for _, score in pool], pool)

# === Training ===
def descend(model, examples, size, loss, rate):
    """One step of Adam for each `size` examples; the rate falls to zero."""
    optimizer = Adam(model.parameters)
    for i in range(0, len(examples), size):
        backward(loss(model, examples[i:i + size]))
        optimizer.step(rate * (1 - i / len(examples)))
    return model


def dpo(reference, pairs, beta):
    """microdpo's: a copy of the reference, moved by pairs alone."""
    margins = [a - b for a, b in zip(*(log_probabilities(reference, side)
                                       for side in zip(*pairs)))]

    def loss(model, some):
        chosen, rejected, margins = zip(*some)
        return preference_loss(
            *([log_probability(model, ids) for ids in side]
              for side in (chosen, rejected)), margins, beta)

    return descend(deepcopy(reference), [(*p, m) for p, m in zip(
        pairs, margins)], 4, loss, DPO_RATE)


def imitate_best(reference, proxy, longest, passes):
    """Fine-tune on the best of each four of as many names as PPO draws."""
    random.seed(SEED)
    names = [draw(reference, longest).ids for _ in range(IMITATED)]
    # production systems call it rejection sampling, and do it in rounds
    best = [max(names[i:i + 4], key=proxy) for i in range(0, len(names), 4)]
    return descend(deepcopy(reference), best * passes, 8, imitate, DPO_RATE)

# === Before any reward ===
def prepare(task):
    """A reference that has seen no label, a proxy and a referee that have."""
    reference = GPT(task)
    descend(reference, [ids for ids, _ in random.sample(task.learn, PRETRAIN)],
            8, imitate, RATE)
    loss = imitate(reference, [ids for ids, _ in task.held_out]).value[0][0]
    TAPE.clear()
    print(f"reference | held-out {loss:.3f} nats a symbol, evenly "
          f"{log(len(task.symbols)):.3f}")
    pairs = pair(task.for_pairs)[:PAIRS]
    seen = [(ids, label) for both in pairs
            for ids, label in zip(both, (True, False))]
    judges = []
    for who, names in (("proxy", seen), ("referee", task.for_judge)):
        judges.append(partial(score, learn_judge(names)))
        right = fmean((judges[-1](ids) > 0) is girl
                      for ids, girl in task.held_out)
        print(f"{who:9} | learned from {len(names):,} | right on held-out "
              f"names {right:.3f}, always girl "
              f"{fmean(girl for _, girl in task.held_out):.3f}")
    proxy, referee = judges
    # a sigmoid of the score: a name can earn 1 at most, however girl-like
    return reference, pairs, lambda ids: softmax([0.0, proxy(ids)])[1], referee

# === Main ===
def main():
    random.seed(SEED)
    kinds, *sizes = zip(*POLICIES.values(), ("mean", 1, 1, 1))
    if (min(*map(min, sizes), LAYERS, LETTERS, PAIRS, SAMPLES, POOL, *BEST_OF)
            < 1 or not {*kinds} <= {"none", "mean", "value"} or BETA <= 0
            or NOISE == 1 or not 1 <= HELD_OUT <= 4_000 >= PRETRAIN):
        raise SystemExit("a size is below 1, BETA is not above 0, NOISE is 1, "
                         "HELD_OUT or PRETRAIN is above 4,000, or a baseline "
                         "is not none, mean or value")
    task = Names()
    print(f"names | for the pairs {len(task.for_pairs):,} | for the referee "
          f"{len(task.for_judge):,} | held out {len(task.held_out)}")
    reference, pairs, proxy, referee = prepare(task)
    pencil()
    if NOISE:
        show_noise(reference, proxy, task.longest)
    bench = Bench(reference, proxy, referee, task)
    bench.policy("reference", reference)
    for name, settings in POLICIES.items():
        random.seed(SEED)
        bench.policy(name, *climb(reference, proxy, task.longest, *settings))
    for beta in DPO_BETAS:
        bench.policy(f"dpo {beta}", dpo(reference, pairs, beta))
    for passes in IMITATE:
        bench.policy(f"imitate {passes}", imitate_best(
            reference, proxy, task.longest, passes))
    choose(bench, reference)


if __name__ == "__main__":
    main()
