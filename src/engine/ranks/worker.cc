#include "engine/ranks/worker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/check.h"
#include "engine/ranks/heartbeat.h"
#include "engine/ranks/hello.h"
#include "engine/ranks/spawn.h"

namespace tandem {

namespace {

/// The one fact about the process that no caller could hand down: main() ran run_if_worker().
std::atomic<bool>& called() {
  static std::atomic<bool> value = false;
  return value;
}

struct Place {
  int rank = 0;
  int size = 0;
  int parent = 0;
};

bool is_socket(int fd) {
  struct stat status = {};
  return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

int run_worker(const Place& place, const WorkerBody& body) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != place.parent) return 1;
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_NAME, fmt::format("tandem rank {}", place.rank).c_str());
  fcntl(kWorkerSocket, F_SETFD, FD_CLOEXEC);

  Channel channel(UniqueFd(kWorkerSocket), 0, nullptr);
  const Hello hello = receive_hello(channel, place.rank, place.size);
  channel.set_control(hello.control);
  const Heartbeat heartbeat(hello.control, place.parent, hello.heartbeat);
  std::vector<Channel> up;
  up.push_back(std::move(channel));
  RankContext context(std::make_unique<LocalHostComm>(hello.control, std::move(up)));
  return run_worker_body(context, body) ? 0 : 1;
}

}  // namespace

bool can_start_workers() { return called().load(); }

void run_if_worker(int argc, char** argv, const WorkerBody& body) {
  called().store(true);
  if (argc != 2 || std::strncmp(argv[1], kWorkerMarker, std::strlen(kWorkerMarker)) != 0) return;
  Place place;
  const int fields = std::sscanf(argv[1] + std::strlen(kWorkerMarker), "%d,%d,%d", &place.rank,
                                 &place.size, &place.parent);
  if (fields != 3 || place.rank < 1 || place.rank >= place.size || !is_socket(kWorkerSocket)) {
    std::fprintf(stderr, "tandem: error: %s is for processes that tandem starts itself\n", argv[1]);
    std::exit(2);
  }
  int code = 1;
  try {
    code = run_worker(place, body);
  } catch (const std::exception& error) {
    // Before there is a group to tell; rank 0 sees the exit.
    std::fprintf(stderr, "tandem: rank %d: %s\n", place.rank, error.what());
  }
  std::exit(code);
}

}  // namespace tandem
