"""microrag: a reader with two memories, its weights and a page it is given.

Claim: training decides where the facts are. With the page at hand, and a loss
content with either memory, a reader copies, keeps no fact and follows edits;
trained without, it recites and hardly heeds a page. Taught both, it copies.

Left out: a learned retriever, a pretrained model, several passages. Lewis et
al., "Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks" (2020);
Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and
Beyond" (2009). The run sets pages of the CIA World Factbook against weights.
"""

# === Imports ===
import gzip
import json
import random
import re
import sys
from collections import Counter, defaultdict
from hashlib import sha256
from math import exp, log, sqrt, tanh
from operator import add, mul
from os.path import commonprefix
from pathlib import Path
from statistics import fmean
from textwrap import wrap
from types import SimpleNamespace

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
TAUGHT = 30  # countries: somewhat more facts than the weights will hold
HELD_OUT = 50  # countries that no reader meets in training
READERS = {"open": 1.0, "both": 0.5, "closed": 0.0}  # share with a passage
K1 = 1.2  # 1.2 to 2 is usual: how soon a term's repetitions cease to count
B = 0.75  # as usual: three quarters of the price for a long passage
WRONG = 0.0  # how often that passage is another country's
WIDTH = 16  # of keys and queries: room for most facts of 30 countries
WINDOW = 2  # words seen on each side: "capital of Fiji is Suva" just fits
COMMON = 4  # countries that must share a word before windows tell it apart
PASSES = 20  # over the questions: copying takes a few, reciting them all
BATCH = 8  # as in microgpt: Adam is paid for once in eight questions
RATE = 0.05  # of Adam's steps; from there it falls to zero
WARM_UP = 30  # small steps while Adam's running means still say little
HASHES = {"countries.jsonl.gz":
          "32ca3689f83b87eb0450db584dc523ee858386594f479472c06458415c329b28"}

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
FIELDS = {"capital": "capital", "population": "population",
          "language": "spoken", "resource": "found",
          "crop": "grown", "neighbour": "borders"}


def words(text):
    """words("Is it Sanaa?") -> ["Is", "it", "Sanaa", "?"]"""
    return re.findall(r"[\w,'-]*\w|[.?]", text)


def first(value):
    """first({"Mali": 7, "Chad": 9}) -> "Chad" """
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):  # the longest border
        return max(value, key=value.get)
    return value if isinstance(value, str) else value[0]


def read():
    """{country: {kind: fact}}; what the file has not is left out."""
    packed = shipped("countries.jsonl.gz")
    countries = {}
    for row in map(json.loads, gzip.decompress(packed).splitlines()):
        name = row["name"].split(",")[0]
        countries[name] = {kind: " ".join(words(first(row[field])))
                           for kind, field in FIELDS.items() if field in row}
    return countries


# --- Put the facts into sentences ---
# The last wording of each kind is never taught.
FACTS = {"capital": ["the capital of {n} is {v}", "{v} is its capital",
                     "its government sits in {v}", "ministers meet in {v}"],
         "population": ["{v} people live in {n}", "it has {v} inhabitants",
                        "its population is {v}", "a census counted {v} souls"],
         "language": ["people in {n} speak {v}", "{v} is spoken there",
                      "its languages include {v}", "children read {v} first"],
         "resource": ["{n} has {v}", "its resources include {v}",
                      "{v} is found there", "nature gave it {v}"],
         "crop": ["farmers in {n} grow {v}", "its crops include {v}",
                  "its fields give {v}", "a harvest brings {v}"],
         "neighbour": ["{n} borders on {v}", "it lies next to {v}",
                       "its neighbours include {v}", "{v} adjoins it"]}
TRAINED, NEW = [0, 1, 2], [3]


def write(name, facts, wordings=TRAINED):
    """A passage: the title, then a sentence a fact, in any order."""
    return words(" . ".join([name] + [
        FACTS[kind][random.choice(wordings)].format(n=name, v=facts[kind])
        for kind in random.sample(list(facts), len(facts))]) + " .")


# --- Ask ---
BOTH = ["which {k} does {n} have ?", "can you name a {k} of {n} ?"]
OWN = {"capital": ["where does the government of {n} sit ?",
                   "from which town is {n} ruled ?"],
       "population": ["how many people live in {n} ?", "how big is {n} ?"],
       "language": ["what do people in {n} speak ?", "how do {n} talk ?"],
       "resource": ["what is found in {n} ?", "what can one mine in {n} ?"],
       "crop": ["what do farmers in {n} grow ?", "what does {n} harvest ?"],
       "neighbour": ["what does {n} border on ?", "who is next to {n} ?"]}


def ask(name, kind, wordings=TRAINED):
    """ask("Fiji", "crop", [3]) -> ["what", "does", "Fiji", "harvest", "?"]"""
    form = [*BOTH, *OWN[kind]][random.choice(wordings)]
    return words(form.format(k=kind, n=name))


def cases(countries, names):
    """[(country, kind, fact)] of these countries: the questions."""
    return [(name, *fact) for name in names
            for fact in countries[name].items()]


# === Index the passages ===
STOP = set(words("a can do does from have how in is it its many name of on "
                 "one the to what where which who you . ?"))


def terms(text):
    """terms(["Fiji", "is", "green"]) -> ["fiji", "green"]"""
    return [word.lower() for word in text if word.lower() not in STOP]


class Index:
    """For each term, the passages that have it and how often: postings."""

    def __init__(self, passages):
        self.postings, self.lengths = defaultdict(dict), {}
        for key, passage in passages.items():
            counts = Counter(terms(passage))
            self.lengths[key] = sum(counts.values())
            for term, tf in counts.items():
                self.postings[term][key] = tf
        self.mean = fmean(self.lengths.values())

    def idf(self, term):
        """log(1 + (N - n + 0.5) / (n + 0.5)), for n of N passages. Without
        the 1, a term that most passages have would count against them."""
        n = len(self.postings.get(term, ()))
        return log(1 + (len(self.lengths) - n + 0.5) / (n + 0.5))

    # --- Rank with BM25 ---
    def bm25(self, question):
        """{passage: sum of idf tf / (tf + K1 (1 - B + B l / mean))}. The
        fraction stays below 1: a tenth mention says little more."""
        scores = Counter()
        for term in terms(question):
            for key, tf in self.postings.get(term, {}).items():
                norm = K1 * (1 - B + B * self.lengths[key] / self.mean)
                scores[key] += self.idf(term) * tf / (tf + norm)
        return scores

    def first(self, question):
        scores = self.bm25(question)
        return min(scores, key=lambda key: (-scores[key], key), default="")


# === Cut a passage into runs of words ===
SHAPES = ["<0>", "<Xx>", "<xx>", "<edge>"]


def shape(word):
    """shape("Suva") -> "<Xx>" """
    return word if word == "<edge>" else "<0>" if word[0].isdigit() else (
        "<xx>" if word.islower() else "<Xx>")


def runs(passage):
    """(words, shapes, left side, right side) of runs of up to five words."""
    name, *sentences = " ".join(passage).removesuffix(" .").split(" . ")
    for sentence in sentences:
        text = ["<edge>", *sentence.replace(name, "NAME").split(), "<edge>"]
        for i in range(1, len(text) - 1):
            for j in range(i + 1, min(i + 6, len(text))):
                yield (" ".join(text[i:j]).replace("NAME", name),
                       (shape(text[i]), shape(text[j - 1])),
                       tuple(text[i - 1::-1]), tuple(text[j:]))


# === Look the answer up ===
class Lookup:
    """What stood around each taught fact, and which words asked for it."""

    def __init__(self, taught, passages):
        self.asked, self.around = defaultdict(Counter), defaultdict(Counter)
        for name, kind, fact in taught:
            for i in TRAINED:
                self.asked[kind].update(ask(name, kind, [i]))
            self.around[kind].update(run[1:] for run in runs(passages[name])
                                     if run[0] == fact)

    def answer(self, question, passage):
        """Of the kind for which most of these words have asked, the run
        whose sides agree, from the inside out, best with those of a fact."""
        clues = set(question) - set(" ".join(passage).split(" . ")[0].split())
        kind = max(FIELDS, key=lambda kind: sum(
            log(self.asked[kind][word] + 0.1) for word in clues))

        def fit(run):
            return max(((1 + len(commonprefix((run[2], left)))
                         + len(commonprefix((run[3], right))))
                        / (1 + len(left + right)) for (what, left, right), n
                        in self.around[kind].items()
                        if n > 1 and what == run[1]), default=0)

        return max(runs(passage), key=fit, default=[""])[0]


# === Name the rows of a text ===
class Reader:
    """A row for each word in each role that it can play. A window tells only
    common words apart; of others it sees the shape, that there is a name but
    not which. Every word of a taught question has a row, and every word of a
    taught fact can be said: there is room to learn the facts by heart."""

    def __init__(self, vocabularies):
        common, asked, facts = vocabularies
        self.said = ["<stop>", *facts]
        roles = {**dict.fromkeys(range(2 * WINDOW + 1), common),
                 "next": common, "asked": asked, "last": facts}
        keys = [(role, word) for role, known in roles.items()
                for word in [*SHAPES, *known]]
        # a row is a parameter of Adam's, which passes over it without grad
        self.table = {key: SimpleNamespace(grad=None, value=[
            [random.gauss(0, 0.3) for _ in range(WIDTH)]])
            for key in keys + [("say", word) for word in self.said]}

    def rows(self, role, word, both=False):
        """A word's own row or its shape's; or both, to train the shape's."""
        own = self.table.get((role, word))
        row = self.table[role, shape(word)]
        return [row, own] if both and own not in (None, row) else [own or row]

    # --- Options and states ---
    def options(self, question, passage):
        """A bag for each word to say; for each to copy, its window's."""
        edge = ["<edge>"] * WINDOW  # so that every word has a full window
        text = edge + question + passage + edge
        columns = [[self.rows(place, word)[0] for word in text[place:]]
                   for place in range(2 * WINDOW + 1)]
        return ([(self.table["say", word],) for word in self.said]
                + list(zip(*columns)))

    def state(self, question, text, answer, last):
        """A bag: the question, the last word, what follows the last copy."""
        return [row for role, word in [
            *[("asked", word) for word in question],
            ("last", ["<edge>", *answer][-1]),
            ("next", [*text, "<edge>"][last + 1] if last >= 0 else "<edge>")]
            for row in self.rows(role, word, both=role != "next")]

    # --- Answer word by word ---
    def reply(self, question, passage):
        """[(word, p, memory)]: the likeliest option each time, until stop."""
        text, found, last = question + passage, [], -1
        options = encode(self.options(question, passage))
        while len(found) < 6:  # it may forget to stop
            state = self.state(question, text, [w for w, *_ in found], last)
            p = choices(encode([state])[0], options)  # options stay
            if not (option := p.index(max(p))):  # <stop>
                break
            if option < len(self.said):
                found.append((self.said[option], p[option], "weights"))
                continue
            last = option - len(self.said)
            source = "question" if last < len(question) else "passage"
            found.append((text[last], p[option], source))
        return found

    def answer(self, question, passage):
        return " ".join(word for word, *_ in self.reply(question, passage))


# --- Add the rows of a bag ---
def encode(bags):
    """y = tanh(sum of the rows of a bag), for each bag: [bags][WIDTH].
    Without tanh, words could not change what their neighbours mean."""
    return [[tanh(x) for x in (bag[0].value[0] if len(bag) == 1 else map(
        sum, zip(*[row.value[0] for row in bag])))] for bag in bags]


def pull(bags, out, dout):
    """Every row of a bag gets dy (1 - y^2), since tanh' = 1 - tanh^2."""
    for bag, y, dy in zip(bags, out, dout):
        dx = [d * (1 - v * v) for d, v in zip(dy, y)]
        for row in bag:
            row.grad = [list(map(add, row.grad[0], dx)) if row.grad else dx]


# === Say a word or copy one ===
def choices(query, options):
    """choices([2], [[0], [0]]) -> [0.5, 0.5]"""
    scores = [sumprod(option, query) for option in options]  # o . q
    top = max(scores)  # keeps exp() below overflow
    total = sum(exps := [exp(z - top) for z in scores])
    return [e / total for e in exps]


def lead(reader, text, answer):
    """At each step (right options, position last copied: any that fits)."""
    steps, last = [], -1
    for word in [*answer, "<stop>"]:
        places = [i for i, other in enumerate(text) if other == word]
        said = [i for i, other in enumerate(reader.said) if other == word]
        steps.append((said + [len(reader.said) + i for i in places], last))
        if places:
            last = (last + 1 if last >= 0 and last + 1 in places
                    else random.choice(places))
    return steps


# --- Learn from one answer ---
def matmul(a, b):
    """A B of two lists of rows: matmul([[1, 2]], [[3], [4]]) -> [[11]]"""
    columns = list(zip(*b))
    return [[sumprod(row, column) for column in columns] for row in a]


def learn(reader, question, passage, answer, share):
    """Mean of -log P(word); adds `share` of its gradient to the rows. P is
    the sum of p over all options that give the word, said or copied."""
    text = question + passage
    steps, bags = lead(reader, text, answer), reader.options(question, passage)
    states = [reader.state(question, text, answer[:i], last)
              for i, (_, last) in enumerate(steps)]
    options, queries = encode(bags), encode(states)
    loss, dscores = 0.0, []
    for query, (right, _) in zip(queries, steps):
        p = choices(query, options)
        mass = sum(p[a] for a in right)  # P, whichever memory gives it
        loss -= log(mass) / len(steps)
        for a in right:  # dz = p - [a is right] p / P
            p[a] -= p[a] / mass
        dscores.append([share / len(steps) * v for v in p])
    if share:  # Z = Q O^T, so dO = dZ^T Q and dQ = dZ O
        pull(bags, options, matmul(zip(*dscores), queries))
        pull(states, queries, matmul(dscores, options))
    return loss


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
def train(label, taught, passages):
    """A reader after Adam on the taught questions; prints its losses."""
    names = sorted({name for name, *_ in taught})
    seen = Counter(word for name in names for word in set(passages[name]))
    reader = Reader([sorted(group) for group in (
        [word for word, n in seen.items() if n >= COMMON],
        {w for n, k, _ in taught for i in TRAINED for w in ask(n, k, [i])},
        {word for *_, fact in taught for word in words(fact)})])
    optimizer, losses, order = Adam(list(reader.table.values())), [0.0], []
    steps = PASSES * len(taught) // BATCH
    for step in range(1, steps + 1):
        while len(order) < BATCH:
            order += random.sample(taught, len(taught))  # a pass begins
        for _ in range(BATCH):
            name, kind, fact = order.pop()
            page = name if random.random() >= WRONG else random.choice(names)
            shown = random.random() < READERS[label]
            losses.append(learn(reader, ask(name, kind), passages[page]
                                if shown else [], words(fact), 1 / BATCH))
        optimizer.step(RATE * min(step / (WARM_UP + 1), 1 - step / steps))
    print(f"{label:6} | {len(reader.table) * WIDTH:,} numbers | "
          f"{len(reader.said) - 1} to say | loss {fmean(losses[-99:]):.3f}")
    return reader


# === Measure who reads ===
def measure(label, methods, asked, given, **truths):
    """How many answers are the facts of each list: in all, and by kind."""
    for who, method in methods.items():
        said = list(map(method.answer, asked, given))
        for truth, facts in truths.items():
            hits = defaultdict(list)
            for text, (_, kind, fact) in zip(said, facts):
                hits[kind].append(100 * (text == fact))
            print(f"{label:16} | {who:6} | {truth:6} | "
                  f"{fmean(sum(hits.values(), [])):5.1f}% |" + "".join(
                      f"{fmean(hits[kind] or [0]):4.0f}" for kind in FIELDS))


def measure_reading(methods, held, countries, passages):
    """Held-out countries, in the wordings of the training and in others."""
    names, index = [name for name, *_ in held], Index(passages)
    new = {name: write(name, countries[name], NEW) for name in names}
    asked, other = ([ask(name, kind, wordings) for name, kind, _ in held]
                    for wordings in (TRAINED, NEW))
    found = [index.first(question) for question in asked]
    hits = 100 * fmean(map(str.__eq__, found, names))
    print(f"found first | bm25 {hits:.1f}%")
    for label, questions, pages in [
            ("bm25's passage", asked, map(passages.get, found)),
            ("right passage", asked, map(passages.get, names)),
            ("new question", other, map(passages.get, names)),
            ("new sentences", asked, map(new.get, names))]:
        measure(label, methods, questions, list(pages), true=held)


# === Measure who remembers ===
def edit(countries, names):
    """The same countries, each fact some other country's."""
    return {name: {kind: random.choice(
        [other[kind] for other in countries.values()
         if other.get(kind) not in (None, fact, name)])
        for kind, fact in countries[name].items()} for name in names}


def measure_memory(readers, group, names, countries, passages):
    """What is answered with a passage, without one, and against one."""
    changed = edit(countries, names)
    true, new = cases(countries, names), cases(changed, names)
    asked = [ask(name, kind) for name, kind, _ in true]
    own = [passages[name] for name, *_ in true]
    edited = [write(name, changed[name]) for name, *_ in true]
    measure(f"{group}, passage", readers, asked, own, true=true)
    measure(f"{group}, none", readers, asked, [[]] * len(asked), true=true)
    measure(f"{group}, edited", readers, asked, edited, true=true, edited=new)


def show(readers, question, passage):
    """Every reader's answer to one question, and where each word is from."""
    for line in wrap(" ".join(passage), 68):
        print(f"passage  | {line}")
    print("question | " + " ".join(question))
    for who, reader in readers.items():
        for word, p, memory in reader.reply(question, passage):
            print(f"{who:8} | {word:14} | {p:.3f} | from the {memory}")


# === Main ===
def main():
    countries = read()
    if min(TAUGHT, HELD_OUT, BATCH, len(READERS)) < 1 or (
            len(countries) < TAUGHT + HELD_OUT):
        sys.exit("TAUGHT, HELD_OUT, BATCH and the READERS must be at least 1,"
                 f" TAUGHT and HELD_OUT together at most {len(countries)}")
    random.seed(SEED)
    names = random.sample(sorted(countries), len(countries))
    groups = {"taught": names[:TAUGHT], "held": names[TAUGHT:][:HELD_OUT]}
    passages = {name: write(name, countries[name]) for name in names}
    taught, held = (cases(countries, group) for group in groups.values())
    print(f"{len(names)} countries | {TAUGHT} taught, {len(taught)} questions "
          f"| {HELD_OUT} held out, {len(held)} questions")
    readers = {label: train(label, taught, passages) for label in READERS}
    who, reader = next(iter(readers.items()))
    name, kind, _ = min(taught, key=lambda case: len(case[0]))
    show(readers, ask(name, kind, [0]),
         write(name, edit(countries, [name])[name]))
    measure_reading({"lookup": Lookup(taught, passages), who: reader}, held,
                    countries, passages)
    for group, members in groups.items():
        measure_memory(readers, group, members, countries, passages)


if __name__ == "__main__":
    main()
