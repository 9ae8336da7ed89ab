#!/usr/bin/env bash
# transformers 5.24.0: where symbols are equally likely, top-p and top-k cut in opposite ways.
#
# TopPLogitsWarper sorts from the least likely up and cuts from there, so of three equals it keeps the *last*, whatever their
# order means; TopKLogitsWarper compares with the k-th largest score, so it keeps *all* that are equal to it, and top_k=2
# leaves four symbols. Both are within their definitions' freedom; who tests an own sampler against them has to avoid ties.
# (torch brings several gigabytes with it.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check transformers==5.24.0 torch==2.14.1
"$folder/venv/bin/python" - <<'PY'
import torch
from transformers import TopKLogitsWarper, TopPLogitsWarper

scores = torch.tensor([[0.4, 0.2, 0.2, 0.2]]).log()
kept = {}
for name, cut in {"top-p of .5": TopPLogitsWarper(0.5), "top-k of 2": TopKLogitsWarper(2)}.items():
    row = cut(None, scores.clone())[0]
    kept[name] = [i for i, score in enumerate(row.tolist()) if score > float("-inf")]
    print(f"of .4 .2 .2 .2, {name} keeps symbols {kept[name]}")
assert kept == {"top-p of .5": [0, 3], "top-k of 2": [0, 1, 2, 3]}, kept
PY
