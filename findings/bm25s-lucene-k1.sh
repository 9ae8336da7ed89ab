#!/usr/bin/env bash
# bm25s 0.3.16: BM25(method="lucene") takes Lucene's formula, and not Lucene's k1.
#
# Its k1 is 1.5 whatever the method; Lucene's BM25Similarity has 1.2 (its documented default), and so have
# Elasticsearch and OpenSearch. Who compares scores with either has to pass k1=1.2. Shown: the score of a word that stands
# twice in a document, against the formula by hand with both values of k1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check bm25s==0.3.16
"$folder/venv/bin/python" - <<'PY'
from math import log

import bm25s

documents = [["cat", "cat", "mat"], ["dog", "ran", "far"], ["sun", "was", "hot"]]
index = bm25s.BM25(method="lucene")
index.index(documents, show_progress=False)
seen = float(index.get_scores(["cat"])[0])
weight = log(1 + (3 - 1 + 0.5) / (1 + 0.5))  # all documents are of the mean length
by_hand = {k1: weight * 2 / (2 + k1) for k1 in (1.2, 1.5)}
print(f"method={index.method} k1={index.k1} b={index.b}: score {seen:.4f}")
print("by hand:", {k1: round(score, 4) for k1, score in by_hand.items()})
assert index.k1 == 1.5 and abs(seen - by_hand[1.5]) < 1e-6, seen
assert abs(seen - by_hand[1.2]) > 0.05
PY
