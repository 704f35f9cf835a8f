#!/usr/bin/env bash
# A small Korean model from nothing: text, training, and what it says. Under 15 minutes on two cores.
# Usage: examples/korean/run.sh [HEW] [FOLDER] [MORE]
# MORE: a folder with ordinary Korean text (see larger_text.py); the model reads that too, which takes about three times as long.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
hew=${1:-build/release/bin/hew}
out=${2:-korean-model}
more=${3:-}
mkdir -p "$out"
python3 "$here/make_corpus.py" > "$out/corpus.txt"
text=$out/corpus.txt vocabulary=800 epochs=1
if [ -n "$more" ]; then
  text=$out/text.txt vocabulary=2000 epochs=1
  python3 "$here/larger_text.py" "$out/corpus.txt" "$more" > "$text"
fi
# Few tokens: a word that was never met falls into pieces that were. Muon learns from so little text in half the steps of AdamW.
"$hew" pretrain --data "$text" --documents lines --separate-documents --preset 3m --vocab-size $vocabulary --max-length 128 \
  --batch-tokens 4096 --epochs $epochs --optimizer muon --lr 2e-3 --out "$out/model" \
  --sample "나 아침부터 아무것도 못 먹었어. 나 배" --sample-every 200
for text in "나 아침부터 아무것도 못 먹었어. 나 배" "나 상한 우유를 마셨어. 나 배" "나 점심을 너무 많이 먹었어. 나 배"; do
  "$hew" next "$out/model" "$text" -k 5
done
echo "the nearest string:"
python3 "$here/baseline.py" "$out/corpus.txt"
echo "the model:"
python3 "$here/evaluate.py" "$hew" "$out/model"
