// A child at a pseudo-terminal: the test types, and reads the screen.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace tandem::test {

class PseudoTerminal {
 public:
  /// Runs `child` in a forked process at a terminal without capabilities (TERM=dumb, no locale).
  explicit PseudoTerminal(const std::function<int()>& child);
  /// Starts a program there.
  PseudoTerminal(const std::string& program, std::vector<std::string> args);
  ~PseudoTerminal();  ///< kills what still runs
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  void type(const std::string& keys);
  /// Reads until `text` came behind what was awaited before. False, with a test failure that shows
  /// the screen, when it does not come within two minutes or the child has ended.
  bool await(const std::string& text);
  /// Reads until anything came behind what was awaited before.
  bool await_anything();
  /// All that was shown up to now.
  const std::string& screen() const { return screen_; }
  void signal(int number) const;
  /// Reads until the child has ended; its exit code, or -1 when a signal ended it.
  int exit_code();

 private:
  bool read_more();

  int fd_ = -1;
  pid_t child_ = -1;
  std::string screen_;
  size_t seen_ = 0;
};

}  // namespace tandem::test
