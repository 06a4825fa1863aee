#!/usr/bin/env bash
# Brings up a real Kubernetes with the operator installed, then runs kintsugi-e2e on it.
#   e2e/run.sh --name NAME [--remove | --only-remove] [--handed-over] [-- SUBCOMMAND [OPTION...]]
# --remove takes the cluster down when the command succeeded (a failed one is left for a look,
# and replaced by the next run); --only-remove does nothing else. --handed-over runs SUBCOMMAND
# `scenarios` as on a foreign cluster, by e2e/kubeconfig.sh, which is told of a kubeconfig only.
set -euo pipefail
cd "$(dirname "$0")/.."
name= remove=no only_remove=no handed_over=no
while [ $# -gt 0 ]; do
  case $1 in
    --name) name=$2; shift 2 ;;
    --remove) remove=yes; shift ;;
    --handed-over) handed_over=yes; shift ;;
    --only-remove) only_remove=yes; shift ;;
    --) shift; break ;;
    *) echo "run.sh: unknown option $1" >&2; exit 2 ;;
  esac
done
[ -n "$name" ] || { echo "run.sh: --name is missing" >&2; exit 2; }
say() { echo "[$(printf '%4d' $SECONDS) s] $*"; }
[ "$(id -u)" = 0 ] || { echo "cannot go on: a Kubernetes of network namespaces needs root" >&2; exit 1; }
export KINTSUGI_CACHE=${KINTSUGI_CACHE:-$HOME/.cache/kintsugi}
binaries=${CARGO_TARGET_DIR:-target}/image

say "setting up the local Kubernetes (cold: about 9 min on 2 cores; see e2e/localkube/README.md)"
kit=$(e2e/localkube/setup.sh | tail -n 1)
localkube() { "$kit/bin/localkube" --name "$name" "$@"; }
if [ "$only_remove" = yes ]; then
  localkube down
  say "cluster $name is removed"
  exit 0
fi

say "building the broker, the operator and the tests (cold: about 8 min on 2 cores)"
cargo build --quiet --profile image --workspace --bin kintsugi-broker --bin kintsugi-operator \
  --bin kintsugi-e2e --bin kintsugi-node-helper
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
architecture=$(dpkg --print-architecture)
built=$context/target/$architecture
mkdir -p "$built"
cp "$binaries/kintsugi-broker" "$binaries/kintsugi-operator" "$built/"
targets=(broker operator)
if [ "$handed_over" = yes ]; then
  cp "$binaries/kintsugi-node-helper" "$built/"
  targets+=(node-helper)
fi
tag=$(cat "$built"/* | sha256sum | cut -c1-12)
archives=()
for target in "${targets[@]}"; do
  say "building the image kintsugi-$target:$tag"
  archives+=("$(e2e/localkube/images/image.sh "localhost/kintsugi-$target:$tag" Dockerfile "$context" \
    "$target-from-binaries" --build-arg "TARGETARCH=$architecture" | tail -n 1)")
done

if [ "$remove" = yes ]; then
  localkube down
fi
say "starting Kubernetes $name"
localkube up
kubeconfig=$(localkube kubeconfig)
export KUBECONFIG=$kubeconfig
localkube load-image "${archives[@]}"

# The metrics API is for scenario hpa alone, and metrics-server takes minutes to compile.
wants_metrics_api() {
  [ "$1" = scenarios ] || return 1
  case " $* " in
    *' --smoke '*) return 1 ;;
    *'hpa '*) return 0 ;;
    *' --only'*) return 1 ;;
  esac
}
if wants_metrics_api "$@"; then
  say "installing metrics-server (cold: about 2 min on 2 cores)"
  e2e/localkube/metrics-server/install.sh "$name"
fi

say "installing the operator"
"$kit/bin/helm" upgrade --install kintsugi charts/kintsugi \
  --namespace kintsugi-system --create-namespace \
  --set image.repository=localhost/kintsugi-operator --set image.tag="$tag" \
  --set brokerImage.repository=localhost/kintsugi-broker --set brokerImage.tag="$tag" \
  --wait --timeout 120s >/dev/null
"$kit/bin/kubectl" apply -f e2e/namespace.yaml >/dev/null

command=$1
shift
say "running: $command $*"
if [ "$handed_over" = yes ]; then
  HELPER_IMAGE=localhost/kintsugi-node-helper:$tag e2e/kubeconfig.sh "$@"
else
  "$binaries/kintsugi-e2e" "$command" --kubeconfig "$kubeconfig" --localkube "$kit/bin/localkube" \
    --name "$name" --helm "$kit/bin/helm" --chart charts/kintsugi --manifest examples/kafkacluster.yaml "$@"
fi
if [ "$remove" = yes ]; then
  localkube down
fi
say "done"
