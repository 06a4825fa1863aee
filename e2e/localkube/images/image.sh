#!/bin/bash
# Builds one target of a Dockerfile upon the base image and prints the path of
# its archive, which `localkube load-image` takes:
#   images/image.sh NAME DOCKERFILE CONTEXT TARGET [BUILD_OPTION...]
# The Dockerfile gets the base image's name as ARG BASE. NAME is the image's
# name in Kubernetes, for example localhost/kintsugi-broker:dev.
set -euo pipefail
archives_kept=12
if [ $# -lt 4 ]; then
  sed -n '2,6s/^# \?//p' "$0" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
name=$1 dockerfile=$2 context=$3 target=$4
shift 4
# Brings the base image too, if it is missing.
"$here/../setup.sh" >/dev/null
cache=${KINTSUGI_CACHE:-$HOME/.cache/kintsugi}/localkube
. "$here/buildah.sh"
mkdir -p "$cache/archives"
exec 9>"$storage/lock"
flock --timeout 1200 9
build_image "$name" "$dockerfile" "$context" --target "$target" --build-arg BASE=localhost/kintsugi-base "$@"
archive=$cache/archives/$(printf '%s' "$name" | tr '/:' '__').tar
export_image "$name" "$archive"
# What was built before goes: names that carry a content hash never come again.
local_buildah rmi "$name" >/dev/null
find "$cache/archives" -name '*.tar' -printf '%T@ %p\n' | sort -rn | tail -n +$((archives_kept + 1)) | cut -d' ' -f2- | xargs -r rm -f
echo "$archive"
