#!/usr/bin/env bash
# transformers 5.24.0: Mixtral's router_aux_loss_coef is not heard unless output_router_logits is set too.
#
# The coefficient weighs the loss that balances the experts. Whoever sets it alone trains without any balance: a coefficient of
# a hundred gives the loss of a thousandth, to the last bit, and nothing is said, since the balance is computed only when the
# router's logits are to be returned, and the default is not to. With output_router_logits=True the loss rises by about two a
# unit of the coefficient. (torch brings several gigabytes with it.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check transformers==5.24.0 torch==2.14.1
"$folder/venv/bin/python" - <<'PY'
import torch
from transformers import MixtralConfig, MixtralForCausalLM

size = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 8, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2, "num_local_experts": 4, "num_experts_per_tok": 2}
text = torch.randint(0, 50, (4, 16), generator=torch.Generator().manual_seed(1))
losses = {}
for returned in ({}, {"output_router_logits": True}):
    for weight in (0.001, 100.0):
        torch.manual_seed(0)
        model = MixtralForCausalLM(MixtralConfig(**size, **returned, router_aux_loss_coef=weight)).train()
        losses[len(returned), weight] = loss = model(text, labels=text).loss.item()
        print(f"logits returned: {bool(returned)!s:5}  router_aux_loss_coef {weight:7.3f}: loss {loss:.3f}")
assert losses[0, 0.001] == losses[0, 100.0], losses
assert losses[1, 100.0] > losses[1, 0.001] + 100, losses
PY
