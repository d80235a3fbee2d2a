#!/usr/bin/env python3
"""What quantized weights cost in quality: perplexity and greedy agreement of `tandem score` over given ids.

  bench/quality.py --model_path HF_FOLDER --ids prose.json [--quantize none,int8,int4] [-- OPTIONS OF tandem score]

The file holds {"ids": [...]} and, to compare with another engine's float32 run, "logprobs" (one fewer) and "argmax".
Without them the first entry of --quantize is the reference. Prints a Markdown table, a row as soon as it is there.
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model_path", required=True, help="Hugging Face folder")
    parser.add_argument("--ids", type=pathlib.Path, required=True, help="JSON with ids, perhaps logprobs and argmax")
    parser.add_argument("--quantize", default="none,int8,int4_symmetric,int4_min", help="formats, with commas between")
    parser.add_argument("--limit", type=int, help="only so many ids")
    parser.add_argument("--tandem", default=HERE.parent / "build/release/tandem", help="the program")
    parser.add_argument("options", nargs="*", help="after --: options of tandem score")
    return parser.parse_args()


def score(args, quantize, ids):
    """The JSON object of one `tandem score` over the ids."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write(json.dumps({"ids": ids}) + "\n")
        file.flush()
        command = [str(args.tandem), "score", "--model_path", args.model_path, "--file", file.name,
                   "--quantize", quantize, "--json", *args.options]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"quality.py: tandem score --quantize {quantize} ended with {done.returncode}")
    return json.loads(done.stdout)


def perplexity(logprobs):
    return math.exp(-math.fsum(logprobs) / len(logprobs))


def row(result, reference):
    """Perplexity, its distance from the reference's, errors of log-probabilities, equal argmax."""
    ours, theirs = result["logprobs"], reference["logprobs"]
    if len(ours) != len(theirs) or len(result["argmax"]) != len(reference["argmax"]):
        sys.exit(f"quality.py: {len(ours)} log-probabilities, the reference has {len(theirs)}")
    errors = [abs(a - b) for a, b in zip(ours, theirs)]
    equal = sum(a == b for a, b in zip(result["argmax"], reference["argmax"]))
    change = 100 * (perplexity(ours) / perplexity(theirs) - 1)
    return (f"{perplexity(ours):.3f} | {change:+.2f} % | {math.fsum(errors) / len(errors):.3f}, {max(errors):.2f} | "
            f"{100 * equal / len(result['argmax']):.1f} %")


def main():
    args = arguments()
    try:
        given = json.loads(args.ids.read_text())
        ids = given["ids"][:args.limit]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"quality.py: {args.ids}: expected JSON with \"ids\": {error}")
    if len(ids) < 2:
        sys.exit(f"quality.py: {len(ids)} ids; at least 2 are needed")
    reference = None
    if "logprobs" in given and "argmax" in given:
        reference = {"logprobs": given["logprobs"][:len(ids) - 1], "argmax": given["argmax"][:len(ids)]}
    print("| `--quantize` | perplexity | against the reference | mean, largest error of a log-probability | equal argmax |")
    print("|---|---|---|---|---|")
    for quantize in args.quantize.split(","):
        result = score(args, quantize, ids)
        reference = reference or result
        print(f"| {quantize} | {row(result, reference)} |", flush=True)


if __name__ == "__main__":
    main()
