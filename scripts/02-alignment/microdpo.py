"""microdpo: a language model learns what is preferred, from pairs alone.

Claim: with no reward model and no sampling, a loss on pairs moves a policy
towards what was chosen. Under Adam, as here, a smaller beta lets it go
further, until it pleases the judge more than real names do; under plain
gradients at one rate, a setting, the order of the betas turns round.

Left out: prompts, and people. A pair prefers a name given mostly to girls to
one given mostly to boys, as births in the United States have it.

Rafailov et al., "Direct Preference Optimization" (2023). The run shows what
each policy pays, KL per name, and what it gets: names like girls' to a judge
who learned from others. Beside it: fine-tuning on the chosen, DPO without its
reference, the best of n.
"""

# === Imports ===
import csv
import random
from collections import Counter, defaultdict
from copy import deepcopy
from functools import partial
from hashlib import sha256
from math import comb, exp, log, log1p, sqrt
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
HELD_OUT = 800  # names that neither the policies nor the judge learn from
PRETRAIN = 3_600  # names that the reference sees, once each
BATCH = 8  # names a step: pairs come four at a time
RATE = 0.03  # of pretraining, as in microgpt
PAIRS = 400  # to learn from, each seen once
TUNE_RATE = 0.006  # a fifth: a tuned policy has something to lose
TUNER = "adam"  # or "plain", where beta multiplies every step
PASSES = 1  # over the pairs
BETAS = [10, 1, 0.3, 0.1]
UNHELD = [10, 0.1]  # betas of the knock-out, DPO without a reference
SWAPPED = 0.0  # share of the pairs whose order is wrong
EQUAL_LENGTH = False  # pair any girl's name with any boy's
JUDGE = "pieces"  # or "networks", of another kind than the proxy
SAMPLES = 250  # a share near one half is then known to 3 per cent
BEST_OF = [2, 4, 16]
MEASURED = 100  # held-out pairs behind a row of the table
LETTERS = 4  # of the longest piece that the judge looks at
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


# === Data ===
END = "."  # before the first letter and after the last; its id is 0


class Names:
    """Names as ids, with whether more girls than boys were given them."""

    def __init__(self):
        text = shipped("names.csv").decode("ascii")
        rows = list(csv.DictReader(text.split()))
        self.symbols = sorted({END, *"".join(row["name"] for row in rows)})
        self.longest = max(len(row["name"]) for row in rows) + 2
        names = [([self.symbols.index(s) for s in END + row["name"] + END],
                  int(row["girls"]) > int(row["boys"])) for row in rows]
        self.real = {tuple(ids) for ids, _ in names}
        random.shuffle(names)
        self.held_out, self.train = names[:HELD_OUT], names[HELD_OUT:]
        # a judge who knew the names of the pairs would share their accidents
        half = len(self.train) // 2
        self.for_pairs, self.for_judge = self.train[:half], self.train[half:]

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

# --- One pair for a pencil ---
def pencil(beta):
    """The reference gives both 1/4, the policy by now 1/2 and 1/8."""
    chosen, rejected = Node([[log(1 / 2)]]), Node([[log(1 / 8)]])
    loss = preference_loss([chosen], [rejected], [0.0], beta)
    backward(loss)
    print(f"pencil, beta {beta} | loss {loss.value[0][0]:.3f} | chosen "
          f"{chosen.grad[0][0]:+.3f} | rejected {rejected.grad[0][0]:+.3f}")

# === Step along the gradient itself ===
class Plain:
    """w -= rate * gradient: twice the gradient is twice the step."""

    def __init__(self, parameters):
        self.parameters = parameters

    def step(self, rate):
        for node in self.parameters:
            if node.grad is not None:
                node.value = [[w - rate * g for w, g in zip(row, grad)]
                              for row, grad in zip(node.value, node.grad)]
                node.grad = None

# === Training ===
def descend(model, examples, size, loss, rate, optimizer=Adam):
    """One step for each `size` examples; the rate falls to zero."""
    optimizer = optimizer(model.parameters)
    for i in range(0, len(examples), size):
        backward(loss(model, examples[i:i + size]))
        optimizer.step(rate * (1 - i / len(examples)))
    return model


def tune(reference, examples, loss):
    """A copy of the reference, moved by the examples."""
    return descend(deepcopy(reference), examples * PASSES, BATCH // 2, loss,
                   TUNE_RATE, {"adam": Adam, "plain": Plain}[TUNER])


def dpo(reference, triples, beta):
    """A copy of the reference, moved by (chosen, rejected, margin)."""
    def loss(model, some):
        chosen, rejected, margins = zip(*some)
        return preference_loss(
            *([log_probability(model, ids) for ids in side]
              for side in (chosen, rejected)), margins, beta)

    return tune(reference, triples, loss)

# --- Who pulls first, without a reference ---
def show_pulls(pairs, margins, beta):
    """Mean sigmoid(-h) of untrained pairs by length: h = beta * margin.

    With the reference it is 1/2 for every pair, since h begins at 0.
    """
    groups = {"longer": [], "equal": [], "shorter": []}
    for (won, lost), margin in zip(pairs, margins):
        more = len(won) - len(lost)
        name = "longer" if more > 0 else "shorter" if more else "equal"
        groups[name].append(softmax([0.0, beta * margin])[0])
    print(f"pulls, no ref {beta}", *(
        f"| chosen {name} {fmean(pulls):.2f}"
        for name, pulls in groups.items() if pulls))

# === Draw a name ===
def draw(model, longest):
    """A name and its log pi; one as long as the longest real one is cut."""
    ids, log_p = [0], 0.0
    while len(ids) < longest and (ids[-1] or len(ids) == 1):
        # reads the past anew for each symbol, where production has a cache
        row = softmax(model.logits([(ids, 1)], [len(ids) - 1]).value[0])
        TAPE.clear()
        ids += random.choices(range(len(row)), row)
        log_p += log(row[ids[-1]])
    return ids, log_p

# --- What a policy pays and gets ---
class Bench:
    """Measures policies against one reference, judge and held-out pairs."""

    def __init__(self, reference, judge, task):
        self.reference, self.judge, self.task = reference, judge, task
        self.sides = list(zip(*pair(task.held_out)[:MEASURED]))
        self.before = [log_probabilities(reference, s) for s in self.sides]
        print("policy       | judged     KL | chosen rejected right | "
              "differ  in a  long  real")

    def policy(self, name, policy):
        """KL(pi || ref) = mean of log pi(y) - log ref(y) over y from pi."""
        random.seed(SEED)  # a row does not depend on those above it
        names, logs = zip(*(draw(policy, self.task.longest)
                            for _ in range(SAMPLES)))
        reference = log_probabilities(self.reference, names)
        won, lost = ([a - b for a, b in zip(log_probabilities(policy, s), old)]
                     for s, old in zip(self.sides, self.before))
        right = fmean(a > b for a, b in zip(won, lost))  # implicit rewards
        self.row(name, names, f"{fmean(logs) - fmean(reference):6.2f} | "
                 f"{fmean(won):+6.2f} {fmean(lost):+8.2f} {right:5.3f}")
        return names, reference

    def row(self, name, names, middle="     - |      -        -     -"):
        """Share judged a girl's, the rest as given, and how names look:
        share of different ones, ends in -a, letters, share of real names.
        """
        judged = fmean(self.judge(ids) > 0 for ids in names)
        in_a = fmean(ids[-2] == self.task.symbols.index("a") for ids in names)
        print(f"{name:12} | {judged:6.3f} {middle} | "
              f"{len(set(map(tuple, names))) / len(names):6.3f} {in_a:5.3f} "
              f"{fmean(map(len, names)) - 2:5.2f} "
              f"{fmean(tuple(ids) in self.task.real for ids in names):5.3f}")

# === Take the best of n ===
def best_of(n, ranked):
    """Share judged a girl's and KL of the best of n, from ranked samples.

    Each sample is (its score, how it is judged, its p). Of all sets of n,
    comb(i, n - 1) have sample i as their best. A name of chance p with F
    below it is the best of n with (F + p)^n - F^n; divided by p, that is
    the sum of (F + p)^k F^(n - 1 - k) over k < n.
    """
    share = kl = 0.0
    for i, (_, girl, p) in enumerate(ranked):
        chance, below = comb(i, n - 1) / comb(len(ranked), n), i / len(ranked)
        if chance:
            share += chance * girl
            kl += chance * log(sum((below + p) ** k * below ** (n - 1 - k)
                                   for k in range(n)))
    return share, kl

# === Judge a name by two networks ===
def judge_by_networks(task, names):
    """Log p under a GPT of girls' names less log p under one of boys'."""
    girls, boys = (descend(GPT(task), [ids for ids, girl in names
                                       if girl is label] * 2, BATCH, imitate,
                           RATE)  # twice through: once leaves them unsure
                   for label in (True, False))

    def judge(ids):
        (girl,), (boy,) = (log_probabilities(model, [ids])
                           for model in (girls, boys))
        return girl - boy

    return judge

# === Before any preference ===
def prepare(task):
    """Two judges, and a reference that has seen no label.

    The proxy learns from the very names that DPO will see, and no others.
    """
    if (min(LAYERS, PAIRS, MEASURED, len(pair(task.held_out))) < 1
            or max(1, *BEST_OF) > SAMPLES):
        raise SystemExit("too little to measure: LAYERS, PAIRS and MEASURED "
                         "at least 1, HELD_OUT a pair, SAMPLES the largest "
                         "BEST_OF")
    reference = GPT(task)
    size = sum(len(w.value) * len(w.value[0]) for w in reference.parameters)
    names = [ids for ids, _ in task.train]
    descend(reference, random.sample(names, PRETRAIN), BATCH, imitate, RATE)
    loss = imitate(reference, [ids for ids, _ in task.held_out]).value[0][0]
    TAPE.clear()
    print(f"reference of {size:,} numbers | held-out {loss:.3f} nats a "
          f"symbol, evenly {log(len(task.symbols)):.3f}")
    seen = [(ids, label) for both in pair(task.for_pairs)[:PAIRS]
            for ids, label in zip(both, (True, False))]
    judges = [judge_by_networks(task, task.for_judge) if JUDGE == "networks"
              else partial(score, learn_judge(task.for_judge)),
              partial(score, learn_judge(seen))]
    for who, judge, names in zip(("judge", "proxy"), judges,
                                 (task.for_judge, seen)):
        right = fmean((judge(ids) > 0) is girl for ids, girl in task.held_out)
        print(f"{who} | learned from {len(names):,} | right on held-out names "
              f"{right:.3f}, always girl "
              f"{fmean(girl for _, girl in task.held_out):.3f}")
    return judges, reference

# === Main ===
def main():
    random.seed(SEED)
    task = Names()
    print(f"names | for pairs {len(task.for_pairs):,} | for the judge "
          f"{len(task.for_judge):,} | held out {len(task.held_out)}")
    (judge, proxy), reference = prepare(task)
    pairs = [both[::-1] if random.random() < SWAPPED else both
             for both in pair(task.for_pairs)[:PAIRS]]
    chosen, rejected = zip(*pairs)
    margins = [a - b for a, b in zip(log_probabilities(reference, chosen),
                                     log_probabilities(reference, rejected))]
    for beta in (1, 0.5):
        pencil(beta)
    for beta in UNHELD:
        show_pulls(pairs, margins, beta)

    bench = Bench(reference, judge, task)
    pool, chances = bench.policy("reference", reference)
    shown = {"reference": pool}
    for beta in BETAS:
        name, tuned = f"dpo {beta}", dpo(
            reference, list(zip(chosen, rejected, margins)), beta)
        shown[name], _ = bench.policy(name, tuned)
    for beta in UNHELD:
        name, tuned = f"no ref {beta}", dpo(
            reference, [(*both, 0.0) for both in pairs], beta)
        shown[name], _ = bench.policy(name, tuned)
    bench.policy("fine-tuned", tune(reference, chosen, imitate))
    bench.row("real, girls'", [ids for ids, girl in task.held_out if girl])
    for name, names in shown.items():
        some = " ".join("".join(task.symbols[i] for i in ids[1:-1])
                        for ids in names[:9])
        print(f"{name:12} | " + shorten(some, 64, placeholder=""))
    votes = [[who(ids) for ids in pool] for who in (proxy, judge)]
    for n in BEST_OF:
        (share, kl), (own, _) = (best_of(n, sorted(
            (vote, girl > 0, exp(chance)) for vote, girl, chance
            in zip(ranking, votes[1], chances))) for ranking in votes)
        print(f"best of {n:4} | {share:6.3f} {kl:6.3f} | bound "
              f"{log(n) - (n - 1) / n:.3f} | by the judge itself {own:.3f}")


if __name__ == "__main__":
    main()
