"""Properties of microkv: exact memories, pages, servers, prefixes, rules; against JAX and NumPy."""

import math
import random
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
jax.config.update("jax_enable_x64", True)


@pytest.fixture(scope="module")
def task(script):
    random.seed(5)
    return script.Task("sounds", script.read())


def network(script, task, monkeypatch, layers=1, causal=True):
    """An untrained GPT, with weights large enough that attention takes sides."""
    monkeypatch.setattr(script, "LAYERS", layers)
    monkeypatch.setattr(script, "CAUSAL", causal)
    random.seed(3)
    model = script.GPT(task)
    for node in model.parameters:
        node.value = [[3 * v for v in row] for row in node.value]
    return model


def norm(x):
    return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-5)


def by_whole_arrays(model, ids, given, visible, heads=2):
    """Logits of all rows in JAX; visible[head][i][j] says whether row i may see row j."""
    tokens, positions, head, *rest = [jnp.array(node.value) for node in model.parameters]
    places = [i if i < given - 1 else i - given + 1 for i in range(len(ids))]
    x = tokens[jnp.array(ids)] + positions[jnp.array(places)]
    for k in range(0, len(rest), 6):
        query, key, value, output, up, down = rest[k : k + 6]
        y = norm(x)
        parts = [jnp.split(y @ w.T, heads, 1) for w in (query, key, value)]
        z = [
            jax.nn.softmax(jnp.where(mask, q @ k.T / q.shape[1] ** 0.5, -jnp.inf)) @ v
            for q, k, v, mask in zip(*parts, jnp.array(visible), strict=True)
        ]
        x = x + jnp.concatenate(z, 1) @ output.T
        x = x + jax.nn.relu(norm(x) @ up.T) @ down.T
    return np.array(norm(x) @ head.T)


def triangle(n):
    return np.tril(np.ones((2, n, n), bool))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_memory_scores_as_the_whole_sequence_does(script, task, monkeypatch, layers):
    model = network(script, task, monkeypatch, layers)
    for ids, known in task.held_out[:5]:
        whole = by_whole_arrays(model, ids, known, triangle(len(ids)))
        memory = script.Memory(model)
        places = script.positions(len(ids), known)
        read = [memory.read(*pair) for pair in zip(ids, places, strict=True)]
        anew = model.logits([(ids, known)], range(len(ids))).value
        script.TAPE.clear()
        assert np.abs(np.array(read) - whole).max() < 1e-12 * max(1, np.abs(whole).max())
        assert np.abs(np.array(anew) - whole).max() < 1e-12 * max(1, np.abs(whole).max())


@pytest.mark.parametrize(("layers", "same"), [(1, True), (2, False)])
def test_without_the_mask_one_layer_can_be_kept_and_two_cannot(
    script, task, monkeypatch, layers, same
):
    """What a token asks for last is right; rows kept before it are out of date from layer two."""
    model = network(script, task, monkeypatch, layers, causal=False)
    apart = []
    for ids, known in task.held_out[:5]:
        memory = script.Memory(model)
        for pair in zip(ids, script.positions(len(ids), known), strict=True):
            read = memory.read(*pair)
        anew = model.logits([(ids, known)], [len(ids) - 1]).value[0]
        script.TAPE.clear()
        apart.append(max(abs(a - b) for a, b in zip(read, anew, strict=True)))
    assert (max(apart) < 1e-9) == same and (min(apart) > 1e-2) != same


def test_answers_from_memory_are_those_of_generate(script, task, monkeypatch):
    for layers in (1, 2):
        model = network(script, task, monkeypatch, layers)
        for ids, known in task.held_out[:8]:
            memory = script.Memory(model)
            scores = script.take_in(memory, ids[:known])
            said = script.answer([memory], task, scores, known)[0]
            assert said == script.generate(model, task, ids, known)
            rows = known + len(said) - 1  # what was said last is not read
            assert all(len(rows_) == rows for heads in memory.layers for pair in heads
                       for rows_ in pair)  # fmt: skip


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_multiplications_are_those_of_the_products(script, task, monkeypatch, layers):
    """Counted in `sumprod`, but for the squares of a norm, and for zeros behind the mask."""
    model = network(script, task, monkeypatch, layers)
    done = []

    def counting(a, b):
        done.append(0 if a is b else len(a))
        return math.sumprod(a, b)

    monkeypatch.setattr(script, "sumprod", counting)
    ids, known = task.held_out[0]
    n, symbols = len(ids) - 1, len(task.symbols)
    model.logits([(ids[:-1], known)], [n - 1])
    script.TAPE.clear()
    expected = script.multiplications(layers, symbols, n, 1, n * (n + 1) // 2)
    assert sum(done) == expected + layers * script.WIDTH * n * (n - 1) // 2
    memory = script.Memory(model)
    for length, token in enumerate(ids, 1):
        done.clear()
        memory.read(token, 0)
        assert sum(done) == script.multiplications(layers, symbols, 1, 1, length)


@given(st.integers(1, 5), st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=60))
@settings(max_examples=150)
def test_paged_rows_are_lists(script, size, acts):
    """Append to one of them or copy it: each holds what a list would, whatever is shared."""
    pool = script.Pool(size)
    pairs = [(script.Rows(pool), [])]
    for number, (copies, which) in enumerate(acts):
        rows, plain = pairs[which % len(pairs)]
        if copies:
            pairs.append((rows[:], plain[:]))
        else:
            rows.append([number])
            plain.append([number])
    for rows, plain in pairs:
        assert list(rows) == plain
        assert len(rows.table) == -(-len(plain) // size)
    tables = [page for rows, _ in pairs for page in rows.table]
    assert pool.readers == [tables.count(page) for page in range(len(pool.pages))]
    assert all(pool.readers)


def test_a_copy_costs_no_page_until_it_is_written(script):
    pool = script.Pool(4)
    rows = script.Rows(pool)
    for number in range(6):
        rows.append([number])
    copies = [rows[:] for _ in range(7)]
    assert len(pool.pages) == 2
    for copy in copies:
        copy.append(["other"])
    assert len(pool.pages) == 2 + 7  # the half page, seven times; the whole one is shared
    rows.append(["own"])  # nobody else reads it any more
    assert len(pool.pages) == 9 and [*rows] == [[n] for n in range(6)] + [["own"]]


def test_answers_out_of_pages_are_those_out_of_lists(script, task, monkeypatch):
    model = network(script, task, monkeypatch, 2)
    words = task.held_out[:6]
    shares = []
    for size in (1, 3, 8):
        share, changed = script.many_answers(model, task, words, size)
        assert changed == 0
        shares.append(share)
    assert shares[0] < shares[1] < shares[2] < 1
    monkeypatch.setattr(script, "COPY", False)
    assert script.many_answers(model, task, words, 3)[1] > 0
    assert script.many_answers(model, task, words, 1)[1] == 0  # no page is half full


requests = st.lists(
    st.tuples(st.integers(1, 8), st.integers(0, 6)).map(lambda pair: (pair[0], sum(pair))),
    min_size=1,
    max_size=25,
)


def by_page_numbers(requests, size, pages):
    """The same server with real page numbers, in tables of its own."""
    free, running, queue = list(range(pages)), [], list(enumerate(requests))
    steps = at_once = used = again = 0
    ended = []

    def room(one):  # pages that a request still lacks for its next row
        return -(-min(one["rows"] + 1, one["last"]) // size) - len(one["table"])

    def lacking(*more):
        return sum(room(one) for one in [*running, *more])

    while queue or running:
        while lacking() > len(free):
            one = running.pop()
            free += one["table"]
            again += one["rows"]
            queue.insert(0, (one["number"], (one["prompt"], one["last"])))
        while queue:
            number, (prompt, last) = queue[0]
            one = {"number": number, "prompt": prompt, "last": last, "rows": prompt, "table": []}
            if lacking(one) > len(free):
                break
            running.append(one)
            queue.pop(0)
        for one in running:
            for _ in range(room(one)):
                one["table"].append(free.pop())
        tables = [page for one in running for page in one["table"]]
        assert len(set(tables)) == len(tables) and len(tables) + len(free) == pages
        steps, at_once = steps + 1, at_once + len(running)
        used += sum(one["rows"] for one in running)
        for one in running:
            if one["rows"] == one["last"]:
                free += one["table"]
                ended.append(one["number"])
            one["rows"] += 1
        running = [one for one in running if one["rows"] <= one["last"]]
    assert sorted(ended) == list(range(len(requests)))
    return steps, at_once / steps, used / (steps * size * pages), again


@given(requests, st.integers(1, 15), st.integers(30, 90))
@settings(max_examples=150)
def test_a_server_with_page_numbers_does_the_same(script, requests, size, rows):
    pages = rows // size
    found = script.serve(requests, size, pages)
    assert found == pytest.approx(by_page_numbers(requests, size, pages))
    steps, at_once, used, again = found
    assert 0 < used <= 1
    # every row that is in the end there, and those read again, took a step of its request
    answers = sum(last - prompt + 1 for prompt, last in requests)
    assert answers <= round(steps * at_once) <= answers + again
    assert script.serve(requests, size, 10**6)[3] == 0


def test_slots_are_pages_for_the_longest(script):
    requests = [(3, 5), (4, 9), (2, 2), (6, 9), (1, 4)]
    steps, at_once, used, again = script.serve(requests, 9, 2)
    # one slot: steps 1-3, 4, 5-8; the other: 1-6, 7-10
    assert again == 0 and steps == 10
    assert at_once == pytest.approx((3 + 6 + 1 + 4 + 4) / 10)
    rows = 3 + 4 + 5 + 4 + 5 + 6 + 7 + 8 + 9 + 2 + 6 + 7 + 8 + 9 + 1 + 2 + 3 + 4
    assert used == pytest.approx(rows / (10 * 18))


@given(st.lists(st.text("ab", min_size=1, max_size=7), max_size=30), st.integers(1, 4))
@settings(max_examples=150)
def test_what_is_found_again_is_the_longest_beginning_seen(script, prompts, size):
    expected = 0
    for i, prompt in enumerate(prompts):
        shared = [0]
        for other in prompts[:i]:
            k = 0
            while k < min(len(prompt), len(other)) - 1 and prompt[k] == other[k]:
                k += 1
            shared.append(k // size * size)
        expected += max(shared)
    assert script.found_again(prompts, size, 10**6) == expected
    assert script.found_again(prompts, size, 0) == 0
    few = script.found_again(prompts, size, 4)
    assert few <= expected
    # sorted, the beginnings of one prompt are all that need to stay
    deepest = max([(len(p) - 1) // size for p in prompts], default=0)
    assert script.found_again(sorted(prompts), size, 2 * deepest) == script.found_again(
        sorted(prompts), size, 10**6
    )


def test_the_end_of_a_prefix_is_thrown_away_before_its_beginning(script):
    """Three pages stay of a, ab, abc and x: abc goes, so that abz still finds a and ab."""
    assert script.found_again(["abcd", "xy", "abz"], 1, 3) == 2


def simulated(script, model, ids, known, rule, most):
    """Which rows each head may see, by a rule written anew on whole matrices; then JAX."""
    n = len(ids) - 1
    tokens, positions, _, query, key, *_ = [np.array(node.value) for node in model.parameters]
    places = [i if i < known - 1 else i - known + 1 for i in range(n)]
    y = np.array(norm(jnp.array(tokens[ids[:n]] + positions[places])))
    visible = np.zeros((2, n, n), bool)
    for head in range(2):
        part = slice(8 * head, 8 * head + 8)
        scores = (y @ query.T)[:, part] @ (y @ key.T)[:, part].T / math.sqrt(8)
        alive, total, answered = set(), np.zeros(n), np.zeros(n)
        for i in range(n):
            alive.add(i)
            seen = sorted(alive)
            visible[head, i, seen] = True
            weights = np.exp(scores[i, seen] - scores[i, seen].max())
            total[seen] += weights / weights.sum()
            if i >= known - 1:
                answered[seen] += weights / weights.sum()
                spoken = min(i + 2 - known, known - 1)
                while len(alive) > most:
                    alive.remove(rule(sorted(alive), total, answered, spoken, known, most))
    logits = by_whole_arrays(model, ids[:n], known, visible)[known - 1 :]
    logs = np.array(jax.nn.log_softmax(jnp.array(logits)))
    return -sum(logs[range(n - known + 1), ids[known:]])


ANEW = {
    "window": lambda alive, *_: alive[0],
    "heard": lambda alive, total, *_: alive[np.argmin(total[alive])],
    "said": lambda alive, _, answered, *__: alive[np.argmin(answered[alive])],
    "halves": lambda alive, total, _, __, ___, most: min(
        alive[: len(alive) - most // 2], key=lambda j: total[j]
    ),
    "task": lambda alive, _, __, spoken, known, ___: next(
        rows[0]
        for rows in (
            [j for j in alive if j > known - 2],
            [j for j in alive if j < spoken],
            [alive[len(alive) // 2]],
        )
        if rows
    ),
    "prompt": lambda alive, _, __, ___, known, ____: (
        alive[np.searchsorted(alive, known)] if alive[-1] >= known else alive[len(alive) // 2]
    ),
}


@pytest.mark.parametrize("most", [3, 6, 9])
@pytest.mark.parametrize("name", list(ANEW))
def test_what_a_rule_costs_equals_masks_on_whole_matrices(script, task, monkeypatch, name, most):
    model = network(script, task, monkeypatch)
    words = task.held_out[:12]
    monkeypatch.setattr(script.random, "choice", lambda rows: rows[len(rows) // 2])
    losses, early = script.judge(model, words, script.RULES[name], most)
    for loss, (ids, known) in zip(losses, words, strict=True):
        assert loss == pytest.approx(
            simulated(script, model, ids, known, ANEW[name], most), rel=1e-11
        )
    assert 0 <= early <= 1


def test_a_memory_that_forgets_nothing_is_a_memory(script, task, monkeypatch):
    model = network(script, task, monkeypatch, 2)
    losses, early = script.judge(model, task.held_out[:5], None, 1_000)
    sizes = [len(ids) - known for ids, known in task.held_out[:5]]
    assert early == 0
    assert sum(losses) / sum(sizes) == pytest.approx(script.evaluate(model, task.held_out[:5]))


@given(st.integers(2, 12), st.integers(1, 12))
def test_a_window_holds_every_letter_in_time_or_hardly_one(script, letters, most):
    """Letter k is wanted with row letters + k, which sees itself and the `most` rows before."""
    late = [k for k in range(1, letters) if k < letters + k - most]
    assert late == ([] if letters <= most else list(range(1, letters)))


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9), st.integers(1, 9)), min_size=3,
                max_size=30))  # fmt: skip
def test_a_gap_is_paired_word_by_word(script, rows):
    ours, theirs, sizes = map(np.array, zip(*rows, strict=True))
    words = [([0] * (size + 1), 1) for size in sizes]
    mean, error = script.gap(ours, theirs, words)
    ratio = (ours - theirs).sum() / sizes.sum()
    rest = ours - theirs - ratio * sizes
    spread = np.sqrt((rest**2).sum() * len(rows) / (len(rows) - 1)) / sizes.sum()
    assert error == pytest.approx(spread, abs=1e-12)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("BATCH", 0), ("LAYERS", 0), ("PAGES", [0]), ("BUDGETS", [0]), ("DEPTHS", [0]),
     ("SAMPLES", 0), ("HELD_OUT", 0.0), ("HEADS", 3), ("JUDGED", 0), ("SHARED", 0), ("ASKED", 0)],
)  # fmt: skip
def test_a_setting_that_is_too_small_ends_the_run_in_a_sentence(
    script, monkeypatch, setting, value
):
    monkeypatch.setattr(script, setting, value)
    with pytest.raises(SystemExit, match="a setting is too small"):
        script.main()


def test_a_request_that_can_never_fit_ends_the_run_in_a_sentence(script):
    with pytest.raises(SystemExit, match="2 pages of 4 rows cannot hold"):
        script.serve([(3, 8), (3, 9)], 4, 2)


def test_small_settings_end_well(script, monkeypatch, capsys):
    for name, value in {
        "STEPS": 1, "BATCH": 1, "ASKED": 1, "SHARED": 1, "SAMPLES": 1, "JUDGED": 1, "SLOTS": 2,
        "PAGES": [1, 40], "BUDGETS": [1, 30], "DEPTHS": [], "CHECKED": 1, "TEMPERATURE": 0,
        "HELD_OUT": 0.001, "EXAMPLES": 1, "LAYERS": 2,
    }.items():  # fmt: skip
        monkeypatch.setattr(script, name, value)
    script.main()
    out = capsys.readouterr().out
    assert "1 of 1 words said the same" in out and out.count("keep ") == 1 + 2 * 7
    assert "8 answers" not in out


def test_the_code_of_the_solutions_is_right(script):
    """Each block asserts what it claims."""
    text = (ROOT / "book/back/solutions/microkv.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 5
    names = dict(vars(script))
    for block in blocks:
        exec(block, names)
