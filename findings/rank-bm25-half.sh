#!/usr/bin/env bash
# rank-bm25 0.2.2: a word that stands in half of the documents counts for nothing.
#
# BM25Okapi weighs a word by log((N - n + 0.5) / (n + 0.5)), as Robertson and Sparck Jones did. That is 0
# where n is half of N, and negative beyond; it puts a quarter of the mean weight in the place of
# negative ones (epsilon = 0.25), but leaves the zero. So of two documents, one of which holds the query's only
# word, both score 0. bm25s 0.3.16 with method="lucene" adds 1 inside the logarithm, as Lucene does, and the
# document with the word wins. Two packages named after one formula rank differently.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check rank-bm25==0.2.2 bm25s==0.3.16
"$folder/venv/bin/python" - <<'PY'
import bm25s
from rank_bm25 import BM25Okapi

documents = [["the", "cat", "sat"], ["the", "dog", "ran"]]
okapi = BM25Okapi(documents).get_scores(["cat"]).tolist()
lucene = bm25s.BM25(method="lucene")
lucene.index(documents, show_progress=False)
scores = lucene.get_scores(["cat"]).tolist()
print("rank-bm25 0.2.2, cat in one document of two:", okapi)
print("bm25s 0.3.16, method=lucene, the same:", [round(s, 3) for s in scores])
assert okapi == [0.0, 0.0], okapi
assert scores[0] > 0.2 and scores[1] == 0, scores
PY
