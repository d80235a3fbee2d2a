// Rank 0 is killed, stopped, interrupted or loses its standard output: no worker outlives it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "base/unique_fd.h"
#include "fault/ranks/scenario.h"

namespace tandem::testing {
namespace {

using std::chrono::milliseconds;

/// This program as a rank 0 of `size` ranks, in a process group of its own.
class Root {
 public:
  explicit Root(int size) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) abort();
    out_.reset(ends[0]);
    const std::string number = std::to_string(size);
    pid_ = fork();
    if (pid_ == 0) {
      setpgid(0, 0);
      dup2(ends[1], 1);
      execl("/proc/self/exe", "test", "--root", number.c_str(), nullptr);
      _exit(127);
    }
    close(ends[1]);
  }
  ~Root() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  pid_t pid() const { return pid_; }
  void close_output() { out_.reset(); }
  /// Waits until it has taken a step.
  bool steps() {
    char buffer[64];
    return read(out_.get(), buffer, sizeof(buffer)) > 0;
  }
  /// Waits for its end; the status of waitpid.
  int wait_for_end() {
    int status = 0;
    pid_t done = 0;
    EXPECT_TRUE(within(milliseconds(5000), [&] {
      return (done = waitpid(pid_, &status, WNOHANG)) == pid_;
    })) << "rank 0 still runs";
    return status;
  }

 private:
  pid_t pid_;
  UniqueFd out_;
};

TEST(RootFaults, KilledWhileRunningTakesItsWorkersAlong) {
  Root root(4);
  ASSERT_TRUE(root.steps());
  ASSERT_EQ(workers_of(root.pid()).size(), 3);
  kill(root.pid(), SIGKILL);
  EXPECT_TRUE(within(milliseconds(2000), [&] { return workers_of(root.pid()).empty(); }));
}

TEST(RootFaults, KilledAtRandomMomentsTakesItsWorkersAlong) {
  std::mt19937 random(3);
  const auto start = std::chrono::steady_clock::now();
  for (int round = 0; round < 60 && seconds_since(start) < 15; ++round) {
    Root root(2 + static_cast<int>(random() % 3));
    usleep(static_cast<useconds_t>(random() % 25000));
    kill(root.pid(), SIGKILL);
    ASSERT_TRUE(within(milliseconds(2000), [&] { return workers_of(root.pid()).empty(); }))
        << "round " << round;
  }
}

TEST(RootFaults, AStoppedWorkerDiesWithItToo) {
  Root root(3);
  ASSERT_TRUE(root.steps());
  for (const pid_t worker : workers_of(root.pid())) kill(worker, SIGSTOP);
  kill(root.pid(), SIGKILL);
  EXPECT_TRUE(within(milliseconds(2000), [&] { return workers_of(root.pid()).empty(); }));
}

TEST(RootFaults, StoppedForAWhileItGoesOn) {
  Root root(3);
  ASSERT_TRUE(root.steps());
  kill(root.pid(), SIGSTOP);
  sleep_ms(700);
  EXPECT_EQ(workers_of(root.pid()).size(), 2);
  kill(root.pid(), SIGCONT);
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(root.steps());
}

TEST(RootFaults, AnInterruptReachesRankZeroAlone) {
  Root root(3);
  ASSERT_TRUE(root.steps());
  const auto workers = workers_of(root.pid());
  kill(-root.pid(), SIGINT);  // as the terminal does: the foreground process group
  const int status = root.wait_for_end();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
  EXPECT_TRUE(within(milliseconds(2000), [&] { return workers_of(root.pid()).empty(); }));
  EXPECT_EQ(workers.size(), 2);
}

TEST(RootFaults, AClosedStandardOutputEndsAll) {
  Root root(3);
  ASSERT_TRUE(root.steps());
  root.close_output();
  const int status = root.wait_for_end();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
  EXPECT_TRUE(within(milliseconds(2000), [&] { return workers_of(root.pid()).empty(); }));
}

TEST(RootFaults, TheWorkersMarkerIsRefusedFromPeople) {
  const pid_t pid = fork();
  if (pid == 0) {
    close(3);
    execl("/proc/self/exe", "test", "--tandem_worker=1,2,3", nullptr);
    _exit(127);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 2);
}

}  // namespace
}  // namespace tandem::testing
