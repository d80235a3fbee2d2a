// The line editor through a pseudo-terminal: a child echoes what it reads.
#include "cli/line_editor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "support/pseudo_terminal.h"

namespace tandem::cli {
namespace {

/// What runs in the child: lines come back in brackets; "busy" waits until Ctrl-C stops it, "wait"
/// for a byte from `parent`.
int echo_lines(int parent) {
  InterruptGuard interrupts;
  LineEditor editor("> ", &interrupts);
  std::string line;
  while (true) {
    const auto outcome = editor.read(line);
    if (outcome == LineEditor::Outcome::kEnd) break;
    if (outcome == LineEditor::Outcome::kInterrupted) continue;
    if (line == "busy") {
      int stopped[2];
      if (pipe(stopped) != 0) return 1;
      const auto watch = interrupts.watch([&] { (void)!write(stopped[1], "x", 1); });
      std::printf("[working]\n");
      std::fflush(stdout);
      char byte = 0;
      while (read(stopped[0], &byte, 1) < 0) {
      }
      std::printf("[stopped]\n");
    } else if (line == "wait") {
      std::printf("[waiting]\n");
      std::fflush(stdout);
      char byte = 0;
      while (read(parent, &byte, 1) < 0) {
      }
      std::printf("[done]\n");
    } else {
      std::printf("[%s]\n", line.c_str());
    }
    std::fflush(stdout);
  }
  std::printf("[end]\n");
  std::fflush(stdout);
  return 0;
}

class LineEditorTest : public testing::Test {
 protected:
  /// Ends the child's "wait".
  void release() const { EXPECT_EQ(write(to_child_.ends[1], "x", 1), 1); }

  struct Pipe {
    Pipe() { EXPECT_EQ(pipe(ends), 0); }
    ~Pipe() {
      close(ends[0]);
      close(ends[1]);
    }
    int ends[2] = {-1, -1};
  };
  Pipe to_child_;  // before the child starts
  test::PseudoTerminal terminal{[this] { return echo_lines(to_child_.ends[0]); }};
};

TEST_F(LineEditorTest, EditsLinesOnATerminal) {
  ASSERT_TRUE(terminal.await("> "));
  terminal.type("helo\x02l\n");  // Ctrl-B: one character back
  ASSERT_TRUE(terminal.await("[hello]"));
  terminal.type("\xC3\xA4\xE4\xBD\xA0\n");
  ASSERT_TRUE(terminal.await("[\xC3\xA4\xE4\xBD\xA0]"));
  terminal.type("\x10\x10\n");  // Ctrl-P twice: the line before the last
  ASSERT_TRUE(terminal.await("[hello]"));
  terminal.type("\x04");
  ASSERT_TRUE(terminal.await("[end]"));
  EXPECT_EQ(terminal.exit_code(), 0);
}

TEST_F(LineEditorTest, CtrlCClearsTheLineAndStopsWork) {
  ASSERT_TRUE(terminal.await("> "));
  terminal.type("thrown away");
  ASSERT_TRUE(terminal.await("away"));
  terminal.type("\x03");
  ASSERT_TRUE(terminal.await("^C"));
  terminal.type("kept\n");
  ASSERT_TRUE(terminal.await("[kept]"));
  terminal.type("busy\n");
  ASSERT_TRUE(terminal.await("[working]"));
  terminal.type("\x03");
  ASSERT_TRUE(terminal.await("[stopped]"));
  terminal.type("still here\n");
  ASSERT_TRUE(terminal.await("[still here]"));
  terminal.type("\x04");
  ASSERT_TRUE(terminal.await("[end]"));
  EXPECT_EQ(terminal.exit_code(), 0);
}

/// Keys that come while nobody reads: none is lost, none is shown before its turn, Ctrl-D included.
TEST_F(LineEditorTest, TypedAheadKeysReachTheEditor) {
  ASSERT_TRUE(terminal.await("> "));
  terminal.type("wait\n");
  ASSERT_TRUE(terminal.await("[waiting]"));
  terminal.type("twce\x02\x02i\n\x04");  // Ctrl-B: one character back
  usleep(20000);  // the terminal has them meanwhile; the result must be the same without
  release();
  ASSERT_TRUE(terminal.await("[done]"));
  ASSERT_TRUE(terminal.await("[twice]"));
  ASSERT_TRUE(terminal.await("[end]"));
  EXPECT_EQ(terminal.exit_code(), 0);
  EXPECT_THAT(terminal.screen(), testing::HasSubstr("[waiting]\r\n[done]"));
}

}  // namespace
}  // namespace tandem::cli
