#include "engine/ranks/monitor.h"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"
#include "engine/ranks/bootstrap.h"

namespace tandem {

namespace {

using Clock = std::chrono::steady_clock;
/// Between two looks when the kernel cannot tell that a worker has ended.
constexpr std::chrono::milliseconds kLookWithoutPidfd{50};
/// A worker that returned from its body may have been told to, and rank 0 be about to say so.
constexpr std::chrono::milliseconds kReturnGrace{1000};
/// SIGKILL needs no longer, except for a process inside a broken driver.
constexpr std::chrono::milliseconds kKillLimit{1000};

/// A thread that no signal of this process is delivered to.
template <typename Body>
std::thread quiet_thread(Body body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace

Monitor::Monitor(std::shared_ptr<Control> control, std::vector<UniqueFd> sockets,
                 const RankOptions& options)
    : control_(std::move(control)), options_(options), wake_(make_abort_event()) {
  thread_ =
      quiet_thread([this, sockets = std::move(sockets)]() mutable { run(std::move(sockets)); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return started_; });
  if (!start_error_) return;
  lock.unlock();
  thread_.join();
  std::rethrow_exception(start_error_);
}

Monitor::~Monitor() {
  expect_the_end();
  kill_all();
  wait_for_all(kKillLimit);
  {
    const std::lock_guard lock(mutex_);
    alive_ = 0;  // give up on one that even SIGKILL does not end
  }
  expect_the_end();
  thread_.join();
}

void Monitor::expect_the_end() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof(one));
}

bool Monitor::wait_for_all(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [this] { return alive_ == 0; });
}

void Monitor::kill_all() {
  const std::lock_guard lock(mutex_);
  // Not reaped yet, so the number is still theirs.
  for (const Worker& worker : workers_) {
    if (worker.alive) kill(worker.process.pid, SIGKILL);
  }
}

void Monitor::start(std::vector<UniqueFd> sockets) {
  const std::lock_guard lock(mutex_);
  try {
    for (size_t i = 0; i < sockets.size(); ++i) {
      const int rank = static_cast<int>(i) + 1;
      workers_.push_back(
          {spawn_worker(sockets[i].get(), rank, static_cast<int>(sockets.size()) + 1)});
      ++alive_;
      sockets[i].reset();  // the worker's end is the worker's alone: its death is an end of stream
    }
  } catch (...) {
    start_error_ = std::current_exception();
    ending_ = true;
    for (const Worker& worker : workers_) kill(worker.process.pid, SIGKILL);
  }
  started_ = true;
  changed_.notify_all();
}

void Monitor::run(std::vector<UniqueFd> sockets) {
  start(std::move(sockets));
  auto before = Clock::now();
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (ending_ && alive_ == 0) return;
    }
    sleep();
    const auto now = Clock::now();
    look(now - before);
    before = now;
  }
}

void Monitor::sleep() {
  auto limit = options_.heartbeat;
  std::vector<pollfd> watched = {{wake_.get(), POLLIN, 0}};
  for (const Worker& worker : workers_) {
    if (!worker.alive) continue;
    if (!worker.process.exited.valid()) limit = std::min(limit, kLookWithoutPidfd);
    watched.push_back({worker.process.exited.get(), POLLIN, 0});
  }
  poll(watched.data(), watched.size(), static_cast<int>(limit.count()));
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t drained = read(wake_.get(), &count, sizeof(count));
}

void Monitor::look(std::chrono::nanoseconds passed) {
  const std::lock_guard lock(mutex_);
  // When this whole program was stopped for a while, the workers' hearts may have been, too.
  passed = std::min<std::chrono::nanoseconds>(passed, 2 * options_.heartbeat);
  for (size_t i = 0; i < workers_.size(); ++i) {
    look_at(static_cast<int>(i) + 1, workers_[i], passed);
  }
}

void Monitor::look_at_ended(int rank, Worker& worker, std::chrono::nanoseconds passed) {
  worker.silent += passed;
  if (ending_ || worker.silent < worker.patience) return;
  control_->abort(ErrorCode::kRankFailure,
                  fmt::format("rank {} {} {}", rank, worker.how, control_->progress(rank)));
}

void Monitor::look_at(int rank, Worker& worker, std::chrono::nanoseconds passed) {
  if (!worker.alive) {
    look_at_ended(rank, worker, passed);
    return;
  }
  WorkerEnd end = reap_worker(worker.process.pid);
  if (end.ended) {
    worker.alive = false;
    --alive_;
    worker.how = std::move(end.how);
    worker.silent = {};
    if (end.returned) worker.patience = kReturnGrace;
    look_at_ended(rank, worker, {});
    changed_.notify_all();
    return;
  }
  const uint64_t heartbeat = control_->heartbeat(rank);
  if (heartbeat != worker.heartbeat) {
    worker.heartbeat = heartbeat;
    worker.silent = {};
    return;
  }
  worker.silent += passed;
  if (worker.silent < options_.rank_timeout || ending_) return;
  control_->abort(ErrorCode::kRankFailure,
                  fmt::format("rank {} has not answered for {:g} s (stopped or hung) {}", rank,
                              std::chrono::duration<double>(options_.rank_timeout).count(),
                              control_->progress(rank)));
  kill(worker.process.pid, SIGKILL);
}

}  // namespace tandem
