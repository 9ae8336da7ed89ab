"""Four bits a weight keep nearly all that a trained network knows.

At two bits it hangs on what becomes of the rounding errors. A network learns
handwritten digits; its weights are rounded to grids of few bits, one grid for
a matrix, a row or 16 weights, packed into bytes, read back and judged on
digits held out. Three ways to round: to the nearest level; each error handed
on to the weights that come after; weights of loud inputs enlarged before.
Last, the knock-out: a loud channel ruins a grid that all weights share.

Left out: training with rounded weights, uneven levels, biases, the rescaling
in integers between layers, and speed: Python gains none.

Frantar et al., "GPTQ" (2023). Integers: Jacob et al. (2018). Enlarged
weights: Lin et al. (2024). Shared loudness: Xiao et al. (2023).
"""
# === Imports ===
import gzip
import random
import struct
import sys
from collections import namedtuple
from hashlib import sha256
from math import exp, log, sqrt
from operator import add, mul
from pathlib import Path
from time import process_time

# === Settings ===
SEED = 1
HELD_OUT = 597  # leaves 1,200 digits to learn from
SIZES = [64, 32, 32, 10]  # few enough weights that few bits hurt
SMALLER = [8, 12]  # hidden units of float networks of as few bytes
EPOCHS = 10  # training error is nearly gone by then
BATCH = 32  # a steadier direction than one digit, and 37 steps an epoch
LEARNING_RATE = 0.5  # falls to zero in a straight line over the run
BITS = [8, 4, 3, 2]
GROUP = 16  # divides every row, so no group is cut short
CALIBRATION = 256  # training digits that show what the layers see
DAMPING = 0.01  # of the mean of H's diagonal: some pixels are never lit
EXPONENTS = [0.0, 0.25, 0.5, 0.75, 1.0]  # 0 protects nobody
INPUT_BITS = 6  # eight hide on so small a network what an outlier costs
LOUD = 50.0  # how much louder the planted channel is; 1 plants nothing
DATA_HASH = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"


# === Data ===
def load_digits():
    """Shuffled (levels, label) pairs: those to learn from, those held out.

    64 inputs: 8 x 8 levels of grey, from 0 to 1 in sixteenths.
    """
    path = Path(__file__).resolve().parent.parent / "data" / "digits.csv.gz"
    packed = path.read_bytes() if path.exists() else b""
    if sha256(packed).hexdigest() != DATA_HASH:
        raise SystemExit(f"{path.name} is missing or altered: it belongs in "
                         f"{path.parent}, with the SHA-256 {DATA_HASH}")
    rows = [[int(level) for level in line.split(",")]
            for line in gzip.decompress(packed).decode("ascii").split()]
    digits = [([v / 16 for v in row[:64]], row[64]) for row in rows]
    random.Random(SEED).shuffle(digits)
    return digits[HELD_OUT:], digits[:HELD_OUT]


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
    return [[sum(map(mul, row, col)) for col in b] for row in a]


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


# === A network of matrices ===
def first_weights(sizes):
    """One matrix between each two sizes, outputs by inputs."""
    # variance 2/inputs makes up for the half that relu cuts away
    draw = random.Random(SEED + 1).gauss
    return [[[draw(0.0, sqrt(2 / n_in)) for _ in range(n_in)]
             for _ in range(n_out)] for n_in, n_out in zip(sizes, sizes[1:])]


def clipped(rows):
    """clipped([[-1.0, 2.0]]) -> [[0.0, 2.0]]"""
    return [[v if v > 0.0 else 0.0 for v in row] for row in rows]


def logits(weights, rows):
    """[n][64] to [n][10]; the first cut finds nothing below zero."""
    for matrix in weights:
        rows = product(clipped(rows), matrix)
    return rows


# === Training ===
def train(digits, sizes):
    """Trained matrices as plain lists, by plain gradient descent."""
    digits, shuffle = list(digits), random.Random(SEED + 2).shuffle
    nodes = [Node(rows) for rows in first_weights(sizes)]
    batches = [slice(i, i + BATCH) for i in
               range(0, len(digits) - BATCH + 1, BATCH)] * EPOCHS
    for step, batch in enumerate(batches):
        if batch.start == 0:
            shuffle(digits)
        rows, labels = zip(*digits[batch])
        out = Node(rows)
        for node in nodes:
            out = times(relu(out), node)
        backward(cross_entropy(out, labels))
        rate = LEARNING_RATE * (1.0 - step / len(batches))
        for node in nodes:
            node.value = [[w - rate * g for w, g in zip(*pair)]
                          for pair in zip(node.value, node.grad)]
            node.grad = None
    return [node.value for node in nodes]


# --- Judge by what is held out ---
def judge(rows, labels):
    """Loss in nats, and the share of rows whose largest logit is right."""
    loss = cross_entropy(Node(rows), labels).value[0][0]
    TAPE.clear()
    right = sum(row.index(max(row)) == t for row, t in zip(rows, labels))
    return f"{loss:5.3f} {right / len(labels):.3f}"


# === Choose a grid ===
# A code c from low to high stands for the number scale (c - zero).
Grid = namedtuple("Grid", "scale zero low high")


def half(value):
    """The nearest 16-bit float, which is what the bytes will hold."""
    return struct.unpack("<e", struct.pack("<e", value))[0] or 1.0


def fit(values, bits, symmetric):
    """The narrowest even grid that covers the values.

    Symmetric: 0 in the middle and one code unused, so that -w has the code
    -c. Otherwise the whole range counts, and the code `zero` stands for 0.
    fit([-6.0, 3.0], 3, True) -> (2.0, 0, -3, 3)
    fit([-6.0, 1.0], 3, False) -> (1.0, 6, 0, 7)
    """
    if symmetric:
        high = 2 ** (bits - 1) - 1
        return Grid(half(max(map(abs, values)) / high), 0, -high, high)
    high = 2 ** bits - 1
    # 0 is covered and exact: dead pixels and relu give it all the time
    bottom, top = min(0.0, *values), max(0.0, *values)
    scale = half((top - bottom) / high)
    return Grid(scale, min(high, round(-bottom / scale)), 0, high)


# --- Round to the nearest level ---
def encode(value, grid):
    """encode(-2.6, Grid(2.0, 0, -3, 3)) -> -1"""
    code = round(value / grid.scale + grid.zero)
    return min(max(code, grid.low), grid.high)


def decode(code, grid):
    """decode(-1, Grid(2.0, 0, -3, 3)) -> -2.0"""
    return grid.scale * (code - grid.zero)


# === Share a grid among weights ===
def stretched(rows, factors):
    """stretched([[1, 2]], [3, 4]) -> [[3, 8]]"""
    return [list(map(mul, row, factors)) for row in rows]


def shared(values, width, span):
    """Rows of `width` places, each value for `span` places on end.

    shared("ab", 4, 2) -> [["a", "a", "b", "b"]]
    """
    flat = [v for v in values for _ in range(span)]
    return [flat[i:i + width] for i in range(0, len(flat), width)]


class Rounded:
    """A matrix as codes and grids, both [n][k]; `span` weights share a grid.

    Columns may be multiplied by factors before they are rounded.
    """

    def __init__(self, rows, bits, sharing, symmetric=True, factors=()):
        self.bits, self.symmetric, self.factors = bits, symmetric, factors
        rows = stretched(rows, factors) if factors else rows
        flat, width = [w for row in rows for w in row], len(rows[0])
        self.span = {"tensor": len(flat), "row": width,
                     "group": GROUP}[sharing]
        self.grids = shared([fit(flat[i:i + self.span], bits, symmetric)
                             for i in range(0, len(flat), self.span)],
                            width, self.span)
        self.codes = [list(map(encode, *pair))
                      for pair in zip(rows, self.grids)]

    def matrix(self):
        """The numbers that the codes stand for."""
        rows = [list(map(decode, *pair))
                for pair in zip(self.codes, self.grids)]
        return (stretched(rows, [1 / f for f in self.factors])
                if self.factors else rows)

    # --- Pack it into bytes and read it back ---
    def pack(self):
        """Codes without a gap, counted from `low` up; scales; zeros.

        The shape, the bits and the sharing are the program's to know.
        """
        codes, number = [c for row in self.codes for c in row], 0
        grids = [g for row in self.grids for g in row][::self.span]
        for code in reversed(codes):
            number = number << self.bits | code - grids[0].low
        scales = [*[grid.scale for grid in grids], *self.factors]
        zeros = [] if self.symmetric else [grid.zero for grid in grids]
        size = (len(codes) * self.bits + 7) // 8
        return (number.to_bytes(size, "little")
                + struct.pack(f"<{len(scales)}e", *scales) + bytes(zeros))

    def unpack(self, packed):
        """Codes, scales, factors and zeros again, from the bytes alone."""
        width, bits, (*_, low, high) = (len(self.codes[0]), self.bits,
                                        self.grids[0][0])
        count, m = len(self.codes) * width, len(self.factors)
        size, n = (count * bits + 7) // 8, count // self.span
        number = int.from_bytes(packed[:size], "little")
        self.codes = shared([(number >> i * bits & 2 ** bits - 1) + low
                             for i in range(count)], width, 1)
        scales = struct.unpack_from(f"<{n + m}e", packed, size)
        zeros = packed[size + 2 * (n + m):] or [0] * n
        self.factors = scales[n:]
        self.grids = shared([Grid(s, z, low, high) for s, z in
                             zip(scales, zeros)], width, self.span)


# === Multiply codes, then scale once ===
def integer_sums(codes, zero, weights):
    """sum (x - zero)(w - z) for rows of codes x and w: integers throughout.

    Multiplied out, sum xw - z sum x - zero sum w + n zero z: the codes meet
    in one product, in hardware 8 bits times 8 added up in 32.
    """
    zeros = [grids[0].zero for grids in weights.grids]
    fixed = [zero * (len(w) * z - sum(w))
             for w, z in zip(weights.codes, zeros)]
    return [[sum(map(mul, x, w)) - z * sum(x) + constant
             for w, z, constant in zip(weights.codes, zeros, fixed)]
            for x in codes]


def integer_product(rows, grid, weights):
    """X W^T on two grids; the first float appears after the last sum."""
    codes = [[encode(v, grid) for v in row] for row in rows]
    return stretched(integer_sums(codes, grid.zero, weights),
                     [grid.scale * grids[0].scale for grids in weights.grids])


def integer_logits(weights, sample, rows, bits):
    """8-bit weights, a grid for each row, and inputs of so many bits.

    A sample fixes the grid of a layer's inputs, one for all columns: a
    scale of each column's own could not be taken out of the sum.
    """
    for matrix in weights:
        grid = fit([v for row in sample for v in row], bits, False)
        rows = integer_product(clipped(rows), grid,
                               Rounded(matrix, 8, "row", False))
        sample = clipped(product(sample, matrix))
    return rows


# === Ask what the layer sees ===
def hessian(inputs):
    """H = X^T X, and a little on its diagonal, so that it has an inverse.

    An error d in a row of weights costs |X d|^2 = d H d: errors in columns
    that light up together add up, or cancel.
    """
    columns = transpose(inputs)
    rows = product(columns, columns)
    damp = DAMPING * sum(row[i] for i, row in enumerate(rows)) / len(rows)
    for i, row in enumerate(rows):
        row[i] += damp
    return rows


def inverse(matrix):
    """Gauss and Jordan's; no pivot of a positive definite matrix is 0.

    inverse([[2.0, 1.0], [1.0, 1.0]]) -> [[1.0, -1.0], [-1.0, 2.0]]
    """
    rows = [[*row, *[float(i == j) for j in range(len(matrix))]]
            for i, row in enumerate(matrix)]
    for i in range(len(rows)):
        pivot = [v / rows[i][i] for v in rows[i]]
        rows = [pivot if j == i else [v - row[i] * p
                                      for v, p in zip(row, pivot)]
                for j, row in enumerate(rows)]
    return [row[len(rows):] for row in rows]


# --- Hand each error on ---
def handovers(matrix):
    """For each column, how much of its error every later column gets.

    One unit of error at j moves weight k by -A_jk / A_jj, with A the inverse
    of H over the columns not yet rounded. One elimination step in A leaves
    j out of H; production takes all of them from a Cholesky factor.
    handovers([[2.0, 1.0], [1.0, 1.0]]) -> [[-1.0], []]
    """
    left, shares = inverse(matrix), []
    while left:
        shares.append([v / left[0][0] for v in left[0][1:]])
        left = [[v - row[0] * s for v, s in zip(row[1:], shares[-1])]
                for row in left[1:]]
    return shares


def hand_on(row, grids, shares):
    """Codes of one row, rounded from left to right."""
    row, codes = list(row), []
    for j, (grid, share) in enumerate(zip(grids, shares)):
        codes.append(encode(row[j], grid))
        error = row[j] - decode(codes[-1], grid)
        row[j + 1:] = [w - error * s for w, s in zip(row[j + 1:], share)]
    return codes


# === Three ways to round a matrix ===
def nearest(rows, inputs, options):
    """Every weight to the level next to it, whatever it meets."""
    return Rounded(rows, *options)


def handing_on(rows, inputs, options):
    """GPTQ: the grids of `nearest`, the codes by handing errors on."""
    rounded, shares = Rounded(rows, *options), handovers(hessian(inputs))
    rounded.codes = [hand_on(*pair, shares)
                     for pair in zip(rows, rounded.grids)]
    return rounded


def protecting(rows, inputs, options):
    """AWQ: W diag(s) is rounded, then divided by s: large s, fine steps.

    s_j = mean|x_j|^a, with the a that costs the layer's outputs least.
    Production folds 1/s into the layer before; we store it, 16 bits each.
    """
    means = [max(sum(column) / len(column), 1e-4)  # dead pixels: no 1/0
             for column in transpose(inputs)]
    middle, trials = sqrt(max(means) * min(means)), []
    for exponent in EXPONENTS:
        factors = [half((mean / middle) ** exponent) for mean in means]
        rounded = Rounded(rows, *options, factors=factors)
        errors = [[w - v for w, v in zip(*pair)]
                  for pair in zip(rows, rounded.matrix())]
        trials.append((sum(v * v for row in product(errors, inputs)
                           for v in row), exponent, rounded))
    return min(trials)[2]


# --- Layer after layer ---
def compress(weights, sample, method, *options):
    """(matrices, bytes): each layer is shown what the rounded ones give.

    A matrix is what comes back from its bytes: nothing else is judged.
    """
    done, total = [], 0
    for rows in weights:
        rounded = method(rows, sample, options)
        packed = rounded.pack()
        rounded.unpack(packed)
        done.append(rounded.matrix())
        total += len(packed)
        sample = clipped(product(sample, done[-1]))
    return done, total


# === Plant a loud channel ===
def rescaled(weights, i, factors):
    """Hidden units of layer i times `factors`, undone in the next layer.

    relu(f v) = f relu(v) for f > 0: not one output changes.
    """
    new = list(weights)
    new[i] = [[f * w for w in row] for f, row in zip(factors, new[i])]
    new[i + 1] = stretched(new[i + 1], [1 / f for f in factors])
    return new


def plant(weights, sample):
    """The unit of the first layer that says most says it LOUD times over."""
    totals = list(map(sum, transpose(clipped(product(sample, weights[0])))))
    return rescaled(weights, 0, [LOUD if total == max(totals) else 1.0
                                 for total in totals])


def smooth(weights, sample):
    """SmoothQuant: a loud channel shares its loudness with its weights.

    s_j = sqrt(max|x_j| / max|w_j|) makes x_j / s_j and w_j s_j equally large.
    """
    for i in range(len(weights) - 1):
        heard = clipped(product(sample, weights[i]))
        weights = rescaled(weights, i, [
            sqrt(max(map(abs, w)) / max(x)) if max(x) else 1.0
            for x, w in zip(transpose(heard), transpose(weights[i + 1]))])
        sample = clipped(product(sample, weights[i]))
    return weights


# === Tables ===
def by_hand():
    """Two weights on the grid of whole numbers, seen through two inputs."""
    inputs, row = [[1.0, 1.0], [1.0, 0.0]], [0.4, 0.3]
    grid, costs = Grid(1.0, 0, -1, 1), product(*[transpose(inputs)] * 2)
    shares = handovers(costs)
    for name, codes in (("nearest", [encode(w, grid) for w in row]),
                        ("handed on", hand_on(row, [grid] * 2, shares))):
        error = [[w - c for w, c in zip(row, codes)]]
        print(f"by hand | {name:9} | codes {codes} | cost "
              f"{sum(map(mul, *error, *product(error, costs))):.2f}")


def show_grids(weights, sample, rows, labels):
    """A row for each grid: its bytes, then loss and accuracy."""
    print(f"{'loss and accuracy held out':28} | bytes |     nearest | "
          "  handed on |   protected")
    for bits in BITS:
        for sharing in ("tensor", "row", "group"):
            for kind in ("symmetric", "zero-point"):
                found = [compress(weights, sample, method, bits, sharing,
                                  kind == "symmetric")
                         for method in (nearest, handing_on, protecting)]
                print(f"{bits} bits | {sharing:6} | {kind:10} | "
                      f"{found[0][1]:5,} | " + " | ".join(
                          judge(logits(matrices, rows), labels)
                          for matrices, _ in found))
        print(f"{process_time():.0f} s", file=sys.stderr)


# --- Integers, then outliers ---
def show_integers(weights, rows):
    """That whole numbers give what floats on the same grids give."""
    layer = Rounded(weights[0], 8, "row", False)
    grid = fit([v for row in rows for v in row], 8, False)
    codes = [[encode(v, grid) for v in row] for row in rows]
    sums = integer_sums(codes, grid.zero, layer)
    floats = product([[decode(c, grid) for c in row] for row in codes],
                     layer.matrix())
    worst = max(abs(a - b) for pair in zip(
        integer_product(rows, grid, layer), floats) for a, b in zip(*pair))
    print(f"integers against floats | largest difference {worst:.1e} | "
          f"largest sum {max(abs(v) for row in sums for v in row):,}")


def show_outlier(weights, sample, rows, labels):
    """What a planted channel does to grids of weights and of inputs."""
    for name, net in (("as trained", weights),
                      ("one loud", plant(weights, sample))):
        runs = [(f"weights {bits} bits | {sharing}, {method.__name__}",
                 logits(compress(net, sample, method, bits, sharing)[0], rows))
                for bits, sharing, method in (
                    (8, "tensor", nearest), (8, "row", nearest),
                    (4, "tensor", nearest), (4, "row", nearest),
                    (4, "row", protecting))]
        runs += [(f"inputs {bits} bits  | {kind}",
                  integer_logits(other, sample, rows, bits))
                 for bits in (8, INPUT_BITS) for kind, other in (
                     ("one grid", net), ("smoothed", smooth(net, sample)))]
        for kind, out in runs:
            print(f"{name:10} | {kind:33} | {judge(out, labels)}")


# === Main ===
def main():
    learn, held_out = load_digits()
    sample = [row for row, _ in learn[:CALIBRATION]]
    rows, labels = zip(*held_out)
    print(f"digits | learn {len(learn):,} | held out {len(held_out):,} | "
          f"calibration {len(sample)} of those learned from")
    by_hand()
    for sizes in [[64, hidden, 10] for hidden in SMALLER] + [SIZES]:
        weights = train(learn, sizes)
        count = sum(a * b for a, b in zip(sizes, sizes[1:]))
        print(f"float32 | {count:5,} weights | {4 * count:6,} bytes | "
              f"{judge(logits(weights, rows), labels)}")
    untrained = logits(first_weights(SIZES), rows)
    print(f"float32 | untrained | {judge(untrained, labels)}")
    show_grids(weights, sample, rows, labels)
    show_integers(weights, rows)
    show_outlier(weights, sample, rows, labels)


if __name__ == "__main__":
    main()
