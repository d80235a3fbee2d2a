// The definition of sampling, written plainly: everything in double, over the whole row. Sampler
// (sampler.h) is the fast form of it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "sampling/history.h"
#include "tandem/sampling.h"

namespace tandem {
namespace {

void check_range(const char* name, float value, float min, float max) {
  if (value >= min && value <= max) return;  // false for NaN
  if (max == std::numeric_limits<float>::max())
    bad_input("{} is {}; it must be a finite number of at least {}", name, value, min);
  bad_input("{} is {}; it must be a number from {} to {}", name, value, min, max);
}

/// exp(logit - largest) over the sum, for the ids of `kept` alone.
std::vector<double> softmax(const std::vector<double>& logits, const std::vector<int32_t>& kept) {
  double largest = -std::numeric_limits<double>::infinity();
  for (const int32_t id : kept) largest = std::max(largest, logits[static_cast<size_t>(id)]);
  std::vector<double> probs(kept.size());
  for (size_t i = 0; i < kept.size(); ++i)
    probs[i] = std::exp(logits[static_cast<size_t>(kept[i])] - largest);
  const double sum = std::accumulate(probs.begin(), probs.end(), 0.0);
  for (double& p : probs) p /= sum;
  return probs;
}

/// `kept` is in falling order throughout; each filter shortens it.
void keep_top_k(const std::vector<double>& logits, int64_t k, std::vector<int32_t>& kept) {
  if (k == 0 || k >= static_cast<int64_t>(kept.size())) return;
  const double edge = logits[static_cast<size_t>(kept[static_cast<size_t>(k) - 1])];
  std::erase_if(kept, [&](int32_t id) { return logits[static_cast<size_t>(id)] < edge; });
}

void keep_top_p(const std::vector<double>& logits, double top_p, std::vector<int32_t>& kept) {
  if (top_p >= 1) return;
  const std::vector<double> probs = softmax(logits, kept);
  size_t n = 0;
  for (double before = 0; n < kept.size() && (n == 0 || before < top_p); ++n) before += probs[n];
  kept.resize(n);
}

void keep_min_p(const std::vector<double>& logits, double min_p, std::vector<int32_t>& kept) {
  if (min_p <= 0) return;
  const std::vector<double> probs = softmax(logits, kept);
  size_t n = 1;
  while (n < kept.size() && probs[n] >= min_p * probs[0]) ++n;
  kept.resize(n);
}

std::vector<int32_t> filtered(std::vector<double>& logits, const SamplingParams& params) {
  std::vector<int32_t> kept(logits.size());
  std::iota(kept.begin(), kept.end(), 0);
  std::stable_sort(kept.begin(), kept.end(), [&](int32_t a, int32_t b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  if (params.temperature == 0) {
    kept.resize(1);
    return kept;
  }
  for (double& logit : logits) logit /= params.temperature;
  keep_top_k(logits, params.top_k, kept);
  keep_top_p(logits, params.top_p, kept);
  keep_min_p(logits, params.min_p, kept);
  std::sort(kept.begin(), kept.end());
  return kept;
}

}  // namespace

void validate(const SamplingParams& params) {
  constexpr float kMost = std::numeric_limits<float>::max();
  check_range("temperature", params.temperature, 0, kMost);
  if (params.top_k < 0) bad_input("top_k is {}; it must be at least 0 (0: off)", params.top_k);
  check_range("top_p", params.top_p, 0, 1);
  check_range("min_p", params.min_p, 0, 1);
  check_range("repetition_penalty", params.repetition_penalty, 1e-6F, 1e6F);
  check_range("presence_penalty", params.presence_penalty, -1e6F, 1e6F);
  check_range("frequency_penalty", params.frequency_penalty, -1e6F, 1e6F);
  for (const auto& [id, bias] : params.logit_bias) {
    if (id < 0) bad_input("logit_bias: id {} is negative", id);
    if (!std::isfinite(bias)) bad_input("logit_bias: the bias of id {} is {}", id, bias);
  }
}

Distribution distribution(const std::vector<float>& logits, const std::vector<int32_t>& prompt,
                          const std::vector<int32_t>& generated, const SamplingParams& params) {
  validate(params);
  if (logits.empty()) bad_input("the row of logits is empty");
  for (size_t i = 0; i < logits.size(); ++i)
    if (std::isnan(logits[i])) bad_input("the logit of id {} is NaN", i);
  History history(params, static_cast<int64_t>(logits.size()));
  history.see_prompt(prompt);
  for (const int32_t id : generated) {
    history.see_prompt(std::span(&id, 1));
    history.see_generated(id);
  }
  std::vector<float> adjusted = logits;
  history.apply(adjusted);

  std::vector<double> scores(adjusted.begin(), adjusted.end());
  Distribution result;
  result.kept = filtered(scores, params);
  result.probs.assign(logits.size(), 0.0);
  const std::vector<double> probs = softmax(scores, result.kept);
  for (size_t i = 0; i < result.kept.size(); ++i)
    result.probs[static_cast<size_t>(result.kept[i])] = probs[i];
  return result;
}

}  // namespace tandem
