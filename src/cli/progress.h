// How far a command is that makes a folder, and whether it is to stop.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace tandem::cli {

/// One line on a terminal's standard error, redrawn when the percentage changes; nothing elsewhere.
/// Signals are watched from its making on.
class Progress {
 public:
  explicit Progress(std::string doing);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// For ImportOptions::progress and its like: shows bytes done of all; false once a signal came.
  std::function<bool(int64_t, int64_t)> callback();

 private:
  void show(int64_t done, int64_t total);

  const std::string doing_;
  const bool terminal_;
  int shown_ = -1;
};

}  // namespace tandem::cli
