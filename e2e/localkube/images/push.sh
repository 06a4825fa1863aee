#!/bin/bash
# Pushes an archive of image.sh to a registry: images/push.sh ARCHIVE IMAGE
# REGISTRY_INSECURE=1 allows a registry without TLS.
set -euo pipefail
cache=${KINTSUGI_CACHE:-$HOME/.cache/kintsugi}/localkube
. "$(dirname "$0")/buildah.sh"
exec 9>"$storage/lock"
flock --timeout 1200 9
verify=true
[ "${REGISTRY_INSECURE:-0}" = 0 ] || verify=false
name=$(local_buildah pull --quiet "docker-archive:$1")
timeout 600 buildah --root "$storage/root" --runroot "$storage/run" --storage-driver "$driver" \
  push --quiet --tls-verify="$verify" "$name" "docker://$2"
local_buildah rmi "$name" >/dev/null
