// tokenizer.json that is wrong or that tandem does not know: one clear error, and no more work than
// the file is worth.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "json/json.h"
#include "tandem/error.h"
#include "text/tokenizer/hf_tokenizer.h"

namespace tandem::test {
namespace {

using testing::HasSubstr;

constexpr const char* kSmall = R"({
  "added_tokens": [{"id": 5, "content": "<s>", "special": true}],
  "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
  "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3, "abc": 4},
            "merges": ["a b", ["ab", "c"]]}})";

/// kSmall with the member at `path` (keys from the top) replaced by `value`.
std::string with(std::vector<std::string> path, const std::string& value) {
  Json json = Json::parse(kSmall, "small");
  Json* at = &json;
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    for (auto& [key, member] : at->object()) {
      if (key == path[i]) at = &member;
    }
  }
  at->set(path.back(), Json::parse(value, "value"));
  return json.dump();
}

std::string error_of(const std::string& text) {
  try {
    parse_tokenizer_json(text, "tokenizer.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::vector<int32_t> encode(const std::string& json, const std::string& text) {
  return parse_tokenizer_json(json, "tokenizer.json")->encode(text);
}

TEST(TokenizerJson, SmallFileWorks) {
  EXPECT_EQ(encode(kSmall, "abcab<s>b?"), (std::vector<int32_t>{4, 2, 5, 1}));
}

TEST(TokenizerJson, UnknownComponentsAreRefusedByName) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"normalizer"}, R"({"type": "Nmt"})"},
      {{"normalizer"}, R"({"type": "Sequence", "normalizers": [{"type": "Nmt"}]})"},
      {{"pre_tokenizer"}, R"({"type": "UnicodeScripts"})"},
      {{"post_processor"}, R"({"type": "BertProcessing"})"},
      {{"decoder"}, R"({"type": "CTC"})"},
      {{"model", "type"}, R"("WordPiece")"}};
  for (const auto& [path, value] : cases) {
    const Json json = Json::parse(value, "value");
    std::string name = json.is_string() ? json.string() : json.find("type")->string();
    if (name == "Sequence") name = "normalizers[0].type is \"Nmt";
    EXPECT_THAT(error_of(with(path, value)), HasSubstr(name)) << value;
    EXPECT_THAT(error_of(with(path, value)), HasSubstr("tokenizer.json: " + path[0])) << value;
  }
}

TEST(TokenizerJson, OptionsThatChangeIdsAreRefusedByName) {
  EXPECT_THAT(error_of(with({"model", "dropout"}, "0.1")), HasSubstr("dropout"));
  EXPECT_THAT(error_of(with({"model", "end_of_word_suffix"}, "\"</w>\"")), HasSubstr("</w>"));
  EXPECT_THAT(error_of(with({"model", "continuing_subword_prefix"}, "\"##\"")), HasSubstr("##"));
}

TEST(TokenizerJson, WrongValuesAreNamed) {
  EXPECT_THAT(error_of("{}"), HasSubstr("model is missing"));
  EXPECT_THAT(error_of("[]"), HasSubstr("an object is expected"));
  EXPECT_THAT(error_of(with({"model", "vocab"}, "[]")), HasSubstr("model.vocab"));
  EXPECT_THAT(error_of(with({"model", "vocab", "a"}, "-1")), HasSubstr("\"a\" is -1"));
  EXPECT_THAT(error_of(with({"model", "vocab", "a"}, "1")), HasSubstr("id 1 of \"b\""));
  EXPECT_THAT(error_of(with({"model", "vocab", "a"}, "16000000")), HasSubstr("16000000"));
  EXPECT_THAT(error_of(with({"model", "merges"}, "[\"a\"]")), HasSubstr("model.merges[0]"));
  EXPECT_THAT(error_of(with({"model", "merges"}, "[\"a b c\"]")), HasSubstr("a b c"));
  EXPECT_THAT(error_of(with({"model", "merges"}, "[\"a z\"]")), HasSubstr("\"z\" is not in"));
  EXPECT_THAT(error_of(with({"model", "merges"}, "[\"c a\"]")), HasSubstr("\"ca\" is not in"));
  EXPECT_THAT(error_of(with({"model", "unk_token"}, "\"<unk>\"")), HasSubstr("<unk>"));
  EXPECT_THAT(error_of(with({"added_tokens"}, R"([{"id": 9, "content": "ab"}])")),
              HasSubstr("\"ab\" has id 2"));
  EXPECT_THAT(error_of(with({"added_tokens"}, R"([{"id": 1, "content": "x"}])")),
              HasSubstr("gives that id to \"b\""));
  EXPECT_THAT(
      error_of(with({"added_tokens"}, R"([{"id": 9, "content": "x"}, {"id": 9, "content": "y"}])")),
      HasSubstr("occurs twice"));
}

TEST(TokenizerJson, TemplatesAreChecked) {
  const auto with_template = [](const std::string& single) {
    return with({"post_processor"},
                R"({"type": "TemplateProcessing", "single": )" + single +
                    R"(, "special_tokens": {"<s>": {"ids": [5]}, "x": {"ids": [77]}}})");
  };
  const std::string a = R"({"Sequence": {"id": "A"}})";
  EXPECT_EQ(encode(with_template(R"([{"SpecialToken": {"id": "<s>"}}, )" + a + "]"), "a"),
            (std::vector<int32_t>{5, 0}));
  EXPECT_THAT(error_of(with_template("[]")), HasSubstr("no sequence"));
  EXPECT_THAT(error_of(with_template("[" + a + "," + a + "]")), HasSubstr("once"));
  EXPECT_THAT(error_of(with_template(R"([{"SpecialToken": {"id": "x"}}, )" + a + "]")),
              HasSubstr("77"));
  EXPECT_THAT(error_of(with_template(R"([{"SpecialToken": {"id": "y"}}, )" + a + "]")),
              HasSubstr("y"));
}

std::string with_regex(const std::string& pattern) {
  return with({"pre_tokenizer"},
              R"({"type": "Split", "behavior": "Isolated", "pattern": {"Regex": )" +
                  Json(pattern).dump() + "}}");
}

TEST(TokenizerJson, RegularExpressionsThatReadDifferentlyAreRefused) {
  for (const char* pattern : {"[a-z&&[^b]]", "[[a]b]", "[[:punct:]]", "(?m:a.b)", "\\p{L}{1,2}+",
                              "\\X", "(?<n>a)\\k<n>", "(*ACCEPT)", "[\\W]"}) {
    EXPECT_THAT(error_of(with_regex(pattern)), HasSubstr("is not supported")) << pattern;
  }
  for (const char* pattern : {"(", "a**", "\\p{Nonsense}", "[a", "x\\"}) {
    EXPECT_THAT(error_of(with_regex(pattern)), HasSubstr("pre_tokenizer.pattern.Regex")) << pattern;
  }
}

TEST(TokenizerJson, RunawayRegularExpressionEndsInAnError) {
  const auto tokenizer = parse_tokenizer_json(with_regex("(a|aa)+[^a]"), "tokenizer.json");
  EXPECT_THROW(tokenizer->encode(std::string(2000, 'a')), Error);
}

TEST(TokenizerJson, TextMustBeUtf8AndIdsMustExist) {
  const auto tokenizer = parse_tokenizer_json(kSmall, "tokenizer.json");
  EXPECT_THROW(tokenizer->encode("a\xff"), Error);
  EXPECT_THROW(tokenizer->encode("\xed\xa0\x80"), Error);
  EXPECT_EQ(tokenizer->vocab_size(), 6);
  EXPECT_THROW(tokenizer->decode({6}, false), Error);
  EXPECT_THROW(tokenizer->decode({-1}, false), Error);
  // A model's padded rows may be chosen; the stream passes over them.
  const auto stream = tokenizer->detokenizer(false);
  EXPECT_EQ(stream->push(6) + stream->push(2) + stream->finish(), "ab");
}

TEST(TokenizerJson, UnigramIsChecked) {
  const auto unigram = [](const std::string& vocab, const std::string& unk) {
    return R"({"model": {"type": "Unigram", "unk_id": )" + unk + R"(, "vocab": )" + vocab + "}}";
  };
  EXPECT_EQ(encode(unigram(R"([["?", 0], ["a", -1], ["aa", -1.5]])", "0"), "aaazz"),
            (std::vector<int32_t>{1, 2, 0}));
  EXPECT_THAT(error_of(unigram(R"([["a", "b"]])", "null")), HasSubstr("model.vocab[0]"));
  EXPECT_THAT(error_of(unigram(R"([["a", 0], ["a", 0]])", "null")), HasSubstr("occurs twice"));
  EXPECT_THAT(error_of(unigram(R"([["a", 0]])", "1")), HasSubstr("unk_id"));
  EXPECT_THROW(encode(unigram(R"([["a", 0]])", "null"), "b"), Error);
}

}  // namespace
}  // namespace tandem::test
