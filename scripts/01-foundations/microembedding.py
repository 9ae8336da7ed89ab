"""Texts that mean the same come to point the same way.

A word starts as a row of random numbers. Training turns the rows until an
emoji's name lies closer to its own keywords than to those of 63 others. Then
a held-out name finds its keywords first among 300 at least forty times as
often as chance would, though no keyword shares its first four letters with a
word of the name. Counting which words occur together does about as well, and
the run prints that, too. Without the 63 others all texts drift towards one
direction, and less is found once each number has to fit in four bits.

Left out: the order of words, hard negatives, pretraining, fast search.

The loss is InfoNCE, from van den Oord, Li and Vinyals, "Representation
Learning with Contrastive Predictive Coding" (2018). The run ranks held-out
pairs beside TF-IDF and counts, shows what lies close to what, and trains two
towers with the same loss, one for spellings and one for sounds.
"""

# === Imports ===
import gzip
import random
import re
import sys
from collections import Counter
from hashlib import sha256
from itertools import combinations
from math import exp, log, sqrt
from operator import add, mul
from pathlib import Path
from time import process_time
from unicodedata import normalize

# === Settings ===
SEED = 1
RUNS = ["emoji", "sounds"]
STEM = 4  # keywords that begin with as many letters of a name's word go
HELD_OUT = {"emoji": 300, "sounds": 500}  # pairs, never trained on
STEPS = {"emoji": 300, "sounds": 60}  # both curves are flat by then
WIDTH = 64  # half as many numbers find a little less
BATCH = 64  # each text meets 63 that are not its partner
TEMPERATURE = 0.2  # a cosine higher by this much counts e times as much
LEARNING_RATE = 0.3  # with 0.05 the curve still climbs; falls to zero
LOSSES = ["InfoNCE", "no negatives"]  # the second is the knock-out
SHUFFLED = False  # True: every name is trained with another's keywords
REPORTS = 6  # rows of a learning curve
ASKED = 8  # held-out names whose first answer is printed
NEAR = ["ocean", "royal", "music", "sad", "love"]  # words with neighbours
MAPPED = ["ocean", "whale", "wave", "crown", "king", "queen", "guitar",
          "drum", "violin", "awful", "sad", "frowning"]  # all against all
SAID = ["knight", "nite", "fone", "kwik", "colonel"]  # spellings to sound

# === Data ===
FOLDER = Path(__file__).resolve().parent.parent / "data"
HASHES = {"emoji_keywords.tsv":
          "6db053e62887fadf89f251d591a095f5739fcbe74b1927951e2b45ef5a65a301",
          "cmudict_small.txt.gz":
          "7fd27580a900cd6a97820ca4047788a8aa20dc7a0bdee38d3203071b6da4aa2c"}


def read(name):
    """The bytes of a data file, if they are the ones of the book's run."""
    path = FOLDER / name
    content = path.read_bytes() if path.is_file() else b""
    if sha256(content).hexdigest() != HASHES[name]:
        sys.exit(f"{name} is missing or altered: it belongs in {FOLDER}, "
                 f"with the SHA-256 {HASHES[name]}")
    return content


# --- An emoji's name and its keywords ---
def words(text):
    """words("Piece of cake, man!") -> ['piece', 'of', 'cake', 'man']"""
    plain = normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.findall(r"[a-z0-9]+", plain.lower().replace("'", ""))


def unlike(keywords, name):
    """unlike(['smiling', 'happy'], ['smile', 'cat']) -> ['happy']"""
    stems = {word[:STEM] for word in name}
    return [word for word in keywords if not STEM or word[:STEM] not in stems]


def emoji_items():
    """[(the name, its words, the words of the keywords)]"""
    items, families = [], set()
    lines = read("emoji_keywords.tsv").decode("utf-8").splitlines()
    rows = [line.split("\t")[1:] for line in lines]
    start = [name for name, _ in rows].index("grinning face")
    for name, keywords in rows[start:]:  # punctuation stands before it
        # a man, a woman and a person who do the same have nearly one text:
        # one of them held out, one trained on, and the answer has leaked
        family = re.sub(r"\b((wo)?m[ae]n|people)\b", "person", name)
        if family in families or name.startswith("keycap:"):
            continue
        families.add(family)
        left = list(dict.fromkeys(words(name)))
        right = unlike(dict.fromkeys(words(keywords)), left)
        if left and right:
            items.append((" ".join(words(name)), left, right))
    return items


# --- A spelling and its sounds ---
def pieces(symbols, longest=3):
    """pieces("hi", 2) -> ['<', 'h', 'i', '>', '<h', 'hi', 'i>']"""
    marked = ["<", *symbols, ">"]  # where a word begins and ends matters
    return ["".join(marked[i:i + n]) for n in range(1, longest + 1)
            for i in range(len(marked) - n + 1)]


def sound_items():
    """[(the word, pieces of its spelling, pieces of its phonemes)]"""
    text = gzip.decompress(read("cmudict_small.txt.gz")).decode("ascii")
    # a dot ends each phoneme, or the piece "AW" could be one or two of them
    return [(word, pieces(word), pieces([sound + "." for sound in sounds]))
            for word, *sounds in map(str.split, text.splitlines())]


# --- Hold some pairs out ---
def split(items, count):
    """(held out, to learn from), after a shuffle that SEED decides."""
    items = list(items)
    random.Random(SEED).shuffle(items)
    held_out, learn = items[:count], items[count:]
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

        s is the sum of the words' rows. The mean is shorter, and becomes
        the same u. A text without a known word stays at zero.
        """
        known = [self.rows[word] for word in text if word in self.rows]
        if not known:
            return [0.0] * WIDTH, 1.0
        total = list(map(sum, zip(*known)))
        length = sqrt(sum(map(mul, total, total)))
        return [x / length for x in total], length

    def directions(self, texts):
        """[texts][WIDTH]"""
        return [self.encode(text)[0] for text in texts]

    # --- Send a gradient back to the words ---
    def pull(self, text, unit, length, grad):
        """ds = (du - (u.du) u) / |s|, and each word of the text gets it.

        What points along u would only lengthen s, which changes nothing.
        """
        along = sum(map(mul, unit, grad))
        grad = [(g - along * u) / length for g, u in zip(grad, unit)]
        for word in text:
            before = self.grads.get(word)
            self.grads[word] = list(map(add, before, grad)) if before else grad

    # --- Move only what was touched ---
    def step(self, learning_rate, beta1=0.9, beta2=0.99, epsilon=1e-8):
        """Adam, with a clock for each row that stands still in between.

        A batch touches a tenth of the words. Plain Adam would also move the
        other nine tenths, by what is left of their older gradients.
        """
        b1, b2, start = beta1, beta2, (0, [0.0] * WIDTH, [0.0] * WIDTH)
        for word, grad in self.grads.items():
            t, m, v = self.moments.get(word, start)
            t += 1
            m = [b1 * a + (1 - b1) * g for a, g in zip(m, grad)]
            v = [b2 * a + (1 - b2) * g * g for a, g in zip(v, grad)]
            self.moments[word] = t, m, v
            rate = learning_rate * sqrt(1 - b2 ** t) / (1 - b1 ** t)
            self.rows[word] = [x - rate * a / (sqrt(b) + epsilon) for x, a, b
                               in zip(self.rows[word], m, v)]
        self.grads = {}


# === Find the partner in the batch ===
def dots(a, b):
    """A B^T of two lists of rows: a cosine for each pair of unit rows.

    dots([[1, 2]], [[3, 4], [5, 6]]) -> [[11, 17]]
    """
    return [[sum(map(mul, row, col)) for col in b] for row in a]


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
    return (scale * sum(sum(map(mul, a, b)) for a, b in zip(u, v)),
            [[scale * x for x in row] for row in v],
            [[scale * x for x in row] for row in u])


# --- Two pairs for a pencil ---
def by_hand():
    """Two pairs in the plane, each name nearer to the wrong keywords."""
    u, v = [[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.8], [0.8, 0.6]]
    loss, du, _ = info_nce(u, v)
    tower = Tower([], None)
    tower.rows["name"] = u[0]
    tower.pull(["name"], u[0], 1.0, du[0])
    print(f"pencil | chance of the partner {chances(dots(u, v)[0])[0]:.3f} | "
          f"loss {loss:.3f}")
    for what, row in (("of the direction", du[0]),
                      ("of the word", tower.grads["name"])):
        print(f"pencil | gradient {what:16} | "
              + " ".join(f"{x:+.3f}" for x in row))


# === Deal the words of one emoji ===
def halves(left, right, rng):
    """Two random hands of all the words of a name and its keywords.

    So keywords also meet keywords. Both hands are drawn anew each time:
    one emoji gives many pairs.
    """
    every = list(dict.fromkeys(left + right))
    rng.shuffle(every)
    return every[:len(every) // 2], every[len(every) // 2:]


# === Training ===
def train(items, left, right, steps, loss_of, report):
    """Turn the rows of two towers, or of one tower that is both."""
    rng = random.Random(SEED + 2)
    for step in range(steps):
        # no item twice in a batch, or it would be its own negative
        batch = [item[1:] for item in rng.sample(items, BATCH)]
        if left is right and step % 2 == 0:
            batch = [halves(*texts, rng) for texts in batch]
        us = [left.encode(text) for text, _ in batch]
        vs = [right.encode(text) for _, text in batch]
        loss, du, dv = loss_of([u for u, _ in us], [v for v, _ in vs])
        for i, (one, other) in enumerate(batch):
            left.pull(one, *us[i], du[i])
            right.pull(other, *vs[i], dv[i])
        for tower in {left: 0, right: 0}:  # once if it is one tower
            tower.step(LEARNING_RATE * (1.0 - step / steps))
        if (step + 1) % (steps // REPORTS) == 0:
            report(step + 1, loss)


# === Rank the candidates ===
def ranks(scores):
    """The place of candidate i for query i: ranks([[0.5, 0.7]]) -> [2.0]

    Candidates that score the same share the places they fill.
    """
    places = []
    for i, row in enumerate(scores):
        above = sum(score > row[i] for score in row)
        places.append(above + (row.count(row[i]) + 1) / 2)
    return places


def measured(places):
    """measured([1.0, 4.0]) -> (0.5, 1.0, 0.625)"""
    return (sum(r <= 1 for r in places) / len(places),
            sum(r <= 10 for r in places) / len(places),
            sum(1.0 / r for r in places) / len(places))


def show(task, name, places):
    """Print recall@1, recall@10 and the mean of 1 / rank (MRR)."""
    first, tenth, reciprocal = measured(places)
    print(f"{task:6} | {name:20} | recall@1 {first:.3f} | "
          f"recall@10 {tenth:.3f} | MRR {reciprocal:.3f}")


# --- How close, how spread out ---
def show_geometry(task, name, u, v):
    """Wang and Isola's two numbers, and the cosine of strangers.

    alignment = mean |u_i - v_i|^2 of partners, 0 when they coincide;
    uniformity = log mean exp(-2 |v_i - v_j|^2) over i != j, 0 when all
    directions are one, and near -4 when they are spread out.
    """
    known = [(a, b) for a, b in zip(u, v) if any(a) and any(b)]
    aligned = [2.0 - 2.0 * sum(map(mul, a, b)) for a, b in known]
    n, cosines = len(known), dots(*[[b for _, b in known]] * 2)
    apart = [c for i, row in enumerate(cosines) for c in row[:i]]
    spread = log(sum(exp(4.0 * c - 4.0) for c in apart) / len(apart))
    print(f"{task:6} | {name:12} | alignment {sum(aligned) / n:.3f} | "
          f"uniformity {spread:.3f} | strangers {sum(apart) / len(apart):.3f}")


# --- Keep four bits of each number ---
def coarse(rows):
    """coarse([[0.1, -0.25, 0.9]]) -> [[1, -4, 7]]

    15 levels between -0.5 and 0.5: four standard deviations to each side
    of a number in a random unit row of 64.
    """
    return [[round(14 * max(-0.5, min(0.5, x))) for x in row] for row in rows]


# === Weigh the words instead ===
def unit(weights):
    """unit({"a": 3.0, "b": 4.0}) -> {'a': 0.6, 'b': 0.8}"""
    length = sqrt(sum(x * x for x in weights.values())) or 1.0
    return {word: x / length for word, x in weights.items()}


def cosines_of(queries, candidates):
    """dots() for rows that are nearly all zeros, kept as dictionaries."""
    return [[sum(x * row[word] for word, x in query.items() if word in row)
             for row in candidates] for query in queries]


def tf_idf(texts, learn):
    """A word counts for more the fewer texts have it, log((1+N)/(1+n)) + 1.

    The ones under the fraction are for words that training never saw.
    """
    found = Counter(word for text in learn for word in set(text))
    return [unit({word: count * (log((1 + len(learn)) / (1 + found[word])) + 1)
                  for word, count in Counter(text).items()})
            for text in texts]


def with_trigrams(texts):
    """with_trigrams([["cat"]]) -> [['cat', '<ca', 'cat', 'at>']]"""
    return [text + [p for word in text for p in pieces(word) if len(p) == 3]
            for text in texts]


# --- Count who keeps company ---
def pointwise(items):
    """Unit rows of log(n(a, b) N / (n(a) n(b))), where that is positive.

    The logarithm is the pointwise mutual information (PMI) of a and b: how
    much oftener they meet than if words were dealt out at random.

    pointwise([("", ["a"], ["b"]), ("", ["c"], [])])["c"] -> {'c': 1.0}
    """
    alone, together, n = Counter(), Counter(), len(items)
    for _, left, right in items:
        both = sorted({*left, *right})
        alone.update(both)
        together.update(combinations(both, 2))
    rows = {word: {word: log(n / count)} for word, count in alone.items()}
    for (a, b), count in together.items():
        information = log(count * n / (alone[a] * alone[b]))
        if information > 0.0:
            rows[a][b] = rows[b][a] = information
    return {word: unit(row) for word, row in rows.items()}


def counted(rows, texts):
    """The mean of the words' rows, as in a tower, made a unit again."""
    directions = []
    for text in texts:
        total = Counter()
        for word in text:
            total.update(rows.get(word, {}))
        directions.append(unit(total))
    return directions


# --- Spell the sounds by hand ---
LETTERS = dict(re.findall(r"(\w+):(\w+)", """
    AA:o AE:a AH:u AO:o AW:ow AY:i B:b CH:ch D:d DH:th EH:e ER:er EY:a F:f
    G:g HH:h IH:i IY:e JH:j K:c L:l M:m N:n NG:ng OW:o OY:oy P:p R:r S:s
    SH:sh T:t TH:th UH:u UW:u V:v W:w Y:y Z:s ZH:s"""))


def respell(sounds):
    """respell(["<", "N.", "OW.", ">"])[:5] -> ['<', 'n', 'o', 'w', '>']"""
    phonemes = sounds[1:sounds.index(">")]
    return pieces("".join(LETTERS[sound[:-1]] for sound in phonemes))


# === Learn one task ===
def encoded(held_out, left, right):
    """Directions of the queries and of the candidates, row i for row i."""
    return (left.directions([query for _, query, _ in held_out]),
            right.directions([candidate for _, _, candidate in held_out]))


def results(task, name, held_out, left, right):
    """Print how well partners are found, and what the directions do."""
    u, v = encoded(held_out, left, right)
    show(task, name, ranks(dots(u, v)))
    if name in LOSSES:
        show(task, f"{name}, 4 bits", ranks(dots(coarse(u), coarse(v))))
    show_geometry(task, name, u, v)


def learn_pairs(task, loss_name, held_out, learn, shared):
    """Train, print the curve and the results; the two towers."""
    draw = random.Random(SEED + 1).gauss
    sides = [[word for item in learn for word in item[k]] for k in (1, 2)]
    if shared:  # a word is a word, on whichever side it stands
        left = right = Tower(sides[0] + sides[1], draw)
    else:
        left, right = (Tower(side, draw) for side in sides)
    if loss_name == LOSSES[0]:
        results(task, "untrained", held_out, left, right)

    def report(step, loss):
        places = ranks(dots(*encoded(held_out, left, right)))
        print(f"{task:6} | {loss_name:12} | step {step:3} | loss "
              f"{loss:6.3f} | held-out MRR {measured(places)[2]:.3f}")

    start = process_time()
    train(learn, left, right, STEPS[task],
          info_nce if loss_name == "InfoNCE" else attract, report)
    results(task, loss_name, held_out, left, right)
    print(f"{task}, {loss_name}: {process_time() - start:.1f} s",
          file=sys.stderr)
    return left, right


# === Names and keywords ===
def learn_emoji():
    """Counts and one tower, and what it makes of names that it never saw."""
    held_out, learn = split(emoji_items(), HELD_OUT["emoji"])
    names, keywords = ([item[k] for item in held_out] for k in (1, 2))
    seen = [text for item in learn for text in item[1:]]
    known = {word for text in seen for word in text}
    both = [i for i, (_, left, right) in enumerate(held_out)
            if known & {*left} and known & {*right}]
    print(f"emoji  | learn {len(learn):,} | held out {len(held_out)}, "
          f"{len(both)} known on both sides")
    print(f"emoji  | words {len(known):,} | numbers {len(known) * WIDTH:,}")
    show("emoji", "chance", range(1, len(held_out) + 1))
    for name, change in (("TF-IDF of words", list),
                         ("TF-IDF with 3-grams", with_trigrams)):
        show("emoji", name, ranks(cosines_of(
            tf_idf(change(names), change(seen)),
            tf_idf(change(keywords), change(seen)))))
    rows = pointwise(learn)
    show("emoji", "counts (PMI)", ranks(
        cosines_of(counted(rows, names), counted(rows, keywords))))
    tower, _ = [learn_pairs("emoji", name, held_out, learn, shared=True)
                for name in LOSSES][0]
    show_found(tower, held_out, both[:ASKED])
    show_words(tower)


# --- Show what it learned ---
def show_found(tower, held_out, asked):
    """Whose keywords come first for some held-out names."""
    u, v = encoded(held_out, tower, tower)
    for i, row in zip(asked, dots([u[i] for i in asked], v)):
        best = sorted(range(len(row)), key=row.__getitem__, reverse=True)
        print(f"asked  | {held_out[i][0]:22} | rank {best.index(i) + 1:3} | "
              f"first: {held_out[best[0]][0]}")


def show_words(tower):
    """Neighbours of some words, and cosines, times 100, of others."""
    everything = tower.directions([[word] for word in tower.rows])
    asked = [word for word in NEAR if word in tower.rows]
    for word, row in zip(asked, dots(
            tower.directions([[word] for word in asked]), everything)):
        best = sorted(zip(row, tower.rows), reverse=True)[1:7]
        print(f"near   | {word:6} | " + ", ".join(w for _, w in best))
    mapped = [word for word in MAPPED if word in tower.rows]
    rows = tower.directions([[word] for word in mapped])
    for word, row in zip(mapped, dots(rows, rows)):
        print(f"map    | {word:8} | "
              + " ".join(f"{100 * x:4.0f}" for x in row))


# === Spellings and sounds ===
def learn_sounds():
    """Two towers: that both have an S means nothing."""
    items = sound_items()
    held_out, learn = split(items, HELD_OUT["sounds"])
    print(f"sounds | learn {len(learn):,} | held out {len(held_out)}")
    show("sounds", "chance", range(1, len(held_out) + 1))
    seen = [left for _, left, _ in learn]
    show("sounds", "TF-IDF, respelt", ranks(cosines_of(
        tf_idf([left for _, left, _ in held_out], seen),
        tf_idf([respell(right) for _, _, right in held_out], seen))))
    left, right = [learn_pairs("sounds", name, held_out, learn, shared=False)
                   for name in LOSSES][0]
    sounds = right.directions([sound for _, _, sound in items])
    for word in SAID:
        row = dots(left.directions([pieces(word)]), sounds)[0]
        best = sorted(zip(row, items), reverse=True)[:4]
        print(f"say    | {word:7} | sounds like "
              + ", ".join(item[0] for _, item in best))


# === Main ===
def main():
    by_hand()
    for task, learn in (("emoji", learn_emoji), ("sounds", learn_sounds)):
        if task in RUNS:
            print()
            learn()


if __name__ == "__main__":
    main()
