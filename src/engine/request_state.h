// One request on rank 0: its sampler, text, digest and result.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>

#include "backend/ops.h"
#include "sampling/sampler.h"
#include "sched/scheduler.h"
#include "tandem/engine.h"

namespace tandem {

/// Joins pieces of text, finds stop texts (also across pieces), and holds back what may still
/// become one.
class StopText {
 public:
  explicit StopText(std::vector<std::string> stops);
  /// Text that is certain now; found() afterwards says whether a stop text ended it.
  std::string push(const std::string& piece);
  std::string finish();
  bool found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool found_ = false;
};

/// FNV-1a 64 over the little-endian bits of float32 values, from `hash` on.
uint64_t fnv1a(uint64_t hash, std::span<const float> values);
inline constexpr uint64_t kFnvBasis = 0xcbf29ce484222325U;

class RequestState {
 public:
  RequestState(uint64_t number, Request request, Engine::OnToken on_token,
               const Tokenizer* tokenizer, int64_t vocab);

  bool needs_full_logits() const;
  /// Takes a row: `logits` is empty unless needs_full_logits(). Returns the choice when the row is
  /// to be sampled.
  Choice take_row(const LogitRow& row, std::span<const UnitStats> stats,
                  std::span<const float> logits);
  /// Result complete, with the rest of the text.
  void end(const EndedRequest& ended);
  void fail(Status status);

  uint64_t number() const { return number_; }
  const Request& request() const { return request_; }
  bool done() const { return done_; }
  RequestResult take_result() { return std::move(result_); }

 private:
  using Clock = std::chrono::steady_clock;
  Choice choose(const LogitRow& row, double log_sum, std::span<const UnitStats> stats,
                std::span<const float> logits);
  void score_row(const LogitRow& row, double log_sum, std::span<const UnitStats> stats,
                 std::span<const float> logits);
  void emit(int32_t id, const std::string& piece);
  void tell(int32_t id, const std::string& text);

  uint64_t number_;
  Request request_;
  Engine::OnToken on_token_;
  Sampler sampler_;
  std::unique_ptr<Detokenizer> detokenizer_;
  StopText stop_;
  RequestResult result_;
  Clock::time_point submitted_ = Clock::now();
  Clock::time_point first_{};
  bool done_ = false;
};

}  // namespace tandem
