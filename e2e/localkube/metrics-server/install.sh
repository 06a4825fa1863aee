#!/bin/bash
# Runs metrics-server on a cluster of localkube, and returns once its API serves:
#   metrics-server/install.sh NAME
# It is compiled from its Go module, once for each state of the files here. Apart from setup.sh,
# because only who wants the metrics API needs it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 1 ] || { sed -n '2,5s/^# \?//p' "$0" >&2; exit 2; }
name=$1
kit=$("$here/../setup.sh" | tail -n 1)
cache=${KINTSUGI_CACHE:-$HOME/.cache/kintsugi}/localkube
package=sigs.k8s.io/metrics-server
version=$(sed -n "s|^require $package v||p" "$here/go.mod")
image=localhost/localkube-metrics-server:$version
say() { echo "metrics-server: $*" >&2; }

folder=$cache/metrics-server-$version-$(cd "$here" && sha256sum go.mod go.sum Dockerfile | sha256sum | cut -c1-12)
exec 8>"$cache/metrics-server-lock"
flock --timeout 1800 8
if [ ! -d "$folder" ]; then
  say "compiling $version (about 2 min on 2 cores after Kubernetes itself)"
  began=$SECONDS
  rm -rf "$folder.new"
  mkdir -p "$folder.new"
  (cd "$here" && CGO_ENABLED=0 timeout 1500 go build -trimpath -o "$folder.new/metrics-server" \
    -ldflags "-s -w -X $package/pkg/version.gitVersion=v$version" "$package/cmd/metrics-server" >&2)
  archive=$("$here/../images/image.sh" "$image" "$here/Dockerfile" "$folder.new" metrics-server | tail -n 1)
  cp "$archive" "$folder.new/image.tar"
  mv "$folder.new" "$folder"
  say "done in $((SECONDS - began)) s"
fi
exec 8>&-

localkube() { "$kit/bin/localkube" --name "$name" "$@"; }
kubectl() { "$kit/bin/kubectl" --kubeconfig "$(localkube kubeconfig)" "$@"; }
localkube load-image "$folder/image.tar"
sed "s|IMAGE|$image|" "$here/metrics-server.yaml" | kubectl apply --filename - >/dev/null
kubectl --namespace kube-system rollout status deployment/metrics-server --timeout=120s >/dev/null
kubectl wait --for=condition=Available apiservice/v1beta1.metrics.k8s.io --timeout=60s >/dev/null
say "the metrics API serves"
