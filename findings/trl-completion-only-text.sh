#!/usr/bin/env bash
# trl 1.16.0: completion_only_loss=True on plain text trains on every symbol, and says nothing.
#
# With columns prompt and completion the labels of the prompt are -100 and count for nothing. With one column text there is no
# completion; the setting is taken without a word, and all labels are symbols. The sister setting assistant_only_loss=True is
# refused on the same data with an error. (torch brings several gigabytes with it.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check trl==1.16.0 transformers==5.24.0 torch==2.14.1
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" -W ignore - "$folder" <<'PY' 2> /dev/null
import sys

from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

symbols = ["<pad>", "<eos>", "?", ":", "s", "o", "f", "t", "S", "AO", "F", "T"]
words = Tokenizer(models.WordLevel({symbol: n for n, symbol in enumerate(symbols)}, unk_token="<pad>"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()


def labels(row, **setting):
    """The labels of the first batch."""
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(symbols), n_positions=64, n_embd=16, n_layer=1, n_head=2))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>")
    arguments = SFTConfig(output_dir=sys.argv[1], report_to=[], use_cpu=True, max_steps=1,
                          per_device_train_batch_size=1, **setting)
    trainer = SFTTrainer(model=model, args=arguments, train_dataset=Dataset.from_list([row]), processing_class=tokenizer)
    return next(iter(trainer.get_train_dataloader()))["labels"][0].tolist()


pair = labels({"prompt": "? s o f t :", "completion": " S AO F T"}, completion_only_loss=True)
text = labels({"text": "? s o f t : S AO F T"}, completion_only_loss=True)
print("prompt and completion:", pair)
print("text:                 ", text)
assert pair[:6] == [-100] * 6 and -100 not in pair[6:], pair
assert -100 not in text, text
try:
    labels({"text": "? s o f t : S AO F T"}, assistant_only_loss=True)
except Exception as error:
    print(f"assistant_only_loss on text: {type(error).__name__}")
else:
    raise SystemExit("assistant_only_loss was taken on text too.")
PY
