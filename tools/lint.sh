#!/usr/bin/env bash
# clang-format and clang-tidy over the C++ files that differ from a base (default: main), or all.
#   tools/lint.sh [--all | --base REV] [--format-only] [--build DIR]
set -euo pipefail
cd "$(dirname "$0")/.."

base=main all=0 format_only=0 build=build/release
while [ $# -gt 0 ]; do
  case $1 in
    --all) all=1 ;;
    --base) base=$2; shift ;;
    --format-only) format_only=1 ;;
    --build) build=$2; shift ;;
    *) echo "lint.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done

patterns=('*.cc' '*.h')
if [ "$all" = 1 ]; then
  mapfile -t files < <(git ls-files -- "${patterns[@]}")
else
  mapfile -t files < <(git diff --name-only --diff-filter=d "$base" -- "${patterns[@]}")
fi
if [ ${#files[@]} -eq 0 ]; then
  echo "lint.sh: no C++ file differs from $base"
  exit 0
fi

if ! command -v clang-format >/dev/null; then
  echo "skipped: clang-format is not installed"
  exit 77
fi
clang-format --dry-run --Werror "${files[@]}"
echo "clang-format: ${#files[@]} files"
[ "$format_only" = 0 ] || exit 0

if ! command -v clang-tidy >/dev/null; then
  echo "skipped: clang-tidy is not installed"
  exit 77
fi
if [ ! -e "$build/compile_commands.json" ]; then
  echo "lint.sh: no $build/compile_commands.json: configure first, or give --build DIR" >&2
  exit 2
fi
sources=()
for file in "${files[@]}"; do
  # Files of other compilers (examples built outside, absent vendors) have no compile command.
  if [[ $file == *.cc ]] && grep -qF "/$file\"" "$build/compile_commands.json"; then
    sources+=("$file")
  fi
done
[ ${#sources[@]} -gt 0 ] || exit 0
printf '%s\0' "${sources[@]}" | xargs -0 -n 4 -P "$(nproc)" clang-tidy --quiet -p "$build"
echo "clang-tidy: ${#sources[@]} files"
