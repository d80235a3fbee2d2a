// How the next id is chosen from a row of logits.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace tandem {

/// Order of effect: repetition penalty, presence and frequency penalty, bias, temperature, top_k,
/// top_p, min_p, softmax, draw.
struct SamplingParams {
  float temperature = 1.0F;         ///< 0: the largest logit, lowest id on ties
  int64_t top_k = 0;                ///< 0: off
  float top_p = 1.0F;               ///< 1: off
  float min_p = 0.0F;               ///< 0: off
  float repetition_penalty = 1.0F;  ///< over prompt and output, once per id
  float presence_penalty = 0.0F;    ///< over the output
  float frequency_penalty = 0.0F;   ///< over the output, times count
  std::vector<std::pair<int32_t, float>> logit_bias = {};
  uint64_t seed = 0;  ///< the draw depends on (seed, position) alone
};

/// The distribution that is drawn from, over all ids of the row.
struct Distribution {
  std::vector<double> probs;  ///< one per id; 0 outside the support
  std::vector<int32_t> kept;  ///< the support, ascending
};

/// Throws Error(kBadInput) that names a parameter out of range.
void validate(const SamplingParams& params);
/// What is drawn from, given a row of logits, the prompt's and the generated ids (`tandem sample`).
Distribution distribution(const std::vector<float>& logits, const std::vector<int32_t>& prompt,
                          const std::vector<int32_t>& generated, const SamplingParams& params);

}  // namespace tandem
