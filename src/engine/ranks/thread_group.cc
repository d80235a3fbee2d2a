// Ranks as threads of one process, over the same sockets and the same shared-memory code as
// processes.
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/check.h"
#include "engine/ranks/bootstrap.h"
#include "engine/ranks/rank_group.h"

namespace tandem {

namespace {

/// From the end of the input to the abort.
constexpr auto kGrace = std::chrono::milliseconds(500);

class ThreadGroup final : public RankGroup {
 public:
  ThreadGroup(int size, WorkerBody body) : body_(std::move(body)), running_(size - 1) {
    auto memory = SharedMemory::anonymous(Control::bytes(size));
    auto slot = std::make_shared<ShareSlot>();
    const UniqueFd event = make_abort_event();
    const auto control_of = [&](int rank) {
      return std::make_shared<Control>(memory, duplicate(event), rank, size);
    };
    auto root_control = control_of(0);
    std::vector<Channel> channels;
    for (int rank = 1; rank < size; ++rank) {
      auto [ours, theirs] = make_socket_pair();
      channels.emplace_back(std::move(ours), rank, root_control);
      auto control = control_of(rank);
      std::vector<Channel> up;
      up.emplace_back(std::move(theirs), 0, control);
      workers_.push_back(std::make_unique<RankContext>(
          std::make_unique<LocalHostComm>(std::move(control), std::move(up), slot)));
    }
    root_ = std::make_unique<RankContext>(std::make_unique<LocalHostComm>(
        std::move(root_control), std::move(channels), std::move(slot)));
    for (auto& worker : workers_) {
      threads_.emplace_back([this, context = std::move(worker)]() mutable {
        run_worker_body(*context, body_);
        context.reset();  // rank 0 sees the end of the stream
        const std::lock_guard lock(mutex_);
        --running_;
        all_ended_.notify_all();
      });
    }
  }

  ~ThreadGroup() override { shutdown(); }
  RankContext& root() override { return *root_; }

  void shutdown() override {
    if (threads_.empty()) return;
    // Who waits for data reads the end of the stream; who waits for others inside a collective
    // needs the abort. Both end as planned.
    root_->local().finish_sending();
    {
      std::unique_lock lock(mutex_);
      const bool ended = all_ended_.wait_for(lock, kGrace, [this] { return running_ == 0; });
      if (!ended) root_->host().abort(ErrorCode::kAborted, "rank 0 ended the group");
    }
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  WorkerBody body_;
  std::unique_ptr<RankContext> root_;
  std::vector<std::unique_ptr<RankContext>> workers_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable all_ended_;
  int running_;  ///< workers that have not ended
};

}  // namespace

std::unique_ptr<RankGroup> RankGroup::start_threads(int size, WorkerBody body, const RankOptions&) {
  TANDEM_CHECK(size > 0 && size <= Control::kMaxRanks && body);
  return std::make_unique<ThreadGroup>(size, std::move(body));
}

}  // namespace tandem
