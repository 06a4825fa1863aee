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
trap 'rm -f "$instance"' EXIT
"$bench" grown-100k "$instance"
"$(./venv.sh)" rebalancer.py "$instance" "$2"
