#!/usr/bin/env bash
# peft 0.21.2 and bitsandbytes 0.50.2: whether a layer has 4 bits is asked of the model, not of the layer.
#
# A model with a Linear4bit layer of bitsandbytes that one has put together oneself is wrapped in LoRA's layer for ordinary
# weights, in silence. It trains; merging then ends in an error about sizes, since the packed bytes are taken for a matrix. With
# the attribute is_loaded_in_4bit, which transformers sets on the models that it loads, the same layer gets the wrapper for 4
# bits, and merges with a warning about rounding. (torch brings several gigabytes with it.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check peft==0.21.2 bitsandbytes==0.50.2 torch==2.14.1 transformers==5.24.0
"$folder/venv/bin/python" -W ignore - <<'PY'
import torch
from bitsandbytes.nn import Linear4bit
from peft import LoraConfig, get_peft_model


def network():
    torch.manual_seed(0)
    made = torch.nn.Sequential(Linear4bit(64, 64, bias=False, compute_dtype=torch.float32, quant_type="nf4"))
    made.load_state_dict({"0.weight": torch.randn(64, 64)})
    return made.to("cpu")


said = {}
for told in (False, True):
    model = network()
    if told:
        model.is_loaded_in_4bit = True
    model = get_peft_model(model, LoraConfig(r=2, target_modules=["0"]))
    kind = type(model.base_model.model[0])
    try:
        model.merge_and_unload()
        end = "merged"
    except RuntimeError as error:
        end = f"RuntimeError: {error}"
    said[told] = kind.__module__, end
    print(f"is_loaded_in_4bit said: {told!s:5}  wrapped by {kind.__module__}.{kind.__name__}; {end}")
assert said[False][0] == "peft.tuners.lora.layer" and "must match the size" in said[False][1], said
assert said[True] == ("peft.tuners.lora.bnb", "merged"), said
PY
