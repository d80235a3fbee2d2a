#!/usr/bin/env python3
"""tandem beside Hugging Face transformers on PyTorch (CPU, bfloat16), the same folder, A B A B.

  bench/compare_transformers.py --model_path HF_FOLDER [--threads 2]

Needs torch and transformers. Prints every round to stderr, medians and ratios as JSON to stdout.
"""
import argparse
import pathlib
import sys
import time

import compare


class Transformers:
    def __init__(self, args):
        try:
            import torch
            import transformers
        except ImportError as error:
            sys.exit(f"compare_transformers.py: {error.name} is not installed; see --help")
        torch.set_num_threads(args.threads)
        print(f"torch {torch.__version__}, transformers {transformers.__version__}", file=sys.stderr)
        self.torch, self.args = torch, args
        self.model = transformers.AutoModelForCausalLM.from_pretrained(args.model_path, dtype=torch.bfloat16).eval()
        self.ids = compare.prompt_ids(args.prompt, self.model.config.vocab_size)

    def __call__(self):
        """The prompt in one pass, then one id at a time with the cache, greedily."""
        with self.torch.inference_mode():
            begin = time.perf_counter()
            out = self.model(self.torch.tensor([self.ids]), use_cache=True, logits_to_keep=1)
            token = out.logits[:, -1].argmax(-1, keepdim=True)
            middle = time.perf_counter()
            for _ in range(self.args.generate - 1):
                out = self.model(token, past_key_values=out.past_key_values, use_cache=True)
                token = out.logits[:, -1].argmax(-1, keepdim=True)
            end = time.perf_counter()
        return self.args.prompt / (middle - begin), (self.args.generate - 1) / (end - middle)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model_path", type=pathlib.Path, required=True, help="Hugging Face folder")
    compare.arguments(parser)
    args = parser.parse_args()
    theirs = Transformers(args)
    compare.compare(args, lambda: compare.tandem_round(args, args.model_path, theirs.ids), "transformers", theirs)


if __name__ == "__main__":
    main()
