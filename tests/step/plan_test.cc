#include "step/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/arithmetic.h"
#include "tandem/error.h"

namespace tandem {
namespace {

StepPlan random_plan(std::mt19937& rng) {
  auto upto = [&rng](int n) { return static_cast<int>(rng() % static_cast<unsigned>(n + 1)); };
  StepPlan plan;
  plan.step = rng();
  plan.verify = upto(1) == 1;
  plan.full_logits = upto(1) == 1;
  for (int i = upto(2); i > 0; --i) plan.drop_tables.push_back(upto(9));
  for (int i = upto(2); i > 0; --i) {
    PlanRopeRows& rows = plan.rope_rows.emplace_back();
    rows.table = upto(9);
    rows.first = upto(1000);
    for (int j = upto(20); j > 0; --j) rows.values.push_back(static_cast<float>(upto(99)) / 7);
  }
  for (int i = upto(2); i > 0; --i) plan.copies.push_back({upto(99), upto(99)});
  for (int i = upto(4); i > 0; --i) {
    PlanChunk& chunk = plan.chunks.emplace_back();
    chunk.row_begin = plan.rows();
    chunk.rows = 1 + upto(30);
    chunk.position = upto(300);
    chunk.rope_table = upto(3);
    chunk.block_begin = static_cast<int64_t>(plan.blocks.size());
    chunk.block_count = static_cast<int32_t>(ceil_div(chunk.position + chunk.rows, kKeyBlock));
    for (int j = 0; j < chunk.block_count; ++j) plan.blocks.push_back(upto(500));
    for (int64_t j = 0; j < chunk.rows; ++j) plan.ids.push_back(upto(50000));
    if (upto(1) == 1) plan.logit_rows.push_back(static_cast<int32_t>(plan.rows() - 1));
  }
  return plan;
}

TEST(StepPlan, RoundTripsAndReusesTheReceiver) {
  std::mt19937 rng(1);
  StepPlan received;  // carries what the plan before left in it
  std::vector<std::byte> bytes;
  for (int i = 0; i < 300; ++i) {
    const StepPlan plan = random_plan(rng);
    encode(plan, bytes);
    decode(bytes, received);
    ASSERT_EQ(received, plan);
  }
}

TEST(StepPlan, ShutdownRoundTrips) {
  StepPlan plan;
  plan.kind = StepKind::kShutdown;
  std::vector<std::byte> bytes;
  encode(plan, bytes);
  StepPlan received;
  decode(bytes, received);
  EXPECT_EQ(received.kind, StepKind::kShutdown);
}

TEST(StepPlan, EveryTruncationIsRefused) {
  std::mt19937 rng(2);
  std::vector<std::byte> bytes;
  encode(random_plan(rng), bytes);
  StepPlan received;
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_THROW(decode(std::span(bytes).first(n), received), Error) << n;
  bytes.push_back(std::byte{0});
  EXPECT_THROW(decode(bytes, received), Error);
}

// A mutated plan is refused or is again a consistent one: encoding it gives the mutated bytes.
TEST(StepPlan, MutationsAreRefusedOrConsistent) {
  std::mt19937 rng(3);
  std::vector<std::byte> bytes;
  std::vector<std::byte> again;
  StepPlan received;
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    encode(random_plan(rng), bytes);
    for (int j = 1 + static_cast<int>(rng() % 3); j > 0; --j)
      bytes[rng() % bytes.size()] = static_cast<std::byte>(rng());
    try {
      decode(bytes, received);
      encode(received, again);
      EXPECT_EQ(again, bytes);
      for (const PlanChunk& chunk : received.chunks)
        EXPECT_LE(chunk.position + chunk.rows,
                  static_cast<int64_t>(received.blocks_of(chunk).size()) * kKeyBlock);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kRankFailure);
      ++refused;
    }
  }
  EXPECT_GT(refused, 2000);
}

TEST(StepPlan, HugeCountsDoNotAllocate) {
  std::vector<std::byte> bytes;
  encode(StepPlan{}, bytes);
  for (size_t at = 16; at < 44; at += 4) {  // each count of the header in turn
    std::vector<std::byte> hostile = bytes;
    for (size_t i = 0; i < 4; ++i) hostile[at + i] = std::byte{0xff};
    StepPlan received;
    EXPECT_THROW(decode(hostile, received), Error);
    EXPECT_LT(received.ids.capacity() + received.blocks.capacity() + received.chunks.capacity(),
              1000U);
  }
}

TEST(StepPlan, ADecodeStepAllocatesNothingOnceWarm) {
  std::mt19937 rng(4);
  StepPlan plan = random_plan(rng);
  while (plan.chunks.empty()) plan = random_plan(rng);
  std::vector<std::byte> bytes;
  StepPlan received;
  encode(plan, bytes);
  decode(bytes, received);
  const auto* data = bytes.data();
  const auto* ids = received.ids.data();
  const auto* blocks = received.blocks.data();
  encode(plan, bytes);
  decode(bytes, received);
  EXPECT_EQ(bytes.data(), data);
  EXPECT_EQ(received.ids.data(), ids);
  EXPECT_EQ(received.blocks.data(), blocks);
}

}  // namespace
}  // namespace tandem
