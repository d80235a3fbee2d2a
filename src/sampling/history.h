// Penalties and biases: which ids a request has seen, and what that does to a row of logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tandem/sampling.h"

namespace tandem {

/// Changes only the ids that were seen or have a bias. The changed logit is computed in double and
/// rounded to float once.
class History {
 public:
  /// Throws Error(kBadInput) for a bias of an id outside [0, vocab_size).
  History(const SamplingParams& params, int64_t vocab_size);

  /// False: apply() changes nothing, whatever was seen.
  bool active() const { return penalties_ || !bias_.empty(); }
  /// Ids of the prompt. Throws Error(kBadInput) for an id outside the vocabulary.
  void see_prompt(std::span<const int32_t> ids);
  void see_generated(int32_t id);
  /// Penalties, then biases. `logits` has vocab_size values.
  void apply(std::span<float> logits) const;

 private:
  struct Seen {
    int32_t id = 0;
    int64_t generated = 0;
  };
  Seen& slot(int32_t id);

  float repetition_;
  float presence_;
  float frequency_;
  bool penalties_;
  int64_t vocab_size_;
  std::vector<std::pair<int32_t, float>>
      bias_;                    // of one id each, ascending: sums of the given ones
  std::vector<Seen> seen_;      // each id once
  std::vector<int32_t> index_;  // id -> index in seen_, or -1; empty when !penalties_
};

}  // namespace tandem
