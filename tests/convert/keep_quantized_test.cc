// tandem import --keep_quantized: the values of a GGUF file's blocks, in its own codes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "base/half.h"
#include "checkpoint/hf_folder.h"
#include "convert/gguf_writer.h"
#include "support/tandem_json.h"
#include "tandem/convert.h"
#include "tandem/engine.h"
#include "tensor/quantization.h"

namespace tandem::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ImportSummary keep(const TempFolder& temp, const TestGguf& gguf) {
  return import_gguf({temp.write("m.gguf", gguf.bytes()), temp.file("out"), true, {}});
}

WeightFormat format_of(uint32_t type) {
  return type == 8 ? WeightFormat::kInt8 : type == 2 ? WeightFormat::kInt4 : WeightFormat::kInt4Min;
}

float half_at(const StoredTensor& tensor, int64_t index) {
  uint16_t bits = 0;
  std::memcpy(&bits, tensor.data + 2 * index, 2);
  return f16_to_float(bits);
}

/// Value (row, column) of a weight that is stored as codes, in float.
float kept_value(const TensorStore& store, const std::string& name, WeightFormat format,
                 int64_t row, int64_t column) {
  const StoredTensor& codes = store.get(name + "_q");
  const StoredTensor& scale = store.get(name + "_scale");
  const int64_t group = row * scale.shape[1] + column / 32;
  const int64_t at = row * codes.shape[1] + (is_int4(format) ? column / 2 : column);
  auto code = std::to_integer<uint8_t>(codes.data[at]);
  if (is_int4(format)) {
    code = column % 2 == 0 ? code & 15 : code >> 4;
  } else {
    code ^= 0x80u;
  }
  const float min = has_min(format) ? half_at(store.get(name + "_min"), group) : 0.0f;
  return quantized_value(format, code, half_at(scale, group), min);
}

/// Rows of heads > 0 stand in pairs (2i, 2i + 1) in the file and as (i, i + half) in the folder.
void expect_kept(const TensorStore& store, const std::string& name, const TestTensor& source,
                 int64_t heads = 0) {
  const auto columns = static_cast<int64_t>(source.shape[0]);
  const auto rows = static_cast<int64_t>(source.shape[1]);
  EXPECT_EQ(store.find(name), nullptr) << "stored twice";
  for (int64_t row = 0; row < rows; ++row) {
    int64_t from = row;
    if (heads > 0) {
      const int64_t dim = rows / heads, channel = row % dim;
      from = row - channel + (channel < dim / 2 ? 2 * channel : 2 * (channel - dim / 2) + 1);
    }
    for (int64_t column = 0; column < columns; ++column) {
      const float expected = formula(source.type, source.data, from * columns + column);
      const float kept = kept_value(store, name, format_of(source.type), row, column);
      ASSERT_EQ(std::bit_cast<uint32_t>(kept), std::bit_cast<uint32_t>(expected))
          << name << " " << row << " " << column;
    }
  }
}

/// Every matrix in a form with codes, heads of 32 columns.
TestGguf quantized_llama() {
  TestGguf gguf = small_llama();
  gguf.values["llama.attention.head_count"] = u32(2);
  gguf.values["llama.attention.head_count_kv"] = u32(1);
  gguf.tensors["blk.0.attn_k.weight"] = {{64, 32}, 8, blocks(8, 64 * 32)};
  gguf.tensors["blk.0.attn_output.weight"] = {{64, 64}, 2, blocks(2, 64 * 64)};
  return gguf;
}

TEST(KeepQuantized, ValuesAreTheFormatsInEveryBit) {
  const TempFolder temp;
  const TestGguf gguf = quantized_llama();
  EXPECT_THAT(keep(temp, gguf).notes, ElementsAre());
  const HfFolder hf = HfFolder::open(temp.file("out"));
  const std::string layer = "model.layers.0.";
  const auto source = [&](const std::string& name) { return gguf.tensors.at(name); };
  expect_kept(hf.tensors, "model.embed_tokens.weight", source("token_embd.weight"));
  expect_kept(hf.tensors, layer + "self_attn.q_proj.weight", source("blk.0.attn_q.weight"), 2);
  expect_kept(hf.tensors, layer + "self_attn.k_proj.weight", source("blk.0.attn_k.weight"), 1);
  expect_kept(hf.tensors, layer + "self_attn.v_proj.weight", source("blk.0.attn_v.weight"));
  expect_kept(hf.tensors, layer + "self_attn.o_proj.weight", source("blk.0.attn_output.weight"));
  expect_kept(hf.tensors, layer + "mlp.gate_proj.weight", source("blk.0.ffn_gate.weight"));
  expect_kept(hf.tensors, layer + "mlp.up_proj.weight", source("blk.0.ffn_up.weight"));
  expect_kept(hf.tensors, layer + "mlp.down_proj.weight", source("blk.0.ffn_down.weight"));
}

TEST(KeepQuantized, WhatIsNotKeptIsNamed) {
  const TempFolder temp;
  TestGguf gguf = small_llama();  // k is F16, heads have 16 columns
  gguf.tensors["blk.0.attn_output.weight"] = {{64, 64}, 2, blocks(2, 64 * 64)};
  const ImportSummary summary = keep(temp, gguf);
  EXPECT_THAT(summary.notes,
              ElementsAre(HasSubstr("o_proj.weight becomes bfloat16: a head's 16 columns"),
                          HasSubstr("q_proj.weight becomes bfloat16, as model.layers.0.self_attn"),
                          HasSubstr("v_proj.weight becomes bfloat16")));
  const HfFolder hf = HfFolder::open(temp.file("out"));
  EXPECT_NE(hf.tensors.find("model.layers.0.self_attn.q_proj.weight"), nullptr);
  expect_kept(hf.tensors, "model.layers.0.mlp.down_proj.weight",
              gguf.tensors.at("blk.0.ffn_down.weight"));
}

TEST(KeepQuantized, MixedFormsRunWithOneDigestAtEveryWorldSize) {
  const TempFolder temp;
  keep(temp, quantized_llama());
  std::vector<uint64_t> found;
  for (const int world_size : {1, 2, 3}) {
    EngineOptions options;
    options.model_path = temp.file("out");
    options.world_size = world_size;
    options.threads = 1;
    options.ranks_are_threads = true;
    const auto engine = Engine::load(options);
    EXPECT_EQ(engine->info().quantize, "mixed");
    EXPECT_EQ(engine->info().dtype, "bfloat16");
    // Groups of q, k, v and of gate, up: int8 with minima (36 bytes); o: int4; down, table: int8.
    const int64_t shared = (128 * 2 + 192 * 2) * 36, own = 64 * 2 * 18 + (64 * 3 + 7 * 2) * 34;
    if (world_size == 1) {
      EXPECT_EQ(engine->report()[0].weight_bytes, shared + own + 3 * 64 * 2) << "and three norms";
    }
    Request request;
    request.prompt_ids = {2, 3, 4, 5, 6};
    request.sampling.temperature = 0;
    request.max_new_tokens = 4;
    request.digest = true;
    const RequestResult result = engine->run(request);
    EXPECT_TRUE(result.status.ok) << result.status.message;
    found.push_back(result.digest);
  }
  EXPECT_THAT(found, testing::Each(found.front()));
}

TEST(KeepQuantized, TheCommandSaysWhatItCouldNotKeep) {
  const TempFolder temp;
  const std::string gguf = temp.write("m.gguf", small_llama().bytes());
  const Outcome run = tandem({"import", gguf, temp.file("out"), "--keep_quantized"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.err, HasSubstr("note: model.layers.0.self_attn.q_proj.weight becomes bfloat16"));
}

}  // namespace
}  // namespace tandem::test
