#include "sampling/sampler.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/check.h"
#include "base/cpu_features.h"
#include "sampling/random.h"
#include "sampling/weigh.h"

namespace tandem {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();
constexpr size_t kBuckets = kWeightBuckets;

using Weigh = void (*)(const WeighArgs&);
Weigh fastest_weigh() {
  const CpuFeatures features = cpu_features();
  return features.avx512 ? weigh_avx512 : features.avx2 ? weigh_avx2 : weigh_row;
}

/// Sixteen running maxima side by side: a single one would be a chain that no vector can follow.
float largest_of(std::span<const float> values) {
  constexpr size_t kWide = 16;
  std::array<float, kWide> lanes;
  lanes.fill(kLowest);
  size_t i = 0;
  for (; i + kWide <= values.size(); i += kWide)
    for (size_t j = 0; j < kWide; ++j)
      lanes[j] = values[i + j] > lanes[j] ? values[i + j] : lanes[j];
  float largest = kLowest;
  for (; i < values.size(); ++i) largest = values[i] > largest ? values[i] : largest;
  for (const float lane : lanes) largest = lane > largest ? lane : largest;
  return largest;
}

}  // namespace

int32_t argmax(std::span<const float> logits) {
  constexpr size_t kBlock = 1024;
  float largest = kLowest;
  size_t block = 0;
  for (size_t begin = 0; begin < logits.size(); begin += kBlock) {
    const float value = largest_of(logits.subspan(begin, std::min(kBlock, logits.size() - begin)));
    if (value > largest) {
      largest = value;
      block = begin;
    }
  }
  size_t id = block;
  while (id + 1 < logits.size() && logits[id] != largest) ++id;
  return logits[id] == largest ? static_cast<int32_t>(id) : 0;
}

Sampler::Sampler(const SamplingParams& params, int64_t vocab_size)
    : params_(params), history_(params, vocab_size) {
  validate(params);
  TANDEM_CHECK(vocab_size > 0 && vocab_size <= std::numeric_limits<int32_t>::max());
}

int32_t Sampler::sample(std::span<const float> logits, int64_t position) {
  TANDEM_CHECK(!logits.empty());
  if (history_.active()) {
    adjusted_.assign(logits.begin(), logits.end());
    history_.apply(adjusted_);
    logits = adjusted_;
  }
  if (params_.temperature == 0) return argmax(logits);

  const Candidates from = top_k(logits);
  const double total = weigh(from, largest_of(from.logits));
  Cut cut{kBuckets, 0};
  if (params_.top_p < 1) cut = cut_at(from, static_cast<double>(params_.top_p) * total);
  if (params_.min_p > 0) {
    const Cut other = cut_below(from, params_.min_p);
    if (other.bucket < cut.bucket || (other.bucket == cut.bucket && other.count < cut.count))
      cut = other;
  }
  const double mass = cut.bucket == kBuckets ? total : mass_before(from, cut);
  // No mass: a temperature so low that the exponents overflow, or no finite logit.
  if (!(mass > 0)) return argmax(logits);
  return draw(from, cut, uniform(params_.seed, position) * mass);
}

/// All logits >= the k-th largest.
Sampler::Candidates Sampler::top_k(std::span<const float> logits) {
  if (params_.top_k == 0 || params_.top_k >= static_cast<int64_t>(logits.size()))
    return {logits, {}};
  const float edge = kth_largest(logits);
  chosen_logits_.clear();
  chosen_ids_.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] >= edge) {
      chosen_logits_.push_back(logits[i]);
      chosen_ids_.push_back(static_cast<int32_t>(i));
    }
  }
  return {chosen_logits_, chosen_ids_};
}

/// One pass with a rising threshold; the row is read once and hardly any value is moved.
float Sampler::kth_largest(std::span<const float> logits) {
  const auto k = static_cast<size_t>(params_.top_k);
  const size_t full = 2 * k + 1024;
  scratch_.clear();
  float threshold = kLowest;
  auto shrink = [&] {
    const auto kth = scratch_.begin() + static_cast<std::ptrdiff_t>(k) - 1;
    std::nth_element(scratch_.begin(), kth, scratch_.end(), std::greater<>());
    threshold = *kth;
    scratch_.resize(k);
  };
  for (const float logit : logits) {
    if (!(logit > threshold)) continue;
    scratch_.push_back(logit);
    if (scratch_.size() == full) shrink();
  }
  if (scratch_.size() < k) return kLowest;  // fewer than k logits above -infinity: all are kept
  shrink();
  return threshold;
}

double Sampler::weigh(const Candidates& from, float largest) {
  const size_t n = from.logits.size();
  weights_.resize(n);
  bucket_of_.resize(n);
  bucket_mass_.assign(2 * kBuckets, 0);
  items_bucket_ = kBuckets;
  const float rate = 1.0F / params_.temperature;
  float* weights = weights_.data();
  uint16_t* bucket_of = bucket_of_.data();
  static const Weigh run = fastest_weigh();
  run({from.logits.data(), n, largest, rate, weights, bucket_of});
  // Two sums for each bucket, because neighbours often share one and an addition waits for the
  // last.
  double* mass = bucket_mass_.data();
  double* other = mass + kBuckets;
  size_t i = 0;
  for (; i + 2 <= n; i += 2) {
    mass[bucket_of[i]] += weights[i];
    other[bucket_of[i + 1]] += weights[i + 1];
  }
  if (i < n) mass[bucket_of[i]] += weights[i];
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) mass[bucket] += other[bucket];
  double total = 0;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) total += mass[bucket];
  return total;
}

std::span<const Sampler::Item> Sampler::in_order(const Candidates& from, size_t bucket) {
  if (items_bucket_ == bucket) return items_;
  items_bucket_ = bucket;
  items_.clear();
  constexpr size_t kBlock = 64;  // most have none: asked for together
  const auto wanted = static_cast<uint16_t>(bucket);
  for (size_t begin = 0; begin < from.logits.size(); begin += kBlock) {
    const size_t end = std::min(begin + kBlock, from.logits.size());
    uint16_t any = 0;
    for (size_t i = begin; i < end; ++i) any |= static_cast<uint16_t>(bucket_of_[i] == wanted);
    for (size_t i = begin; any != 0 && i < end; ++i) {
      if (bucket_of_[i] != wanted) continue;
      const int32_t id = from.ids.empty() ? static_cast<int32_t>(i) : from.ids[i];
      items_.push_back({from.logits[i], id, weights_[i]});
    }
  }
  std::sort(items_.begin(), items_.end(), [](const Item& a, const Item& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  });
  return items_;
}

/// Candidates in order while the mass before them is below `mass`; at least one.
Sampler::Cut Sampler::cut_at(const Candidates& from, double mass) {
  double before = 0;
  size_t bucket = 0;
  while (bucket < kBuckets && before + bucket_mass_[bucket] < mass)
    before += bucket_mass_[bucket++];
  if (bucket == kBuckets) return {kBuckets, 0};  // rounding kept the sum below `mass`
  size_t count = 0;
  for (const Item& item : in_order(from, bucket)) {
    if (count > 0 && before >= mass) break;
    before += item.weight;
    ++count;
  }
  return {bucket, count};
}

/// Candidates whose weight is at least `weight` (the largest weighs 1).
Sampler::Cut Sampler::cut_below(const Candidates& from, float weight) {
  size_t bucket = 0;
  for (size_t i = 0; i < weights_.size(); ++i)
    if (weights_[i] >= weight) bucket = std::max<size_t>(bucket, bucket_of_[i]);
  size_t count = 0;
  for (const Item& item : in_order(from, bucket))
    if (item.weight >= weight) ++count;
  return {bucket, count};
}

double Sampler::mass_before(const Candidates& from, const Cut& cut) {
  double mass = 0;
  for (size_t bucket = 0; bucket < cut.bucket; ++bucket) mass += bucket_mass_[bucket];
  for (const Item& item : in_order(from, cut.bucket).first(cut.count)) mass += item.weight;
  return mass;
}

int32_t Sampler::draw(const Candidates& from, const Cut& cut, double target) {
  double before = 0;
  size_t last = 0;  // the last bucket with mass: where rounding may leave the target
  for (size_t bucket = 0; bucket < std::min(cut.bucket + 1, kBuckets); ++bucket) {
    if (!(bucket_mass_[bucket] > 0)) continue;
    last = bucket;
    if (bucket == cut.bucket || before + bucket_mass_[bucket] > target) break;
    before += bucket_mass_[bucket];
  }
  std::span<const Item> items = in_order(from, last);
  if (last == cut.bucket) items = items.first(cut.count);
  int32_t id = items.front().id;
  for (const Item& item : items) {
    if (!(item.weight > 0)) break;
    id = item.id;
    before += item.weight;
    if (before > target) break;
  }
  return id;
}

}  // namespace tandem
