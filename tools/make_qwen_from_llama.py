#!/usr/bin/env python3
"""Rewrites a small LLaMA-form folder (SmolLM2, from ./demo.sh) as a Qwen v1 checkpoint that talks.

  tools/make_qwen_from_llama.py LLAMA_DIR OUT_DIR

Qwen-7B-Chat is 15 GB; this is the way to try its form on any machine. The network computes the same
function in another skeleton: key/value heads are repeated for their query heads (Qwen v1 has no grouped
attention), q, k and v become one c_attn with a zero bias, up and gate become w1 and w2, the head gets a
copy of the embedding, and the byte-level vocabulary becomes qwen.tiktoken with Qwen's special tokens
behind it. Needs a folder of one model.safetensors with 16-bit weights and a byte-level tokenizer.json.
Standard library only.
"""
import argparse
import base64
import json
import pathlib
import struct
import sys

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + [f"<|extra_{i}|>" for i in range(205)]
ITEM = 2  # bytes of a 16-bit weight


class Weights:
    """Tensors of one safetensors file, as bytes."""

    def __init__(self, path):
        self.file = open(path, "rb")
        length, = struct.unpack("<Q", self.file.read(8))
        self.header = json.loads(self.file.read(length))
        self.start = 8 + length
        self.dtype = self.header["model.norm.weight"]["dtype"]
        if self.dtype not in ("BF16", "F16"):
            raise SystemExit(f"{path}: weights are {self.dtype}, expected BF16 or F16")

    def __getitem__(self, name):
        begin, end = self.header[name]["data_offsets"]
        self.file.seek(self.start + begin)
        return self.file.read(end - begin)


def byte_of_char():
    """The byte-level alphabet, backwards: printable bytes are themselves, the others U+0100 and on."""
    printable = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    others = [b for b in range(256) if b not in printable]
    table = {chr(b): b for b in printable}
    table.update({chr(256 + i): b for i, b in enumerate(others)})
    return table


def vocabulary(tokenizer):
    """(bytes of the ordinary tokens in order, old id of each new one or -1)."""
    special = {t["content"]: t["id"] for t in tokenizer["added_tokens"] if t["special"]}
    by_id = sorted(tokenizer["model"]["vocab"].items(), key=lambda item: item[1])
    ordinary = [(token, old) for token, old in by_id if token not in special]
    table = byte_of_char()
    tokens = [bytes(table[c] for c in token) for token, _ in ordinary]
    old_ids = [old for _, old in ordinary] + [special.get(token, -1) for token in SPECIAL]
    old_ids += [-1] * (-len(old_ids) % 128)
    return tokens, old_ids


def convert(weights, config, old_ids):
    """Yields (name, shape, bytes) of the Qwen form."""
    hidden, ff = config["hidden_size"], config["intermediate_size"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    head_bytes = hidden // heads * hidden * ITEM
    row = hidden * ITEM
    embedding = weights["model.embed_tokens.weight"]
    rows = b"".join(embedding[i * row:(i + 1) * row] if i >= 0 else bytes(row) for i in old_ids)

    def repeated(name):
        kv = weights[name]
        return b"".join(kv[h * head_bytes:(h + 1) * head_bytes] * (heads // kv_heads)
                        for h in range(kv_heads))

    yield "transformer.wte.weight", [len(old_ids), hidden], rows
    for i in range(config["num_hidden_layers"]):
        old, new = f"model.layers.{i}.", f"transformer.h.{i}."
        yield new + "ln_1.weight", [hidden], weights[old + "input_layernorm.weight"]
        yield new + "attn.c_attn.weight", [3 * hidden, hidden], (
            weights[old + "self_attn.q_proj.weight"] + repeated(old + "self_attn.k_proj.weight") +
            repeated(old + "self_attn.v_proj.weight"))
        yield new + "attn.c_attn.bias", [3 * hidden], bytes(3 * hidden * ITEM)
        yield new + "attn.c_proj.weight", [hidden, hidden], weights[old + "self_attn.o_proj.weight"]
        yield new + "ln_2.weight", [hidden], weights[old + "post_attention_layernorm.weight"]
        yield new + "mlp.w1.weight", [ff, hidden], weights[old + "mlp.up_proj.weight"]
        yield new + "mlp.w2.weight", [ff, hidden], weights[old + "mlp.gate_proj.weight"]
        yield new + "mlp.c_proj.weight", [hidden, ff], weights[old + "mlp.down_proj.weight"]
    yield "transformer.ln_f.weight", [hidden], weights["model.norm.weight"]
    yield "lm_head.weight", [len(old_ids), hidden], rows


def write_shard(path, tensors, dtype):
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape, data in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + len(data)]}
        end += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors:
            file.write(data)
    return end


def configs(config, vocab_size, end_token):
    hidden = config["hidden_size"]
    return {
        "config.json": {
            "architectures": ["QWenLMHeadModel"], "model_type": "qwen", "bf16": True, "fp16": False,
            "fp32": False, "hidden_size": hidden, "intermediate_size": 2 * config["intermediate_size"],
            "kv_channels": hidden // config["num_attention_heads"],
            "layer_norm_epsilon": config["rms_norm_eps"],
            "num_attention_heads": config["num_attention_heads"],
            "num_hidden_layers": config["num_hidden_layers"],
            "max_position_embeddings": config["max_position_embeddings"],
            "seq_length": config["max_position_embeddings"], "no_bias": True,
            "rotary_emb_base": int(config["rope_theta"]), "rotary_pct": 1.0,
            "scale_attn_weights": True, "tie_word_embeddings": False,
            "tokenizer_class": "QWenTokenizer", "use_cache": True, "use_dynamic_ntk": True,
            "use_logn_attn": True, "vocab_size": vocab_size},
        "generation_config.json": {
            "chat_format": "chatml", "eos_token_id": end_token, "pad_token_id": end_token,
            "max_window_size": 6144, "max_new_tokens": 512, "do_sample": True, "top_k": 0, "top_p": 0.8},
        "tokenizer_config.json": {
            "model_max_length": config["max_position_embeddings"], "tokenizer_class": "QWenTokenizer"}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("llama", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    config = json.loads((args.llama / "config.json").read_text())
    tokenizer = json.loads((args.llama / "tokenizer.json").read_text(encoding="utf-8"))
    weights = Weights(args.llama / "model.safetensors")
    tokens, old_ids = vocabulary(tokenizer)
    (args.out / "qwen.tiktoken").write_text(
        "".join(f"{base64.b64encode(t).decode()} {rank}\n" for rank, t in enumerate(tokens)))

    tensors = list(convert(weights, config, old_ids))
    halves = [tensors[:len(tensors) // 2], tensors[len(tensors) // 2:]]  # as the real one has several
    index, total = {}, 0
    for i, part in enumerate(halves, 1):
        name = f"model-{i:05}-of-{len(halves):05}.safetensors"
        total += write_shard(args.out / name, part, weights.dtype)
        index.update({tensor: name for tensor, _, _ in part})
    files = configs(config, len(old_ids), len(tokens))
    files["model.safetensors.index.json"] = {"metadata": {"total_size": total}, "weight_map": index}
    for name, data in files.items():
        (args.out / name).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(f"{args.out}: {len(tensors)} tensors, vocabulary {len(old_ids)}, {total / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
