"""Distillation: a small network learns from what a large one nearly said.

Claim: a teacher's softened answers to thirty pictures teach a student far more
than their labels do, most of it since each says what its own picture nearly
is: the mean answer of its class does a third as much, and that to another
picture of it, kept, does harm. A digit never shown is read all the same.

Left out: several teachers, inner layers, text, blends of labels and answers.
Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network"
(2015), after Bucila et al. (2006). The run shows what thirty pictures teach
with many kinds of answers, with time, without a digit, and what noise does.
"""
# === Imports ===
import gzip
import random
from collections import namedtuple
from functools import partial
from hashlib import sha256
from math import cos, dist, exp, floor, log, sin, sqrt
from operator import add, mul
from pathlib import Path

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
HELD_OUT = 640  # five whole sheets: nothing learned stands on one of them
TAUGHT = 1_000  # digits whose labels the teacher sees; 157 it never sees
EACH = 3  # pictures of each digit for the students: thirty in all
SEEN = True  # False: the thirty come from those that the teacher never saw
TEACHER, STUDENT = 64, 16  # hidden units: 4,800 weights and 1,200
TEACHER_STEPS, STEPS = 500, 400  # labels gain nothing from more
LONGER = 4  # times as many steps for students that are given time
BATCH = 32  # all thirty in every step
RATE = 0.01  # of Adam; falls to zero in a straight line
SMOOTHING = 0.0  # share of each label of the teacher's that goes to all ten
TEMPERATURES = [1.0, 2.0, 4.0, 10.0]
SOFT = 4.0  # the temperature of all tables that have one
MORE = [6, 10, 20]  # pictures of each digit: what thirty answers are worth
QUESTIONS = 1_000  # pictures of noise that the teacher is asked about
UNSHOWN = 3  # the digit that the last table leaves out
LOOKED_AT = 9  # its three pictures are printed with their answers
TABLES = ["thirty", "time", "noise", "unshown"]  # and "labels": see the end
# The files that the run reads: other bytes would give other numbers.
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
    """([64 levels of grey, 1 for a bias], label): to learn from, held out."""
    lines = gzip.decompress(shipped("digits.csv.gz")).split()
    rows = [list(map(int, line.split(b","))) for line in lines]
    digits = [([v / 16 for v in row[:64]] + [1.0], row[64]) for row in rows]
    learn, held_out = digits[:-HELD_OUT], digits[-HELD_OUT:]
    random.Random(SEED).shuffle(learn)
    return learn, held_out


def of_each(digits, count):
    """The first `count` of each class: with few, no class may be missing.

    of_each([("a", 1), ("b", 0), ("c", 1)], 1) -> [("b", 0), ("a", 1)]
    """
    kinds = sorted({label for _, label in digits})
    return [digit for kind in kinds
            for digit in [d for d in digits if d[1] == kind][:count]]


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


# === Soften a row of logits ===
def log_shares(logits, temperature):
    """log q, where q_i = exp(z_i / T) / sum of all."""
    scaled = [z / temperature for z in logits]
    top = max(scaled)  # subtracting the maximum keeps exp() below overflow
    total = top + log(sum(exp(z - top) for z in scaled))
    return [z - total for z in scaled]


def soften(logits, temperature=1.0):
    """What the logits say at a temperature: shares that sum to 1.

    A higher T keeps their order, and makes the lower places be heard.
    soften([0.0, 0.0]) -> [0.5, 0.5]
    """
    return list(map(exp, log_shares(logits, temperature)))


# --- Learn from soft answers ---
def soft_loss(logits, answers, temperature=1.0):
    """T^2 times the mean cross-entropy -sum(q log p), p at temperature T too.

    At T = 1, with q = 1 for the label, it is the usual loss. Its gradient is
    T (p - q) / n, and p - q shrinks like 1/T: T^2 makes up for that where
    steps follow the gradient's size. Adam's do not.
    """
    n, t = len(answers), temperature
    logs = [log_shares(row, t) for row in logits.value]
    loss = -t * t * sum(map(sumprod, answers, logs)) / n

    def pull(grad):
        scale = grad[0][0] * t / n
        logits.receive([[scale * (exp(a) - q) for a, q in zip(*two)]
                        for two in zip(logs, answers)])

    return record([[loss]], pull)


# --- Learn the logits themselves ---
def centred(row):
    """centred([1.0, 3.0]) -> [-1.0, 1.0]"""
    mean = sum(row) / len(row)  # softmax does not see what all share
    return [v - mean for v in row]


def logit_loss(logits, answers):
    """Mean of |z - v|^2 / 20, both centred: soft_loss as T goes to infinity.

    Then p - q is (z - v) / (10 T) to first order, so T (p - q) has a limit.
    """
    n, classes = len(answers), len(answers[0])
    gaps = [[(a - b) / classes for a, b in zip(centred(z), centred(v))]
            for z, v in zip(logits.value, answers)]
    loss = classes * sum(sumprod(gap, gap) for gap in gaps) / (2 * n)

    def pull(grad):
        logits.receive([[grad[0][0] * g / n for g in gap] for gap in gaps])

    return record([[loss]], pull)


# === A network of two matrices ===
def look_at(pictures, w):
    """X W^T for pictures that need no gradient: a third of the work saved."""
    def pull(grad):
        w.receive(product(transpose(grad), transpose(pictures)))

    return record(product(pictures, w.value), pull)


class Network:
    """65 inputs, hidden units with relu, ten logits."""

    def __init__(self, hidden, seed):
        # Variance 2/inputs before a relu, which halves it, 1/inputs after.
        # One seed for all students: they differ in what they are told alone.
        draw = random.Random(f"{seed} {hidden}").gauss
        self.weights = [
            Node([[draw(0.0, sqrt(gain / inputs)) for _ in range(inputs)]
                  for _ in range(outputs)])
            for gain, outputs, inputs in
            ((2.0, hidden, 65), (1.0, 10, hidden))]

    def __call__(self, pictures):
        """[n][65] to [n][10], on the tape."""
        first, second = self.weights
        return times(relu(look_at(pictures, first)), second)

    def logits(self, pictures):
        """The same, only to look: nothing stays on the tape."""
        rows = self(pictures).value
        TAPE.clear()
        return rows


# === Training ===
def train(hidden, pictures, answers, loss=soft_loss, steps=None):
    """A network that was told `answers`, one for each of the pictures."""
    steps = STEPS if steps is None else steps
    network, shuffle = Network(hidden, SEED), random.Random(SEED + 1).sample
    optimizer, order = Adam(network.weights), []
    for step in range(steps):
        if len(order) < min(BATCH, len(pictures)):
            order = shuffle(range(len(pictures)), len(pictures))
        batch = [order.pop() for _ in range(min(BATCH, len(pictures)))]
        backward(loss(network([pictures[i] for i in batch]),
                      [answers[i] for i in batch]))
        optimizer.step(RATE * (1.0 - step / steps))
    return network


# === Say the truth and no more ===
def one_hot(labels, smoothing=0.0):
    """1 for the label and 0 for the rest; smoothed, all get a share.

    one_hot([9]) -> [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]]
    """
    return [[smoothing / 10 + (1.0 - smoothing) * (i == label)
             for i in range(10)] for label in labels]


def bent(picture, rng):
    """The picture slightly moved, turned, slanted and scaled, at random.

    Each new pixel looks up where it came from, between four old ones.
    """
    angle, slant, wide, high, down, right = (
        rng.gauss(0.0, s) for s in (0.15, 0.1, 0.1, 0.1, 0.3, 0.3))
    pixels = []
    for i in range(64):
        y, x = i // 8 - 3.5, i % 8 - 3.5  # from the middle
        u = exp(high) * (cos(angle) * y - sin(angle) * x) + down + 3.5
        v = exp(wide) * (sin(angle) * y + cos(angle) * x) + right + 3.5
        v += slant * y
        pixels.append(sum(
            (1.0 - abs(u - r)) * (1.0 - abs(v - c)) * picture[8 * r + c]
            for r in (floor(u), floor(u) + 1) for c in (floor(v), floor(v) + 1)
            if 0 <= r < 8 and 0 <= c < 8))  # what lies outside is dark
    return [*pixels, 1.0]


# === Say something that is nearly the teacher's answer ===
# Every control keeps one thing of the answers and destroys another.
def class_means(answers, labels, asked):
    """For each label asked, the mean answer to pictures of its class.

    It keeps which classes resemble each other; forgets this very picture.
    class_means([[1.0, 0.0], [0.5, 0.5]], [7, 7], [7]) -> [[0.75, 0.25]]
    """
    means = {kind: [sum(column) / len(column) for column in zip(*(
        row for row, label in zip(answers, labels) if label == kind))]
        for kind in set(labels)}
    return [means[label] for label in asked]


def turned(answers, labels):
    """Each picture gets the answer to the next one of its class.

    It keeps the answers of each class; breaks their tie to a picture.
    turned([[1], [2], [3]], [7, 0, 7]) -> [[3], [2], [1]]
    """
    out = list(answers)
    for kind in set(labels):
        own = [i for i, label in enumerate(labels) if label == kind]
        for i, other in zip(own, own[1:] + own[:1]):
            out[i] = answers[other]
    return out


def only_sure(answer):
    """The largest share stays, all others become equal.

    It keeps how sure the teacher is of this picture; forgets what else it saw.
    only_sure([0.25, 0.5, 0.0, 0.25, 0.0]) -> [0.125, 0.5, 0.125, 0.125, 0.125]
    """
    top = max(answer)
    rest = (1.0 - top) / (len(answer) - 1)
    return [q if q == top else rest for q in answer]


# === Measure on digits by other hands ===
def right(logits, digits):
    """Share of rows whose largest logit is that of the label."""
    hits = [row.index(max(row)) == label
            for row, (_, label) in zip(logits, digits)]
    return sum(hits) / len(hits)


def raised(logits, kind, share=0.1):
    """A bias for one class, so that a share of all readings is that class.

    Hinton's correction for a class never shown. It uses no labels.
    raised([[1.0, 0.0], [3.0, 0.0]], 1, 0.5) -> [[1.0, 3.0], [3.0, 3.0]]
    """
    gaps = sorted(max(row[:kind] + row[kind + 1:]) - row[kind]
                  for row in logits)
    bias = gaps[min(len(gaps) - 1, round(share * len(gaps)))]
    return [[*row[:kind], row[kind] + bias, *row[kind + 1:]] for row in logits]


# === Found a school ===
# What every table needs; `logits` are the teacher's for the thirty pictures.
# `means` holds the mean answer for each class, of all that it was taught.
School = namedtuple("School", "teacher taught thirty logits means held_out")


def nearest(known, digits):
    """Share of digits whose nearest known picture has their label."""
    hits = [min(known, key=lambda two: dist(two[0], picture))[1] == label
            for picture, label in digits]
    return sum(hits) / len(hits)


def found(learn, held_out):
    """Train a teacher, choose thirty pictures, and ask it about them."""
    taught, unseen = learn[:TAUGHT], learn[TAUGHT:]
    pictures, labels = zip(*taught)
    teacher = train(TEACHER, pictures, one_hot(labels, SMOOTHING),
                    steps=TEACHER_STEPS)
    thirty = of_each(taught if SEEN else unseen, EACH)
    for name, digits in (("its own", taught), ("not seen", unseen),
                         ("held out", held_out)):
        logits = teacher.logits([picture for picture, _ in digits])
        sure = sum(max(soften(row)) for row in logits) / len(digits)
        print(f"teacher | {name:8} | {len(digits):5,} digits | right "
              f"{right(logits, digits):.3f} | largest share {sure:.3f}")
    print(f"nearest | of the teacher's own     | right "
          f"{nearest(taught, held_out):.3f}")
    answers = [soften(row, SOFT) for row in teacher.logits(pictures)]
    return School(teacher, taught, thirty,
                  teacher.logits([picture for picture, _ in thirty]),
                  class_means(answers, labels, range(10)), held_out)


# --- Look at some answers ---
def draw(pictures):
    """Print pictures beside one another, with denser signs for more ink."""
    for i in range(0, 64, 8):
        print("   ".join("".join(
            " .:-=+*#%@"[int(9 * v)] * 2 for v in picture[i:i + 8])
            for picture in pictures))


def look(school):
    """The pictures of one digit, and what the teacher says to each."""
    some = [(picture, row) for (picture, label), row
            in zip(school.thirty, school.logits) if label == LOOKED_AT]
    draw([picture for picture, _ in some])
    told = [(f"picture {k} | T = {t:<4}", soften(row, t)) for t in (1.0, SOFT)
            for k, (_, row) in enumerate(some, 1)]
    told.append((f"all {LOOKED_AT}s     | mean    ", school.means[LOOKED_AT]))
    for name, row in told:
        print(f"answer  | {name} |"
              + "".join(f"{1000 * q:4.0f}" for q in row))  # thousandths


# === Thirty pictures, many kinds of answers ===
def show(table, lessons, school, steps=None):
    """A student for each lesson, and how many strangers' digits it reads."""
    pictures = [picture for picture, _ in school.held_out]
    for name, told in lessons.items():
        logits = train(STUDENT, *told, steps=steps).logits(pictures)
        print(f"{table:7} | {name:34} | right "
              f"{right(logits, school.held_out):.3f}")


def soft(pictures, logits, temperature):
    """A lesson: pictures, the teacher's softened answers, their loss."""
    return (pictures, [soften(row, temperature) for row in logits],
            partial(soft_loss, temperature=temperature))


def show_thirty(school):
    """Labels, answers, and answers with something taken away."""
    (pictures, labels), logits = zip(*school.thirty), school.logits
    rng = random.Random(SEED + 2)
    copies = [(bent(picture, rng), label)
              for picture, label in school.thirty for _ in range(10)]
    for name, known in (("nearest of the thirty", school.thirty),
                        ("nearest of ten bent copies of each", copies)):
        print(f"thirty  | {name:34} | right "
              f"{nearest(known, school.held_out):.3f}")
    bent_pictures, bent_labels = zip(*copies)
    _, answers, loss = soft(pictures, logits, SOFT)
    show("thirty", {
        "labels": (pictures, one_hot(labels)),
        "labels, smoothed": (pictures, one_hot(labels, 0.1)),
        "labels, ten bent copies of each": (
            bent_pictures, one_hot(bent_labels)),
        **{f"answers, T = {t}": soft(pictures, logits, t)
           for t in TEMPERATURES},
        "logits": (pictures, logits, logit_loss),
        "softened, the student is not": (pictures, answers)}, school)
    for name, told in {
            "mean answer of its class": [school.means[k] for k in labels],
            "answer to another of its class": turned(answers, labels),
            "own largest share, rest even": map(only_sure, answers)}.items():
        show("thirty", {name: (pictures, [*told], loss)}, school)


# --- More time, more labels ---
def show_time(school):
    """The same students, given LONGER times the steps."""
    pictures, labels = zip(*school.thirty)
    show("time", {"labels": (pictures, one_hot(labels)), **{
        f"answers, T = {t}": soft(pictures, school.logits, t)
        for t in (1.0, SOFT)}}, school, LONGER * STEPS)


def show_labels(school):
    """How many labels do as well as thirty answers; then all for both."""
    for count in MORE:
        pictures, labels = zip(*of_each(school.taught, count))
        show("labels", {len(labels): (pictures, one_hot(labels))}, school)
    pictures, labels = zip(*school.taught)
    logits = school.teacher.logits(pictures)
    show("labels", {"all": (pictures, one_hot(labels)), "all, answers": soft(
        pictures, logits, SOFT)}, school, LONGER * STEPS)


# --- Ask about pictures of nothing ---
def noise(pictures, count):
    """Each pixel is that of one of the pictures, drawn anew every time.

    So grey stays where grey was, and no stroke survives.
    """
    rng, columns = random.Random(SEED + 3), list(zip(*pictures))
    return [[rng.choice(column) for column in columns] for _ in range(count)]


def show_noise(school):
    """Students that never see a digit."""
    pictures = noise([picture for picture, _ in school.thirty], QUESTIONS)
    logits = school.teacher.logits(pictures)
    draw(pictures[:3])
    sure = sum(max(soften(row)) for row in logits) / len(logits)
    print(f"noise   | largest share of its answers, mean | {sure:.3f}")
    guesses = one_hot([row.index(max(row)) for row in logits])
    show("noise", {"the teacher's best guess": (pictures, guesses), **{
        f"answers, T = {t}": soft(pictures, logits, t)
        for t in (1.0, SOFT)}}, school, LONGER * STEPS)


# --- Leave a digit out ---
def show_unshown(school):
    """Students that no picture of one digit was shown."""
    kept = [(p, label, z) for (p, label), z
            in zip(school.thirty, school.logits) if label != UNSHOWN]
    pictures, labels, logits = zip(*kept)
    _, answers, loss = soft(pictures, logits, SOFT)
    # of these few answers, where the first table took all of the teacher's
    means = class_means(answers, labels, labels)
    for name, told in {
            "labels": (pictures, one_hot(labels)),
            **{f"answers, T = {t}": soft(pictures, logits, t)
               for t in TEMPERATURES},
            "mean answer of its class": (pictures, means, loss),
            "answer to another of its class": (
                pictures, turned(answers, labels), loss)}.items():
        rows = train(STUDENT, *told).logits([p for p, _ in school.held_out])
        shares = [right(*zip(*[
            two for two in zip(each, school.held_out) if two[1][1] == UNSHOWN
        ])) for each in (rows, raised(rows, UNSHOWN))]
        print(f"no {UNSHOWN}    | {name:30} | right "
              f"{right(rows, school.held_out):.3f} | {UNSHOWN}s "
              f"{shares[0]:.2f} | raised {shares[1]:.2f}")


# === Main ===
SHOW = {"thirty": show_thirty, "time": show_time, "labels": show_labels,
        "noise": show_noise, "unshown": show_unshown}


def main():
    learn, held_out = load_digits()
    if (min([HELD_OUT, TAUGHT, EACH, TEACHER, STUDENT, BATCH, QUESTIONS,
             *MORE]) < 1 or min([SOFT, *TEMPERATURES]) <= 0
            or len(learn) <= TAUGHT or not {*TABLES} <= {*SHOW}
            or any(len({label for _, label in digits}) < 10
                   for digits in (learn[:TAUGHT], held_out))
            or not {UNSHOWN, LOOKED_AT} <= {*range(10)}):
        raise SystemExit("a setting is too small, TAUGHT or HELD_OUT leave a "
                         "class out or nothing unseen, a digit is not 0 to "
                         "9, or a table is unknown")
    school = found(learn, held_out)
    look(school)
    for table in TABLES:
        SHOW[table](school)


if __name__ == "__main__":
    main()
