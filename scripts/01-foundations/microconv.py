"""A convolutional network: one window for every place, and the best of all.

Claim: windows that share their weights over all places, each pooled by one
maximum, answer a digit alike wherever it lies, though they learned from
digits in the middle alone. With a maximum for each quarter of the places
they do not; nor does one maximum over windows with weights of their own at
every place, nor a fully connected network. Those lose much of what they knew.

Left out: layers on layers, colours, strides, blurred pooling, fast products.

After Fukushima (1980) and LeCun et al. (1989). The run trains networks on
digits in the middle, moves the digits of other writers, and asks again; then
it asks for the nearest known digit, tidied up or with all shifts written out,
which learns nothing and reads at least as well as these few windows.
"""
# === Imports ===
import gzip
import random
from hashlib import sha256
from itertools import chain
from math import dist, exp, log, sqrt
from operator import add, mul, ne
from pathlib import Path
from statistics import fmean

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
HELD_OUT = 640  # five whole sheets, the last: nothing learned is from one
TUNING = False  # True: hold out the two sheets before, to choose rates by
# Others are "own windows" and "own maxima", whose places share no weights.
NETWORKS = ["one maximum", "more maxima", "connected"]
LEARN = "middle"  # or "once": each digit is moved; "anew": in each epoch
REACH = 2  # pixels a digit moves, up or down, left or right
WINDOW = 5  # pixels a side: half a digit, enough for a bend or an end
MAPS = 24  # windows that look, each for something of its own
BLOCK = 8  # places a side that "more maxima" pools: a quarter of all
HIDDEN = 64  # of the connected network: more read hardly more
EPOCHS = 4  # three times as many read one digit in a hundred more
BATCH = 8  # windows learn from few digits at a time: a look is what is dear
# Steps of Adam, falling to zero over the run. Each rate is the best of three
# on two sheets held out for that: one rate for all would compare tastes.
RATES = {"one maximum": 0.02, "more maxima": 0.01, "own windows": 0.03,
         "own maxima": 0.03, "connected": 0.01}
SURVEYED = 40  # held-out digits that are asked for at all places
EVERY = 8  # one in so many is compared with all digits at all places
SHOWN = 4  # windows on the page
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
    """(64 levels of grey, label) a digit: to learn from, held out."""
    lines = gzip.decompress(shipped("digits.csv.gz")).split()
    rows = [list(map(int, line.split(b","))) for line in lines]
    digits = [([v / 16 for v in row[:64]], row[64]) for row in rows]
    if TUNING:  # two sheets of 128 or so take the place of the last five
        return digits[:-HELD_OUT - 256], digits[-HELD_OUT - 256:-HELD_OUT]
    return digits[:-HELD_OUT], digits[-HELD_OUT:]


# === Put a digit on a canvas ===
def canvas(digit, down=0, right=0):
    """Rows of 8 + 2 REACH levels, white but for the digit: its 8 x 8 pixels
    stand in the middle, moved by so much.
    """
    top, left, side = REACH + down, REACH + right, 8 + 2 * REACH
    rows = [[0.0] * left + digit[i:i + 8] + [0.0] * (side - 8 - left)
            for i in range(0, 64, 8)]
    white = [[0.0] * side]
    return white * top + rows + white * (side - 8 - top)


def moved(digits, draw=None):
    """A picture of each digit: moved by lot, or in the middle."""
    def shift():
        return draw.randint(-REACH, REACH) if draw else 0

    return [canvas(digit, shift(), shift()) for digit, _ in digits]


def everywhere(digit):
    """Its pictures at all (2 REACH + 1)^2 places, those of a row together."""
    shifts = range(-REACH, REACH + 1)
    return [canvas(digit, down, right) for down in shifts for right in shifts]


def flat(picture):
    """flat([[1, 2], [3, 4]]) -> [1, 2, 3, 4]"""
    return [*chain.from_iterable(picture)]


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


# === Cut out every window ===
def windows(picture):
    """What a window sees of a square picture, place by place: pixels, and a 1.

    Beyond the edge all is white. The window stands wherever it holds any
    pixel of the picture, so a digit at the edge is seen by as many windows
    as one in the middle. The 1 turns the last weight into a bias.
    """
    edge = WINDOW - 1
    side = len(picture) + edge  # places in a row, and rows of them
    white = [[0.0] * (side + edge)]
    rows = white * edge + [[0.0] * edge + row + [0.0] * edge
                           for row in picture] + white * edge
    return [(*chain.from_iterable(row[j:j + WINDOW] for row in
                                  rows[i:i + WINDOW]), 1.0)
            for i in range(side) for j in range(side)]


# --- Deal them out to blocks ---
def blocks(picture, block, shared):
    """For each block of block x block places: (whose weights, what is seen).

    Weights that all share are number 0, else each place has its own. Who
    sees the same through the same weights answers the same, and is asked
    once: most of the white windows go.
    """
    found, side = {}, len(picture) + WINDOW - 1
    for place, window in enumerate(windows(picture)):
        row, column = divmod(place, side)
        asked = 0 if shared else place, window
        found.setdefault((row // block, column // block), {})[asked] = None
    return [tuple(zip(*asked)) for asked in found.values()]


# === Keep the strongest answer ===
def strongest(pictures, weights):
    """[n] pictures in blocks -> [n][MAPS x blocks]: max(0, w . x) of each.

    The rows of `weights` are map by map, in a map owner by owner. Looking
    and pooling are one operation here: a maximum passes its gradient to the
    window that won, dw += g x, and what the losers saw moves nothing.
    """
    # libraries have a layer for each, and keep every answer between them
    own, out, winners = len(weights.value) // MAPS, [], []
    banks = [weights.value[m:m + own] for m in range(0, own * MAPS, own)]
    for picture in pictures:
        out.append([])
        for m, bank in enumerate(banks):
            for owners, seen in picture:
                answers = list(map(sumprod, map(bank.__getitem__, owners),
                                   seen))
                best = max(answers)  # the first, where some are equal
                k = answers.index(best)
                winners.append((m * own + owners[k], seen[k]))
                out[-1].append(best if best > 0.0 else 0.0)

    def pull(grad):
        parts = [([], []) for _ in weights.value]
        for (row, window), slope, value in zip(winners, flat(grad),
                                               flat(out)):
            if value:  # else it was cut at zero, and passes nothing
                parts[row][0].append(slope)
                parts[row][1].append(window)
        none = [0.0] * len(weights.value[0])
        weights.receive([[sumprod(slopes, column) for column in zip(*seen)]
                         if slopes else none for slopes, seen in parts])

    return record(out, pull)


# === Put the ink in the middle ===
def boxed(picture):
    """The picture turned round its edges until its ink is in the middle.

    boxed([[0, 0, 0], [0, 0, 0], [0, 0, 5]])[1].index(5) -> 1
    """
    for _ in range(2):  # its rows; then its columns, transposed to rows
        inked = [i for i, row in enumerate(picture) if any(row)] or [0]
        turn = (inked[0] + inked[-1] + 1 - len(picture)) // 2
        picture = [[*row] for row in zip(*(picture[turn:] + picture[:turn]))]
    return picture


# === Networks that differ in one thing ===
# What looks through windows: do all places share weights, and how many a
# side share a maximum; 99 is all there are. The others see whole pictures.
LOOKS = {"one maximum": (True, 99), "more maxima": (True, BLOCK),
         "own windows": (False, 99), "own maxima": (False, BLOCK)}


def see(name, pictures):
    """What the first layer gets of each picture: its windows, or its pixels
    in one row with a 1."""
    if name in LOOKS:
        shared, block = LOOKS[name]
        return [blocks(picture, block, shared) for picture in pictures]
    return [flat(picture) + [1.0] for picture in pictures]


def first_weights(name):
    """Two matrices, outputs by inputs; and the products that a picture costs
    if every window is asked."""
    side = 8 + 2 * REACH
    rows, n_in, hidden = HIDDEN, side * side + 1, HIDDEN
    work = rows * n_in
    if name in LOOKS:
        shared, block = LOOKS[name]
        side += WINDOW - 1
        n_in = WINDOW * WINDOW + 1
        rows = MAPS if shared else MAPS * side * side
        hidden = MAPS * (-(-side // block)) ** 2  # a side is rounded up
        work = MAPS * side * side * n_in
    # The second matrix has no bias: a class that all digits are likely to be
    # would need one, and there is none.
    draw = random.Random(SEED).gauss  # variances as in microautograd
    return [Node([[draw(0.0, sqrt(gain / fan)) for _ in range(fan)]
                  for _ in range(count)]) for count, fan, gain in
            ((rows, n_in, 2.0), (10, hidden, 1.0))], work + 10 * hidden


def logits(name, weights, seen):
    """[n] of what see() gives -> [n][10]"""
    hidden = (strongest(seen, weights[0]) if name in LOOKS else
              relu(times(Node(seen), weights[0])))
    return times(hidden, weights[1])


# === Learn where digits lie ===
WAYS = ["middle", "once", "anew"]


def train(name, digits, weights):
    """Change the weights; print a learning curve."""
    draw, labels = random.Random(SEED + 1), [label for _, label in digits]
    batches, optimizer, pictures = len(digits) // BATCH, Adam(weights), []
    for epoch in range(1, EPOCHS + 1):
        if epoch == 1 or LEARN == "anew":
            lot = None if LEARN == "middle" else draw
            pictures = see(name, moved(digits, lot))
        order, losses = draw.sample(range(len(digits)), len(digits)), []
        for i in range(0, batches * BATCH, BATCH):
            batch = order[i:i + BATCH]
            loss = cross_entropy(
                logits(name, weights, [pictures[k] for k in batch]),
                [labels[k] for k in batch])
            losses += loss.value[0]
            backward(loss)
            done = optimizer.steps / (EPOCHS * batches)
            optimizer.step(RATES[name] * (1.0 - done))
        print(f"{name:11} | epoch {epoch:2} | loss {fmean(losses):.3f}")


# === Ask again after a move ===
def answers(name, weights, pictures):
    """The label of the largest logit, for each picture."""
    found = []
    for picture in pictures:  # one by one: windows of all would fill memory
        row = logits(name, weights, see(name, [picture])).value[0]
        found.append(row.index(max(row)))
        TAPE.clear()  # nothing to pull: this pass only looks
    return found


def right(found, digits):
    """The share of digits that were given their label."""
    return fmean(answer == label for answer, (_, label) in zip(found, digits))


def soiled(picture, draw):
    """The picture with one white pixel, drawn by lot, made black."""
    white = [(i, j) for i, row in enumerate(picture)
             for j, level in enumerate(row) if not level]
    i, j = draw.choice(white)
    return [[1.0 if (i, j) == (k, n) else level for n, level in enumerate(row)]
            for k, row in enumerate(picture)]


def measure(name, weights, held_out):
    """Ask for held-out digits in the middle, moved, and moved and soiled."""
    draw = random.Random(SEED + 2)  # the same moves and specks for everybody
    places = moved(held_out, draw)
    middle, apart, specked = (answers(name, weights, pictures) for pictures in
                              (moved(held_out), places,
                               [soiled(place, draw) for place in places]))
    print(f"{name:11} | middle {right(middle, held_out):.3f} | moved "
          f"{right(apart, held_out):.3f} | answers changed "
          f"{sum(map(ne, middle, apart)):3} | soiled "
          f"{right(specked, held_out):.3f}")


# --- At every place ---
def survey(name, weights, held_out):
    """The share read at each of all places, a line for each row of them."""
    digits = held_out[::max(len(held_out) // SURVEYED, 1)]
    found = [answers(name, weights, everywhere(digit)) for digit, _ in digits]
    side = 2 * REACH + 1
    shares = [right(column, digits) for column in zip(*found)]
    for i in range(side):
        print(f"{name:11} | down {i - REACH:2} |",
              *(f"{share:.2f}" for share in shares[i * side:(i + 1) * side]))


# === Look at the windows ===
def show(weights):
    """Print the first windows: dark where they want ink, light where none."""
    rows = [row[:-1] for row in weights[0].value[:SHOWN]]
    marks = []
    for row in rows:
        low, high = min(row), max(row)
        shades = [" .:-=+*#%@"[int(9.99 * (v - low) / (high - low or 1))]
                  for v in row]
        marks.append(["".join(shades[i:i + WINDOW])
                      for i in range(0, WINDOW * WINDOW, WINDOW)])
    for line in zip(*marks):
        print("windows     |" + "|".join(line) + "|")


# === Ask the nearest known digit ===
def nearest(name, known, digits, every=1, tidy=list):
    """Print how often the label of the nearest known picture is that of a
    digit moved, and of one moved and soiled. known: [(picture, label)].
    """
    draw = random.Random(SEED + 2)  # the moves that the networks met
    places = moved(digits, draw)[::every]
    points = [((*flat(tidy(picture)),), label) for picture, label in known]
    digits, shares = digits[::every], []
    for pictures in places, [soiled(place, draw) for place in places]:
        found = [min((dist(asked, point), label) for point, label in points)[1]
                 for asked in map(tuple, map(flat, map(tidy, pictures)))]
        shares.append(right(found, digits))
    print(f"nearest {name:10} | stored {len(points):6,} | moved "
          f"{shares[0]:.3f} | soiled {shares[1]:.3f} | of {len(digits)}")


def ask_neighbours(learn, held_out):
    """Rivals that learn nothing. Each known digit is at one place of its
    own, or tidied up, as what is asked for is, or at every place.
    """
    labels, draw = [label for _, label in learn], random.Random(SEED + 1)
    nearest("moved once", zip(moved(learn, draw), labels), held_out)
    nearest("tidied up", zip(moved(learn), labels), held_out, tidy=boxed)
    nearest("everywhere", ((picture, label) for digit, label in learn for
                           picture in everywhere(digit)), held_out, EVERY)


# === Main ===
def main():
    learn, held_out = load_digits()
    if (min(HELD_OUT, WINDOW, MAPS, BLOCK, HIDDEN, BATCH, EVERY, SURVEYED,
            len(learn) - BATCH + 1, REACH + 1) < 1
            or {*NETWORKS} - {*RATES} or LEARN not in WAYS):
        raise SystemExit("a setting is too small, or HELD_OUT leaves no BATCH "
                         "to learn from, or NETWORKS or LEARN has a name that "
                         "nobody knows")
    print(f"digits | learn {len(learn):,} | held out {len(held_out):,}")
    for name in NETWORKS:
        weights, work = first_weights(name)
        count = sum(len(node.value) * len(node.value[0]) for node in weights)
        print(f"{name:11} | numbers {count:,} | products {work:,}")
        train(name, learn, weights)
        if name == "one maximum":
            show(weights)
        measure(name, weights, held_out)
        survey(name, weights, held_out)
    ask_neighbours(learn, held_out)


if __name__ == "__main__":
    main()
