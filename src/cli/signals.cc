#include "cli/signals.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

namespace tandem::cli {
namespace {

// A signal handler reaches nothing but globals: these are the command line's, not the
// library's.
std::atomic<int> g_signal{0};
std::atomic<Engine*> g_engine{nullptr};
std::atomic<int> g_wake{-1};

extern "C" void on_signal(int number) {
  const int saved = errno;
  g_signal.store(number);
  if (Engine* engine = g_engine.load())
    engine->interrupt(ErrorCode::kAborted, "interrupted by a signal");
  if (const int fd = g_wake.load(); fd >= 0) [[maybe_unused]]
    const ssize_t written = write(fd, "s", 1);
  errno = saved;
}

}  // namespace

void watch_signals() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  for (int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
}

void check_signals() {
  if (g_signal.load() != 0) throw Error(ErrorCode::kAborted, "interrupted by a signal");
}

void abort_on_signal(Engine* engine) {
  g_engine.store(engine);
  if (engine != nullptr && g_signal.load() != 0)
    engine->interrupt(ErrorCode::kAborted, "interrupted by a signal");
}

void wake_on_signal(int fd) { g_wake.store(fd); }

int signal_exit_code() { return g_signal.load() == 0 ? 0 : 128 + g_signal.load(); }

}  // namespace tandem::cli
