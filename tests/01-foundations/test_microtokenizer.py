"""microtokenizer against a naive learner, Hugging Face `tokenizers`, and what must always hold."""

import json
import random
import re
import shutil
import subprocess
import sys
import unicodedata
from collections import Counter
from itertools import pairwise
from math import log2
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers, trainers

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"  # encoder.py
HAND = {"she": 1, " sells": 1, " sea": 1, " shells": 1}  # the chapter's worked example
SURROGATES = st.integers(0xD800, 0xDFFF).map(chr)  # which st.characters() leaves out
ANY_TEXT = st.lists(st.characters() | SURROGATES).map("".join)
PIECES = st.dictionaries(st.text("abc", min_size=1, max_size=12), st.integers(1, 4), max_size=8)


@pytest.fixture(scope="module")
def novel(script: ModuleType) -> str:
    return script.hold_out(script.read(script.TEXT), random.Random(script.SEED))[0]


@pytest.fixture(scope="module")
def merges(script: ModuleType, novel: str) -> list[Any]:
    return script.learn(Counter(script.words(novel)), 10_000)


@pytest.fixture(scope="module")
def learned(script: ModuleType, merges: list[Any]) -> Any:
    return script.Tokenizer(merges)


# --- Learning
def join_naively(tokens: list[int], pair: tuple[int, int], new: int) -> list[int]:
    i, joined = 0, []
    while i < len(tokens):
        found = tuple(tokens[i : i + 2]) == pair
        joined.append(new if found else tokens[i])
        i += 1 + found
    return joined


def learn_naively(pieces: dict[str, int], wanted: int) -> tuple[list[Any], list[list[int]]]:
    """The definition: count everything again before each merge. Also the pieces as left."""
    tokenized = [list(piece.encode()) for piece in pieces]
    merges = []
    while len(merges) < wanted:
        counts: Counter[tuple[int, int]] = Counter()
        for tokens, times in zip(tokenized, pieces.values(), strict=True):
            for pair in pairwise(tokens):
                counts[pair] += times
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        new = 256 + len(merges)
        merges.append((best, counts[best]))
        tokenized = [join_naively(tokens, best, new) for tokens in tokenized]
    return merges, tokenized


def without_visits(merges: list[Any]) -> list[Any]:
    return [(pair, count) for pair, count, _ in merges]


def test_the_worked_example(script: ModuleType) -> None:
    merges = script.learn(HAND, 4)
    spelling = script.Tokenizer(merges).spelling[256:]
    assert spelling == [b" s", b"el", b"ls", b"ells"]
    assert [count for _, count, _ in merges] == [3, 2, 2, 2]
    cut = [len(script.Tokenizer(merges).encode(piece)) for piece in HAND]
    assert (sum(map(len, HAND)), cut) == (20, [3, 2, 3, 3])


def test_the_novel_is_learned_as_by_full_recounts(
    script: ModuleType, novel: str, merges: list[Any]
) -> None:
    naive, _ = learn_naively(Counter(script.words(novel)), 100)
    assert without_visits(merges[:100]) == naive


@given(PIECES)
def test_every_merge_is_that_of_a_full_recount(script: ModuleType, pieces: dict[str, int]) -> None:
    naive, _ = learn_naively(pieces, 100)
    assert without_visits(script.learn(pieces, 100)) == naive


@given(PIECES, st.integers(0, 10))
def test_mended_counts_equal_a_full_recount(
    script: ModuleType, pieces: dict[str, int], rounds: int
) -> None:
    tokenized, times = [list(p.encode()) for p in pieces], list(pieces.values())
    counts, where = script.count_pairs(tokenized, times)
    for new in range(256, 256 + rounds):
        standing = {pair for pair, count in counts.items() if count}
        if not standing:
            break
        pair = max(standing, key=lambda p: (counts[p], p))
        born = script.replace(pair, new, tokenized, times, counts, where)
        again, places = script.count_pairs(tokenized, times)
        assert {p: n for p, n in counts.items() if n} == again
        assert all(places[p] <= where[p] for p in again)
        assert {p for p in again if new in p} <= born


def test_a_count_of_another_pair_never_grows(merges: list[Any]) -> None:
    """What the lazy heap rests on, seen from outside: no merge has a larger count than an
    earlier one, unless the pair was born in between."""
    for k, (pair, count, _) in enumerate(merges[:2_000]):
        born = max([*pair, 256]) - 256  # the merge that made its younger half
        assert all(count <= earlier for _, earlier, _ in merges[born + 1 : k])


def test_fewer_merges_are_the_first_of_more(
    script: ModuleType, novel: str, merges: list[Any]
) -> None:
    assert script.learn(Counter(script.words(novel)), 400) == merges[:400]


def test_each_merge_removes_its_count_of_tokens(script: ModuleType, novel: str) -> None:
    """Exactly, unless the pair overlaps itself, as in a run of one letter."""
    pieces = Counter(script.words(novel))
    merges = script.learn(pieces, 40)
    totals = [
        script.tally(script.Tokenizer(merges[:k]).encode_piece, pieces).total() for k in range(41)
    ]
    for (pair, count, _), before, after in zip(merges, totals, totals[1:], strict=False):
        if pair[0] == pair[1]:
            assert 0 < before - after <= count
        else:
            assert before - after == count


@pytest.mark.parametrize("name", ["by_count", "last_of_equals", "by_alphabet"])
def test_a_rule_never_prefers_a_pair_that_became_rarer(script: ModuleType, name: str) -> None:
    rule = getattr(script, name)
    for pair in [(1, 2), (300, 4), (32, 116)]:
        keys = [rule(count, pair) for count in range(9, 0, -1)]
        assert keys == sorted(keys)


def test_other_rules_choose_other_merges(script: ModuleType) -> None:
    def first(rule: Any) -> list[Any]:
        return [pair for pair, *_ in script.learn(HAND, 2, rule)]

    s, e, space = (ord(c) for c in "se ")
    assert first(script.by_count) == [(space, s), (e, ord("l"))]
    assert first(script.last_of_equals) == [(space, s), (256, e)]  # of five that occur twice
    assert first(script.by_alphabet) == [(space, s), (e, ord("a"))]
    drawn = script.learn_at_places(HAND, 4)
    assert drawn == script.learn_at_places(HAND, 4) != script.learn(HAND, 4)


def test_a_place_is_drawn_as_often_as_its_pair_stands(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three of four places hold the pair a, b; the merges remove their counts."""
    pieces, drawn = {"ab": 3, "cd": 1}, Counter[tuple[int, int]]()
    for seed in range(400):
        monkeypatch.setattr(script, "SEED", seed)
        merges = script.learn_at_places(pieces, 9)
        drawn[merges[0][0]] += 1
        assert len(merges) == 2 and sum(count for _, count, _ in merges) == 4
    assert drawn[97, 98] / 400 == pytest.approx(0.75, abs=0.08)
    assert script.learn_at_places(pieces, 0) == []


def test_substrings_are_ranked_by_what_each_saves(script: ModuleType) -> None:
    spelling = script.substrings({"abc": 2, "bc": 1}, 3)
    assert len(spelling) == 259
    assert spelling[256:] == [b"abc", b"bc", b"ab"]  # 2 x 2, 3 x 1, 2 x 1


# --- The independent implementation
def hugging_face(pieces: list[str], alphabet: list[str], size: int) -> tokenizers.Tokenizer:
    """A BPE of Hugging Face, trained on pieces that are cut already."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, show_progress=False, special_tokens=[]
    )
    tokenizer.train_from_iterator(pieces, trainer)
    return tokenizer


def merges_of(tokenizer: tokenizers.Tokenizer) -> list[tuple[str, str]]:
    return [(a, b) for a, b in json.loads(tokenizer.to_str())["model"]["merges"]]


def test_merges_and_encodings_equal_hugging_face_ties_included(
    script: ModuleType, novel: str, merges: list[Any], learned: Any
) -> None:
    """Byte b is written as the letter 256 + b, so that the ids there are our ids."""

    def letters(data: bytes) -> str:
        return "".join(chr(256 + b) for b in data)

    pieces = script.words(novel)
    theirs = hugging_face(
        [letters(p.encode()) for p in pieces], [chr(256 + b) for b in range(256)], 256 + 4_000
    )
    ours = [tuple(letters(learned.spelling[t]) for t in pair) for pair, *_ in merges[:4_000]]
    assert merges_of(theirs) == ours
    mine = script.Tokenizer(merges[:4_000])
    for piece in sorted(set(script.words(script.read(script.TEXT) + script.read(script.OTHER)))):
        assert theirs.encode(letters(piece.encode())).ids == mine.encode_piece(piece)


def test_the_library_called_as_everybody_does(script: ModuleType, novel: str) -> None:
    """ByteLevel, its regex and its numbering of the bytes, which decides ties: ours renumbered."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    theirs = tokenizers.Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=256 + 1_000, initial_alphabet=alphabet, show_progress=False
    )
    theirs.train_from_iterator([novel], trainer)

    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    number = [alphabet.index(plain.pre_tokenize_str(chr(b))[0][0]) for b in range(128)]
    pieces = Counter(script.words(novel))
    tokenized = [[number[b] for b in piece.encode()] for piece in pieces]
    times = list(pieces.values())
    counts, where = script.count_pairs(tokenized, times)
    spelling = list(alphabet)
    for parts in merges_of(theirs):
        _, pair = min((script.by_count(n, pair), pair) for pair, n in counts.items() if n)
        assert (spelling[pair[0]], spelling[pair[1]]) == parts
        script.replace(pair, len(spelling), tokenized, times, counts, where)
        spelling.append("".join(parts))
    assert len(spelling) == 256 + 1_000


def test_the_cut_is_gpt2s_but_for_what_the_chapter_names(script: ModuleType) -> None:
    theirs = pre_tokenizers.Split(tokenizers.Regex(GPT2), "isolated")
    for text in (
        script.read(script.TEXT),
        script.read(script.OTHER),
        "It's 3,141 x_1\u00a0\n\n ok",
    ):
        assert [piece for piece, _ in theirs.pre_tokenize_str(text)] == script.words(text)

    # A code point that joins a letter is a letter, one that joins a digit is a number. Only
    # characters as old as Unicode 3.2: younger ones depend on the versions of both tables.
    differing = set()
    for code in range(0x110000):
        char = chr(code)
        category = unicodedata.ucd_3_2_0.category(char)
        if category in ("Cn", "Cs", "Co") or unicodedata.category(char) != category:
            continue
        if len(script.words(f"a{char}")) == 1:
            ours = "letter"
        elif len(script.words(f"1{char}")) == 1:
            ours = "number"
        else:
            ours = "space" if len(script.words(f"-{char}")) == 2 else "other"
        gpt2 = {"L": "letter", "N": "number", "Z": "space"}.get(category[0], "other")
        if ours != gpt2 and char not in "\t\n\v\f\r\x85":
            differing.add((category, ours))
    assert differing == {("Nl", "letter"), ("No", "letter"), ("Cc", "space")}


# --- Encoding and decoding
@given(ANY_TEXT)
def test_every_text_comes_back(learned: Any, text: str) -> None:
    assert learned.decode(learned.encode(text)) == text


@given(ANY_TEXT)
def test_pieces_tile_the_text(script: ModuleType, text: str) -> None:
    pieces = script.words(text)
    assert "".join(pieces) == text and all(pieces)


@given(st.lists(st.integers(0, 255 + 1_000)))
def test_any_list_of_ids_is_shown(learned: Any, tokens: list[int]) -> None:
    data = b"".join(learned.spelling[t] for t in tokens)
    text = learned.decode(tokens)
    try:
        assert text.encode("utf-8", "surrogatepass") == data
    except AssertionError:
        assert "\ufffd" in text


def test_half_a_letter(learned: Any) -> None:
    assert learned.decode([195]) == "\ufffd"
    assert learned.decode([195, 169]) == "\xe9"
    assert learned.decode([ord("a"), 0xED, 0xB2, 0x9D]) == "a\udc9d"


def replayed(tokens: list[int], merges: list[Any]) -> list[int]:
    for k, (pair, *_) in enumerate(merges):
        tokens = join_naively(tokens, pair, 256 + k)
    return tokens


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["the", " rabbit", "zzz", "hehehe", " said", "--", "aaaa"])))
def test_encoding_repeats_the_merges_in_order(
    script: ModuleType, merges: list[Any], parts: list[str]
) -> None:
    piece = "".join(parts)
    mine = script.Tokenizer(merges[:600]).encode_piece(piece)
    assert mine == replayed(list(piece.encode()), merges[:600])


@given(PIECES)
def test_training_pieces_are_encoded_as_learning_left_them(
    script: ModuleType, pieces: dict[str, int]
) -> None:
    _, left = learn_naively(pieces, 8)
    tokenizer = script.Tokenizer(script.learn(pieces, 8))
    assert [tokenizer.encode_piece(piece) for piece in pieces] == left


def test_the_order_of_learning_decides_what_the_chapter_says(
    script: ModuleType, merges: list[Any]
) -> None:
    tokenizer = script.Tokenizer(merges[: script.MERGES])
    spelled = [tokenizer.spelling[t] for t in tokenizer.encode("them")]
    assert spelled == [b"the", b"m"]  # though "th" is a token, too, learned after "he"
    assert 256 < tokenizer.spelling.index(b"he") < tokenizer.spelling.index(b"th")
    alices = [tokenizer.spelling.index(name) for name in (b" Alice", b"Alice")]
    assert alices[0] < alices[1]
    hand = script.Tokenizer(script.learn(HAND, 4))
    assert [hand.spelling[t] for t in hand.encode_piece(" seashells")] == [
        b" s", b"e", b"a", b"s", b"h", b"ells"
    ]  # fmt: skip


def test_no_token_crosses_a_word(script: ModuleType, learned: Any) -> None:
    made = [token.decode() for token in learned.spelling[256:]]
    assert all(len(script.words(token)) == 1 for token in made)
    assert len(set(made)) == len(made)  # here no two merges spell the same


def test_bytes_alone_are_one_token_each(script: ModuleType) -> None:
    text = "R\xe9sum\xe9 \U0001f407"
    assert script.Tokenizer([]).encode(text) == list(text.encode())


# --- Measuring
def test_bits_of_a_model_that_knows_nothing(script: ModuleType) -> None:
    bits = script.bits_per_byte(lambda p: list(p.encode()), 256, {}, {"cat": 3, " sat": 1})
    assert bits == pytest.approx(8.0)


def test_bits_by_hand(script: ModuleType) -> None:
    """Three a and one b seen, two symbols: q(a) = 4/6, q(b) = 2/6."""
    bits = script.bits_per_byte(list, 2, {"aab": 1, "a": 1}, {"ab": 5, "b": 1})
    assert bits == pytest.approx((5 * log2(6 / 4) + 6 * log2(6 / 2)) / 11)


def test_bytes_per_token_by_hand(script: ModuleType) -> None:
    tokenizer = script.Tokenizer(script.learn(HAND, 4))
    assert script.bytes_per_token(tokenizer.encode_piece, HAND) == 20 / 11


def test_whole_words_and_longest_match(script: ModuleType) -> None:
    encode = script.whole_words(Counter({" the": 9, " cat": 5, "s": 1}), 2)
    assert encode(" the") == [" the"] and encode("s") == [ord("s")]
    spelling = script.Tokenizer(script.learn(HAND, 4)).spelling
    assert script.longest_match(spelling)(" shells") == [b" s", b"h", b"ells"]


def test_held_out_chapters_are_in_no_training_text(script: ModuleType) -> None:
    text = script.read(script.TEXT)
    train, held = script.hold_out(text, random.Random(script.SEED))
    assert Counter(train) + Counter(held) == Counter(text)
    assert held.count("CHAPTER") == script.HELD_OUT and train.count("CHAPTER") == 10
    assert not set(held.split("\n\n")) & set(train.split("\n\n")) - {""}
    assert held != script.hold_out(text, random.Random(script.SEED + 1))[1]
    assert script.SENTENCE not in text + script.read(script.OTHER)


def said(script: ModuleType, name: str) -> str:
    """The sentence with which `shipped` ends the run."""
    with pytest.raises(SystemExit) as end:
        script.shipped(name)
    sentence = str(end.value)
    assert sentence.startswith(f"{name} is ") and "\n" not in sentence
    return sentence


def test_data_that_are_missing_altered_or_with_other_line_ends_are_told_apart(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good = script.shipped(script.TEXT)
    path = tmp_path / script.TEXT
    monkeypatch.setattr(script, "FOLDER", tmp_path)
    assert "missing" in said(script, script.TEXT) and str(tmp_path) in said(script, script.TEXT)
    path.mkdir()
    assert "missing" in said(script, script.TEXT)
    path.rmdir()
    path.write_bytes(good)
    assert script.shipped(script.TEXT) == good
    path.write_bytes(good.replace(b"\n", b"\r\n"))
    assert "line ends" in said(script, script.TEXT) and str(path) in said(script, script.TEXT)
    for other in (b"", good[:-1], good.replace(b"Alice", b"Alicia").replace(b"\n", b"\r\n")):
        path.write_bytes(other)
        assert "altered: " in said(script, script.TEXT)
        assert script.HASHES[script.TEXT] in said(script, script.TEXT)


def test_the_remedy_for_line_ends_is_one(script: ModuleType, tmp_path: Path) -> None:
    """In a clone whose Git writes CR LF, the command of the sentence brings the data back."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    tier = origin / "scripts" / "tier"
    tier.mkdir(parents=True)
    shutil.copy(str(script.__file__), tier / "x.py")
    shutil.copytree(script.FOLDER, origin / "scripts" / "data")

    def git(*words: object) -> None:
        who = ("-c", "user.name=x", "-c", "user.email=x")
        subprocess.run(["git", *who, *map(str, words)], cwd=origin, check=True)

    git("init", "--quiet")
    git("-c", "core.autocrlf=false", "add", ".")
    git("commit", "--quiet", "-m", "x")
    git("clone", "--quiet", "-c", "core.autocrlf=true", origin, clone)

    def sentence() -> str:
        code = f"import runpy; runpy.run_path('scripts/tier/x.py')['read']({script.TEXT!r})"
        return subprocess.run(
            [sys.executable, "-c", code], cwd=clone, capture_output=True, text=True
        ).stderr

    assert "only in its line ends" in sentence()
    command = re.findall(r"`(.+)`", sentence())[0]
    (clone / "scripts" / "data" / script.TEXT).unlink()
    subprocess.run(command, shell=True, cwd=clone, check=True)
    assert sentence() == ""


def test_a_pasted_script_finds_the_data_of_the_book(script: ModuleType, tmp_path: Path) -> None:
    """`python3 - < script` has no __file__: it reads below where it runs, or says what it needs."""
    text = Path(str(script.__file__)).read_text(encoding="ascii")
    start = text[: text.index("# === Cut the text")] + "print(len(read(TEXT)))\n"
    for folder, code in ((script.FOLDER.parents[1], 0), (tmp_path, 1)):
        run = subprocess.run(
            [sys.executable, "-"], input=start, cwd=folder, capture_output=True, text=True
        )
        assert run.returncode == code
        assert "Traceback" not in run.stderr
    assert str(tmp_path / "scripts" / "data") in run.stderr


def test_the_solutions_of_the_exercises_run(script: ModuleType) -> None:
    page = Path(__file__).parents[2] / "book" / "back" / "solutions" / "microtokenizer.md"
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    assert len(blocks) == 6
    for block in blocks:
        assert "assert" in block
        exec(block, dict(vars(script)))
