"""What the comparisons share: run tandem once, alternate with the other engine, print ratios.

Both engines are measured A B A B ... in one process group, so that a neighbour who takes memory bandwidth takes it from
both. Standard library only.
"""
import json
import shlex
import statistics
import subprocess
import sys
import time


def arguments(parser):
    parser.add_argument("--tandem", default="build/release/tandem", help="the program (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of both engines, all ranks together (default: %(default)s)")
    parser.add_argument("--world_size", type=int, default=1, help="tandem's ranks (default: %(default)s)")
    parser.add_argument("--prompt", type=int, default=512, help="prompt tokens (default: %(default)s)")
    parser.add_argument("--generate", type=int, default=64, help="new tokens (default: %(default)s)")
    parser.add_argument("--options", type=shlex.split, default=[], help="more for tandem, such as \"--quantize int8\"")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")


def prompt_ids(count, vocabulary):
    """Ids without a pattern, the same in every run."""
    state, ids = 12345, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        ids.append((state >> 33) % vocabulary)
    return ids


def tandem_round(args, folder, ids):
    """(prefill, decode) in tokens per second, as `tandem generate` reports them."""
    command = [args.tandem, "generate", "--model_path", str(folder), "--prompt_ids", ",".join(map(str, ids)),
               "--max_new_tokens", str(args.generate), "--temperature", "0", "--ignore_eos", "--json",
               "--world_size", str(args.world_size), "--threads", str(max(1, args.threads // args.world_size))]
    command += args.options
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command[:2])} ended with {done.returncode}: {done.stderr.strip()}")
    timing = json.loads(done.stdout)["timing"]
    return timing["prefill_tok_s"], timing["decode_tok_s"]


def compare(args, ours, name, theirs):
    """Calls both in turn, after one round of each that does not count; prints and returns medians and ratios."""
    results = {"tandem": [], name: []}
    ours(), theirs()
    for number in range(args.rounds):
        for engine, run in (("tandem", ours), (name, theirs)):
            results[engine].append(run())
            prefill, decode = results[engine][-1]
            print(f"round {number + 1}: {engine:14} prefill {prefill:9.1f}  decode {decode:8.2f} tokens/s", file=sys.stderr)
    summary = {"date": time.strftime("%Y-%m-%d"), "threads": args.threads, "world_size": args.world_size,
               "prompt": args.prompt, "generate": args.generate, "rounds": args.rounds,
               "options": args.options}
    for index, what in enumerate(("prefill", "decode")):
        for engine, rounds in results.items():
            values = [one[index] for one in rounds]
            middle = statistics.median(values)
            summary[f"{engine}_{what}_tok_s"] = middle
            summary[f"{engine}_{what}_spread"] = (max(values) - min(values)) / middle
        summary[f"{what}_ratio"] = summary[f"tandem_{what}_tok_s"] / summary[f"{name}_{what}_tok_s"]
    print(json.dumps(summary, indent=1))
    return summary
