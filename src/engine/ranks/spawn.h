// Starting this very program once more as a worker.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/unique_fd.h"

namespace tandem {

/// The descriptor at which a worker finds its end of the control socket.
inline constexpr int kWorkerSocket = 3;
/// argv[1] of a worker: this, then "RANK,SIZE,PARENT".
inline constexpr const char* kWorkerMarker = "--tandem_worker=";

struct WorkerProcess {
  pid_t pid = -1;
  UniqueFd exited;  ///< readable once it has ended; not valid on kernels without pidfd_open
};

/// Forks and executes /proc/self/exe. The worker has a process group of its own, default signal
/// handling, nothing open but `socket` and standard error, and is killed when the calling *thread*
/// ends. Throws Error(kResource).
WorkerProcess spawn_worker(int socket, int rank, int size);

/// How a worker ended. Nobody says so before it has.
struct WorkerEnd {
  bool ended = false;
  bool returned = false;  ///< with exit code 0
  std::string how;        ///< "was killed by SIGKILL", "ended with exit code 3"
};
/// Reaps it when it has ended.
WorkerEnd reap_worker(pid_t pid);

}  // namespace tandem
