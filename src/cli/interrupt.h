// Ctrl-C while a program talks: noticed, and handed to whoever waits for it, instead of ending the
// program.
#pragma once

#include <functional>
#include <memory>

namespace tandem::cli {

/// While it lives, SIGINT is noted. One at a time in a process: a signal has one handler.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// Whether SIGINT came since the last call.
  bool take();

  /// Becomes readable when SIGINT came, until take().
  int fd() const;
  /// For the handlers of other signals: a byte written here is taken as SIGINT.
  int wake_fd() const;

  /// Calls `action`, in a thread of its own, when SIGINT comes while the result lives.
  class Watch {
   public:
    virtual ~Watch() = default;
  };
  std::unique_ptr<Watch> watch(std::function<void()> action);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tandem::cli
