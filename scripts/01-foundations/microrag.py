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
# The last wording of a kind is in no text that a reader or a lookup learns.
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
BOTH = ["what is {a} {k} of {n} ?", "can you name {a} {k} of {n} ?"]
OWN = {"capital": ["where does the government of {n} sit ?",
                   "from which town is {n} ruled ?"],
       "population": ["how many people live in {n} ?", "how big is {n} ?"],
       "language": ["what do people in {n} speak ?", "how do {n} talk ?"],
       "resource": ["what is found in {n} ?", "what can one mine in {n} ?"],
       "crop": ["what do farmers in {n} grow ?", "what does {n} harvest ?"],
       "neighbour": ["what does {n} border on ?", "who is next to {n} ?"]}
ARTICLE = defaultdict(lambda: "a", capital="the", population="the")


def ask(name, kind, wordings=TRAINED):
    """ask("Fiji", "crop", [3]) -> ["what", "does", "Fiji", "harvest", "?"]"""
    form = [*BOTH, *OWN[kind]][random.choice(wordings)]
    return words(form.format(a=ARTICLE[kind], k=kind, n=name))


def cases(countries, names):
    """[(country, kind, fact)] of these countries: the questions."""
    return [(name, *fact) for name in names
            for fact in countries[name].items()]


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
        """The passage with the highest score; of equals, the first name."""
        scores = self.bm25(question)
        return min(scores, key=lambda key: (-scores[key], key), default="")


# === Look the answer up ===
SHAPES = ["<0>", "<Xx>", "<xx>", "<edge>"]


def shape(word):
    """shape("Suva") -> "<Xx>" """
    return word if word == "<edge>" else "<0>" if word[0].isdigit() else (
        "<Xx>" if word[0].isupper() else "<xx>")


def runs(passage):
    """(words, their shape, what is left of them, what is right of them) of
    all runs of at most three words in a sentence."""
    name, *sentences = " ".join(passage).removesuffix(" .").split(" . ")
    for sentence in sentences:
        text = ["<edge>", *sentence.replace(name, "NAME").split(), "<edge>"]
        for i in range(1, len(text) - 1):
            for j in range(i + 1, min(i + 4, len(text))):
                yield (" ".join(text[i:j]).replace("NAME", name),
                       shape(text[i]), tuple(text[i - 1::-1]), tuple(text[j:]))


class Lookup:
    """What stood around each taught fact, and which words asked for it.
    Nothing is trained: each taught text is read once, and kept."""

    def __init__(self, taught, passages):
        self.asked, self.around = defaultdict(set), defaultdict(Counter)
        for name, kind, fact in taught:
            for i in TRAINED:
                self.asked[kind] |= set(ask(name, kind, [i]))
            self.around[kind].update(run[1:] for run in runs(passages[name])
                                     if run[0] == fact)

    def answer(self, question, passage):
        """Of the kind for which most of these words have asked, the run
        whose sides agree, from the inside out, best with those of a fact."""
        kind = max(FIELDS, key=lambda kind: len(self.asked[kind].intersection(
            question)))

        def fit(run):
            return max(((len(commonprefix((run[2], left)))
                         + len(commonprefix((run[3], right))))
                        / len(left + right) for (what, left, right), times
                        in self.around[kind].items()
                        if times > 1 and what == run[1]), default=0)

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
        self.number = {word: i for i, word in enumerate(self.said)}
        roles = {**dict.fromkeys(range(2 * WINDOW + 1), common),
                 "next": common, "asked": asked, "last": facts}
        keys = [(role, word) for role, known in roles.items()
                for word in [*SHAPES, *known]]
        # a row is a parameter of Adam's, which passes over it without grad
        self.table = {key: SimpleNamespace(grad=None, value=[
            [random.gauss(0, 0.3) for _ in range(WIDTH)]])
            for key in keys + [("say", word) for word in self.said]}

    def rows(self, role, word, both=False):
        """A word's own row, or that of its shape; or both, so that the
        shape's is trained too, for names that have no row of their own."""
        own = self.table.get((role, word))
        row = self.table[role, shape(word)]
        return [row, own] if both and own not in (None, row) else [own or row]

    # --- Options and states ---
    def options(self, question, passage):
        """A bag for each word to say, and one for each word to copy: the
        words of its window, each in its place."""
        edge = ["<edge>"] * WINDOW  # so that every word has a full window
        text = edge + question + passage + edge
        columns = [[self.rows(place, word)[0] for word in text[place:]]
                   for place in range(2 * WINDOW + 1)]
        return ([(self.table["say", word],) for word in self.said]
                + list(zip(*columns)))

    def state(self, question, text, answer, last):
        """A bag: the question, the word answered last, and the word that
        follows the one copied last."""
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
            option = p.index(max(p))
            if option == 0:  # <stop>
                break
            if option < len(self.said):
                found.append((self.said[option], p[option], "weights"))
                continue
            last = option - len(self.said)
            found.append((text[last], p[option], "question"
                          if last < len(question) else "passage"))
        return found

    def answer(self, question, passage):
        return " ".join(word for word, *_ in self.reply(question, passage))


# --- Add the rows of a bag ---
def encode(bags):
    """y = tanh(sum of the rows of a bag), for each bag: [bags][WIDTH].
    Without tanh, words could not change what their neighbours mean."""
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
    """p_o = exp(o . q) / sum, for options said and copied alike:
    choices([2], [[0], [0]]) -> [0.5, 0.5]
    """
    scores = [sumprod(option, query) for option in options]
    top = max(scores)  # keeps exp() below overflow
    total = sum(exps := [exp(z - top) for z in scores])
    return [e / total for e in exps]


def lead(reader, text, answer):
    """At each step (right options, position last copied). A word may be
    said, if the reader can, and copied from any place where it stands: one
    of these is followed, at random, for the reader may choose any."""
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
    sum of p over all options that give it."""
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
def train(label, taught, passages):
    """A reader after Adam on the taught questions; prints its losses."""
    names = sorted({name for name, *_ in taught})
    seen = Counter(word for name in names for word in set(passages[name]))
    reader = Reader([sorted(group) for group in (
        [word for word, n in seen.items() if n >= COMMON],
        {w for n, k, _ in taught for i in TRAINED for w in ask(n, k, [i])},
        {word for *_, fact in taught for word in words(fact)})])
    optimizer, losses, order = Adam(list(reader.table.values())), [], []
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
        optimizer.step(RATE * (1 - step / steps))
        if step % 50 == 0:
            print(f"{label:6} | step {step:4} | loss "
                  f"{fmean(losses[-50 * BATCH:]):.3f}")
    print(f"{label:6} | {len(reader.table) * WIDTH:,} numbers | "
          f"{len(reader.said) - 1} words to say")
    return reader


# === Measure who reads ===
def right(said, facts):
    """In percent: right(["Suva", ""], ["Suva", "Apia"]) -> 50.0"""
    return 100 * fmean(map(str.__eq__, said, facts)) if facts else 0.0


def measure_reading(methods, held, countries, passages):
    """Held-out countries, in the wordings of the training and in others."""
    index, facts = Index(passages), [fact for *_, fact in held]
    new = {name: write(name, countries[name], NEW) for name, *_ in held}
    print("reading | all | " + ", ".join(FIELDS))
    for label, wordings, texts in [("bm25's passage", TRAINED, None),
                                   ("the right passage", TRAINED, passages),
                                   ("question in new words", NEW, passages),
                                   ("sentences in new words", TRAINED, new)]:
        asked = [ask(name, kind, wordings) for name, kind, _ in held]
        given = [texts[name] if texts else passages[index.first(question)]
                 for question, (name, *_) in zip(asked, held)]
        for who, method in methods.items():
            said = list(map(method.answer, asked, given))
            shares = [right(*zip(*[(text, fact) for text, (_, kind, fact)
                                   in zip(said, held) if kind == k]))
                      for k in FIELDS]
            print(f"{label:22} | {who:6} | {right(said, facts):5.1f}% |"
                  + "".join(f"{share:4.0f}" for share in shares))


# === Measure who remembers ===
def edit(countries, names):
    """The same countries with other facts, each some other country's."""
    return {name: {kind: random.choice(
        [other[kind] for other in countries.values()
         if other.get(kind) not in (None, fact, name)])
        for kind, fact in countries[name].items()} for name in names}


def measure_memory(readers, groups, countries, passages):
    """What is answered with a passage, without one, and against one."""
    for group, names in groups.items():
        changed = edit(countries, names)
        edited = {name: write(name, changed[name]) for name in names}
        true, new = (cases(facts, names) for facts in (countries, changed))
        for label, texts in [("right passage", passages), ("no passage", {}),
                             ("edited passage", edited)]:
            for who, reader in readers.items():
                said = [reader.answer(ask(name, kind), texts.get(name, []))
                        for name, kind, _ in true]
                print(f"{group:8} | {label:14} | {who:6}" + "".join(
                    f" | {which} {right(said, [f for *_, f in facts]):5.1f}%"
                    for which, facts in (("true", true), ("edited", new))))


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
    if min(TAUGHT, HELD_OUT, BATCH) < 1 or len(countries) < TAUGHT + HELD_OUT:
        sys.exit("TAUGHT, HELD_OUT and BATCH must be at least 1, and there "
                 f"are {len(countries)} countries to teach and to hold out")
    random.seed(SEED)
    names = random.sample(sorted(countries), len(countries))
    groups = {"taught": names[:TAUGHT], "held out": names[TAUGHT:][:HELD_OUT]}
    passages = {name: write(name, countries[name]) for name in names}
    taught, held = (cases(countries, group) for group in groups.values())
    print(f"{len(names)} countries | {TAUGHT} taught, {len(taught)} questions "
          f"| {HELD_OUT} held out, {len(held)} questions")
    index = Index(passages)
    found = fmean(index.first(ask(name, kind)) == name
                  for name, kind, _ in cases(countries, names))
    print(f"found first | bm25 {100 * found:.1f}%")
    readers = {label: train(label, taught, passages) for label in READERS}
    who, reader = next(iter(readers.items()))
    name, kind, _ = taught[0]
    show(readers, ask(name, kind, [0]),
         write(name, edit(countries, [name])[name]))
    measure_reading({"lookup": Lookup(taught, passages), who: reader}, held,
                    countries, passages)
    measure_memory(readers, groups, countries, passages)


if __name__ == "__main__":
    main()
