#include "support/pseudo_terminal.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace tandem::test {
namespace {

constexpr auto kPatience = std::chrono::seconds(120);

}  // namespace

PseudoTerminal::PseudoTerminal(const std::function<int()>& child) {
  child_ = forkpty(&fd_, nullptr, nullptr, nullptr);
  if (child_ != 0) return;
  setenv("TERM", "dumb", 1);
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) unsetenv(name);
  _exit(child());
}

PseudoTerminal::PseudoTerminal(const std::string& program, std::vector<std::string> args)
    : PseudoTerminal([&] {
        std::vector<char*> argv = {const_cast<char*>(program.c_str())};
        for (std::string& arg : args) argv.push_back(arg.data());
        argv.push_back(nullptr);
        execv(program.c_str(), argv.data());
        return 127;
      }) {}

PseudoTerminal::~PseudoTerminal() {
  if (child_ > 0) {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  close(fd_);
}

void PseudoTerminal::type(const std::string& keys) {
  EXPECT_EQ(write(fd_, keys.data(), keys.size()), ssize_t(keys.size()));
}

void PseudoTerminal::signal(int number) const { kill(child_, number); }

/// False: nobody will write any more.
bool PseudoTerminal::read_more() {
  pollfd ready = {fd_, POLLIN, 0};
  if (poll(&ready, 1, 100) <= 0) return true;
  char bytes[4096];
  const ssize_t n = read(fd_, bytes, sizeof bytes);
  if (n <= 0) return n < 0 && errno == EINTR;
  screen_.append(bytes, static_cast<size_t>(n));
  return true;
}

bool PseudoTerminal::await(const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  do {
    const size_t at = screen_.find(text, seen_);
    if (at != std::string::npos) {
      seen_ = at + text.size();
      return true;
    }
  } while (std::chrono::steady_clock::now() < deadline && read_more());
  ADD_FAILURE() << "no \"" << text << "\" on the screen: " << screen_;
  return false;
}

bool PseudoTerminal::await_anything() {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  do {
    if (screen_.size() > seen_) return true;
  } while (std::chrono::steady_clock::now() < deadline && read_more());
  ADD_FAILURE() << "nothing more on the screen: " << screen_;
  return false;
}

int PseudoTerminal::exit_code() {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (read_more() && std::chrono::steady_clock::now() < deadline) {
  }
  if (std::chrono::steady_clock::now() >= deadline) {
    ADD_FAILURE() << "the child does not end; its screen: " << screen_;
    kill(child_, SIGKILL);
  }
  int status = 0;
  waitpid(child_, &status, 0);
  child_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace tandem::test
