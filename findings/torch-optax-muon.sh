#!/usr/bin/env bash
# torch 2.14.1 and optax 0.2.8: two Muons with the same settings part at the second step, by a tenth to a fifth of a step.
#
# Both keep a moving mean of the gradients, look ahead as Nesterov does, and flatten the result in five turns with the same
# coefficients. optax divides the mean by 1 - beta^t, as Adam does, and torch does not. Flattening forgets the length of what it
# is given, so the first steps agree but for rounding; looking ahead then mixes mean and gradient in another proportion, and
# the directions part. Besides, torch turns in bfloat16 even where the weights have 64 bits: the first steps differ by more than
# one part in a hundred. (torch brings several gigabytes with it.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 optax==0.2.8 jax==0.10.2 numpy
"$folder/venv/bin/python" - <<'PY'
import jax.numpy as jnp
import numpy as np
import optax
import torch

chance = np.random.default_rng(0)
start, *slopes = chance.normal(size=(6, 32, 32))
weight = torch.nn.Parameter(torch.tensor(start))
ours = torch.optim.Muon([weight], lr=1.0, weight_decay=0.0, momentum=0.95, nesterov=True)
theirs = optax.contrib.muon(1.0, beta=0.95, nesterov=True)
values = {"w": jnp.array(start)}
state = theirs.init(values)
apart = []
for number, slope in enumerate(slopes, 1):
    before = weight.detach().clone()
    weight.grad = torch.tensor(slope)
    ours.step()
    one = (weight.detach() - before).numpy()
    change, state = theirs.update({"w": jnp.array(slope)}, state, values)
    values = optax.apply_updates(values, change)
    two = np.array(change["w"])
    apart.append(np.linalg.norm(one / np.linalg.norm(one) - two / np.linalg.norm(two)))
    print(f"step {number}: the directions are {apart[-1]:.3f} apart, of lengths made 1")
assert 0.005 < apart[0] < 0.03 < 0.08 < min(apart[1:]), apart
PY
