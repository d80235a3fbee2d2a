// Writes small GGUF files for tests: a LLaMA model of one layer, in which single things can be
// replaced or removed.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/half.h"

namespace tandem::test {

template <typename T>
std::string raw(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}
inline std::string gguf_string(const std::string& text) {
  return raw<uint64_t>(text.size()) + text;
}

// Values with their type in front.
inline std::string u32(uint32_t value) { return raw<uint32_t>(4) + raw(value); }
inline std::string f32(float value) { return raw<uint32_t>(6) + raw(value); }
inline std::string boolean(bool value) { return raw<uint32_t>(7) + raw(value); }
inline std::string text(const std::string& value) { return raw<uint32_t>(8) + gguf_string(value); }
inline std::string texts(const std::vector<std::string>& values) {
  std::string bytes = raw<uint32_t>(9) + raw<uint32_t>(8) + raw<uint64_t>(values.size());
  for (const std::string& value : values) bytes += gguf_string(value);
  return bytes;
}
inline std::string i32s(const std::vector<int32_t>& values) {
  std::string bytes = raw<uint32_t>(9) + raw<uint32_t>(5) + raw<uint64_t>(values.size());
  for (const int32_t value : values) bytes += raw(value);
  return bytes;
}

struct TestTensor {
  std::vector<uint64_t> shape;  ///< columns first, as in the file
  uint32_t type = 0;
  std::string data;
};

struct TestGguf {
  uint32_t version = 3;
  std::map<std::string, std::string> values;
  std::map<std::string, TestTensor> tensors;
  std::map<std::string, uint64_t> offsets;  ///< instead of the right ones

  std::string bytes() const {
    std::string file =
        "GGUF" + raw(version) + raw<uint64_t>(tensors.size()) + raw<uint64_t>(values.size());
    for (const auto& [key, value] : values) file += gguf_string(key) + value;
    std::string data;
    for (const auto& [name, tensor] : tensors) {
      data.resize((data.size() + 31) / 32 * 32);
      file += gguf_string(name) + raw(static_cast<uint32_t>(tensor.shape.size()));
      for (const uint64_t size : tensor.shape) file += raw(size);
      file += raw(tensor.type);
      file += raw(offsets.contains(name) ? offsets.at(name) : uint64_t{data.size()});
      data += tensor.data;
    }
    file.resize((file.size() + 31) / 32 * 32);
    return file + data;
  }
};

/// So many blocks of a type (elements of 1 for the plain ones), with bytes that differ.
inline std::string blocks(uint32_t type, uint64_t elements) {
  std::string data;
  uint32_t state = type * 977 + 1;
  const auto next = [&state] {
    return static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  };
  for (uint64_t i = 0; i < elements; i += type == 2 || type == 3 || type == 8 ? 32 : 1) {
    switch (type) {
      case 0:
        data += raw(static_cast<float>(static_cast<int8_t>(next())) / 7.0F);
        break;
      case 1:
        data += raw(static_cast<uint16_t>(0x3000 + static_cast<uint8_t>(next())));
        break;
      case 30:
        data += raw(static_cast<uint16_t>(0x3f00 + static_cast<uint8_t>(next())));
        break;
      case 3:
        data += raw<uint16_t>(0x3555) + raw<uint16_t>(0xae66);  // about 1/3 and -0.1
        for (int k = 0; k < 16; ++k) data += next();
        break;
      default:
        data += raw<uint16_t>(0x2e66);  // about 0.1
        for (int k = 0; k < (type == 8 ? 32 : 16); ++k) data += next();
        break;
    }
  }
  return data;
}

/// Value `index` of a tensor's data, in double, rounded to float once.
inline float formula(uint32_t type, const std::string& data, int64_t index) {
  const auto half = [&](size_t at) {
    uint16_t bits = 0;
    std::memcpy(&bits, data.data() + at, 2);
    return static_cast<double>(f16_to_float(bits));
  };
  const auto i = static_cast<size_t>(index);
  const size_t block = i / 32;
  const size_t in_block = i % 32;
  const auto nibble = [&](size_t begin) {
    const auto byte = static_cast<uint8_t>(data[begin + in_block % 16]);
    return static_cast<double>(in_block < 16 ? byte & 15 : byte >> 4);
  };
  switch (type) {
    case 0: {
      float value = 0;
      std::memcpy(&value, data.data() + 4 * i, 4);
      return value;
    }
    case 1:
      return static_cast<float>(half(2 * i));
    case 2:
      return static_cast<float>(half(18 * block) * (nibble(18 * block + 2) - 8));
    case 3:
      return static_cast<float>(half(20 * block) * nibble(20 * block + 4) + half(20 * block + 2));
    case 8:
      return static_cast<float>(half(34 * block) *
                                static_cast<int8_t>(data[34 * block + 2 + in_block]));
    default: {
      uint16_t bits = 0;
      std::memcpy(&bits, data.data() + 2 * i, 2);
      return bf16_to_float(bits);
    }
  }
}

/// Hidden 64, 4 query heads of 16, 2 key/value heads, width 96, 7 tokens, untied only if asked.
inline TestGguf small_llama() {
  TestGguf gguf;
  gguf.values = {{"general.architecture", text("llama")},
                 {"llama.block_count", u32(1)},
                 {"llama.context_length", u32(128)},
                 {"llama.embedding_length", u32(64)},
                 {"llama.feed_forward_length", u32(96)},
                 {"llama.attention.head_count", u32(4)},
                 {"llama.attention.head_count_kv", u32(2)},
                 {"llama.rope.freq_base", f32(10000.0F)},
                 {"llama.attention.layer_norm_rms_epsilon", f32(1e-6F)},
                 {"tokenizer.ggml.model", text("gpt2")},
                 {"tokenizer.ggml.pre", text("smollm")},
                 {"tokenizer.ggml.tokens", texts({"<s>", "</s>", "a", "b", "c", "ab", "<x>"})},
                 {"tokenizer.ggml.token_type", i32s({3, 3, 1, 1, 1, 1, 4})},
                 {"tokenizer.ggml.merges", texts({"a b"})},
                 {"tokenizer.ggml.bos_token_id", u32(0)},
                 {"tokenizer.ggml.eos_token_id", u32(1)},
                 {"tokenizer.chat_template", text("{{ messages }}")}};
  const auto add = [&](const std::string& name, uint64_t columns, uint64_t rows, uint32_t type) {
    TestTensor& tensor = gguf.tensors[name];
    tensor.shape = rows == 0 ? std::vector<uint64_t>{columns} : std::vector{columns, rows};
    tensor.type = type;
    tensor.data = blocks(type, columns * (rows == 0 ? 1 : rows));
  };
  add("token_embd.weight", 64, 7, 8);
  add("output_norm.weight", 64, 0, 0);
  add("blk.0.attn_norm.weight", 64, 0, 0);
  add("blk.0.ffn_norm.weight", 64, 0, 0);
  add("blk.0.attn_q.weight", 64, 64, 3);
  add("blk.0.attn_k.weight", 64, 32, 1);
  add("blk.0.attn_v.weight", 64, 32, 2);
  add("blk.0.attn_output.weight", 64, 64, 30);
  add("blk.0.ffn_gate.weight", 64, 96, 3);
  add("blk.0.ffn_up.weight", 64, 96, 2);
  add("blk.0.ffn_down.weight", 96, 64, 8);
  return gguf;
}

}  // namespace tandem::test
