// The tokenizers of real models, where their files are at hand.
#include <gtest/gtest.h>

#include <filesystem>

#include "text/tokenizer_goldens.h"

namespace tandem::test {
namespace {

class SharedTokenizer : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    folder_ = std::string(TANDEM_SHARED_DATA) + "/tokenizers/" + GetParam();
    if (!std::filesystem::exists(folder_))
      GTEST_SKIP() << folder_
                   << " is absent: vocabularies of real models are not in the repository";
  }
  std::string folder_;
};

TEST_P(SharedTokenizer, IdsAndTextAreTheReferences) { expect_goldens(folder_); }
TEST_P(SharedTokenizer, StreamGivesEveryPieceAsEarlyAsTheReference) { expect_streams(folder_); }

INSTANTIATE_TEST_SUITE_P(Json, SharedTokenizer,
                         testing::Values("llama2", "mistral_v0_1", "llama3", "qwen2_5"),
                         [](const auto& which) { return std::string(which.param); });

INSTANTIATE_TEST_SUITE_P(SentencePiece, SharedTokenizer, testing::Values("llama2/sp"),
                         [](const auto&) { return std::string("llama2_sp"); });
INSTANTIATE_TEST_SUITE_P(Tiktoken, SharedTokenizer, testing::Values("qwen_tiktoken"),
                         [](const auto&) { return std::string("qwen"); });

}  // namespace
}  // namespace tandem::test
