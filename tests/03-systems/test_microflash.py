"""Tiled attention is attention, moves what the formula says, and stays inside its fast memory."""

import math
import random
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

jax.config.update("jax_enable_x64", True)

Rows = list[list[float]]
GRADIENTS = ("query_grad", "key_grad", "value_grad")
RESULTS = ("output", *GRADIENTS)


def inputs(n: int, d: int, seed: int, spread: float = 1.0) -> dict[str, Rows]:
    numbers = random.Random(seed)
    return {
        name: [[numbers.gauss(0, spread) for _ in range(d)] for _ in range(n)]
        for name in ("query", "key", "value", "output_grad")
    }


def room(d: int) -> int:
    """The smallest fast memory that both passes fit into: tiles of one row."""
    return 9 * d + 2


def gap(a: Rows, b: Rows) -> float:
    return float(np.abs(np.array(a) - np.array(b)).max())


shapes = st.tuples(
    st.integers(1, 33), st.integers(1, 7), st.integers(0, 400), st.booleans(), st.integers(0, 999)
)


@settings(max_examples=150, deadline=None)
@given(shapes)
def test_tiled_equals_naive(script: ModuleType, shape: tuple[int, int, int, bool, int]) -> None:
    n, d, spare, causal, seed = shape
    naive, _, _ = script.solve("naive", inputs(n, d, seed), causal=causal)
    tiled, _, _ = script.solve("tiled", inputs(n, d, seed), room(d) + spare, causal)
    for name in RESULTS:
        assert gap(naive.matrices[name], tiled.matrices[name]) < 1e-12, name


@settings(max_examples=60, deadline=None)
@given(shapes)
def test_traffic_is_the_closed_form(
    script: ModuleType, shape: tuple[int, int, int, bool, int]
) -> None:
    n, d, spare, _, seed = shape
    for way in script.WAYS:
        counted = script.solve(way, inputs(n, d, seed), room(d) + spare)[1:]
        assert counted == script.predict(way, n, d, room(d) + spare)


@settings(max_examples=60, deadline=None)
@given(shapes)
def test_the_fast_memory_holds_what_a_kernel_uses(
    script: ModuleType, shape: tuple[int, int, int, bool, int]
) -> None:
    n, d, spare, causal, seed = shape
    memory, _, _ = script.solve("tiled", inputs(n, d, seed), room(d) + spare, causal)
    assert 0 < sum(memory.held.values()) <= room(d) + spare
    assert {"key", "value", "query", "output_grad", "sums", "tile"} <= memory.held.keys()


@pytest.mark.parametrize("way", ["tiled_forward", "tiled_backward"])
def test_tiles_too_large_are_refused(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    memory = script.SlowMemory(200, **inputs(20, 4, 1))
    if way == "tiled_backward":
        script.tiled_forward(memory)
    monkeypatch.setattr(script, "tiles", lambda capacity, width, floats: (20, 20))
    with pytest.raises(MemoryError, match="floats, room for 200"):
        getattr(script, way)(memory)


def test_the_memory_counts_every_access_and_its_room(script: ModuleType) -> None:
    memory = script.SlowMemory(6, a=[[1, 2], [3, 4], [5, 6]])
    assert memory.read("a", 1, 3) == [[3, 4], [5, 6]]
    memory.hold("b", 2)
    assert (memory.traffic, memory.held) == (4, {"a": 4, "b": 2})
    memory.read("a", 0, 1)  # takes the place of the two rows
    memory.write("c", [[7, 8]])
    memory.write("c", [[9, 0]])
    memory.write("c", [[5, 6]], 1)
    assert (memory.traffic, memory.matrices["c"]) == (12, [[9, 0], [5, 6]])
    memory.hold("b", 4)
    with pytest.raises(MemoryError, match="7 floats, room for 6"):
        memory.hold("d", 1)


def test_slow_matrices_are_not_shared_with_what_was_written(script: ModuleType) -> None:
    memory = script.SlowMemory(10)
    rows = [[1.0, 2.0]]
    memory.write("a", rows)
    memory.read("a")[0][0] = 9.0
    rows[0][1] = 9.0
    assert memory.matrices["a"] == [[1.0, 2.0]]


def attend(query: Any, key: Any, value: Any, causal: bool) -> Any:
    scores = query @ key.T / math.sqrt(query.shape[1])
    if causal:
        scores = jnp.where(jnp.tril(jnp.ones(scores.shape)) > 0, scores, -jnp.inf)
    return jax.nn.softmax(scores, axis=-1) @ value


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("n", "d", "capacity"), [(1, 3, 60), (17, 5, 60), (40, 8, 300)])
def test_equals_jax(script: ModuleType, n: int, d: int, capacity: int, causal: bool) -> None:
    given_rows = inputs(n, d, seed=n)
    memory, _, _ = script.solve("tiled", given_rows, capacity, causal)
    q, k, v, grad = (jnp.array(rows) for rows in given_rows.values())
    out, pull = jax.vjp(lambda q, k, v: attend(q, k, v, causal), q, k, v)
    for name, expected in zip(RESULTS, (out, *pull(grad)), strict=True):
        assert gap(memory.matrices[name], expected.tolist()) < 1e-12, name


@pytest.mark.parametrize("way", ["naive", "tiled"])
@pytest.mark.parametrize("causal", [False, True])
def test_gradients_equal_finite_differences(script: ModuleType, way: str, causal: bool) -> None:
    n, d, capacity, step = 7, 3, 45, 1e-5
    given_rows = inputs(n, d, seed=3)
    memory, _, _ = script.solve(way, given_rows, capacity, causal)

    def loss(name: str, i: int, k: int, move: float) -> float:
        moved = {key: [row[:] for row in rows] for key, rows in given_rows.items()}
        moved[name][i][k] += move
        found, _, _ = script.solve(way, moved, capacity, causal)
        pairs = zip(found.matrices["output"], moved["output_grad"], strict=True)
        return sum(a * b for x, y in pairs for a, b in zip(x, y, strict=True))

    for name in ("query", "key", "value"):
        for i, k in [(0, 0), (3, 1), (6, 2)]:
            slope = (loss(name, i, k, step) - loss(name, i, k, -step)) / (2 * step)
            assert memory.matrices[name + "_grad"][i][k] == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("way", ["naive", "tiled"])
def test_a_later_token_cannot_change_an_earlier_output(script: ModuleType, way: str) -> None:
    before, after = inputs(20, 4, 1), inputs(20, 4, 1)
    other = inputs(20, 4, 2)
    for name in ("query", "key", "value"):
        after[name][12:] = other[name][12:]
    first, _, _ = script.solve(way, before, 100, True)
    second, _, _ = script.solve(way, after, 100, True)
    assert first.matrices["output"][:12] == second.matrices["output"][:12]
    assert gap(first.matrices["output"][12:], second.matrices["output"][12:]) > 0.01
    # and nothing is pulled back from the past to the future
    silent = inputs(20, 4, 1)
    silent["output_grad"][12:] = [[0.0] * 4 for _ in range(8)]
    memory, _, _ = script.solve(way, silent, 100, True)
    for name in GRADIENTS:
        assert gap(memory.matrices[name][12:], [[0.0] * 4] * 8) == 0.0


def test_skipped_tiles_are_not_read(script: ModuleType) -> None:
    full = script.solve("tiled", inputs(40, 4, 1), 120)
    causal = script.solve("tiled", inputs(40, 4, 1), 120, causal=True)
    assert causal[1] < 0.7 * full[1] and causal[2] < 0.7 * full[2]


@pytest.mark.parametrize("logit", [1e4, -1e4])
@pytest.mark.parametrize("causal", [False, True])
def test_extreme_scores_stay_finite(script: ModuleType, logit: float, causal: bool) -> None:
    n, d = 12, 2
    given_rows = inputs(n, d, seed=5)
    # scores of logit * (1 + a little), alike in sign: exp() of any would be 0 or infinite
    given_rows["query"] = [[logit * math.sqrt(2) * (1 + i / 100), 0.0] for i in range(n)]
    given_rows["key"] = [[1 + j / 100, 0.0] for j in range(n)]
    naive, _, _ = script.solve("naive", given_rows, causal=causal)
    tiled, _, _ = script.solve("tiled", given_rows, 40, causal)
    for name in RESULTS:
        found = np.array(tiled.matrices[name])
        assert np.isfinite(found).all()
        size = max(1.0, float(np.abs(found).max()))
        assert gap(naive.matrices[name], tiled.matrices[name]) < 1e-9 * size


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-600, 600), min_size=1, max_size=12), st.data())
def test_folding_in_any_pieces_gives_softmax(
    script: ModuleType, scores: list[float], data: st.DataObject
) -> None:
    values = [[float(i), 1.0] for i in range(len(scores))]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(scores)), max_size=4)) | {len(scores)})
    state, start = (-math.inf, 0.0, [0.0, 0.0]), 0
    for end in cuts:
        columns = script.transpose(values[start:end])
        state, start = script.fold(state, scores[start:end], columns), end
    top, total, out = state
    weights = script.softmax(scores)
    assert top == max(scores)
    assert out[1] / total == pytest.approx(1.0, abs=1e-12)
    expected = sum(w * v[0] for w, v in zip(weights, values, strict=True))
    assert out[0] / total == pytest.approx(expected, abs=1e-11)
    level = max(scores) + math.log(sum(math.exp(s - max(scores)) for s in scores))
    assert top + math.log(total) == pytest.approx(level, abs=1e-11)


def test_the_knock_out_knocks_something_out(script: ModuleType) -> None:
    naive, whole, broken = (
        script.SlowMemory(room, **inputs(64, 8, 1)) for room in (math.inf, 300, 300)
    )
    script.naive_forward(naive)
    script.tiled_forward(whole)
    script.tiled_forward(broken, rescale=False)
    assert gap(naive.matrices["output"], whole.matrices["output"]) < 1e-12
    assert gap(naive.matrices["output"], broken.matrices["output"]) > 0.05


def test_memory_is_linear_where_the_naive_is_quadratic(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    script.show_memory()
    rows = re.findall(r"naive +([\d,]+) KB \| tiled +(\d+) KB", capsys.readouterr().out)
    (a, d), (b, e), (c, f) = ((int(x.replace(",", "")), int(y)) for x, y in rows)
    assert 3.2 < (c - b) / (b - a) < 4.8
    assert 1.5 < (f - e) / (e - d) < 2.5


def test_the_model_is_the_same_with_both(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "STEPS", 3)
    pieces, held = script.load_pieces()
    assert len(pieces[0]) == script.CONTEXT + 1
    assert all(a[-1] == b[0] for a, b in zip(pieces, pieces[1:], strict=False))
    losses, tested = zip(*(script.train(way, pieces, held[:3]) for way in script.WAYS), strict=True)
    assert tested[0] == pytest.approx(tested[1], abs=1e-12)
    assert np.allclose(*losses, rtol=0, atol=1e-12)
    assert losses[0][2] < losses[0][0]
    assert not script.TAPE


def test_no_steps_at_all_end_with_the_untrained_losses(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "STEPS", 0)
    pieces, held = script.load_pieces()
    script.show_training(pieces, held[:2])
    assert capsys.readouterr().out.startswith("held out | naive 3.")


@pytest.mark.parametrize("way", ["naive", "tiled"])
def test_every_gradient_of_the_model_equals_a_finite_difference(
    script: ModuleType, way: str
) -> None:
    model, step = script.start(), 1e-5
    piece = [(7 * i) % 27 for i in range(script.CONTEXT + 1)]
    script.backward(script.nats(model, piece, way))

    def loss() -> float:
        value: float = script.nats(model, piece, way).value[0][0]
        script.TAPE.clear()
        return value

    for node in model:
        rows = node.value
        i, k = len(rows) // 2, len(rows[0]) // 2
        slopes, here = [], rows[i][k]
        for move in (step, -step):
            rows[i][k] = here + move
            slopes.append(loss() / (2 * step))
        rows[i][k] = here
        assert abs(node.grad[i][k]) > 1e-7
        assert node.grad[i][k] == pytest.approx(slopes[0] - slopes[1], abs=1e-9)


def test_held_out_names_are_not_trained_on(script: ModuleType) -> None:
    pieces, held = script.load_pieces()
    trained, kept = (
        {
            name
            for piece in part
            for name in "".join(script.LETTERS[t] for t in piece).split(".")[1:-1]
        }
        for part in (pieces, held)
    )
    assert kept and not trained & kept


def test_the_solutions_of_the_exercises_run(script: ModuleType) -> None:
    path = Path(str(script.__file__))
    page = path.parents[2] / "book" / "back" / "solutions" / "microflash.md"
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    assert len(blocks) == 9
    for block in blocks:
        assert "assert" in block
        # as if pasted below the script, so that a new `tiles` is the one that kernels use
        names: dict[str, Any] = {"__name__": "microflash", "__file__": str(path)}
        exec(path.read_text(encoding="ascii") + block, names)
