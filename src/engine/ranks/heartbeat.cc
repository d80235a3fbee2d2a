#include "engine/ranks/heartbeat.h"

#include <unistd.h>

namespace tandem {

Heartbeat::Heartbeat(std::shared_ptr<Control> control, pid_t parent,
                     std::chrono::milliseconds interval)
    : control_(std::move(control)),
      parent_(parent),
      interval_(interval),
      thread_([this] { run(); }) {}

Heartbeat::~Heartbeat() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stop_wanted_.notify_one();
  thread_.join();
}

void Heartbeat::run() {
  std::chrono::milliseconds aborted_for{0};
  std::unique_lock lock(mutex_);
  while (!stop_wanted_.wait_for(lock, interval_, [this] { return stop_; })) {
    control_->beat();
    // PDEATHSIG has done it already, unless the system took it back (file capabilities).
    if (getppid() != parent_) _exit(1);
    if (control_->aborted()) aborted_for += interval_;
    if (aborted_for > kAbortGrace) _exit(1);
  }
}

}  // namespace tandem
