// Ranks as processes.
#include <optional>

#include "base/check.h"
#include "engine/ranks/bootstrap.h"
#include "engine/ranks/hello.h"
#include "engine/ranks/monitor.h"
#include "engine/ranks/rank_group.h"
#include "engine/ranks/worker.h"

namespace tandem {

namespace {

/// From the end of the input to the abort, and from the abort to SIGKILL.
constexpr std::chrono::milliseconds kGrace{500};
constexpr std::chrono::milliseconds kAbortGrace{300};

class ProcessGroup final : public RankGroup {
 public:
  ProcessGroup(int size, const RankOptions& options) {
    const auto memory = SharedMemory::memfd(Control::bytes(size));
    const UniqueFd event = make_abort_event();
    control_ = std::make_shared<Control>(memory, duplicate(event), 0, size);
    std::vector<Channel> channels;
    std::vector<UniqueFd> theirs;
    for (int rank = 1; rank < size; ++rank) {
      auto [ours, other] = make_socket_pair();
      channels.emplace_back(std::move(ours), rank, control_);
      theirs.push_back(std::move(other));
    }
    if (size > 1) monitor_.emplace(control_, std::move(theirs), options);
    for (Channel& channel : channels) {
      send_hello(channel, *memory, event.get(), options.heartbeat);
    }
    memory->close_fd();
    root_ = std::make_unique<RankContext>(
        std::make_unique<LocalHostComm>(control_, std::move(channels)));
  }

  ~ProcessGroup() override { shutdown(); }
  RankContext& root() override { return *root_; }

  void shutdown() override {
    if (!monitor_) return;
    monitor_->expect_the_end();
    root_->local().finish_sending();
    if (!control_->aborted() && !monitor_->wait_for_all(kGrace)) {
      control_->abort(ErrorCode::kAborted, "rank 0 ended the group");
    }
    monitor_->wait_for_all(kAbortGrace);
    monitor_.reset();  // kills and reaps the rest
  }

 private:
  std::shared_ptr<Control> control_;
  std::optional<Monitor> monitor_;
  std::unique_ptr<RankContext> root_;
};

}  // namespace

std::unique_ptr<RankGroup> RankGroup::start_processes(int size, const RankOptions& options) {
  if (size < 1 || size > Control::kMaxRanks) {
    bad_input("world size {} is not in 1..{}", size, Control::kMaxRanks);
  }
  if (size > 1 && !can_start_workers()) {
    bad_input(
        "{} ranks on this host need a program that calls tandem::run_if_worker(argc, argv) first "
        "in "
        "main(); this one never did",
        size);
  }
  TANDEM_CHECK(options.heartbeat.count() > 0 && options.rank_timeout.count() > 0);
  return std::make_unique<ProcessGroup>(size, options);
}

}  // namespace tandem
