#!/usr/bin/env python3
"""The same model in NumPy, in double, apart from tandem: reference.py DIR > reference.json

For each prompt the logits behind its last id and the largest logit's id at every position. Needs
NumPy and nothing else.
"""
import json
import math
import pathlib
import struct
import sys

import numpy as np

PROMPTS = [[7], [1, 2, 3, 250, 249, 17, 100], [(i * 37 + 11) % 251 for i in range(75)]]


def load(folder):
    raw = (folder / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    tensors = {}
    for name, entry in json.loads(raw[8:8 + length]).items():
        begin, end = (8 + length + at for at in entry["data_offsets"])
        numbers = np.frombuffer(raw[begin:end], "<f4").reshape(entry["shape"])
        tensors[name] = numbers.astype(np.float64)
    return tensors


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gelu(x):
    return x * 0.5 * np.vectorize(lambda v: math.erfc(-v / math.sqrt(2)))(x)


def layer_norm(x, w, b, eps):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred ** 2).mean(-1, keepdims=True) + eps) * w + b


def rotate(x, theta):
    """[position, head, channel]: channel i turns with channel i + half."""
    half = x.shape[-1] // 2
    angle = np.arange(x.shape[0])[:, None] * theta ** (-np.arange(half) / half)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def attention(n, layer, c):
    rows, dim = n.shape[0], c["head_dim"]
    q, k, v = (layer(f"attn.{part}", n).reshape(rows, -1, dim) for part in "qkv")
    q, k = rotate(q, c["rope_theta"]), rotate(k, c["rope_theta"])
    group = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, group, 1), np.repeat(v, group, 1)
    scores = np.einsum("ihd,jhd->hij", q, k) / math.sqrt(dim)
    scores[:, np.triu(np.ones((rows, rows), bool), 1)] = -np.inf
    p = np.exp(scores - scores.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    return np.einsum("hij,jhd->ihd", p, v).reshape(rows, -1)


def forward(t, c, ids):
    x = t["embedding.weight"][ids]
    for i in range(c["num_hidden_layers"]):
        def layer(name, value, i=i):
            bias = t.get(f"blocks.{i}.{name}.bias", 0.0)
            return value @ t[f"blocks.{i}.{name}.weight"].T + bias

        n = layer_norm(x, t[f"blocks.{i}.norm.weight"], t[f"blocks.{i}.norm.bias"],
                       c["layer_norm_eps"])
        a = layer("attn.o", attention(n, layer, c) * sigmoid(layer("attn.gate", n)))
        m = layer("mlp.down", gelu(layer("mlp.up", n))) * sigmoid(layer("mlp.gate", n))
        x = x + a + m
    x = layer_norm(x, t["final_norm.weight"], t["final_norm.bias"], c["layer_norm_eps"])
    return x @ t["head.weight"].T


def main():
    folder = pathlib.Path(sys.argv[1])
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tensors = load(folder)
    cases = []
    for ids in PROMPTS:
        logits = forward(tensors, config, ids)
        cases.append({"ids": ids, "std": float(logits[-1].std()),
                      "argmax": [int(i) for i in logits.argmax(-1)],
                      "logits": [round(float(v), 7) for v in logits[-1]]})
    print("[" + ",\n ".join(json.dumps(case) for case in cases) + "]")


if __name__ == "__main__":
    main()
