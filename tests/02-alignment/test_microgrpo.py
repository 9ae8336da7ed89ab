"""Properties of microgrpo: the clipped loss, advantages, answers, their checkers; against JAX."""

import itertools
import random
import re
from math import exp, log
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

jax.config.update("jax_enable_x64", True)

scores = st.lists(st.floats(-4, 4), min_size=3, max_size=3)
rows = st.lists(
    st.tuples(scores, st.integers(0, 2), st.floats(-3, 3), st.floats(0.05, 1.0)),
    min_size=1,
    max_size=4,
)
names = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=6)


@pytest.fixture(autouse=True)
def empty_tape(script):
    script.TAPE.clear()
    yield
    assert script.TAPE == []


@pytest.fixture(scope="module")
def task(script):
    random.seed(0)
    return script.Names()


@pytest.fixture
def model(script, task):
    random.seed(3)
    return script.GPT(task)


@pytest.fixture
def small(script, monkeypatch):
    """Four questions with four answers each."""
    monkeypatch.setattr(script, "QUESTIONS", 4)
    monkeypatch.setattr(script, "GROUP", 4)


def clipped(script, cases, clip, answers):
    """(loss, dlogits, share that does not pull) of the script."""
    logits, targets, earned, chances = zip(*cases, strict=True)
    node = script.Node([list(row) for row in logits])
    loss, share = script.clipped_loss(node, targets, earned, chances, clip, answers)
    value = loss.value[0][0]
    script.backward(loss)
    return value, np.array(node.grad), share


def clipped_by_jax(logits, targets, earned, chances, clip, answers):
    p = jax.nn.softmax(logits)[jnp.arange(len(targets)), jnp.array(targets)]
    ratio, a = p / jnp.array(chances), jnp.array(earned)
    return -jnp.minimum(ratio * a, jnp.clip(ratio, 1 - clip, 1 + clip) * a).sum() / answers


@settings(max_examples=60)
@given(rows, st.sampled_from([0.1, 0.2, 0.9, 1e9]), st.integers(1, 9))
def test_loss_and_gradient_equal_jax(script, cases, clip, answers):
    logits, targets, earned, chances = zip(*cases, strict=True)
    value, gradient, _ = clipped(script, cases, clip, answers)
    expected, theirs = jax.value_and_grad(clipped_by_jax)(
        jnp.array(logits), targets, earned, chances, clip, answers
    )
    assert value == pytest.approx(float(expected), rel=1e-9, abs=1e-9)
    assert np.abs(gradient - np.array(theirs)).max() < 1e-8


def test_gradient_by_finite_differences(script):
    rng = random.Random(2)
    cases = [
        ([rng.uniform(-2, 2) for _ in range(3)], t % 3, rng.uniform(-2, 2), rng.uniform(0.2, 0.6))
        for t in range(6)
    ]
    _, gradient, share = clipped(script, cases, 0.2, 3)
    assert 0 < share < 1  # some pull and some do not
    for i, j in itertools.product(range(6), range(3)):
        ends = []
        for step in (1e-6, -1e-6):
            moved = [(list(row), *rest) for row, *rest in cases]
            moved[i][0][j] += step
            ends.append(clipped(script, moved, 0.2, 3)[0])
        assert gradient[i, j] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-8)


@pytest.mark.parametrize(
    ("ratio", "advantage", "pulls"),
    [(1.3, 1, False), (1.3, -1, True), (0.7, -1, False), (0.7, 1, True), (1.1, 1, True)],
)
def test_who_has_gone_far_enough_pulls_no_more(script, ratio, advantage, pulls):
    _, gradient, share = clipped(script, [([0.0, 0.0, 0.0], 1, advantage, 1 / 3 / ratio)], 0.2, 1)
    assert (share == 0) == pulls == bool(np.abs(gradient).max() > 0)


@settings(max_examples=30)
@given(scores, st.lists(st.floats(-2, 2), min_size=3, max_size=3))
def test_on_average_the_gradient_is_that_of_the_expected_reward(script, logits, rewards):
    """Every answer of one symbol, as often as it is drawn, is pushed by its reward."""
    p = script.softmax(logits)
    cases = [(logits, y, p[y] * r, p[y]) for y, r in enumerate(rewards)]
    _, gradient, _ = clipped(script, cases, 0.2, 1)
    expected = jax.grad(lambda z: (jax.nn.softmax(z) * jnp.array(rewards)).sum())(jnp.array(logits))
    assert np.abs(gradient.sum(0) + np.array(expected)).max() < 1e-9


@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_group_that_holds_the_answer_shrinks_the_gradient(script, size):
    """All groups of answers, 0 or 1, to one question: E[(R - mean) dlog p] = (1 - 1/G) dq."""
    q = 0.3  # the chance of the right answer, a sigmoid of one number
    total = 0.0
    for group in itertools.product((0, 1), repeat=size):
        chance = np.prod([q if right else 1 - q for right in group])
        mean = sum(group) / size
        slopes = [(right - q) for right in group]  # dlog p / dlogit
        total += chance * sum((r - mean) * s for r, s in zip(group, slopes, strict=True)) / size
    assert total == pytest.approx((1 - 1 / size) * q * (1 - q))


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=9))
def test_advantages_are_standard_scores(script, rewards):
    ours = script.advantages(rewards)
    if len(set(rewards)) == 1:
        assert ours == [0.0] * len(rewards)
    else:
        assert np.mean(ours) == pytest.approx(0, abs=1e-12) and np.std(ours) == pytest.approx(1)
        assert ours == pytest.approx(((rewards - np.mean(rewards)) / np.std(rewards)).tolist())
        shifted = script.advantages([3 * r - 7 for r in rewards])
        assert ours == pytest.approx(shifted)
    assert script.advantages(rewards, baseline=False) == rewards


@given(names, st.booleans())
def test_a_right_answer_is_paid_and_another_number_is_not(script, name, aloud):
    said = script.answer(name, aloud)
    vowels = len(re.findall("[aeiouy]", name))
    assert said[-3:] == "=" + "ABCDEFG"[vowels] + "."
    assert len(said) == 3 + aloud * len(name)
    assert script.reward(name, said) == 1
    assert script.half(name, said) == (0.5 if aloud else 1)
    wrong = said[:-2] + "ABCDEFGH"[vowels + 1] + "."
    assert script.reward(name, wrong) == script.half(name, wrong) == 0
    assert script.reward(name, said[:-1]) == 0  # it has not ended


@given(names)
def test_counts_rise_by_one_at_vowels(script, name):
    said = ["ABCDEFG".index(s) for s in script.counts(name)]
    steps = [b - a for a, b in itertools.pairwise([0, *said])]
    assert steps == [int(s in "aeiouy") for s in name]


def test_dots_are_as_long_as_counts(script, monkeypatch):
    counted = script.answer("emma", True)
    monkeypatch.setattr(script, "THOUGHTS", "dots")
    assert script.answer("emma", True) == "AAAA=C." and len(counted) == 7


def test_no_family_stands_on_both_sides(script, task):
    stems = {name[:4] for name in task.held_out}
    assert len(task.held_out) == script.HELD_OUT
    assert all(len(name) <= script.LONGEST for name in task.train + task.held_out)
    assert not stems & {name[:4] for name in task.train}
    assert len(task.train) > 4000


def test_an_answer_knows_its_chances(script, task, model):
    """Drawn with kept keys and values, checked by one pass over the whole sequence."""
    random.seed(1)
    for name in task.train[:6]:
        one = script.say(task, script.ask(model, task, name))
        logits, targets = script.predictions(model, [(one.ids, one.given)])
        script.TAPE.clear()
        p = [script.softmax(row)[t] for row, t in zip(logits.value, targets, strict=True)]
        assert one.chances == pytest.approx(p)
        assert one.said == "".join(task.symbols[i] for i in targets)
        assert len(one.ids) <= task.longest
        assert one.said.find(".") in (-1, len(one.said) - 1)


def test_a_greedy_answer_takes_the_likeliest_symbols(script, task, model):
    asked = script.ask(model, task, "emma")
    first, again = (script.say(task, asked, greedy=True) for _ in range(2))
    logits, targets = script.predictions(model, [(first.ids, first.given)])
    script.TAPE.clear()
    assert first.said == again.said
    assert targets == [row.index(max(row)) for row in logits.value]


def test_answers_leave_the_question_as_it_was(script, task, model):
    random.seed(4)
    asked = script.ask(model, task, "anna")
    lengths = [len(keys) for heads in asked[1].layers for keys, _ in heads]
    script.say(task, asked)
    assert lengths == [len(keys) for heads in asked[1].layers for keys, _ in heads]


def flat(model):
    return np.concatenate([np.ravel(node.grad) for node in model.parameters])


def test_raw_rewards_push_as_imitation_does(script, task, model):
    """At the policy that answered, 0 or 1 without a baseline is imitation of the right answers."""
    random.seed(5)
    answers = [script.say(task, script.ask(model, task, name)) for name in task.train[:6]]
    for i, one in enumerate(answers):
        one.earned = float(i % 2)
    right = [one for one in answers if one.earned]
    script.backward(script.push(model, right, 0.2, len(answers))[0])
    pushed = flat(model)
    for node in model.parameters:
        node.grad = None
    script.backward(script.loss_of(model, [(one.ids, one.given) for one in right]))
    symbols = sum(len(one.chances) for one in right)
    assert np.abs(pushed - flat(model) * symbols / len(answers)).max() < 1e-12


def test_the_gradient_of_a_batch_equals_jax(script, task, model):
    """Sum of A log pi over whole answers, back to the head, by another's softmax and gradient."""
    random.seed(6)
    answers = [script.say(task, script.ask(model, task, name)) for name in task.train[:4]]
    for one, earned in zip(answers, script.advantages([1, 0, 0, 1]), strict=True):
        one.earned = earned
    logits, targets = script.predictions(model, [(one.ids, one.given) for one in answers])
    script.TAPE.clear()
    weights = np.repeat([one.earned for one in answers], [len(one.chances) for one in answers])

    def objective(z):
        logs = jax.nn.log_softmax(z)[jnp.arange(len(targets)), jnp.array(targets)]
        return -(weights * logs).sum() / 4

    theirs = jax.grad(objective)(jnp.array(logits.value))
    node = script.Node(logits.value)
    chances = [chance for one in answers for chance in one.chances]
    loss, share = script.clipped_loss(node, targets, list(weights), chances, 0.2, 4)
    script.backward(loss)
    assert share == 0
    assert np.abs(np.array(node.grad) - np.array(theirs)).max() < 1e-12


def test_who_is_always_paid_learns_nothing(script, task, model, monkeypatch, small):
    monkeypatch.setitem(script.CHECKERS, "number", lambda name, said: 1.0)
    random.seed(1)
    tuned, work, share = script.grpo(model, task, {"steps": 2})
    assert [n.value for n in tuned.parameters] == [n.value for n in model.parameters]
    assert share == 0 and 0 < work < 2 * 4 * (7 + 4 * 16)


def test_a_checker_of_the_first_symbol_is_obeyed(script, task, model, monkeypatch, small):
    """Pay for beginning with =, and they do; the model that was given stays as it was."""
    monkeypatch.setitem(script.CHECKERS, "number", lambda name, said: float(said[0] == "="))
    kept = [list(node.value) for node in model.parameters]

    def share(model):
        first = task.id["="]
        return np.mean(
            [script.softmax(script.ask(model, task, n)[2])[first] for n in task.train[:20]]
        )

    random.seed(2)
    tuned, work, clipped = script.grpo(model, task, {"steps": 25, "rate": 0.03})
    assert share(tuned) > share(model) + 0.3
    assert clipped == 0  # one pass over fresh answers: every ratio is 1
    assert kept == [node.value for node in model.parameters] and work > 0
    random.seed(2)
    _, more, clipped = script.grpo(model, task, {"steps": 5, "rate": 0.03, "epochs": 3})
    assert 0 < clipped < 1


def test_the_rivals_keep_to_the_work(script, task, model, monkeypatch):
    """Steps times tokens a step, three each, and what was read: within a step of the budget."""
    done = []

    def imitate(model, examples, steps, rate, warm_up=0):
        done.append((examples, steps))
        return model

    monkeypatch.setattr(script, "imitate", imitate)
    monkeypatch.setattr(script, "RIVALS", {"own right": None, "aloud only": 1, "both ways": 0.5})
    monkeypatch.setattr(script, "own_right", lambda model, task: ([([0] * 11, 5)] * 9, 4000))
    random.seed(1)
    for who, spent in (("own right", 4000), ("aloud only", 0), ("both ways", 0)):
        script.rival(model, task, who, 20_000)
        examples, steps = done[-1]
        tokens = 3 * script.BATCH * np.mean([len(ids) - 1 for ids, _ in examples])
        assert abs(20_000 - spent - steps * tokens) <= tokens / 2
    monkeypatch.setattr(script, "own_right", lambda model, task: ([], 10))
    assert script.rival(model, task, "own right", 20_000) is not model
    assert done[-1] == ([], 0)


def test_own_right_answers_are_right(script, task, model, monkeypatch, small):
    monkeypatch.setattr(script, "HOW", script.HOW | {"steps": 2})
    monkeypatch.setattr(script, "reward", lambda name, said: float("=" in said))
    random.seed(3)
    right, work = script.own_right(model, task)
    assert work > 8 * 4 and right
    assert all(task.id["="] in ids[given:] for ids, given in right)


def test_a_row_says_what_was_measured(script, task, model, monkeypatch, capsys):
    """All of it again by another way: answers drawn with the same seed."""
    few = SimpleNamespace(
        held_out=task.held_out[:5], id=task.id, symbols=task.symbols, longest=task.longest,
        example=task.example,
    )  # fmt: skip
    monkeypatch.setattr(script, "reward", lambda name, said: float(len(said) % 2))
    monkeypatch.setattr(script, "DRAWN", 30)  # enough for some that begin with =
    script.measure(model, few, "who", 12_345, 0.25)
    row = capsys.readouterr().out
    random.seed(script.SEED)
    first, drawn, greedy = [], [], []
    for name in few.held_out:
        asked = script.ask(model, few, name)
        first.append(1 - exp(asked[2][task.id["="]] - log(sum(map(exp, asked[2])))))
        greedy.append(len(script.say(few, asked, True).said) % 2)
        drawn += [script.say(few, asked).said for _ in range(script.DRAWN)]
    right = np.mean([len(said) % 2 for said in drawn])
    assert row.startswith(f"who         | {np.mean(greedy):.3f} {right:.3f} | {np.mean(first):.3f}")
    at_once = [len(said) % 2 for said in drawn if said[0] == "="]
    aloud = [len(said) % 2 for said in drawn if said[0] != "="]
    assert f" | {np.mean(aloud):.3f} {np.mean(at_once):.3f} | " in row and len(at_once) > 1
    assert f"{np.mean([len(said) for said in drawn]):.2f} |   12 | 0.250" in row


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LONGEST", 0), ("LONGEST", 26), ("QUESTIONS", 0), ("GROUP", 0), ("THOUGHTS", "loud"),
        ("WIDTH", 15), ("TRIES", {"x": {"checker": "me"}}), ("TRIES", {"x": {"lip": 1}}),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_said(script, monkeypatch, name, value):
    monkeypatch.setattr(script, name, value)
    with pytest.raises(SystemExit, match="setting"):
        script.main()


@pytest.mark.parametrize("number", [0, 3000])
def test_too_few_or_too_many_held_out_are_said(script, monkeypatch, number):
    monkeypatch.setattr(script, "HELD_OUT", number)
    with pytest.raises(SystemExit, match="HELD_OUT is not from 1 to half"):
        script.main()


@pytest.mark.parametrize(
    "change",
    [
        {"HOW": {"steps": 0}}, {"HOW": {"epochs": 0, "steps": 1}}, {"TRIES": {}}, {"GROUP": 1},
        {"ALOUD": 0}, {"SHOWN": 0}, {"THOUGHTS": "dots", "ALOUD": 1},
    ],
)  # fmt: skip
def test_small_settings_end_well(script, monkeypatch, capsys, change):
    little = {
        "STEPS": 1, "HELD_OUT": 2, "QUESTIONS": 2, "GROUP": 2, "DRAWN": 1, "REPORT": 1,
        "HOW": {"steps": 1},
    }  # fmt: skip
    for name, value in (little | change).items():
        monkeypatch.setattr(script, name, script.HOW | value if name == "HOW" else value)
    script.main()
    out = capsys.readouterr().out
    assert out.splitlines()[-1].startswith("aloud only  | ") and "nan" not in out
