// What the rank processes of the fault tests do, and how the tests look at processes from outside.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "engine/ranks/rank_group.h"

namespace tandem::testing {

/// One rank misbehaves in one step.
struct Scenario {
  /// none, sigkill, sigsegv, sigstop, exit, return, throw, bad_input, slow (longer than the rank
  /// timeout), deaf (after an abort it stays in a call that cannot be interrupted)
  std::string fault = "none";
  int rank = 0;
  int64_t step = 0;
};

/// The worker: gets the scenario, then runs steps until the group ends.
void fault_worker(RankContext& context);

/// Rank 0's side of it.
class FaultRun {
 public:
  explicit FaultRun(int size, const Scenario& scenario = {}, const RankOptions& options = {});
  ~FaultRun();
  /// A plan to all, one all_reduce, statistics back. Throws when the group aborts.
  void step();
  /// Steps until the group aborts or `limit` is over (then ""); returns the message.
  std::string run_until_error(std::chrono::milliseconds limit, ErrorCode* code = nullptr);
  RankGroup& group() { return *group_; }

 private:
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<RankGroup> group_;
  std::unique_ptr<DeviceComm> comm_;
  int64_t steps_ = 0;
};

/// Live processes (not zombies) that are workers of `parent`, from /proc.
std::vector<pid_t> workers_of(pid_t parent);
/// Children of this process in any state, zombies too.
std::vector<pid_t> own_children();
/// Open descriptors of a process, as targets of the links.
std::vector<std::string> open_descriptors(pid_t pid);
/// Polls until it holds or `limit` is over.
template <typename Condition>
bool within(std::chrono::milliseconds limit, Condition condition);

double seconds_since(std::chrono::steady_clock::time_point start);
void sleep_ms(int64_t ms);

template <typename Condition>
bool within(std::chrono::milliseconds limit, Condition condition) {
  const auto start = std::chrono::steady_clock::now();
  while (!condition()) {
    if (std::chrono::steady_clock::now() - start > limit) return false;
    sleep_ms(2);
  }
  return true;
}

/// main() of a rank 0 that the root tests start, stop and kill: `size` ranks, steps without end.
/// Prints a line per step to standard output when `chatty`.
int run_root(int size, bool chatty);

}  // namespace tandem::testing
