#include "cli/interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>
#include <utility>

#include "base/check.h"

namespace tandem::cli {
namespace {

// A signal handler has no argument of ours: what it touches must be reachable from here.
std::atomic<int> g_wake_fd{-1};

void on_interrupt(int) {
  const int saved = errno;
  const int fd = g_wake_fd.load();
  if (fd >= 0) {
    const char byte = 'i';
    [[maybe_unused]] const ssize_t written = write(fd, &byte, 1);
  }
  errno = saved;
}

}  // namespace

struct InterruptGuard::State {
  int pipe[2] = {-1, -1};
  struct sigaction before {};
};

InterruptGuard::InterruptGuard() : state_(std::make_unique<State>()) {
  TANDEM_CHECK(g_wake_fd.load() < 0);
  if (pipe2(state_->pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
    fail(ErrorCode::kResource, "no pipe for signals: errno {}", errno);
  }
  g_wake_fd.store(state_->pipe[1]);
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  action.sa_flags = 0;  // no SA_RESTART: reading a line returns
  sigaction(SIGINT, &action, &state_->before);
}

InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &state_->before, nullptr);
  g_wake_fd.store(-1);
  close(state_->pipe[0]);
  close(state_->pipe[1]);
}

int InterruptGuard::fd() const { return state_->pipe[0]; }
int InterruptGuard::wake_fd() const { return state_->pipe[1]; }

bool InterruptGuard::take() {
  // The bytes are all there is to know: a flag beside them could be seen without its byte, and the
  // byte that comes later would be a second interrupt.
  bool any = false;
  char bytes[64];
  while (read(state_->pipe[0], bytes, sizeof bytes) > 0) any = true;
  return any;
}

namespace {

class PipeWatch : public InterruptGuard::Watch {
 public:
  PipeWatch(int signals, std::function<void()> action) : action_(std::move(action)) {
    if (pipe2(stop_, O_CLOEXEC) != 0) fail(ErrorCode::kResource, "no pipe: errno {}", errno);
    thread_ = std::thread([this, signals] { run(signals); });
  }
  ~PipeWatch() override {
    close(stop_[1]);
    thread_.join();
    close(stop_[0]);
  }
  PipeWatch(const PipeWatch&) = delete;
  PipeWatch& operator=(const PipeWatch&) = delete;

 private:
  void run(int signals) {
    while (true) {
      pollfd fds[2] = {{signals, POLLIN, 0}, {stop_[0], POLLIN, 0}};
      if (poll(fds, 2, -1) < 0 && errno == EINTR) continue;
      if (fds[1].revents != 0) return;
      if (fds[0].revents == 0) continue;
      // The byte stays unread for take(); one call of the action is enough.
      action_();
      return;
    }
  }

  std::function<void()> action_;
  int stop_[2] = {-1, -1};
  std::thread thread_;
};

}  // namespace

std::unique_ptr<InterruptGuard::Watch> InterruptGuard::watch(std::function<void()> action) {
  return std::make_unique<PipeWatch>(state_->pipe[0], std::move(action));
}

}  // namespace tandem::cli
