// A thread of a worker, apart from compute, that says "alive" and ends the process when nobody else
// can.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "comm/control.h"

namespace tandem {

/// While it lives: beats every `interval`. Ends the process (_exit) when its parent is gone, and
/// when the group has aborted and the main thread has not come back for kAbortGrace: it is inside a
/// call that cannot be interrupted, such as a vendor's collective.
class Heartbeat {
 public:
  static constexpr std::chrono::milliseconds kAbortGrace{1000};

  Heartbeat(std::shared_ptr<Control> control, pid_t parent, std::chrono::milliseconds interval);
  ~Heartbeat();

 private:
  void run();

  std::shared_ptr<Control> control_;
  pid_t parent_;
  std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::condition_variable stop_wanted_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace tandem
