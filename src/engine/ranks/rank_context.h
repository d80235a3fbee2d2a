// What one rank's code gets: its number, its communication and a place to say how far it is.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "backend/backend.h"
#include "comm/communicator.h"
#include "comm/local/local_host.h"

namespace tandem {

class RankContext {
 public:
  explicit RankContext(std::unique_ptr<LocalHostComm> host) : host_(std::move(host)) {}

  int rank() const { return host_->rank(); }
  int size() const { return host_->size(); }
  HostComm& host() { return *host_; }

  /// Joins the ranks' backends; all ranks call it together, with the same spec. `backend` and this
  /// context must outlive the result.
  std::unique_ptr<DeviceComm> connect(Backend& backend, const DeviceCommSpec& spec);

  /// For messages about this rank ("rank 2 was killed by SIGKILL during step 17 (decode)"). Cheap.
  void set_progress(RankPhase phase, int64_t step = 0) {
    host_->control().set_progress(phase, step);
  }

  LocalHostComm& local() { return *host_; }

 private:
  std::unique_ptr<LocalHostComm> host_;
};

/// What a worker does from start to end. Returning ends it; an exception aborts the group with
/// "rank R: " before the message.
using WorkerBody = std::function<void(RankContext&)>;

/// Runs `body` and turns its exception into an abort of the group. True when it returned, or ended
/// because the group did.
bool run_worker_body(RankContext& context, const WorkerBody& body);

}  // namespace tandem
