#include "engine/rope_policy.h"

#include <algorithm>

#include "base/check.h"

namespace tandem {
namespace {

constexpr int64_t kGrowth =
    256;  // rows are added in pieces, so that short requests do not pay for long ones

/// A prompt length whose table is the variant `name`: Qwen's is called by its alpha, 2^k - 1 up to
/// 2^(k-1) times the trained length.
int64_t length_of(const RopeSpec& spec, int64_t name) {
  if (spec.kind != RopeKind::kQwenNtk || name == 0) return name;
  return spec.original_positions * (name + 1) / 2;
}

}  // namespace

int64_t ModelRope::variant(int64_t prompt_tokens, int64_t position) const {
  if (position >= prompt_tokens && spec_.kind == RopeKind::kDynamic) {
    return position + 1 > spec_.original_positions ? kStepVariant : 0;
  }
  return rope_variant(spec_, prompt_tokens);
}

int32_t ModelRope::free_index() const {
  for (int32_t index = 0;; ++index) {
    const auto used = [index](const auto& entry) { return entry.second.index == index; };
    if (std::none_of(tables_.begin(), tables_.end(), used)) return index;
  }
}

void ModelRope::fill(int64_t name, int64_t rows, StepPlan& plan) {
  if (!tables_.contains(name)) {
    const int32_t index = free_index();
    // An index dropped and taken again within one plan: the drop has already its place before the
    // rows.
    tables_[name].index = index;
  }
  Table& table = tables_[name];
  if (table.filled >= rows) return;
  const int64_t end = (rows + kGrowth - 1) / kGrowth * kGrowth;
  PlanRopeRows out;
  out.table = table.index;
  out.first = table.filled;
  if (name == kStepVariant) {
    for (int64_t p = table.filled; p < end; ++p) {
      append_rope_rows(spec_, inverse_frequencies(spec_, p + 1), p, 1, out.values);
    }
  } else {
    append_rope_rows(spec_, inverse_frequencies(spec_, length_of(spec_, name)), table.filled,
                     end - table.filled, out.values);
  }
  table.filled = end;
  plan.rope_rows.push_back(std::move(out));
}

void ModelRope::begin(int64_t prompt_tokens, int64_t max_tokens, StepPlan& plan) {
  const int64_t first = variant(prompt_tokens, 0);
  const int64_t last = variant(prompt_tokens, max_tokens - 1);
  // With a table for generated tokens the prompt's own ends with the prompt, and below the trained
  // length table 0 serves.
  fill(first, last == first ? max_tokens : prompt_tokens, plan);
  ++tables_.at(first).users;
  if (spec_.kind == RopeKind::kDynamic) {
    fill(0, std::min(max_tokens, spec_.original_positions), plan);
    if (last == kStepVariant) fill(kStepVariant, max_tokens, plan);
  }
}

void ModelRope::end(int64_t prompt_tokens, StepPlan& plan) {
  const int64_t name = variant(prompt_tokens, 0);
  const auto entry = tables_.find(name);
  TANDEM_CHECK(entry != tables_.end() && entry->second.users > 0);
  if (--entry->second.users > 0 || name == 0) return;
  plan.drop_tables.push_back(entry->second.index);
  tables_.erase(entry);
}

int32_t ModelRope::table(int64_t prompt_tokens, int64_t position) const {
  return tables_.at(variant(prompt_tokens, position)).index;
}

uint32_t ModelRope::key(int64_t prompt_tokens, int64_t position) const {
  return static_cast<uint32_t>(variant(prompt_tokens, position));
}

}  // namespace tandem
