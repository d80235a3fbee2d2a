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

/// Units of what is reduced over, gathered or scattered.
Units dim_units(const ModelSpec& spec, Dim dim) {
  if (dim == Dim::kQueryHeads) return {spec.q_heads * spec.head_dim, spec.head_dim};
  if (dim == Dim::kFeedForward) return feed_forward_units(spec.ff);
  TANDEM_CHECK(dim == Dim::kHidden);
  return feed_forward_units(spec.hidden);
}

/// Which elements of a weight a rank has, by the units of its input side.
struct HeldWeight {
  int64_t out = 1;
  Units in_units;
  Range in_run;  ///< units
  int64_t elements() const { return out * in_units.elements(in_run).size(); }
};

HeldWeight held_weight(const ModelSpec& spec, const ModelSplit& split, const Shard& shard,
                       const WeightRule& rule) {
  const Sides sides = sides_of(rule);
  const Split how = split_of(rule);
  HeldWeight weight;
  weight.out =
      how == Split::kOutFeatures ? held(spec, shard, sides.out) : dim_size(spec, sides.out);
  weight.in_units = input_units(spec, rule);
  weight.in_run = how == Split::kInFeatures
                      ? dim_split(spec, split, sides.in).runs[static_cast<size_t>(shard.rank)]
                      : Range{0, 1};
  return weight;
}

int64_t bytes_of(const HeldWeight& weight, WeightFormat format, DType type) {
  if (!is_quantized(format)) return weight.elements() * dtype_bytes(type);
  int64_t groups = 0;
  for (int64_t u = weight.in_run.begin; u < weight.in_run.end; ++u)
    groups += ceil_div(weight.in_units.elements({u, u + 1}).size(), kQuantGroup);
  return weight.out * groups * group_bytes(format);
}

/// The form that a weight is packed in: those that are multiplied in one pass share one.
WeightFormat packed_form(const ModelSpec& spec, const WeightForms& forms, const WeightRule& rule,
                         int64_t layer) {
  using enum WeightRole;
  WeightFormat form = forms.of(rule, layer);
  const bool qkv = rule.role == kQuery || rule.role == kKey || rule.role == kValue;
  const bool gate_up = rule.role == kGate || rule.role == kUp;
  for (const WeightRole role : {kQuery, kKey, kValue, kGate, kUp}) {
    const bool together = role == kGate || role == kUp ? gate_up : qkv;
    const WeightRule* other = together ? spec.rule(role) : nullptr;
    if (other != nullptr && is_quantized(form)) form = common_format(form, forms.of(*other, layer));
  }
  return form;
}

/// Bytes of the weights (biases included) of a rank as they are kept.
int64_t shard_bytes(const ModelSpec& spec, const ModelSplit& split, const Shard& shard,
                    const WeightForms& forms) {
  int64_t bytes = 0;
  for (const WeightRule& rule : spec.weights) {
    const HeldWeight weight = held_weight(spec, split, shard, rule);
    const int64_t layers = per_layer(rule.name) ? spec.layers : 1;
    for (int64_t layer = 0; layer < layers; ++layer)
      bytes += bytes_of(weight, packed_form(spec, forms, rule, layer), forms.type);
    if (rule.bias) bytes += layers * weight.out * dtype_bytes(forms.type);
  }
  return bytes;
}

bool of_the_vocabulary(const WeightRule& rule) {
  return rule.role == WeightRole::kEmbedding || rule.role == WeightRole::kHead;
}

}  // namespace

WeightFormat WeightForms::of(const WeightRule& rule, int64_t layer) const {
  const auto found = stored.find({&rule, layer});
  if (found != stored.end()) return found->second;
  if (sides_of(rule).in == Dim::kNone) return WeightFormat::kFloat;  // a vector
  return of_the_vocabulary(rule) ? vocabulary_form(quantize) : quantize;
}

std::string_view WeightForms::name() const {
  if (stored.empty()) return format_name(quantize);
  WeightFormat blocks = WeightFormat::kFloat;
  for (const auto& [weight, format] : stored) {
    if (of_the_vocabulary(*weight.first)) continue;
    if (is_quantized(blocks) && format != blocks) return "mixed";
    blocks = format;
  }
  return format_name(is_quantized(blocks) ? blocks : stored.begin()->second);
}

Units input_units(const ModelSpec& spec, const WeightRule& rule) {
  const Dim in = sides_of(rule).in;
  if (split_of(rule) == Split::kInFeatures) return dim_units(spec, in);
  const int64_t size = dim_size(spec, in);
  return {size, size};
}

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
  const std::vector<Range>& runs = dim == Dim::kQueryHeads    ? split.heads
                                   : dim == Dim::kFeedForward ? split.ff_runs
                                                              : split.hidden_runs;
  return {dim_units(spec, dim), runs};
}

Shard shard_of(const ModelSpec& spec, const ModelSplit& split, int rank, const WeightForms& forms,
               DType cache) {
  const auto r = static_cast<size_t>(rank);
  const int64_t group = spec.q_heads / spec.kv_heads;
  Shard shard;
  shard.rank = rank;
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
  shard.weight_bytes = shard_bytes(spec, split, shard, forms);
  shard.kv_bytes_per_token =
      2 * spec.layers * shard.kv_heads.size() * cache_bytes(cache, spec.head_dim);
  return shard;
}

int64_t parameter_count(const ModelSpec& spec) {
  int64_t count = 0;
  for (const WeightRule& rule : spec.weights) {
    const Sides sides = sides_of(rule);
    const int64_t out = dim_size(spec, sides.out);
    const int64_t one = out * dim_size(spec, sides.in) + (rule.bias ? out : 0);
    count += one * (per_layer(rule.name) ? spec.layers : 1);
  }
  return count;
}

}  // namespace tandem
