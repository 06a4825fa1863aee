# Sourced by the scripts beside it: builds images without any registry, in a
# storage folder of its own so that the host's images stay as they are.
# Needs $cache (the folder of all build outputs).

storage=$cache/images-storage
mkdir -p "$storage/root" "$storage/run"

driver=overlay
# A host without overlay on this folder copies layers instead.
if [ -f "$storage/driver" ]; then driver=$(cat "$storage/driver"); fi

local_buildah() {
  buildah --root "$storage/root" --runroot "$storage/run" --storage-driver "$driver" "$@"
}

if [ ! -f "$storage/driver" ]; then
  if ! local_buildah images >/dev/null 2>&1; then driver=vfs; fi
  echo "$driver" >"$storage/driver"
fi

# build_image NAME DOCKERFILE CONTEXT [OPTION...], within build_seconds_max.
build_seconds_max=1200
build_image() {
  local name=$1 file=$2 context=$3
  shift 3
  # Chroot isolation needs neither runc nor systemd; nothing is ever pulled.
  timeout "$build_seconds_max" buildah --root "$storage/root" --runroot "$storage/run" --storage-driver "$driver" \
    build --isolation chroot --pull-never --quiet "$@" --tag "$name" --file "$file" "$context" >/dev/null
}

# export_image NAME ARCHIVE: the archive appears whole or not at all.
export_image() {
  rm -f "$2.new"
  local_buildah push --quiet "$1" "docker-archive:$2.new:$1" >/dev/null
  mv "$2.new" "$2"
}
