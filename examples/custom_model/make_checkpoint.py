#!/usr/bin/env python3
"""Makes a small random checkpoint of the family in this folder: make_checkpoint.py DIR

The same file on every machine. Sizes that divide by nothing: 9 query heads on 3 key/value heads, a
feed-forward part of 200, a prime vocabulary. Standard library only.
"""
import array
import json
import math
import pathlib
import random
import struct
import sys

CONFIG = {
    "architectures": ["GatedParallelForCausalLM"], "model_type": "gated_parallel",
    "hidden_size": 72, "num_hidden_layers": 3, "num_attention_heads": 9, "num_key_value_heads": 3,
    "head_dim": 12, "intermediate_size": 200, "vocab_size": 251, "max_position_embeddings": 128,
    "layer_norm_eps": 1e-5, "rope_theta": 10000.0, "eos_token_id": 0, "torch_dtype": "float32",
}


def shapes(c):
    """Name -> shape, in the order of the file."""
    hidden, ff, vocab = c["hidden_size"], c["intermediate_size"], c["vocab_size"]
    q = c["num_attention_heads"] * c["head_dim"]
    kv = c["num_key_value_heads"] * c["head_dim"]
    out = {"embedding.weight": [vocab, hidden]}
    for i in range(c["num_hidden_layers"]):
        block = f"blocks.{i}."
        for name, shape, bias in (
                ("norm", [hidden], True), ("attn.q", [q, hidden], False),
                ("attn.k", [kv, hidden], False), ("attn.v", [kv, hidden], False),
                ("attn.gate", [q, hidden], True), ("attn.o", [hidden, q], False),
                ("mlp.up", [ff, hidden], True), ("mlp.down", [hidden, ff], True),
                ("mlp.gate", [hidden, hidden], True)):
            out[block + name + ".weight"] = shape
            if bias:
                out[block + name + ".bias"] = shape[:1]
    out.update({"final_norm.weight": [hidden], "final_norm.bias": [hidden],
                "head.weight": [vocab, hidden]})
    return out


def values(name, shape, rng):
    """Uniform (random() alone is the same on every machine): matrices that keep the size of what
    goes through them, norm weights around 1, biases that matter."""
    count = math.prod(shape)
    spread = math.sqrt(3 / shape[1]) if len(shape) == 2 else 0.5
    if name.startswith("embedding"):
        spread = 1.0
    middle = 1.0 if name.endswith("norm.weight") else 0.0
    return array.array("f", (middle + spread * (2 * rng.random() - 1) for _ in range(count)))


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(20)
    header, data = {}, bytearray()
    for name, shape in shapes(CONFIG).items():
        numbers = values(name, shape, rng)
        if sys.byteorder == "big":
            numbers.byteswap()
        begin = len(data)
        data += numbers.tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
