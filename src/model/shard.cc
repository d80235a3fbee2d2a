#include "model/shard.h"

#include <algorithm>

#include "base/arithmetic.h"

namespace tandem {
namespace {

/// Elements of the weights (biases included) of a rank with these numbers of heads, columns and
/// rows.
int64_t shard_elements(const ModelSpec& spec, int64_t q, int64_t kv, int64_t ff, int64_t vocab) {
  using enum WeightRole;
  const int64_t qkv_rows = (q + 2 * kv) * spec.head_dim;
  int64_t layer = qkv_rows * spec.hidden + q * spec.head_dim * spec.hidden + 3 * ff * spec.hidden;
  layer += 2 * spec.hidden;  // the two norms
  if (spec.has(kQueryNorm)) layer += 2 * spec.head_dim;
  if (spec.has_bias(kFusedQkv) || spec.has_bias(kQuery)) layer += qkv_rows;
  if (spec.has_bias(kAttentionOut)) layer += spec.hidden;
  if (spec.has_bias(kGate)) layer += ff;
  if (spec.has_bias(kUp)) layer += ff;
  if (spec.has_bias(kDown)) layer += spec.hidden;
  return spec.layers * layer + vocab * spec.hidden * (spec.tied ? 1 : 2) + spec.hidden;
}

}  // namespace

ModelSplit split_model(const ModelSpec& spec, int ranks) {
  ModelSplit split;
  split.ranks = ranks;
  split.heads = partition(spec.q_heads, ranks);
  split.ff = feed_forward_units(spec.ff);
  split.ff_runs = partition(split.ff.count(), ranks);
  split.vocab.units = vocabulary_units(spec.vocab);
  split.vocab.runs = partition(split.vocab.units.count(), ranks);
  return split;
}

Shard shard_of(const ModelSpec& spec, const ModelSplit& split, int rank, DType weight,
               DType cache) {
  const auto r = static_cast<size_t>(rank);
  const int64_t group = spec.q_heads / spec.kv_heads;
  Shard shard;
  shard.q_heads = split.heads[r];
  if (shard.q_heads.size() > 0) {
    shard.kv_heads = {shard.q_heads.begin / group, ceil_div(shard.q_heads.end, group)};
  }
  shard.ff_columns = split.ff.elements(split.ff_runs[r]);
  shard.vocab_rows = split.vocab.rows(rank);
  for (int64_t kv = shard.kv_heads.begin; kv < shard.kv_heads.end; ++kv) {
    const int64_t begin = std::max(kv * group, shard.q_heads.begin);
    const int64_t end = std::min((kv + 1) * group, shard.q_heads.end);
    shard.segments.push_back({kv - shard.kv_heads.begin, begin - shard.q_heads.begin, end - begin});
  }
  shard.weight_bytes =
      dtype_bytes(weight) * shard_elements(spec, shard.q_heads.size(), shard.kv_heads.size(),
                                           shard.ff_columns.size(), shard.vocab_rows.size());
  shard.kv_bytes_per_token =
      2 * spec.layers * shard.kv_heads.size() * cache_bytes(cache, spec.head_dim);
  return shard;
}

int64_t parameter_count(const ModelSpec& spec) {
  return shard_elements(spec, spec.q_heads, spec.kv_heads, spec.ff, spec.vocab);
}

}  // namespace tandem
