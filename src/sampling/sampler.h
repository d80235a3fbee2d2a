// Chooses the next id of one request from a row of logits: the fast form of distribution().
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sampling/history.h"
#include "tandem/sampling.h"

namespace tandem {

/// The lowest id among the largest logits; NaNs are passed over. `logits` must not be empty.
int32_t argmax(std::span<const float> logits);

/// Not sorted, ever: weights exp((logit - largest) / temperature) are sorted into buckets of equal
/// width in the exponent, and only the bucket in which top_p, min_p or the draw falls is put in
/// order (logit falling, id rising). The ids kept are a prefix of that order, so the draw adds
/// bucket by bucket, in double, ids rising inside a bucket. Weights are float, by our own exp: the
/// result is a function of (logits, what was seen, parameters, position), the same on every
/// machine. Buffers are kept: a step allocates nothing once all ids have been seen. One thread.
class Sampler {
 public:
  /// Throws Error(kBadInput) as validate() does, and for a bias of an id outside the vocabulary.
  Sampler(const SamplingParams& params, int64_t vocab_size);

  void set_prompt(std::span<const int32_t> ids) { history_.see_prompt(ids); }
  /// `logits`: vocab_size values without NaN (the caller has looked). `position`: of the new id in
  /// the sequence; with the seed it decides the draw.
  int32_t sample(std::span<const float> logits, int64_t position);
  /// The id became part of the output: penalties count it from now on.
  void accept(int32_t id) { history_.see_generated(id); }

  /// True: sample() is plain argmax of the row as it is, so its statistics are enough.
  bool plain_argmax() const { return params_.temperature == 0 && !history_.active(); }

 private:
  /// The logits that the draw may choose from; ids are positions unless `ids` is given.
  struct Candidates {
    std::span<const float> logits;
    std::span<const int32_t> ids;
  };
  /// Where the order of candidates ends: all of the buckets before `bucket`, and the first `count`
  /// of it.
  struct Cut {
    size_t bucket = 0;
    size_t count = 0;
  };
  struct Item {
    float logit;
    int32_t id;
    float weight;
  };

  Candidates top_k(std::span<const float> logits);
  float kth_largest(std::span<const float> logits);
  double weigh(const Candidates& from, float largest);
  Cut cut_at(const Candidates& from, double mass);
  Cut cut_below(const Candidates& from, float weight);
  double mass_before(const Candidates& from, const Cut& cut);
  int32_t draw(const Candidates& from, const Cut& cut, double target);
  std::span<const Item> in_order(const Candidates& from, size_t bucket);

  SamplingParams params_;
  History history_;
  std::vector<float> adjusted_;       // the row after penalties and biases
  std::vector<float> chosen_logits_;  // top-k
  std::vector<int32_t> chosen_ids_;   //
  std::vector<float> scratch_;        // the largest so far while top-k is found
  std::vector<float> weights_;        // per candidate
  std::vector<uint16_t> bucket_of_;   // per candidate
  std::vector<double> bucket_mass_;   //
  std::vector<Item> items_;           // one bucket, in order
  size_t items_bucket_ = 0;           // which one
};

}  // namespace tandem
