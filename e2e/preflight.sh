#!/usr/bin/env bash
# Says in a sentence what is missing on this machine; installs the Debian packages that builds need.
set -euo pipefail
fail() { echo "cannot go on: $*" >&2; exit 1; }

[ "$(uname -s)" = Linux ] || fail "this is $(uname -s); Kintsugi builds and runs on Linux"
command -v cargo >/dev/null || fail "Rust is missing; install rustup (https://rustup.rs) and run this again"
cargo --version >/dev/null 2>&1 || fail "the toolchain of rust-toolchain.toml is missing and could not be installed; run 'rustup toolchain install'"
command -v go >/dev/null || fail "Go is missing; install Go 1.24 or newer and run this again"

packages=(build-essential zlib1g-dev python3 python3-venv util-linux)
missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
    missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || fail "these are missing and there is no apt-get to install them: ${missing[*]}"
  [ "$(id -u)" = 0 ] || fail "these Debian packages are missing; install them as root: ${missing[*]}"
  echo "installing ${missing[*]}"
  timeout 300 apt-get update -qq
  DEBIAN_FRONTEND=noninteractive timeout 900 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
