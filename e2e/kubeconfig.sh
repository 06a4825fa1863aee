#!/usr/bin/env bash
# Runs the scenarios on a cluster that is handed over by a kubeconfig. What a scenario needs and the
# cluster lacks keeps it from being run, and the summary says so.
#   KUBECONFIG=FILE [IMAGE_REGISTRY=HOST/PATH] [ALLOW_PRIVILEGED=1] e2e/kubeconfig.sh [OPTION...]
# IMAGE_REGISTRY: where images are pushed (buildah; log in before with `buildah login`) and nodes pull
#   them from; the chart is then installed or upgraded. Without it the operator that runs is used.
# ALLOW_PRIVILEGED: allows pods that see their node's processes. They need an image: IMAGE_REGISTRY's,
#   or HELPER_IMAGE where that is on the nodes already.
# MANIFEST: the KafkaCluster, examples/kafkacluster.yaml unless told. It asks for zones: see its racks.
# OPTION: of `kintsugi-e2e scenarios`, such as --only NAME.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "cannot go on: $*" >&2; exit 1; }
say() { echo "[$(printf '%4d' $SECONDS) s] $*"; }
[ -n "${KUBECONFIG:-}" ] || fail "KUBECONFIG names no file: say make e2e-kubeconfig KUBECONFIG=FILE"
[ -r "$KUBECONFIG" ] || fail "the kubeconfig $KUBECONFIG cannot be read"
export KUBECONFIG
binaries=${CARGO_TARGET_DIR:-target}/image
manifest=${MANIFEST:-examples/kafkacluster.yaml}
options=(--kubeconfig "$KUBECONFIG" --manifest "$manifest")

say "setting up helm and kubectl (cold: about 9 min on 2 cores)"
kit=$(e2e/localkube/setup.sh | tail -n 1)
"$kit/bin/kubectl" get --raw /readyz >/dev/null || fail "the cluster of $KUBECONFIG does not answer"
say "building the broker, the operator and the tests (cold: about 8 min on 2 cores)"
cargo build --quiet --profile image --workspace --bin kintsugi-broker --bin kintsugi-operator \
  --bin kintsugi-e2e --bin kintsugi-node-helper

helper=${HELPER_IMAGE:-}
if [ -n "${IMAGE_REGISTRY:-}" ]; then
  context=$(mktemp -d)
  trap 'rm -rf "$context"' EXIT
  built=$context/target/$(dpkg --print-architecture)
  mkdir -p "$built"
  cp "$binaries"/kintsugi-{broker,operator,node-helper} "$built/"
  tag=$(cat "$built"/* | sha256sum | cut -c1-12)
  for target in broker operator node-helper; do
    image=$IMAGE_REGISTRY/kintsugi-$target:$tag
    say "building and pushing $image"
    archive=$(e2e/localkube/images/image.sh "$image" Dockerfile "$context" "$target-from-binaries" | tail -n 1)
    e2e/localkube/images/push.sh "$archive" "$image" || fail "$image could not be pushed: try 'buildah login' first"
  done
  say "installing the operator"
  "$kit/bin/helm" upgrade --install kintsugi charts/kintsugi \
    --namespace kintsugi-system --create-namespace \
    --set image.repository="$IMAGE_REGISTRY/kintsugi-operator" --set image.tag="$tag" \
    --set brokerImage.repository="$IMAGE_REGISTRY/kintsugi-broker" --set brokerImage.tag="$tag" \
    --wait --timeout 300s >/dev/null
  options+=(--helm "$kit/bin/helm" --chart charts/kintsugi)
  helper=$IMAGE_REGISTRY/kintsugi-node-helper:$tag
elif "$kit/bin/helm" --namespace kintsugi-system status kintsugi >/dev/null 2>&1; then
  options+=(--helm "$kit/bin/helm" --chart charts/kintsugi)
fi
[ -z "$helper" ] || options+=(--helper-image "$helper")
case ${ALLOW_PRIVILEGED:-0} in
  0 | no | '') ;;
  *) options+=(--allow-privileged-pods) ;;
esac
"$kit/bin/kubectl" apply -f e2e/namespace.yaml >/dev/null

say "running: scenarios $*"
"$binaries/kintsugi-e2e" scenarios "${options[@]}" "$@"
