#include "comm/control.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <thread>

#include "base/futex.h"

namespace tandem {

namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kReasonBytes = 1000;
/// The longest sleep before abort and deadline are looked at again, whatever was missed.
constexpr auto kNap = std::chrono::milliseconds(100);
/// Pause instructions between two looks at the clock.
constexpr int kSpinsPerLook = 64;

/// Counters may wrap around. In one order with the announcement of a sleeper, and acquiring.
bool at_least(const std::atomic<uint32_t>& counter, uint32_t count) {
  return static_cast<int32_t>(counter.load(std::memory_order_seq_cst) - count) >= 0;
}

enum AbortState : uint32_t { kRunning = 0, kWriting = 1, kAborted = 2 };

/// What one rank writes; a cache line of its own.
struct alignas(64) RankLine {
  std::atomic<uint64_t> heartbeat;
  std::atomic<uint64_t> progress;  ///< phase in the upper 8 bits, step in the others
  std::atomic<uint32_t> arrived;   ///< barriers it has come to
  std::atomic<uint32_t> published;
  /// What it came for, by parity of the barrier: a rank can be one barrier ahead of a reader, not
  /// two.
  std::array<std::atomic<uint64_t>, 2> call;
};

}  // namespace

/// Lives in shared memory and starts as zeros: only lock-free atomics and bytes.
struct ControlPage {
  alignas(64) std::atomic<uint32_t> abort_state;
  uint32_t abort_code;  ///< written before kAborted, like the text
  uint32_t reason_length;
  std::array<char, kReasonBytes> reason;

  alignas(64) std::atomic<uint32_t> arrivals;    ///< of all ranks together
  alignas(64) std::atomic<uint32_t> generation;  ///< barriers that all ranks have come to
  std::atomic<uint32_t> sleepers;
  std::atomic<uint32_t> bell;  ///< what they sleep on: rung for a complete barrier and for an abort

  RankLine* ranks() { return reinterpret_cast<RankLine*>(this + 1); }
};

static_assert(std::atomic<uint64_t>::is_always_lock_free);
static_assert(sizeof(ControlPage) % alignof(RankLine) == 0);

size_t Control::bytes(int size) {
  TANDEM_CHECK(size > 0 && size <= kMaxRanks);
  return sizeof(ControlPage) + static_cast<size_t>(size) * sizeof(RankLine);
}

Control::Control(std::shared_ptr<SharedMemory> memory, UniqueFd abort_event, int rank, int size)
    : memory_(std::move(memory)),
      page_(reinterpret_cast<ControlPage*>(memory_->data())),
      abort_event_(std::move(abort_event)),
      rank_(rank),
      size_(size) {
  TANDEM_CHECK(memory_->bytes() >= bytes(size) && rank >= 0 && rank < size);
}

void Control::abort(ErrorCode code, std::string_view reason) {
  uint32_t expected = kRunning;
  if (!page_->abort_state.compare_exchange_strong(expected, kWriting)) return;
  const size_t length = std::min(reason.size(), kReasonBytes);
  std::memcpy(page_->reason.data(), reason.data(), length);
  page_->reason_length = static_cast<uint32_t>(length);
  page_->abort_code = static_cast<uint32_t>(code);
  page_->abort_state.store(kAborted, std::memory_order_seq_cst);
  ring();
  if (abort_event_.valid()) {
    const uint64_t one = 1;
    // It can only fail when the counter is full, and then it is readable already.
    [[maybe_unused]] const ssize_t written = write(abort_event_.get(), &one, sizeof(one));
  }
}

bool Control::aborted() const {
  return page_->abort_state.load(std::memory_order_acquire) != kRunning;
}

void Control::check() const {
  if (!aborted()) return;
  // The writer needs microseconds; one that was killed in between never gets there.
  const auto deadline = Clock::now() + kNap;
  while (page_->abort_state.load(std::memory_order_acquire) != kAborted) {
    if (Clock::now() > deadline) {
      fail(ErrorCode::kRankFailure, "a rank was killed while it reported a failure");
    }
    std::this_thread::yield();
  }
  throw Error(static_cast<ErrorCode>(page_->abort_code),
              std::string(page_->reason.data(), page_->reason_length));
}

void Control::await_abort(std::chrono::milliseconds limit) const {
  const auto deadline = Clock::now() + limit;
  while (!aborted() && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  check();
}

void Control::ring() {
  page_->bell.fetch_add(1, std::memory_order_seq_cst);
  futex_wake_all(page_->bell);
}

double Control::barrier(const WaitPolicy& policy, uint64_t call) {
  check();
  const uint32_t count = ++barriers_;
  RankLine& own = page_->ranks()[rank_];
  own.call[count % 2].store(call, std::memory_order_relaxed);
  own.arrived.store(count, std::memory_order_relaxed);
  // Each arrival releases what its rank wrote and acquires what those before it wrote; the last one
  // passes everything on through `generation`.
  const uint32_t arrivals = page_->arrivals.fetch_add(1, std::memory_order_acq_rel) + 1;
  double waited = 0;
  if (arrivals == count * static_cast<uint32_t>(size_)) {
    page_->generation.store(count, std::memory_order_seq_cst);
    if (page_->sleepers.load(std::memory_order_seq_cst) != 0) ring();
  } else {
    waited = wait(
        policy, [&] { return at_least(page_->generation, count); },
        [&](int r) { return !at_least(page_->ranks()[r].arrived, count); });
  }
  compare_calls(count);
  return waited;
}

void Control::publish(uint32_t pieces) {
  // Releases the pieces. In one order with `sleepers`, as in barrier().
  page_->ranks()[rank_].published.store(pieces, std::memory_order_seq_cst);
  if (page_->sleepers.load(std::memory_order_seq_cst) != 0) ring();
}

uint32_t Control::published() const {
  return page_->ranks()[rank_].published.load(std::memory_order_relaxed);
}

bool Control::published_by_all(uint32_t pieces) const {
  for (int r = 0; r < size_; ++r) {
    if (!at_least(page_->ranks()[r].published, pieces)) return false;
  }
  return true;
}

double Control::wait_published(const WaitPolicy& policy, uint32_t pieces) {
  check();
  return wait(
      policy, [&] { return published_by_all(pieces); },
      [&](int r) { return !at_least(page_->ranks()[r].published, pieces); });
}

template <typename Reached, typename Late>
double Control::wait(const WaitPolicy& policy, const Reached& reached, const Late& late) {
  if (reached()) return 0;
  const auto start = Clock::now();
  const auto spin_end = start + policy.spin;
  for (int i = 1; policy.spin.count() > 0 && !reached() && !aborted(); ++i) {
    spin_pause();
    if (i % kSpinsPerLook == 0 && Clock::now() >= spin_end) break;
  }
  while (!reached()) {
    check();
    std::chrono::nanoseconds limit = kNap;
    if (policy.limit.count() > 0) {
      const std::chrono::nanoseconds left = policy.limit - (Clock::now() - start);
      if (left.count() <= 0) {
        std::string names;
        for (int r = 0; r < size_; ++r) {
          if (!late(r)) continue;
          names += fmt::format("{}rank {} ({})", names.empty() ? "" : ", ", r, progress(r));
        }
        give_up_waiting(policy.limit, names);
      }
      limit = std::min(limit, left);
    }
    nap(limit, reached);
  }
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <typename Reached>
void Control::nap(std::chrono::nanoseconds limit, const Reached& reached) {
  // Announced before the last look: whoever rings either sees the sleeper or is seen by it.
  page_->sleepers.fetch_add(1, std::memory_order_seq_cst);
  const uint32_t seen = page_->bell.load(std::memory_order_seq_cst);
  if (!reached() && page_->abort_state.load(std::memory_order_seq_cst) == kRunning) {
    futex_wait(page_->bell, seen, limit);
  }
  page_->sleepers.fetch_sub(1, std::memory_order_seq_cst);
}

void Control::give_up_waiting(std::chrono::nanoseconds limit, const std::string& late) {
  abort(ErrorCode::kRankFailure,
        fmt::format("{} did not come to a collective call of rank {} ({}) within {:g} s", late,
                    rank_, progress(rank_), std::chrono::duration<double>(limit).count()));
  check();
  fail(ErrorCode::kInternal, "unreachable");
}

void Control::compare_calls(uint32_t count) {
  const uint64_t own = page_->ranks()[rank_].call[count % 2].load(std::memory_order_relaxed);
  for (int r = 0; r < size_; ++r) {
    if (page_->ranks()[r].call[count % 2].load(std::memory_order_relaxed) == own) continue;
    abort(ErrorCode::kInternal,
          fmt::format("internal error: rank {} and rank {} disagree about collective call {} ({})",
                      rank_, r, count, progress(rank_)));
    check();
  }
}

void Control::set_progress(RankPhase phase, int64_t step) {
  const uint64_t low = static_cast<uint64_t>(step) & ((uint64_t{1} << 56) - 1);
  page_->ranks()[rank_].progress.store(static_cast<uint64_t>(phase) << 56 | low,
                                       std::memory_order_relaxed);
}

std::string Control::progress(int rank) const {
  const uint64_t packed = page_->ranks()[rank].progress.load(std::memory_order_relaxed);
  const uint64_t step = packed & ((uint64_t{1} << 56) - 1);
  switch (static_cast<RankPhase>(packed >> 56)) {
    case RankPhase::kStarting:
      return "while starting";
    case RankPhase::kSelfTest:
      return "during the self-test of the collective";
    case RankPhase::kLoading:
      return "while loading";
    case RankPhase::kIdle:
      return fmt::format("idle after step {}", step);
    case RankPhase::kPrefill:
      return fmt::format("during step {} (prefill)", step);
    case RankPhase::kDecode:
      return fmt::format("during step {} (decode)", step);
  }
  return "in an unknown phase";
}

void Control::beat() { page_->ranks()[rank_].heartbeat.fetch_add(1, std::memory_order_relaxed); }

uint64_t Control::heartbeat(int rank) const {
  return page_->ranks()[rank].heartbeat.load(std::memory_order_relaxed);
}

}  // namespace tandem
