"""microvector: a walk from neighbour to neighbour finds the nearest ones.

Claim: among 3,000 words of 32 numbers a graph finds 97 of 100 neighbours
for a twentieth of the distances; cells and trees need over three times as
many. Its famous levels save nothing there, links in different directions a
tenth or two. In 20 tight clusters it is lost without the directions; on a
circle its walk is at least half as long again without levels. On words, 64
bits and 50 exact distances find as much, after 3,000 sums out of a table.

Left out: deleting, filters, disks, clocks. Malkov and Yashunin, "Efficient
and Robust Approximate Nearest Neighbor Search Using Hierarchical Navigable
Small World Graphs" (2020); Jegou, Douze and Schmid, "Product Quantization
for Nearest Neighbor Search" (2011). The run counts all distances, those of
building too; brute force says what is true.
"""

# === Imports ===
import gzip
import random
from hashlib import sha256
from heapq import heappop, heappush, nlargest
from itertools import count, product
from math import exp, log, sqrt
from operator import add, getitem, mul
from pathlib import Path
from statistics import fmean

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
DATA = "words"  # or "random" directions, or "clusters" of them
WIDTH = 32  # numbers of a vector; half as many find the word less often
INDEX = 3_000  # vectors to search among: words that training never saw
QUERIES = 200  # with 10 neighbours each; recall moves by .01 with others
TOP = 10  # neighbours that are wanted
STEPS = 120  # of training; then nine words of ten are found first
BATCH = 64  # this and the next two are microembedding's
TEMPERATURE = 0.2
LEARNING_RATE = 0.3
CLUSTERS = 20
SPREAD = 0.05  # of a cluster, for each number; centres are about 1.4 apart
GRAPHS = ["layers diverse", "flat diverse", "layers nearest", "flat nearest"]
LINKS = 8  # a vector's, twice as many on the ground; with 4 walks are longer
BUILD = 32  # candidates kept while a vector is put in
EFFORTS = [10, 20, 40, 80, 160]  # candidates kept while a query walks
CELLS = [55, 220]  # the root of 3,000, and of 16 times as many
LOOKS = [2, 4, 8, 16, 32]  # cells opened for a query
ROUNDS = 6  # of k-means
TREES = {"k-d tree": 1, "random trees": 10}  # how many of a kind
LEAF = 16  # vectors at most in a leaf
LEAVES = [8, 16, 32, 64, 128]  # opened for a query
CODES = [[8, 4], [16, 4], [32, 2]]  # parts of a vector, bits of a part
SIGNS = 64  # random directions, a bit for each
SHORTLIST = 50  # best by code, of which exact distances are then taken
WANTED = [0.97, 0.99]  # recalls, of which the run tells the price
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

# === Training ===
def train(learn):
    """Two towers; a word's sounds find its spelling among 64."""
    rng, draw = random.Random(SEED + 2), random.Random(SEED + 1).gauss
    spelling, sound = (Tower((p for item in learn for p in item[k]), draw)
                       for k in (1, 2))
    for step in range(STEPS):
        _, ones, others = zip(*rng.sample(learn, BATCH))
        _, du, dv = info_nce(spelling.directions(ones),
                             sound.directions(others))
        for one, other, d_one, d_other in zip(ones, others, du, dv):
            spelling.pull(one, d_one)
            sound.pull(other, d_other)
        for tower in (spelling, sound):
            tower.step(LEARNING_RATE * (1.0 - step / STEPS))
    return spelling, sound

# === Data ===
def word_vectors():
    """(spellings of words never seen, sounds of the first of them)"""
    shuffle = random.Random(SEED).shuffle
    held_out, learn = hold_out(families(sound_items()), INDEX, shuffle)
    spelling, sound = train(learn)
    _, spelt, said = zip(*held_out)
    print(f"{DATA:14} | {INDEX:,} spellings, unseen | {QUERIES} sounds | "
          f"learned from {len(learn):,}")
    return spelling.directions(spelt), sound.directions(said[:QUERIES])


def unit(row):
    """unit([3.0, 4.0]) -> [0.6, 0.8]"""
    length = sqrt(sumprod(row, row)) or 1.0
    return [x / length for x in row]


def drawn_vectors():
    """Directions drawn evenly, or around a few centres; queries likewise."""
    rng = random.Random(SEED)

    def direction():
        return unit([rng.gauss(0.0, 1.0) for _ in range(WIDTH)])

    def near(centre):
        return unit([x + rng.gauss(0.0, SPREAD) for x in centre])

    centres = [direction() for _ in range(CLUSTERS)]
    rows = [near(rng.choice(centres)) if DATA == "clusters" else direction()
            for _ in range(INDEX + QUERIES)]
    print(f"{DATA:14} | {INDEX:,} rows of {WIDTH} | {QUERIES} queries")
    return rows[:INDEX], rows[INDEX:]

# === Count every distance ===
class Vectors:
    """Unit rows, and how many products of two of them were asked for.

    |a - b|^2 = 2 - 2 a.b for unit rows: near means a large a.b.
    """

    def __init__(self, rows):
        self.rows, self.distances = rows, 0

    def near(self, query, names):
        """[(closeness, name)] in the order of the names."""
        self.distances += len(names)
        return [(sumprod(query, self.rows[name]), name) for name in names]

    def best(self, query, names, count=TOP):
        """The nearest of the names, nearest first."""
        return nlargest(count, self.near(query, names))

# === Walk towards the query ===
def walk(vectors, links, query, found, effort):
    """The `effort` nearest that a walk meets, nearest first.

    found: [(closeness, name)] to begin with. The best name whose links were
    not followed yet comes next; the walk ends when even that is farther
    than the worst of `effort` kept. With effort 1 it only ever improves.
    """
    seen = {name for _, name in found}
    ahead = [(-score, name) for score, name in found]  # nearest on top
    kept = sorted(found)  # a heap as well, with the farthest on top
    while ahead:
        score, name = heappop(ahead)
        if len(kept) >= effort and -score < kept[0][0]:
            break
        new = [other for other in links[name] if other not in seen]
        seen.update(new)  # nobody is measured twice in one walk
        for score, other in vectors.near(query, new):
            if len(kept) < effort or score > kept[0][0]:
                heappush(kept, (score, other))
                heappush(ahead, (-score, other))
                if len(kept) > effort:
                    heappop(kept)
    return sorted(kept, reverse=True)

# === Choose links in different directions ===
def choose(vectors, found, most, diverse):
    """Names out of [(closeness, name)], at most so many, nearest first.

    A name is left out if one that was chosen is nearer to it than we are:
    the walk can get there over that one, and the link is free for another
    direction. The distances that this takes are counted like all others.
    """
    chosen = []
    for score, name in found:
        if len(chosen) == most:
            break
        row = vectors.rows[name]
        if not diverse or all(vectors.near(row, [other])[0][0] <= score
                              for other in chosen):
            chosen.append(name)
    return chosen

# === Build the graph, one vector after the other ===
class Graph:
    """links[level][name]: a few names. Level 0, the ground, has them all."""

    def __init__(self, vectors, layers, diverse):
        self.vectors, self.diverse = vectors, diverse
        self.links, self.entry = [{0: []}], 0
        rng = random.Random(SEED + 3)
        for name in range(1, len(vectors.rows)):
            # one in LINKS stands on level 1, one in LINKS^2 on level 2
            level = int(-log(1.0 - rng.random()) / log(LINKS))
            self.insert(name, level if layers else 0)

    # --- Put one vector in ---
    def descend(self, query, level):
        """Where a walk that only improves arrives on the way to a level."""
        found = self.vectors.near(query, [self.entry])
        for links in self.links[:level:-1]:
            found = walk(self.vectors, links, query, found, 1)
        return found

    def insert(self, name, level):
        row, top = self.vectors.rows[name], len(self.links) - 1
        found = self.descend(row, min(level, top))
        for k in range(min(level, top), -1, -1):
            found = walk(self.vectors, self.links[k], row, found, BUILD)
            chosen = choose(self.vectors, found, LINKS, self.diverse)
            self.links[k][name] = chosen  # at most LINKS, even on level 0
            for other in chosen:
                self.link(self.links[k], other, name, LINKS * (1 + (k == 0)))
        if level > top:  # a new tower becomes the entry
            self.links += [{name: []} for _ in range(level - top)]
            self.entry = name

    def link(self, links, name, new, most):
        """A link back; of too many, those stay that would be chosen."""
        links[name].append(new)
        if len(links[name]) > most:  # until then, early links stay
            found = self.vectors.near(self.vectors.rows[name], links[name])
            links[name] = choose(self.vectors, sorted(found, reverse=True),
                                 most, self.diverse)

    # --- Ask the graph ---
    def search(self, query, effort):
        found = self.descend(query, 0)
        found = walk(self.vectors, self.links[0], query, found, effort)
        return [name for _, name in found[:TOP]]

    def lost(self):
        """How many no walk can reach, on whatever level."""
        seen, ahead = {self.entry}, [self.entry]
        for name in ahead:  # which grows meanwhile
            new = {other for links in self.links
                   for other in links.get(name, ())} - seen
            seen |= new
            ahead += new
        return len(self.vectors.rows) - len(seen)

# === Put rows around centres ===
def nearest(row, centres, count=1):
    """nearest([1.0], [([0.0], 0.0), ([0.9], 0.405)]) -> [1]

    With a centre comes half its square: |x - c|^2 is smallest where
    x.c - |c|^2 / 2 is largest.
    """
    scores = [sumprod(row, c) - half for c, half in centres]
    return nlargest(count, range(len(scores)), scores.__getitem__)


def k_means(rows, count):
    """[(centre, half its square)]; each the mean of the rows around it."""
    centres = random.Random(SEED + 4).sample(rows, min(count, len(rows)))
    for _ in range(ROUNDS):
        pairs, groups = [(c, sumprod(c, c) / 2) for c in centres], {}
        for row in rows:
            groups.setdefault(nearest(row, pairs)[0], []).append(row)
        for k, group in groups.items():  # an empty one stays where it was
            centres[k] = list(map(fmean, zip(*group)))
    return [(c, sumprod(c, c) / 2) for c in centres]

# --- Look into the nearest cells ---
class Cells:
    """Each vector stands with its nearest centre."""

    def __init__(self, vectors, count):
        self.vectors, self.centres = vectors, k_means(vectors.rows, count)
        self.names = [[] for _ in self.centres]
        for name, row in enumerate(vectors.rows):
            self.names[nearest(row, self.centres)[0]].append(name)
        vectors.distances += (ROUNDS + 1) * len(vectors.rows) * len(self.names)

    def search(self, query, looks):
        self.vectors.distances += len(self.centres)
        opened = nearest(query, self.centres, looks)  # counted above
        names = [name for k in opened for name in self.names[k]]
        return [name for _, name in self.vectors.best(query, names)]

# === Cut space in two, again and again ===
class Trees:
    """A node: (direction or column, value, what is below, what is above)."""

    def __init__(self, vectors, kind, count):
        self.vectors, self.axes = vectors, kind == "k-d tree"
        self.rng = random.Random(SEED + 5)
        names = list(range(len(vectors.rows)))
        self.roots = [self.split(names) for _ in range(count)]

    def split(self, names):
        """Halves, along the widest column or from one vector to another."""
        if len(names) <= LEAF:
            return names
        rows = [self.vectors.rows[name] for name in names]
        if self.axes:
            columns = list(zip(*rows))
            spans = [max(column) - min(column) for column in columns]
            way = spans.index(max(spans))
            values = columns[way]
        else:
            a, b = self.rng.sample(rows, 2)
            way = unit([x - y for x, y in zip(a, b)])
            values = [sumprod(way, row) for row in rows]
            self.vectors.distances += len(rows)
        order = sorted(zip(values, names))
        half = len(order) // 2  # halves: all leaves lie equally deep
        low, high = ([name for _, name in part]
                     for part in (order[:half], order[half:]))
        return way, order[half][0], self.split(low), self.split(high)

    # --- Open the leaves nearest to a query ---
    def search(self, query, leaves):
        """Open so many leaves, those first that the cuts put nearest."""
        names, serial = set(), count(len(self.roots))
        ahead = [(0.0, k, root) for k, root in enumerate(self.roots)]
        while ahead and leaves:
            bound, _, node = heappop(ahead)
            while isinstance(node, tuple):
                way, cut, low, high = node
                self.vectors.distances += not self.axes
                side = (query[way] if self.axes else sumprod(query, way)) - cut
                node, other = (low, high) if side < 0 else (high, low)
                heappush(ahead, (max(bound, abs(side)), next(serial), other))
            names.update(node)  # a set, since trees share vectors
            leaves -= 1
        return [name for _, name in self.vectors.best(query, sorted(names))]

# === Write a vector in a few bits ===
class Codes:
    """A vector in parts, each replaced by the number of its nearest centre."""

    def __init__(self, vectors, parts, bits):
        size = WIDTH // parts
        self.vectors = vectors
        self.parts = [slice(k * size, (k + 1) * size) for k in range(parts)]
        columns = [[row[part] for row in vectors.rows] for part in self.parts]
        self.books = [k_means(column, 2 ** bits) for column in columns]
        self.codes = list(zip(*[[nearest(row, book)[0] for row in column]
                                for column, book in zip(columns, self.books)]))
        # a part's product is a part of a distance, and all are one
        number = len(vectors.rows) * len(self.books[0])
        vectors.distances += (ROUNDS + 1) * number

    def ranked(self, query, size):
        """The best by code: q.x is near the sum of q_j.c_j over the parts."""
        tables = [[sumprod(query[part], c) for c, _ in book]
                  for part, book in zip(self.parts, self.books)]
        self.vectors.distances += len(self.books[0])
        scores = [sum(map(getitem, tables, code)) for code in self.codes]
        return nlargest(size, range(len(scores)), scores.__getitem__)

# --- A bit for each random direction ---
class Signs:
    """On which side of random planes a vector lies."""

    def __init__(self, vectors, bits):
        self.vectors, rng = vectors, random.Random(SEED + 6)
        self.planes = [[rng.gauss(0.0, 1.0) for _ in range(WIDTH)]
                       for _ in range(bits)]
        self.codes = list(map(self.code, vectors.rows))

    def code(self, row):
        self.vectors.distances += len(self.planes)
        return sum((sumprod(row, plane) > 0.0) << k
                   for k, plane in enumerate(self.planes))

    def ranked(self, query, size):
        """The best by code: those with the fewest bits that differ."""
        code = self.code(query)  # a table of floats would round less
        scores = [-(code ^ other).bit_count() for other in self.codes]
        return nlargest(size, range(len(scores)), scores.__getitem__)

# === Measure recall and distances ===
def measure(vectors, queries, truth, search, effort):
    """(recall, distances a query), against the true neighbours."""
    vectors.distances, right = 0, 0  # building is told apart
    for query, names in zip(queries, truth):
        right += len(names.intersection(search(query, effort)))
    return right / (TOP * len(truth)), vectors.distances / len(truth)


def price(points, wanted):
    """Distances for a recall, by a mix of two of the (recall, distances).

    One query with the one, the next with the other: then both means are
    mixed. Nothing and brute force can always be in it.
    """
    every = [(0.0, 0.0), *points, (1.0, float(INDEX))]
    return min(a + (b - a) * (wanted - low) / (high - low)
               for (low, a), (high, b) in product(every, every)
               if low < wanted <= high)

# --- Every way of searching ---
def search_all(vectors, queries, truth):
    """{way: its points}, printed; cells of all sizes are one way."""
    ways = [(name, Graph, ("layers" in name, "diverse" in name), EFFORTS)
            for name in GRAPHS]
    ways += [(f"cells {number}", Cells, (number,), LOOKS) for number in CELLS]
    ways += [(kind, Trees, (kind, number), LEAVES)
             for kind, number in TREES.items()]
    found = {"brute force": []}
    for name, kind, options, efforts in ways:
        vectors.distances = 0
        index = kind(vectors, *options)
        told = f"built for {vectors.distances / INDEX:,.0f} a vector"
        points = [measure(vectors, queries, truth, index.search, effort)
                  for effort in efforts]
        print(f"{name:14} | " + " | ".join(
            f"{recall:.3f} {spent:4.0f}" for recall, spent in points))
        if kind is Graph:
            ground = fmean(map(len, index.links[0].values()))
            told += (f" | levels {len(index.links)} | links {ground:.1f} | "
                     f"lost {index.lost()}")
        print(f"{name:14} | {told}")
        way = "cells" if kind is Cells else name
        found[way] = found.get(way, []) + points
    return found

# --- Every code ---
def shortlist(coded):
    """A search among the vectors whose codes are best."""
    vectors = coded.vectors
    return lambda query, size: [name for _, name in vectors.best(
        query, coded.ranked(query, size))]


def search_codes(vectors, queries, truth):
    """Recall of the codes alone, and of the exact best of a short list."""
    ways = [(f"{m} x {b} bits", Codes, (m, b)) for m, b in CODES]
    for name, kind, options in [*ways, (f"{SIGNS} signs", Signs, (SIGNS,))]:
        coded = kind(vectors, *options)
        alone, _ = measure(vectors, queries, truth, coded.ranked, TOP)
        recall, spent = measure(vectors, queries, truth, shortlist(coded),
                                SHORTLIST)
        print(f"{name:14} | alone {alone:.3f} | {SHORTLIST} exact "
              f"{recall:.3f} | distances {spent:3.0f}")

# === Main ===
def check():
    """The end of the run in one sentence, if a setting makes no sense."""
    least = min(WIDTH, INDEX, QUERIES, TOP, BATCH, ROUNDS, CLUSTERS, SIGNS,
                LEAF, SHORTLIST, BUILD, LINKS - 1, STEPS + 1, *EFFORTS,
                *CELLS, *LOOKS, *LEAVES, *sum(CODES, []))
    if (least < 1 or TEMPERATURE <= 0 or min(WANTED) <= 0 or max(WANTED) > 1
            or INDEX > 10_000 or max(QUERIES, TOP) > INDEX or BATCH > 500
            or any(WIDTH % parts for parts, _ in CODES)
            or DATA not in ("words", "random", "clusters")):
        raise SystemExit("a setting is too small or too large, or unknown, "
                         "or the parts of a code do not divide WIDTH")


def main():
    check()
    rows, queries = word_vectors() if DATA == "words" else drawn_vectors()
    vectors = Vectors(rows)
    truth = [[name for _, name in vectors.best(query, range(INDEX))]
             for query in queries]
    if DATA == "words":  # query i is the sounds of word i
        first = fmean(found[0] == i for i, found in enumerate(truth))
        among = fmean(i in found for i, found in enumerate(truth))
        print(f"{DATA:14} | the word itself is first {first:.3f} | "
              f"among {TOP} {among:.3f}")
    truth = list(map(set, truth))
    found = search_all(vectors, queries, truth)
    search_codes(vectors, queries, truth)
    for name, points in found.items():
        print(f"{name:14} | " + " | ".join(
            f"recall {wanted:.2f} for {price(points, wanted):5,.0f}"
            for wanted in WANTED))


if __name__ == "__main__":
    main()
