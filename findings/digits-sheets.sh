#!/usr/bin/env bash
# scikit-learn 1.9.1: load_digits() lists its digits sheet by sheet, so a shuffled split tests people on their own hand.
#
# Every example and most courses shuffle these 1,797 digits. They are the test part of UCI's optdigits, by thirteen
# people, and stand in the order in which forms were scanned. Shuffled, the other digits of a person lie among the trained
# ones: the nearest neighbour is right in .99. Cut into five runs of the file, it is right in .96: three times as many
# errors, by who is held out alone. The description in the package names the thirteen people, and not the order.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check scikit-learn==1.9.1
"$folder/venv/bin/python" - <<'PY'
import sklearn
from sklearn.datasets import load_digits
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

digits = load_digits()
nearest = KNeighborsClassifier(1)


def accuracy(folds):
    return cross_val_score(nearest, digits.data, digits.target, cv=folds).mean()


shuffled = accuracy(KFold(5, shuffle=True, random_state=0))
in_order = accuracy(KFold(5))
print(f"scikit-learn {sklearn.__version__}, one nearest neighbour, five folds")
print(f"shuffled {shuffled:.3f}, in the order of the file {in_order:.3f}")
assert shuffled > 0.98 and in_order < 0.97
PY
