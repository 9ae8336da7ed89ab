"""Texts that mean the same come to point the same way.

A word starts as a row of random numbers. Training turns the rows until an
emoji's name lies closer to its own keywords than to those of 63 others. Then
a held-out name finds its keywords first among 300 at least forty times as
often as chance would, though no keyword shares its first four letters with a
word of the name. Counting which words occur together does about as well.
Without the 63 others all texts drift towards one direction.

Left out: the order of words, hard negatives, pretraining, fast search.
The loss is InfoNCE, from van den Oord, Li and Vinyals, "Representation
Learning with Contrastive Predictive Coding" (2018). With the same loss two
towers then learn which spelling goes with which sounds, and counting trails.
"""

# === Imports ===
import gzip
import random
import re
from collections import Counter
from hashlib import sha256
from itertools import combinations, product, repeat
from math import exp, log, sqrt
from operator import add, gt, mul
from pathlib import Path
from statistics import fmean
from unicodedata import normalize

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
RUNS = ["emoji", "sounds"]
STEM = 4  # keywords that begin with as many letters of a name's word go
HELD_OUT = {"emoji": 300, "sounds": 500}  # pairs, never trained on
STEPS = {"emoji": 200, "sounds": 60}  # the sounds would gain from more
WIDTH = 64  # half as many numbers find a little less
BATCH = 64  # each text meets 63 that are not its partner
TEMPERATURE = 0.2  # a cosine higher by this much counts e times as much
LEARNING_RATE = 0.3  # with 0.05 the curve still climbs; falls to zero
LOSSES = ["InfoNCE", "no negatives"]  # the second is the knock-out
SHUFFLED = False  # True: every name is trained with another's keywords
NEAR = ["ocean", "royal", "music", "sad", "love"]  # words with neighbours
MAPPED = ["ocean", "whale", "wave", "crown", "king", "queen", "drum",
          "banjo", "violin"]  # all against all
SAID = ["knight", "nite", "fone", "kwik", "colonel"]  # spellings to sound
# The files that the run reads: other bytes would give other numbers.
HASHES = {"emoji_keywords.tsv":
          "6db053e62887fadf89f251d591a095f5739fcbe74b1927951e2b45ef5a65a301",
          "cmudict_small.txt.gz":
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
# --- An emoji's name and its keywords ---
def words(text):
    """words("Piece of cake, man!") -> ['piece', 'of', 'cake', 'man']"""
    plain = normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.findall(r"[a-z0-9]+", plain.lower().replace("'", ""))


def emoji_items():
    """[(the name, its words, the words of the keywords)]"""
    items = {}
    text = shipped("emoji_keywords.tsv").decode("utf-8")
    text = text[text.index("\tgrinning face\t"):]  # punctuation is before it
    for _, name, keywords in [row.split("\t") for row in text.splitlines()]:
        # man, woman, person: one held out, one trained on would be a leak
        family = re.sub(r"\b((wo)?m[ae]n|people)\b", "person", name)
        left = list(dict.fromkeys(words(name)))
        stems = {word[:STEM] for word in left} if STEM else ()
        right = [word for word in dict.fromkeys(words(keywords))
                 if word[:STEM] not in stems]
        good = left and right and "keycap" not in left
        items.setdefault(family, good and (" ".join(words(name)), left, right))
    return list(filter(None, items.values()))

# --- A spelling and its sounds ---
def pieces(symbols, longest=3):
    """pieces("hi", 2) -> ['<', 'h', 'i', '>', '<h', 'hi', 'i>']"""
    marked = ["<", *symbols, ">"]  # where a word begins and ends matters
    return ["".join(marked[i:i + n]) for n in range(1, longest + 1)
            for i in range(len(marked) - n + 1)]


def sound_items():
    """[(the word, pieces of its spelling, pieces of its phonemes)]"""
    text = gzip.decompress(shipped("cmudict_small.txt.gz")).decode("ascii")
    # a dot ends each phoneme, or the piece "AW" could be one or two of them
    return [(word, pieces(word), pieces([sound + "." for sound in sounds]))
            for word, *sounds in map(str.split, text.splitlines())]

# --- Hold some pairs out ---
def split(groups, count):
    """(held out, to learn from), after shuffles that SEED decides."""
    held_out, learn = hold_out(groups, count, random.Random(SEED).shuffle)
    if SHUFFLED:  # each name gets the keywords of the next
        learn = [(name, left, right) for (name, left, _), (_, _, right)
                 in zip(learn, learn[1:] + learn[:1])]
    return held_out, learn

# === A text is the mean of its words ===
class Tower:
    """A row of WIDTH numbers for each word; unknown words have none."""

    def __init__(self, vocabulary, draw):
        self.rows = {word: [draw(0.0, 1.0) for _ in range(WIDTH)]
                     for word in dict.fromkeys(vocabulary)}
        self.moments, self.grads = {}, {}

    def encode(self, text):
        """(unit row, the length that was divided out), u = s / |s|.

        The mean would become the same u. Without a known word: zero.
        """
        known = [self.rows[word] for word in text if word in self.rows]
        if not known:
            return [0.0] * WIDTH, 1.0
        total = list(map(sum, zip(*known)))
        length = sqrt(sumprod(total, total))
        return [x / length for x in total], length

    def directions(self, texts):
        return [self.encode(text)[0] for text in texts]

    # --- Send a gradient back to the words ---
    def pull(self, text, grad):
        """ds = (du - (u.du) u) / |s|, and each word of the text gets it.

        What points along u would only lengthen s, which changes nothing.
        """
        u, length = self.encode(text)
        along = sumprod(u, grad)
        grad = [(g - along * x) / length for g, x in zip(grad, u)]
        for word in text:
            before = self.grads.get(word, [0.0] * WIDTH)
            self.grads[word] = list(map(add, before, grad))

    # --- Move only what was touched ---
    def step(self, learning_rate, beta1=0.9, beta2=0.99, epsilon=1e-8):
        """Adam, with a clock for each row that stands still in between.

        Plain Adam would also move the nine tenths that no batch touched.
        """
        b1, b2, start = beta1, beta2, (0, [0.0] * WIDTH, [0.0] * WIDTH)
        c1, c2 = 1 - b1, 1 - b2  # not once for every number
        for word, grad in self.grads.items():
            t, m, v = self.moments.get(word, start)
            t += 1
            m = [b1 * a + c1 * g for a, g in zip(m, grad)]
            v = [b2 * a + c2 * g * g for a, g in zip(v, grad)]
            self.moments[word] = t, m, v
            rate = learning_rate * sqrt(1 - b2 ** t) / (1 - b1 ** t)
            self.rows[word] = [x - rate * a / (root + epsilon) for x, a, root
                               in zip(self.rows[word], m, map(sqrt, v))]
        self.grads = {}

# === Find the partner in the batch ===
def dots(a, b):
    """A B^T, row by row: dots([[1, 2]], [[3, 4], [5, 6]]) -> [[11, 17]]"""
    return [[sumprod(row, col) for col in b] for row in a]


def chances(row):
    """Softmax of a row over the temperature: chances([0, 0]) -> [0.5, 0.5]"""
    top = max(row)  # subtracting the maximum keeps exp() below overflow
    exps = [exp((s - top) / TEMPERATURE) for s in row]
    total = sum(exps)
    return [e / total for e in exps]


def info_nce(u, v):
    """(loss, du, dv) for two lists of n unit rows; u[i] belongs to v[i].

    S = U V^T / temperature. P: softmax of each row, a name's choice among
    keywords. Q: of each column, the keywords' choice among names.
    L = -sum(log P_ii + log Q_ii) / 2n  and  dS = (P + Q - 2I) / 2n.

    round(info_nce([[1, 0], [0, 1]], [[.6, .8], [.8, .6]])[0], 3) -> 1.313
    """
    n, cosines = len(u), dots(u, v)
    p = [chances(row) for row in cosines]
    q = list(zip(*[chances(column) for column in zip(*cosines)]))
    loss = -sum(log(p[i][i]) + log(q[i][i]) for i in range(n)) / (2 * n)
    scale = 1.0 / (2 * n * TEMPERATURE)
    grad = [[scale * (a + b - 2.0 * (i == j))
             for j, (a, b) in enumerate(zip(p_row, q_row))]
            for i, (p_row, q_row) in enumerate(zip(p, q))]
    # dU = dS V and dV = dS^T U, as products of rows with rows
    return (loss, dots(grad, list(zip(*v))),
            dots(list(zip(*grad)), list(zip(*u))))

# --- The same without the others ---
def attract(u, v):
    """(loss, du, dv) of L = -sum(u_i.v_i) / (n temperature): no softmax.

    attract([[0.6, 0.8]], [[0.6, 0.8]])[0] -> -5.0
    """
    scale = -1.0 / (len(u) * TEMPERATURE)
    return (scale * sum(sumprod(a, b) for a, b in zip(u, v)),
            [[scale * x for x in row] for row in v],
            [[scale * x for x in row] for row in u])

# === Deal the words of one emoji ===
def halves(left, right, rng):
    """Two random hands of all words, so that keywords meet keywords, too."""
    every = list(dict.fromkeys(left + right))
    rng.shuffle(every)
    return every[:len(every) // 2], every[len(every) // 2:]

# === Training ===
def train(items, left, right, steps, loss_of):
    """Turn the rows of two towers, or of one that is both; yields losses."""
    rng = random.Random(SEED + 2)
    for step in range(steps):
        # no item twice in a batch, or it would be its own negative
        batch = [item[1:] for item in rng.sample(items, BATCH)]
        if left is right and step % 2 == 0:
            batch = [halves(*texts, rng) for texts in batch]
        ones, others = zip(*batch)
        loss, du, dv = loss_of(left.directions(ones), right.directions(others))
        for one, other, d_one, d_other in zip(ones, others, du, dv):
            left.pull(one, d_one)
            right.pull(other, d_other)
        for tower in {left: 0, right: 0}:  # once if it is one tower
            tower.step(LEARNING_RATE * (1.0 - step / steps))
        yield loss

# === Rank the candidates ===
def ranks(scores):
    """Partner i's place in row i; equals share: ranks([[2, 2]]) -> [1.5]"""
    return [sum(map(gt, row, repeat(row[i])))  # how many score higher
            + (row.count(row[i]) + 1) / 2 for i, row in enumerate(scores)]


def reciprocal(places):
    """MRR, the mean of 1 / rank: reciprocal([1.0, 4.0]) -> 0.625"""
    return fmean(1.0 / r for r in places)


def show(task, name, places):
    first, tenth = [fmean(r <= k for r in places) for k in (1, 10)]
    print(f"{task:6} | {name:21} | recall@1 {first:.3f} | "
          f"recall@10 {tenth:.3f} | MRR {reciprocal(places):.3f}")

# --- How close, how spread out ---
def show_geometry(task, name, u, v):
    """Wang and Isola's two numbers, and the cosine of strangers.

    alignment = mean |u_i - v_i|^2 of partners, 0 when they coincide;
    uniformity = log mean exp(-2 |v_i - v_j|^2) over i != j, 0 when all
    directions are one, and near -4 when they are spread out.
    """
    known = [(a, b) for a, b in zip(u, v) if any(a) and any(b)]
    aligned = [2.0 - 2.0 * sumprod(a, b) for a, b in known]
    apart = [sumprod(a, b) for (_, a), (_, b) in combinations(known, 2)]
    spread = log(fmean(exp(4.0 * c - 4.0) for c in apart))
    print(f"{task:6} | {name:12} | alignment {fmean(aligned):.3f} | "
          f"uniformity {spread:.3f} | strangers {fmean(apart):.3f}")

# --- Keep four bits of each number ---
def coarse(rows):
    """coarse([[0.1, -0.25, 0.9]]) -> [[1, -4, 7]]

    15 levels from -0.5 to 0.5: four standard deviations of a random row.
    """
    return [[round(14 * max(-0.5, min(0.5, x))) for x in row] for row in rows]


def ranged(rows):
    """ranged([[0.0, 0.7], [1.0, 0.8]]) -> [[0.0, 0.7], [1.0, 0.8]]

    16 levels from the least to the greatest number of a column, as in faiss.
    """
    ends = [(min(column), max(column)) for column in zip(*rows)]
    steps = [(low, (high - low) / 15 or 1.0) for low, high in ends]
    return [[low + step * round((x - low) / step)
             for x, (low, step) in zip(row, steps)] for row in rows]

# === Weigh the words instead ===
def unit(weights):
    """unit({"a": 3.0, "b": 4.0}) -> {'a': 0.6, 'b': 0.8}"""
    length = sqrt(sum(x * x for x in weights.values())) or 1.0
    return {word: x / length for word, x in weights.items()}


def counted(rows, texts):
    """The sum of the words' rows, made a unit."""
    sums = [Counter() for _ in texts]
    for total, text in zip(sums, texts):
        for word in text:
            total.update(rows.get(word, {}))
    return [unit(total) for total in sums]


def overlap(a, b):
    """overlap({"a": 2.0, "b": 1.0}, {"a": 3.0}) -> 6.0"""
    a, b = sorted((a, b), key=len)
    return sum(x * b[word] for word, x in a.items() if word in b)


def show_counted(task, name, rows, queries, candidates):
    candidates = counted(rows, candidates)
    places = ranks([[overlap(query, other) for other in candidates]
                    for query in counted(rows, queries)])
    show(task, name, places)
    return places


def tf_idf(texts):
    """Rows with one number: a word counts for more the fewer texts have it.

    tf_idf([["a", "b"], ["b"]])["b"] -> {'b': 0.0}
    """
    found = Counter(word for text in texts for word in set(text))
    return {word: {word: log(len(texts) / n)} for word, n in found.items()}

# --- Count who keeps company ---
def pointwise(items):
    """Unit rows of log(n(a, b) N / (n(a) n(b))), where that is positive.

    This pointwise mutual information (PMI) says how much oftener a and b
    meet than by chance. Of a word and itself it is the weight above.

    pointwise([("", ["a"], ["b"]), ("", ["c"], [])])["c"] -> {'c': 1.0}
    """
    texts = [sorted({*left, *right}) for _, left, right in items]
    together, rows = Counter(), tf_idf(texts)
    for text in texts:
        together.update(combinations(text, 2))
    for (a, b), n in together.items():
        information = log(n / len(texts)) + rows[a][a] + rows[b][b]
        if information > 0.0:
            rows[a][b] = rows[b][a] = information
    return {word: unit(row) for word, row in rows.items()}

# --- Count across the two sides ---
def across(items, asked):
    """Rows p(b | a) log(p(b | a) / p(b)) for left words a, right words b.

    That is the PMI, where positive, times the chance of b beside a. A right
    word keeps one number, as in tf_idf. What is not `asked` for is skipped.

    across([("", ["a"], ["B"]), ("", ["c"], [])], "aB")["a"]["B"] > 0 -> True
    """
    left, right = ([[word for word in dict.fromkeys(item[k]) if word in asked]
                    for item in items] for k in (1, 2))
    found, rows, together = Counter(), tf_idf(right), Counter()
    for one, other in zip(left, right):
        found.update(one)
        together.update(product(one, other))
    for (a, b), n in together.items():
        information = log(n / found[a]) + rows[b][b]
        if information > 1e-9:  # marks of beginning and end tell nothing
            rows.setdefault(a, {})[b] = information * n / found[a]
    return rows

# === Learn one task ===
def results(task, name, u, v):
    """Print how well partners are found, and what the directions do."""
    show(task, name, ranks(dots(u, v)))
    if name in LOSSES:
        show(task, f"{name}, 4 bits", ranks(dots(coarse(u), coarse(v))))
        show(task, f"{name}, ranged", ranks(dots(ranged(u), ranged(v))))
    show_geometry(task, name, u, v)


def learn_pairs(task, loss_name, held_out, learn):
    """Train, print the curve and the results; the two towers."""
    draw = random.Random(SEED + 1).gauss
    sides = [[word for item in learn for word in item[k]] for k in (1, 2)]
    if task == "emoji":  # a word is a word, on whichever side it stands
        sides = [sides[0] + sides[1]]
    towers = [Tower(side, draw) for side in sides]
    left, right = towers[0], towers[-1]
    _, queries, candidates = zip(*held_out)

    def directions():
        return left.directions(queries), right.directions(candidates)

    if loss_name == LOSSES[0]:
        results(task, "untrained", *directions())
    losses, curve = [], []
    for loss in train(learn, left, right, STEPS[task],
                      info_nce if loss_name == "InfoNCE" else attract):
        losses.append(loss)
        if len(losses) % max(1, STEPS[task] // 5) == 0:
            curve.append(reciprocal(ranks(dots(*directions()))))
    if losses:
        print(f"{task:6} | {loss_name:12} | curve",
              *[f"{mrr:.3f}" for mrr in curve], f"| last loss {loss:.3f}")
    results(task, loss_name, *directions())
    return left, right

# === Names and keywords ===
def learn_emoji(items):
    """Letters, counts and one tower, measured on names never seen."""
    held_out, learn = split([[item] for item in items], HELD_OUT["emoji"])
    sides = [[item[k] for item in held_out] for k in (1, 2)]
    seen = [text for item in learn for text in item[1:]]
    known = {word for text in seen for word in text}
    both = sum(not known.isdisjoint(left) and not known.isdisjoint(right)
               for left, right in zip(*sides))
    print(f"emoji  | learn {len(learn):,} | held out {len(held_out)}, "
          f"{both} known on both sides")
    print(f"emoji  | words {len(known):,} | numbers {len(known) * WIDTH:,}")
    show("emoji", "chance", range(1, len(held_out) + 1))
    spelt = [[text + [p for word in text for p in pieces(word) if len(p) == 3]
              for text in texts] for texts in (*sides, seen)]
    show_counted("emoji", "TF-IDF with 3-grams", tf_idf(sum(spelt, [])),
                 *spelt[:2])
    counts = show_counted("emoji", "counts (PMI)", pointwise(learn), *sides)
    tower = [learn_pairs("emoji", name, held_out, learn)
             for name in LOSSES][0][0]
    learned = ranks(dots(*map(tower.directions, sides)))
    for k in (1, 10):  # where both agree, nothing is decided between them
        alone = sum(a <= k < b for a, b in zip(learned, counts))
        others = sum(b <= k < a for a, b in zip(learned, counts))
        print(f"emoji  | within {k:2} | {LOSSES[0]} alone {alone:3} | "
              f"counts alone {others:3}")
    show_words(tower)

# --- Show what it learned ---
def show_words(tower):
    """Neighbours of some words, and cosines, times 100, of others."""
    units = {word: tower.encode([word])[0] for word in tower.rows}
    for word in filter(units.get, NEAR):
        row = dots([units[word]], units.values())[0]
        best = sorted(zip(row, units), reverse=True)[1:7]
        print(f"near   | {word:6} | " + ", ".join(w for _, w in best))
    mapped = {word: units[word] for word in MAPPED if word in units}
    for word, row in zip(mapped, dots(mapped.values(), mapped.values())):
        print(f"map    | {word:8} |", *[f"{100 * x:4.0f}" for x in row])

# === Spellings and sounds ===
def learn_sounds(items):
    """Two towers: that both have an S means nothing."""
    held_out, learn = split(families(items), HELD_OUT["sounds"])
    print(f"\nsounds | learn {len(learn):,} | held out {len(held_out)}")
    _, spelt, sounds = zip(*held_out)
    # the rival has only letters: it reads the sounds S. AO. T. as "saot"
    named = [pieces("".join(said[1:said.index(">")]).lower().replace(".", ""))
             for said in sounds]
    show_counted("sounds", "TF-IDF", tf_idf([*spelt, *named]), spelt, named)
    show_counted("sounds", "counts (PMI, weighed)",
                 across(learn, set(sum(spelt + sounds, []))), spelt, sounds)
    left, right = [learn_pairs("sounds", name, held_out, learn)
                   for name in LOSSES][0]
    directions = right.directions([sound for _, _, sound in items])
    for word in SAID:
        row = dots(left.directions([pieces(word)]), directions)[0]
        best = sorted(zip(row, items), reverse=True)[:4]
        print(f"say    | {word:7} | sounds like "
              + ", ".join(item[0] for _, item in best))

# === Main ===
def main():
    emoji, sounds = emoji_items(), sound_items()
    if "emoji" in RUNS:
        learn_emoji(emoji)
    if "sounds" in RUNS:
        learn_sounds(sounds)


if __name__ == "__main__":
    main()
