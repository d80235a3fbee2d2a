#!/usr/bin/env python3
"""Encoding speed on 10 MB of mixed text against the `tokenizers` package: one thread each, taking turns, by processor time.

    cmake -B build -DTANDEM_BUILD_BENCH=ON && cmake --build build --target tokenizer_speed
    pip install tokenizers==0.23.3 && python bench/compare_tokenizers.py [--program build/bench/tokenizer_speed] FOLDER...

Each FOLDER has a tokenizer.json. The text is Python code and prose of this Python's standard library (three quarters)
and combined Chinese and Japanese sentences, in documents of some kilobytes, the same for both sides. The package runs
`encode_batch_fast`, which leaves offsets out as tandem does. Ids are compared by their number here and one by one in the tests.
"""
import argparse
import glob
import os
import pathlib
import random
import statistics
import subprocess
import sysconfig
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import Tokenizer  # noqa: E402  (reads the environment)

ZH = "我们 今天 模型 并行 张量 计算 结果 权重 文件 用户 可以 正在 需要 已经 读取 发送 合并 保存 测试 的 了 在 是 和 不 有 这个 每个 进程 显卡 内存 速度 句子 词表 编码 解码 问题 回答".split()
JA = "モデルは 行列を 計算し 結果を 保存します 私たちは テキストを 読み込み もう一度 ゆっくり 確認して ください これは それぞれの 装置が".split()


def documents(size):
    rng = random.Random(1)
    files = sorted(glob.glob(sysconfig.get_paths()["stdlib"] + "/*.py"))
    code = "".join(pathlib.Path(f).read_text(encoding="utf-8", errors="ignore") for f in files)
    texts, total = [], 0
    while total < size:
        kind = rng.random()
        if kind < 0.75:
            begin = rng.randrange(len(code) - 4000)
            text = code[begin:begin + rng.randint(500, 4000)].replace("\0", "")
        else:
            words = ZH if kind < 0.9 else JA
            text = "".join(rng.choice(words) + (rng.choice("，。、") if rng.random() < 0.15 else "") for _ in range(rng.randint(50, 600)))
        texts.append(text)
        total += len(text.encode())
    return texts, total


class Tandem:
    def __init__(self, program, folder, path):
        self.process = subprocess.Popen([program, folder, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.load_s = float(self.process.stdout.readline())

    def round(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seconds, ids = self.process.stdout.readline().split()
        return float(seconds), int(ids)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Package:
    def __init__(self, folder, texts):
        start = time.process_time()
        self.tokenizer = Tokenizer.from_file(str(pathlib.Path(folder) / "tokenizer.json"))
        self.load_s = time.process_time() - start
        self.texts = texts

    def round(self):
        start = time.process_time()
        encodings = self.tokenizer.encode_batch_fast(self.texts, add_special_tokens=False)
        seconds = time.process_time() - start
        return seconds, sum(len(e) for e in encodings)


def spread(values):
    return (max(values) - min(values)) / statistics.median(values)


def compare(program, folder, texts, total, rounds):
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="") as file:
        file.write("\0".join(texts))
        file.flush()
        ours, theirs = Tandem(program, folder, file.name), Package(folder, texts)
        times = {ours: [], theirs: []}
        counts = set()
        for i in range(rounds + 1):  # the first round warms up
            for side in (ours, theirs) if i % 2 else (theirs, ours):
                seconds, ids = side.round()
                counts.add(ids)
                if i > 0:
                    times[side].append(seconds)
        ours.close()
    if len(counts) != 1:
        raise SystemExit(f"{folder}: different numbers of ids: {counts}")
    a, b = statistics.median(times[ours]), statistics.median(times[theirs])
    print(f"| {pathlib.Path(folder).name} | {total / a / 1e6:.1f} MB/s (±{50 * spread(times[ours]):.0f} %) | {total / b / 1e6:.1f} MB/s (±{50 * spread(times[theirs]):.0f} %) "
          f"| {b / a:.1f} | {ours.load_s * 1e3:.0f} ms | {theirs.load_s * 1e3:.0f} ms |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--program", default="build/bench/tokenizer_speed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bytes", type=int, default=10_000_000)
    args = parser.parse_args()
    texts, total = documents(args.bytes)
    print("| vocabulary | tandem | tokenizers | ratio | tandem loads in | tokenizers loads in |\n|---|---|---|---|---|---|")
    for folder in args.folders:
        compare(args.program, folder, texts, total, args.rounds)


if __name__ == "__main__":
    main()
