// What the scheduler must know about rotary embeddings: which table each token uses, and when two
// tokens' rotations are the same. The engine implements it from the model's config.
#pragma once

#include <cstdint>

#include "step/plan.h"

namespace tandem {

/// A request is known by the length of its prompt: Hugging Face's `dynamic` and Qwen's NTK choose
/// their base from it. Prompt tokens and generated tokens may use different tables.
class RopePolicy {
 public:
  virtual ~RopePolicy() = default;

  /// A request with this prompt starts and will not go beyond `max_tokens` tokens: adds the rows
  /// (and tables) that are not on the ranks yet to plan.rope_rows.
  virtual void begin(int64_t prompt_tokens, int64_t max_tokens, StepPlan& plan) = 0;
  /// The request has ended (one call for each begin()): tables that nobody uses may be added to
  /// plan.drop_tables; `plan` does not use them.
  virtual void end(int64_t prompt_tokens, StepPlan& plan) = 0;

  /// The table whose row `position` rotates the token at `position` of such a request.
  virtual int32_t table(int64_t prompt_tokens, int64_t position) const = 0;
  /// Names the rotation itself: two tokens at one position whose keys are equal are rotated (and
  /// scaled) by the same bits. Cached pages are reused only where ids and keys agree.
  virtual uint32_t key(int64_t prompt_tokens, int64_t position) const = 0;
};

/// One table for everything, made before the first step: rope kinds `default`, `linear`, `llama3`,
/// `yarn`.
class FixedRope final : public RopePolicy {
 public:
  explicit FixedRope(int32_t table = 0) : table_(table) {}
  void begin(int64_t, int64_t, StepPlan&) override {}
  void end(int64_t, StepPlan&) override {}
  int32_t table(int64_t, int64_t) const override { return table_; }
  uint32_t key(int64_t, int64_t) const override { return 0; }

 private:
  int32_t table_;
};

}  // namespace tandem
