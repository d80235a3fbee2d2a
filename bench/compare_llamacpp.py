#!/usr/bin/env python3
"""tandem beside llama.cpp (llama-cpp-python), the same weights, A B A B.

  bench/compare_llamacpp.py --model_path HF_FOLDER --gguf FILE.gguf [--threads 2]

The GGUF file and the folder come from one source: make the file with bench/make_gguf.py, or the folder with
`tandem import FILE.gguf FOLDER`. Needs llama-cpp-python, compiled for this machine:
  CMAKE_ARGS="-DGGML_NATIVE=ON" pip install llama-cpp-python
Where llama.cpp's AMX path crashes, add -DGGML_AMX_TILE=OFF -DGGML_AMX_INT8=OFF -DGGML_AMX_BF16=OFF and say so beside the
result. Prints every round to stderr, medians and ratios as JSON to stdout.
"""
import argparse
import pathlib
import sys
import time

import compare


class LlamaCpp:
    def __init__(self, args):
        try:
            import llama_cpp
        except ImportError:
            sys.exit("compare_llamacpp.py: llama-cpp-python is not installed; see --help")
        self.args = args
        print(f"llama-cpp-python {llama_cpp.__version__}; {llama_cpp.llama_print_system_info().decode()}", file=sys.stderr)
        self.model = llama_cpp.Llama(model_path=str(args.gguf), n_ctx=args.prompt + args.generate + 8, n_batch=512,
                                     n_threads=args.threads, n_threads_batch=args.threads, verbose=False)
        self.ids = compare.prompt_ids(args.prompt, self.model.n_vocab())

    def __call__(self):
        """The prompt in one evaluation, then one id at a time, greedily."""
        self.model.reset()
        begin = time.perf_counter()
        self.model.eval(self.ids)
        token = self.model.sample(temp=0.0)
        middle = time.perf_counter()
        for _ in range(self.args.generate - 1):
            self.model.eval([token])
            token = self.model.sample(temp=0.0)
        end = time.perf_counter()
        return self.args.prompt / (middle - begin), (self.args.generate - 1) / (end - middle)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model_path", type=pathlib.Path, required=True, help="Hugging Face folder for tandem")
    parser.add_argument("--gguf", type=pathlib.Path, required=True, help="the same weights for llama.cpp")
    compare.arguments(parser)
    args = parser.parse_args()
    theirs = LlamaCpp(args)
    compare.compare(args, lambda: compare.tandem_round(args, args.model_path, theirs.ids), "llama.cpp", theirs)


if __name__ == "__main__":
    main()
