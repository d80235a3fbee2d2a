#include "model/shard.h"

#include <algorithm>

#include "base/arithmetic.h"
#include "base/check.h"

namespace tandem {
namespace {

/// Elements of a dimension that a rank has of a weight which is split along it.
int64_t held(const ModelSpec& spec, const Shard& shard, Dim dim) {
  const int64_t q = shard.q_heads.size() * spec.head_dim;
  const int64_t kv = shard.kv_heads.size() * spec.head_dim;
  switch (dim) {
    case Dim::kHidden:
      return shard.hidden_columns.size();
    case Dim::kQueryHeads:
      return q;
    case Dim::kKeyValueHeads:
      return kv;
    case Dim::kQkv:
      return q + 2 * kv;
    case Dim::kFeedForward:
      return shard.ff_columns.size();
    case Dim::kVocabulary:
      return shard.vocab_rows.size();
    default:
      return dim_size(spec, dim);
  }
}

/// Elements of the weights (biases included) of a rank.
int64_t shard_elements(const ModelSpec& spec, const Shard& shard) {
  int64_t elements = 0;
  for (const WeightRule& rule : spec.weights) {
    const Sides sides = sides_of(rule);
    const Split split = split_of(rule);
    const int64_t out =
        split == Split::kOutFeatures ? held(spec, shard, sides.out) : dim_size(spec, sides.out);
    const int64_t in =
        split == Split::kInFeatures ? held(spec, shard, sides.in) : dim_size(spec, sides.in);
    elements += (out * in + (rule.bias ? out : 0)) * (per_layer(rule.name) ? spec.layers : 1);
  }
  return elements;
}

}  // namespace

ModelSplit split_model(const ModelSpec& spec, int ranks) {
  ModelSplit split;
  split.ranks = ranks;
  split.heads = partition(spec.q_heads, ranks);
  split.ff = feed_forward_units(spec.ff);
  split.ff_runs = partition(split.ff.count(), ranks);
  split.hidden = feed_forward_units(spec.hidden);
  split.hidden_runs = partition(split.hidden.count(), ranks);
  split.vocab.units = vocabulary_units(spec.vocab);
  split.vocab.runs = partition(split.vocab.units.count(), ranks);
  return split;
}

DimSplit dim_split(const ModelSpec& spec, const ModelSplit& split, Dim dim) {
  if (dim == Dim::kQueryHeads) return {{spec.q_heads * spec.head_dim, spec.head_dim}, split.heads};
  if (dim == Dim::kFeedForward) return {split.ff, split.ff_runs};
  TANDEM_CHECK(dim == Dim::kHidden);
  return {split.hidden, split.hidden_runs};
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
  shard.hidden_columns = split.hidden.elements(split.hidden_runs[r]);
  for (int64_t kv = shard.kv_heads.begin; kv < shard.kv_heads.end; ++kv) {
    const int64_t begin = std::max(kv * group, shard.q_heads.begin);
    const int64_t end = std::min((kv + 1) * group, shard.q_heads.end);
    shard.segments.push_back({kv - shard.kv_heads.begin, begin - shard.q_heads.begin, end - begin});
  }
  shard.weight_bytes = dtype_bytes(weight) * shard_elements(spec, shard);
  shard.kv_bytes_per_token =
      2 * spec.layers * shard.kv_heads.size() * cache_bytes(cache, spec.head_dim);
  return shard;
}

int64_t parameter_count(const ModelSpec& spec) {
  Shard whole;
  whole.q_heads = {0, spec.q_heads};
  whole.kv_heads = {0, spec.kv_heads};
  whole.ff_columns = {0, spec.ff};
  whole.vocab_rows = {0, spec.vocab};
  whole.hidden_columns = {0, spec.hidden};
  return shard_elements(spec, whole);
}

}  // namespace tandem
