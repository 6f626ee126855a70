#!/bin/sh
# Scans DIR/*.jsonl, whole and cut into pieces of 5 bytes (which must agree), and scores them with DIR/evaluate.py.
set -eu
dir=${1:?usage: quality.sh DIR [TYPES]}
types=${2:-}
root=$(cd "$(dirname "$0")/../.." && pwd)
scan=$root/build/release/bench/policy/policy_scan
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for gold in "$dir"/*.jsonl; do
  "$scan" scan --policy "$root/policies/everything.yaml" --jsonl "$gold" > "$work/whole"
  "$scan" scan --policy "$root/policies/everything.yaml" --jsonl "$gold" --chunk 5 > "$work/cut"
  cmp "$work/whole" "$work/cut"
  echo "== $(basename "$gold")"
  python3 "$dir/evaluate.py" "$gold" "$work/whole" ${types:+--types "$types"}
done
