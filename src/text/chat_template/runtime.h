// What every part of a rendering shares: the limits that make an untrusted template harmless, the
// line that error messages name, and the objects that could form cycles.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"

namespace tandem::jinja {

/// Bounds of one parse and one rendering. A long conversation with tools needs some hundred
/// thousand steps and a few megabytes.
struct Limits {
  size_t source_bytes = size_t{1} << 20;
  int syntax_depth = 120;      ///< nesting of expressions and blocks in the text
  int64_t steps = 20'000'000;  ///< evaluated nodes, visited elements, 64 bytes copied
  size_t memory = 256U << 20;  ///< bytes of all values that are alive
  size_t output = 64U << 20;   ///< bytes of the result, macro results in progress included
  int call_depth = 900;        ///< nested evaluations (macros calling macros)
  int value_depth = 100;       ///< lists in lists
  int64_t range_length = 100'000;
};

/// Live bytes and steps of one rendering.
class Meter {
 public:
  explicit Meter(const Limits& limits) : limits_(limits) {}
  const Limits& limits() const { return limits_; }
  bool add_steps(int64_t n) { return (steps_ += n) <= limits_.steps; }
  bool fits(size_t bytes) const { return bytes <= limits_.memory - live_; }
  void hold(size_t bytes) { live_ += bytes; }
  void release(size_t bytes) noexcept { live_ -= bytes; }

 private:
  Limits limits_;
  int64_t steps_ = 0;
  size_t live_ = 0;
};

/// A share of the meter that is given back on destruction.
class Charge {
 public:
  Charge() = default;
  Charge(Meter* meter, size_t bytes) : meter_(meter), bytes_(bytes) {
    if (meter_ != nullptr) meter_->hold(bytes_);
  }
  Charge(Charge&& other) noexcept
      : meter_(std::exchange(other.meter_, nullptr)), bytes_(other.bytes_) {}
  Charge& operator=(Charge&&) = delete;
  ~Charge() {
    if (meter_ != nullptr) meter_->release(bytes_);
  }

 private:
  Meter* meter_ = nullptr;
  size_t bytes_ = 0;
};

/// Objects that a template can change (namespaces, scopes that a macro remembers). They may refer
/// to themselves, so the runtime owns them to the end and empties them then.
struct Mutable {
  virtual ~Mutable() = default;
  virtual void clear() noexcept = 0;
};

class Runtime {
 public:
  Runtime(std::string name, const Limits& limits) : name_(std::move(name)), meter_(limits) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  ~Runtime() {
    for (const auto& object : owned_) object->clear();
  }

  Meter& meter() { return meter_; }
  const Limits& limits() const { return meter_.limits(); }
  void own(std::shared_ptr<Mutable> object) {
    reserve(128);
    meter_.hold(128);
    owned_.push_back(std::move(object));
  }

  int line = 1;     ///< of the node that is being evaluated
  std::string now;  ///< "YYYY-MM-DDTHH:MM:SS"

  /// Throws Error(kBadInput) "name: line 3: ...".
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    bad_input("{}: line {}: {}", name_, line, fmt::format(format, std::forward<Args>(args)...));
  }
  void step(int64_t n = 1) {
    if (!meter_.add_steps(n)) {
      fail("the template takes more than {} steps; it is refused", limits().steps);
    }
  }
  /// Asks before `bytes` are allocated; counts copying them as work.
  void reserve(size_t bytes) {
    step(1 + static_cast<int64_t>(bytes / 64));
    if (!meter_.fits(bytes)) {
      fail("the values of the template take more than {} bytes; it is refused", limits().memory);
    }
  }

 private:
  std::string name_;
  Meter meter_;
  std::vector<std::shared_ptr<Mutable>> owned_;
};

}  // namespace tandem::jinja
