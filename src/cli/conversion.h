// What the commands share that make a folder: they clean up when interrupted, and show how far they
// are.
#pragma once

#include <signal.h>

#include <cstdint>
#include <string>

namespace tandem::cli {

/// While it lives, Ctrl-C, SIGTERM and SIGHUP are noted instead of ending the program, so that the
/// unfinished folder is removed.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;
  static bool came();

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction before_[3] = {};
};

/// One line on a terminal's standard error, redrawn when the percentage changes; nothing elsewhere.
class ProgressBar {
 public:
  explicit ProgressBar(std::string doing);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  void show(int64_t done, int64_t total);

 private:
  const std::string doing_;
  const bool terminal_;
  int shown_ = -1;
};

}  // namespace tandem::cli
