"""Properties of microsft: the loss mask, freezing, replay, packing, the exam; against JAX."""

import itertools
import random
import re
from copy import deepcopy
from math import log
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

jax.config.update("jax_enable_x64", True)

SOLUTIONS = Path(__file__).resolve().parents[2] / "book/back/solutions/microsft.md"
LOSSES = ["everything", "answer", "sounds"]


@pytest.fixture(autouse=True)
def empty_tape(script):
    """Every test starts with nothing recorded and ends so."""
    script.TAPE.clear()
    yield
    assert script.TAPE == []


@pytest.fixture(scope="module")
def task(script):
    random.seed(0)
    return script.Words()


@pytest.fixture
def model(script, task):
    random.seed(3)
    return script.GPT(task)


def examples(script, task, count, loss="answer", marks=None):
    return [script.example(task, row, marks or script.NEW, loss) for row in task.pairs[:count]]


def weights_of(model):
    """All numbers of a network, by name, for JAX."""
    query, key, value, output, up, down = model.layers[0]
    named = {
        "tokens": model.tokens, "positions": model.positions, "head": model.head,
        "q": query, "k": key, "v": value, "o": output, "u": up, "d": down,
    }  # fmt: skip
    return {name: jnp.array(node.value) for name, node in named.items()}, named


def norm(x):
    return x / jnp.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)


def by_jax(w, script, batch):
    """The masked mean over a batch, every example by itself: padding and packing play no part."""
    total, count = 0.0, 0
    for ids, given_, targets in batch:
        n, size = len(ids) - 1, script.WIDTH // script.HEADS
        places = [i if i < given_ - 1 else i - given_ + 1 for i in range(n)]
        x = w["tokens"][jnp.array(ids[:-1])] + w["positions"][jnp.array(places)]
        y, heads = norm(x), []
        for h in range(script.HEADS):
            q, k, v = ((y @ w[m].T)[:, h * size : (h + 1) * size] for m in "qkv")
            scores = jnp.where(jnp.tril(jnp.ones((n, n), bool)), q @ k.T / size**0.5, -jnp.inf)
            heads.append(jax.nn.softmax(scores) @ v)
        x = x + jnp.concatenate(heads, 1) @ w["o"].T
        x = x + jax.nn.relu(norm(x) @ w["u"].T) @ w["d"].T
        logs = jax.nn.log_softmax(norm(x) @ w["head"].T)
        for i, target in enumerate(targets):
            if target is not None:
                total, count = total - logs[i, target], count + 1
    return total / count


@pytest.mark.parametrize("loss", LOSSES)
def test_masked_loss_and_gradient_equal_jax(script, task, model, loss):
    batch = examples(script, task, 5, loss) + examples(script, task, 2, "everything", script.OLD)
    w, nodes = weights_of(model)
    expected, theirs = jax.value_and_grad(by_jax)(w, script, batch)
    ours = script.loss_of(model, batch)
    assert ours.value[0][0] == pytest.approx(float(expected), abs=1e-12)
    script.backward(ours)
    for name, node in nodes.items():
        assert np.abs(np.array(node.grad) - np.array(theirs[name])).max() < 1e-12, name


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_by_finite_differences(script, task, model, loss):
    batch = examples(script, task, 3, loss)
    script.backward(script.loss_of(model, batch))
    rng = random.Random(1)
    for node in model.parameters:
        gradient = node.grad
        for _ in range(4):
            i, j = rng.randrange(len(node.value)), rng.randrange(len(node.value[0]))
            kept, ends = node.value[i], []
            for step in (1e-6, -1e-6):
                node.value[i] = [*kept[:j], kept[j] + step, *kept[j + 1 :]]
                ends.append(script.loss_of(model, batch).value[0][0])
                script.TAPE.clear()
            node.value[i] = kept
            assert gradient[i][j] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-7)


def test_a_packed_batch_is_its_examples(script, task, model):
    """Below one another or each alone: the same loss, and nothing leaks."""
    batch = examples(script, task, 6)
    packed = script.loss_of(model, batch).value[0][0]
    alone = [script.loss_of(model, [one]).value[0][0] for one in batch]
    script.TAPE.clear()
    counts = [sum(t is not None for t in targets) for *_, targets in batch]
    assert packed == pytest.approx(np.average(alone, weights=counts), abs=1e-12)
    other = [examples(script, task, 9)[8], *batch[1:]]
    both = script.loss_of(model, other).value[0][0] * (
        sum(counts) - counts[0] + sum(t is not None for t in other[0][2])
    )
    first = script.loss_of(model, other[:1]).value[0][0] * sum(t is not None for t in other[0][2])
    script.TAPE.clear()
    rest = sum(a * n for a, n in zip(alone[1:], counts[1:], strict=True))
    assert both - first == pytest.approx(rest, abs=1e-10)


@given(
    st.text("abcxyz", min_size=1, max_size=6), st.integers(1, 6), st.sampled_from([".-.", "?:!"])
)
def test_what_is_asked_for(script, task, word, length, marks):
    sounds = sorted(task.sounds)[:length]
    found = {loss: script.example(task, [word, *sounds], marks, loss) for loss in LOSSES}
    ids, given_, everything = found["everything"]
    assert [task.symbols[i] for i in ids] == [marks[0], *word, marks[1], *sounds, marks[2]]
    assert everything == ids[1:] and len(everything) == len(word) + length + 2
    assert task.symbols[ids[given_ - 1]] == marks[1]
    asked = {
        loss: [task.symbols[t] for t in one[2] if t is not None] for loss, one in found.items()
    }
    assert asked["answer"] == [*sounds, marks[2]] and asked["sounds"] == sounds
    for _, _, targets in found.values():
        assert all(t is None or t == ids[i + 1] for i, t in enumerate(targets))


def test_the_loss_on_everything_is_a_weighted_mean(script, task, model):
    """Of the loss on questions and the loss on answers, by the numbers of their symbols."""
    for row in task.pairs[:5]:
        ids, given_, targets = script.example(task, row, script.NEW, "everything")
        parts = {
            "all": targets,
            "q": targets[: given_ - 1] + [None] * (len(targets) - given_ + 1),
            "a": [None] * (given_ - 1) + targets[given_ - 1 :],
        }
        value = {
            name: script.loss_of(model, [(ids, given_, part)]).value[0][0]
            for name, part in parts.items()
        }
        script.TAPE.clear()
        q, a = given_ - 1, len(targets) - given_ + 1
        assert value["all"] == pytest.approx((q * value["q"] + a * value["a"]) / (q + a))


def test_halves_and_families(script, task):
    words = [{row[0] for row in part} for part in (task.held_out, task.dictionary, task.pairs)]
    assert len(task.held_out) == script.HELD_OUT
    stems = {word[:4] for word in words[0]}
    assert not stems & {word[:4] for word in words[1] | words[2]}
    assert abs(len(task.dictionary) - len(task.pairs)) <= 1
    rows = [tuple(row) for row in task.dictionary + task.pairs + task.held_out]
    assert len(rows) == len(set(rows)) and all(len(row[0]) <= script.LONGEST for row in rows)


def test_shuffled_lines_keep_words_and_sounds(script, task):
    random.seed(2)
    honest, shuffled = (script.dictionary(task, kind) for kind in (False, True))

    def split(lines):
        return [(tuple(ids[:g]), tuple(ids[g:])) for ids, g, _ in lines]

    words, sounds = zip(*split(honest), strict=True)
    other_words, other_sounds = zip(*split(shuffled), strict=True)
    assert words == other_words and sorted(sounds) == sorted(other_sounds)
    assert np.mean([a == b for a, b in zip(sounds, other_sounds, strict=True)]) < 0.01


def tuned(script, model, task, **how):
    """A copy after a few steps, with what else `train` takes."""
    random.seed(5)
    other = deepcopy(model)
    for _ in script.train(other, examples(script, task, 8), 3, 0.05, 0, **how):
        pass
    return other


def test_frozen_numbers_stay(script, task, model):
    rows = [task.id[mark] for mark in script.NEW]
    other = tuned(script, model, task, rows=rows)
    for before, after in zip(model.parameters, other.parameters, strict=True):
        if before is model.tokens or before is model.head:
            moved = [i for i, (a, b) in enumerate(zip(before.value, after.value, strict=True))
                     if a != b]  # fmt: skip
            # nobody is asked for what follows the end, so its token is never read
            assert moved == sorted(
                set(rows) - ({task.id["!"]} if before is model.tokens else set())
            )
        else:
            assert before.value == after.value
    free = tuned(script, model, task)
    assert all(a.value != b.value for a, b in zip(model.parameters, free.parameters, strict=True))


def test_free_rows_get_the_gradient_that_they_would_get(script, task, model):
    rows = [task.id[mark] for mark in script.NEW]
    script.backward(script.loss_of(model, examples(script, task, 4)))
    kept = {"tokens": model.tokens.grad, "head": model.head.grad}
    script.freeze(model, rows)
    for name, whole in kept.items():
        node = getattr(model, name)
        for i, row in enumerate(node.grad):
            assert row == (list(whole[i]) if i in rows else [0.0] * script.WIDTH)
    others = [n for n in model.parameters if n is not model.tokens and n is not model.head]
    assert all(node.grad is None for node in others)


def test_copied_marks_are_the_old_ones(script, task, model):
    """Asked in the new form it says what it says in the old; the ends are twins."""
    random.seed(4)
    for _ in script.train(model, examples(script, task, 30, marks=script.OLD), 25, 0.05, 0):
        pass
    before = [script.ask(model, task, word, script.OLD) for word, *_ in task.held_out[:6]]
    script.copy_marks(model, task)
    for (word, *_), said in zip(task.held_out, before, strict=False):
        now = script.ask(model, task, word, script.NEW)
        assert now[:-1] == said[:-1] and (now[-1] in ".!") == (said[-1] == ".")
    tuned_ = tuned(script, model, task)
    ids = [task.id[mark] for mark in "!."]
    assert tuned_.head.value[ids[0]] != tuned_.head.value[ids[1]]  # no longer twins


@pytest.mark.parametrize("replay, old", [(0, 0), (0.25, 2), (0.5, 4), (1, 8)])
def test_each_batch_has_its_share_of_old_lines(script, task, model, monkeypatch, replay, old):
    batches = []
    original = script.loss_of
    monkeypatch.setattr(
        script, "loss_of", lambda model, batch: batches.append(batch) or original(model, batch)
    )
    lines = examples(script, task, 9, "everything", script.OLD)
    tuned(script, model, task, old=lines, replay=replay)
    assert len(batches) == 3
    for batch in batches:
        assert len(batch) == script.BATCH and sum(one in lines for one in batch) == old


def test_rates_rise_and_fall(script, task, model, monkeypatch):
    rates = []
    monkeypatch.setattr(script.Adam, "step", lambda self, rate: rates.append(rate))
    steps = list(script.train(model, examples(script, task, 8), 8, 0.4, 2))
    assert steps == [1, 2, 3, 4, 5, 6, 7, 8]
    assert rates == pytest.approx([0.2, 0.4, *(0.4 * (8 - s) / 6 for s in range(3, 9))])
    for node in model.parameters:
        node.grad = None


def test_deal_goes_through_all(script):
    random.seed(1)
    dealt = list(itertools.islice(script.deal("abcd"), 12))
    assert all(sorted(dealt[i : i + 4]) == list("abcd") for i in (0, 4, 8))


def test_asking_equals_reading_the_whole(script, task, model):
    """Kept keys and values say what one pass over question and answer says."""
    random.seed(4)
    for _ in script.train(model, examples(script, task, 30), 25, 0.05, 0):
        pass
    ended = 0
    for word, *_ in task.held_out[:8]:
        said = script.ask(model, task, word, script.NEW)
        ids, given_, _ = script.example(task, [word, *said[:-1]], script.NEW, "answer")
        asked = range(given_ - 1, len(ids) - 1)
        scores = model.logits([(ids[:-1], given_)], asked).value
        script.TAPE.clear()
        assert said == [task.symbols[row.index(max(row))] for row in scores]
        assert all(s in task.sounds for s in said[:-1])
        assert said[-1] not in task.sounds or given_ + len(said) == task.longest
        ended += said[-1] == "!"
    assert ended > 4


@given(st.lists(st.sampled_from(["AA", "T"]), max_size=4), st.sampled_from(["!", ".", "a", "T"]))
def test_marks_are_judged_apart(script, sounds, last):
    content, form, both = script.marked([*sounds, last], sounds, "?:!")
    assert content and form == (last == "!") and both == form
    assert script.marked([*sounds, "K", last], sounds, "?:!") == (False, last == "!", False)


def test_losses_and_exam_say_what_they_say(script, task, model, monkeypatch):
    monkeypatch.setattr(task, "held_out", task.held_out[:6])
    sounds, end = script.losses(model, task, script.NEW)
    rows = [script.example(task, row, script.NEW, "answer") for row in task.held_out]
    whole = script.loss_of(model, rows).value[0][0]
    script.TAPE.clear()
    n = sum(len(row) - 1 for row in task.held_out)
    assert whole == pytest.approx((n * sounds + 6 * end) / (n + 6))
    answers = iter([["AA", "!"], ["T", "."]] + [[*row[1:], "!"] for row in task.held_out[2:]])
    monkeypatch.setattr(script, "ask", lambda *_: next(answers))
    content, form, both = script.exam(model, task, script.NEW)
    assert (content, form, both) == pytest.approx((4 / 6, 5 / 6, 4 / 6))


def test_counts_look_at_the_letter_in_place(script, task):
    row = ["soft", "S", "AO", "F", "T"]
    assert script.clues(task, row, 0) == ("s", ":", "o", None, "f")
    assert script.clues(task, row, 2) == ("f", "AO", "t", "o", ":")
    assert script.clues(task, row, 4) == (":", "T", None, "t", None)


def test_counts_know_what_they_counted(script, task, monkeypatch, capsys):
    """Asked for the words that it counted, a table says nearly all of them right."""
    monkeypatch.setattr(task, "held_out", task.pairs[:20])
    script.counted(task, "counts", task.pairs[:20])
    content, end, *shares = map(float, re.findall(r"[\d.]+", capsys.readouterr().out))
    assert content < 0.8 and end < 0.8 and shares[2] > 0.8 and shares[1] > 0.9


def test_counts_of_nothing_are_even(script, task, monkeypatch, capsys):
    monkeypatch.setattr(task, "held_out", task.held_out[:3])
    script.counted(task, "counts", [])
    content = float(re.findall(r"[\d.]+", capsys.readouterr().out)[0])
    assert content == pytest.approx(log(len(task.symbols)), abs=1e-3)


def test_all_ways_begin_with_the_same_pairs(script, task, monkeypatch):
    monkeypatch.setattr(script, "STEPS", 0)
    seen = []
    monkeypatch.setattr(
        script, "train", lambda model, pairs, *rest: seen.append((pairs, rest)) or iter(())
    )
    base, lines = script.read(task, "dictionary")
    other, _ = script.read(task, "shuffled")
    assert [n.value for n in base.parameters] == [n.value for n in other.parameters]
    how = script.HOW | {"pairs": 5, "loss": "everything", "learn": "marks", "replay": 0.5}
    copy = script.tune(task, base, lines, how)
    assert copy is not base and len(seen[-1][0]) == 5 and seen[-1][1][3] is lines
    assert seen[-1][0] == examples(script, task, 5, "everything")
    assert sorted(seen[-1][1][-1]) == sorted(task.id[mark] for mark in "?:!")


SMALL = {"STEPS": 2, "HELD_OUT": 6, "CURVE": [1]}


@pytest.fixture
def small(script, monkeypatch):
    """Few steps, few words to ask."""
    for name, value in SMALL.items():
        monkeypatch.setattr(script, name, value)
    monkeypatch.setattr(script, "HOW", script.HOW | {"steps": 2, "pairs": 3})
    monkeypatch.setattr(
        script, "WAYS", {who: {**way, "steps": 1} for who, way in script.WAYS.items()}
    )
    return script


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LONGEST", 0), ("WIDTH", 15), ("BATCH", 0), ("STEPS", -1), ("CLUES", -1),
        ("WAYS", {"x": {"base": "me"}}), ("WAYS", {"x": {"lip": 1}}), ("WAYS", {"x": {"pairs": 0}}),
        ("WAYS", {"x": {"loss": "mine"}}), ("WAYS", {"x": {"replay": 2}}),
        ("WAYS", {"x": {"learn": "it"}}),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_said(small, monkeypatch, name, value, capsys):
    monkeypatch.setattr(small, name, value)
    with pytest.raises(SystemExit, match="setting"):
        small.main()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("longest", "number"), [(6, 0), (6, 4000), (1, 2)])
def test_too_few_or_too_many_held_out_are_said(small, monkeypatch, longest, number):
    monkeypatch.setattr(small, "LONGEST", longest)
    monkeypatch.setattr(small, "HELD_OUT", number)
    with pytest.raises(SystemExit, match="HELD_OUT"):
        small.main()


@pytest.mark.parametrize(
    "change",
    [{}, {"STEPS": 0}, {"WAYS": {}}, {"SHOWN": 0}, {"CURVE": []}, {"CLUES": 0}, {"HELD_OUT": 1},
     {"BATCH": 1}, {"WAYS": {"x": {"steps": 0, "pairs": 1}}}, {"LONGEST": 3},
     {"WAYS": {"x": {"base": "shuffled", "steps": 1, "replay": 1, "warm up": 0}}}],
)  # fmt: skip
def test_small_settings_end_well(small, monkeypatch, capsys, change):
    for name, value in change.items():
        monkeypatch.setattr(small, name, value)
    small.main()
    out = capsys.readouterr().out
    assert out.splitlines()[-1].startswith("counts, read  | ") and "nan" not in out
    assert all(len(line) <= 79 for line in out.splitlines())


def test_main_prints_the_same_twice(small, capsys):
    printed = []
    for _ in range(2):
        small.main()
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_the_code_of_the_solutions_is_right(script):
    """Each block asserts what it claims."""
    names = dict(vars(script))
    blocks = re.findall(r"```python\n(.*?)```", SOLUTIONS.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, names)
    script.TAPE.clear()
