// What the ranks of one host know of each other, in a few cache lines of shared memory: the abort
// flag with its reason, a barrier, and how far each rank is (heartbeat, phase and step).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/shared_memory.h"
#include "base/unique_fd.h"

namespace tandem {

/// Where a rank is, for messages about it.
enum class RankPhase : uint8_t { kStarting, kSelfTest, kLoading, kIdle, kPrefill, kDecode };

/// How a rank waits for the others.
struct WaitPolicy {
  std::chrono::nanoseconds spin{0};   ///< this long with pause instructions, then asleep
  std::chrono::nanoseconds limit{0};  ///< longer ends in an abort that names the late rank; 0: none
};

struct ControlPage;

/// One rank's view of the control page. abort(), check() and the heartbeat may be called from any
/// thread, the rest from the rank's own.
class Control {
 public:
  static constexpr int kMaxRanks = 1024;
  /// Bytes of a control page; zeros are its initial state.
  static size_t bytes(int size);

  /// `abort_event` is an eventfd that becomes and stays readable when the group aborts; all ranks
  /// hold the same one.
  Control(std::shared_ptr<SharedMemory> memory, UniqueFd abort_event, int rank, int size);
  int rank() const { return rank_; }
  int size() const { return size_; }
  int abort_event() const { return abort_event_.get(); }

  /// Ends the group: every pending and later wait of every rank throws Error(code, reason). The
  /// first reason wins; it is cut at 1000 bytes. Safe in a signal handler.
  void abort(ErrorCode code, std::string_view reason);
  bool aborted() const;
  /// Throws the reason of abort(), if there was one.
  void check() const;
  /// check() after waiting for an abort that is about to come from whoever knows the cause.
  void await_abort(std::chrono::milliseconds limit) const;

  /// Waits until all ranks have come here as often as this one. `call` says what the rank is about
  /// to do; ranks that disagree about it abort. Returns the seconds waited.
  double barrier(const WaitPolicy& policy, uint64_t call = 0);

  /// A counter per rank: the pieces of work that it has made visible to the others, since the
  /// start. All ranks count alike.
  void publish(uint32_t pieces);
  uint32_t published() const;  ///< by this rank
  bool published_by_all(uint32_t pieces) const;
  /// Waits for published_by_all(). Returns the seconds waited.
  double wait_published(const WaitPolicy& policy, uint32_t pieces);

  void set_progress(RankPhase phase, int64_t step);
  /// "while loading", "during step 17 (decode)", ...
  std::string progress(int rank) const;
  void beat();
  uint64_t heartbeat(int rank) const;

 private:
  void ring();
  /// Spins, then sleeps until `reached()`; `late(r)` says whether rank r is what it waits for.
  template <typename Reached, typename Late>
  double wait(const WaitPolicy& policy, const Reached& reached, const Late& late);
  template <typename Reached>
  void nap(std::chrono::nanoseconds limit, const Reached& reached);
  [[noreturn]] void give_up_waiting(std::chrono::nanoseconds limit, const std::string& late);
  void compare_calls(uint32_t count);

  std::shared_ptr<SharedMemory> memory_;
  ControlPage* page_;
  UniqueFd abort_event_;
  int rank_;
  int size_;
  uint32_t barriers_ = 0;
};

}  // namespace tandem
