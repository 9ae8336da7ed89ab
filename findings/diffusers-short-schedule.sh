#!/usr/bin/env bash
# diffusers 0.42.1: a DDPMScheduler of 50 levels ends far from noise.
#
# num_train_timesteps sets how many levels there are, and beta_start and beta_end keep the values that were made for 1,000
# (1e-4 and 0.02, as in the DDPM paper). After 1,000 such levels .00004 of the signal's variance is left; after 50 it is .60,
# so that samples begin as noise where no training ever was. Who shortens the chain has to raise the betas too, or take
# beta_schedule="squaredcos_cap_v2", which follows the number of levels. (torch brings several gigabytes with it.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check diffusers==0.42.1 torch==2.14.1
"$folder/venv/bin/python" - <<'PY'
from diffusers import DDPMScheduler

left = {}
for kind in ("linear", "squaredcos_cap_v2"):
    for levels in (1000, 50):
        made = DDPMScheduler(num_train_timesteps=levels, beta_schedule=kind)
        left[kind, levels] = float(made.alphas_cumprod[-1])
        first, last = float(made.betas[0]), float(made.betas[-1])
        print(f"{kind:17} {levels:4} levels: beta {first:.4f} to {last:.4f}, signal's variance left {left[kind, levels]:.5f}")
assert left["linear", 1000] < 1e-4 and left["squaredcos_cap_v2", 50] < 0.01
assert 0.59 < left["linear", 50] < 0.61, left
PY
