#include "diag/rounds.h"

#include <gtest/gtest.h>

#include "base/cpu_features.h"
#include "diag/probe.h"

namespace tandem {
namespace {

TEST(Rounds, Median) {
  EXPECT_EQ(median({}), 0);
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
}

TEST(Rounds, BusyOnesDoNotCount) {
  const std::vector<Round> rounds = {{30, 200, 100, 10},
                                     {31, 201, 110, 11},
                                     {20, 200, 60, 6},
                                     {32, 120, 50, 9},
                                     {30, 199, 120, 12}};
  const RoundSummary summary = summarize(rounds);
  EXPECT_EQ(summary.used, 3);
  EXPECT_EQ(summary.discarded, 2);
  EXPECT_FALSE(summary.too_few);
  EXPECT_EQ(summary.median.decode_tok_s, 11);
  EXPECT_EQ(summary.median.prefill_tok_s, 110);
  EXPECT_EQ(summary.median.read_gb_s, 30);
  EXPECT_DOUBLE_EQ(summary.spread, 2.0 / 11);
}

TEST(Rounds, AllCountWhenTooFewWereQuiet) {
  const std::vector<Round> rounds = {{30, 200, 1, 1}, {20, 200, 2, 2}, {10, 200, 3, 3}};
  const RoundSummary summary = summarize(rounds);
  EXPECT_EQ(summary.used, 3);
  EXPECT_EQ(summary.discarded, 0);
  EXPECT_TRUE(summary.too_few);
  EXPECT_EQ(summary.median.decode_tok_s, 2);
}

TEST(Probes, MeasureSomething) {
  ReadProbe probe(2, size_t{16} << 20);
  EXPECT_GT(probe.measure(1), 0.05);
  EXPECT_GT(fma_gflops(2, "portable"), 0.05);
  EXPECT_GT(compute_gflops(1, "portable", "bfloat16"), 0.05);
}

TEST(Probes, TilesWhereThereAreAny) {
  if (!cpu_features().amx) GTEST_SKIP() << "this processor has no AMX, or the kernel none for us";
  EXPECT_GT(tile_gflops(2), 1);
  EXPECT_GT(compute_gflops(1, "amx", "bfloat16"), 1);
}

}  // namespace
}  // namespace tandem
