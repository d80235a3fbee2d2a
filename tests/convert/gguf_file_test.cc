// Damaged GGUF files: one clear error each, whatever they promise.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <span>
#include <string>
#include <vector>

#include "checkpoint/gguf.h"
#include "convert/gguf_writer.h"
#include "tandem/error.h"

namespace tandem::test {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// The message; empty when the file is accepted. Parsed from a copy of exactly its size.
std::string message_of(const std::string& bytes) {
  const std::vector<char> copy(bytes.begin(), bytes.end());
  try {
    GgufFile::parse(std::as_bytes(std::span(copy)), "x.gguf");
  } catch (const Error& error) {
    EXPECT_THAT(error.code(), AnyOf(ErrorCode::kBadInput, ErrorCode::kUnsupported));
    return error.what();
  }
  return "";
}

TEST(GgufFile, ReadsValuesAndTensors) {
  const std::string bytes = small_llama().bytes();
  const GgufFile file = GgufFile::parse(std::as_bytes(std::span(bytes)), "x.gguf");
  EXPECT_EQ(file.string("general.architecture"), "llama");
  EXPECT_EQ(file.integer("llama.block_count", 1, 10), 1);
  EXPECT_EQ(file.number("llama.attention.layer_norm_rms_epsilon"), 1e-6);  // not 9.99999997e-7
  EXPECT_THAT(file.strings("tokenizer.ggml.merges"), ElementsAre("a b"));
  EXPECT_THAT(file.integers("tokenizer.ggml.token_type"), ElementsAre(3, 3, 1, 1, 1, 1, 4));
  EXPECT_TRUE(file.boolean_or("absent", true));
  EXPECT_EQ(file.tensors().size(), 11U);
  for (const GgufTensor& tensor : file.tensors()) {
    if (tensor.name != "blk.0.ffn_down.weight") continue;
    EXPECT_EQ(tensor.type.name, "Q8_0");
    EXPECT_THAT(tensor.shape, ElementsAre(64, 96));
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size()),
              blocks(8, 64 * 96));
  }
}

TEST(GgufFile, TypedAccessNamesTheKey) {
  const std::string bytes = small_llama().bytes();
  const GgufFile file = GgufFile::parse(std::as_bytes(std::span(bytes)), "x.gguf");
  const auto error_of = [](const auto& action) -> std::string {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(error_of([&] { (void)file.string("absent.key"); }), HasSubstr("absent.key"));
  EXPECT_THAT(error_of([&] { (void)file.string("llama.block_count"); }), HasSubstr("no string"));
  EXPECT_THAT(error_of([&] { (void)file.integer("general.architecture", 0, 9); }),
              HasSubstr("no integer"));
  EXPECT_THAT(error_of([&] { (void)file.integer("llama.context_length", 0, 9); }),
              HasSubstr("is 128; 0 to 9"));
  EXPECT_THAT(error_of([&] { (void)file.number("general.architecture"); }), HasSubstr("no number"));
  EXPECT_THAT(error_of([&] { (void)file.strings("tokenizer.ggml.token_type"); }),
              HasSubstr("no array of strings"));
  EXPECT_THAT(error_of([&] { (void)file.integers("tokenizer.ggml.tokens"); }),
              HasSubstr("no array of integers"));
}

TEST(GgufFile, EveryTruncationIsRefused) {
  const std::string bytes = small_llama().bytes();
  for (size_t size = 0; size < bytes.size(); size += size < 2000 ? 1 : 97) {
    ASSERT_NE(message_of(bytes.substr(0, size)), "") << size;
  }
  ASSERT_EQ(message_of(bytes), "");
}

TEST(GgufFile, OtherFilesAndVersions) {
  EXPECT_THAT(message_of(""), HasSubstr("GGUF"));
  EXPECT_THAT(message_of("PK\3\4 something else"), HasSubstr("is it a GGUF file?"));
  TestGguf gguf = small_llama();
  gguf.version = 1;
  EXPECT_THAT(message_of(gguf.bytes()), HasSubstr("version 1"));
  gguf.version = 0x03000000;  // big-endian
  EXPECT_THAT(message_of(gguf.bytes()), HasSubstr("version 50331648"));
  gguf.version = 2;
  EXPECT_EQ(message_of(gguf.bytes()), "");
}

TEST(GgufFile, AbsurdCounts) {
  const std::string head = "GGUF" + raw<uint32_t>(3);
  EXPECT_THAT(message_of(head + raw(UINT64_MAX) + raw<uint64_t>(0)), HasSubstr("truncated"));
  EXPECT_THAT(message_of(head + raw<uint64_t>(0) + raw(UINT64_MAX)), HasSubstr("truncated"));
  EXPECT_THAT(message_of(head + raw<uint64_t>(0) + raw<uint64_t>(1) + raw(UINT64_MAX) + "key"),
              HasSubstr("18446744073709551615 bytes"));
}

TEST(GgufFile, ValuesThatLie) {
  const auto with = [](const std::string& value) {
    TestGguf gguf = small_llama();
    gguf.values["zz"] = value;
    return message_of(gguf.bytes());
  };
  EXPECT_THAT(with(raw<uint32_t>(13)), HasSubstr("\"zz\" has value type 13"));
  EXPECT_THAT(with(raw<uint32_t>(8) + raw(UINT64_MAX)), HasSubstr("a string of zz"));
  EXPECT_THAT(with(raw<uint32_t>(9) + raw<uint32_t>(4) + raw(UINT64_MAX)),
              HasSubstr("18446744073709551615 elements"));
  EXPECT_THAT(with(raw<uint32_t>(9) + raw<uint32_t>(4) + raw(UINT64_MAX / 4 + 2)),
              HasSubstr("elements of 4 bytes"));
  EXPECT_THAT(with(raw<uint32_t>(9) + raw<uint32_t>(8) + raw(UINT64_MAX)), HasSubstr("x.gguf"));
  EXPECT_THAT(with(raw<uint32_t>(9) + raw<uint32_t>(9) + raw<uint64_t>(1)),
              HasSubstr("array of arrays"));
  TestGguf gguf = small_llama();
  for (const uint32_t alignment : {0U, UINT32_MAX}) {
    gguf.values["general.alignment"] = u32(alignment);
    EXPECT_THAT(message_of(gguf.bytes()), HasSubstr("general.alignment"));
  }
}

TEST(GgufFile, DuplicateKey) {
  const std::string key = gguf_string("twice") + u32(1);
  const std::string bytes =
      "GGUF" + raw<uint32_t>(3) + raw<uint64_t>(0) + raw<uint64_t>(2) + key + key;
  EXPECT_THAT(message_of(bytes), HasSubstr("\"twice\" occurs twice"));
}

TEST(GgufFile, TensorsThatLie) {
  const auto with = [](const auto& change) {
    TestGguf gguf = small_llama();
    change(gguf);
    return message_of(gguf.bytes());
  };
  const std::string q = "blk.0.attn_q.weight";
  using Shape = std::vector<uint64_t>;
  const auto shaped = [&](const Shape& shape) {
    return with([&](TestGguf& gguf) { gguf.tensors[q].shape = shape; });
  };
  EXPECT_THAT(shaped({}), HasSubstr("0 dimensions"));
  EXPECT_THAT(shaped({1, 1, 1, 1, 1}), HasSubstr("5 dimensions"));
  EXPECT_THAT(shaped({64, 0}), HasSubstr("dimension 1 is 0"));
  EXPECT_THAT(shaped({64, UINT64_MAX}), HasSubstr("dimension 1 is 18446744073709551615"));
  EXPECT_THAT(shaped({uint64_t{1} << 40, uint64_t{1} << 40}), HasSubstr("dimension 1"));
  EXPECT_THAT(shaped({48, 64}), HasSubstr("blocks of 32 (Q4_1)"));
  EXPECT_THAT(shaped({64, 1 << 20}), HasSubstr(q));
  EXPECT_THAT(with([&](TestGguf& gguf) { gguf.offsets[q] = UINT64_MAX; }), HasSubstr(q));
  EXPECT_THAT(with([&](TestGguf& gguf) { gguf.offsets[q] = 0; }), HasSubstr("overlap"));
}

}  // namespace
}  // namespace tandem::test
