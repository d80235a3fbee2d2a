// The ranks of one engine on this host: started together, watched, and ended together. Rank 0 is
// the caller.
#pragma once

#include <chrono>
#include <memory>

#include "engine/ranks/rank_context.h"

namespace tandem {

struct RankOptions {
  /// A worker whose heartbeat is older is stuck: it is killed and the group aborts
  /// (--rank_timeout).
  std::chrono::milliseconds rank_timeout{30000};
  /// How often a worker's heart beats and rank 0 looks.
  std::chrono::milliseconds heartbeat{200};
};

class RankGroup {
 public:
  /// Starts size - 1 processes of this very program, which run the body that they gave to
  /// run_if_worker (engine/ranks/worker.h). Throws Error(kUnsupported) in a program that never
  /// called it, Error(kResource) when the system refuses processes. One rank needs nothing of this.
  static std::unique_ptr<RankGroup> start_processes(int size, const RankOptions& options = {});
  /// Runs `body` in size - 1 threads: for tests and sanitizers. A thread can not be killed, so
  /// nothing watches them.
  static std::unique_ptr<RankGroup> start_threads(int size, WorkerBody body,
                                                  const RankOptions& options = {});

  /// Ends and reaps all workers. They need no farewell: their next read finds the end of the stream
  /// and throws Error(kAborted), which their body lets pass. (A worker that returns long before
  /// this is called has failed.) Of the rest, those that have not returned half a second after the
  /// end of their input get an abort, then (processes) SIGKILL; within 2 s. Threads are joined.
  virtual ~RankGroup() = default;
  /// The same now; later calls do nothing.
  virtual void shutdown() = 0;
  virtual RankContext& root() = 0;
};

}  // namespace tandem
