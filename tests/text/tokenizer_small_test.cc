// Small vocabularies of every kind against the references in tests/data/tokenizers.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

#include "tandem/text.h"
#include "text/tokenizer_goldens.h"

namespace tandem::test {
namespace {

std::string folder(const std::string& name) {
  return std::string(TANDEM_TEST_DATA) + "/tokenizers/" + name;
}

class SmallTokenizer : public testing::TestWithParam<const char*> {};

TEST_P(SmallTokenizer, IdsAndTextAreTheReferences) { expect_goldens(folder(GetParam())); }

INSTANTIATE_TEST_SUITE_P(Json, SmallTokenizer,
                         testing::Values("byte_level", "ignore_merges", "digits", "byte_fallback",
                                         "metaspace", "unigram", "unigram_bytes", "splits",
                                         "qwen_tiktoken"),
                         [](const auto& which) { return std::string(which.param); });

class SmallSentencePiece : public testing::TestWithParam<const char*> {
 protected:
  std::string folder_ = folder(std::string("sentencepiece/") + GetParam());
};

TEST_P(SmallSentencePiece, IdsAndTextAreTheReferences) { expect_goldens(folder_); }
TEST_P(SmallSentencePiece, StreamGivesEveryPieceAsEarlyAsTheReference) { expect_streams(folder_); }
TEST_P(SmallSentencePiece, BytesThatAreNoTextDecodeToReplacements) {
  expect_decodings(folder_ + "/bytes.jsonl");
}

INSTANTIATE_TEST_SUITE_P(Model, SmallSentencePiece, testing::Values("bpe", "unigram"),
                         [](const auto& which) { return std::string(which.param); });

TEST(SmallTokenizers, SeveralThreadsMayEncodeAtATime) {
  const auto tokenizer = Tokenizer::load(folder("byte_level"));
  std::string text;
  for (int i = 0; i < 200; ++i) text += " A rank reads " + std::to_string(i) + " 模型\n";
  const std::vector<int32_t> expected = tokenizer->encode(text);
  std::array<int, 4> wrong{};
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) count += tokenizer->encode(text) == expected ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, (std::array<int, 4>{}));
}

}  // namespace
}  // namespace tandem::test
