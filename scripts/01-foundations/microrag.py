"""microrag: a reader with two memories, its weights and a page it is given.

Claim: what such a reader is trained with decides where its facts are. Trained
with the passage at hand, it copies, keeps no fact in its weights, and follows
when the passage is edited; trained without, it learns the facts by heart, and
no passage moves it. Where its training had both, the passage wins.

Left out: a learned retriever, a pretrained language model, more than one
passage. Lewis et al., "Retrieval-Augmented Generation for
Knowledge-Intensive NLP Tasks" (2020); Robertson and Zaragoza, "The
Probabilistic Relevance Framework: BM25 and Beyond" (2009). The facts are the
CIA World Factbook's of 2015, the sentences ours. The run shows which memory
answers; as baselines, a lookup and counts, neither of which is trained long.
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
from pathlib import Path
from statistics import fmean
from textwrap import wrap

try:
    from math import sumprod
except ImportError:  # Python 3.10 and 3.11
    def sumprod(a, b):
        return sum(map(mul, a, b))

# === Settings ===
SEED = 1
TAUGHT = 30  # countries; their facts are as many as the weights can hold
HELD_OUT = 50  # countries that no reader meets in training
# How often a reader sees the passage in training; else it must recite.
READERS = {"open": 1.0, "both": 0.5, "closed": 0.0}
K1 = 1.2  # 1.2 to 2 is usual: how soon a term's repetitions cease to count
B = 0.75  # as usual: three quarters of the price for a long passage
WRONG = 0.0  # how often that passage is another country's
WIDTH = 20  # of keys and queries: room enough to learn every fact by heart
WINDOW = 2  # words seen on each side: "capital of Fiji is Suva" just fits
COMMON = 4  # countries that must share a word before windows tell it apart
PASSES = 20  # over the questions; the closed reader knows them by then
BATCH = 8  # as in microgpt: Adam is paid for once in eight questions
RATE = 0.05  # at 0.02 the closed reader has not learned its facts in time
WARM_UP = 30  # small steps while Adam's running means still say little
# The files that the run reads: other bytes would give other numbers.
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
    """The first of a list, the longest border, a number as it is written.

    first({"Mali": 7, "Chad": 9}) -> "Chad"
    """
    if isinstance(value, dict):
        return max(value, key=value.get)
    if isinstance(value, int):
        return f"{value:,}"
    return value[0] if isinstance(value, list) else value


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
# Of a kind's five wordings the last two are in no text of the training. One
# says its words in another order, the other shares none that tells the kind.
FACTS = {"capital": ["the capital of {n} is {v} .", "{v} is its capital .",
                     "its government sits in {v} .",
                     "{n} has {v} as its capital .",
                     "ministers meet in {v} ."],
         "population": ["{v} people live in {n} .", "it has {v} inhabitants .",
                        "its population is {v} .",
                        "{n} has a population of {v} .",
                        "the census counted {v} souls ."],
         "language": ["people in {n} speak {v} .", "{v} is spoken there .",
                      "its languages include {v} .",
                      "among its languages is {v} .",
                      "children learn to read in {v} ."],
         "resource": ["{n} has {v} .", "its resources include {v} .",
                      "{v} is found there .", "among its resources is {v} .",
                      "nature gave it {v} ."],
         "crop": ["farmers in {n} grow {v} .", "its crops include {v} .",
                  "its fields give {v} .", "among its crops is {v} .",
                  "its harvest brings {v} ."],
         "neighbour": ["{n} borders on {v} .", "it lies next to {v} .",
                       "its neighbours include {v} .",
                       "among its neighbours is {v} .",
                       "beyond its frontier lies {v} ."]}


def write(name, facts, plan):
    """A passage: the title, then a sentence a fact, as the plan has them."""
    return words(f"{name} . " + " ".join(
        FACTS[kind][wording].format(n=name, v=facts[kind])
        for kind, wording in plan if facts.get(kind)))


# --- Ask ---
# Of a kind's five wordings the last two are never trained on: the word for
# the kind in a new frame, and words that do not name it.
EVERY = ["what is {a} {k} of {n} ?", "can you name {a} {k} of {n} ?",
         "{n} has which {k} ?"]
OWN = {"capital": ["where does the government of {n} sit ?",
                   "from which town is {n} ruled ?"],
       "population": ["how many people live in {n} ?", "how big is {n} ?"],
       "language": ["what do people in {n} speak ?", "how do {n} talk ?"],
       "resource": ["what is found in {n} ?", "what can one mine in {n} ?"],
       "crop": ["what do farmers in {n} grow ?", "what does {n} harvest ?"],
       "neighbour": ["what does {n} border on ?", "who adjoins {n} ?"]}
TRAINED, NEW_FRAME, NEW_WORDS = [0, 1, 2], 3, 4
ARTICLE = defaultdict(lambda: "a", capital="the", population="the")


def ask(name, kind, wording=None):
    """ask("Fiji", "crop", 3) -> ["Fiji", "has", "which", "crop", "?"]"""
    forms = [*EVERY[:2], OWN[kind][0], EVERY[2], OWN[kind][1]]
    form = forms[random.choice(TRAINED) if wording is None else wording]
    return words(form.format(a=ARTICLE[kind], k=kind, n=name))


# === Index the passages ===
STOP = set(words("a can do does from how in is it its many name of on one the "
                 "to what where which who you . ?"))


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
        """log(1 + (N - n + 0.5) / (n + 0.5)), for n of N passages.
        Robertson and Sparck Jones have no 1: a term that most passages have
        then counts against them. Lucene adds it.
        """
        n = len(self.postings.get(term, ()))
        return log(1 + (len(self.lengths) - n + 0.5) / (n + 0.5))

    # --- Rank with BM25 ---
    def bm25(self, question):
        """{passage: sum of idf tf / (tf + K1 (1 - B + B l / mean))}.
        The fraction is 0 without the term and below 1 for ever: its tenth
        repetition says little that the second did not.
        """
        scores = Counter()
        for term in terms(question):
            for key, tf in self.postings.get(term, {}).items():
                norm = K1 * (1 - B + B * self.lengths[key] / self.mean)
                scores[key] += self.idf(term) * tf / (tf + norm)
        return scores

    def first(self, question):
        """The passage with the highest score; of equals, the first name."""
        scores = self.bm25(question)
        return min(scores, key=lambda key: (-scores[key], key), default="")


# === Look the answer up ===
class Lookup:
    """The sentences that facts stood in, and the words that asked for them.

    No weight is trained: each taught text is read once, and kept.
    """

    def __init__(self, cases, passages):
        self.asked, self.patterns = defaultdict(Counter), defaultdict(Counter)
        for name, kind, fact in cases:
            for wording in TRAINED:
                self.asked[kind].update(ask(name, kind, wording))
            for sentence in " ".join(passages[name]).split(" . "):
                pattern = f" {sentence} ".replace(f" {name} ", " NAME ")
                if f" {fact} " in pattern:
                    self.patterns[kind][pattern.replace(
                        f" {fact} ", " FACT ").removesuffix(". ")] += 1

    def kind(self, question):
        """The kind whose questions used these words most: naive Bayes."""
        return max(FIELDS, key=lambda kind: sum(
            log((self.asked[kind][word] + 0.1)
                / (self.asked[kind].total() + 10)) for word in question))

    def answer(self, question, passage):
        """What stands for FACT in the first sentence that fits, or ""."""
        name, *sentences = " ".join(passage).removesuffix(" .").split(" . ")
        for pattern, times in self.patterns[self.kind(question)].most_common():
            form = re.escape(pattern.strip()).replace("NAME", re.escape(name))
            for sentence in sentences if times > 1 else []:  # once is chance
                if found := re.fullmatch(form.replace("FACT", "(.+)"),
                                         sentence):
                    return found[1]
        return ""


# --- Count the words around it ---
class Counts:
    """Which words stand around a fact of a kind? Naive Bayes: each place of
    the window votes by itself, with the log of a ratio of two counts."""

    def __init__(self, cases, passages, lookup, known):
        self.lookup, self.known = lookup, known
        self.around = defaultdict(Counter)
        for name, kind, fact in cases:
            passage, fact = passages[name], words(fact)
            inside = {i + j for i in range(len(passage)) for j in
                      range(len(fact)) if passage[i:i + len(fact)] == fact}
            for i in range(len(passage)):
                self.around[kind, i in inside].update(
                    ["all", *self.window(passage, i)])

    def window(self, passage, i):
        """[(place, word or shape)] of the places around the i-th word."""
        edge = ["<edge>"] * WINDOW
        text = (edge + passage + edge)[i:i + 2 * WINDOW + 1]
        return [(place, word if word in self.known else shape(word))
                for place, word in enumerate(text)]

    def odds(self, kind, passage, i):
        """log P(a fact's word) - log P(another's), up to a constant."""
        yes, no = self.around[kind, True], self.around[kind, False]
        return sum(log((yes[seen] + 0.3) / (yes["all"] + 9))
                   - log((no[seen] + 0.3) / (no["all"] + 9))
                   for seen in self.window(passage, i)) + log(
                       (yes["all"] + 1) / (no["all"] + 1))

    def answer(self, question, passage):
        """The likeliest word, and its neighbours while they are likely."""
        kind = self.lookup.kind(question)
        odds = [self.odds(kind, passage, i) for i in range(len(passage))]
        if not odds:
            return ""
        start = end = odds.index(max(odds))
        while start and odds[start - 1] > 0:
            start -= 1
        while end + 1 < len(odds) and odds[end + 1] > 0:
            end += 1
        return " ".join(passage[start:end + 1])


# === Name the rows of a text ===
SHAPES = ["<0>", "<Xx>", "<xx>", "<edge>"]


def shape(word):
    """shape("Suva") -> "<Xx>" """
    if word == "<edge>":
        return word
    return "<0>" if word[0].isdigit() else "<Xx>" if word[0].isupper() else (
        "<xx>")


class Row:
    """One row of the table. Adam passes over it while it has no gradient."""

    def __init__(self):
        self.value = [[random.gauss(0, 0.3) for _ in range(WIDTH)]]
        self.grad = None


class Reader:
    """A row for each word in each role that it can play. A window tells only
    common words apart, of others it sees the shape: that there is a name,
    not which. A question's every word has a row, and so has every word of a
    taught fact as something to say: there a fact can be learned by heart."""

    def __init__(self, common, asked, facts):
        self.said = ["<stop>", *facts]
        self.number = {word: i for i, word in enumerate(self.said)}
        places = range(2 * WINDOW + 1)
        roles = {**dict.fromkeys([*places, "next"], common), "asked": asked,
                 "last": facts}
        self.table = {(role, word): Row() for role, known in roles.items()
                      for word in [*SHAPES, *known]}
        self.table |= {("say", word): Row() for word in self.said}
        self.table |= {("part", part): Row() for part in (False, True)}

    def rows(self, role, word, both=False):
        """A word's own row, or that of its shape; or both, so that the
        shape's is trained for names that have no row of their own."""
        own = self.table.get((role, word))
        row = self.table[role, shape(word)]
        return [own or row] if not both or own in (None, row) else [row, own]

    # --- Options and states ---
    def options(self, question, passage):
        """A bag for each word to say, and one for each word to copy: the
        words of its window, each in its place, and which text it is in."""
        edge = ["<edge>"] * WINDOW  # so that every word has a full window
        text = edge + question + passage + edge
        columns = [[self.rows(place, word) for word in text[place:]]
                   for place in range(2 * WINDOW + 1)]
        part = [[self.table["part", i >= len(question)]]
                for i in range(len(question + passage))]
        return ([[self.table["say", word]] for word in self.said]
                + [sum(bag, []) for bag in zip(*columns, part)])

    def state(self, question, text, answer, last):
        """A bag: the question, the word answered last, and the word that
        follows the one copied last."""
        bag = [row for word in question
               for row in self.rows("asked", word, both=True)]
        follows = text[last + 1:last + 2] if last >= 0 else []
        return (bag + self.rows("last", ["<edge>", *answer][-1], both=True)
                + self.rows("next", [*follows, "<edge>"][0]))


# --- Add the rows of a bag ---
def encode(bags):
    """y = tanh(sum of the rows of a bag), for each bag: [bags][WIDTH].

    Without tanh, words could not change what their neighbours mean.
    """
    return [[tanh(sum(column)) for column in zip(*[
        row.value[0] for row in bag])] for bag in bags]


def pull(bags, out, dout):
    """Every row of a bag gets dy (1 - y^2), since tanh' = 1 - tanh^2."""
    for bag, y, dy in zip(bags, out, dout):
        dx = [d * (1 - v * v) for d, v in zip(dy, y)]
        for row in bag:
            row.grad = [list(map(add, row.grad[0], dx)) if row.grad else dx]


# === Say a word or copy one ===
def choices(query, options):
    """p_o = exp(o . q) / sum, for options said and copied alike.

    choices([2], [[0], [0]]) -> [0.5, 0.5]
    """
    scores = [sumprod(option, query) for option in options]
    top = max(scores)  # keeps exp() below overflow
    total = sum(exps := [exp(z - top) for z in scores])
    return [e / total for e in exps]


def lead(reader, text, answer):
    """At each step (right options, position last copied).

    A word may be said, if the reader can say it, and copied from wherever
    it stands. Of several places one is followed at random, for the reader
    may choose any.
    """
    steps, last = [], -1
    for word in [*answer, "<stop>"]:
        places = [i for i, other in enumerate(text) if other == word]
        said = [reader.number[word]] if word in reader.number else []
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
    """Mean of -log P(word); adds `share` of its gradient to the rows.
    Nobody says whether to recite a word or where to copy it from: P is the
    sum of p over all options that give it.
    """
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
        rate = (learning_rate * sqrt(1 - b2 ** self.steps)
                / (1 - b1 ** self.steps))
        for node, moments in zip(self.parameters, self.moments):
            if node.grad is None:
                continue
            for i, (grad, (m, v)) in enumerate(zip(node.grad, moments)):
                m = [b1 * a + (1 - b1) * g for a, g in zip(m, grad)]
                v = [b2 * a + (1 - b2) * g * g for a, g in zip(v, grad)]
                moments[i] = m, v
                node.value[i] = [w - rate * a / (sqrt(b) + eps) for w, a, b
                                 in zip(node.value[i], m, v)]
            node.grad = None

# === Training ===
def train(label, reader, cases, passages):
    """Adam on the taught questions; prints the learning curve."""
    optimizer, losses, order = Adam(list(reader.table.values())), [], []
    steps = PASSES * len(cases) // BATCH
    for step in range(1, steps + 1):
        while len(order) < BATCH:
            order += random.sample(cases, len(cases))  # a pass begins
        for _ in range(BATCH):
            name, kind, fact = order.pop()
            page = (random.choice(cases)[0] if random.random() < WRONG
                    else name)
            shown = random.random() < READERS[label]
            passage = passages[page] if shown else []
            losses.append(learn(reader, ask(name, kind), passage,
                                words(fact), 1 / BATCH))
        optimizer.step(RATE * min(step / max(1, WARM_UP), (steps - step)
                                  / max(1, steps - WARM_UP)))
        if step % 50 == 0:
            print(f"{label:6} | step {step:4} | loss "
                  f"{fmean(losses[-50 * BATCH:]):.3f}")


# === Answer word by word ===
def reply(reader, question, passage):
    """[(word, p, memory)]: the likeliest option each time, until stop."""
    text, found, last = question + passage, [], -1
    options = encode(reader.options(question, passage))
    while len(found) < 6:  # it may forget to stop
        answer = [word for word, *_ in found]
        state = encode([reader.state(question, text, answer, last)])[0]
        p = choices(state, options)  # options stay, the state moves on
        option = p.index(max(p))
        if option == 0:  # <stop>
            break
        if option < len(reader.said):
            found.append((reader.said[option], p[option], "weights"))
        else:
            last = option - len(reader.said)
            found.append((text[last], p[option], "question" if last <
                          len(question) else "passage"))
    return found


def answer(reader, question, passage):
    return " ".join(word for word, *_ in reply(reader, question, passage))


# === Measure who reads ===
def by_kind(label, who, said, cases):
    """The share of right answers for each kind, and for all."""
    right = [text == fact for text, (*_, fact) in zip(said, cases)]
    kinds = " ".join(f"{kind} {100 * fmean(hits):3.0f}" for kind in FIELDS
                     if (hits := [hit for hit, case in zip(right, cases)
                                  if case[1] == kind]))
    print(f"{label:22} | {who:8} | all {100 * fmean(right):5.1f}%\n"
          f"{'':22} | {kinds}")


def measure_reading(methods, held, plans, countries, passages):
    """Held-out countries in the wordings of the training, and in others."""
    index = Index(passages)
    asked = [ask(name, kind) for name, kind, _ in held]
    own = [passages[name] for name, *_ in held]

    def reworded(wording):
        return [write(name, countries[name], [
            (kind, wording) for kind, _ in plans[name]]) for name, *_ in held]

    for label, questions, texts in [
            ("bm25's passage", asked, [passages[index.first(question)]
                                       for question in asked]),
            ("the right passage", asked, own),
            ("questions, new frame", [
                ask(name, kind, NEW_FRAME) for name, kind, _ in held], own),
            ("questions, new words", [
                ask(name, kind, NEW_WORDS) for name, kind, _ in held], own),
            ("sentences, new frame", asked, reworded(NEW_FRAME)),
            ("sentences, new words", asked, reworded(NEW_WORDS))]:
        for who, method in methods.items():
            by_kind(label, who, [method(question, text) for question, text
                                 in zip(questions, texts)], held)


# === Measure who remembers ===
def edit(cases, plans, countries):
    """Other facts for the same questions, and passages that state them."""
    changed = [(name, kind, random.choice(
        [other[kind] for other in countries.values()
         if other.get(kind) not in (None, fact, name)]))
        for name, kind, fact in cases]
    return changed, {name: write(name, {
        kind: fact for other, kind, fact in changed if other == name},
        plans[name]) for name, *_ in cases}


def measure_memory(readers, groups, plans, countries, passages):
    """What is answered with a passage, without one, and against one."""
    for group, cases in groups.items():
        questions = [ask(name, kind) for name, kind, _ in cases]
        changed, edited = edit(cases, plans, countries)
        for label, written, texts in [
                ("right passage", cases, passages),
                ("no passage", cases, defaultdict(list)),
                ("edited passage", changed, edited)]:
            for who, reader in readers.items():
                said = [answer(reader, question, texts[name])
                        for question, (name, *_) in zip(questions, cases)]
                true, new = (100 * fmean(
                    text == fact for text, (*_, fact) in zip(said, facts))
                    for facts in (cases, written))
                print(f"{group:8} | {label:14} | {who:6} | true {true:5.1f}%"
                      f" | as written {new:5.1f}%")


def show(readers, case, plans, countries):
    """One taught question against an edited passage, all readers."""
    [changed], edited = edit([case], plans, countries)
    facts = countries[case[0]] | {case[1]: changed[2]}
    passage = write(case[0], facts, plans[case[0]])
    for line in wrap(" ".join(passage), 68):
        print(f"passage  | {line}")
    question = ask(*case[:2], 0)
    print("question | " + " ".join(question))
    for who, reader in readers.items():
        for word, p, memory in reply(reader, question, passage):
            print(f"{who:8} | {word:14} | {p:.3f} | from the {memory}")


# === Main ===
def main():
    countries = read()
    if min(TAUGHT, HELD_OUT, BATCH) < 1 or len(countries) < TAUGHT + HELD_OUT:
        sys.exit("TAUGHT, HELD_OUT and BATCH must be at least 1, and there "
                 f"are {len(countries)} countries to teach and to hold out")
    random.seed(SEED)
    names = random.sample(sorted(countries), len(countries))
    plans = {name: [(kind, random.choice(TRAINED)) for kind in random.sample(
        list(FIELDS), len(FIELDS))] for name in names}
    passages = {n: write(n, countries[n], plans[n]) for n in names}
    taught, held = ([(n, *fact) for n in part for fact in countries[n].items()]
                    for part in (names[:TAUGHT], names[TAUGHT:][:HELD_OUT]))
    print(f"{len(names)} countries | {TAUGHT} taught, {len(taught)} questions "
          f"| {HELD_OUT} held out, {len(held)} questions")
    everything = [(n, kind) for n in names for kind in countries[n]]
    index = Index(passages)
    found = fmean(index.first(ask(*case)) == case[0] for case in everything)
    print(f"found first | bm25 {100 * found:.1f}%")
    seen = Counter(word for n in names[:TAUGHT] for word in set(passages[n]))
    common = sorted(word for word, n in seen.items() if n >= COMMON)
    asked = sorted({word for name, kind, _ in taught for wording in TRAINED
                    for word in ask(name, kind, wording)})
    facts = sorted({word for *_, fact in taught for word in words(fact)})
    readers = {}
    for label in READERS:
        readers[label] = reader = Reader(common, asked, facts)
        train(label, reader, taught, passages)
    print(f"reader | {len(reader.table) * WIDTH:,} numbers | {len(common)} "
          f"common words | {len(asked)} asked | {len(facts)} to say")
    show(readers, taught[0], plans, countries)
    label = next(iter(READERS))
    lookup = Lookup(taught, passages)
    counts = Counts(taught, passages, lookup, set(common))
    measure_reading({"lookup": lookup.answer, "counts": counts.answer,
                     label: lambda *texts: answer(readers[label], *texts)},
                    held, plans, countries, passages)
    measure_memory(readers, {"taught": taught, "held out": held}, plans,
                   countries, passages)


if __name__ == "__main__":
    main()
