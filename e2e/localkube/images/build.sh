#!/bin/bash
# Builds the images that every cluster needs, and the base image of the
# project's own, from Debian packages: images/build.sh CACHE_FOLDER OUTPUT_FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=$(realpath "$1")
output=$(realpath "$2")
. "$here/buildah.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# unpack FOLDER PACKAGE...: the files of Debian packages, not installed.
unpack() {
  local into=$1
  shift
  mkdir -p "$work/packages"
  (cd "$work/packages" && timeout 300 apt-get download -qq -o APT::Sandbox::User=root "$@")
  for package in "$@"; do
    dpkg-deb --extract "$work"/packages/"$package"_*.deb "$into"
  done
}

echo "image: localkube-pause" >&2
mkdir "$work/pause"
cc -O2 -static -s -o "$work/pause/pause" "$here/../pause/pause.c"
printf 'FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]\n' >"$work/pause/Dockerfile"
build_image localhost/localkube-pause:1 "$work/pause/Dockerfile" "$work/pause"
export_image localhost/localkube-pause:1 "$output/pause.tar"

echo "image: kintsugi-base (libc6, libgcc-s1)" >&2
base=$work/base
mkdir -p "$base/root/etc" "$base/root/tmp"
unpack "$base/root" libc6 libgcc-s1
rm -rf "$base/root/usr/share/doc" "$base/root/usr/share/lintian" "$base/root/usr/lib"/*/gconv
chmod 1777 "$base/root/tmp"
printf 'root:x:0:0::/:/nologin\nkintsugi:x:10001:10001::/:/nologin\n' >"$base/root/etc/passwd"
printf 'root:x:0:\nkintsugi:x:10001:\n' >"$base/root/etc/group"
printf 'hosts: files dns\n' >"$base/root/etc/nsswitch.conf"
printf 'FROM scratch\nCOPY root/ /\n' >"$base/Dockerfile"
build_image localhost/kintsugi-base "$base/Dockerfile" "$base"

echo "image: localkube-probe (busybox, for the self test)" >&2
probe=$work/probe
mkdir -p "$probe/root"
unpack "$probe/root" busybox-static
printf 'FROM localhost/kintsugi-base\nCOPY root/ /\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n' >"$probe/Dockerfile"
build_image localhost/localkube-probe:1 "$probe/Dockerfile" "$probe"
export_image localhost/localkube-probe:1 "$output/probe.tar"
