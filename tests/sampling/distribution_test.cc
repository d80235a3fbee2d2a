#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "json/json.h"
#include "tandem/error.h"
#include "tandem/sampling.h"

namespace tandem {
namespace {

std::vector<int32_t> ids_of(const Json& value) {
  std::vector<int32_t> ids;
  for (const Json& id : value.array()) ids.push_back(static_cast<int32_t>(id.integer()));
  return ids;
}

SamplingParams params_of(const Json& value) {
  SamplingParams params;
  auto number = [&](const char* key) { return static_cast<float>(value.find(key)->number()); };
  params.temperature = number("temperature");
  params.top_k = value.find("top_k")->integer();
  params.top_p = number("top_p");
  params.min_p = number("min_p");
  params.repetition_penalty = number("repetition_penalty");
  params.presence_penalty = number("presence_penalty");
  params.frequency_penalty = number("frequency_penalty");
  for (const auto& [id, bias] : value.find("logit_bias")->object())
    params.logit_bias.emplace_back(std::stoi(id), static_cast<float>(bias.number()));
  return params;
}

// References made by transformers' own logits processors (make_golden.py).
TEST(Distribution, AgreesWithTheReferences) {
  const Json document = Json::parse_file(TANDEM_TEST_DATA "/golden/sampling.json");
  ASSERT_GE(document.find("cases")->array().size(), 40U);
  for (const Json& one : document.find("cases")->array()) {
    SCOPED_TRACE(one.find("name")->string());
    std::vector<float> logits;
    for (const Json& v : one.find("logits")->array())
      logits.push_back(static_cast<float>(v.number()));
    const Distribution result =
        distribution(logits, ids_of(*one.find("prompt")), ids_of(*one.find("generated")),
                     params_of(*one.find("params")));
    EXPECT_EQ(static_cast<int64_t>(result.kept.size()), one.find("kept")->integer());
    const Json::Array& expected = one.find("expected")->array();
    ASSERT_EQ(result.probs.size(), expected.size());
    size_t support = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(result.probs[i], expected[i].number(), 1e-5) << i;
      EXPECT_EQ(result.probs[i] > 0, expected[i].number() > 0) << i;
      if (result.probs[i] > 0) {
        EXPECT_EQ(result.kept.at(support++), static_cast<int32_t>(i));
      }
    }
    EXPECT_EQ(support, result.kept.size());
  }
}

TEST(Distribution, RefusesNaN) {
  const std::vector<float> row = {0.0F, std::nanf("")};
  EXPECT_THROW(distribution(row, {}, {}, {}), Error);
}

TEST(Validate, NamesTheParameterOutOfRange) {
  const auto message = [](const SamplingParams& params) -> std::string {
    try {
      validate(params);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadInput);
      return error.what();
    }
    return "accepted";
  };
  const float nan = std::nanf("");
  EXPECT_EQ(message({}), "accepted");
  EXPECT_THAT(message({.temperature = -1}), testing::HasSubstr("temperature is -1"));
  EXPECT_THAT(message({.temperature = nan}), testing::HasSubstr("temperature"));
  EXPECT_THAT(message({.top_k = -2}), testing::HasSubstr("top_k is -2"));
  EXPECT_THAT(message({.top_p = 1.5F}), testing::HasSubstr("top_p is 1.5"));
  EXPECT_THAT(message({.min_p = -0.5F}), testing::HasSubstr("min_p"));
  EXPECT_THAT(message({.repetition_penalty = 0}), testing::HasSubstr("repetition_penalty"));
  EXPECT_THAT(message({.presence_penalty = nan}), testing::HasSubstr("presence_penalty"));
  EXPECT_THAT(message({.frequency_penalty = nan}), testing::HasSubstr("frequency_penalty"));
  EXPECT_THAT(message({.logit_bias = {{-1, 0.0F}}}), testing::HasSubstr("id -1"));
  EXPECT_THAT(message({.logit_bias = {{1, nan}}}), testing::HasSubstr("id 1"));
  EXPECT_THROW(distribution({1, 2}, {}, {}, {.logit_bias = {{2, 1.0F}}}), Error);
}

}  // namespace
}  // namespace tandem
