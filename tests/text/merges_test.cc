// Byte-pair merging against the plainest way to do it, on random merges and texts.
#include "text/tokenizer/merges.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <utility>

namespace tandem::test {
namespace {

using Pair = std::pair<int32_t, int32_t>;
using Merges = std::map<Pair, MergeTable::Merge>;

/// The merge of lowest rank, leftmost first, until there is none.
std::vector<int32_t> merged_plainly(const Merges& merges, std::vector<int32_t> ids) {
  while (true) {
    size_t best = ids.size();
    uint32_t rank = MergeTable::kNone;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found = merges.find({ids[i], ids[i + 1]});
      if (found == merges.end() || found->second.rank >= rank) continue;
      best = i;
      rank = found->second.rank;
    }
    if (best == ids.size()) return ids;
    ids[best] = merges.at({ids[best], ids[best + 1]}).id;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

TEST(Merges, RandomTextsMergeAsThePlainestWayDoes) {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    const int32_t symbols = 2 + round % 5;
    Merges merges;
    int32_t next = symbols;
    for (uint32_t rank = 0; rank < 40; ++rank) {
      const auto any = [&] { return static_cast<int32_t>(random() % static_cast<uint32_t>(next)); };
      const Pair pair{any(), any()};
      if (merges.emplace(pair, MergeTable::Merge{rank, next}).second) ++next;
    }
    MergeTable table;
    for (const auto& [pair, merge] : merges) table.set(pair.first, pair.second, merge);
    MergeScratch scratch;
    for (const size_t size : {0, 1, 2, 3, 17, 63, 64, 65, 66, 300}) {
      std::vector<int32_t> text{-5};  // what is there before `first` stays
      for (size_t i = 0; i < size; ++i)
        text.push_back(static_cast<int32_t>(random() % static_cast<uint32_t>(symbols)));
      std::vector<int32_t> expected = merged_plainly(merges, {text.begin() + 1, text.end()});
      expected.insert(expected.begin(), -5);
      apply_merges(table, scratch, text, 1);
      EXPECT_EQ(text, expected) << "round " << round << " size " << size;
    }
  }
}

TEST(Merges, LaterRankOfAPairCounts) {
  MergeTable table;
  table.set(1, 2, {0, 3});
  table.set(1, 2, {7, 4});
  EXPECT_EQ(table.find(1, 2).rank, 7U);
  EXPECT_EQ(table.find(1, 2).id, 4);
  EXPECT_EQ(table.find(2, 1).rank, MergeTable::kNone);
}

}  // namespace
}  // namespace tandem::test
