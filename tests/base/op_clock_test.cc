#include "base/op_clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

namespace tandem {
namespace {

using Phase = OpClock::Phase;

int64_t total(const OpClock& clock, std::string_view name, Phase phase) {
  for (const OpClock::Kind& kind : clock.totals().kinds)
    if (kind.label() == name) return kind.ns[static_cast<size_t>(phase)];
  return -1;
}

void work() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }

TEST(OpClock, OneKindRunsAtATime) {
  OpClock clock;
  const auto begin = std::chrono::steady_clock::now();
  clock.begin(Phase::kDecode);
  {
    OpScope outer(&clock, "down");
    work();
    {
      const OpScope inner(&clock, "collective");
      work();
    }
    work();
    outer.next("norm");
    work();
  }
  clock.end();
  const int64_t wall = std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count();
  EXPECT_GE(total(clock, "down", Phase::kDecode), 4'000'000) << "before and after the inner one";
  EXPECT_GE(total(clock, "collective", Phase::kDecode), 2'000'000);
  EXPECT_GE(total(clock, "norm", Phase::kDecode), 2'000'000);
  EXPECT_EQ(total(clock, "down", Phase::kPrefill), 0);
  int64_t sum = 0;
  for (const OpClock::Kind& kind : clock.totals().kinds) sum += kind.ns[1];
  EXPECT_GE(sum, 8'000'000);
  EXPECT_LE(sum, wall);
  EXPECT_EQ(clock.totals().passes[1], 1);
}

TEST(OpClock, CountsNothingBetweenPasses) {
  OpClock clock;
  {
    const OpScope scope(&clock, "down");
    work();
  }
  EXPECT_EQ(total(clock, "down", Phase::kPrefill), -1);
  EXPECT_EQ(clock.totals().kinds[0].ns[0], 0);
}

TEST(OpClock, KindsBeyondTheTableAreOther) {
  OpClock clock;
  clock.begin(Phase::kPrefill);
  std::vector<std::string> names;
  for (int i = 0; i < 2 * OpClock::kMaxKinds; ++i) names.push_back("op" + std::to_string(i));
  for (const std::string& name : names) const OpScope scope(&clock, name.c_str());
  clock.end();
  EXPECT_EQ(clock.totals().count, OpClock::kMaxKinds);
  EXPECT_EQ(clock.totals().kinds.back().label(), "op22");
}

TEST(OpClock, OffWithoutAClock) {
  OpScope scope(nullptr, "down");
  scope.next("norm");
}

}  // namespace
}  // namespace tandem
