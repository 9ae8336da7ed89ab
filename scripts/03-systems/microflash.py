"""Exact attention whose memory grows with N, not with N squared.

Attention can be computed in tiles inside a fast memory of M floats, storing
no N x N matrix, equal to the naive way to 1e-12. Its traffic with the slow
memory stays quadratic in N, but shrinks as M grows: N^2 d^2 / M.

Left out: the GPU itself (threads, half precision), several heads, dropout,
every mask but the causal one. And speed: in plain Python both ways are slow,
so the floats that move between two simulated memories are counted instead.

Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018);
Dao, Fu, Ermon, Rudra and Re, "FlashAttention" (2022). The run shows both ways
agreeing, and not without rescaling; traffic and measured memory; and a small
GPT trained both ways.
"""

# === Imports ===
import gc
import random
import tracemalloc
from collections import Counter
from hashlib import sha256
from math import exp, inf, log, sqrt
from operator import add, mul
from pathlib import Path

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
WIDTH = 8  # d: the floats of one query, key or value
FAST = 1_536  # M = 24 d^2, as are an A100's 192 KB in 16 bits with d = 64
LENGTHS = (64, 128, 256, 512)  # N doubles: what is quadratic quadruples
BETWEEN = 256  # the N at which M varies
FASTS = (128, 256, 512, 1_024, 2_048)  # from tiles of a row or two to N d
RESCALE = True  # False: sums made under an older maximum stay as they were
MODEL = 16  # the width of the small GPT, whose one head is as wide
CONTEXT = 64  # tokens a training sequence, several names in a row
SMALL = 1_024  # M of the model's attention: 64 tokens make many tiles
STEPS = 200  # no piece of the training text is seen twice
LEARNING_RATE = 0.04  # half and twice as much both end higher
HELD_OUT = 800  # names that no model is trained on
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
LETTERS = ".abcdefghijklmnopqrstuvwxyz"  # a dot ends a name, starts the next


def load_pieces():
    """Names in a row, cut into CONTEXT + 1 tokens: to learn from, held out."""
    text = shipped("names.csv").decode("ascii")
    names = [line.split(",")[0] for line in text.split()[1:]]
    random.Random(SEED).shuffle(names)
    rows = [[LETTERS.index(letter) for letter in ".".join(["", *part, ""])]
            for part in (names[HELD_OUT:], names[:HELD_OUT])]
    return [[row[i:i + CONTEXT + 1]  # its last token opens the next piece
             for i in range(0, len(row) - CONTEXT, CONTEXT)] for row in rows]


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


# === Count every access to the slow memory ===
class SlowMemory:
    """A large slow memory, a fast one of `capacity` floats, and a counter.

    Matrices lie in the slow memory by name. Arithmetic may use only what was
    read into the fast memory or made there, and it must all fit at once.
    """

    def __init__(self, capacity, **matrices):
        self.matrices = matrices  # inputs lie there already, uncounted
        self.capacity = capacity
        self.traffic = 0
        self.held = {}  # the fast memory: floats that each name takes

    def shape(self, name):
        """Known without reading: a kernel is told the sizes it works on."""
        return len(self.matrices[name]), len(self.matrices[name][0])

    def hold(self, name, floats):
        """Take room in the fast memory, in place of what `name` took.

        A kernel must hold what it makes: Python would keep it unasked.
        """
        self.held[name] = floats
        used = sum(self.held.values())
        if used > self.capacity:
            raise MemoryError(f"{used} floats, room for {self.capacity}")

    # --- Read and write rows ---
    def read(self, name, start=0, stop=None):
        """Copy rows into the fast memory."""
        rows = [row[:] for row in self.matrices[name][start:stop]]
        self.traffic += len(rows) * len(rows[0])
        self.hold(name, len(rows) * len(rows[0]))
        return rows

    def write(self, name, rows, start=0):
        """Copy rows back, to begin at row `start`."""
        self.traffic += len(rows) * len(rows[0])
        self.matrices.setdefault(name, [])[start:start + len(rows)] = [
            row[:] for row in rows]


# === Attend through the whole matrix ===
def scores_of(query, key, i=0, j=0, causal=False):
    """S = Q K^T / sqrt(d), for queries from position i, keys from j.

    scores_of([[2.0]], [[3.0], [4.0]]) -> [[6.0, 8.0]]
    """
    scale = 1 / sqrt(len(query[0]))
    scores = product([[scale * v for v in row] for row in query], key)
    if causal and j + len(key) > i + 1:  # else every key is in the past
        scores = [[s if j + c <= i + r else -inf for c, s in enumerate(row)]
                  for r, row in enumerate(scores)]
    return scores


def naive_forward(memory, causal=False):
    """O = P V with P = softmax(S): three kernels, S and P go out and back.

    With an infinite `capacity` each kernel reads each input once. That is
    flattery: real kernels tile their products and read more.
    """
    memory.write("scores", scores_of(
        memory.read("query"), memory.read("key"), causal=causal))
    memory.write("weights", [softmax(row) for row in memory.read("scores")])
    del memory.matrices["scores"]  # the backward pass needs only P
    memory.write("output", product(memory.read("weights"),
                                   transpose(memory.read("value"))))


# === Pull back through the whole matrix ===
def naive_backward(memory, causal=False):
    """dQ, dK, dV from dO and the stored P (whose zeros know the mask)."""
    read, write = memory.read, memory.write
    # dV = P^T dO
    write("value_grad", product(transpose(read("weights")),
                                transpose(read("output_grad"))))
    # dP = dO V^T
    write("weights_grad", product(read("output_grad"), read("value")))
    # dS = P * (dP - rowsum(P * dP)), and the 1 / sqrt(d) inside S
    scale = 1 / sqrt(memory.shape("query")[1])
    scores_grad = []
    for p, dp in zip(read("weights"), read("weights_grad")):
        mean = sumprod(p, dp)
        scores_grad.append([scale * a * (b - mean) for a, b in zip(p, dp)])
    write("scores_grad", scores_grad)
    # dQ = dS K and dK = dS^T Q, two kernels: dS is read twice
    write("query_grad", product(read("scores_grad"), transpose(read("key"))))
    write("key_grad", product(transpose(read("scores_grad")),
                              transpose(read("query"))))


# === Keep a softmax that can still grow ===
def fold(state, scores, columns, rescale=RESCALE):
    """The running softmax of one row, after more scores and their values.

    state is (m, l, o): the largest score so far, the sum of exp(s - m), and
    the sum of exp(s - m) v. So o / l is the softmax average at any moment.
    `columns` are those of the values. An empty softmax is (-inf, 0, zeros).

    fold((-inf, 0.0, [0.0]), [7.0, 7.0], [(2.0, 4.0)]) -> (7.0, 2.0, [6.0])
    """
    top, total, out = state
    new_top = max(top, max(scores))
    # Sums made under the old maximum shrink by exp(m - m') <= 1. This line is
    # the algorithm: with it a softmax may see its scores in pieces.
    shrink = exp(top - new_top) if rescale else 1.0
    weights = [exp(s - new_top) for s in scores]
    return (new_top, shrink * total + sum(weights),
            [shrink * o + sumprod(weights, column)
             for o, column in zip(out, columns)])


# === Attend tile by tile ===
def tiles(capacity, width, floats):
    """Rows of an outer tile, each costing `floats`, and of an inner one.

    tiles(1536, 8, 5 * 8 + 2) -> (36, 8)

    As in the paper the inner tile stops at d rows: then the scores of a
    tile, outer x inner, take no more room than its queries do.
    """
    outer = max(1, capacity // floats)  # too much? the memory will say so
    return outer, min(outer, width)


def tiled_forward(memory, causal=False, rescale=RESCALE):
    """O, and of each row L = m + log(l); S stays in the fast memory."""
    n, width = memory.shape("query")
    # 5d + 2: query, output, the row's share of keys, values, scores; m and l
    outer, inner = tiles(memory.capacity, width, 5 * width + 2)
    for i in range(0, n, outer):
        query = memory.read("query", i, i + outer)
        memory.hold("states", len(query) * (width + 2))
        states = [(-inf, 0.0, [0.0] * width)] * len(query)
        # Under the mask, tiles that lie wholly in the future are not touched
        for j in range(0, min(n, i + outer) if causal else n, inner):
            key = memory.read("key", j, j + inner)
            columns = transpose(memory.read("value", j, j + inner))
            memory.hold("scores", len(query) * len(key))
            scores = scores_of(query, key, i, j, causal)
            states = [fold(state, row, columns, rescale)
                      for state, row in zip(states, scores)]
        # One division a row, at the end: FlashAttention-2's saving
        memory.write("output", [[o / total for o in out]
                                for _, total, out in states], i)
        memory.write("logsumexp", [[top + log(total)]
                                   for top, total, _ in states], i)


# === Pull back through one tile ===
def add_rows(a, b):
    """add_rows([[1, 2]], [[3, 4]]) -> [[4, 6]]"""
    return [list(map(add, x, y)) for x, y in zip(a, b)]


def pull_tile(query, key, value, grad, level, delta, scores):
    """What one tile of scores adds to dQ, dK and dV."""
    scale = 1 / sqrt(len(key[0]))
    # P = exp(S - L): the division by the sum happens in the exponent
    p = [[exp(s - top) for s in row] for row, (top,) in zip(scores, level)]
    # dS = P * (dP - D) with dP = dO V^T, and the 1 / sqrt(d) inside S
    ds = [[scale * a * (b - d) for a, b in zip(row, pulled)]
          for row, pulled, (d,) in zip(p, product(grad, value), delta)]
    # dQ += dS K, dK += dS^T Q, dV += P^T dO
    return (product(ds, transpose(key)),
            product(transpose(ds), transpose(query)),
            product(transpose(p), transpose(grad)))


# === Pull back tile by tile ===
def start_backward(memory, n, inner):
    """D = rowsum(dO * O), a float a row, and dQ = 0 to be added to."""
    memory.held.clear()  # a new kernel finds the fast memory empty
    for i in range(0, n, inner):
        out = memory.read("output", i, i + inner)
        grad = memory.read("output_grad", i, i + inner)
        memory.write("delta", [[sumprod(o, g)]
                               for o, g in zip(out, grad)], i)
        memory.write("query_grad", [[0.0] * len(row) for row in out], i)


def tiled_backward(memory, causal=False):
    """dQ, dK, dV; the scores are made again from Q and K."""
    n, width = memory.shape("query")
    # 9d + 2: k, v, dk, dv, a share of Q, dO, dQ, P, dS; L and D
    outer, inner = tiles(memory.capacity, width, 9 * width + 2)
    start_backward(memory, n, inner)
    memory.held.clear()
    for j in range(0, n, outer):  # keys are outside: dK, dV stay in place
        key = memory.read("key", j, j + outer)
        value = memory.read("value", j, j + outer)
        memory.hold("sums", 2 * len(key) * width)
        key_grad = value_grad = [[0.0] * width] * len(key)
        # Under the mask, queries before the tile's first key see none of it
        for i in range(j // inner * inner if causal else 0, n, inner):
            query = memory.read("query", i, i + inner)
            grad = memory.read("output_grad", i, i + inner)
            level = memory.read("logsumexp", i, i + inner)
            delta = memory.read("delta", i, i + inner)
            memory.hold("tile", 2 * len(query) * len(key))
            scores = scores_of(query, key, i, j, causal)
            dq, dk, dv = pull_tile(query, key, value, grad, level, delta,
                                   scores)
            key_grad = add_rows(key_grad, dk)
            value_grad = add_rows(value_grad, dv)
            # dQ belongs to the inner loop, so it grows in the slow memory;
            # CUDA kernels add to it atomically, many tiles of keys at once
            query_grad = memory.read("query_grad", i, i + inner)
            memory.write("query_grad", add_rows(query_grad, dq), i)
        memory.write("key_grad", key_grad, j)
        memory.write("value_grad", value_grad, j)


# === Run both ways ===
WAYS = {"naive": (naive_forward, naive_backward),
        "tiled": (tiled_forward, tiled_backward)}


def solve(way, matrices, capacity=FAST, causal=False):
    """Both passes: the memory afterwards, and the traffic of each."""
    ahead, back = WAYS[way]
    memory = SlowMemory(inf if way == "naive" else capacity, **matrices)
    ahead(memory, causal)
    forward = memory.traffic
    back(memory, causal)
    return memory, forward, memory.traffic - forward


def example(n):
    """Q, K, V and dO of normal numbers."""
    numbers = random.Random(SEED)
    return {name: [[numbers.gauss(0, 1) for _ in range(WIDTH)]
                   for _ in range(n)]
            for name in ("query", "key", "value", "output_grad")}


def distance(a, b):
    """distance([[1, 2]], [[1, 5]]) -> 3"""
    return max(abs(x - y) for p, q in zip(a, b) for x, y in zip(p, q))


# === Show that both ways agree ===
def show_agreement():
    """Largest differences, and traffic; no tile divides a length of 101."""
    for n, causal in ((101, True), (256, False), (256, True)):
        (naive, *_), (tiled, *moved) = (
            solve(way, example(n), causal=causal) for way in WAYS)
        gaps = [distance(naive.matrices[name], tiled.matrices[name])
                for name in ("output", "query_grad", "key_grad", "value_grad")]
        print(f"N {n:3} {'causal' if causal else 'full  '} | output off by "
              f"{gaps[0]:.1e}, gradients by {max(gaps[1:]):.1e} | "
              f"{sum(moved):7,} floats")
    broken = SlowMemory(FAST, **example(256))
    tiled_forward(broken, causal=True, rescale=False)
    gap = distance(naive.matrices["output"], broken.matrices["output"])
    print(f"without rescaling | output off by {gap:.1e}")


# === Predict the traffic ===
def predict(way, n, width, capacity):
    """The traffic of both passes in closed form, without the mask.

    predict("naive", 2, 1, 1) -> (24, 44)
    """
    nd = n * width
    if way == "naive":
        return 4 * n * n + 4 * nd, 7 * n * n + 8 * nd
    # Every outer tile sees all of K and V; going back, all of Q, dO, L, D,
    # and dQ twice, once in and once out
    ahead = -(-n // tiles(capacity, width, 5 * width + 2)[0])
    back = -(-n // tiles(capacity, width, 9 * width + 2)[0])
    return (2 * nd + n + ahead * 2 * nd,
            7 * nd + n + back * (4 * nd + 2 * n))


# --- Show the traffic ---
def show_traffic():
    """Floats moved, forward + backward, as first N and then M changes."""
    rows = [(n, FAST) for n in LENGTHS] + [(BETWEEN, fast) for fast in FASTS]
    exact = 0
    for n, fast in rows:
        counts = [solve(way, example(n), fast)[1:] for way in WAYS]
        (a, b), (c, d) = counts
        print(f"N {n:3} M {fast:5,} | naive {a:9,} + {b:9,} | tiled {c:7,} + "
              f"{d:9,}")
        exact += counts == [predict(way, n, WIDTH, fast) for way in WAYS]
    print(f"formula exact in {exact} of {len(rows)} rows")


# === Show the memory ===
def show_memory():
    """The most KB that both passes hold beyond their inputs, as measured."""
    for n in LENGTHS[:3]:
        peaks = []
        for way in WAYS:
            inputs = example(n)
            gc.collect()  # spare objects of earlier work would go uncounted
            tracemalloc.start()
            solve(way, inputs, SMALL)
            peaks.append(tracemalloc.get_traced_memory()[1] // 1024)
            tracemalloc.stop()
        naive, tiled = (round(peak, -1) for peak in peaks)  # the rest wavers
        print(f"memory | N {n:3} | naive {naive:5,} KB | tiled {tiled:4} KB")


# === Attend inside a model ===
def attention(query, key, value, way):
    """Causal attention of three nodes, as one operation of the tape."""
    ahead, back = WAYS[way]
    memory = SlowMemory(inf if way == "naive" else SMALL,
                        query=query.value, key=key.value, value=value.value)
    ahead(memory, causal=True)

    def pull(grad):
        memory.matrices["output_grad"] = grad
        back(memory, causal=True)
        for node, name in ((query, "query"), (key, "key"), (value, "value")):
            node.receive(memory.matrices[name + "_grad"])

    return record(memory.matrices["output"], pull)


# --- A model of one head ---
def start():
    """Letters, positions, query, key, value, mix, head: normal numbers."""
    numbers, kinds = random.Random(SEED), len(LETTERS)
    return [Node([[numbers.gauss(0, 1 / sqrt(MODEL)) for _ in range(columns)]
                  for _ in range(rows)])
            for rows, columns in ((kinds, MODEL), (CONTEXT, MODEL),
                                  *[(MODEL, MODEL)] * 4, (kinds, MODEL))]


def nats(model, piece, way):
    """The loss: each of CONTEXT letters foretells the next."""
    letters, positions, query, key, value, mix, head = model
    x = plus(pick(letters, piece[:-1]), positions)
    attended = attention(times(x, query), times(x, key), times(x, value), way)
    logits = times(plus(x, times(attended, mix)), head)
    return cross_entropy(logits, piece[1:])


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


# === Train both ways ===
def train(way, pieces, held):
    """The loss of every step; the mean loss of the pieces held out."""
    model, losses = start(), []
    adam = Adam(model)
    for step in range(STEPS):
        loss = nats(model, pieces[step], way)
        losses.append(loss.value[0][0])
        backward(loss)
        adam.step(LEARNING_RATE * (1 - step / STEPS))
    tested = [nats(model, piece, way).value[0][0] for piece in held]
    TAPE.clear()  # nothing is pulled back
    return losses, sum(tested) / len(tested)


def count_pairs(pieces, held):
    """The baseline: counts of letter after letter, plus one each."""
    pairs = Counter(p for piece in pieces for p in zip(piece, piece[1:]))
    firsts = Counter(a for piece in pieces for a in piece[:-1])
    losses = [log((firsts[a] + len(LETTERS)) / (pairs[a, b] + 1))
              for piece in held for a, b in zip(piece, piece[1:])]
    return sum(losses) / len(losses)


def show_training(pieces, held):
    """Both ways from the same start, on the same pieces."""
    (naive, tested), (tiled, tested_tiled) = (
        train(way, pieces, held) for way in WAYS)
    if tiled:  # STEPS = 0: nothing to compare
        print(f"training | {STEPS} steps | first loss {tiled[0]:.4f} | losses "
              f"differ by at most {distance([naive], [tiled]):.1e}")
    print(f"held out | naive {tested:.4f} | tiled {tested_tiled:.4f} | "
          f"pairs {count_pairs(pieces, held):.4f}")


# === Main ===
def main():
    pieces, held = load_pieces()  # first, so that missing data stop it here
    show_agreement()
    show_traffic()
    show_memory()
    show_training(pieces, held)


if __name__ == "__main__":
    main()
