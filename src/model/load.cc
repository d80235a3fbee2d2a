#include "model/load.h"

#include "base/check.h"

namespace tandem {
namespace {

using enum WeightRole;

Range scaled(Range range, int64_t factor, int64_t offset = 0) {
  return {range.begin * factor + offset, range.end * factor + offset};
}

const WeightRule& rule_of(const LoadContext& c, WeightRole role) {
  const WeightRule* rule = c.spec.rule(role);
  TANDEM_CHECK(rule != nullptr);
  return *rule;
}

/// Columns of a row-parallel weight: the elements of units `run`, one leaf of the tree each.
LinearSource row_source(const LoadContext& c, const WeightRule& rule, int64_t layer,
                        const DimSplit& split) {
  const Range run = split.runs[static_cast<size_t>(c.parallel.rank)];
  LinearSource source;
  source.compute = c.compute;
  source.quantize = c.quantize;
  const int64_t outputs = dim_size(c.spec, sides_of(rule).out);
  source.weight.push_back(c.weights.slice(rule, layer, {0, outputs}, split.units.elements(run)));
  for (int64_t u = run.begin; u < run.end; ++u)
    source.units.push_back(split.units.elements({u, u + 1}).size());
  source.tree = local_tree(split.units.count(), run);
  return source;
}

std::unique_ptr<PackedVector> load_bias(const LoadContext& c, WeightRole role, int64_t layer) {
  return c.spec.has(role) ? load_bias(c, rule_of(c, role), layer) : nullptr;
}

std::unique_ptr<RowParallelLinear> load_row_parallel(const LoadContext& c, WeightRole role,
                                                     int64_t layer) {
  return load_row_parallel(c, rule_of(c, role), layer);
}

/// The block of LLaMA and Qwen.
DecoderBlock::Parts decoder_parts(const LoadContext& c, int64_t layer) {
  DecoderBlock::Parts parts;
  parts.layer = layer;
  parts.eps = static_cast<float>(c.spec.norm_eps);
  parts.attention = attention_shape(c, layer);
  parts.attention_norm = load_vector(c, kAttentionNorm, layer);
  parts.mlp_norm = load_vector(c, kMlpNorm, layer);
  parts.q_norm = load_vector(c, kQueryNorm, layer);
  parts.k_norm = load_vector(c, kKeyNorm, layer);
  parts.attention_bias = load_bias(c, kAttentionOut, layer);
  parts.mlp_bias = load_bias(c, kDown, layer);
  QkvRules qkv{c.spec.rule(kFusedQkv), nullptr, nullptr};
  if (qkv.q == nullptr) qkv = {&rule_of(c, kQuery), &rule_of(c, kKey), &rule_of(c, kValue)};
  parts.qkv = std::make_unique<QKVColumnParallelLinear>(c.parallel, qkv_source(c, qkv, layer));
  for (const WeightRule* rule : {qkv.q, qkv.k, qkv.v}) {
    if (rule != nullptr) c.weights.release(*rule, layer);
  }
  parts.attention_out = load_row_parallel(c, kAttentionOut, layer);
  LinearSource gate_up = column_source(c, c.spec.hidden);
  gate_up.gate_up = true;
  add_rows(c, rule_of(c, kGate), layer, c.shard.ff_columns, gate_up);
  add_rows(c, rule_of(c, kUp), layer, c.shard.ff_columns, gate_up);
  parts.gate_up = std::make_unique<ColumnParallelLinear>(c.parallel, gate_up);
  c.weights.release(rule_of(c, kGate), layer);
  c.weights.release(rule_of(c, kUp), layer);
  parts.down = load_row_parallel(c, kDown, layer);
  return parts;
}

}  // namespace

AttentionShape attention_shape(const LoadContext& c, int64_t layer) {
  return {c.shard.q_heads.size(), c.shard.kv_heads.size(), c.spec.head_dim,
          c.spec.window[static_cast<size_t>(layer)], c.shard.segments};
}

void add_rows(const LoadContext& c, const WeightRule& rule, int64_t layer, Range rows,
              LinearSource& source) {
  const int64_t inputs = dim_size(c.spec, sides_of(rule).in);
  source.weight.push_back(c.weights.slice(rule, layer, rows, {0, inputs}));
  if (rule.bias) source.bias.push_back(c.weights.bias(rule, layer, rows));
}

LinearSource column_source(const LoadContext& c, int64_t inputs) {
  LinearSource source;
  source.compute = c.compute;
  source.quantize = c.quantize;
  source.units = {inputs};
  return source;
}

LinearSource qkv_source(const LoadContext& c, const QkvRules& rules, int64_t layer) {
  LinearSource source = column_source(c, c.spec.hidden);
  const Range q = scaled(c.shard.q_heads, c.spec.head_dim);
  const Range kv = scaled(c.shard.kv_heads, c.spec.head_dim);
  add_rows(c, *rules.q, layer, q, source);
  if (rules.k == nullptr) {  // three parts in one tensor, each cut by heads
    const int64_t q_rows = c.spec.q_heads * c.spec.head_dim;
    const int64_t kv_rows = c.spec.kv_heads * c.spec.head_dim;
    add_rows(c, *rules.q, layer, {kv.begin + q_rows, kv.end + q_rows}, source);
    add_rows(c, *rules.q, layer, {kv.begin + q_rows + kv_rows, kv.end + q_rows + kv_rows}, source);
  } else {
    add_rows(c, *rules.k, layer, kv, source);
    add_rows(c, *rules.v, layer, kv, source);
  }
  return source;
}

std::unique_ptr<PackedVector> load_bias(const LoadContext& c, const WeightRule& rule,
                                        int64_t layer) {
  if (!rule.bias) return nullptr;
  return c.parallel.backend->pack_vector(
      c.weights.bias(rule, layer, {0, dim_size(c.spec, sides_of(rule).out)}));
}

std::unique_ptr<RowParallelLinear> load_row_parallel(const LoadContext& c, const WeightRule& rule,
                                                     int64_t layer) {
  const DimSplit split = dim_split(c.spec, c.split, sides_of(rule).in);
  auto linear = std::make_unique<RowParallelLinear>(
      c.parallel, row_source(c, rule, layer, split),
      RowParallelLinear::Layout{split.units.count(), split.runs,
                                dim_size(c.spec, sides_of(rule).out)});
  c.weights.release(rule, layer);
  return linear;
}

std::unique_ptr<PackedVector> load_vector(const LoadContext& c, WeightRole role, int64_t layer) {
  const WeightRule* rule = c.spec.rule(role);
  if (rule == nullptr) return nullptr;
  return c.parallel.backend->pack_vector(
      c.weights.vector(*rule, layer, {0, dim_size(c.spec, sides_of(*rule).out)}));
}

std::shared_ptr<PackedLinear> load_vocabulary(const LoadContext& c, WeightRole role) {
  LinearSource source = column_source(c, c.spec.hidden);
  source.quantize = vocabulary_form(c.quantize);
  const WeightRule& rule = rule_of(c, role);
  source.weight.push_back(c.weights.slice(rule, 0, c.shard.vocab_rows, {0, c.spec.hidden}));
  auto packed = pack_vocabulary(*c.parallel.backend, source);
  c.weights.release(rule, 0);
  return packed;
}

std::unique_ptr<Block> load_block(const LoadContext& c, int64_t layer) {
  return std::make_unique<DecoderBlock>(decoder_parts(c, layer));
}

}  // namespace tandem
