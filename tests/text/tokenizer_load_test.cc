// Which tokenizer a folder has, and what is said when it has none or a broken one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "support/tandem_json.h"
#include "tandem/error.h"
#include "tandem/text.h"

namespace tandem::test {
namespace {

using testing::HasSubstr;

std::string data(const std::string& name) { return test_data() + "/tokenizers/" + name; }

std::string error_of(const std::string& folder) {
  try {
    Tokenizer::load(folder);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

void copy(const std::string& from, const TempFolder& to) {
  std::filesystem::copy(from, to.path(), std::filesystem::copy_options::overwrite_existing);
}

TEST(TokenizerLoad, OneOrderDecidesBetweenSeveralFiles) {
  const TempFolder folder;
  EXPECT_THAT(error_of(folder.path()), HasSubstr("expected tokenizer.json, tokenizer.model or"));
  copy(data("qwen_tiktoken/qwen.tiktoken"), folder);
  EXPECT_THAT(Tokenizer::load(folder.path())->description(), HasSubstr("qwen.tiktoken"));
  copy(data("sentencepiece/bpe/tokenizer.model"), folder);
  EXPECT_THAT(Tokenizer::load(folder.path())->description(), HasSubstr("tokenizer.model"));
  copy(data("digits/tokenizer.json"), folder);
  EXPECT_EQ(Tokenizer::load(folder.path())->description(), "tokenizer.json (BPE, byte-level)");
}

TEST(TokenizerLoad, MissingFileOfQwenIsNamed) {
  const TempFolder by_model;
  by_model.write("config.json", R"({"model_type": "qwen"})");
  EXPECT_THAT(error_of(by_model.path()), HasSubstr("qwen.tiktoken: is missing"));
  const TempFolder by_class;
  by_class.write("tokenizer_config.json", R"({"tokenizer_class": "QWenTokenizer"})");
  EXPECT_THAT(error_of(by_class.path()), HasSubstr("qwen.tiktoken: is missing"));
  EXPECT_THAT(error_of("no/such/folder"), HasSubstr("no/such/folder"));
}

TEST(TokenizerLoad, BrokenRanksNameTheLine) {
  const auto error = [](const std::string& text) {
    const TempFolder folder;
    folder.write("qwen.tiktoken", text);
    return error_of(folder.path());
  };
  EXPECT_THAT(error("IQ== 0\nIg==\n"), HasSubstr("line 2"));
  EXPECT_THAT(error("IQ== 0\nI*== 1\n"), HasSubstr("I*=="));
  EXPECT_THAT(error("IQ== 0\nIg== x\n"), HasSubstr("rank \"x\""));
  EXPECT_THAT(error("IQ== 0\nIg== 99999999999\n"), HasSubstr("99999999999"));
  EXPECT_THAT(error("IQ== 0\nIQ== 1\n"), HasSubstr("occurs twice"));
  EXPECT_THAT(error("IQ== 0\nIg== 2\n"), HasSubstr("without gaps"));
  EXPECT_THAT(error(""), HasSubstr("qwen.tiktoken"));
}

TEST(TokenizerLoad, BrokenSentencePieceModelIsNamed) {
  const TempFolder folder;
  for (const std::string text : {"", "no model at all", "\x0a\xff\xff\xff\xff\x0f", "\x0a\x01"}) {
    folder.write("tokenizer.model", text);
    EXPECT_THAT(error_of(folder.path()), HasSubstr("tokenizer.model")) << text;
  }
}

/// A SentencePiece folder as LLaMA's: the configuration says which tokens are special.
class SentencePieceFolder : public testing::Test {
 protected:
  SentencePieceFolder() { copy(data("sentencepiece/bpe/tokenizer.model"), folder_); }
  std::vector<int32_t> plain(const std::string& text) const {
    EncodeOptions options;
    options.add_special_tokens = false;
    return Tokenizer::load(data("sentencepiece/bpe"))->encode(text, options);
  }
  TempFolder folder_;
};

TEST_F(SentencePieceFolder, SpecialTokensAreFoundAndEachPartGetsASpace) {
  folder_.write("tokenizer_config.json",
                R"({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "add_eos_token": true,
                    "added_tokens_decoder": {"1000": {"content": "<pad>", "special": true}}})");
  const auto tokenizer = Tokenizer::load(folder_.path());
  std::vector<int32_t> expected{1, 2};
  for (const int32_t id : plain("the")) expected.push_back(id);
  expected.push_back(1000);
  for (const int32_t id : plain(" of")) expected.push_back(id);
  expected.push_back(2);
  EXPECT_EQ(tokenizer->encode("</s>the<pad> of"), expected);
  // Both parts were given a space; what was between them is gone.
  EXPECT_EQ(tokenizer->decode(expected, true), "the  of");
  EXPECT_EQ(tokenizer->decode(expected, false), "<s></s>the<pad> of</s>");
  EXPECT_EQ(tokenizer->vocab_size(), 1001);
  EXPECT_TRUE(tokenizer->is_special(1000));
  EncodeOptions as_text;
  as_text.allow_special = false;
  as_text.add_special_tokens = false;
  EXPECT_EQ(tokenizer->encode("<s>", as_text), plain("<s>"));
}

TEST_F(SentencePieceFolder, WithoutLegacyOnlyTheFirstPartGetsASpace) {
  folder_.write("tokenizer_config.json",
                R"({"legacy": false, "add_bos_token": false, "eos_token": "</s>"})");
  const auto tokenizer = Tokenizer::load(folder_.path());
  EXPECT_EQ(tokenizer->encode("the"), plain("the"));
  const auto ids = tokenizer->encode("</s>the");
  ASSERT_GE(ids.size(), 2U);
  EXPECT_EQ(ids[0], 2);
  EXPECT_NE(std::vector<int32_t>(ids.begin() + 1, ids.end()), plain("the"));
  // What has no space in front now has none in the piece.
  const std::vector<int32_t> spaced = plain("the");
  EXPECT_EQ(tokenizer->encode("</s> the"), [&] {
    std::vector<int32_t> all{2};
    all.insert(all.end(), spaced.begin(), spaced.end());
    return all;
  }());
}

TEST_F(SentencePieceFolder, ConfigurationThatContradictsTheModelIsRefused) {
  folder_.write("tokenizer_config.json",
                R"({"added_tokens_decoder": {"7": {"content": "<pad>"}}})");
  EXPECT_THAT(error_of(folder_.path()), HasSubstr("<pad>"));
  folder_.write("tokenizer_config.json",
                R"({"added_tokens_decoder": {"x": {"content": "<pad>"}}})");
  EXPECT_THAT(error_of(folder_.path()), HasSubstr("added_tokens_decoder.x"));
}

}  // namespace
}  // namespace tandem::test
