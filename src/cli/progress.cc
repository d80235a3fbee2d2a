#include "cli/progress.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "cli/signals.h"

namespace tandem::cli {

Progress::Progress(std::string doing)
    : doing_(std::move(doing)), terminal_(isatty(STDERR_FILENO) != 0) {
  watch_signals();
}

Progress::~Progress() {
  if (shown_ >= 0) std::fputs("\r\033[K", stderr);
}

std::function<bool(int64_t, int64_t)> Progress::callback() {
  return [this](int64_t done, int64_t total) {
    show(done, total);
    return signal_exit_code() == 0;
  };
}

void Progress::show(int64_t done, int64_t total) {
  const int percent = total > 0 ? static_cast<int>(100 * done / total) : 100;
  if (!terminal_ || percent == shown_) return;
  shown_ = percent;
  const std::string filled(static_cast<size_t>(percent) * 2 / 5, '#');
  std::fprintf(stderr, "\r%s [%-40s] %3d %% of %lld MB", doing_.c_str(), filled.c_str(), percent,
               static_cast<long long>(total / 1'000'000));
  std::fflush(stderr);
}

}  // namespace tandem::cli
