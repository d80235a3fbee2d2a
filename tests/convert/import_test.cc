// tandem import: what a GGUF file becomes, what is refused by name, and that nothing is left
// behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <thread>

#include "base/half.h"
#include "checkpoint/hf_folder.h"
#include "convert/dequantize.h"
#include "convert/gguf_writer.h"
#include "support/tandem_json.h"
#include "tandem/convert.h"
#include "tandem/error.h"
#include "tandem/text.h"

namespace tandem::test {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> listing(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

ImportSummary import_into(const TempFolder& temp, const TestGguf& gguf) {
  return import_gguf({temp.write("m.gguf", gguf.bytes()), temp.file("out"), false, {}});
}

/// The float nearest to `value` among bfloat16's, ties to even, by arithmetic instead of bits.
float nearest_bf16(float value) {
  if (value == 0) return value;
  int exponent = 0;
  std::frexp(value, &exponent);
  const double unit = std::ldexp(1.0, exponent - 8);  // 8 significant bits
  return static_cast<float>(std::nearbyint(value / unit) * unit);
}

float stored_value(const StoredTensor& tensor, int64_t index) {
  uint16_t bits = 0;
  std::memcpy(&bits, tensor.data + 2 * index, 2);
  return bf16_to_float(bits);
}

void expect_values(const StoredTensor& tensor, const TestTensor& source, int64_t heads) {
  const int64_t columns = tensor.shape.back();
  const int64_t rows = tensor.elements() / columns;
  const int64_t half = heads > 0 ? rows / heads / 2 : 0;
  for (int64_t row = 0; row < rows; ++row) {
    int64_t from = row;
    if (heads > 0) {  // pairs (2i, 2i + 1) become (i, i + half)
      const int64_t head = row / (2 * half);
      const int64_t channel = row % (2 * half);
      from = head * 2 * half + (channel < half ? 2 * channel : 2 * (channel - half) + 1);
    }
    for (int64_t column = 0; column < columns; ++column) {
      const float expected =
          nearest_bf16(formula(source.type, source.data, from * columns + column));
      ASSERT_EQ(std::bit_cast<uint32_t>(stored_value(tensor, row * columns + column)),
                std::bit_cast<uint32_t>(expected))
          << tensor.name << " " << row << " " << column;
    }
  }
}

TEST(Import, MakesAFolderThatOpens) {
  const TempFolder temp;
  const TestGguf gguf = small_llama();
  const ImportSummary summary = import_into(temp, gguf);
  EXPECT_EQ(summary.tensors, 11);
  EXPECT_EQ(summary.tokens, 7);
  EXPECT_THAT(listing(temp.path()), ElementsAre("m.gguf", "out"));
  const HfFolder hf = HfFolder::open(temp.file("out"));
  EXPECT_EQ(hf.tensors.total_bytes(), summary.bytes);
  const auto expect = [&](const std::string& name, const std::string& from, int64_t heads = 0) {
    expect_values(hf.tensors.get(name), gguf.tensors.at(from), heads);
  };
  expect("model.embed_tokens.weight", "token_embd.weight");
  expect("model.norm.weight", "output_norm.weight");
  const std::string layer = "model.layers.0.";
  expect(layer + "input_layernorm.weight", "blk.0.attn_norm.weight");
  expect(layer + "post_attention_layernorm.weight", "blk.0.ffn_norm.weight");
  expect(layer + "self_attn.q_proj.weight", "blk.0.attn_q.weight", 4);
  expect(layer + "self_attn.k_proj.weight", "blk.0.attn_k.weight", 2);
  expect(layer + "self_attn.v_proj.weight", "blk.0.attn_v.weight");
  expect(layer + "self_attn.o_proj.weight", "blk.0.attn_output.weight");
  expect(layer + "mlp.gate_proj.weight", "blk.0.ffn_gate.weight");
  expect(layer + "mlp.up_proj.weight", "blk.0.ffn_up.weight");
  expect(layer + "mlp.down_proj.weight", "blk.0.ffn_down.weight");
}

TEST(Import, Configuration) {
  const TempFolder temp;
  TestGguf gguf = small_llama();
  gguf.values["tokenizer.ggml.eot_token_id"] = u32(6);
  import_into(temp, gguf);
  const HfFolder hf = HfFolder::open(temp.file("out"));
  const JsonReader config(hf.config, "config.json");
  EXPECT_EQ(config.integer("num_key_value_heads", 0, 99), 2);
  EXPECT_EQ(config.integer("vocab_size", 0, 99), 7);
  EXPECT_EQ(config.number("rms_norm_eps", 0, 1), 1e-6);
  EXPECT_EQ(config.number("rope_theta", 0, 1e9), 10000.0);
  EXPECT_TRUE(config.boolean_or("tie_word_embeddings", false));
  EXPECT_FALSE(config.has("head_dim"));
  EXPECT_EQ(config.integer("eos_token_id", 0, 99), 1);
  EXPECT_EQ(hf.generation_config.dump(), R"({"bos_token_id":0,"eos_token_id":[1,6]})");
}

TEST(Import, OwnOutputMatrixAndHeadSize) {
  const TempFolder temp;
  TestGguf gguf = small_llama();
  gguf.values["llama.attention.head_count"] = u32(2);
  gguf.values["llama.attention.head_count_kv"] = u32(1);
  gguf.values["llama.attention.key_length"] = u32(32);
  gguf.tensors["output.weight"] = gguf.tensors["token_embd.weight"];
  import_into(temp, gguf);
  const HfFolder same = HfFolder::open(temp.file("out"));
  EXPECT_FALSE(same.config.find("tie_word_embeddings")->boolean());
  expect_values(same.tensors.get("lm_head.weight"), gguf.tensors["output.weight"], 0);
  const TempFolder other;
  gguf.values["llama.attention.head_count"] = u32(1);
  gguf.values["llama.attention.key_length"] = u32(32);
  for (const std::string name : {"blk.0.attn_q.weight", "blk.0.attn_k.weight"}) {
    gguf.tensors[name] = {{64, 32}, 1, blocks(1, 64 * 32)};
  }
  gguf.tensors["blk.0.attn_output.weight"] = {{32, 64}, 30, blocks(30, 32 * 64)};
  import_into(other, gguf);
  EXPECT_EQ(HfFolder::open(other.file("out")).config.find("head_dim")->integer(), 32);
}

TEST(Import, TokenizerLoads) {
  const TempFolder temp;
  TestGguf gguf = small_llama();
  import_into(temp, gguf);
  const auto tokenizer = Tokenizer::load(temp.file("out"));
  EXPECT_THAT(tokenizer->encode("<s>abc<x>"), ElementsAre(0, 5, 4, 6));
  EXPECT_EQ(tokenizer->decode({0, 5, 6}, true), "ab<x>");  // control tokens alone are special
  const TempFolder other;
  gguf.values["tokenizer.ggml.add_bos_token"] = boolean(true);
  gguf.values["tokenizer.ggml.pre"] = text("llama-bpe");
  import_into(other, gguf);
  EXPECT_THAT(Tokenizer::load(other.file("out"))->encode("ab"), ElementsAre(0, 5));
}

struct Refusal {
  std::string name;
  std::function<void(TestGguf&)> change;
  ErrorCode code;
  std::string says;
};

std::vector<Refusal> refusals() {
  const auto set = [](const std::string& key, const std::string& value) {
    return [=](TestGguf& gguf) { gguf.values[key] = value; };
  };
  const auto tensor = [](const std::string& name, std::vector<uint64_t> shape, uint32_t type) {
    return [=](TestGguf& gguf) { gguf.tensors[name] = {shape, type, blocks(0, 64)}; };
  };
  constexpr ErrorCode kUnsupported = ErrorCode::kUnsupported;
  constexpr ErrorCode kBadInput = ErrorCode::kBadInput;
  return {
      {"architecture", set("general.architecture", text("qwen2")), kUnsupported, "\"qwen2\""},
      {"no_architecture", [](TestGguf& g) { g.values.erase("general.architecture"); }, kBadInput,
       "general.architecture"},
      {"experts", set("llama.expert_count", u32(8)), kUnsupported, "experts"},
      {"rope_scaling", set("llama.rope.scaling.type", text("yarn")), kUnsupported, "\"yarn\""},
      {"unknown_key", set("llama.logit_scale", f32(2)), kUnsupported, "llama.logit_scale"},
      {"rope_part", set("llama.rope.dimension_count", u32(8)), kUnsupported, "dimension_count"},
      {"heads_do_not_divide", set("llama.attention.head_count", u32(3)), kBadInput, "head_count 3"},
      {"no_layers", set("llama.block_count", u32(0)), kBadInput, "llama.block_count"},
      {"many_layers", set("llama.block_count", u32(4096)), kBadInput, "4096"},
      {"vocabulary_size", set("llama.vocab_size", u32(8)), kBadInput, "8"},
      {"epsilon", set("llama.attention.layer_norm_rms_epsilon", f32(std::nanf(""))), kBadInput,
       "finite"},
      {"tensor_type", tensor("blk.0.attn_q.weight", {64, 64}, 14), kUnsupported, "Q6_K"},
      {"tensor_type_unknown", tensor("blk.0.attn_q.weight", {64, 64}, 99), kUnsupported, "type 99"},
      {"tensor_unknown", tensor("rope_freqs.weight", {64}, 0), kUnsupported, "rope_freqs.weight"},
      {"tensor_shape", tensor("output_norm.weight", {32, 2}, 0), kBadInput, "[2, 32]"},
      {"tensor_missing", [](TestGguf& g) { g.tensors.erase("blk.0.ffn_up.weight"); }, kBadInput,
       "blk.0.ffn_up.weight"},
      {"tokenizer_model", set("tokenizer.ggml.model", text("llama")), kUnsupported, "\"llama\""},
      {"pre_tokenizer", set("tokenizer.ggml.pre", text("tekken")), kUnsupported, "\"tekken\""},
      {"no_pre_tokenizer", [](TestGguf& g) { g.values.erase("tokenizer.ggml.pre"); }, kUnsupported,
       "pre-tokenizer"},
      {"end_token", set("tokenizer.ggml.add_eos_token", boolean(true)), kUnsupported, "end token"},
      {"token_type", set("tokenizer.ggml.token_type", i32s({3, 3, 1, 1, 1, 6, 4})), kUnsupported,
       "type 6"},
      {"token_types", set("tokenizer.ggml.token_type", i32s({1})), kBadInput, "1 entries"},
      {"token_twice",
       set("tokenizer.ggml.tokens", texts({"<s>", "</s>", "a", "a", "c", "ab", "x"})), kBadInput,
       "\"a\" twice"},
      {"token_not_utf8",
       set("tokenizer.ggml.tokens", texts({"<s>", "</s>", "a", "b", "\xff", "ab", "x"})), kBadInput,
       "UTF-8"},
      {"merge_of_nothing", set("tokenizer.ggml.merges", texts({"q r"})), kBadInput, "m.gguf"},
      {"template_not_utf8", set("tokenizer.chat_template", text("\xc3")), kBadInput,
       "chat_template"},
      {"id_out_of_range", set("tokenizer.ggml.eos_token_id", u32(7)), kBadInput, "eos_token_id"},
  };
}

class ImportRefuses : public ::testing::TestWithParam<Refusal> {};

TEST_P(ImportRefuses, ByName) {
  const TempFolder temp;
  TestGguf gguf = small_llama();
  GetParam().change(gguf);
  try {
    import_into(temp, gguf);
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), GetParam().code) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(GetParam().says));
    EXPECT_THAT(error.what(), HasSubstr("m.gguf"));
  }
  EXPECT_THAT(listing(temp.path()), ElementsAre("m.gguf"));
}

INSTANTIATE_TEST_SUITE_P(All, ImportRefuses, ::testing::ValuesIn(refusals()),
                         [](const auto& test) { return test.param.name; });

TEST(Import, FolderInUseIsLeftAlone) {
  const TempFolder temp;
  temp.write("out/mine", "keep");
  EXPECT_THROW(import_into(temp, small_llama()), Error);
  EXPECT_THAT(listing(temp.path()), ElementsAre("m.gguf", "out"));
  EXPECT_THAT(listing(temp.file("out")), ElementsAre("mine"));
  fs::remove(temp.file("out/mine"));
  import_into(temp, small_llama());  // an empty one may be filled
  EXPECT_EQ(listing(temp.file("out")).size(), 5U);
  const TempFolder other;
  const std::string gguf = other.write("m.gguf", small_llama().bytes());
  EXPECT_THROW(import_gguf({gguf, other.file("a/b"), false, {}}), Error);
  EXPECT_THROW(import_gguf({gguf, gguf, false, {}}), Error);
  EXPECT_THROW(import_gguf({gguf, "", false, {}}), Error);
  import_gguf({gguf, other.file("slash") + "/", false, {}});
  EXPECT_THAT(listing(other.path()), ElementsAre("m.gguf", "slash"));
}

TEST(Import, CancelledLeavesNothing) {
  const TempFolder temp;
  ImportOptions options{temp.write("m.gguf", small_llama().bytes()), temp.file("out"), false, {}};
  int64_t last = 0;
  options.progress = [&last](int64_t done, int64_t total) {
    EXPECT_GT(done, last);
    last = done;
    return done * 2 < total;
  };
  try {
    import_gguf(options);
    FAIL() << "was not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kAborted);
  }
  EXPECT_THAT(listing(temp.path()), ElementsAre("m.gguf"));
}

TEST(Dequantize, KeepsDenormalsAndRoundsToEven) {
  const auto one = [](float value) {
    uint16_t bits = 0;
    dequantize({0, "F32", 1, 4}, reinterpret_cast<const std::byte*>(&value), 1, &bits);
    return bits;
  };
  EXPECT_EQ(one(1.00390625F), 0x3f80);  // halfway, to even: down
  EXPECT_EQ(one(1.01171875F), 0x3f82);  // halfway, to even: up
  EXPECT_EQ(one(std::ldexp(1.0F, -133)), 0x0001);
  EXPECT_EQ(one(-0.0F), 0x8000);
  EXPECT_EQ(one(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_TRUE(std::isnan(bf16_to_float(one(std::nanf("")))));
}

TEST(ImportCommand, SaysWhatWasMadeAndNothingElse) {
  const TempFolder temp;
  const std::string gguf = temp.write("m.gguf", small_llama().bytes());
  Outcome outcome = tandem({"import", gguf, temp.file("out")});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, HasSubstr("11 tensors, 7 tokens"));
  outcome = tandem({"import", gguf, temp.file("out")});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("not empty"));
}

TEST(ImportCommand, InterruptedLeavesNothing) {
  const TempFolder temp;
  TestGguf gguf = small_llama();
  // A file with holes, large enough to be interrupted.
  constexpr uint64_t kWidth = 1 << 21;
  gguf.values["llama.feed_forward_length"] = u32(kWidth);
  const uint64_t bytes = kWidth * 64 * 2;
  gguf.tensors["blk.0.ffn_down.weight"] = {{kWidth, 64}, 30, ""};
  gguf.tensors["blk.0.ffn_gate.weight"] = {{64, kWidth}, 30, ""};
  gguf.tensors["blk.0.ffn_up.weight"] = {{64, kWidth}, 30, ""};
  for (const std::string name : {"down", "gate", "up"}) {
    gguf.offsets["blk.0.ffn_" + name + ".weight"] = (name == "down"   ? 1
                                                     : name == "gate" ? 2
                                                                      : 3) *
                                                    bytes;
  }
  const std::string path = temp.write("m.gguf", gguf.bytes());
  fs::resize_file(path, 5 * bytes);
  Program program(tandem_binary(), {"import", path, temp.file("out")});
  for (int i = 0; i < 5000 && listing(temp.path()).size() < 2; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  program.signal(SIGINT);
  const Outcome outcome = program.wait();
  EXPECT_EQ(outcome.exit_code, 130) << outcome.out << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(listing(temp.path()), ElementsAre("m.gguf"));
}

/// FNV-1a 64.
uint64_t hash_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> buffer(1 << 20);
  uint64_t hash = 0xcbf29ce484222325U;
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), file.gcount() > 0) {
    for (std::streamsize i = 0; i < file.gcount(); ++i) {
      hash = (hash ^ static_cast<uint8_t>(buffer[static_cast<size_t>(i)])) * 0x100000001b3U;
    }
  }
  return hash;
}

// What tests/data/golden/make_smollm2.py writes, file by file.
TEST(ImportSmolLm2, EqualsTheReferenceInEveryByte) {
  const std::string folder = smollm2_folder();
  if (!fs::exists(folder + "/model.safetensors")) {
    GTEST_SKIP() << "no SmolLM2 here: run ./demo.sh once, or set TANDEM_SMOLLM2 to its folder";
  }
  EXPECT_EQ(hash_of(folder + "/config.json"), 0x6a0ec733f77fc2d1U);
  EXPECT_EQ(hash_of(folder + "/generation_config.json"), 0x47138d9992db1218U);
  EXPECT_EQ(hash_of(folder + "/tokenizer_config.json"), 0x0e2a6b6af853ff9bU);
  EXPECT_EQ(hash_of(folder + "/tokenizer.json"), 0x75f64d8b720a5ee4U);
  EXPECT_EQ(hash_of(folder + "/model.safetensors"), 0xc2e1feb105e06ac1U);
}

}  // namespace
}  // namespace tandem::test
