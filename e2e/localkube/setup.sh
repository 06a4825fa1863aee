#!/bin/bash
# Installs what localkube needs and builds it, once for each state of its
# sources. Prints the folder that holds bin/ (localkube, kube, kubectl, helm)
# and images/. Run it again at any time: what is there already is kept.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${KINTSUGI_CACHE:-$HOME/.cache/kintsugi}/localkube
kubernetes=1.34.4
helm=4.3.1
packages=(
  containerd runc containernetworking-plugins # the container runtime and pod networks
  iptables nftables conntrack socat iproute2  # Services, cuts, port-forward
  e2fsprogs util-linux mount                  # volumes, namespaces
  buildah gcc libc6-dev                       # images
  kcat                                        # a Kafka client to try the cluster by hand
)

say() { echo "setup: $*" >&2; }

# fingerprint FILE...: a short hash of the names and contents of files.
fingerprint() { (cd "$here" && sha256sum "$@" | sha256sum | cut -c1-12); }

install_packages() {
  local missing=()
  for package in "${packages[@]}"; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  if [ ${#missing[@]} -eq 0 ]; then return; fi
  if [ "$(id -u)" != 0 ]; then
    say "not root, but these packages are missing: ${missing[*]}"
    exit 1
  fi
  say "installing packages: ${missing[*]}"
  timeout 300 apt-get update -qq >&2
  # Run level 1 keeps the packages from starting services.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive timeout 900 \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
  mkdir -p "$cache"
  printf '%s\n' "${missing[@]}" >>"$cache/installed-packages"
}

# once FOLDER MESSAGE COMMAND...: runs a command that fills the folder given as
# its last argument, and keeps the folder only if that succeeds.
once() {
  local folder=$1 message=$2
  shift 2
  if [ -d "$folder" ]; then return; fi
  say "$message"
  local began=$SECONDS
  rm -rf "$folder.new"
  mkdir -p "$folder.new"
  "$@" "$folder.new"
  mv "$folder.new" "$folder"
  say "done in $((SECONDS - began)) s"
}

# room_for GIB FOLDER: compiling fails late and unclearly on a full disk.
room_for() {
  mkdir -p "$2"
  local free
  free=$(df --output=avail --block-size=1G "$2" | tail -n 1)
  if [ "$free" -lt "$1" ]; then
    say "$2 has ${free// /} GiB free, compiling needs $1: make room, or set KINTSUGI_CACHE and GOCACHE to another disk"
    exit 1
  fi
}

build_kube() {
  room_for 5 "$(go env GOCACHE)"
  local version=k8s.io/component-base/version
  (cd "$here/kube" && CGO_ENABLED=0 timeout 3000 go build -trimpath -o "$1/kube" -ldflags "-s -w \
    -X $version.gitVersion=v$kubernetes -X $version.gitMajor=${kubernetes%%.*} \
    -X $version.gitMinor=$(cut -d. -f2 <<<"$kubernetes") -X $version.gitTreeState=clean" . >&2)
  ln -s kube "$1/kubectl"
}
build_helm() { GOBIN=$1 CGO_ENABLED=0 timeout 3000 go install "helm.sh/helm/v4/cmd/helm@v$helm" >&2; }
build_launcher() { (cd "$here/launcher" && CGO_ENABLED=0 timeout 600 go build -trimpath -o "$1/localkube" . >&2); }
build_images() { "$here/images/build.sh" "$cache" "$1" >&2; }

# join FOLDER: one folder with links to all parts.
join() {
  mkdir -p "$1/bin"
  ln -s "$kube_folder"/kube "$kube_folder"/kubectl "$helm_folder"/helm "$1/bin/"
  cp "$launcher_folder"/localkube "$1/bin/"
  ln -s "$images_folder" "$1/images"
}

install_packages
if ! command -v go >/dev/null; then
  say "Go is missing: install 1.24 or later and put it into PATH"
  exit 1
fi
mkdir -p "$cache"
exec 9>"$cache/lock"
if ! flock --nonblock 9; then
  say "waiting for another setup to finish (at most 60 min)"
  flock --timeout 3600 9
fi
kube_folder=$cache/kube-$kubernetes-$(cd "$here" && fingerprint kube/*.go kube/go.mod kube/go.sum)
helm_folder=$cache/helm-$helm
launcher_folder=$cache/launcher-$(cd "$here/launcher" && find . -type f | sort | xargs sha256sum | sha256sum | cut -c1-12)
images_folder=$cache/images-$(fingerprint pause/pause.c images/build.sh images/buildah.sh)-$(dpkg-query --show --showformat='${Version}' libc6 | tr -c '0-9a-zA-Z.' _)
once "$launcher_folder" "compiling the launcher" build_launcher
once "$images_folder" "building the pause, base and probe images" build_images
once "$kube_folder" "compiling Kubernetes $kubernetes, etcd and CoreDNS (about 6 min on 2 cores)" build_kube
once "$helm_folder" "compiling helm $helm (about 2 min on 2 cores)" build_helm
whole=$cache/$(printf '%s\n' "$kube_folder" "$helm_folder" "$launcher_folder" "$images_folder" | sha256sum | cut -c1-12)
once "$whole" "linking them into $whole" join
echo "$whole"
