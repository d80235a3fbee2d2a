#include "engine/ranks/spawn.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace tandem {

namespace {

constexpr int kCannotStart = 127;

// Between fork and exec in a program with threads: system calls only.

void reset_signals() {
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction current = {};
    // What the user made this program ignore (nohup), its workers ignore too.
    if (sigaction(signal, nullptr, &current) == 0 && current.sa_handler != SIG_IGN) {
      sigaction(signal, &standard, nullptr);
    }
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// 0 and 1 are /dev/null (a closed standard output of rank 0 is none of a worker's business), 2
/// stays, 3 is the socket, nothing else is open.
bool arrange_descriptors(int socket) {
  const int high = fcntl(socket, F_DUPFD, 10);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (high < 0 || null < 0) return false;
  if (dup2(null, 0) < 0 || dup2(null, 1) < 0) return false;
  if (fcntl(2, F_GETFD) < 0 && dup2(null, 2) < 0) return false;
  if (dup2(high, kWorkerSocket) < 0) return false;
  if (syscall(SYS_close_range, kWorkerSocket + 1U, ~0U, 0U) != 0) {
    const long limit = sysconf(_SC_OPEN_MAX);  // before Linux 5.9
    for (int fd = kWorkerSocket + 1; fd < limit; ++fd) close(fd);
  }
  // A standard descriptor that was closed here may be `null` itself, which closes on exec.
  for (int fd = 0; fd < kWorkerSocket; ++fd) fcntl(fd, F_SETFD, 0);
  return true;
}

[[noreturn]] void become_worker(int socket, pid_t parent, char* const* argv) {
  setpgid(0, 0);  // Ctrl-C reaches rank 0 alone
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kCannotStart);  // it died before the line above
  reset_signals();
  if (arrange_descriptors(socket)) execv("/proc/self/exe", argv);
  _exit(kCannotStart);
}

}  // namespace

WorkerProcess spawn_worker(int socket, int rank, int size) {
  const pid_t parent = getpid();
  std::string name = "tandem";
  std::string marker = fmt::format("{}{},{},{}", kWorkerMarker, rank, size, parent);
  const std::array<char*, 3> argv = {name.data(), marker.data(), nullptr};
  // A signal in the child before its handlers are reset would run this program's handlers there.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = fork();
  if (pid == 0) become_worker(socket, parent, argv.data());
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) {
    fail(ErrorCode::kResource, "cannot start the process of rank {} of {}: {}", rank, size,
         std::strerror(error));
  }
  return {pid, UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)))};
}

WorkerEnd reap_worker(pid_t pid) {
  siginfo_t info = {};
  if (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG) != 0) {
    if (errno == EINTR) return {};
    return {true, false, "ended (the program collected its exit status elsewhere)"};
  }
  if (info.si_pid == 0) return {};
  if (info.si_code == CLD_EXITED) {
    std::string how = fmt::format("ended with exit code {}", info.si_status);
    if (info.si_status == kCannotStart) how += " (could this program be executed again?)";
    return {true, info.si_status == 0, how};
  }
  const char* name = sigabbrev_np(info.si_status);
  return {true, false,
          name ? fmt::format("was killed by SIG{}", name)
               : fmt::format("was killed by signal {}", info.si_status)};
}

}  // namespace tandem
