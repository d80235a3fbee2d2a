// HostComm between ranks of one host: a socket pair from rank 0 to each worker, the same for
// threads and processes, and shared memory on demand.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "comm/local/channel.h"
#include "comm/local_ranks.h"

namespace tandem {

/// Where threads of one process find the mapping that rank 0 made. (Processes pass a memfd.)
struct ShareSlot {
  std::mutex mutex;
  std::shared_ptr<SharedMemory> memory;
};

class LocalHostComm final : public LocalRanks {
 public:
  /// `channels`: on rank 0 one per worker, in order of rank; on a worker the one to rank 0; none in
  /// a world of one. `slot` is given when the ranks are threads.
  LocalHostComm(std::shared_ptr<Control> control, std::vector<Channel> channels,
                std::shared_ptr<ShareSlot> slot = nullptr);

  int rank() const override { return control_->rank(); }
  int size() const override { return control_->size(); }
  void broadcast(std::vector<std::byte>& bytes) override;
  std::vector<std::vector<std::byte>> gather(std::span<const std::byte> bytes) override;
  void barrier() override;
  void abort(ErrorCode code, std::string_view reason) override { control_->abort(code, reason); }
  void check() override { control_->check(); }

  Control& control() override { return *control_; }
  std::shared_ptr<SharedMemory> share_memory(size_t bytes) override;
  /// On rank 0: workers that read further find the end of the stream.
  void finish_sending();

 private:
  std::shared_ptr<SharedMemory> share_by_memfd(size_t bytes);
  std::shared_ptr<SharedMemory> share_by_slot(size_t bytes);

  std::shared_ptr<Control> control_;
  std::vector<Channel> channels_;
  std::shared_ptr<ShareSlot> slot_;
};

}  // namespace tandem
