// Groups of ranks: what needs no process of its own. Processes are in tests/fault/ranks.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/check.h"
#include "engine/ranks/rank_group.h"

namespace tandem {
namespace {

TEST(Ranks, AProgramThatNeverOfferedToBeAWorkerIsToldHow) {
  try {
    RankGroup::start_processes(2);
    FAIL() << "started";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadInput);
    EXPECT_NE(std::string(error.what()).find("tandem::run_if_worker(argc, argv)"),
              std::string::npos);
  }
}

TEST(Ranks, OneRankNeedsNothing) {
  const auto group = RankGroup::start_processes(1);
  EXPECT_EQ(group->root().size(), 1);
  std::vector<std::byte> bytes = {std::byte(1)};
  group->root().host().broadcast(bytes);
  EXPECT_EQ(group->root().host().gather(bytes).size(), 1);
  group->root().host().barrier();
}

TEST(Ranks, SizesOutOfRangeAreRefused) {
  EXPECT_THROW(RankGroup::start_processes(0), Error);
  EXPECT_THROW(RankGroup::start_processes(-3), Error);
  EXPECT_THROW(RankGroup::start_processes(1 << 20), Error);
}

TEST(Ranks, ThreadsEndWithTheGroupWhereverTheyWait) {
  std::atomic<int> ended = 0;
  {
    const auto group = RankGroup::start_threads(4, [&](RankContext& rank) {
      try {
        if (rank.rank() == 1) {
          std::vector<std::byte> bytes;
          rank.host().broadcast(bytes);
        } else {
          rank.local().control().barrier({});
        }
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kAborted);
        ++ended;
        throw;
      }
    });
  }
  EXPECT_EQ(ended, 3);
}

TEST(Ranks, WaitingWorkersPollNothingUntilABroadcastComes) {
  std::atomic<int> got = 0;
  const auto group = RankGroup::start_threads(3, [&](RankContext& rank) {
    std::vector<std::byte> bytes;
    rank.host().broadcast(bytes);
    got += static_cast<int>(bytes.size());
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(got, 0);
  std::vector<std::byte> bytes(5);
  group->root().host().broadcast(bytes);
  group->shutdown();
  EXPECT_EQ(got, 10);
}

TEST(Ranks, AReasonIsKeptOnceAndCutAtItsLimit) {
  const auto group = RankGroup::start_threads(1, [](RankContext&) {});
  const std::string reason(5000, 'x');
  group->root().host().abort(ErrorCode::kResource, reason);
  group->root().host().abort(ErrorCode::kInternal, "second");
  try {
    group->root().host().check();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kResource);
    EXPECT_EQ(std::string(error.what()), reason.substr(0, 1000));
  }
}

}  // namespace
}  // namespace tandem
