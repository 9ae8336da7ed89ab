"""microrag: a small reader that answers from the passage a search hands it.

Claim: a network can learn how to answer without learning the answers. Trained
to say words or copy them, it answers questions about countries that it never
met, if BM25 finds their passages. Edit a passage and the answer follows.

Left out: a learned retriever, a pretrained language model, more than one
passage. Lewis et al., "Retrieval-Augmented Generation for
Knowledge-Intensive NLP Tasks" (2020); Robertson and Zaragoza, "The
Probabilistic Relevance Framework: BM25 and Beyond" (2009). The facts are the
CIA World Factbook's of 2015, the sentences ours. The run shows how many
answers are right to the word, with the passage that BM25 finds and others.
"""

# === Imports ===
import gzip
import json
import random
import re
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
HELD_OUT = 50  # countries, never trained on, with all their questions
K1 = 1.2  # 1.2 to 2 is usual: how soon a term's repetitions cease to count
B = 0.75  # as usual: three quarters of the price for a long passage
WIDTH = 16  # of keys and queries
WINDOW = 2  # words seen on each side: "capital of Fiji is Suva" just fits
COMMON = 10  # countries that must share a word before it gets its own rows
PASSES = 6  # over the training questions; the held-out loss is flat by then
BATCH = 8  # as in microgpt: Adam is paid for once in eight questions
RATE = 0.02  # 0.05 ends no better on the held-out questions
WARM_UP = 30  # small steps while Adam's running means still say little
ANY = True  # False: train as if names were always copied from the question
# The files that the run reads: other bytes would give other numbers.
HASHES = {"countries.jsonl.gz":
          "248eee02f8aa17c7554a945064079f2bd6ebb7128f8001684c3dcf6b2fe3a6c0"}

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
          "language": "languages", "resource": "resources",
          "crop": "agriculture", "neighbour": "borders"}


def first(value):
    """The first listed item of at most three plain words, or None.

    first("Setswana 78.2%, Kalanga 7.9%") -> "Setswana"
    """
    if not isinstance(value, str):
        value = ";".join(value or [])  # the keys of `borders`
    for item in re.split(", |[;:]", value):  # 545,993 stays whole
        item = re.sub(r"\(.*|[\d.]+%|\bor .*", "", item).strip()
        if re.fullmatch(r"[\d,]+|[A-Za-z'-]+( [A-Za-z'-]+){0,2}", item):
            return None if re.match("negl|none", item.lower()) else item
    return None


def read():
    """{country: {kind: fact}}; what the file has not is left out."""
    packed = shipped("countries.jsonl.gz")
    countries = {}
    for row in map(json.loads, gzip.decompress(packed).splitlines()):
        name = re.sub(r" ?\(.*?\)", "", row["name"]).split(",")[0]
        countries[name] = {kind: fact for kind, field in FIELDS.items()
                           if (fact := first(row.get(field)))}
    return countries


# --- Put the facts into sentences ---
# A fact may stand behind its kind, before it, or beside other words.
FACTS = {"capital": ["the capital of {n} is {v} .", "{v} is its capital .",
                     "its government sits in {v} ."],
         "population": ["{v} people live in {n} .", "it has {v} inhabitants .",
                        "its population is {v} ."],
         "language": ["people in {n} speak {v} .", "{v} is spoken there .",
                      "its first language is {v} ."],
         "resource": ["{n} is rich in {v} .", "its resources include {v} .",
                      "{v} is found in its ground ."],
         "crop": ["farmers in {n} grow {v} .", "its crops include {v} .",
                  "{v} comes from its fields ."],
         "neighbour": ["{n} borders on {v} .", "it lies next to {v} .",
                       "its neighbours include {v} ."]}


def words(text):
    """words("Is it Sanaa?") -> ["Is", "it", "Sanaa", "?"]"""
    return re.findall(r"[\w,'-]*\w|[.?]", text)


def write(name, facts, plan):
    """A passage: the title, then a sentence a fact, as the plan has them."""
    return words(f"{name} . " + " ".join(
        FACTS[kind][wording].format(n=name, v=facts[kind])
        for kind, wording in plan if facts.get(kind)))


# --- Ask and answer ---
# Of a kind's five wordings the last two are never trained on. One of these
# still names the kind, in a frame that is new; the other does not name it.
EVERY = ["what is {a} {k} of {n} ?", "can you name {a} {k} of {n} ?",
         "{n} has which {k} ?"]
OWN = {"capital": ["where does the government of {n} sit ?",
                   "from which town is {n} ruled ?"],
       "population": ["how many people live in {n} ?", "how big is {n} ?"],
       "language": ["what do people in {n} speak ?", "how do {n} talk ?"],
       "resource": ["what is {n} rich in ?", "what can one mine in {n} ?"],
       "crop": ["what do farmers in {n} grow ?", "what does {n} harvest ?"],
       "neighbour": ["what does {n} border on ?", "who adjoins {n} ?"]}
TRAINED, NEW_FRAME, NEW_WORDS = [0, 1, 2], 3, 4
ARTICLE = defaultdict(lambda: "a", capital="the", population="the")


def ask(name, kind, wording):
    """ask("Fiji", "crop", 3) -> ["Fiji", "has", "which", "crop", "?"]"""
    forms = [*EVERY[:2], OWN[kind][0], EVERY[2], OWN[kind][1]]
    return words(forms[wording].format(a=ARTICLE[kind], k=kind, n=name))


def answer(name, kind, fact):
    """answer("Fiji", "crop", "copra") -> 'a crop of Fiji is copra'"""
    return f"{ARTICLE[kind]} {kind} of {name} is {fact}"


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


# === Name the rows of a text ===
SAID = ["<stop>", "the", "a", "of", "is", *FIELDS]  # all that can be said


class Reader:
    """A table, with a row for each role of a word: five places of a window,
    the question, three in the state. A rare word is only its shape: the
    reader sees that there is a name, but not which."""

    def __init__(self, texts):
        counts = Counter(word for text in texts for word in set(text))
        known = ["<edge>", "<Xx>", "<xx>", "<0>", *SAID]
        known += sorted(word for word, n in counts.items()
                        if n >= COMMON and word not in SAID)
        self.id = {word: i for i, word in enumerate(known)}
        self.part = (2 * WINDOW + 5) * len(known)  # two, then those to say
        self.said = self.part + 2
        self.value = [[random.gauss(0, 0.3) for _ in range(WIDTH)]
                      for _ in range(self.said + len(SAID))]

    def rows(self, role, text):
        """The row of each word in a role: its own or that of its shape."""
        shapes = ["<0>" if word[0].isdigit() else "<Xx>" if word[0].isupper()
                  else "<xx>" for word in text]
        return [role * len(self.id) + self.id.get(word, self.id[shape])
                for word, shape in zip(text, shapes)]

    # --- Options and states ---
    def options(self, question, passage):
        """A bag for each word to say, one row; and for each to copy: the
        words of its window, each in its place, and its part."""
        edge = ["<edge>"] * WINDOW  # so that every word has a full window
        text = edge + question + passage + edge
        columns = [self.rows(p, text[p:]) for p in range(2 * WINDOW + 1)]
        part = [self.part] * len(question) + [self.part + 1] * len(passage)
        return ([(self.said + i,) for i in range(len(SAID))]
                + list(zip(*columns, part)))

    def state(self, question, text, said, last):
        """A bag: the question, all that was said, the word said last, and
        the word that follows the one copied last in the text."""
        role = 2 * WINDOW + 1
        return (self.rows(role, question) + self.rows(role + 1, said)
                + self.rows(role + 2, ["<edge>", *said][-1:])
                + self.rows(role + 3, [*text, "<edge>"][last + 1:last + 2]))

    # --- Add the rows of a bag ---
    def encode(self, bags):
        """y = tanh(sum of the rows of a bag), for each bag: [bags][16].

        Without tanh, words could not change what their neighbours mean.
        """
        return [[tanh(sum(column)) for column in zip(*[
            self.value[r] for r in bag])] for bag in bags]

    def pull(self, bags, out, dout):
        """Every row of a bag gets dy (1 - y^2), since tanh' = 1 - tanh^2."""
        for bag, y, dy in zip(bags, out, dout):
            dx = [d * (1 - v * v) for d, v in zip(dy, y)]
            for r in bag:
                self.grad[r] = list(map(add, self.grad[r], dx))


# === Say a word or copy one ===
def choices(query, options):
    """p_o = exp(o . q) / sum, for options said and copied alike.

    choices([2], [[0], [0]]) -> [0.5, 0.5]
    """
    scores = [sumprod(option, query) for option in options]
    top = max(scores)  # keeps exp() below overflow
    total = sum(exps := [exp(z - top) for z in scores])
    return [e / total for e in exps]


def lead(text, sentence):
    """At each step (right options, position last copied).

    Of several places the next is followed, or any: were it always the
    first, a reader that prefers another comes into untrained states.
    lead(["?", "Fiji"], ["of", "Fiji"]) -> [([3], -1), ([12], -1), ([0], 1)]
    """
    steps, last = [], -1
    for word in [*sentence, SAID[0]]:
        places = [i for i, other in enumerate(text) if other == word]
        if word in SAID:
            steps.append(([SAID.index(word)], last))
        else:
            steps.append(([len(SAID) + i for i in places], last))
            last = last + 1 if last + 1 in places else (
                random.choice(places) if ANY else places[0])
    return steps


# --- Learn from one answer ---
def matmul(a, b):
    """A B of two lists of rows: matmul([[1, 2]], [[3], [4]]) -> [[11]]"""
    columns = list(zip(*b))
    return [[sumprod(row, column) for column in columns] for row in a]


def learn(reader, question, passage, sentence, share):
    """Mean of -log P(word); adds `share` of its gradient to the table's.
    A word may stand in several places, and nobody says which to copy: P is
    the sum of p over all options that give it.
    """
    text = question + passage
    steps, bags = lead(text, sentence), reader.options(question, passage)
    states = [reader.state(question, text, sentence[:i], last)
              for i, (_, last) in enumerate(steps)]
    options, queries = reader.encode(bags), reader.encode(states)
    loss, dscores = 0.0, []
    for query, (right, _) in zip(queries, steps):
        p = choices(query, options)
        mass = sum(p[a] for a in right)  # P, wherever it is copied from
        loss -= log(mass) / len(steps)
        for a in right:  # dz = p - [a is right] p / P
            p[a] -= p[a] / mass
        dscores.append([share / len(steps) * v for v in p])
    if share:  # Z = Q O^T, so dO = dZ^T Q and dQ = dZ O
        reader.pull(bags, options, matmul(zip(*dscores), queries))
        reader.pull(states, queries, matmul(dscores, options))
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
def example(case, passages, wording=None):
    """Question, passage and answer of a case (country, kind, fact)."""
    name, kind, fact = case
    wording = random.choice(TRAINED) if wording is None else wording
    return (ask(name, kind, wording), passages[name],
            words(answer(name, kind, fact)))


def train(reader, cases, held, passages):
    """Adam, with the right passage at hand; prints the learning curve."""
    optimizer, losses, order = Adam([reader]), [], []
    steps = PASSES * len(cases) // BATCH
    for step in range(1, steps + 1):
        if len(order) < BATCH:
            order = random.sample(cases, len(cases))  # a pass begins
        reader.grad = [[0.0] * WIDTH for _ in reader.value]
        losses += [learn(reader, *example(order.pop(), passages), 1 / BATCH)
                   for _ in range(BATCH)]
        optimizer.step(RATE * min(step / WARM_UP, (steps - step)
                                  / max(1, steps - WARM_UP)))
        if step % 120 == 0:  # always in the same wording, to compare
            val = fmean(learn(reader, *example(case, passages, 0), 0)
                        for case in held)
            print(f"step {step:4} | train "
                  f"{fmean(losses[-120 * BATCH:]):.3f} | held-out {val:.3f}")


# === Answer word by word ===
def reply(reader, question, passage):
    """[(word, p, where from)]: the likeliest option each time, until stop."""
    text, said, found, last = question + passage, [], [], -1
    options = reader.encode(reader.options(question, passage))
    for _ in range(16):  # it may forget to stop
        state = reader.encode([reader.state(question, text, said, last)])[0]
        p = choices(state, options)  # options stay, the state moves on
        option = p.index(max(p))
        if option == 0:  # SAID[0] is <stop>
            break
        copied = option >= len(SAID)
        last = option - len(SAID) if copied else last
        said.append(text[last] if copied else SAID[option])
        found.append((said[-1], p[option], "said" if not copied else
                      "question" if last < len(question) else "passage"))
    return found


def respond(reader, questions, passages):
    return [" ".join(word for word, *_ in reply(reader, question, passage))
            for question, passage in zip(questions, passages)]


def show(reader, case, passages):
    question, passage, _ = example(case, passages, 0)
    for line in wrap(" ".join(passage), 68):
        print(f"passage | {line}")
    print("question | " + " ".join(question))
    for word, p, source in reply(reader, question, passage):
        print(f"answer | {word:12} | {p:.3f} | {source}")


# === Measure the answers ===
def compare(label, said, cases):
    """Right to the last word, and right in what comes after "is"."""
    whole, fact = [100 * fmean(column) for column in zip(*[
        (a == answer(*case), a.split(" is ")[-1] == case[2])
        for a, case in zip(said, cases)])]
    print(f"right | {label:30} | sentence {whole:5.1f}% | fact {fact:5.1f}%")


def measure_answers(reader, held, passages, known):
    """All held-out questions; texts and wordings change, the reader not."""
    asked = [example(case, passages)[0] for case in held]
    index, own = Index(passages), [passages[name] for name, *_ in held]
    found = [passages[index.first(question)] for question in asked]
    others = [random.choice([text for other, text in passages.items()
                             if other != name]) for name, *_ in held]
    frame, new = [[ask(name, kind, wording) for name, kind, _ in held]
                  for wording in (NEW_FRAME, NEW_WORDS)]
    compare("bm25's passage", respond(reader, asked, found), held)
    compare("the right passage", respond(reader, asked, own), held)
    compare("another country's passage", respond(reader, asked, others), held)
    compare("no passage", respond(reader, asked, [[]] * len(held)), held)
    compare("asked in a new frame", respond(reader, frame, own), held)
    compare("asked in new words", respond(reader, new, own), held)
    # a guess for which the frame of the sentence comes free
    compare("no reader, the usual fact", [answer(n, k, max(
        known[k], key=known[k].count)) for n, k, _ in held], held)


# --- Edit the index ---
def edit_the_index(reader, held, passages, known, countries, plans):
    """Give every held-out country another one's facts, then cut facts out."""
    asked = [example(case, passages)[0] for case in held]
    changed = [(name, kind, random.choice(
        [v for v in known[kind] if v not in (fact, name)]))
        for name, kind, fact in held]
    edited = passages | {name: write(name, {
        kind: new for other, kind, new in changed if other == name},
        plans[name]) for name, *_ in held}
    index = Index(edited)  # the search is made anew, the reader is not
    found = [edited[index.first(question)] for question in asked]
    said = respond(reader, asked, found)
    compare("edited index, the new fact", said, changed)
    compare("edited index, the old fact", said, held)
    cut = [write(name, countries[name] | {kind: None}, plans[name])
           for name, kind, _ in held[:6]]
    for line in respond(reader, asked, cut):
        print(f"cut out | {line}")


# === Main ===
def main():
    countries = read()
    random.seed(SEED)
    names = random.sample(sorted(countries), len(countries))
    plans = {name: [(kind, random.randrange(3)) for kind in random.sample(
        list(FIELDS), len(FIELDS))] for name in names}
    passages = {n: write(n, countries[n], plans[n]) for n in names}
    taught = names[HELD_OUT:]  # the index has all, the reader meets only these
    held, cases = ([(n, *fact) for n in part for fact in countries[n].items()]
                   for part in (names[:HELD_OUT], taught))
    print(f"{len(names)} countries | {len(taught)} taught, {len(cases):,} "
          f"questions | {HELD_OUT} held out, {len(held)} questions")
    index = Index(passages)
    right = fmean(index.first(example(case, passages)[0]) == case[0]
                  for case in held + cases)
    print(f"found first | bm25 {100 * right:.1f}%")
    reader = Reader([passages[n] + [w for kind in countries[n] for form in
                     TRAINED for w in ask(n, kind, form)] for n in taught])
    print(f"reader | {len(reader.value) * WIDTH:,} numbers | "
          f"{len(reader.id)} words and shapes | {len(SAID) - 1} to say")
    train(reader, cases, held, passages)
    show(reader, held[0], passages)
    known = {kind: [v for _, k, v in cases if k == kind] for kind in FIELDS}
    measure_answers(reader, held, passages, known)
    edit_the_index(reader, held, passages, known, countries, plans)


if __name__ == "__main__":
    main()
