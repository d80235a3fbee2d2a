#!/usr/bin/env python3
"""One digest over everything that must not change a bit.

Runs `tandem generate` on one checkpoint folder over world sizes x threads x prefill chunks x batch
sizes x instruction sets x prefix reuse, and compares the digests. By default a covering of the
product: every world size with every instruction set, the other settings in turn; --full takes all.

  tools/digest_matrix.py --tandem build/release/tandem DIR [--full] [--prompt N] [--new N]
  tools/digest_matrix.py --tandem build/release/tandem DIR --world_sizes 1,2,3 --isas avx512

Exit 1 when two digests of one prompt differ. Standard library only.
"""
import argparse
import itertools
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

WORLD_SIZES = [1, 2, 3, 4, 5, 7, 8]
THREADS = [1, 2, 3]
CHUNKS = [1, 7, 64, 0]     # 0: the whole prompt
BATCHES = [1, 8]
REUSE = [False, True]


def numbers(text):
    return [int(part) for part in text.split(",")]


def present_isas(tandem, folder):
    """Those that the program does not refuse."""
    found = []
    for isa in ("portable", "avx2", "avx512", "amx"):
        done = subprocess.run(
            [tandem, "generate", "--model_path", folder, "--prompt_ids", "1", "--max_new_tokens", "1",
             "--isa", isa, "--json"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            found.append(isa)
        else:
            print(f"skipped: {isa}: {done.stderr.strip()}")
    return found


def covering(args):
    """Every (world size, instruction set) pair; the other settings change from run to run."""
    others = list(itertools.product(THREADS, CHUNKS, BATCHES, REUSE))
    random.Random(1).shuffle(others)
    pairs = list(itertools.product(args.world_sizes, args.isas))
    for i in range(max(len(pairs), len(others))):
        yield pairs[i % len(pairs)] + others[i % len(others)]


def prompts_for(length, vocabulary, reuse):
    """Three prompts; the second begins like the first, so that a cache of prefixes can serve it."""
    rng = random.Random(7)
    first = [rng.randrange(3, vocabulary) for _ in range(length)]
    second = first[:length * 3 // 4] + [rng.randrange(3, vocabulary) for _ in range(length // 4)]
    third = [rng.randrange(3, vocabulary) for _ in range(max(1, length // 3))]
    prompts = [first, second, third]
    # Without reuse the sharing prompt comes alone, in a run of its own.
    return [prompts] if reuse else [[p] for p in prompts]


def run(args, setting, vocabulary):
    """Digest of each of the three prompts, and how many prompt tokens came from the cache."""
    world_size, isa, threads, chunk, batch, reuse = setting
    digests, cached = [], 0
    for prompts in prompts_for(args.prompt, vocabulary, reuse):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            for prompt in prompts:
                file.write(json.dumps({"prompt_ids": prompt}) + "\n")
            file.flush()
            command = [args.tandem, "generate", "--model_path", args.folder, "--prompts", file.name,
                       "--world_size", str(world_size), "--threads", str(threads), "--isa", isa,
                       "--prefill_chunk", str(chunk or max(args.prompt, 1)), "--max_batch", str(batch),
                       "--max_new_tokens", str(args.new), "--ignore_eos", "--temperature", "0",
                       "--digest", "--json"]
            if args.dtype:
                command += ["--dtype", args.dtype]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\nexit {done.returncode}: {done.stderr}")
        for line in done.stdout.splitlines():
            result = json.loads(line)
            digests.append(result["digest"])
            cached += result["cached_prompt_tokens"]
    return digests, cached


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="checkpoint folder")
    parser.add_argument("--tandem", default="build/release/tandem", help="the program [%(default)s]")
    parser.add_argument("--full", action="store_true", help="the whole product, not a covering")
    parser.add_argument("--prompt", type=int, default=96, help="prompt length [%(default)s]")
    parser.add_argument("--new", type=int, default=16, help="tokens generated [%(default)s]")
    parser.add_argument("--dtype", default="", help="as for tandem [its default]")
    parser.add_argument("--world_sizes", type=numbers, default=WORLD_SIZES)
    parser.add_argument("--isas", default="", help="comma-separated [those present]")
    parser.add_argument("--limit", type=int, default=0, help="at most so many settings [all]")
    args = parser.parse_args()
    args.isas = args.isas.split(",") if args.isas else present_isas(args.tandem, args.folder)
    config = json.loads((pathlib.Path(args.folder) / "config.json").read_text())
    vocabulary = config.get("vocab_size") or config["padded_vocab_size"]

    settings = list(covering(args))
    if args.full:
        settings = list(itertools.product(args.world_sizes, args.isas, THREADS, CHUNKS, BATCHES, REUSE))
    if args.limit:
        settings = settings[:args.limit]
    reference, different, reused = None, 0, 0
    start = time.time()
    for setting in settings:
        digests, cached = run(args, setting, vocabulary)
        reused += cached
        reference = reference or digests
        if digests != reference:
            different += 1
            names = ("world_size", "isa", "threads", "chunk", "batch", "reuse")
            print("differs:", " ".join(f"{n}={v}" for n, v in zip(names, setting)), *digests)
    print(f"{len(settings)} settings over world sizes {args.world_sizes} and {args.isas}, "
          f"{time.time() - start:.0f} s; digests {' '.join(reference)}; "
          f"{reused} prompt tokens from the cache; {different} settings differ")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
