// --use_mc2 in a whole model: the residual after every layer has the same bits with and without.
#include <gtest/gtest.h>

#include "engine/rank_model.h"
#include "engine/ranks/rank_group.h"

namespace tandem {
namespace {

constexpr int64_t kTokens = 9;

StepPlan plan_of(const ModelSpec& spec) {
  StepPlan plan;
  plan.step = 1;
  plan.verify = true;
  const int64_t half = spec.head_dim / 2;
  PlanRopeRows rope;
  for (int64_t position = 0; position < kTokens; ++position) {
    for (int64_t i = 0; i < half; ++i) rope.values.push_back(0.8f);
    for (int64_t i = 0; i < half; ++i) rope.values.push_back(0.6f);
    rope.values.push_back(1.0f);
  }
  plan.rope_rows.push_back(rope);
  for (int32_t i = 0; i < kTokens; ++i) plan.ids.push_back(i * 7 % 50);
  plan.chunks.push_back({.rows = kTokens, .block_count = 1});
  plan.blocks = {0};
  plan.logit_rows = {kTokens - 1};
  return plan;
}

struct Outcome {
  std::vector<uint64_t> hashes;  ///< of rank 0, by layer
  std::string note;
  int64_t macs = 0;
};

Outcome run(const std::string& path, int size, Mc2Mode mode) {
  RankSetup setup;
  setup.model_path = path;
  setup.isa = "portable";
  setup.decoder = {DType::kBF16, DType::kBF16, WeightFormat::kFloat, 4, 64, 1};
  setup.mc2 = mode;
  Outcome outcome;
  const WorkerBody body = [&](RankContext& rank) {
    RankModel model(rank, setup, Checkpoint::open(path), {});
    model.forward(plan_of(model.spec()), [](int64_t, int64_t, const ParallelHead&) {});
    if (rank.rank() != 0) return;
    outcome = {model.decoder().hashes(), model.mc2_note(), model.tally().macs};
  };
  const auto group = RankGroup::start_threads(size, body);
  body(group->root());
  return outcome;
}

TEST(Mc2InTheModel, BitsAreTheSame) {
  const std::string path = std::string(TANDEM_TEST_DATA) + "/golden/models/llama-gqa-bf16";
  const Outcome alone = run(path, 1, Mc2Mode::kOff);
  ASSERT_FALSE(alone.hashes.empty());
  EXPECT_NE(run(path, 1, Mc2Mode::kOn).note, "");
  for (const int size : {2, 3}) {
    const Outcome off = run(path, size, Mc2Mode::kOff);
    for (const Mc2Mode mode : {Mc2Mode::kOff, Mc2Mode::kOn, Mc2Mode::kAuto}) {
      const Outcome found = run(path, size, mode);
      EXPECT_EQ(found.hashes, alone.hashes) << size << " ranks";
      EXPECT_EQ(found.macs, off.macs) << "measuring is not the model's work";
    }
    EXPECT_EQ(run(path, size, Mc2Mode::kOn).note, "");
    EXPECT_NE(run(path, size, Mc2Mode::kAuto).note, "");
  }
}

}  // namespace
}  // namespace tandem
