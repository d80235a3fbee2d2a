#include "parallel/partition.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace tandem {
namespace {

TEST(Units, FeedForwardWidthsOfTheDesign) {
  EXPECT_EQ(feed_forward_units(11008).unit, 192);
  EXPECT_EQ(feed_forward_units(11008).count(), 58);
  EXPECT_EQ(feed_forward_units(5632).unit, 128);
  EXPECT_EQ(feed_forward_units(5632).count(), 44);
  EXPECT_EQ(feed_forward_units(1536).unit, 64);
  EXPECT_EQ(feed_forward_units(1536).count(), 24);
  EXPECT_EQ(feed_forward_units(200).unit, 32);
  EXPECT_EQ(feed_forward_units(200).count(), 7);
  EXPECT_EQ(feed_forward_units(200).elements({6, 7}), (Range{192, 200}));
}

TEST(Units, VocabularyHasAtMost64Units) {
  for (int64_t rows : {1, 64, 65, 509, 32000, 49152, 151936}) {
    const Units units = vocabulary_units(rows);
    EXPECT_EQ(units.unit % 64, 0);
    EXPECT_LE(units.count(), 64);
    EXPECT_TRUE(units.unit == 64 || Units({rows, units.unit - 64}).count() > 64) << rows;
  }
}

TEST(Partition, CoversInOrderAndIsEven) {
  for (int64_t units : {0, 1, 7, 9, 24, 58, 64}) {
    for (int64_t ranks = 1; ranks <= 12; ++ranks) {
      const auto runs = partition(units, ranks);
      int64_t at = 0;
      for (const Range& run : runs) {
        EXPECT_EQ(run.begin, at);
        EXPECT_LE(run.size(), units / ranks + 2);
        at = run.end;
      }
      EXPECT_EQ(at, units);
    }
  }
}

TEST(Partition, PowersOfTwoGiveOneNodePerRank) {
  for (int64_t units : {8, 9, 24, 58}) {
    for (int64_t ranks : {1, 2, 4, 8}) {
      for (const Range& run : partition(units, ranks)) EXPECT_EQ(tree_nodes(units, run).size(), 1U);
    }
  }
}

std::vector<float> run_program(const TreeProgram& program, const std::vector<float>& leaves) {
  std::vector<float> stack;
  for (size_t i = 0; i < leaves.size(); ++i) {
    stack.push_back(leaves[i]);
    for (int32_t m = 0; m < program.merges[i]; ++m) {
      const float upper = stack.back();
      stack.pop_back();
      stack.back() += upper;
    }
  }
  return stack;
}

TEST(Tree, AnyCutGivesTheSameBits) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, 1);
  for (int64_t units : {1, 2, 7, 9, 32, 58, 64}) {
    std::vector<float> leaves(static_cast<size_t>(units));
    for (float& leaf : leaves) leaf = normal(random) * std::exp2f(normal(random) * 8);
    const float whole = run_program(local_tree(units, {0, units}), leaves)[0];
    for (int trial = 0; trial < 50; ++trial) {
      std::vector<Range> all;
      std::vector<float> sums;
      for (int64_t at = 0; at < units;) {
        const int64_t end = std::min<int64_t>(units, at + static_cast<int64_t>(random() % 9));
        const TreeProgram local = local_tree(units, {at, end});
        const auto part = run_program(local, {leaves.begin() + at, leaves.begin() + end});
        const auto nodes = tree_nodes(units, {at, end});
        ASSERT_EQ(part.size(), nodes.size());
        ASSERT_EQ(local.results(), static_cast<int64_t>(nodes.size()));
        sums.insert(sums.end(), part.begin(), part.end());
        all.insert(all.end(), nodes.begin(), nodes.end());
        at = end;
      }
      const auto total = run_program(global_tree(units, all), sums);
      ASSERT_EQ(total.size(), 1U);
      EXPECT_EQ(total[0], whole) << units;
    }
  }
}

}  // namespace
}  // namespace tandem
