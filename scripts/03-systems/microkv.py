"""microkv: keys and values kept, in pages, and some of them thrown away.

Claim: a GPT that keeps keys and values says the same for a small part of the
work. In pages of four rows, instead of slots for the longest, half as many
requests again fit into one memory. Which rows can go depends on how many may
stay: in reading aloud the oldest, if a word's letters have room, else what
the network said itself. To watch what it looks at adds little to that.

Left out: batches, caches in fewer bits, slower memories behind the fast one,
and speed: Python has no fixed cost that requests could share. We count.
Shazeer, "Fast Transformer Decoding" (2019); Kwon et al., "Efficient Memory
Management for Large Language Model Serving with PagedAttention" (2023); Zhang
et al., "H2O" (2023). The run counts work, memory and what is found again, and
prints what each rule of forgetting costs a network that reads words aloud.
"""
# === Imports ===
import gzip
import random
from functools import partial
from hashlib import sha256
from itertools import islice, starmap
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
HELD_OUT = 0.1  # of the words, whole families: what a server will be asked
FAMILIES, EXAMPLES = True, 20_000  # as in microgpt: all there are
STEPS = 700  # microgpt's network, as it stands there
BATCH, RATE, WARM_UP = 8, 0.03, 50
WIDTH, HIDDEN = 16, 32
HEADS = 2  # each keeps, and forgets, rows of its own
LAYERS = 1  # then no key depends on what was forgotten before it
CAUSAL = True  # False: no mask, and what is kept is out of date
LOOK = "softmax"  # as attention is
POSITIONS, RESIDUAL = "restart", True  # places begin again at the colon
REPORT, CHECKED = 350, 200  # steps between two reports, words behind one
ASKED = 300  # held-out words answered with and without a memory
DEPTHS = [1, 4, 32]  # layers for which the work is counted
SLOTS = 8  # the server's memory, in requests of the longest kind
PAGES = [1, 2, 4, 8, 16]  # rows a page
QUEUE = 128  # prompts that wait together, and can be sorted
SHARED = 50  # held-out prompts that get several answers each
SAMPLES = 8  # so many
TEMPERATURE = 0.8  # of these answers
COPY = True  # False: write into a page although others read it
JUDGED = 200  # held-out words on which forgetting is judged
BUDGETS = [10, 8, 6, 4]  # rows a head, where a word needs 13
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
    """(request and answer, length of the prompt, which is not predicted).

    example("ok", "OW") -> (["o", "k", ":", "OW", "."], 3)
    """
    return [*word, ":", *sounds, END], len(word) + 1

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


def report(task, who, loss):
    print(f"{task.name} | {who} | held-out {loss:.3f}")

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

# === Read the prompt, then answer ===
def take_in(memory, prompt):
    """Read every token of a prompt once: the scores of what follows it."""
    for token, place in zip(prompt, positions(len(prompt), len(prompt))):
        scores = memory.read(token, place)
    return scores


def answer(memories, task, scores, given, temperature=0):
    """What each memory of one prompt says, as `generate` would, in turns.

    As in a server: in every round each that goes on gets one token.
    """
    said, scores = [[] for _ in memories], [scores for _ in memories]
    going = list(range(len(memories)))
    while going:
        for i in list(going):
            row = scores[i]
            if temperature:
                row = softmax([v / temperature for v in row])
                said[i] += random.choices(range(len(row)), row)
            else:
                said[i].append(row.index(max(row)))
            length = given + len(said[i])
            if said[i][-1] == task.id[END] or length == task.longest:
                going.remove(i)  # what was said last is not read
            else:
                place = positions(length, given)[-1]
                scores[i] = memories[i].read(said[i][-1], place)
    return said

# === Count the work ===
def multiplications(layers, symbols, rows, asked, pairs):
    """Of a pass in which `rows` rows look at `pairs` keys, `asked` predict.

    A row that nobody asks leaves the last layer when attention is done.
    """
    reading = 3 * WIDTH * WIDTH  # query, key, value
    rest = WIDTH * WIDTH + 2 * WIDTH * HIDDEN  # output, up, down
    return (layers * (rows * reading + 2 * WIDTH * pairs)  # q k and p v
            + ((layers - 1) * rows + asked) * rest + asked * symbols * WIDTH)

# --- Answer with and without a memory ---
def compare_work(model, task, words):
    """Both must say the same; count what each computed."""
    same, anew, once, requests = 0, [], [], []
    for ids, given in words:
        memory = Memory(model)
        said = answer([memory], task, take_in(memory, ids[:given]), given)[0]
        same += said == generate(model, task, ids, given)
        last = given + len(said) - 1
        requests.append((given, last))
        anew += [(n, 1, n * (n + 1) // 2) for n in range(given, last + 1)]
        once += [(1, 1, n) for n in range(1, last + 1)]
    print(f"work   | {same} of {len(words)} words said the same from memory")
    counts = {"rows": lambda rows, asked, pairs: rows}
    for layers in DEPTHS:
        counts[f"products, layers: {layers}"] = partial(
            multiplications, layers, len(task.symbols))
    for what, count in counts.items():
        all_anew, kept = (sum(starmap(count, each)) for each in (anew, once))
        print(f"work   | {what:20} | anew {all_anew:13,} | memory "
              f"{kept:11,} | {all_anew / kept:4.1f}")
    return requests

# === Cut the memory into pages ===
class Pool:
    """Pages of rows, and how many tables each of them stands in."""

    def __init__(self, size):
        self.size, self.pages, self.readers = size, [], []

    def take(self):
        """The number of a page that nobody else has."""
        self.pages.append([None] * self.size)
        self.readers.append(1)
        return len(self.pages) - 1


class Rows:
    """Rows in the order of a table of pages, wherever these lie.

    It can do what `Memory` does to a list: append, walk along it, copy it
    by [:]. A copy shares all pages, so it costs a table and not a row.
    """

    def __init__(self, pool, table=(), length=0):
        self.pool, self.table, self.length = pool, list(table), length
        for page in table:
            pool.readers[page] += 1

    def append(self, row):
        pool, place = self.pool, self.length % self.pool.size
        if place == 0:
            self.table.append(pool.take())
        elif pool.readers[self.table[-1]] > 1 and COPY:  # copy on write
            shared, self.table[-1] = self.table[-1], pool.take()
            pool.pages[self.table[-1]][:place] = pool.pages[shared][:place]
            pool.readers[shared] -= 1
        pool.pages[self.table[-1]][place] = row
        self.length += 1

    def __iter__(self):
        rows = (row for page in self.table for row in self.pool.pages[page])
        return islice(rows, self.length)

    def __getitem__(self, everything):
        return Rows(self.pool, self.table, self.length)

# --- Answer one prompt many times ---
def many_answers(model, task, words, size):
    """(share of pages used, answers that differ from those out of lists)."""
    used = alone = changed = 0
    for number, (ids, given) in enumerate(words):
        said, pool = [], Pool(size)
        for paged in (False, True):
            memory = Memory(model)
            if paged:
                memory.layers = [[(Rows(pool), Rows(pool)) for _ in heads]
                                 for heads in memory.layers]
            scores = take_in(memory, ids[:given])
            copies = [memory.copy() for _ in range(SAMPLES - 1)]
            random.seed(number)  # the same draws for both
            said.append(answer([memory, *copies], task, scores, given,
                               TEMPERATURE))
        changed += sum(a != b for a, b in zip(*said))
        used += len(pool.pages)
        alone += sum(2 * HEADS * LAYERS * -(-(given + len(one) - 1) // size)
                     for one in said[0])
    return used / alone, changed

# === Serve from one memory ===
def serve(requests, size, pages):
    """(steps, requests at once, share of rows in use, rows read again).

    Requests are (prompt, rows in the end), first come, first served. Each
    that runs gets a row a step. If their next rows need more pages than
    there are, the last to come gives its own back and begins again later.
    """
    waiting = [(prompt, prompt, last) for prompt, last in reversed(requests)]
    running, steps, at_once, used, again = [], 0, 0, 0, 0
    if pages < max(-(-last // size) for _, last in requests):
        raise SystemExit(f"{pages} pages of {size} rows cannot hold the "
                         "longest request: give more SLOTS, or less PAGES")

    def needed(*more):
        return sum(-(-min(rows + 1, last) // size)
                   for rows, _, last in [*running, *more])

    while waiting or running:
        while needed() > pages:
            rows, prompt, last = running.pop()
            again += rows
            waiting.append((prompt, prompt, last))
        while waiting and needed(waiting[-1]) <= pages:
            running.append(waiting.pop())
        steps += 1
        at_once += len(running)
        used += sum(rows for rows, *_ in running)
        running = [(rows + 1, prompt, last) for rows, prompt, last in running
                   if rows < last]
    return steps, at_once / steps, used / (steps * size * pages), again

# === Find a prefix again ===
def found_again(prompts, size, most):
    """How many rows of the prompts were still there, in whole pages.

    Of the pages kept, at most `most`, the one used longest ago goes first.
    found_again(["cat:", "car:", "cat:"], 1, 9) -> 5
    """
    kept, found = {}, 0
    for ids in prompts:
        # the last token is read in any case: it has the scores
        beginnings = [tuple(ids[:end]) for end in range(size, len(ids), size)]
        for beginning in beginnings:
            if beginning not in kept:
                break
            found += size
        # the end first: a page is of no use when those before it are gone
        for beginning in reversed(beginnings):
            kept.pop(beginning, None)
            kept[beginning] = True
        for beginning in [*kept][:max(0, len(kept) - most)]:
            del kept[beginning]
    return found

# === Forget rows ===
class Head:
    """What a head keeps, {number: (key, value)}, the oldest row first.

    heard and said add up the weights from all queries, from the answer's.
    """

    def __init__(self):
        self.rows, self.heard, self.said = {}, {}, {}

    def look(self, query, answering):
        """The mean of the values, weighed; the weights are added up."""
        scale = 1 / sqrt(len(query))
        keys, values = zip(*self.rows.values())
        weights = softmax([scale * sumprod(query, key) for key in keys])
        for sums in (self.heard, self.said)[:1 + answering]:
            for number, weight in zip(self.rows, weights):
                sums[number] = sums.get(number, 0.0) + weight
        return product([weights], transpose(values))[0]

# --- A memory that forgets ---
class Forgetful(Memory):
    """A `Memory` whose heads each keep the rows that a rule leaves them."""

    def __init__(self, model, given):
        self.model, self.given, self.count = model, given, 0
        self.layers = [[Head() for _ in range(HEADS)] for _ in model.layers]
        self.thrown = self.early = 0

    def read(self, token, place):
        """As `Memory` reads, but that its heads are of the kind above."""
        model, size = self.model, WIDTH // HEADS
        x = plus(pick(model.tokens, [token]), pick(model.positions, [place]))
        self.count += 1
        for matrices, heads in zip(model.layers, self.layers):
            query, key, value, output, up, down = matrices
            y = rms_norm(x)
            q, k, v = (times(y, w).value[0] for w in (query, key, value))
            seen = []
            for i, head in enumerate(heads):
                part = slice(i * size, (i + 1) * size)
                head.rows[self.count - 1] = k[part], v[part]
                seen += head.look(q[part], self.count >= self.given)
            x = plus(x, times(Node([seen]), output))
            x = plus(x, times(relu(times(rms_norm(x), up)), down))
        scores = times(rms_norm(x), model.head).value[0]
        TAPE.clear()
        return scores

    def forget(self, rule, most):
        """Leave each head at most `most` rows; count letters still to say."""
        spoken = min(self.count - self.given + 1, self.given - 1)
        for head in sum(self.layers, []):
            while len(head.rows) > most:
                number = rule(head, most, spoken, self.given)
                del head.rows[number]  # for good: no query can ask it again
                self.thrown += 1
                self.early += spoken <= number < self.given - 1

# === Rules of forgetting ===
def least(numbers, sums):
    """least([0, 1, 2], {0: 0.5, 1: 0.2, 2: 0.3}) -> 1"""
    return min(numbers, key=sums.get)


def done(head, spoken, given):
    """Rows needed no more: colon, sounds (even the newest), letters said."""
    return [*(number for number in head.rows if number >= given - 1),
            *(number for number in head.rows if number < spoken)]


RULES = {
    "window": lambda head, *_: min(head.rows),  # the oldest goes
    "random": lambda head, *_: random.choice([*head.rows]),
    "said": lambda head, *_: least(head.rows, head.said),
    "halves": lambda head, most, *_: least(  # as published: half are the new
        [*head.rows][:len(head.rows) - most // 2], head.heard),
    "heard": lambda head, *_: least(head.rows, head.heard),
    "prompt": lambda head, most, spoken, given: (  # own words go first
        [number for number in head.rows if number >= given]
        or [random.choice([*head.rows])])[0],
    "task": lambda head, most, spoken, given: (
        done(head, spoken, given) or [random.choice([*head.rows])])[0]}

# --- Judge one rule ---
def judge(model, words, rule, most):
    """([nats lost on a word], share of letters yet to say in what went)."""
    losses, thrown, early = [], 0, 0
    for ids, given in words:
        memory, loss = Forgetful(model, given), 0.0
        scores = take_in(memory, ids[:given])  # the prompt is seen whole
        for i in range(given, len(ids)):
            if i > given:
                memory.forget(rule, most)
                scores = memory.read(ids[i - 1], positions(i, given)[-1])
            loss -= log(softmax(scores)[ids[i]])
        losses.append(loss)
        thrown, early = thrown + memory.thrown, early + memory.early
    return losses, early / max(1, thrown)


def gap(one, other, words):
    """(difference a sound, its standard error), word by word: paired.

    gap([2.0, 4.0], [1.0, 1.0], [("a:A", 2), ("b:BIY", 2)]) -> (1.0, 0.0)
    """
    apart = [(a - b, len(ids) - given)
             for a, b, (ids, given) in zip(one, other, words)]
    total, n = sum(size for _, size in apart), len(apart)
    mean = sum(d for d, _ in apart) / max(1, total)
    spread = sum((d - mean * size) ** 2 for d, size in apart)
    return mean, sqrt(spread * n / max(1, n - 1)) / max(1, total)

# --- Set the rules side by side ---
def compare_rules(model, words):
    """What a rule costs where all letters fit, and where they do not."""
    whole, _ = judge(model, words, None, 1_000)
    print(f"keep all | loss {gap(whole, [0] * len(words), words)[0]:.3f} | "
          "below: minus window | minus all | letters to say")
    for most in BUDGETS:
        window, _ = judge(model, words, RULES["window"], most)
        for name, rule in RULES.items():
            losses, early = judge(model, words, rule, most)
            loss = gap(losses, [0] * len(words), words)[0]
            mean, error = gap(losses, window, words)
            costs = []
            for fits in (True, False):
                some = [i for i, (_, given) in enumerate(words)
                        if (given - 1 <= most) == fits]
                costs.append(gap(*([column[i] for i in some] for column in
                                   (losses, whole, words)))[0])
            print(f"keep {most:2} | {name:6} | {loss:.3f} | {mean:+.3f} +- "
                  f"{error:.3f} | fit {costs[0]:+.2f} long {costs[1]:+.2f} | "
                  f"early {100 * early:2.0f}%")

# === Compare ways of keeping ===
def compare_memory(task, requests):
    """Slots and pages for the same requests, in the same memory."""
    slot = task.longest - 1  # a page for the longest; its end is not read
    rows, lasts = SLOTS * slot, [last for _, last in requests]
    print(f"memory | {rows} rows, for requests of {fmean(lasts):.1f} rows, "
          f"the longest {max(lasts)}")
    for size in [*PAGES, slot]:
        steps, at_once, used, again = serve(requests, size, rows // size)
        print(f"pages {size:2} | unused "
              f"{fmean(-last % size for last in lasts):5.2f} | in use "
              f"{used:.2f} | at once {at_once:4.1f} | steps {steps} | again "
              f"{again}")


def compare_sharing(model, task, words):
    """What answers to one prompt share, and prompts that begin alike."""
    for size in PAGES:
        share, changed = many_answers(model, task, words, size)
        print(f"copies | pages of {size:2} | {SAMPLES} answers in {share:.2f} "
              f"of their pages | {changed} changed")
    prompts = [ids[:given] for ids, given in task.held_out]
    total, rows = sum(map(len, prompts)), SLOTS * (task.longest - 1)
    queues = [sorted(prompts[i:i + QUEUE])
              for i in range(0, len(prompts), QUEUE)]
    for size in PAGES:
        found = [found_again(order, size, most) / total for order, most in
                 ((prompts, total), (prompts, rows // size),
                  (sorted(prompts), rows // size),
                  (sum(queues, []), rows // size))]
        print(f"prefix | pages of {size:2} | all kept {found[0]:.2f} | {rows} "
              f"rows {found[1]:.2f} | sorted {found[2]:.2f}, by {QUEUE} "
              f"{found[3]:.2f}")

# === Main ===
def main():
    if (min(BATCH, WIDTH, HEADS, HIDDEN, LAYERS, REPORT, CHECKED, ASKED,
            EXAMPLES, SHARED, SAMPLES, QUEUE, JUDGED, *DEPTHS, *PAGES,
            *BUDGETS) < 1
            or WIDTH % HEADS or not 0.001 <= HELD_OUT <= 0.9):
        raise SystemExit("a setting is too small, HEADS does not divide WIDTH"
                         ", or HELD_OUT is not from 0.001 to 0.9")
    random.seed(SEED)
    task = Task("sounds", read())
    print(f"sounds | {len(task.train):,} to train on | "
          f"{len(task.held_out):,} held out | {len(task.symbols)} symbols")
    model = GPT(task)
    train(model, task)
    report(task, "trained", evaluate(model, task.held_out))
    compare_memory(task, compare_work(model, task, task.held_out[:ASKED]))
    compare_sharing(model, task, task.held_out[:SHARED])
    compare_rules(model, task.held_out[:JUDGED])


if __name__ == "__main__":
    main()
