#include "diag/rounds.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

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
  const std::vector<Round> rounds = {{30, 200, 100, 10, 0.9},  {31, 201, 110, 11, 0.9},
                                     {20, 200, 60, 6, 0.9},    {32, 120, 50, 9, 0.9},
                                     {30, 199, 120, 12, 0.99}, {31, 200, 1, 1, 0.8}};
  const RoundSummary summary = summarize(rounds);
  EXPECT_EQ(summary.used, 3);
  EXPECT_EQ(summary.discarded, 3);
  EXPECT_EQ(summary.counts, (std::vector<bool>{true, true, false, false, true, false}));
  EXPECT_FALSE(summary.too_few);
  EXPECT_EQ(summary.median.decode_tok_s, 11);
  EXPECT_EQ(summary.median.prefill_tok_s, 110);
  EXPECT_EQ(summary.median.read_gb_s, 30);
  EXPECT_DOUBLE_EQ(summary.spread, 2.0 / 11);
}

TEST(Rounds, AllCountWhenTooFewWereQuiet) {
  const std::vector<Round> rounds = {{30, 200, 1, 1, 1}, {20, 200, 2, 2, 1}, {10, 200, 3, 3, 1}};
  const RoundSummary summary = summarize(rounds);
  EXPECT_EQ(summary.used, 3);
  EXPECT_EQ(summary.discarded, 0);
  EXPECT_TRUE(summary.too_few);
  EXPECT_EQ(summary.median.decode_tok_s, 2);
}

TEST(Probes, MeasureSomething) {
  ReadProbe probe(2, size_t{16} << 20, "portable");
  EXPECT_GT(probe.measure(1), 0.05);
  std::vector<std::string> isas = {"portable"};
  if (cpu_features().avx2) isas.emplace_back("avx2");
  if (cpu_features().avx512) isas.emplace_back("avx512");
  if (cpu_features().amx) isas.emplace_back("amx");
  for (const std::string& isa : isas) {
    EXPECT_GT(ReadProbe(1, size_t{16} << 20, isa).measure(1), 0.05) << isa;
    for (const bool integer : {false, true})
      EXPECT_GT(gflops(compute_probe(isa, "bfloat16", integer), 2), 0.05) << isa << integer;
  }
}

}  // namespace
}  // namespace tandem
