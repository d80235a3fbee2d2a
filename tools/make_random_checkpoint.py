#!/usr/bin/env python3
"""Writes a Hugging Face folder with random weights of a named shape, in BF16.

  tools/make_random_checkpoint.py --shape llama-2-7b OUT_DIR

For measuring memory, loading and speed, and for comparing digests, where no real checkpoint is at hand.
Weights are normal with deviation 0.02 (norms are 1), from a block of values that is repeated at
different offsets, so that 13.5 GB take as long as writing them. Files of at most --file_gb with an index.
With --tokenizer DIR the vocabulary is that of DIR/tokenizer.json, which is copied.
The same shape and seed give the same bytes. Standard library only.
"""
import argparse
import array
import json
import pathlib
import random
import shutil
import struct
import sys

# hidden, feed-forward, layers, query heads, key/value heads, vocabulary, positions, theta, tied
SHAPES = {
    "smollm2-135m": (576, 1536, 30, 9, 3, 49152, 8192, 100000.0, True),
    "tinyllama-1.1b": (2048, 5632, 22, 32, 4, 32000, 2048, 10000.0, False),
    "llama-2-7b": (4096, 11008, 32, 32, 32, 32000, 4096, 10000.0, False),
    "tiny": (96, 160, 2, 6, 2, 512, 256, 10000.0, False),
}
BLOCK = 1048573  # values; prime, so that rows of no width repeat


def bf16(value):
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16


def random_block(seed):
    rng = random.Random(seed)
    values = array.array("H", (bf16(rng.gauss(0.0, 0.02)) for _ in range(BLOCK)))
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def tensors(shape):
    """(name, shape) of every tensor, in the order of the layers."""
    hidden, ff, layers, q_heads, kv_heads, vocab, _, _, tied = shape
    kv = hidden // q_heads * kv_heads
    yield "model.embed_tokens.weight", (vocab, hidden)
    for i in range(layers):
        p = f"model.layers.{i}."
        yield p + "input_layernorm.weight", (hidden,)
        yield p + "self_attn.q_proj.weight", (hidden, hidden)
        yield p + "self_attn.k_proj.weight", (kv, hidden)
        yield p + "self_attn.v_proj.weight", (kv, hidden)
        yield p + "self_attn.o_proj.weight", (hidden, hidden)
        yield p + "post_attention_layernorm.weight", (hidden,)
        yield p + "mlp.gate_proj.weight", (ff, hidden)
        yield p + "mlp.up_proj.weight", (ff, hidden)
        yield p + "mlp.down_proj.weight", (hidden, ff)
    yield "model.norm.weight", (hidden,)
    if not tied:
        yield "lm_head.weight", (vocab, hidden)


def count(shape):
    n = 1
    for d in shape:
        n *= d
    return n


def write_values(file, name, shape, block, offset):
    left = count(shape) * 2
    if len(shape) == 1:  # norms
        file.write(struct.pack("<H", bf16(1.0)) * shape[0])
        return
    start = offset % len(block) & ~1
    while left:
        piece = block[start:start + left]
        file.write(piece)
        left -= len(piece)
        start = 0


def write_file(path, members, block, seed):
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in members:
        size = count(shape) * 2
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in members:
            offset = random.Random(f"{seed} {name}").randrange(BLOCK * 2)
            write_values(file, name, shape, block, offset)
    return end


def config_of(shape):
    hidden, ff, layers, q_heads, kv_heads, vocab, positions, theta, tied = shape
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
            "hidden_size": hidden, "intermediate_size": ff, "num_hidden_layers": layers,
            "num_attention_heads": q_heads, "num_key_value_heads": kv_heads, "vocab_size": vocab,
            "max_position_embeddings": positions, "rope_theta": theta, "rope_scaling": None,
            "rms_norm_eps": 1e-5, "hidden_act": "silu", "attention_bias": False, "mlp_bias": False,
            "tie_word_embeddings": tied, "bos_token_id": 1, "eos_token_id": 2}


def split(members, limit):
    """Groups of tensors of at most `limit` bytes each."""
    groups, size = [[]], 0
    for name, shape in members:
        if groups[-1] and size + count(shape) * 2 > limit:
            groups.append([])
            size = 0
        groups[-1].append((name, shape))
        size += count(shape) * 2
    return groups


def vocabulary_size(path):
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    ids = list(tokenizer["model"]["vocab"].values())
    return 1 + max(ids + [t["id"] for t in tokenizer["added_tokens"]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--shape", choices=sorted(SHAPES), required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--file_gb", type=float, default=4.5, help="most GB per file [%(default)s]")
    parser.add_argument("--tokenizer", type=pathlib.Path, help="folder of a tokenizer.json to take")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    shape = SHAPES[args.shape]
    if args.tokenizer:
        shutil.copy(args.tokenizer / "tokenizer.json", args.out)
        shape = (*shape[:5], vocabulary_size(args.out / "tokenizer.json"), *shape[6:])
    block = random_block(args.seed)
    groups = split(list(tensors(shape)), args.file_gb * 1e9)
    total, index = 0, {}
    for i, members in enumerate(groups, 1):
        name = ("model.safetensors" if len(groups) == 1
                else f"model-{i:05}-of-{len(groups):05}.safetensors")
        total += write_file(args.out / name, members, block, args.seed)
        index.update({tensor: name for tensor, _ in members})
    if len(groups) > 1:
        document = {"metadata": {"total_size": total}, "weight_map": index}
        (args.out / "model.safetensors.index.json").write_text(json.dumps(document, indent=1) + "\n")
    (args.out / "config.json").write_text(json.dumps(config_of(shape), indent=1) + "\n")
    print(f"{args.out}: {args.shape}, {len(groups)} files, {total / 1e9:.2f} GB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
