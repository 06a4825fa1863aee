#!/usr/bin/env bash
# Prints what docs/benchmarks.md says of the planner. $1 is the folder of the built examples, $2 how
# many seconds Rebalancer may take.
set -euo pipefail
cd "$(dirname "$0")"
bench=$1/bench_planner
for case in grown-1m cruise-control evacuation tick; do
  echo "== $case"
  "$bench" "$case"
done
echo '== grown-100k'
instance=$(mktemp --suffix .json)
log=$(mktemp)
trap 'rm -f "$instance" "$log"' EXIT
"$bench" grown-100k "$instance"
python=$(./venv.sh)
"$python" beside_rebalancer.py "$instance" "$2" 2>"$log" || { cat "$log" >&2; exit 1; }
