// How often the threads of a rank meet in a decode step: q, k and v, attention, its output, gate
// and up, down. Norms, rope and SiLU go along with these or are too little to share.
#include <gtest/gtest.h>

#include "engine/rank_model.h"
#include "engine/ranks/rank_group.h"

namespace tandem {
namespace {

constexpr int64_t kMost = 5;

/// One token of one sequence.
StepPlan decode_plan(const ModelSpec& spec, int64_t position) {
  StepPlan plan;
  plan.step = static_cast<uint64_t>(position) + 1;
  PlanRopeRows rope;
  rope.first = position;
  rope.values.assign(static_cast<size_t>(spec.head_dim / 2 * 2 + 1), 0.7f);
  plan.rope_rows.push_back(rope);
  plan.ids.push_back(7);
  plan.chunks.push_back({.rows = 1, .position = position, .block_count = 1});
  plan.blocks = {0};
  plan.logit_rows = {0};
  return plan;
}

int64_t meetings_of_a_step(const std::string& path, WeightFormat format, int64_t& layers) {
  RankSetup setup;
  setup.model_path = path;
  setup.isa = available_isas().back();
  setup.threads = 2;
  setup.decoder = {DType::kBF16, DType::kBF16, format, 4, 64, 1};
  int64_t meetings = 0;
  const WorkerBody body = [&](RankContext& rank) {
    RankModel model(rank, setup, Checkpoint::open(path), {});
    const auto step = [&](int64_t position) {
      model.forward(decode_plan(model.spec(), position), [](int64_t, int64_t, const auto&) {});
    };
    step(0);
    const int64_t before = model.backend().meetings();
    step(1);
    meetings = model.backend().meetings() - before;
    layers = model.spec().layers;
  };
  const auto group = RankGroup::start_threads(1, body);
  body(group->root());
  return meetings;
}

TEST(Meetings, AtMostFiveToABlock) {
  const std::string models = std::string(TANDEM_TEST_DATA) + "/golden/models/";
  for (const WeightFormat format : {WeightFormat::kFloat, WeightFormat::kInt8}) {
    int64_t layers = 0;
    const int64_t found = meetings_of_a_step(models + "llama-gqa-bf16", format, layers);
    EXPECT_GT(found, layers) << "two threads that hardly meet: nothing is counted";
    EXPECT_LE(found, kMost * layers + 1) << "one more is the head's; layers: " << layers;
  }
}

}  // namespace
}  // namespace tandem
