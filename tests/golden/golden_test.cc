// Every reference checkpoint through the command line, at several world sizes: prompt logits,
// log-probabilities, argmax, greedy ids and the logits of the last greedy step against
// tests/data/golden, and equal digests at every world size.
#include "support/golden.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "support/tandem_json.h"

namespace tandem::test {
namespace {

// The families under test (model_type of config.json). A folder of another type is not run.
const std::vector<std::string> kModelTypes = {"llama", "mistral", "qwen", "qwen2", "qwen3"};
constexpr int64_t kGreedySteps = 32;

struct Parameter {
  std::string model;
  std::string dtype;  // as given to --dtype
};

void PrintTo(const Parameter& p, std::ostream* out) { *out << p.model << " --dtype " << p.dtype; }

std::vector<Parameter> parameters() {
  std::vector<Parameter> all;
  for (const auto& name : golden_names(kModelTypes)) {
    all.push_back({name, "float32"});
    all.push_back({name, "auto"});
  }
  return all;
}

std::string name_of(const testing::TestParamInfo<Parameter>& info) {
  std::string name = info.param.model + "_" + info.param.dtype;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class Golden : public testing::TestWithParam<Parameter> {
 protected:
  void SetUp() override {
    model_ = read_golden(GetParam().model);
    std::string score_lines;
    std::string generate_lines;
    for (const auto& c : model_.cases) {
      score_lines += "{\"ids\":[" + joined(c.prompt) + "]}\n";
      generate_lines += "{\"prompt_ids\":[" + joined(c.prompt) + "]}\n";
    }
    score_file_ = temp_.write("score.jsonl", score_lines);
    prompts_file_ = temp_.write("prompts.jsonl", generate_lines);
  }

  /// 1, 2, 3, 4 and one above the number of heads.
  std::vector<int64_t> world_sizes() const { return {1, 2, 3, 4, model_.query_heads + 1}; }

  std::vector<Json> run(std::vector<std::string> args, int64_t world_size) const {
    const std::vector<std::string> common = {
        "--model_path", model_.folder, "--world_size", std::to_string(world_size),
        "--threads",    "1",           "--dtype",      GetParam().dtype,
        "--json",       "--logits"};
    args.insert(args.end(), common.begin(), common.end());
    return tandem_json(args);
  }
  std::vector<Json> score(int64_t world_size) const {
    return run({"score", "--file", score_file_}, world_size);
  }
  std::vector<Json> generate(int64_t world_size) const {
    return run({"generate", "--prompts", prompts_file_, "--max_new_tokens",
                std::to_string(kGreedySteps), "--ignore_eos", "--temperature", "0", "--digest"},
               world_size);
  }

  /// Largest error of a logit of this case.
  double allowed(const GoldenCase& c, const Json& result) const {
    const Json* dtype = result.find("dtype");
    return tolerance(dtype != nullptr ? dtype->string() : dtype_) * c.logits_std;
  }
  void check_score(const GoldenCase& c, const Json& result) const;
  void check_greedy(const GoldenCase& c, const Json& result);

  GoldenModel model_;
  TempFolder temp_;
  std::string score_file_;
  std::string prompts_file_;
  std::string dtype_;  // what --dtype auto came to
};

void Golden::check_score(const GoldenCase& c, const Json& result) const {
  const double limit = allowed(c, result);
  EXPECT_EQ(integers(result, "ids"), c.prompt);
  EXPECT_LE(largest_error(numbers(result, "logits_last"), c.logits_last), limit);
  // A log-probability is a logit less a mean over logits: both may be off by the limit.
  EXPECT_LE(largest_error(numbers(result, "logprobs"), c.prompt_logprobs), 2 * limit);
  const auto argmax = integers(result, "argmax");
  ASSERT_EQ(argmax.size(), c.argmax.size());
  for (size_t i = 0; i < argmax.size(); ++i) {
    if (c.margin[i] > std::max(1e-3, 2 * limit)) {
      EXPECT_EQ(argmax[i], c.argmax[i]) << "position " << i;
    }
  }
}

void Golden::check_greedy(const GoldenCase& c, const Json& result) {
  dtype_ = result.find("dtype")->string();
  const double limit = allowed(c, result);
  const auto ids = integers(result, "output_ids");
  const auto logprobs = numbers(result, "logprobs");
  ASSERT_EQ(ids.size(), c.greedy.size());
  ASSERT_EQ(logprobs.size(), ids.size());
  EXPECT_EQ(integers(result, "prompt_ids"), c.prompt);
  EXPECT_EQ(result.find("finish_reason")->string(), "length");
  size_t equal = 0;
  while (equal < ids.size() && ids[equal] == c.greedy[equal]) {
    EXPECT_LE(std::abs(logprobs[equal] - c.greedy_logprobs[equal]), 2 * limit) << "step " << equal;
    ++equal;
  }
  if (equal < ids.size()) {
    EXPECT_NE(dtype_, "float32") << "step " << equal << ": " << ids[equal] << ", not "
                                 << c.greedy[equal];
    EXPECT_LT(c.greedy_margin[equal], 2 * limit) << "step " << equal;
  }
  // The last row was computed from all ids but the last.
  if (equal + 1 >= ids.size()) {
    EXPECT_LE(largest_error(numbers(result, "logits_last"), c.logits_last_greedy_step), limit);
  }
}

TEST_P(Golden, MatchesReferenceAtEveryWorldSize) {
  std::map<std::string, std::string> digests;  // of world size 1, by what was run
  for (int64_t world_size : world_sizes()) {
    SCOPED_TRACE("world size " + std::to_string(world_size));
    const auto greedy = generate(world_size);
    const auto scores = score(world_size);
    ASSERT_EQ(greedy.size(), model_.cases.size());
    ASSERT_EQ(scores.size(), model_.cases.size());
    for (size_t i = 0; i < model_.cases.size(); ++i) {
      const GoldenCase& c = model_.cases[i];
      SCOPED_TRACE("case " + c.name);
      EXPECT_EQ(greedy[i].find("index")->integer(), static_cast<int64_t>(i));
      EXPECT_EQ(greedy[i].find("world_size")->integer(), world_size);
      check_greedy(c, greedy[i]);
      check_score(c, scores[i]);
      for (const auto& [kind, result] :
           {std::pair{"greedy ", &greedy[i]}, {"score ", &scores[i]}}) {
        const std::string digest = result->find("digest")->string();
        EXPECT_EQ(digest.size(), 16U);
        EXPECT_EQ(digests.emplace(kind + c.name, digest).first->second, digest) << kind;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Golden, testing::ValuesIn(parameters()), name_of);

/// The list of families above names what it means to: each has a folder.
TEST(GoldenFamilies, EachListedFamilyHasReferences) {
  for (const auto& type : kModelTypes) EXPECT_FALSE(golden_names({type}).empty()) << type;
}

}  // namespace
}  // namespace tandem::test
