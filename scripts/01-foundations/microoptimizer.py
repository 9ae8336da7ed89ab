"""From descent to momentum, Adam and Muon, each at its own tuned rate.

Claim: step for step, Muon, which brings the singular values of a matrix's
step to about one size, beats Adam on raw pixels of digits by strangers, and
most of its lead is due to that. Without a warm-up, Adam with as many
multiply-adds wins back more than half.

Left out: centred pixels, which shrink the lead; second derivatives, biases,
tuned momenta and betas.
Robbins and Monro (1951), Polyak (1964), Kingma and Ba, "Adam" (2015), Jordan
et al., "Muon" (2024). The run shows losses by steps and by multiply-adds,
singular values, a knock-out, and a rival with the rate that it came with.
"""
# === Imports ===
import gzip
import random
import sys
from hashlib import sha256
from itertools import product as pairs
from math import copysign, dist, exp, hypot, log, sqrt
from operator import add, mul
from pathlib import Path
from statistics import fmean
from time import process_time

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
HELD_OUT = 597  # leaves 1,200; no rate and no decay is chosen on these
CHOOSING = False  # True: try every rate and decay on quarters of the 1,200
SIZES = [64, 32, 10]  # levels of grey, hidden, digits
LEAK = 0.0  # 0.2: units below zero keep a fifth of their slope
BATCH = 32  # Muon's own work is the same for any batch: more would hide it
# name: (rule, rates, decays, steps). These rates and decays won on the
# quarters, among three times three, but "three turns" has those of muon
RACES = {"descent": ("descent", [1.0], [0.0], 150),
         "momentum": ("momentum", [0.4], [0.04], 150),
         "adam": ("adam", [0.04], [0.025], 150),
         "unflattened": ("unflattened", [0.4], [0.05], 150),  # the knock-out
         "three turns": ("three turns", [0.16], [0.2], 150),
         "muon": ("muon", [0.16], [0.2], 150),
         "adam, long": ("adam", [0.08], [0.1], 691),  # as much work as muon
         "adam, untuned": ("adam", [0.001], [0.01], 150)}  # as it is shipped
WARM_UP = 0  # 15: the rate rises for so many steps before it falls
MARKS = [50, 100, 150, 300, 450]  # steps at which a race is looked at
# rule: (momentum, whether to look ahead, turns). Zero turns only make a
# matrix of length 1; None leaves it as it is.
RULES = {"descent": (0.0, False, None), "momentum": (0.9, False, None),
         "muon": (0.95, True, 5), "unflattened": (0.95, True, 0),
         "three turns": (0.95, True, 3)}
WHOLE = ["descent", "momentum"]  # rules that move the last matrix as well
LAST_RATE = 0.04  # else Adam moves that, at the rate it has when alone
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # a, b, c of Jordan et al.
SWEEPS = 12  # rounds of turning rows: by then all angles are right
HASHES = {"digits.csv.gz":
          "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"}

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
def load_digits():
    """([64 levels of grey, from 0 to 1], digit): to learn from, held out."""
    lines = gzip.decompress(shipped("digits.csv.gz")).split()
    rows = [list(map(int, line.split(b","))) for line in lines]
    digits = [([v / 16 for v in row[:64]], row[64]) for row in rows]
    # the last digits of the file are by other writers, all but 43 of them
    return digits[:-HELD_OUT], digits[-HELD_OUT:]


def quarters(digits):
    """Four times (the other three quarters, one quarter), in file order.

    A quarter has few writers in common with the rest, like the digits that
    are held out: shuffled, it would favour rates that know the hand.
    """
    size = len(digits) // 4
    return [(digits[:i] + digits[i + size:], digits[i:i + size])
            for i in range(0, 4 * size, size)]


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


# === Dampen what is below zero ===
def dampened(a):
    """A where it is above zero, LEAK of it elsewhere.

    Without a leak this is relu: a unit below zero for every digit has no
    gradient, so nothing that it weighs is ever moved again, save by decay.
    """
    slopes = [[1.0 if v > 0.0 else LEAK for v in row] for row in a.value]

    def pull(grad):
        a.receive([list(map(mul, *two)) for two in zip(grad, slopes)])

    return record([list(map(mul, *two)) for two in zip(a.value, slopes)],
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


# === Bring singular values to one size ===
def flattened(rows, turns):
    """About U V^T for a matrix U S V^T, by an iteration of products.

    X <- a X + (b A + c A A) X with A = X X^T. Each term has the singular
    vectors of X, so each singular value s goes its own way, to
    a s + b s^3 + c s^5. Without turns, the matrix divided by its length.
    flattened([[3, 0], [0, 4]], 0) -> [[0.6, 0.0], [0.0, 0.8]]
    """
    a, b, c = COEFFICIENTS
    tall = len(rows) > len(rows[0])
    x = transpose(rows) if tall else rows  # A is as small as can be
    # the length is the root of the sum of all s^2, so no s begins above 1
    length = sqrt(sum(sumprod(row, row) for row in x)) or 1.0
    x = [[v / length for v in row] for row in x]
    for _ in range(turns):
        gram = product(x, x)
        square = product(gram, gram)  # A is its own transpose
        mixed = [[b * v + c * w for v, w in zip(*two)]
                 for two in zip(gram, square)]
        x = [[a * v + w for v, w in zip(*two)]
             for two in zip(x, product(mixed, transpose(x)))]
    return [list(row) for row in transpose(x)] if tall else x


# === Descend with momentum ===
class Descent:
    """Descent, momentum, Muon: what they differ in is what they do to a sum.

    velocity <- momentum * velocity + gradient. Looking ahead (Nesterov), a
    step is taken along the velocity that comes next if the gradient stays.
    """

    def __init__(self, parameters, momentum, ahead, turns):
        self.parameters = parameters
        self.momentum, self.ahead, self.turns = momentum, ahead, turns
        self.velocities = [[[0.0] * len(row) for row in node.value]
                           for node in parameters]

    def direction(self, k, grad):
        """Against what matrix k moves, and a factor for its shape."""
        def after(velocity):
            return [[self.momentum * v + g for v, g in zip(*two)]
                    for two in zip(velocity, grad)]

        self.velocities[k] = after(self.velocities[k])
        move = after(self.velocities[k]) if self.ahead else self.velocities[k]
        if self.turns is None:
            return move, 1.0
        # a tall matrix has fewer singular values than rows to move
        return (flattened(move, self.turns),
                sqrt(max(1.0, len(grad) / len(grad[0]))))

    def step(self, rate):
        """Move every matrix, and forget its gradient."""
        for k, node in enumerate(self.parameters):
            move, factor = self.direction(k, node.grad)
            node.value = [[w - rate * factor * v for w, v in zip(*two)]
                          for two in zip(node.value, move)]
            node.grad = None


# --- Let weights shrink ---
def shrink(parameters, share):
    """Decoupled weight decay: each weight loses this share of itself.

    Half the square of the weights, added to the loss, would do the same
    for descent. Adam would divide it by its root like any other gradient.
    """
    for node in parameters:
        node.value = [[w - share * w for w in row] for row in node.value]


# === Two matrices ===
def first_weights():
    """Matrices of outputs by inputs."""
    # variance 2/inputs makes up for the half that relu cuts away
    return [Node([[random.gauss(0.0, sqrt(2 / n_in)) for _ in range(n_in)]
                  for _ in range(n_out)])
            for n_in, n_out in zip(SIZES, SIZES[1:])]


def logits(digits, weights):
    """[n][64] to [n][10], dampened between two matrices."""
    x = Node([inputs for inputs, _ in digits])
    for matrix in weights[:-1]:
        x = dampened(times(x, matrix))
    return times(x, weights[-1])


def scored(outputs, digits):
    """The loss, or an end: the logarithm of a probability that became 0."""
    try:
        return cross_entropy(outputs, [label for _, label in digits])
    except ValueError:
        raise SystemExit("the loss is infinite: a rate in RACES is too "
                         "large") from None


# === Price a step ===
def work(rule):
    """Multiply-adds of one step in products of matrices: network, rule.

    A matrix of r x c is met three times by each example, once forward and
    twice in the pull of `times`. A turn takes r r c for A, r r r for A A
    and r r c for the last product, where r is the shorter side. What rules
    do number by number is a few in a hundred of that, and is left out.
    """
    shapes = list(zip(SIZES, SIZES[1:]))
    turns = RULES[rule][2] or 0 if rule in RULES else 0
    sides = [sorted(shape) for shape in shapes[:-1]]
    return (sum(3 * BATCH * n * k for n, k in shapes),
            turns * sum(2 * r * r * c + r ** 3 for r, c in sides))


# === Training ===
def team_of(weights, rule):
    """[(optimizer, its own rate, or None for that of the race)]"""
    if rule == "adam":
        return [(Adam(weights), None)]
    if rule in WHOLE:
        return [(Descent(weights, *RULES[rule]), None)]
    return [(Descent(weights[:-1], *RULES[rule]), None),
            (Adam(weights[-1:]), LAST_RATE)]


def train(learn, seed, rule, rate, decay, steps):
    """Yield (steps done, weights, team) at every mark and at the end."""
    random.seed(seed)  # every race starts alike and meets the same batches
    weights, order = first_weights(), []
    team = team_of(weights, rule)
    for step in range(1, steps + 1):
        if len(order) < BATCH:
            order = random.sample(learn, len(learn))
        batch, order = order[:BATCH], order[BATCH:]
        backward(scored(logits(batch, weights), batch))
        left = 1.0 - (step - 1) / steps  # falls to zero in a straight line
        if step < WARM_UP:
            left *= step / WARM_UP
        for optimizer, own in team:
            length = left * (rate if own is None else own)
            shrink(optimizer.parameters, length * decay)
            optimizer.step(length)
        if step in MARKS or step == steps:
            yield step, weights, team


# === Run a race ===
def judge(digits, weights):
    """(loss, share read right); nothing is pulled back."""
    outputs = logits(digits, weights)
    loss = scored(outputs, digits).value[0][0]
    TAPE.clear()
    return loss, fmean(row.index(max(row)) == label for row, (_, label)
                       in zip(outputs.value, digits))


def awake(digits, weights):
    """How many units of the first layer any digit lifts above zero."""
    rows = product(weights[0].value, [inputs for inputs, _ in digits])
    return sum(max(row) > 0.0 for row in rows)


def race(name, learn, held_out):
    """Print a learning curve; hand over the first optimizer as it ends."""
    rule, rates, decays, steps = RACES[name]
    began, cost = process_time(), sum(work(rule)) / 1e6
    for step, weights, team in train(learn, SEED, rule, rates[0], decays[0],
                                     steps):
        trained, (loss, right) = judge(learn, weights)[0], judge(held_out,
                                                                 weights)
        print(f"{name:13} | step {step:3} | {step * cost:5.1f} M | learn "
              f"{trained:.3f} | held out {loss:.3f} {right:.3f} | on "
              f"{awake(learn, weights)}")
        optimizer = team[0][0]
    print(f"{name}: {process_time() - began:.2f} s", file=sys.stderr)
    return optimizer


# --- Choose a rate and a decay ---
def choose(name, digits):
    """Print the mean loss of four quarters for each choice, and the least."""
    rule, rates, decays, steps = RACES[name]
    found = []
    for rate, decay in pairs(rates, decays):
        losses = []
        for k, (learn, quarter) in enumerate(quarters(digits)):
            *_, (_, weights, _) = train(learn, SEED + k, rule, rate, decay,
                                        steps)
            losses.append(judge(quarter, weights)[0])
        found.append((fmean(losses), rate, decay))
        print(f"{name:13} | rate {rate:<5} | decay {decay:<5} | quarters "
              f"{found[-1][0]:.3f}")
    print(f"{name:13} | chosen {min(found)[1]} {min(found)[2]}")


# === Find singular values ===
def singular_values(rows):
    """From the largest down, by Jacobi's way: turn two rows in their plane
    until all are at right angles. Turning changes none of the values, and
    rows at right angles have them as lengths.
    [round(s * s) for s in singular_values([[3, 0], [4, 5]])] -> [45, 5]
    """
    rows = list(rows if len(rows) <= len(rows[0]) else transpose(rows))
    for _ in range(SWEEPS):
        for j, i in pairs(range(len(rows)), repeat=2):
            x, y = rows[i], rows[j]
            xx, xy, yy = sumprod(x, x), sumprod(x, y), sumprod(y, y)
            if i >= j or abs(xy) <= 1e-15 * sqrt(xx * yy):
                continue
            # the smaller root t of t^2 + 2 k t - 1 makes the angle right
            k = (yy - xx) / (2 * xy)
            t = copysign(1.0, k) / (abs(k) + hypot(1.0, k))
            cosine = 1 / hypot(1.0, t)
            sine = cosine * t
            rows[i] = [cosine * v - sine * w for v, w in zip(x, y)]
            rows[j] = [sine * v + cosine * w for v, w in zip(x, y)]
    return sorted((sqrt(sumprod(row, row)) for row in rows), reverse=True)


# --- Show the size of a step ---
def show(name, rows):
    """Every fourth singular value of a matrix made of length 1."""
    values = singular_values(flattened(rows, 0))
    print(f"singular | {name:13} | "
          + " ".join(f"{v:.3f}" for v in values[::4]))


def show_steps(name, optimizer):
    """What the optimizer would move the first matrix along, and why."""
    if name == "adam":
        mean, square = zip(*optimizer.moments[0])
        show("adam's mean", mean)
        show("adam's step", [[m / (sqrt(v) + optimizer.epsilon)
                              for m, v in zip(*two)]
                             for two in zip(mean, square)])
    if name == "muon":
        for turns in 0, 1, 3, 5:
            values = singular_values(flattened(optimizer.velocities[0],
                                               turns))
            print(f"singular | muon, {turns} turns | "
                  + " ".join(f"{v:.3f}" for v in values[::4]))


# === Main ===
def main():
    learn, held_out = load_digits()
    if (len(SIZES) < 3 or SIZES[0] != 64 or SIZES[-1] != 10 or min(SIZES) < 1
            or not 1 <= BATCH <= len(learn) * 3 // 4 or not held_out):
        raise SystemExit("SIZES go from 64 to 10 by way of others; HELD_OUT "
                         "and BATCH are 1 or more, and leave a BATCH")
    print(f"digits | learn {len(learn):,} | held out {len(held_out)}")
    if not CHOOSING:
        near = [min((dist(inputs, known), its) for known, its in learn)[1]
                == label for inputs, label in held_out]
        print(f"nearest digit | held out {fmean(near):.3f} right")
    for name in RACES:
        if CHOOSING:
            choose(name, learn)
        else:
            show_steps(name, race(name, learn, held_out))


if __name__ == "__main__":
    main()
