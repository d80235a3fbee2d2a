#include "sampling/history.h"

#include <algorithm>

#include "base/check.h"

namespace tandem {

History::History(const SamplingParams& params, int64_t vocab_size)
    : repetition_(params.repetition_penalty),
      presence_(params.presence_penalty),
      frequency_(params.frequency_penalty),
      penalties_(repetition_ != 1.0F || presence_ != 0.0F || frequency_ != 0.0F),
      vocab_size_(vocab_size),
      bias_(params.logit_bias) {
  for (const auto& [id, bias] : bias_) {
    if (id < 0 || id >= vocab_size)
      bad_input("logit_bias: id {} is outside the vocabulary of {} ids", id, vocab_size);
  }
  std::stable_sort(bias_.begin(), bias_.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  size_t kept = 0;
  for (size_t i = 0; i < bias_.size(); ++i) {
    if (kept > 0 && bias_[kept - 1].first == bias_[i].first) {
      bias_[kept - 1].second += bias_[i].second;
    } else {
      bias_[kept++] = bias_[i];
    }
  }
  bias_.resize(kept);
  if (penalties_) index_.assign(static_cast<size_t>(vocab_size), -1);
}

History::Seen& History::slot(int32_t id) {
  if (id < 0 || id >= vocab_size_)
    bad_input("id {} is outside the vocabulary of {} ids", id, vocab_size_);
  int32_t& index = index_[static_cast<size_t>(id)];
  if (index < 0) {
    index = static_cast<int32_t>(seen_.size());
    seen_.push_back({id, 0});
  }
  return seen_[static_cast<size_t>(index)];
}

void History::see_prompt(std::span<const int32_t> ids) {
  if (!penalties_) return;
  for (const int32_t id : ids) slot(id);
}

void History::see_generated(int32_t id) {
  if (penalties_) ++slot(id).generated;
}

void History::apply(std::span<float> logits) const {
  TANDEM_CHECK(static_cast<int64_t>(logits.size()) == vocab_size_);
  for (const Seen& seen : seen_) {
    float& logit = logits[static_cast<size_t>(seen.id)];
    double value = logit;
    value = value >= 0 ? value / repetition_ : value * repetition_;
    if (seen.generated > 0)
      value -= presence_ + static_cast<double>(frequency_) * static_cast<double>(seen.generated);
    logit = static_cast<float>(value);
  }
  for (const auto& [id, bias] : bias_) {
    float& logit = logits[static_cast<size_t>(id)];
    logit = static_cast<float>(static_cast<double>(logit) + bias);
  }
}

}  // namespace tandem
