// Workers that die, stop, throw or go deaf: rank 0 gets an error that names rank and cause, soon,
// and nothing is left.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <random>
#include <thread>

#include "base/check.h"
#include "comm/host_backend.h"
#include "comm/self_test.h"
#include "fault/ranks/scenario.h"

namespace tandem::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
constexpr milliseconds kLong{20000};

/// Nothing of a group is left in this process when the test ends.
class WorkerFaults : public ::testing::Test {
 protected:
  void SetUp() override { before_ = open_descriptors(getpid()); }
  void TearDown() override {
    EXPECT_THAT(own_children(), IsEmpty());
    EXPECT_THAT(workers_of(getpid()), IsEmpty());
    EXPECT_EQ(open_descriptors(getpid()), before_);
  }
  std::vector<std::string> before_;
};

TEST_F(WorkerFaults, WithoutFaultsGroupsRunAndEnd) {
  for (const int size : {1, 2, 3, 5}) {
    FaultRun run(size);
    for (int i = 0; i < 20; ++i) run.step();
    EXPECT_EQ(workers_of(getpid()).size(), size - 1);
    const auto start = std::chrono::steady_clock::now();
    run.group().shutdown();
    EXPECT_LT(seconds_since(start), 2);
    EXPECT_THAT(own_children(), IsEmpty());
  }
}

TEST_F(WorkerFaults, AFarewellThatWorkersObeyAtOnceIsNoFailure) {
  FaultRun run(4);
  run.step();
  std::vector<std::byte> stop = {std::byte('-'), std::byte('1')};
  run.group().root().host().broadcast(stop);
  EXPECT_TRUE(within(milliseconds(5000), [] { return own_children().empty(); }));
  EXPECT_NO_THROW(run.group().root().host().check());
  run.group().shutdown();
}

TEST_F(WorkerFaults, TwoGroupsLiveSideBySide) {
  FaultRun first(3);
  FaultRun second(2, {"sigkill", 1, 2});
  first.step();
  EXPECT_THAT(second.run_until_error(kLong), HasSubstr("rank 1 was killed by SIGKILL"));
  for (int i = 0; i < 5; ++i) first.step();
}

struct Expected {
  Scenario scenario;
  const char* message;
  ErrorCode code = ErrorCode::kRankFailure;
};

class WorkerEnds : public WorkerFaults, public ::testing::WithParamInterface<Expected> {};

TEST_P(WorkerEnds, IsNamedWithItsCause) {
  FaultRun run(4, GetParam().scenario);
  for (int64_t i = 1; i < GetParam().scenario.step; ++i) run.step();
  ErrorCode code = ErrorCode::kInternal;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(run.run_until_error(kLong, &code), GetParam().message);
  EXPECT_EQ(code, GetParam().code);
  // The same for every later call.
  EXPECT_EQ(run.run_until_error(kLong), GetParam().message);
  run.group().shutdown();
  EXPECT_LT(seconds_since(start), 3);
}

INSTANTIATE_TEST_SUITE_P(
    All, WorkerEnds,
    ::testing::Values(
        Expected{{"sigkill", 2, 17}, "rank 2 was killed by SIGKILL during step 17 (decode)"},
        Expected{{"sigsegv", 1, 3}, "rank 1 was killed by SIGSEGV during step 3 (decode)"},
        Expected{{"exit", 3, 1}, "rank 3 ended with exit code 3 during step 1 (decode)"},
        Expected{{"return", 2, 2}, "rank 2 ended with exit code 0 during step 2 (decode)"},
        Expected{{"throw", 3, 2}, "rank 3: operation x failed", ErrorCode::kInternal},
        Expected{{"bad_input", 2, 5}, "rank 2: tensor x is missing", ErrorCode::kBadInput}),
    [](const auto& test) { return test.param.scenario.fault; });

TEST_F(WorkerFaults, AStoppedWorkerIsFoundByItsSilence) {
  FaultRun run(3, {"sigstop", 2, 4},
               {.rank_timeout = milliseconds(700), .heartbeat = milliseconds(50)});
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(run.run_until_error(kLong),
            "rank 2 has not answered for 0.7 s (stopped or hung) during step 4 (decode)");
  run.group().shutdown();
  EXPECT_LT(seconds_since(start), 5);
}

TEST_F(WorkerFaults, ASlowWorkerIsNotADeadOne) {
  FaultRun run(3, {"slow", 1, 2},
               {.rank_timeout = milliseconds(1000), .heartbeat = milliseconds(20)});
  for (int i = 0; i < 5; ++i) run.step();
}

TEST_F(WorkerFaults, AnIdleGroupNoticesADeathToo) {
  FaultRun run(3);
  run.step();
  const auto workers = workers_of(getpid());
  ASSERT_EQ(workers.size(), 2);
  kill(workers[0], SIGTERM);
  // The others end as well: their wait for the next plan is over.
  ASSERT_TRUE(within(milliseconds(2000), [] { return own_children().empty(); }));
  EXPECT_THAT(run.run_until_error(kLong),
              MatchesRegex("rank [12] was killed by SIGTERM during step 1 \\(decode\\)"));
}

TEST_F(WorkerFaults, AWorkerThatCannotBeInterruptedEndsItself) {
  FaultRun run(3, {"deaf", 2, 1});
  EXPECT_EQ(run.run_until_error(kLong), "a rank went deaf");
  // Nobody shuts the group down; its own watchdog ends it.
  EXPECT_TRUE(within(milliseconds(6000), [] { return own_children().empty(); }));
}

TEST_F(WorkerFaults, ShutdownEndsWorkersThatAreBusy) {
  FaultRun run(3, {"slow", 1, 1});
  std::thread root([&] {
    try {
      run.step();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kAborted);
    }
  });
  sleep_ms(100);
  const auto start = std::chrono::steady_clock::now();
  run.group().shutdown();
  EXPECT_LT(seconds_since(start), 2);
  root.join();
}

TEST_F(WorkerFaults, WorkersHaveTheirOwnProcessGroupAndNothingElseOpen) {
  const int file = open("/proc/self/maps", O_RDONLY);  // not close-on-exec
  ASSERT_GE(file, 0);
  {
    FaultRun run(3);
    run.step();
    const auto workers = workers_of(getpid());
    ASSERT_EQ(workers.size(), 2);
    for (const pid_t worker : workers) {
      EXPECT_NE(getpgid(worker), getpgid(0));
      const auto open_there = open_descriptors(worker);
      EXPECT_THAT(open_there, ::testing::Contains("0 /dev/null"));
      EXPECT_THAT(open_there, ::testing::Contains("1 /dev/null"));
      // 2, the socket and the abort event; memory has no descriptor any more.
      EXPECT_EQ(open_there.size(), 5) << ::testing::PrintToString(open_there);
    }
  }
  close(file);
}

TEST_F(WorkerFaults, KilledAtRandomMoments) {
  std::mt19937 random(7);
  const auto start = std::chrono::steady_clock::now();
  int errors = 0;
  for (int round = 0; round < 40 && seconds_since(start) < 20; ++round) {
    const int size = 2 + static_cast<int>(random() % 3);
    const auto delay = std::chrono::microseconds(random() % 15000);
    const unsigned victim = random();
    std::thread killer([&] {
      std::this_thread::sleep_for(delay);
      const auto workers = workers_of(getpid());
      if (!workers.empty()) kill(workers[victim % workers.size()], SIGKILL);
    });
    std::string message;
    try {
      FaultRun run(size);
      message = run.run_until_error(milliseconds(300));
    } catch (const Error& error) {
      message = error.what();  // while starting
    }
    killer.join();
    if (message.empty()) continue;  // the killer came before there was anyone
    ++errors;
    ASSERT_THAT(message,
                MatchesRegex("rank [123] was killed by SIGKILL (while starting|during step "
                             "[0-9]+ \\(decode\\))"));
  }
  EXPECT_GT(errors, 0);
}

}  // namespace
}  // namespace tandem::testing
