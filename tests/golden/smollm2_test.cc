// The real small model (SmolLM2-135M-Instruct, as `tandem import` or make_smollm2.py make its
// folder) against tests/data/golden/smollm2.json, by ids and by text. The folder is not in the
// repository: demo.sh leaves it in the cache, or TANDEM_SMOLLM2 names it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "support/golden.h"
#include "support/tandem_json.h"

namespace tandem::test {
namespace {

class SmolLm2 : public testing::TestWithParam<int64_t> {
 protected:
  void SetUp() override {
    folder_ = smollm2_folder();
    if (!std::filesystem::exists(folder_ + "/model.safetensors"))
      GTEST_SKIP() << "no SmolLM2 here: run ./demo.sh once, or set TANDEM_SMOLLM2 to its folder";
    reference_ = Json::parse_file(test_data() + "/golden/smollm2.json");
  }
  const std::vector<Json>& cases() const { return reference_.find("cases")->array(); }

  std::vector<Json> run(std::vector<std::string> args) const {
    const std::vector<std::string> common = {
        "--model_path", folder_,   "--world_size", std::to_string(GetParam()),
        "--dtype",      "float32", "--json"};
    args.insert(args.end(), common.begin(), common.end());
    return tandem_json(args);
  }
  /// One generate over all questions, each prompt given as `key`: `member` of its reference.
  std::vector<Json> answers(const std::string& key, const std::string& member) const {
    Json::Array lines;
    std::string text;
    for (const Json& c : cases()) {
      Json line{Json::Object{}};
      line.set(key, *c.find(member));
      text += line.dump() + "\n";
    }
    const TempFolder temp;
    return run({"generate", "--prompts", temp.write("prompts.jsonl", text), "--temperature", "0",
                "--max_new_tokens", "48"});
  }
  void expect_answers(const std::vector<Json>& results) const {
    ASSERT_EQ(results.size(), cases().size());
    for (size_t i = 0; i < results.size(); ++i) {
      const Json& c = cases()[i];
      SCOPED_TRACE(c.find("question")->string());
      EXPECT_EQ(integers(results[i], "prompt_ids"), integers(c, "prompt_ids"));
      EXPECT_EQ(integers(results[i], "output_ids"), integers(c, "output_ids"));
      EXPECT_EQ(results[i].find("finish_reason")->string(), c.find("finish_reason")->string());
    }
  }

  std::string folder_;
  Json reference_;
};

TEST_P(SmolLm2, AnswersByIds) { expect_answers(answers("prompt_ids", "prompt_ids")); }

TEST_P(SmolLm2, AnswersByText) {
  const auto results = answers("prompt", "prompt_text");
  expect_answers(results);
  for (size_t i = 0; i < results.size() && i < cases().size(); ++i)
    EXPECT_EQ(results[i].find("text")->string(), cases()[i].find("text")->string());
}

TEST_P(SmolLm2, ScoresPrompts) {
  std::string lines;
  for (const Json& c : cases()) lines += "{\"ids\":[" + joined(integers(c, "prompt_ids")) + "]}\n";
  const TempFolder temp;
  const auto results = run({"score", "--file", temp.write("score.jsonl", lines)});
  ASSERT_EQ(results.size(), cases().size());
  // The reference has five decimals; its own arithmetic and ours are float32 over 30 layers.
  for (size_t i = 0; i < results.size(); ++i)
    EXPECT_LE(
        largest_error(numbers(results[i], "logprobs"), numbers(cases()[i], "prompt_logprobs")),
        1e-3)
        << cases()[i].find("question")->string();
}

INSTANTIATE_TEST_SUITE_P(WorldSizes, SmolLm2, testing::Values(1, 2, 4),
                         [](const auto& world) { return std::to_string(world.param); });

}  // namespace
}  // namespace tandem::test
