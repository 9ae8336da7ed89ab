#!/usr/bin/env bash
# transformers 5.24.0: YaRN's truncate=False is not heard in a model that keeps rotations for each kind of layer.
#
# truncate says whether the ends of YaRN's ramp are rounded to whole pairs of columns. In a Llama, whose rope_parameters are one
# dictionary, it changes the speed of single pairs by up to a sixth at this size. In a Gemma 3 rope_parameters hold a dictionary
# for each kind of layer; there truncate is accepted without a warning and kept, but looked up one level too high, where it never
# stands, so that False and True give the same speeds. All other numbers of YaRN are read at the right level: with
# truncate=True the two models agree. (torch brings several gigabytes with it.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check transformers==5.24.0 torch==2.14.1
"$folder/venv/bin/python" - <<'PY'
from transformers import Gemma3TextConfig, LlamaConfig
from transformers.models.gemma3.modeling_gemma3 import Gemma3RotaryEmbedding
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

size = {"hidden_size": 128, "num_attention_heads": 2, "head_dim": 64, "num_hidden_layers": 2,
        "max_position_embeddings": 8192, "vocab_size": 100}
plain = {"rope_type": "default", "rope_theta": 10_000.0}
speeds = {}
for truncate in (True, False):
    yarn = {"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0,
            "original_max_position_embeddings": 2048, "truncate": truncate}
    llama = LlamaConfig(**size, rope_parameters=yarn)
    gemma = Gemma3TextConfig(**size, layer_types=["sliding_attention", "full_attention"],
                             rope_parameters={"sliding_attention": plain, "full_attention": dict(yarn)})
    assert gemma.rope_parameters["full_attention"]["truncate"] is truncate  # it was kept
    speeds["one dictionary", truncate] = LlamaRotaryEmbedding(llama).inv_freq
    speeds["one for each kind", truncate] = Gemma3RotaryEmbedding(gemma).full_attention_inv_freq
change = {}
for kind in ("one dictionary", "one for each kind"):
    change[kind] = float((speeds[kind, False] / speeds[kind, True] - 1).abs().max())
    print(f"rope_parameters, {kind:17}: truncate=False changes the speed of a pair by {change[kind]:.1%} at most")
assert speeds["one dictionary", True].equal(speeds["one for each kind", True])
assert change["one dictionary"] > 0.1 and change["one for each kind"] == 0, change
PY
