#!/usr/bin/env python3
"""Writes the weights of a LLaMA folder in BF16 as GGUF, for comparisons with llama.cpp: the same model in both.

  pip install gguf
  bench/make_gguf.py HF_FOLDER OUT.gguf [--type BF16|Q8_0|Q4_0]

One tensor after another, so that memory stays at the largest one. The tokenizer is left out: the comparisons give ids.
"""
import argparse
import json
import mmap
import pathlib
import struct

import gguf
import numpy as np

NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
         "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
TOP = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}


def name_of(tensor):
    if tensor in TOP:
        return TOP[tensor]
    _, _, layer, rest = tensor.split(".", 3)
    return f"blk.{layer}.{NAMES[rest.removesuffix('.weight')]}.weight"


def tensors(folder):
    """(name, fp32 array) of every tensor of the folder's safetensors files."""
    for path in sorted(folder.glob("*.safetensors")):
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            size = struct.unpack("<Q", data[:8])[0]
            for name, entry in json.loads(data[8:8 + size]).items():
                if name == "__metadata__":
                    continue
                if entry["dtype"] != "BF16":
                    raise SystemExit(f"{path}: {name} is {entry['dtype']}; expected BF16")
                begin, end = (8 + size + at for at in entry["data_offsets"])
                bits = np.frombuffer(data[begin:end], dtype="<u2").astype(np.uint32) << 16
                yield name, bits.view(np.float32).reshape(entry["shape"])


def rotated_in_pairs(weight, heads):
    """llama.cpp rotates neighbours, Hugging Face halves of a head."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("out")
    parser.add_argument("--type", choices=("BF16", "Q8_0", "Q4_0"), default="BF16")
    args = parser.parse_args()
    config = json.loads((args.folder / "config.json").read_text())
    kind = gguf.GGMLQuantizationType[args.type]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    writer = gguf.GGUFWriter(args.out, "llama", use_temp_file=True)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_dimension_count(config["hidden_size"] // heads)
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{args.type}"])
    writer.add_tokenizer_model("none")
    for name, weight in tensors(args.folder):
        if "q_proj" in name or "k_proj" in name:
            weight = rotated_in_pairs(weight, heads if "q_proj" in name else kv_heads)
        if weight.ndim == 1:
            writer.add_tensor(name_of(name), weight)
        else:
            writer.add_tensor(name_of(name), gguf.quants.quantize(np.ascontiguousarray(weight), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
