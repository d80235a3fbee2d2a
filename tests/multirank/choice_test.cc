// Which id comes next: the same seed gives the same ids at every world size, with filters that the
// candidates decide and without; end tokens stop, or do not.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "support/golden.h"
#include "support/tandem_json.h"

namespace tandem::test {
namespace {

std::vector<std::string> generate(const std::string& model, int world_size,
                                  const std::vector<std::string>& more) {
  std::vector<std::string> args = {"generate",
                                   "--model_path",
                                   read_golden(model).folder,
                                   "--world_size",
                                   std::to_string(world_size),
                                   "--threads",
                                   "1",
                                   "--prompt_ids",
                                   "1,7,9,11",
                                   "--json"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

TEST(Choice, OneSeedGivesTheSameIdsAtEveryWorldSize) {
  const std::vector<std::vector<std::string>> settings = {
      {"--temperature", "1"},
      {"--temperature", "0.8", "--top_k", "12"},
      {"--temperature", "1.3", "--top_p", "0.9"},
      {"--temperature", "1", "--min_p", "0.05"},
      {"--temperature", "0.7", "--top_k", "40", "--top_p", "0.95", "--repetition_penalty", "1.2",
       "--presence_penalty", "0.3", "--frequency_penalty", "0.2"},
  };
  for (const auto& setting : settings) {
    std::set<std::vector<int64_t>> of_all_seeds;
    for (const std::string seed : {"1", "2"}) {
      SCOPED_TRACE(joined({static_cast<int64_t>(setting.size())}) + " seed " + seed);
      std::vector<std::string> more = setting;
      more.insert(more.end(), {"--seed", seed, "--max_new_tokens", "24", "--ignore_eos"});
      std::vector<int64_t> expected;
      for (const int world_size : {1, 2, 3, 5, 10}) {
        const auto result = tandem_json(generate("llama-gqa-bf16", world_size, more));
        ASSERT_EQ(result.size(), 1U);
        const auto ids = integers(result[0], "output_ids");
        EXPECT_EQ(ids.size(), 24U);
        if (expected.empty()) expected = ids;
        EXPECT_EQ(ids, expected) << "world size " << world_size;
      }
      of_all_seeds.insert(expected);
    }
    EXPECT_EQ(of_all_seeds.size(), 2U) << "another seed draws other ids";
  }
}

TEST(Choice, AnEndTokenStopsAndIsInTheIds) {
  // At temperature 50 nearly all ids are alike, so that one of the three end ids comes soon.
  const std::vector<std::string> hot = {"--temperature", "50", "--top_k",          "0",
                                        "--top_p",       "1",  "--max_new_tokens", "400",
                                        "--max_seq_len", "500"};
  std::vector<std::string> more = hot;
  bool stopped = false;
  for (int seed = 0; seed < 8 && !stopped; ++seed) {
    more = hot;
    more.insert(more.end(), {"--seed", std::to_string(seed)});
    const auto result = tandem_json(generate("llama3-rope-bf16", 2, more));
    ASSERT_EQ(result.size(), 1U);
    stopped = result[0].find("finish_reason")->string() == "stop";
    const auto ids = integers(result[0], "output_ids");
    const std::set<int64_t> ends = {501, 508, 509};  // eos_token_id is a list
    for (size_t i = 0; i + 1 < ids.size(); ++i) EXPECT_FALSE(ends.contains(ids[i]));
    EXPECT_EQ(ends.contains(ids.back()), stopped);
  }
  EXPECT_TRUE(stopped) << "no end id in eight runs of 400";
  more.emplace_back("--ignore_eos");
  const auto ignored = tandem_json(generate("llama3-rope-bf16", 2, more));
  ASSERT_EQ(ignored.size(), 1U);
  EXPECT_EQ(ignored[0].find("finish_reason")->string(), "length");
  EXPECT_EQ(integers(ignored[0], "output_ids").size(), 400U);
}

}  // namespace
}  // namespace tandem::test
