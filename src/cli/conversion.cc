#include "cli/conversion.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <iterator>
#include <type_traits>
#include <utility>

namespace tandem::cli {
namespace {

// A signal handler can reach nothing else.
volatile std::sig_atomic_t interrupted = 0;

}  // namespace

Interrupts::Interrupts() {
  static_assert(std::size(kSignals) == std::extent_v<decltype(before_)>);
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &action, &before_[i]);
}

Interrupts::~Interrupts() {
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
}

bool Interrupts::came() { return interrupted != 0; }

ProgressBar::ProgressBar(std::string doing)
    : doing_(std::move(doing)), terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressBar::~ProgressBar() {
  if (shown_ >= 0) std::fputs("\r\033[K", stderr);
}

void ProgressBar::show(int64_t done, int64_t total) {
  const int percent = total > 0 ? static_cast<int>(100 * done / total) : 100;
  if (!terminal_ || percent == shown_) return;
  shown_ = percent;
  const std::string filled(static_cast<size_t>(percent) * 2 / 5, '#');
  std::fprintf(stderr, "\r%s [%-40s] %3d %% of %lld MB", doing_.c_str(), filled.c_str(), percent,
               static_cast<long long>(total / 1'000'000));
  std::fflush(stderr);
}

}  // namespace tandem::cli
