#!/usr/bin/env bash
# Installs the Debian packages that tandem is built and tested with; does nothing when all are there.
# With --list prints their names.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config python3                               # tools
  nlohmann-json3-dev libcli11-dev libfmt-dev libspdlog-dev               # JSON, options, text, log
  libpcre2-dev libutf8proc-dev libsentencepiece-dev libedit-dev          # tokenizers, line editing
  libgtest-dev libgmock-dev libbenchmark-dev                             # tests, benchmarks
)
if [ "${1:-}" = --list ]; then
  printf '%s\n' "${packages[@]}"
  exit 0
fi
if ! command -v dpkg-query >/dev/null; then
  echo "no dpkg here: install what matches these Debian packages yourself: ${packages[*]}" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "installing ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "run as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update -q </dev/null
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null
