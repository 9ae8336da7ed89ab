"""Properties of microvector: walks, links, levels, cells, trees, codes; against NumPy and SciPy."""

import math
import random
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.vq import kmeans2
from scipy.optimize import linprog
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order
from scipy.spatial import cKDTree

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "DATA": "random", "INDEX": 300, "QUERIES": 20, "WIDTH": 8, "CELLS": [12], "CODES": [[4, 3]],
    "ROUNDS": 4,
}  # fmt: skip


@pytest.fixture
def small(script, monkeypatch):
    for name, value in SMALL.items():
        monkeypatch.setattr(script, name, value)
    return script


def drawn(script, rows=300, width=8, seed=0):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(rows + 20, width))
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    return script.Vectors(table[:rows].tolist()), table[rows:].tolist()


def by_numpy(vectors, query, count=10):
    return np.argsort(-(np.array(vectors.rows) @ np.array(query)), kind="stable")[:count].tolist()


def test_brute_force_is_numpys(script):
    vectors, queries = drawn(script)
    for query in queries:
        assert [name for _, name in vectors.best(query, range(300))] == by_numpy(vectors, query)
    assert vectors.distances == 300 * len(queries)


@pytest.mark.parametrize("kind", ["graph", "cells", "k-d tree", "random trees", "codes", "signs"])
def test_no_distance_goes_uncounted(small, monkeypatch, kind):
    """Numbers multiplied, over the width: what the counter says, building and asking."""
    vectors, queries = drawn(small)
    spent = []
    real = small.sumprod
    monkeypatch.setattr(small, "sumprod", lambda a, b: spent.append(len(a)) or real(a, b))
    if kind == "graph":
        index = small.Graph(vectors, True, True)
        ask = lambda query: index.search(query, 20)  # noqa: E731
    elif kind == "cells":
        index = small.Cells(vectors, 12)
        ask = lambda query: index.search(query, 3)  # noqa: E731
    elif kind in small.TREES:
        monkeypatch.setattr(small, "unit", lambda row: [x / math.hypot(*row) for x in row])
        index = small.Trees(vectors, kind, 2)
        ask = lambda query: index.search(query, 4)  # noqa: E731
    elif kind == "codes":
        index = small.Codes(vectors, 4, 3)
        ask = lambda query: index.ranked(query, 10)  # noqa: E731
    else:
        index = small.Signs(vectors, 16)
        ask = lambda query: index.ranked(query, 10)  # noqa: E731
    for query in queries:
        ask(query)
    # a centre keeps half its square, which is no distance to anything
    centres = {"cells": 12, "codes": 2**3}.get(kind, 0)
    assert vectors.distances == sum(spent) / 8 - (small.ROUNDS + 1) * centres


def test_a_walk_that_keeps_everything_finds_everything(small):
    vectors, queries = drawn(small)
    for layers, diverse in ((True, True), (False, True), (True, False)):
        graph = small.Graph(vectors, layers, diverse)
        assert graph.lost() == 0
        for query in queries:
            assert graph.search(query, 300) == by_numpy(vectors, query)


def test_a_longer_walk_finds_more_and_costs_more(small):
    vectors, queries = drawn(small, 300)
    truth = [set(by_numpy(vectors, query)) for query in queries]
    graph = small.Graph(vectors, True, True)
    points = [small.measure(vectors, queries, truth, graph.search, e) for e in (1, 10, 40, 160)]
    assert points == sorted(points) and points[0][0] < 0.5 < 0.98 < points[-1][0]
    assert points[0][1] < points[1][1] < points[2][1] < points[3][1] <= 301 + 40


@given(st.integers(0, 10_000), st.integers(1, 20))
def test_a_walk_is_the_plain_one(script, seed, effort):
    """The same with sorted lists: the names kept, and how many were measured."""
    vectors, queries = drawn(script, 60, 4, seed)
    rng = random.Random(seed)
    links = {name: rng.sample(range(60), 5) for name in range(60)}
    closeness = np.array(vectors.rows) @ np.array(queries[0])
    seen, kept, open_ = {0}, [0], [0]
    while open_:
        name = max(open_, key=closeness.__getitem__)
        if len(kept) == effort and closeness[name] < min(closeness[kept]):
            break
        open_.remove(name)
        for other in links[name]:
            if other not in seen:
                seen.add(other)
                if len(kept) < effort or closeness[other] > min(closeness[kept]):
                    open_.append(other)
                    kept = sorted([*kept, other], key=lambda k: -closeness[k])[:effort]
    found = script.walk(vectors, links, queries[0], vectors.near(queries[0], [0]), effort)
    assert [name for _, name in found] == kept
    assert vectors.distances == len(seen)


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(2, 6))
def test_what_is_left_out_is_nearer_to_something_chosen(script, seed, most, width):
    vectors, queries = drawn(script, 30, width, seed)
    found = sorted(vectors.near(queries[0], range(30)), reverse=True)
    chosen = script.choose(vectors, found, most, True)
    gram = np.array(vectors.rows) @ np.array(vectors.rows).T
    closeness = {name: score for score, name in found}
    assert len(chosen) <= most and chosen[0] == found[0][1]
    for k, name in enumerate(chosen):
        assert all(gram[name, other] <= closeness[name] for other in chosen[:k])
    for score, name in found:
        if name not in chosen and len(chosen) < most:
            assert any(gram[name, other] > score for other in chosen)
    assert script.choose(vectors, found, most, False) == [name for _, name in found[:most]]


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_links_in_different_directions_lead_everywhere(script, seed, width):
    """The theorem: candidates are all, room is for all; a walk that only improves arrives."""
    vectors, _ = drawn(script, 40, width, seed)
    rng = random.Random(seed)
    links = {}
    for name, row in enumerate(vectors.rows):
        others = [other for other in range(40) if other != name]
        found = sorted(vectors.near(row, others), reverse=True)
        links[name] = script.choose(vectors, found, 40, True)
    for _ in range(10):
        start, end = rng.randrange(40), rng.randrange(40)
        query = vectors.rows[end]
        found = script.walk(vectors, links, query, vectors.near(query, [start]), 1)
        assert found[0][1] == end


def villages(script):
    rng = np.random.default_rng(0)
    table = np.repeat(np.eye(4), 30, 0) + 0.05 * rng.normal(size=(120, 4))
    return script.Vectors((table / np.linalg.norm(table, axis=1, keepdims=True)).tolist())


def test_nearest_links_never_leave_a_village(script):
    vectors = villages(script)
    links = {
        name: [other for _, other in vectors.best(row, set(range(120)) - {name}, 8)]
        for name, row in enumerate(vectors.rows)
    }
    query = vectors.rows[119]
    found = script.walk(vectors, links, query, vectors.near(query, [0]), 30)
    assert all(name < 30 for _, name in found)


@pytest.mark.parametrize("layers", [True, False])
@pytest.mark.parametrize("diverse", [True, False])
def test_a_graph_keeps_its_limits(small, layers, diverse):
    vectors, _ = drawn(small)
    graph = small.Graph(vectors, layers, diverse)
    assert (len(graph.links) > 1) == layers and set(graph.links[0]) == set(range(300))
    for level, links in enumerate(graph.links):
        assert all(len(names) <= small.LINKS * (2 if level == 0 else 1) for names in links.values())
        assert all(len(set(names)) == len(names) for names in links.values())
        assert all(name not in names for name, names in links.items())
        assert all(set(names) <= set(links) for names in links.values())
        assert level == 0 or set(links) <= set(graph.links[level - 1])
    assert graph.entry in graph.links[-1]
    ways = {(a, b) for links in graph.links for a, names in links.items() for b in names}
    edges = csr_array((np.ones(len(ways)), tuple(zip(*ways, strict=True))), shape=(300, 300))
    reached = breadth_first_order(edges, graph.entry, return_predecessors=False)
    assert graph.lost() == 300 - len(reached)


def test_what_cannot_be_reached_is_counted(small):
    graph = small.Graph(villages(small), False, True)
    assert graph.lost() == 0
    for names in graph.links[0].values():
        names[:] = [name for name in names if name < 60]
    graph.entry = 0
    assert graph.lost() == 60


def test_levels_fall_off_by_the_number_of_links(small, monkeypatch):
    monkeypatch.setattr(small.Graph, "insert", lambda self, name, level: levels.append(level))
    levels = []
    small.Graph(small.Vectors([[1.0]] * 40_001), True, True)
    for level in (1, 2):
        share = sum(found >= level for found in levels) / 40_000
        assert abs(share * small.LINKS**level - 1) < 0.1


def test_k_means_is_scipys(small):
    vectors, _ = drawn(small)
    start = random.Random(small.SEED + 4).sample(vectors.rows, 12)
    centres, _ = kmeans2(np.array(vectors.rows), np.array(start), iter=small.ROUNDS, minit="matrix")
    ours = small.k_means(vectors.rows, 12)
    assert np.abs(np.array([c for c, _ in ours]) - centres).max() < 1e-12
    assert all(abs(half - np.dot(c, c) / 2) < 1e-12 for c, half in ours)


@given(st.integers(0, 10_000))
def test_the_nearest_centre_is_the_nearest(script, seed):
    rng = np.random.default_rng(seed)
    centres, row = rng.normal(size=(9, 3)), rng.normal(size=3)
    pairs = [(c.tolist(), float(c @ c / 2)) for c in centres]
    order = np.argsort(((centres - row) ** 2).sum(1)).tolist()
    assert script.nearest(row.tolist(), pairs, 4) == order[:4]


def test_all_cells_and_all_leaves_are_brute_force(small):
    vectors, queries = drawn(small)
    cells = small.Cells(vectors, 12)
    assert sorted(name for names in cells.names for name in names) == list(range(300))
    tree = cKDTree(np.array(vectors.rows))
    for kind, number in small.TREES.items():
        trees = small.Trees(vectors, kind, number)
        for query in queries:
            right = tree.query(query, 10)[1].tolist()
            assert trees.search(query, 10_000) == right == cells.search(query, 12)


def leaves(node):
    return leaves(node[2]) + leaves(node[3]) if isinstance(node, tuple) else [node]


def test_a_tree_has_every_vector_once_and_halves(small):
    vectors, _ = drawn(small)
    for kind, number in small.TREES.items():
        for root in small.Trees(vectors, kind, number).roots:
            found = leaves(root)
            assert sorted(name for names in found for name in names) == list(range(300))
            assert all(small.LEAF // 2 <= len(names) <= small.LEAF for names in found)


def test_a_code_ranks_by_what_it_stands_for(small):
    vectors, queries = drawn(small)
    coded = small.Codes(vectors, 4, 3)
    stands = np.array([
        np.concatenate([book[k][0] for book, k in zip(coded.books, code, strict=True)])
        for code in coded.codes
    ])  # fmt: skip
    assert len(coded.codes) == 300 and max(map(max, coded.codes)) < 8
    error = ((stands - np.array(vectors.rows)) ** 2).sum(1).mean()
    assert error < 0.5  # the mean row alone is off by nearly 1
    for query in queries:
        scores = stands @ np.array(query)
        names = coded.ranked(query, 20)
        assert np.abs(np.sort(-scores)[:20] + scores[names]).max() < 1e-12


def test_signs_estimate_the_angle(small):
    vectors, queries = drawn(small, 20, 8)
    coded = small.Signs(vectors, 4_000)
    for row, code in zip(vectors.rows, coded.codes, strict=True):
        differ = (code ^ coded.code(queries[0])).bit_count() / 4_000
        assert abs(differ - math.acos(np.dot(row, queries[0])) / math.pi) < 0.04


@given(
    st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(1.0, 4000.0)), max_size=6),
    st.floats(0.05, 1.0),
)
def test_the_price_is_the_cheapest_mixture(script, points, wanted):
    every = [(0.0, 0.0), *points, (1.0, float(script.INDEX))]
    recalls, costs = zip(*every, strict=True)
    best = linprog(
        costs, A_ub=[[-r for r in recalls]], b_ub=[-wanted], A_eq=[[1.0] * len(every)], b_eq=[1.0]
    )
    assert script.price(points, wanted) == pytest.approx(best.fun, rel=1e-6)


def test_clusters_are_tight_and_queries_are_no_rows(script, monkeypatch):
    for name, value in {**SMALL, "DATA": "clusters", "WIDTH": 32}.items():
        monkeypatch.setattr(script, name, value)
    rows, queries = map(np.array, script.drawn_vectors())
    assert rows.shape == (300, 32) and queries.shape == (20, 32)
    gram = rows @ rows.T
    assert abs(gram.diagonal() - 1).max() < 1e-12
    assert 0.04 < (gram > 0.8).mean() < 0.07  # one pair of twenty is of one cluster
    assert (queries @ rows.T).max() < 1 - 1e-6


def test_words_that_training_never_saw_are_searched(script, monkeypatch):
    for name, value in {"INDEX": 50, "QUERIES": 5, "STEPS": 2, "WIDTH": 8}.items():
        monkeypatch.setattr(script, name, value)
    seen = []
    train = script.train
    monkeypatch.setattr(script, "train", lambda learn: seen.extend(learn) or train(learn))
    rows, queries = script.word_vectors()
    assert len(rows) == 50 and len(queries) == 5
    held, _ = script.hold_out(
        script.families(script.sound_items()), 50, random.Random(script.SEED).shuffle
    )
    stems = {item[0][:4] for item in held}
    assert len(seen) > 10_000 and not stems & {item[0][:4] for item in seen if len(item[0]) > 3}


@pytest.mark.parametrize(
    ("setting", "value"),
    [("INDEX", 0), ("QUERIES", 0), ("QUERIES", 4_000), ("INDEX", 10_001), ("TOP", 0), ("LINKS", 1),
     ("BUILD", 0), ("EFFORTS", [0]), ("CELLS", [0]), ("LOOKS", [0]), ("LEAVES", [0]), ("LEAF", 0),
     ("CODES", [[5, 4]]), ("SIGNS", 0), ("SHORTLIST", 0), ("ROUNDS", 0), ("CLUSTERS", 0),
     ("WIDTH", 0), ("BATCH", 0), ("TEMPERATURE", 0.0), ("DATA", "word"), ("WANTED", [0.0]),
     ("WANTED", [1.5]), ("BATCH", 20_000), ("STEPS", -1), ("CODES", [[0, 4]])],
)  # fmt: skip
def test_a_wrong_setting_ends_the_run_in_a_sentence(script, monkeypatch, setting, value):
    monkeypatch.setattr(script, setting, value)
    with pytest.raises(SystemExit, match="a setting is"):
        script.main()


def test_small_settings_end_well(script, monkeypatch, capsys):
    for name, value in {
        "INDEX": 12, "QUERIES": 2, "STEPS": 0, "WIDTH": 4, "CELLS": [1, 100], "LOOKS": [1, 300],
        "LEAF": 1, "LEAVES": [1, 1000], "EFFORTS": [1, 100], "CODES": [[2, 6]], "SIGNS": 1,
        "SHORTLIST": 1, "LINKS": 2, "BUILD": 1, "ROUNDS": 1,
    }.items():  # fmt: skip
        monkeypatch.setattr(script, name, value)
    for data in ("words", "clusters", "random"):
        monkeypatch.setattr(script, "DATA", data)
        script.main()
    out = capsys.readouterr().out
    assert out.count("lost ") == 3 * 4 and out.count("brute force") == 3


def test_the_code_of_the_solutions_is_right(script):
    """Each block asserts what it claims."""
    text = (ROOT / "book/back/solutions/microvector.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 5
    names = dict(vars(script))
    for block in blocks:
        exec(block, names)
