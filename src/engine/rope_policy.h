// Rope tables of the running requests: which exist on the ranks, which rows they have, who uses
// them.
#pragma once

#include <map>

#include "model/rope.h"
#include "sched/rope_policy.h"

namespace tandem {

/// Table 0: the unscaled (or fixed) frequencies. One table per other variant in use. kDynamic has
/// besides a table whose row p is rotated as the last token of p + 1: its generated tokens beyond
/// the trained length.
class ModelRope final : public RopePolicy {
 public:
  explicit ModelRope(const RopeSpec& spec) : spec_(spec) {}

  void begin(int64_t prompt_tokens, int64_t max_tokens, StepPlan& plan) override;
  void end(int64_t prompt_tokens, StepPlan& plan) override;
  int32_t table(int64_t prompt_tokens, int64_t position) const override;
  uint32_t key(int64_t prompt_tokens, int64_t position) const override;

 private:
  struct Table {
    int32_t index = 0;
    int64_t filled = 0;
    int64_t users = 0;
  };
  /// kStepVariant: the table of generated tokens.
  static constexpr int64_t kStepVariant = -1;

  int64_t variant(int64_t prompt_tokens, int64_t position) const;
  void fill(int64_t variant, int64_t rows, StepPlan& plan);
  int32_t free_index() const;

  RopeSpec spec_;
  std::map<int64_t, Table> tables_;
};

}  // namespace tandem
