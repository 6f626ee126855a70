#!/bin/sh
# Makes weights.bin: train.sh DATA [--predictions DIR]. DATA holds ner/, names/ and the labelled *.dev.jsonl sets.
# TRAIN: the command, if it is not the built program's; WEIGHTS: where to, if not here.
set -eu
data=${1:?usage: train.sh DATA [--predictions DIR]}
shift
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC2086  # a command and its word
exec ${TRAIN:-"$here/../../../build/release/apps/signalbox/signalbox" policy train} \
  --names "$data/names" --grammar "$here/corpus/values.txt" "$here/corpus/sentences.txt" --generated 20000 \
  --blank-separated "$data"/ner/btc_train.jsonl "$data"/ner/uner_ewt_dev.jsonl "$data"/ner/wnut17_train.jsonl \
    "$data"/ner/wnut17_dev.jsonl \
  --texts "$data/presidio_research.dev.jsonl" "$data/synthetic.dev.jsonl" \
  --folds 5 --out "${WEIGHTS:-$here/weights.bin}" "$@"
