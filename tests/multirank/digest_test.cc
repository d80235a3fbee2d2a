// Real processes at even and uneven world sizes: one digest whatever runs it, and proof that equal
// bits were not bought by doing everything everywhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "support/golden.h"
#include "support/tandem_json.h"

namespace tandem::test {
namespace {

// 9 query heads on 3 key/value heads, a prime vocabulary: nothing divides. And plain 8 heads.
const std::vector<std::string> kModels = {"llama-gqa-bf16", "llama-mha-f32", "llama3-rope-bf16"};
const std::vector<int64_t> kWorldSizes = {1, 2, 3, 4, 5, 7, 8};

std::string folder_of(const std::string& model) { return test_data() + "/golden/models/" + model; }

/// Instruction sets that this machine has, by asking.
std::vector<std::string> isas() {
  std::vector<std::string> present;
  for (const std::string isa : {"portable", "avx2", "avx512", "amx"}) {
    const Outcome run =
        tandem({"generate", "--model_path", folder_of("llama-gqa-bf16"), "--prompt_ids", "1",
                "--max_new_tokens", "1", "--threads", "1", "--isa", isa, "--json"});
    if (run.exit_code == 0) {
      present.push_back(isa);
    } else {
      std::printf("skipped: %s: %s", isa.c_str(), run.err.c_str());
    }
  }
  return present;
}

/// What may change from run to run without changing a bit.
struct Setting {
  int64_t world_size;
  std::string isa;
  int threads;
  int chunk;
  int batch;
};

class Digest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    // The golden prompts, the longest one twice more: as it is (its prefix may be reused) and with
    // another end (a part of it may be).
    const GoldenModel model = read_golden(GetParam());
    auto longest = model.cases.back().prompt;
    for (const auto& c : model.cases) prompts_.push_back(c.prompt);
    prompts_.push_back(longest);
    longest.back() = 3;
    prompts_.push_back(longest);
    std::string lines;
    for (const auto& prompt : prompts_) lines += "{\"prompt_ids\":[" + joined(prompt) + "]}\n";
    file_ = temp_.write("prompts.jsonl", lines);
  }

  std::vector<Json> run(const Setting& s, const std::string& dtype) const {
    return tandem_json({"generate",
                        "--model_path",
                        folder_of(GetParam()),
                        "--prompts",
                        file_,
                        "--world_size",
                        std::to_string(s.world_size),
                        "--isa",
                        s.isa,
                        "--threads",
                        std::to_string(s.threads),
                        "--prefill_chunk",
                        std::to_string(s.chunk),
                        "--max_batch",
                        std::to_string(s.batch),
                        "--dtype",
                        dtype,
                        "--max_new_tokens",
                        "6",
                        "--ignore_eos",
                        "--temperature",
                        "0",
                        "--digest",
                        "--json"});
  }

  TempFolder temp_;
  std::string file_;
  std::vector<std::vector<int64_t>> prompts_;
};

TEST_P(Digest, IsOneOverEverything) {
  const auto present = isas();
  ASSERT_FALSE(present.empty());
  const std::vector<int> threads = {1, 2, 3};
  const std::vector<int> chunks = {1, 7, 64, 256};  // the last: the whole prompt
  std::map<std::string, std::vector<std::string>> expected;
  size_t turn = 0;
  for (const std::string dtype : {"auto", "float32"}) {
    for (int64_t world_size : kWorldSizes) {
      for (const auto& isa : present) {
        ++turn;
        const Setting s{world_size, isa, threads[turn % 3], chunks[turn % 4],
                        turn % 2 == 0 ? 1 : 8};
        SCOPED_TRACE("world size " + std::to_string(world_size) + " " + isa + " threads " +
                     std::to_string(s.threads) + " chunk " + std::to_string(s.chunk) + " batch " +
                     std::to_string(s.batch) + " dtype " + dtype);
        const auto results = run(s, dtype);
        ASSERT_EQ(results.size(), prompts_.size());
        std::vector<std::string> digests;
        for (const Json& result : results) digests.push_back(result.find("digest")->string());
        EXPECT_EQ(expected.emplace(dtype, digests).first->second, digests);
      }
    }
    // Equal prompts, equal bits, whether the second came from the cache or not; others differ.
    const auto& digests = expected[dtype];
    const size_t n = digests.size();
    EXPECT_EQ(digests[n - 2], digests[n - 3]);
    EXPECT_EQ(std::set<std::string>(digests.begin(), digests.end()).size(), n - 1);
  }
}

TEST_P(Digest, APrefixServedFromTheCacheKeepsTheBits) {
  const Setting one_by_one{2, "auto", 1, 64, 1};
  const auto together = run(one_by_one, "auto");
  ASSERT_EQ(together.size(), prompts_.size());
  EXPECT_GT(together[prompts_.size() - 2].find("cached_prompt_tokens")->integer(), 0)
      << "the same prompt again, and nothing of it was reused";
  for (size_t i = 0; i < prompts_.size(); ++i) {
    const auto cold =
        tandem_json({"generate", "--model_path", folder_of(GetParam()), "--prompt_ids",
                     joined(prompts_[i]), "--world_size", "2", "--threads", "1", "--max_new_tokens",
                     "6", "--ignore_eos", "--temperature", "0", "--digest", "--json"});
    ASSERT_EQ(cold.size(), 1U);
    EXPECT_EQ(cold[0].find("cached_prompt_tokens")->integer(), 0);
    EXPECT_EQ(cold[0].find("digest")->string(), together[i].find("digest")->string())
        << "prompt " << i;
  }
}

std::string name_of(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Models, Digest, testing::ValuesIn(kModels), name_of);

}  // namespace
}  // namespace tandem::test
