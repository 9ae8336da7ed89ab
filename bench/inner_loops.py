"""The price of purity: the inner loop of each script beside the same in NumPy, in one run.

The shapes are those of the scripts. NumPy wins by less on small matrices, where a call costs more
than its arithmetic.
"""

import importlib.util
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from bench.table import row

ROOT = Path(__file__).resolve().parent.parent
LEAST = 0.2  # seconds that a sample lasts, so that the clock's steps do not show
SAMPLES = 5

Pair = tuple[Callable[[], Any], Callable[[], Any]]


def products(rows: int, inner: int, columns: int) -> Callable[[ModuleType], Pair]:
    """A B^T of [rows][inner] and [columns][inner], which the tape's scripts spend their time on."""

    def both(script: ModuleType) -> Pair:
        a, b = matrix(rows, inner), matrix(columns, inner)
        x, y = np.array(a), np.array(b)
        return lambda: script.product(a, b), lambda: x @ y.T

    return both


def pairs(script: ModuleType) -> Pair:
    """Count neighbours in 5,000 pieces of six tokens."""
    draw = random.Random(1)
    pieces = [[draw.randrange(256) for _ in range(6)] for _ in range(5_000)]
    times = [draw.randrange(1, 9) for _ in pieces]
    tokens, weights = np.array(pieces), np.repeat(times, 5)

    def counted() -> dict[tuple[int, int], int]:
        codes = (tokens[:, :-1] * 256 + tokens[:, 1:]).ravel()
        sums = np.bincount(codes, weights)
        return {divmod(int(code), 256): int(sums[code]) for code in np.flatnonzero(sums)}

    return lambda: script.count_pairs(pieces, times)[0], counted


def contrast(script: ModuleType) -> Pair:
    """InfoNCE and its gradients for a batch of 64 pairs of 64 numbers."""
    u, v = matrix(64, 64), matrix(64, 64)
    x, y = np.array(u), np.array(v)

    def numpys() -> Any:
        n, cosines = len(x), x @ y.T / script.TEMPERATURE
        p = np.exp(cosines - cosines.max(1, keepdims=True))
        q = np.exp(cosines - cosines.max(0))
        p, q = p / p.sum(1, keepdims=True), q / q.sum(0)
        loss = -(np.log(p.diagonal()) + np.log(q.diagonal())).sum() / (2 * n)
        grad = (p + q - 2 * np.eye(n)) / (2 * n * script.TEMPERATURE)
        return loss, grad @ y, grad.T @ x

    return lambda: script.info_nce(u, v), numpys


def choices(script: ModuleType) -> Pair:
    """A softmax over what a reader can say or copy: 60 options of 16 numbers."""
    query, options = matrix(1, 16)[0], matrix(60, 16)
    x, y = np.array(query), np.array(options)

    def numpys() -> Any:
        weights = np.exp(y @ x - (y @ x).max())
        return weights / weights.sum()

    return lambda: script.choices(query, options), numpys


def attention(script: ModuleType) -> Pair:
    """Softmax(Q K^T / sqrt(d)) V for 256 positions of 8 numbers."""
    q, k, v = (matrix(256, 8) for _ in range(3))
    x, y, z = map(np.array, (q, k, v))

    def ours() -> Any:
        weights = [script.softmax(scores) for scores in script.scores_of(q, k)]
        return script.product(weights, script.transpose(v))

    def numpys() -> Any:
        scores = x @ y.T / np.sqrt(8)
        weights = np.exp(scores - scores.max(1, keepdims=True))
        return weights / weights.sum(1, keepdims=True) @ z

    return ours, numpys


LOOPS: dict[str, Callable[[ModuleType], Pair]] = {
    "01-foundations/microtokenizer": pairs,
    "01-foundations/microautograd": products(32, 64, 32),
    "01-foundations/microembedding": contrast,
    "01-foundations/microgpt": products(16, 16, 64),
    "01-foundations/microrag": choices,
    "03-systems/microattention": products(128, 16, 16),
    "02-alignment/microlora": products(16, 16, 64),
    "02-alignment/microdpo": products(8, 16, 64),
    "03-systems/microquant": products(32, 64, 32),
    "03-systems/microflash": attention,
}


def matrix(rows: int, columns: int) -> list[list[float]]:
    draw = random.Random(rows * columns)
    return [[draw.gauss(0, 1) for _ in range(columns)] for _ in range(rows)]


def load(name: str) -> ModuleType:
    """The script of a tier/name as a module."""
    path = ROOT / "scripts" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def seconds(call: Callable[[], Any]) -> float:
    """CPU seconds of one call, the median of a few samples."""
    calls, samples = 1, list[float]()
    while len(samples) < SAMPLES:
        start = time.process_time()
        for _ in range(calls):
            call()
        spent = time.process_time() - start
        if spent < LEAST and not samples:
            calls *= 2
        else:
            samples.append(spent / calls)
    return statistics.median(samples)


def same(ours: Any, numpys: Any) -> bool:
    """Whether two results are equal, numbers to twelve digits."""
    if isinstance(ours, dict):
        return bool(ours == numpys)
    if isinstance(ours, tuple):
        return all(map(same, ours, numpys))
    return bool(np.allclose(ours, numpys, rtol=0, atol=1e-12))


def report() -> None:
    """A row for each script; raises ValueError where the two do not compute the same."""
    row("inner loop", "ours, us", "NumPy, us", "ratio")
    for name, loop in LOOPS.items():
        ours, numpys = loop(load(name))
        if not same(ours(), numpys()):
            raise ValueError(f"NumPy's version of the inner loop of {name} computes something else")
        one, other = seconds(ours), seconds(numpys)
        row(name, 1e6 * one, 1e6 * other, one / other)


if __name__ == "__main__":
    report()
