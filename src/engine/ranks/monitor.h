// A thread of rank 0 that starts the worker processes, watches them while they live and reaps them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "comm/control.h"
#include "engine/ranks/rank_group.h"
#include "engine/ranks/spawn.h"

namespace tandem {

/// Starts one worker per socket on its own thread, because the workers are killed when that thread
/// ends. A worker that ends or falls silent aborts the group.
class Monitor {
 public:
  /// Worker of rank i + 1 gets sockets[i]. Throws what spawn_worker() throws, having ended those
  /// already started.
  Monitor(std::shared_ptr<Control> control, std::vector<UniqueFd> sockets,
          const RankOptions& options);
  /// Kills what is left and reaps it.
  ~Monitor();

  /// From now on workers may end.
  void expect_the_end();
  /// False when some worker still lives after `limit`.
  bool wait_for_all(std::chrono::milliseconds limit);
  void kill_all();

 private:
  struct Worker {
    WorkerProcess process;
    bool alive = true;
    uint64_t heartbeat = 0;
    std::chrono::nanoseconds silent{0};    ///< since the heartbeat last changed, or since its end
    std::string how = {};                  ///< it ended
    std::chrono::nanoseconds patience{0};  ///< between its end and the abort
  };

  void run(std::vector<UniqueFd> sockets);
  void start(std::vector<UniqueFd> sockets);
  void sleep();
  void look(std::chrono::nanoseconds passed);
  void look_at(int rank, Worker& worker, std::chrono::nanoseconds passed);
  void look_at_ended(int rank, Worker& worker, std::chrono::nanoseconds passed);

  std::shared_ptr<Control> control_;
  RankOptions options_;
  UniqueFd wake_;  ///< eventfd: something changed for the thread

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Worker> workers_;  ///< by rank - 1; all below under mutex_
  int alive_ = 0;
  bool started_ = false;
  bool ending_ = false;  ///< workers may end
  std::exception_ptr start_error_;
  std::thread thread_;
};

}  // namespace tandem
