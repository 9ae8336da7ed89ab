#!/usr/bin/env bash
# SentencePiece 0.2.3: "split by number" does not split numbers, and a decimal can be one piece.
#
# split_by_number is on by default. It ends a piece where a letter meets a digit (x3), and nothing else: the
# full stop within 3.14 belongs to neither side, so that 3.14 becomes a single piece if it is frequent. Who
# wants digits apart has to say split_digits=True.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check sentencepiece==0.2.3
"$folder/venv/bin/python" - <<'PY'
import io

import sentencepiece as spm

text = ["pi is 3.14 and e is 2.71 and again 3.14 and x3 and 3a and 3.14"] * 200


def pieces(**options):
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(text), model_writer=model, vocab_size=40, model_type="bpe",
        hard_vocab_limit=False, minloglevel=2, **options,
    )
    return spm.SentencePieceProcessor(model_proto=model.getvalue()).encode("3.14 x3", out_type=str)


default, digits = pieces(), pieces(split_digits=True)
print("sentencepiece", spm.__version__, "default:", ascii(default))
print("split_digits=True:", ascii(digits))
assert "\u25813.14" in default and "\u2581x3" not in default, default
assert not any("3.14" in piece for piece in digits), digits
PY
