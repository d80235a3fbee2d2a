// What one rank did when, for pictures and measurements of overlap. Off unless somebody owns a
// recorder and hands it down; then a scope costs two looks at the clock.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tandem {

/// Something that took time on a rank's main thread. Times are of the steady clock, which all
/// processes of a host share.
struct Event {
  const char* name = "";  ///< a literal
  int64_t value = 0;      ///< which one: a piece, a layer
  int64_t begin_ns = 0;
  int64_t end_ns = 0;
};

/// Keeps the first `capacity` events and counts the rest. For one thread.
class EventRecorder {
 public:
  explicit EventRecorder(size_t capacity) { events_.reserve(capacity); }
  void record(const Event& event) {
    if (events_.size() < events_.capacity()) {
      events_.push_back(event);
    } else {
      ++dropped_;
    }
  }
  const std::vector<Event>& events() const { return events_; }
  int64_t dropped() const { return dropped_; }

  static int64_t now_ns() {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
  }

 private:
  std::vector<Event> events_;
  int64_t dropped_ = 0;
};

/// Records its own lifetime; with a null recorder it does nothing.
class EventScope {
 public:
  EventScope(EventRecorder* recorder, const char* name, int64_t value = 0) : recorder_(recorder) {
    if (recorder_) event_ = {name, value, EventRecorder::now_ns(), 0};
  }
  EventScope(const EventScope&) = delete;
  EventScope& operator=(const EventScope&) = delete;
  ~EventScope() {
    if (!recorder_) return;
    event_.end_ns = EventRecorder::now_ns();
    recorder_->record(event_);
  }

 private:
  EventRecorder* recorder_;
  Event event_;
};

}  // namespace tandem
