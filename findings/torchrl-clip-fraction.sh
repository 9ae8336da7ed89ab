#!/usr/bin/env bash
# torchrl 0.14.1: ClipPPOLoss reports a clip_fraction in which those are counted that are not held back.
#
# PPO takes min(ratio A, clip(ratio) A): the gradient is 0 only where the ratio has left the band on the side to which the
# advantage A sends it. clip_fraction is the share of all ratios outside the band, whatever the sign of A, as in the sources
# of Stable-Baselines3 and CleanRL. Who reads it as "samples without a gradient" reads too much. Shown with forty random
# symbols, and with six that are all outside, of which none is held back. (torch brings several gigabytes with it.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torchrl==0.14.1 torch==2.14.1
"$folder/venv/bin/python" -W ignore - <<'PY'
import torch
from tensordict import TensorDict
from tensordict.nn import ProbabilisticTensorDictModule, ProbabilisticTensorDictSequential, TensorDictModule
from torchrl.objectives import ClipPPOLoss

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
actor = ProbabilisticTensorDictSequential(
    TensorDictModule(torch.nn.Identity(), ["seen"], ["logits"]),
    ProbabilisticTensorDictModule(
        ["logits"], ["action"], distribution_class=torch.distributions.Categorical, return_log_prob=True
    ),
)
objective = ClipPPOLoss(actor, None, clip_epsilon=0.2, entropy_bonus=False, critic_coeff=None)


def shares(name, logits, action, old, advantage):
    """(clip_fraction, share outside the band, share of symbols whose logits get no gradient)"""
    logits.requires_grad_()
    batch = {"seen": logits, "action": action, "action_log_prob": old, "advantage": advantage[:, None]}
    out = objective(TensorDict(batch, [len(action)]))
    out["loss_objective"].backward()
    ratio = (torch.log_softmax(logits, -1)[range(len(action)), action] - old).exp()
    outside = ((ratio < 0.8) | (ratio > 1.2)).double().mean().item()
    still = (logits.grad.abs().sum(1) == 0).double().mean().item()
    print(f"{name}: clip_fraction {out['clip_fraction'].item():.3f}, outside {outside:.3f}, no gradient {still:.3f}")
    return out["clip_fraction"].item(), outside, still


logits, action = torch.randn(40, 5), torch.randint(0, 5, (40,))
old = torch.log_softmax(torch.randn(40, 5), -1)[range(40), action]
reported, outside, still = shares("forty random symbols", logits, action, old, torch.randn(40))
assert abs(reported - outside) < 1e-9 and still < reported / 2, (reported, outside, still)

even, action = torch.zeros(6, 2), torch.zeros(6, dtype=torch.long)  # now each has 1/2
old = torch.tensor([0.3] * 3 + [0.9] * 3).log()  # ratios 1.67 and .56
back = torch.tensor([-1.0] * 3 + [1.0] * 3)  # each is sent back to where it was
reported, outside, still = shares("six on their way back", even, action, old, back)
assert reported == outside == 1 and still == 0, (reported, outside, still)
PY
