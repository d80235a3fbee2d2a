#include "cli/signals.h"

#include <atomic>
#include <csignal>

namespace tandem::cli {
namespace {

// A signal handler reaches nothing but globals: these two are the command line's, not the
// library's.
std::atomic<int> g_signal{0};
std::atomic<Engine*> g_engine{nullptr};

extern "C" void on_signal(int number) {
  g_signal.store(number);
  if (Engine* engine = g_engine.load())
    engine->interrupt(ErrorCode::kAborted, "interrupted by a signal");
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

int signal_exit_code() { return g_signal.load() == 0 ? 0 : 128 + g_signal.load(); }

}  // namespace tandem::cli
