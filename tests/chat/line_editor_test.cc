// The line editor through a pseudo-terminal: a child echoes what it reads.
#include "cli/line_editor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

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

class Terminal {
 public:
  Terminal() {
    EXPECT_EQ(pipe(to_child_), 0);
    child_ = forkpty(&fd_, nullptr, nullptr, nullptr);
    if (child_ == 0) {
      setenv("TERM", "dumb", 1);
      unsetenv("LC_ALL");
      unsetenv("LANG");
      _exit(echo_lines(to_child_[0]));
    }
  }
  ~Terminal() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    close(fd_);
    close(to_child_[0]);
    close(to_child_[1]);
  }
  void type(const std::string& keys) {
    EXPECT_EQ(write(fd_, keys.data(), keys.size()), ssize_t(keys.size()));
  }
  /// Reads until `text` came behind what was awaited before.
  bool await(const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < deadline) {
      const size_t at = screen_.find(text, seen_);
      if (at != std::string::npos) {
        seen_ = at + text.size();
        return true;
      }
      pollfd ready = {fd_, POLLIN, 0};
      if (poll(&ready, 1, 100) <= 0) continue;
      char bytes[512];
      const ssize_t n = read(fd_, bytes, sizeof bytes);
      if (n <= 0) break;
      screen_.append(bytes, static_cast<size_t>(n));
    }
    ADD_FAILURE() << "no \"" << text << "\" on the screen: " << screen_;
    return false;
  }
  /// Ends the child's "wait".
  void release() const { EXPECT_EQ(write(to_child_[1], "x", 1), 1); }
  const std::string& screen() const { return screen_; }
  int exit_code() {
    int status = 0;
    waitpid(child_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  int fd_ = -1;
  int to_child_[2] = {-1, -1};
  pid_t child_ = -1;
  std::string screen_;
  size_t seen_ = 0;
};

TEST(LineEditor, EditsLinesOnATerminal) {
  Terminal terminal;
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

TEST(LineEditor, CtrlCClearsTheLineAndStopsWork) {
  Terminal terminal;
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
TEST(LineEditor, TypedAheadKeysReachTheEditor) {
  Terminal terminal;
  ASSERT_TRUE(terminal.await("> "));
  terminal.type("wait\n");
  ASSERT_TRUE(terminal.await("[waiting]"));
  terminal.type("twce\x02\x02i\n\x04");  // Ctrl-B: one character back
  usleep(20000);  // the terminal has them meanwhile; the result must be the same without
  terminal.release();
  ASSERT_TRUE(terminal.await("[done]"));
  ASSERT_TRUE(terminal.await("[twice]"));
  ASSERT_TRUE(terminal.await("[end]"));
  EXPECT_EQ(terminal.exit_code(), 0);
  EXPECT_THAT(terminal.screen(), testing::HasSubstr("[waiting]\r\n[done]"));
}

}  // namespace
}  // namespace tandem::cli
