#!/bin/bash
# Builds the Dockerfile's targets from source, for amd64 and arm64, and checks what is in them:
#   images/from-source.sh [ARCHITECTURE...]
# There is no registry to take BUILDER from, so one is made here of Debian's packages and of this
# machine's Rust. Crates come from this machine's cargo cache, or from their registry.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../../.." && pwd)
[ "$(id -u)" = 0 ] || { echo "cannot go on: debootstrap needs root" >&2; exit 1; }
"$here/../setup.sh" >/dev/null
cache=${KINTSUGI_CACHE:-$HOME/.cache/kintsugi}/localkube
. "$here/buildah.sh"
# Both programs and their dependencies are compiled, maybe beside other builds.
build_seconds_max=3600
command -v debootstrap >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq debootstrap >/dev/null
command -v readelf >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq binutils >/dev/null
architectures=("$@")
[ $# -gt 0 ] || architectures=(amd64 arm64)
# Without the lock of image.sh: buildah's storage has locks of its own, and nobody else could build an
# image for as long as this compiles.

# Rust's own folder changes with its version, and with the targets that were added to it.
sysroot=$(cd "$repository" && rustc --print sysroot)
rustup target add --toolchain "$(basename "$sysroot")" aarch64-unknown-linux-gnu x86_64-unknown-linux-gnu
builder=localhost/kintsugi-builder
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "image: $builder (Debian's C compiler and $(rustc --version))" >&2
. /etc/os-release
debootstrap --variant=minbase --include=gcc,libc6-dev,ca-certificates,make "$VERSION_CODENAME" "$work/root" \
  http://deb.debian.org/debian >"$work/debootstrap.log" 2>&1 || { tail "$work/debootstrap.log" >&2; exit 1; }
# What this machine trusts and where its packages come from holds inside too.
cp -L /etc/ssl/certs/ca-certificates.crt "$work/root/etc/ssl/certs/"
mkdir -p "$work/root/usr/local/rust"
cp -a "$sysroot/bin" "$sysroot/lib" "$work/root/usr/local/rust/"
printf 'FROM scratch\nCOPY root/ /\nENV CARGO_HOME=/usr/local/cargo PATH=/usr/local/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin\n' >"$work/Dockerfile"
build_image "$builder" "$work/Dockerfile" "$work"
rm -rf "$work/root"

context=$work/context
mkdir -p "$context"
git -C "$repository" archive HEAD | tar -x -C "$context"
mkdir -p "$HOME/.cargo/registry"
for architecture in "${architectures[@]}"; do
  case $architecture in
    amd64) machine='X86-64' ;;
    arm64) machine='AArch64' ;;
    *) echo "from-source.sh: unknown architecture $architecture: give amd64 or arm64" >&2; exit 2 ;;
  esac
  for role in broker operator; do
    name=localhost/kintsugi-$role-from-source:$architecture
    echo "image: $name" >&2
    # With layers, so that both roles share the stage that compiles.
    build_image "$name" "$context/Dockerfile" "$context" --layers --target "$role-from-source" \
      --build-arg BUILDER="$builder" --build-arg BASE=localhost/kintsugi-base --build-arg TARGETARCH="$architecture" \
      --volume "$HOME/.cargo/registry:/usr/local/cargo/registry"
    container=$(local_buildah from --pull-never "$name")
    mounted=$(local_buildah mount "$container")
    found=$(readelf -h "$mounted/usr/bin/kintsugi-$role" | sed -n 's/^ *Machine: *//p')
    entry=$(local_buildah inspect --format '{{.OCIv1.Config.Entrypoint}} as {{.OCIv1.Config.User}}' "$container")
    if [ "$architecture" = "$(dpkg --print-architecture)" ]; then
      version=$(chroot "$mounted" "/usr/bin/kintsugi-$role" --version)
    else
      version="not run: this machine is $(dpkg --print-architecture)"
    fi
    local_buildah rm "$container" >/dev/null
    echo "$name: $found; runs $entry; $version"
    case $found in *"$machine"*) ;; *) echo "from-source.sh: $name holds a binary for $found" >&2; exit 1 ;; esac
  done
done
