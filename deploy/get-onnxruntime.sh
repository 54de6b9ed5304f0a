#!/bin/sh
# Fetches ONNX Runtime's native library (CPU build) from the npm package onnxruntime-node and keeps that one file of it.
# usage: deploy/get-onnxruntime.sh [DIR]      default: .dvis/lib in this tree. Can be run again; does nothing when all is there.
# With DVIS_ONNXRUNTIME set to a library of your own (1.17 or newer, a GPU build for example) nothing is fetched.
set -eu

version=1.30.0
name=libonnxruntime.so.1
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
dir=${1:-$root/.dvis/lib}

say() { printf '%s\n' "get-onnxruntime: $*"; }
fail() { say "$*" >&2; exit 1; }

if [ -n "${DVIS_ONNXRUNTIME:-}" ]; then
  [ -s "$DVIS_ONNXRUNTIME" ] && [ -r "$DVIS_ONNXRUNTIME" ] || fail "DVIS_ONNXRUNTIME is $DVIS_ONNXRUNTIME, which is no readable file."
  say "using DVIS_ONNXRUNTIME ($DVIS_ONNXRUNTIME)"
  exit 0
fi

[ "$(uname -s)" = Linux ] || fail "only Linux is supported here; install ONNX Runtime and set DVIS_ONNXRUNTIME."
case $(uname -m) in
  x86_64)  arch=x64;   sha256=ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23 ;;
  aarch64) arch=arm64; sha256=1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76 ;;
  *) fail "no build for $(uname -m); install ONNX Runtime and set DVIS_ONNXRUNTIME." ;;
esac

matches() { [ -f "$1" ] && printf '%s  %s\n' "$sha256" "$1" | sha256sum -c --status; }

if matches "$dir/$name"; then
  say "$dir/$name is ONNX Runtime $version already"
  exit 0
fi

command -v npm >/dev/null 2>&1 || fail "npm is needed to fetch onnxruntime-node $version (Debian package: npm)."
mkdir -p "$dir"
tmp=$(mktemp -d "$dir/.fetch.XXXXXX")
trap 'rm -rf "$tmp"' EXIT INT TERM
say "fetching onnxruntime-node $version (linux/$arch)"
# npm checks the archive against the registry's integrity value; none of the package's scripts runs.
(cd "$tmp" && npm pack "onnxruntime-node@$version" --ignore-scripts --silent >/dev/null) || fail "npm could not fetch onnxruntime-node $version."
tar -xzf "$tmp/onnxruntime-node-$version.tgz" -C "$tmp" "package/bin/napi-v6/linux/$arch/$name"
matches "$tmp/package/bin/napi-v6/linux/$arch/$name" || fail "the library in onnxruntime-node $version is not the one expected (sha256)."
mv -f "$tmp/package/bin/napi-v6/linux/$arch/$name" "$dir/$name"
chmod 644 "$dir/$name"
say "$dir/$name is ONNX Runtime $version"
