// The whole product of what must not change a bit, on one reference model, through the public API
// with threads as ranks; every reference model at several world sizes; and that equal bits were not
// bought by doing everything everywhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "support/digests.h"
#include "support/golden.h"
#include "support/tandem_json.h"
#include "tandem/engine.h"

namespace tandem::test {
namespace {

const std::vector<std::string> kModelTypes = {"llama", "mistral", "qwen", "qwen2", "qwen3"};
const std::vector<int> kWorldSizes = {1, 2, 3, 4, 5, 7, 8};

std::vector<int32_t> narrow(const std::vector<int64_t>& ids) { return {ids.begin(), ids.end()}; }

class EngineMatrix : public testing::TestWithParam<int> {};

TEST_P(EngineMatrix, OneDigestOverTheWholeProduct) {
  const GoldenModel model = read_golden("llama-gqa-bf16");
  const auto prompts = prompts_of(model);
  auto plain = Engine::load(options_for(model.folder, 1));
  const auto expected = digests(*plain, prompts);
  for (const std::string& isa : available_isas()) {
    for (int threads : {1, 2, 3}) {
      for (int64_t chunk : {1, 7, 64, 0}) {
        for (int64_t batch : {1, 8}) {
          SCOPED_TRACE(isa + " threads " + std::to_string(threads) + " chunk " +
                       std::to_string(chunk) + " batch " + std::to_string(batch));
          EngineOptions options = options_for(model.folder, GetParam());
          options.isa = isa;
          options.threads = threads;
          options.prefill_chunk = chunk;
          options.max_batch = batch;
          auto engine = Engine::load(options);
          EXPECT_EQ(digests(*engine, prompts), expected);
          EXPECT_EQ(digests(*engine, prompts), expected) << "with prefixes from the cache";
        }
      }
    }
  }
}
INSTANTIATE_TEST_SUITE_P(WorldSizes, EngineMatrix, testing::ValuesIn(kWorldSizes),
                         [](const auto& world) { return std::to_string(world.param); });

class EveryModel : public testing::TestWithParam<std::string> {};

TEST_P(EveryModel, Float32MatchesTheReferenceWithOneDigest) {
  const GoldenModel model = read_golden(GetParam());
  std::vector<uint64_t> expected;
  for (int world_size : {1, 2, 3, 4, static_cast<int>(model.query_heads) + 1}) {
    SCOPED_TRACE("world size " + std::to_string(world_size));
    EngineOptions options = options_for(model.folder, world_size);
    options.dtype = "float32";
    auto engine = Engine::load(options);
    std::vector<uint64_t> found;
    for (const GoldenCase& c : model.cases) {
      SCOPED_TRACE("case " + c.name);
      const RequestResult r = engine->run(greedy(c.prompt, static_cast<int64_t>(c.greedy.size())));
      ASSERT_TRUE(r.status.ok) << r.status.message;
      EXPECT_EQ(r.output_ids, narrow(c.greedy));
      EXPECT_LE(
          largest_error({r.logits_last.begin(), r.logits_last.end()}, c.logits_last_greedy_step),
          tolerance("float32") * c.logits_std);
      found.push_back(r.digest);
    }
    if (expected.empty()) expected = found;
    EXPECT_EQ(found, expected);
  }
}

TEST_P(EveryModel, DefaultTypeHasOneDigestAndStaysNear) {
  const GoldenModel model = read_golden(GetParam());
  const auto prompts = prompts_of(model);
  std::vector<uint64_t> expected;
  for (int world_size : {1, 2, 3, 4, static_cast<int>(model.query_heads) + 1}) {
    SCOPED_TRACE("world size " + std::to_string(world_size));
    auto engine = Engine::load(options_for(model.folder, world_size));
    const auto found = digests(*engine, prompts);
    if (expected.empty()) expected = found;
    EXPECT_EQ(found, expected);
    if (world_size > 1) continue;  // the others have the same bits
    for (const GoldenCase& c : model.cases) {
      const RequestResult r = engine->run(greedy(c.prompt, 1));
      EXPECT_LE(largest_error({r.logits_last.begin(), r.logits_last.end()}, c.logits_last),
                tolerance(engine->info().dtype) * c.logits_std)
          << c.name;
    }
  }
}

std::string name_of(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Golden, EveryModel, testing::ValuesIn(golden_names(kModelTypes)), name_of);

/// Sizes of a made model whose units divide by none of the world sizes.
TEST(Work, IsSharedAndNotRepeated) {
  const GoldenModel model = read_golden("llama-mha-f32");
  const auto run = [&](int world_size) {
    auto engine = Engine::load(options_for(model.folder, world_size));
    const RequestResult r = engine->run(greedy(model.cases.back().prompt, 4));
    EXPECT_TRUE(r.status.ok) << r.status.message;
    return engine->report();
  };
  const RankReport whole = run(1).at(0);
  for (int world_size : {2, 3, 4, 5, 8}) {
    SCOPED_TRACE("world size " + std::to_string(world_size));
    const auto ranks = run(world_size);
    ASSERT_EQ(ranks.size(), static_cast<size_t>(world_size));
    int64_t macs = 0;
    int64_t bytes = 0;
    for (const RankReport& rank : ranks) {
      macs += rank.macs;
      bytes += rank.weight_bytes;
    }
    // One key/value head per query head: no multiply-add is done twice, and only the norms'
    // vectors (3 layers of 2, and the last) are held by all.
    EXPECT_EQ(macs, whole.macs);
    constexpr int64_t kNorms = 7 * 64 * 4;
    EXPECT_EQ(bytes, whole.weight_bytes + (world_size - 1) * kNorms);
  }
}

}  // namespace
}  // namespace tandem::test
