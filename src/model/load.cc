#include "model/load.h"

namespace tandem {
namespace {

using enum WeightRole;

Range scaled(Range range, int64_t factor, int64_t offset = 0) {
  return {range.begin * factor + offset, range.end * factor + offset};
}

/// Rows of a column-parallel weight, with the same part of its bias.
void add_rows(const LoadContext& c, WeightRole role, int64_t layer, Range rows,
              LinearSource& source) {
  source.weight.push_back(c.weights.slice(role, layer, rows, {0, c.spec.hidden}));
  if (c.spec.has_bias(role)) source.bias.push_back(c.weights.bias(role, layer, rows));
}

LinearSource column_source(const LoadContext& c) {
  LinearSource source;
  source.compute = c.compute;
  source.units = {c.spec.hidden};
  return source;
}

LinearSource qkv_source(const LoadContext& c, int64_t layer) {
  LinearSource source = column_source(c);
  const Range q = scaled(c.shard.q_heads, c.spec.head_dim);
  const Range kv = scaled(c.shard.kv_heads, c.spec.head_dim);
  if (c.spec.has(kFusedQkv)) {  // three parts in one tensor, each cut by heads
    const int64_t q_rows = c.spec.q_heads * c.spec.head_dim;
    const int64_t kv_rows = c.spec.kv_heads * c.spec.head_dim;
    add_rows(c, kFusedQkv, layer, q, source);
    add_rows(c, kFusedQkv, layer, {kv.begin + q_rows, kv.end + q_rows}, source);
    add_rows(c, kFusedQkv, layer, {kv.begin + q_rows + kv_rows, kv.end + q_rows + kv_rows}, source);
  } else {
    add_rows(c, kQuery, layer, q, source);
    add_rows(c, kKey, layer, kv, source);
    add_rows(c, kValue, layer, kv, source);
  }
  return source;
}

/// Columns of a row-parallel weight: the elements of units `run`, one leaf of the tree each.
LinearSource row_source(const LoadContext& c, WeightRole role, int64_t layer, const Units& units,
                        Range run) {
  LinearSource source;
  source.compute = c.compute;
  source.weight.push_back(c.weights.slice(role, layer, {0, c.spec.hidden}, units.elements(run)));
  for (int64_t u = run.begin; u < run.end; ++u)
    source.units.push_back(units.elements({u, u + 1}).size());
  source.tree = local_tree(units.count(), run);
  return source;
}

std::unique_ptr<PackedVector> load_bias(const LoadContext& c, WeightRole role, int64_t layer) {
  if (!c.spec.has_bias(role)) return nullptr;
  return c.parallel.backend->pack_vector(c.weights.bias(role, layer, {0, c.spec.hidden}));
}

std::unique_ptr<RowParallelLinear> load_row_parallel(const LoadContext& c, WeightRole role,
                                                     int64_t layer) {
  const bool attention = role == kAttentionOut;
  const Units units =
      attention ? Units{c.spec.q_heads * c.spec.head_dim, c.spec.head_dim} : c.split.ff;
  const std::vector<Range>& runs = attention ? c.split.heads : c.split.ff_runs;
  const LinearSource source =
      row_source(c, role, layer, units, runs[static_cast<size_t>(c.parallel.rank)]);
  auto linear = std::make_unique<RowParallelLinear>(
      c.parallel, source, RowParallelLinear::Layout{units.count(), runs, c.spec.hidden});
  c.weights.release(role, layer);
  return linear;
}

}  // namespace

std::unique_ptr<PackedVector> load_norm(const LoadContext& c, WeightRole role, int64_t layer) {
  if (!c.spec.has(role)) return nullptr;
  return c.parallel.backend->pack_vector(c.weights.vector(role, layer));
}

std::shared_ptr<PackedLinear> load_vocabulary(const LoadContext& c, WeightRole role) {
  LinearSource source = column_source(c);
  source.weight.push_back(c.weights.slice(role, 0, c.shard.vocab_rows, {0, c.spec.hidden}));
  auto packed = pack_vocabulary(*c.parallel.backend, source);
  c.weights.release(role, 0);
  return packed;
}

DecoderBlock::Parts load_block(const LoadContext& c, int64_t layer) {
  DecoderBlock::Parts parts;
  parts.layer = layer;
  parts.eps = static_cast<float>(c.spec.norm_eps);
  parts.attention = {c.shard.q_heads.size(), c.shard.kv_heads.size(), c.spec.head_dim,
                     c.spec.window[static_cast<size_t>(layer)], c.shard.segments};
  parts.attention_norm = load_norm(c, kAttentionNorm, layer);
  parts.mlp_norm = load_norm(c, kMlpNorm, layer);
  parts.q_norm = load_norm(c, kQueryNorm, layer);
  parts.k_norm = load_norm(c, kKeyNorm, layer);
  parts.attention_bias = load_bias(c, kAttentionOut, layer);
  parts.mlp_bias = load_bias(c, kDown, layer);
  parts.qkv = std::make_unique<QKVColumnParallelLinear>(c.parallel, qkv_source(c, layer));
  for (WeightRole role : {kFusedQkv, kQuery, kKey, kValue}) {
    if (c.spec.has(role)) c.weights.release(role, layer);
  }
  parts.attention_out = load_row_parallel(c, kAttentionOut, layer);
  LinearSource gate_up = column_source(c);
  gate_up.gate_up = true;
  add_rows(c, kGate, layer, c.shard.ff_columns, gate_up);
  add_rows(c, kUp, layer, c.shard.ff_columns, gate_up);
  parts.gate_up = std::make_unique<ColumnParallelLinear>(c.parallel, gate_up);
  c.weights.release(kGate, layer);
  c.weights.release(kUp, layer);
  parts.down = load_row_parallel(c, kDown, layer);
  return parts;
}

}  // namespace tandem
