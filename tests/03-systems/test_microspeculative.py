"""Properties of microspeculative: the rule against NumPy and a second enumeration, calls, rows."""

import random
import re
from math import log
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

jax.config.update("jax_enable_x64", True)


@pytest.fixture(autouse=True)
def empty_tape(script):
    """Every test starts with nothing recorded and ends so."""
    script.TAPE.clear()
    yield
    assert script.TAPE == []


class Table:
    """A target and a draft by chance: other chances after every text, the end being 0."""

    def __init__(self, classes, seed):
        self.classes, self.seed, self.calls, self.asked = classes, seed, 0, []

    def __call__(self, ids):
        rng = random.Random(f"{self.seed} {ids}")
        row = [rng.random() ** 3 for _ in range(self.classes)]
        return [v / sum(row) for v in row]

    def check(self, ids, drafts):
        self.calls += 1
        self.asked.append(len(drafts))
        return [self([*ids, *drafts[:i]]) for i in range(len(drafts) + 1)]


class Trained:
    """Five symbols, names of at most six tokens."""

    symbols = [".", "a", "b", "c", "d"]
    longest = 6


@pytest.fixture
def target(script, monkeypatch):
    for name, value in {"WIDTH": 6, "HIDDEN": 5, "LAYERS": 2}.items():
        monkeypatch.setattr(script, name, value)
    random.seed(3)
    return script.Target(script.GPT(Trained()), Trained.longest)


def rows(classes=4):
    """Chances, zeros among them."""
    weights = st.lists(st.integers(0, 8), min_size=classes, max_size=classes)
    return weights.filter(any).map(lambda ws: [w / sum(ws) for w in ws])


def first_token(script, p, q, repair):
    """Chances of the first token if the chances never change and one token is drafted."""

    class Always:
        def check(self, ids, drafts):
            return [p] * (len(drafts) + 1)

    def program(dice):
        kept, own = script.speculate(Always(), lambda ids: q, [0], 1, repair, dice)
        return (kept + own)[0]

    found = script.outcomes(program)
    return np.array([found.get(x, 0.0) for x in range(len(p))])


@given(rows(), rows())
def test_one_token_has_the_distribution_of_the_target(script, p, q):
    assert np.abs(first_token(script, p, q, script.lacking) - p).max() < 1e-12


@given(rows(), rows())
def test_without_the_residual_it_has_the_one_of_the_chapter(script, p, q):
    both = np.minimum(p, q)
    expected = both + (1 - both.sum()) * np.array(p)
    assert np.abs(first_token(script, p, q, script.target_again) - expected).max() < 1e-12
    assert np.abs(np.array(script.again(p, q)) - expected).max() < 1e-12


@given(rows(), rows())
def test_no_draft_is_kept_more_often_than_both_sides_allow(script, p, q):
    """alpha is one minus the total variation, and Pinsker's bound holds."""
    alpha = np.minimum(p, q).sum()
    off = script.variation(dict(enumerate(p)), dict(enumerate(q)))
    assert alpha == pytest.approx(1 - off)
    lacking = np.maximum(np.array(p) - np.array(q), 0)
    if lacking.any():
        assert np.abs(np.array(script.lacking(p, q)) - lacking).max() < 1e-15
    if all(b for a, b in zip(p, q, strict=True) if a):
        divergence = sum(a * log(a / b) for a, b in zip(p, q, strict=True) if a)
        assert off <= (max(0.0, divergence) / 2) ** 0.5 + 1e-9


def by_recursion(p, q, ids, length, limit):
    """Chances of texts of at most `limit` tokens after calls of `length` drafts: no dice, no calls.

    A second way to the same numbers, written from the formulas: what a place holds is a kept draft
    or the residual, and only a kept draft lets the next place be drafted.
    """
    found = {}

    def place(text, drafted, chance):
        if text and (text[-1] == 0 or len(text) == limit):
            found[text] = found.get(text, 0.0) + chance
            return
        a, b = np.array(p([*ids, *text])), np.array(q([*ids, *text]))
        both = np.minimum(a, b) if drafted < length else 0 * a
        rest = a - both
        for x in range(len(a)):
            if both[x]:
                place((*text, x), drafted + 1, chance * both[x])
            if rest[x]:
                place((*text, x), 0, chance * rest[x])

    place((), 0, 1.0)
    return found


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_every_text_has_the_chance_that_the_target_gives_it(script, length):
    p, q = Table(3, "p"), Table(3, "q")
    found = script.beginnings(
        lambda ids, dice: sum(script.speculate(p, q, ids, length, dice=dice), []), 4
    )
    assert sum(found.values()) == pytest.approx(1)
    for text, chance in found.items():
        product = 1.0
        for i in range(1, len(text)):
            product *= p(list(text[:i]))[text[i]]
        assert chance == pytest.approx(product, abs=1e-12)
    recursive = by_recursion(p, q, [0], length, 4)
    assert recursive.keys() == {text[1:] for text in found}
    assert all(found[(0, *text)] == pytest.approx(v, abs=1e-12) for text, v in recursive.items())


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_knock_out_is_seen(script, length):
    p, q = Table(3, "p"), Table(3, "q")
    alone = script.beginnings(lambda ids, dice: [dice(p(ids))], 3)

    def write(ids, dice):
        return sum(script.speculate(p, q, ids, length, script.target_again, dice), [])

    assert script.variation(alone, script.beginnings(write, 3)) > 0.02


def test_in_a_stream_the_next_name_begins_as_any_name(script):
    """Six tokens of a stream, ends among them: every one given the name that was begun."""
    p, q = Table(3, "p"), Table(3, "q")
    p.check = lambda ids, drafts: [
        p(script.begun([*ids, *drafts[:i]])) for i in range(len(drafts) + 1)
    ]
    found = script.outcomes(
        lambda dice: tuple(sum(script.speculate(p, q, [0], 3, dice=dice, stream=True), []))
    )
    assert any(0 in text[:-1] for text in found)
    first = [sum(v for text, v in found.items() if text[0] == x) for x in range(3)]
    assert first == pytest.approx(p([0]), abs=1e-12)
    # where a first end was kept, the token after it is one that begins a name
    after = [sum(v for t, v in found.items() if t[0] == 0 and len(t) > 1 and t[1] == x)
             for x in range(3)]  # fmt: skip
    assert [v / sum(after) for v in after] == pytest.approx(p([0]), abs=1e-12)


def test_a_call_gives_one_token_at_least_and_one_more_than_drafted_at_most(script):
    random.seed(5)
    p, q = Table(3, "p"), Table(3, "q")
    for length in (0, 1, 4):
        seen = set()
        for _ in range(300):
            kept, own = script.speculate(p, q, [0], length)
            seen.add(len(kept) + len(own))
            assert len(own) == 1 or kept[-1] == 0
            assert 0 not in kept[:-1]
        assert min(seen) == 1 and max(seen) <= length + 1
        if length == 1:
            assert seen == {1, 2}


def test_who_drafts_what_the_target_wants_is_never_refused(script):
    random.seed(5)
    p = Table(4, "p")
    for _ in range(100):
        kept, own = script.speculate(p, p, [0], 5)
        assert len(kept) == p.asked[-1] and (own or kept[-1] == 0)
        assert p.asked[-1] == 5 or kept[-1] == 0


def test_calls_and_rows_are_counted(script, target):
    random.seed(2)
    q = Table(5, "q")
    names, tokens, read = script.compose(target, None, 0, 20)
    assert len(names) >= 20 and tokens == 1 and read == 1
    names, tokens, read = script.compose(target, q, 3, 20)
    assert 1 < tokens <= 4 and target.rows == pytest.approx(read * tokens * target.calls)
    assert target.calls < sum(len(ids) - 1 for ids in names) == round(tokens * target.calls)
    for ids in names:
        assert ids[0] == ids[-1] == 0 and 0 not in ids[1:-1] and len(ids) <= Trained.longest


def test_the_target_is_the_network(script, target):
    """Kept keys and values give the rows of the whole forward pass, in any order of asking."""
    texts = [[0, 3, 1], [0, 3, 1, 4], [0], [0, 3, 2], [0, 3, 1, 4]]
    for ids in texts:
        row = target.model.logits([(ids, 1)], [len(ids) - 1]).value[0]
        script.TAPE.clear()
        assert target(ids) == pytest.approx(script.softmax(row), abs=1e-12)
        assert target(ids) == pytest.approx(by_jax(script, target.model, ids), abs=1e-12)
    assert target([0, 1, 2, 3, 4]) == [1.0, 0.0, 0.0, 0.0, 0.0]
    drafts = [3, 1]
    assert target.check([0], drafts) == [target([0]), target([0, 3]), target([0, 3, 1])]


def by_jax(script, model, ids):
    """The last row of chances, written from the formulas with whole matrices."""
    x = jnp.array(model.tokens.value)[jnp.array(ids)]
    x = x + jnp.array(model.positions.value)[: len(ids)]

    def norm(x):
        return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-5)

    mask = jnp.tril(jnp.ones((len(ids), len(ids)), bool))
    for layer in model.layers:
        query, key, value, output, up, down = (jnp.array(node.value) for node in layer)
        heads = []
        parts = (jnp.split(norm(x) @ w.T, script.HEADS, 1) for w in (query, key, value))
        for q, k, v in zip(*parts, strict=True):
            scores = jnp.where(mask, q @ k.T / q.shape[1] ** 0.5, -jnp.inf)
            heads.append(jax.nn.softmax(scores) @ v)
        x = x + jnp.concatenate(heads, 1) @ output.T
        x = x + jax.nn.relu(norm(x) @ up.T) @ down.T
    return np.array(jax.nn.softmax(norm(x)[-1] @ jnp.array(model.head.value).T))


def test_copies_of_a_memory_go_their_own_way(script, target):
    memory = script.Memory(target.model)
    memory.read(0, 0)
    one, other = memory.copy(), memory.copy()
    left, right = one.read(1, 1), other.read(2, 1)
    assert left != right and memory.copy().read(1, 1) == left
    assert [len(keys) for keys, _ in memory.layers[0]] == [1, 1]


def test_sampled_names_follow_the_enumerated_chances(script, target):
    """The dice that fall by chance are those that were enumerated: a chi-square of first tokens."""
    random.seed(7)
    q = Table(5, "q")
    drawn = [sum(script.speculate(target, q, [0], 2), [])[0] for _ in range(4000)]
    expected = np.array(target([0])) * len(drawn)
    found = np.bincount(drawn, minlength=5)
    assert ((found - expected) ** 2 / expected).sum() < 18.5  # 4 degrees: p = .001
    drawn = [sum(script.speculate(target, q, [0], 2, script.target_again), [])[0]
             for _ in range(4000)]  # fmt: skip
    found = np.bincount(drawn, minlength=5)
    assert ((found - expected) ** 2 / expected).sum() > 50


def test_outcomes_are_all_and_their_chances_sum_to_one(script):
    def program(dice):
        return tuple(dice([1, 2, 1]) for _ in range(1 + dice([3, 1])))

    found = script.outcomes(program)
    assert len(found) == 3 + 9 and sum(found.values()) == pytest.approx(1)
    assert found[1,] == pytest.approx(0.75 * 0.5) and found[1, 2] == pytest.approx(0.25 / 8)


def test_counts_draft_with_chances(script):
    names = [[0, 1, 2, 0], [0, 1, 1, 0], [0, 2, 0]]
    for letters in (0, 1, 3):
        q = script.Count(names, letters, 3)
        assert q.clues([5, 6, 7]) == (7, 6, 5)[:letters]
        for ids in ([0], [0, 1], [0, 2, 2, 2], [0, 1, 2]):
            assert sum(q(ids)) == pytest.approx(1) and min(q(ids)) > 0
    assert script.Count(names, 1, 3)([0, 1]) == script.Count(names, 1, 3)([0, 2, 1])
    assert script.likeliest(lambda ids: [0.2, 0.5, 0.3])([0]) == [0.0, 1.0, 0.0]


def test_judging(script):
    p, q = Table(3, "p"), Table(3, "q")
    names = [[0, 1, 2, 0], [0, 0]]
    texts = [([0], 1), ([0, 1], 2), ([0, 1, 2], 0), ([0], 0)]
    assert script.loss(p, names) == pytest.approx(np.mean([-log(p(i)[x]) for i, x in texts]))
    assert script.agreement(p, q, names) == pytest.approx(
        np.mean([np.minimum(p(i), q(i)).sum() for i, _ in texts])
    )
    assert script.agreement(p, p, names) == pytest.approx(1)
    assert script.surprise(p, p, names) == pytest.approx(
        np.mean([-(np.array(p(i)) * np.log(p(i))).sum() for i, _ in texts])
    )


def test_what_is_held_out_is_never_trained_on(script):
    random.seed(0)
    task = script.Task("names", script.read())
    learn, held = ({tuple(ids) for ids, _ in part} for part in (task.train, task.held_out))
    assert not learn & held and len(task.held_out) == int(0.1 * len(script.read()))
    assert task.id[script.END] == 0  # as `begun` and `speculate` take it


@pytest.mark.parametrize(
    "setting",
    [("HEADS", 3), ("BATCH", 0), ("REPORT", 0), ("NAMES", 0), ("CHECKED", 0), ("EXAMPLES", 0),
     ("HELD_OUT", 0.0), ("HELD_OUT", 1.0), ("LENGTH", -1), ("LENGTHS", [2, -1]), ("OWN", -1),
     ("LETTERS", [-1]), ("LETTER", -1), ("BEGUN", "Ma"), ("BEGUN", "m a")],
)  # fmt: skip
def test_a_setting_that_cannot_work_ends_in_a_sentence(script, monkeypatch, setting):
    monkeypatch.setattr(script, *setting)
    with pytest.raises(
        SystemExit, match="a setting is too small, HEADS does not divide WIDTH, HEL"
    ):
        script.main()


SMALL = {"STEPS": 0, "NAMES": 1, "OWN": 0, "CHECKED": 1, "HELD_OUT": 0.001, "EXAMPLES": 1,
         "WARM_UP": 0, "LETTERS": [1], "LENGTHS": [], "ENUMERATED": 0}  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [{}, {"LETTERS": [], "LENGTHS": [0], "ENUMERATED": 1, "SPELLED": 0, "BEGUN": "", "LENGTH": 0,
          "LETTER": 0},
     {"LETTER": 9, "LENGTH": 30, "BEGUN": 20 * "z", "LAYERS": 2}],
)  # fmt: skip
def test_small_settings_end_well(script, monkeypatch, capsys, settings):
    for name, value in {**SMALL, **settings}.items():
        monkeypatch.setattr(script, name, value)
    script.main()
    assert "its likeliest" in capsys.readouterr().out


def test_the_code_of_the_solutions_is_right(script):
    """Each block asserts what it claims, in the order of the page."""
    name = "book/back/solutions/microspeculative.md"
    text = (Path(__file__).resolve().parents[2] / name).read_text(encoding="utf-8")
    names = dict(vars(script))
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        exec(block, names)


def test_the_twenty_slips(script):
    """The chapter's example: five a and one e on the six slips; three, 1.8 and 1.2 else."""
    p, q = [4 / 20, 10 / 20, 6 / 20], [10 / 20, 5 / 20, 5 / 20]
    assert np.allclose(np.array(script.lacking(p, q)) * 20, [0, 5, 1])
    assert np.allclose(20 * first_token(script, p, q, script.lacking), [4, 10, 6])
    assert np.allclose(20 * first_token(script, p, q, script.target_again), [5.2, 8, 6.8])
