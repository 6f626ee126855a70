#!/bin/sh
# Scans DIR/*.jsonl, whole and cut into pieces of 5 bytes (which must agree), and scores them with DIR/evaluate.py. With all
# types also: the goals of bench/policy/goals.py, what gate.py asks of check digits and secrets (not of pii_nano, whose labels
# are noise), and the goals again for texts that the tagger's weights did not learn from. Exit code 1 where one is missed.
set -eu
dir=${1:?usage: quality.sh DIR [TYPES]}
types=${2:-}
root=$(cd "$(dirname "$0")/../.." && pwd)
scan=$root/build/release/bench/policy/policy_scan
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gate=
below=0
for gold in "$dir"/*.jsonl; do
  name=$(basename "$gold")
  "$scan" scan --policy "$root/policies/everything.yaml" --jsonl "$gold" > "$work/$name"
  "$scan" scan --policy "$root/policies/everything.yaml" --jsonl "$gold" --chunk 5 > "$work/cut"
  cmp "$work/$name" "$work/cut"
  echo "== $name"
  python3 "$dir/evaluate.py" "$gold" "$work/$name" ${types:+--types "$types"}
  [ -n "$types" ] || python3 "$root/bench/policy/goals.py" "$dir/evaluate.py" "$gold" "$work/$name" || below=1
  case $name in pii_nano.*) ;; *) gate="$gate $gold $work/$name" ;; esac
done
[ -z "$types" ] || exit 0

echo "== check digits and secrets"
# shellcheck disable=SC2086  # a list of pairs
python3 "$root/bench/policy/gate.py" "$dir/evaluate.py" $gate || below=1

echo "== texts that the tagger's weights had not seen the template of"
TRAIN="$scan train" WEIGHTS=$work/weights.bin "$root/src/policy/tagger/train.sh" "$dir" --predictions "$work/unseen" \
  > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
for name in presidio_research synthetic; do
  for least in 0.3 0.5; do
    echo "-- $name at a score of $least"
    python3 "$dir/evaluate.py" "$dir/$name.dev.jsonl" "$work/unseen/$name.dev.jsonl" --min-score "$least" |
      grep -E '^(type|PERSON|LOCATION|ORG|NRP|MICRO|leak) '
    python3 "$root/bench/policy/goals.py" "$dir/evaluate.py" "$dir/$name.dev.jsonl" "$work/unseen/$name.dev.jsonl" \
      "$least" || below=1
  done
done
exit "$below"
