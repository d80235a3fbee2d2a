// Where a rank's main thread spends its forward passes, by kind of op. At any moment exactly one
// kind runs, so the times add up to the whole. Totals only, unlike the event recorder's pictures: a
// pass through hundreds of ops costs some microseconds. Off where the pointer to it is null.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tandem {

class OpClock {
 public:
  enum class Phase : uint8_t { kPrefill, kDecode };
  static constexpr int kMaxKinds = 24;
  struct Kind {
    char name[16] = {};
    std::array<int64_t, 2> ns = {};  ///< by Phase
    std::string_view label() const { return name; }
  };
  /// Bytes that may travel between processes.
  struct Totals {
    std::array<Kind, kMaxKinds> kinds = {};
    std::array<int64_t, 2> passes = {};  ///< by Phase
    int32_t count = 0;                   ///< kinds met so far; the first is "other"
  };

  OpClock() { find("other"); }
  /// Between end() and begin() nothing is counted: the rank waits for work.
  void begin(Phase phase) {
    phase_ = static_cast<size_t>(phase);
    ++totals_.passes[phase_];
    current_ = 0;
    since_ = now_ns();
  }
  void end() {
    charge();
    current_ = -1;
  }
  /// What ran until now is charged; from here `name`, a literal, runs. Returns what ran.
  int32_t enter(const char* name) { return run(current_ < 0 ? -1 : find(name)); }
  /// From here `kind`, which enter() returned, runs again.
  int32_t run(int32_t kind) {
    const int32_t before = current_;
    charge();
    current_ = kind;
    return before;
  }
  const Totals& totals() const { return totals_; }

 private:
  static int64_t now_ns() {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
  }
  void charge() {
    if (current_ < 0) return;
    const int64_t now = now_ns();
    totals_.kinds[static_cast<size_t>(current_)].ns[phase_] += now - since_;
    since_ = now;
  }
  /// The kind of this name; kinds beyond the table count as "other".
  int32_t find(std::string_view name) {
    for (int32_t i = 0; i < totals_.count; ++i)
      if (totals_.kinds[static_cast<size_t>(i)].label() == name) return i;
    if (totals_.count == kMaxKinds || name.size() >= sizeof(Kind::name)) return 0;
    std::memcpy(totals_.kinds[static_cast<size_t>(totals_.count)].name, name.data(), name.size());
    return totals_.count++;
  }

  Totals totals_;
  int64_t since_ = 0;
  size_t phase_ = 0;
  int32_t current_ = -1;  ///< -1: outside a pass
};

/// `name` runs in this scope, inside of whatever ran before. With a null clock it does nothing.
class OpScope {
 public:
  OpScope(OpClock* clock, const char* name) : clock_(clock) {
    if (clock_) before_ = clock_->enter(name);
  }
  OpScope(const OpScope&) = delete;
  OpScope& operator=(const OpScope&) = delete;
  ~OpScope() {
    if (clock_) clock_->run(before_);
  }
  /// The rest of the scope is `name`.
  void next(const char* name) {
    if (clock_) clock_->enter(name);
  }

 private:
  OpClock* clock_;
  int32_t before_ = -1;
};

}  // namespace tandem
