#!/usr/bin/env bash
# tantivy 0.27.0 (Python): documents of 40 and of 41 words are equally long to BM25.
#
# Lucene's scheme, which tantivy has too, keeps a document's length in one byte: exact up to 40, then ever coarser. So
# BM25's correction for length has steps, and two documents that differ in length alone can get the same score.
# Shown: one word once in documents of 36 to 48 words, and where neighbours' scores are equal.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check tantivy==0.27.0
"$folder/venv/bin/python" - <<'PY'
import tantivy

builder = tantivy.SchemaBuilder()
builder.add_text_field("body")
builder.add_integer_field("words", stored=True)
index = tantivy.Index(builder.build())
writer = index.writer(heap_size=15_000_000, num_threads=1)
lengths = range(36, 49)
for words in lengths:
    writer.add_document(tantivy.Document(body="cat " + "mat " * (words - 1), words=words))
writer.commit()
writer.wait_merging_threads()
index.reload()
searcher = index.searcher()
found = searcher.search(index.parse_query("cat", ["body"]), limit=100).hits
score = {searcher.doc(address)["words"][0]: round(value, 6) for value, address in found}
equal = [words for words in lengths if words > 36 and score[words] == score[words - 1]]
print("scores:", {words: score[words] for words in lengths})
print("equal to that of the document one word shorter:", equal)
assert equal and equal[0] == 41, equal
PY
