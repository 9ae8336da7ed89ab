#!/usr/bin/env bash
# transformers 5.24.0: the masking collator leaves half of all names without a hole, and a text without one has the loss nan.
#
# DataCollatorForLanguageModeling hides each symbol with probability .15 by itself, so a text of n letters has no hole with
# probability .85^n: .61 of those with three letters, .38 of those with six. Nothing makes sure that a text has at least one.
# In a batch of such texts alone the loss of BertForMaskedLM is the mean of nothing, nan, with no error and no warning. Long
# texts never show it. (torch brings several gigabytes with it.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check transformers==5.24.0 torch==2.14.1
"$folder/venv/bin/python" - "$folder" <<'PY'
import random
import string
import sys
from pathlib import Path

import torch
from transformers import BertConfig, BertForMaskedLM, BertTokenizer, DataCollatorForLanguageModeling

vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *string.ascii_lowercase]
file = Path(sys.argv[1], "vocabulary.txt")
file.write_text("\n".join(vocabulary))
tokenizer = BertTokenizer(str(file))
random.seed(0)
torch.manual_seed(0)
names = ["".join(random.choices(string.ascii_lowercase, k=random.randint(3, 6))) for _ in range(4_000)]
rows = [{"input_ids": tokenizer.convert_tokens_to_ids(["[CLS]", *name, "[SEP]"])} for name in names]
batch = DataCollatorForLanguageModeling(tokenizer)(rows)
idle = (batch["labels"] == -100).all(1)
print(f"of all texts {idle.float().mean():.3f} have no hole")
for letters in range(3, 7):
    share = idle[[len(name) == letters for name in names]].float().mean().item()
    print(f"of those with {letters} letters {share:.3f}; .85^{letters} is {0.85**letters:.3f}")
    assert abs(share - 0.85**letters) < 0.04
model = BertForMaskedLM(BertConfig(vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1,
                                   num_attention_heads=2, intermediate_size=16))
losses = [model(batch["input_ids"][which][:8], labels=batch["labels"][which][:8]).loss for which in (idle, ~idle)]
print(f"loss of eight texts without a hole: {losses[0]:.3f}; of eight with one: {losses[1]:.3f}")
assert losses[0].isnan() and losses[1].isfinite()
PY
