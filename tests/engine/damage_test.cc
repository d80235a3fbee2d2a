// Damage that only shows while a model runs: NaN in the weights, ranks that no longer agree.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "engine/rank_model.h"
#include "engine/ranks/rank_group.h"
#include "support/checkpoint_edit.h"

namespace tandem {
namespace {

using testing::HasSubstr;

std::string golden(const std::string& name) {
  return std::string(TANDEM_TEST_DATA) + "/golden/models/" + name;
}

std::string bytes_of(float value) {
  const auto bits = std::bit_cast<std::array<char, sizeof value>>(value);
  return {bits.begin(), bits.end()};
}

TEST(Damage, NanInTheLogitsNamesTheFirstBadLayer) {
  const test::TempFolder folder;
  test::copy_with_edit(golden("llama-mha-f32"), folder, "model.layers.1.mlp.up_proj.weight",
                       bytes_of(std::numeric_limits<float>::quiet_NaN()));
  for (const int world_size : {1, 3}) {
    EngineOptions options;
    options.model_path = folder.path();
    options.world_size = world_size;
    options.threads = 1;
    options.ranks_are_threads = true;
    const auto engine = Engine::load(options);
    Request request;
    request.prompt_ids = {1, 2, 3};
    request.max_new_tokens = 4;
    const RequestResult result = engine->run(request);
    EXPECT_FALSE(result.status.ok);
    EXPECT_THAT(result.status.message, HasSubstr("NaN"));
    EXPECT_THAT(result.status.message, HasSubstr("layer 1"));
    EXPECT_THROW(engine->run(request), Error) << "nothing runs on a damaged model";
  }
}

/// One step with --verify on two ranks, of which the second reads `other`; what rank 0 throws.
std::string verified_step(const std::string& path, const std::string& other) {
  RankSetup setup;
  setup.isa = "portable";
  setup.decoder = {DType::kF32, DType::kF32, WeightFormat::kFloat, 4, 64, 1};
  StepPlan plan;
  plan.step = 1;
  plan.verify = true;
  plan.ids = {5, 6};
  plan.chunks.push_back({.rows = 2, .block_count = 1});
  plan.blocks = {0};
  plan.logit_rows = {1};
  std::string message = "the ranks agree";
  const WorkerBody body = [&](RankContext& rank) {
    const auto checkpoint = [&] { return Checkpoint::open(rank.rank() == 0 ? path : other); };
    RankModel model(rank, setup, checkpoint(), {});
    StepPlan own = plan;
    PlanRopeRows rope;
    const auto half = static_cast<size_t>(model.spec().head_dim / 2);
    for (int position = 0; position < 2; ++position) {
      rope.values.insert(rope.values.end(), half, 0.8F);
      rope.values.insert(rope.values.end(), half, 0.6F);
      rope.values.push_back(1.0F);
    }
    own.rope_rows.push_back(rope);
    try {
      model.forward(own, [](int64_t, int64_t, const ParallelHead&) {});
    } catch (const Error& error) {
      if (rank.rank() == 0) message = error.what();
    }
  };
  const auto group = RankGroup::start_threads(2, body);
  body(group->root());
  return message;
}

TEST(Damage, VerifyNamesTheRankAndTheLayerThatDiffer) {
  const std::string path = golden("llama-bias-f32");
  EXPECT_EQ(verified_step(path, path), "the ranks agree");
  // A bias that is added after the reduce: the second rank's residual differs from there on.
  const test::TempFolder other;
  test::copy_with_edit(path, other, "model.layers.1.self_attn.o_proj.bias", bytes_of(3.0F));
  const std::string message = verified_step(path, other.path());
  EXPECT_THAT(message, HasSubstr("rank 1"));
  EXPECT_THAT(message, HasSubstr("layer 1"));
}

}  // namespace
}  // namespace tandem
