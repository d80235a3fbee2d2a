// Signals and broken pipes against the real program at several phases: the run ends in time, says
// why, and leaves no process behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "support/tandem_json.h"

namespace tandem::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

enum class Phase { kStart, kLoaded, kRunning };

/// A run that lasts far longer than any test waits: many prompts, each result a line.
class Fault : public testing::Test {
 protected:
  Fault() {
    std::string lines;
    for (int i = 0; i < 3000; ++i)
      lines += "{\"prompt_ids\":[" + std::to_string(3 + i % 300) + ",5,6]}\n";
    prompts_ = temp_.write("prompts.jsonl", lines);
  }

  std::vector<std::string> args(int world_size) const {
    return {"generate",
            "--model_path",
            test_data() + "/golden/models/llama-mha-f32",
            "--world_size",
            std::to_string(world_size),
            "--threads",
            "1",
            "--prompts",
            prompts_,
            "--json",
            "--ignore_eos",
            "--max_new_tokens",
            "200",
            "--max_batch",
            "1",
            "--rank_timeout",
            "2"};
  }

  /// Waits until the program is in the phase; false (with a failure) when it ended before.
  static bool reach(Program& program, Phase phase, size_t ranks) {
    if (phase == Phase::kStart) {
      program.run_for(0.02);
      return true;
    }
    if (phase == Phase::kRunning) {
      const bool reached = program.wait_for_output("\"index\":0", 60);
      EXPECT_TRUE(reached) << program.err();
      return reached;
    }
    for (int i = 0; i < 500 && program.children().size() + 1 < ranks; ++i) program.run_for(0.02);
    EXPECT_EQ(program.children().size() + 1, ranks) << program.err();
    return program.children().size() + 1 == ranks;
  }

  static double seconds_to_end(Program& program, Outcome& outcome) {
    const auto start = std::chrono::steady_clock::now();
    outcome = program.wait();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  TempFolder temp_;
  std::string prompts_;
};

TEST_F(Fault, KilledWorkerEndsTheRunAndIsNamed) {
  for (int number : {SIGKILL, SIGSEGV}) {
    for (size_t worker : {size_t{0}, size_t{1}}) {
      Program program(tandem_binary(), args(3));
      ASSERT_TRUE(reach(program, Phase::kRunning, 3));
      const auto workers = program.children();
      ASSERT_EQ(workers.size(), 2U);
      kill(workers[worker], number);
      Outcome run;
      EXPECT_LT(seconds_to_end(program, run), 2.0);
      EXPECT_EQ(run.exit_code, 1) << run.err;
      EXPECT_THAT(run.err, HasSubstr("tandem: error: "));
      EXPECT_THAT(run.err, AnyOf(HasSubstr("rank 1"), HasSubstr("rank 2")));
      EXPECT_THAT(run.err, AnyOf(HasSubstr(number == SIGKILL ? "SIGKILL" : "SIGSEGV"),
                                 HasSubstr("signal " + std::to_string(number))));
      EXPECT_THAT(run.err, HasSubstr("step"));
      EXPECT_TRUE(all_gone(program, 2));
    }
  }
}

TEST_F(Fault, WorkerKilledWhileLoadingEndsTheRun) {
  Program program(tandem_binary(), args(3));
  ASSERT_TRUE(reach(program, Phase::kLoaded, 3));
  kill(program.children().back(), SIGKILL);
  Outcome run;
  EXPECT_LT(seconds_to_end(program, run), 3.0);
  EXPECT_EQ(run.exit_code, 1) << run.err;
  EXPECT_THAT(run.err, HasSubstr("rank "));
  EXPECT_TRUE(all_gone(program, 2));
}

TEST_F(Fault, StoppedWorkerEndsTheRunWithinItsTimeout) {
  Program program(tandem_binary(), args(3));
  ASSERT_TRUE(reach(program, Phase::kRunning, 3));
  kill(program.children().back(), SIGSTOP);
  Outcome run;
  const double seconds = seconds_to_end(program, run);
  EXPECT_LT(seconds, 2.0 + 3.0);  // --rank_timeout 2, and the ending
  EXPECT_EQ(run.exit_code, 1) << run.err;
  EXPECT_THAT(run.err, HasSubstr("rank "));
  EXPECT_TRUE(all_gone(program, 2));
}

TEST_F(Fault, InterruptEndsWith130AtAnyPhase) {
  for (Phase phase : {Phase::kLoaded, Phase::kRunning}) {
    for (int world_size : {1, 3}) {
      if (world_size == 1 && phase == Phase::kLoaded) continue;  // told apart by its children
      SCOPED_TRACE("world size " + std::to_string(world_size));
      Program program(tandem_binary(), args(world_size));
      ASSERT_TRUE(reach(program, phase, static_cast<size_t>(world_size)));
      kill(-program.pid(), SIGINT);  // as a terminal does: the whole group
      Outcome run;
      EXPECT_LT(seconds_to_end(program, run), 3.0);
      EXPECT_EQ(run.exit_code, 130) << run.err;
      EXPECT_TRUE(all_gone(program, 2));
    }
  }
}

TEST_F(Fault, TerminationSignalsLeaveNothingBehind) {
  for (int number : {SIGTERM, SIGHUP, SIGKILL, SIGINT}) {
    for (Phase phase : {Phase::kStart, Phase::kLoaded, Phase::kRunning}) {
      SCOPED_TRACE("signal " + std::to_string(number) + ", phase " +
                   std::to_string(static_cast<int>(phase)));
      Program program(tandem_binary(), args(3));
      ASSERT_TRUE(reach(program, phase, 3));
      program.signal(number);
      Outcome run;
      EXPECT_LT(seconds_to_end(program, run), 3.0);
      EXPECT_NE(run.exit_code, 0);
      EXPECT_TRUE(all_gone(program, 2)) << "ranks survive";
    }
  }
}

TEST_F(Fault, ClosedOutputEndsTheRun) {
  Program::Options options;
  options.closed_stdout = true;
  options.timeout_s = 60;
  Program program(tandem_binary(), args(2), options);
  const Outcome run = program.wait();
  EXPECT_FALSE(run.timed_out);
  EXPECT_NE(run.exit_code, 0);
  EXPECT_THAT(run.signal, AnyOf(0, SIGPIPE));
  EXPECT_TRUE(all_gone(program, 2));
}

}  // namespace
}  // namespace tandem::test
