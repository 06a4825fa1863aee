#!/bin/sh
# Compiles the broker and the operator for an architecture of Docker's (amd64, arm64) into a folder:
#   compile-image.sh ARCHITECTURE OUTPUT_FOLDER
# A machine of another architecture gets the cross compiler and Rust's library for it, if it lacks them.
set -eu
cd "$(dirname "$0")/.."
case $1 in
  amd64) target=x86_64-unknown-linux-gnu compiler=x86_64-linux-gnu-gcc package=gcc-x86-64-linux-gnu ;;
  arm64) target=aarch64-unknown-linux-gnu compiler=aarch64-linux-gnu-gcc package=gcc-aarch64-linux-gnu ;;
  *) echo "compile-image.sh: unknown architecture $1: give amd64 or arm64" >&2; exit 2 ;;
esac
output=$2
if [ "$(rustc -vV | sed -n 's/^host: //p')" != "$target" ]; then
  if ! command -v "$compiler" >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      "$package" "libc6-dev-$1-cross" >/dev/null
  fi
  if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then rustup target add "$target"; fi
  # Cargo's linker for the target, and the C compiler of build scripts.
  variable=$(printf '%s' "$target" | tr 'a-z-' 'A-Z_')
  export "CARGO_TARGET_${variable}_LINKER=$compiler"
  export "CC_$(printf '%s' "$target" | tr '-' '_')=$compiler"
fi
cargo build --locked --quiet --profile image --target "$target" -p kintsugi-broker -p kintsugi-operator
mkdir -p "$output"
for name in kintsugi-broker kintsugi-operator; do
  cp "${CARGO_TARGET_DIR:-target}/$target/image/$name" "$output/"
done
