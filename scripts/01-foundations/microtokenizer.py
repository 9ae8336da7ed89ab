"""How text becomes numbers: a byte-level byte-pair tokenizer.

Shows that 1,000 merges, learned by counting on ten chapters of a novel, write
two chapters that they never saw at more than 2.5 bytes a token, where the
1,000 most frequent words reach 2.0 to 2.2. Most of it needs no best pair:
pairs at random places of the text make about four fifths of the gain.

Gage, "A New Algorithm for Data Compression" (1994), had the idea. Sennrich
et al., "Neural Machine Translation of Rare Words with Subword Units" (2016),
brought it to words; Radford et al., "Language Models are Unsupervised
Multitask Learners" (2019), to bytes. Left out: special tokens, normalization.

The run measures text held out and a play, sends all of Unicode there and
back, chooses merges otherwise, lets them cross words, and does without them.
"""

# === Imports ===
import heapq
import lzma
import random
import re
from collections import Counter, defaultdict
from hashlib import sha256
from math import log2
from pathlib import Path

# === Settings ===
SEED = 1  # draws the chapters held out, and places in the text
TEXT = "alice.txt"  # a novel of 1865, all ASCII
OTHER = "as_you_like_it.txt"  # English too, but verse, and 260 years older
DIVISION = r"(?m)^(?= +CHAPTER [IVX]+$)"  # where the novel may be divided
HELD_OUT = 2  # whole chapters: a paragraph would share its neighbours' names
SIZES = (0, 15, 31, 62, 125, 250, 500, 1_000, 2_000, 4_000, 8_000)  # doubling
MERGES = 1_000  # the size at which other things are compared
SENTENCE = "Alice tokenized Alice's whiskers."  # stands in neither text
# GPT-2's pattern, as near as `re` comes: a contraction; letters, digits or
# other signs, after at most one space; white space. `re` has no \p{L} and no
# \p{N}. A letter is here what str.isalnum() accepts and \d does not, so a
# sign for one half, to GPT-2 a number, is spelled together with letters.
PATTERN = (r"'(?:[sdmt]|ll|ve|re)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+"
           r"|\s+(?!\S)|\s+")
# The files that the run reads: other bytes would give other numbers.
HASHES = {"alice.txt":
          "99e53cbb0aeb274344a254733db996ca2d05d5fcd10fc0ca02d6966f2b2bc961",
          "as_you_like_it.txt":
          "eaa3526fe53859f34ecdf255712f9ecf0b2c903451d4755b2edaa2e2599cb0fc"}

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
def read(name):
    return shipped(name).decode("ascii")


def hold_out(text, generator):
    """Divide at the headings; return the training text and the rest."""
    title, *chapters = re.split(DIVISION, text)
    held = set(generator.sample(range(len(chapters)), HELD_OUT))
    train = [c for i, c in enumerate(chapters) if i not in held]
    return title + "".join(train), "".join(chapters[i] for i in sorted(held))

# === Cut the text before any merge ===
def words(text):
    """Pieces that tile the text: no merge will cross from one to the next.

    A space goes with the word after it, so that it seldom needs a token of
    its own. Of several spaces, (?!\\S) leaves the last to that word.

    words("It's  42 cats.") -> ["It", "'s", " ", " 42", " cats", "."]
    """
    return re.findall(PATTERN, text)

# === Join one pair ===
def join(tokens, pair, new):
    """Replace each occurrence of the pair, from the left, by a new token.

    join([1, 1, 1, 2, 1, 1], (1, 1), 9) -> [9, 1, 2, 9]
    """
    left, right = pair
    joined = []
    for token in tokens:
        if token == right and joined and joined[-1] == left:
            joined[-1] = new
        else:
            joined.append(token)
    return joined

# === Decide which pair comes first ===
# A rule gives a pair its key, and the smallest key is merged first: here the
# most frequent pair and, of equals, the one with the smaller ids. While a
# count falls, its key must not fall as well: the heap relies on it.
def by_count(count, pair):
    """by_count(7, (104, 101)) -> (-7, 104, 101)"""
    return -count, *pair


def last_of_equals(count, pair):
    """by_count with its ties broken the other way round."""
    return -count, -pair[0], -pair[1]


def by_alphabet(count, pair):
    """The smallest ids first, however rare the pair."""
    return pair

# === Count every pair once ===
def count_pairs(tokenized, times):
    """How often each pair stands in all pieces, and in which of them.

    A piece that occurs 900 times is walked once, and counted 900 times.

    count_pairs([[7, 8]], [900]) -> ({(7, 8): 900}, {(7, 8): {0}})
    """
    counts = Counter()
    where = defaultdict(set)  # pair -> the indices of its pieces
    for i, tokens in enumerate(tokenized):
        for pair in zip(tokens, tokens[1:]):
            counts[pair] += times[i]
            where[pair].add(i)
    return counts, where

# --- Learn the merges ---
def learn(pieces, wanted, rule=by_count):
    """From {piece: times} to a list of (pair, its count, pieces visited).

    Merge number k makes the token 256 + k. Only pairs with the new token
    can gain: the counts of all others can but fall. So a pair needs one
    entry in the heap, put there when the pair is born. If its count has
    fallen since, the entry stands too far in front, never too far behind;
    that comes to light at the top, and it goes back with its true key.

    learn({"aab": 2, "ab": 1}, 1) -> [((97, 98), 3, 2)]
    """
    tokenized = [list(piece.encode("utf-8", "surrogatepass"))
                 for piece in pieces]
    times = list(pieces.values())
    counts, where = count_pairs(tokenized, times)
    heap = [(rule(count, pair), pair) for pair, count in counts.items()]
    heapq.heapify(heap)
    merges = []
    while heap and len(merges) < wanted:
        key, pair = heapq.heappop(heap)
        count = counts[pair]
        if count and key != rule(count, pair):
            heapq.heappush(heap, (rule(count, pair), pair))
        elif count:
            new = 256 + len(merges)
            merges.append((pair, count, len(where[pair])))
            for born in replace(pair, new, tokenized, times, counts, where):
                heapq.heappush(heap, (rule(counts[born], born), born))
    return merges

# --- Mend the counts where the pair stood ---
def replace(pair, new, tokenized, times, counts, where):
    """Join the pair in all its pieces; return the pairs that this made.

    Each such piece takes back all its pairs and counts them again. It has
    a handful of tokens, and the thousands of other pieces are left alone.
    """
    born = set()
    for i in where.pop(pair):
        old = tokenized[i]
        for p in zip(old, old[1:]):
            counts[p] -= times[i]
        tokens = tokenized[i] = join(old, pair, new)
        for p in zip(tokens, tokens[1:]):
            counts[p] += times[i]
            if new in p:
                born.add(p)
                where[p].add(i)
    return born

# --- Learn at random places ---
def learn_at_places(pieces, wanted):
    """Each time, the pair that stands at a place drawn from the text.

    learn_at_places({"aa": 2}, 9) -> [((97, 97), 2, 1)]
    """
    generator = random.Random(SEED)
    tokenized = [list(piece.encode()) for piece in pieces]
    times = list(pieces.values())
    counts, where = count_pairs(tokenized, times)
    merges = []
    while len(merges) < wanted and any(counts.values()):
        pair, = generator.choices(list(counts), counts.values())
        merges.append((pair, counts[pair], len(where[pair])))
        replace(pair, 255 + len(merges), tokenized, times, counts, where)
    return merges

# === The tokenizer ===
class Tokenizer:
    """Merges, in the order learned, and a way to cut a text into pieces."""

    def __init__(self, merges, cut=words):
        self.rank = {pair: k for k, (pair, *_) in enumerate(merges)}
        self.spelling = [bytes([i]) for i in range(256)]
        for left, right in self.rank:
            self.spelling.append(self.spelling[left] + self.spelling[right])
        self.cut = cut
        self.cache = {}  # most pieces of a text have been met before

    # --- Encode by repeating what was learned ---
    def encode_piece(self, piece):
        """Make the merge that was learned first, then look again.

        Order matters: " the" could be " t" + "he" or " th" + "e", and a
        model learns from texts in which it is always the same.

        Tokenizer([((104, 105), 1, 1)]).encode_piece("hihi") -> [256, 256]
        """
        if piece not in self.cache:
            # A str can hold half of a surrogate pair, which strict UTF-8
            # has no bytes for: "surrogatepass" spells it by the same rule.
            tokens = list(piece.encode("utf-8", "surrogatepass"))
            while known := self.rank.keys() & zip(tokens, tokens[1:]):
                pair = min(known, key=self.rank.get)
                tokens = join(tokens, pair, 256 + self.rank[pair])
            self.cache[piece] = tokens
        return self.cache[piece]

    def encode(self, text):
        """Tokenizer([]).encode("cat") -> [99, 97, 116]"""
        return [t for p in self.cut(text) for t in self.encode_piece(p)]

    # --- Decode to the same text ---
    def decode(self, tokens):
        """The text of any list of ids.

        What encode() made comes back exactly. A model may write a list
        that is no text, such as the first half of a letter: then, and only
        then, U+FFFD stands for what cannot be read.

        Tokenizer([]).decode([99, 97, 116, 195]) -> "cat\ufffd"
        """
        data = b"".join(self.spelling[t] for t in tokens)
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return data.decode("utf-8", "replace")

# === Count tokens and bits ===
def tally(encode_piece, pieces):
    """tally(list, {"aab": 2}) -> {"a": 4, "b": 2}"""
    used = Counter()
    for piece, times in pieces.items():
        for token in encode_piece(piece):
            used[token] += times
    return used


def size(pieces):
    """size({" cat": 2, "s": 1}) -> 9"""
    return sum(len(piece.encode()) * n for piece, n in pieces.items())


def bytes_per_token(encode_piece, pieces):
    """bytes_per_token(list, {"cat": 1}) -> 1.0"""
    return size(pieces) / tally(encode_piece, pieces).total()


def bits_per_byte(encode_piece, vocabulary, train, pieces):
    """-log2 q(token) summed over a text, for each of its bytes.

    q is how often the token was used in training, plus one for each: what
    the tokens alone tell a model that does not look at their order.
    """
    known = tally(encode_piece, train)
    total = known.total() + vocabulary
    used = tally(encode_piece, pieces)
    return sum(n * log2(total / (known[token] + 1))
               for token, n in used.items()) / size(pieces)

# === Baselines: whole words, and the longest match ===
def whole_words(train, entries):
    """An encoder of the most frequent pieces; any other is spelled in bytes.

    whole_words(Counter(["a", " cat", " cat"]), 1)(" cat") -> [" cat"]
    """
    known = {piece for piece, _ in train.most_common(entries)}
    return lambda piece: [piece] if piece in known else list(piece.encode())


def longest_match(spelling):
    """The same tokens, but each the longest that fits: no order of merges.

    longest_match([b"a", b"b", b"ab", b"ba"])("abab") -> [b"ab", b"ab"]
    """
    known = set(spelling)

    def encode_piece(piece):
        data, tokens = piece.encode(), []
        while data:
            n = next(n for n in range(len(data), 0, -1) if data[:n] in known)
            tokens.append(data[:n])
            data = data[n:]
        return tokens

    return encode_piece

# --- Choose entries without any merge ---
def substrings(train, entries):
    """Bytes, and what would save most if it were one token wherever it is.

    substrings({"abab": 1}, 1)[256:] -> [b"abab"]
    """
    saved = Counter()
    for piece, times in train.items():
        data = piece.encode()
        for n in range(2, len(data) + 1):
            for i in range(len(data) - n + 1):
                saved[data[i:i + n]] += times * (n - 1)
    best = sorted(saved, key=lambda string: (-saved[string], string))
    return [bytes([i]) for i in range(256)] + best[:entries]

# === Print the merges ===
def show_merges(merges):
    spelling = Tokenizer(merges).spelling
    shown = [repr(token)[1:] for token in spelling]  # b' the' as ' the'
    print("\nThe first merges: token, its parts, their count")
    for k, ((left, right), count, _) in enumerate(merges[:16]):
        print(f"merge {k:4} | {shown[256 + k]:7} | "
              f"{shown[left] + ' + ' + shown[right]:13} | {count:5}")
    print(f"\nThe longest words of the first {MERGES}")
    ranked = sorted(range(len(merges[:MERGES])),
                    key=lambda k: -len(spelling[256 + k]))
    for k in [k for k in ranked if spelling[256 + k].strip().isalpha()][:8]:
        print(f"merge {k:4} | {shown[256 + k]}")
    print(f"\n{SENTENCE!r} after so many merges")
    for n in SIZES[::2]:
        tokenizer = Tokenizer(merges[:n])
        parts = [tokenizer.decode([t]) for t in tokenizer.encode(SENTENCE)]
        print(f"cut {len(tokenizer.rank):4} | {'|'.join(parts)}")

# === Measure at every size ===
def compare(encode_piece, *texts):
    return " | ".join(f"{bytes_per_token(encode_piece, pieces):.3f}"
                      for pieces in texts)


def show_sizes(merges, train, held, other):
    print("\n          bytes per token                  | bits per byte |"
          " never used")
    print("merges | train | held  | other | whole words | held  | other |"
          " in training")
    for n in SIZES:
        tokenizer = Tokenizer(merges[:n])
        encode, n = tokenizer.encode_piece, len(tokenizer.rank)
        bits = [bits_per_byte(encode, 256 + n, train, p)
                for p in (held, other)]
        unused = n - sum(token > 255 for token in tally(encode, train))
        print(f"{n:6} | {compare(encode, train, held, other)} |"
              f" {compare(whole_words(train, n), held):>11} |"
              f" {bits[0]:.3f} | {bits[1]:.3f} | {unused:4}")
    print(f"no piece divided: held {size(held) / held.total():.3f}")

# === Ask two rivals ===
def show_rivals(tokenizer, train_text, held_text, held, other):
    greedy = longest_match(tokenizer.spelling)
    print(f"{MERGES} merges, longest match: held | other "
          f"{compare(greedy, held, other)}")
    both = lzma.compress((train_text + held_text).encode())
    more = len(both) - len(lzma.compress(train_text.encode()))
    print(f"lzma after the training text: held {8 * more / size(held):.3f}"
          " bits per byte")

# === Compare pieces met before with new ones ===
def show_new_pieces(tokenizer, train, texts):
    print(f"\n{MERGES} merges |        | in new | mean old piece | new piece")
    print("text        |  bytes | pieces | bytes | tokens | bytes | tokens")
    for name, pieces in texts.items():
        met = Counter({p: n for p, n in pieces.items() if p in train})
        share = 1 - size(met) / size(pieces)
        row = f"{name:11} | {size(pieces):6} | {share:6.3f}"
        for part in met, pieces - met:
            tokens = tally(tokenizer.encode_piece, part).total()
            row += (f" | {size(part) / part.total():5.2f}"
                    f" | {tokens / part.total():6.2f}")
        print(row)

# === Go there and back ===
def show_round_trips(tokenizer):
    print("\nThere and back | characters | bytes | tokens | same again")
    for name, text in (("Alice", "Alice"),
                       ("in Greek", "\u0391\u03bb\u03af\u03ba\u03b7"),
                       ("in Japanese", "\u30a2\u30ea\u30b9"),
                       ("rabbit", "\U0001f407"),
                       ("lone surrogate", "Alice\udc9d")):
        tokens = tokenizer.encode(text)
        data = text.encode("utf-8", "surrogatepass")
        print(f"{name:14} | {len(text):10} | {len(data):5} | {len(tokens):6}"
              f" | {tokenizer.decode(tokens) == text}")
    half = tokenizer.encode("\U0001f407")[:2]
    print(f"half of the rabbit decodes to {ascii(tokenizer.decode(half))}")
    same = 0
    for start in range(0, 0x110000, 256):
        text = "".join(map(chr, range(start, start + 256)))
        same += 256 * (tokenizer.decode(tokenizer.encode(text)) == text)
    print(f"code points that come back: {same} of {0x110000}")

# === Knock-out: choose by other rules ===
def show_choices(train, held, other):
    print(f"\n{MERGES} merges    | train | held  | other | tokens shared")
    usual = set(Tokenizer(learn(train, MERGES)).spelling[256:])
    def row(name, encode, spelling):
        print(f"{name:14} | {compare(encode, train, held, other)}"
              f" | {len(usual & set(spelling)):4}")
    for rule in (by_count, last_of_equals, by_alphabet):
        tokenizer = Tokenizer(learn(train, MERGES, rule))
        row(rule.__name__, tokenizer.encode_piece, tokenizer.spelling)
    tokenizer = Tokenizer(learn_at_places(train, MERGES))
    row("at_places", tokenizer.encode_piece, tokenizer.spelling)
    spelling = substrings(train, MERGES)
    row("no merges", longest_match(spelling), spelling)

# === Knock-out: let merges cross words ===
def show_cuts(*texts):
    print(f"\n{MERGES} merges in | train | held  | other | bits  |"
          " across words | different")
    for name, cut in ("words", words), ("lines", lambda t: t.splitlines(True)):
        train, held, other = (Counter(cut(text)) for text in texts)
        tokenizer = Tokenizer(learn(train, MERGES), cut)
        encode = tokenizer.encode_piece
        made = [token.decode() for token in tokenizer.spelling[256:]]
        across = [token for token in made if len(words(token)) > 1]
        # What remains different without signs, spaces and capitals?
        bare = {re.sub("[^a-z]", "", token.lower()) for token in made}
        print(f"{name:14} | {compare(encode, train, held, other)}"
              f" | {bits_per_byte(encode, 256 + MERGES, train, held):.3f} |"
              f" {len(across):12} | {len(bare):4}")
    phrases = [token for token in across if token[-1].isalpha()]
    print("such as", *sorted(phrases, key=len)[-3:], sep=" | ")

# === From the text to the tables ===
def main():
    novel, play = read(TEXT), read(OTHER)
    train_text, held_text = hold_out(novel, random.Random(SEED))
    texts = train_text, held_text, play
    train, held, other = (Counter(words(text)) for text in texts)
    print(f"{TEXT}: train {size(train)} bytes = {train.total()} pieces,"
          f" {len(train)} different; held {size(held)}")
    if not held:
        raise SystemExit("HELD_OUT = 0 leaves nothing to measure")
    merges = learn(train, max(MERGES, *SIZES))
    print(f"{len(merges)} merges, after which no pair is left")
    show_merges(merges)
    show_sizes(merges, train, held, other)
    tokenizer = Tokenizer(merges[:MERGES])
    show_rivals(tokenizer, train_text, held_text, held, other)
    visits = sum(visited for *_, visited in merges[:MERGES])
    print(f"pieces visited in {MERGES} merges: {visits},"
          f" by recounting {len(train) * MERGES}")
    shown = {"held": held, "other": other}
    if HERE.is_file():  # a pasted script cannot read itself
        shown["this script"] = Counter(words(HERE.read_text("ascii")))
    show_new_pieces(tokenizer, train, shown)
    show_round_trips(tokenizer)
    show_choices(train, held, other)
    show_cuts(*texts)


if __name__ == "__main__":
    main()
