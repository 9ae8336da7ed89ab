#!/usr/bin/env bash
# transformers 5.24.0: generate(do_sample=True) cuts to the 50 likeliest tokens, though the configuration says None.
#
# GenerationConfig().top_k is None, and so is that of a model made from scratch; generate fills what is None with the old
# defaults, 50 among them. So "plain sampling at temperature 1" is not, unless top_k=0 is passed: shown with an untrained
# GPT-2 of 200 tokens, all about equally likely. (torch brings several gigabytes with it.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check transformers==5.24.0 torch==2.14.1
"$folder/venv/bin/python" - <<'PY'
import torch
from transformers import GPT2Config, GPT2LMHeadModel

torch.manual_seed(0)
config = GPT2Config(vocab_size=200, n_positions=8, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=None)
model = GPT2LMHeadModel(config).eval()
start = torch.ones(5000, 1, dtype=torch.long)
print("the model's configuration: top_k =", model.generation_config.top_k)
seen = {}
for name, asked in {"as it is": {}, "top_k=0": {"top_k": 0}}.items():
    made = model.generate(start, do_sample=True, max_new_tokens=1, pad_token_id=0, **asked)
    seen[name] = len(set(made[:, 1].tolist()))
    print(f"generate, {name}: {seen[name]} different tokens of 200 in 5,000 draws")
assert model.generation_config.top_k is None
assert seen["as it is"] == 50 and seen["top_k=0"] == 200, seen
PY
