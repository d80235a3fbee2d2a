// Reads lines from a person or a pipe.
#pragma once

#include <memory>
#include <string>

#include "cli/interrupt.h"

namespace tandem::cli {

/// On a terminal: editing and history of this session (libedit), so that Ctrl-C throws a line away.
/// Otherwise whole lines of standard input, without a prompt.
class LineEditor {
 public:
  /// `interrupts` must outlive this; null: whole lines on a terminal too.
  LineEditor(std::string prompt, InterruptGuard* interrupts);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  enum class Outcome {
    kLine,
    kInterrupted,  ///< Ctrl-C: `line` is what was thrown away
    kEnd,          ///< Ctrl-D or the end of the input
  };
  Outcome read(std::string& line);

  /// Whether both standard input and output are a terminal.
  static bool on_terminal();

 private:
  struct Terminal;
  std::unique_ptr<Terminal> terminal_;  // null for a pipe
};

}  // namespace tandem::cli
