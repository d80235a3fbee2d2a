// Cutting one rank's slices out of a checkpoint and packing them.
#pragma once

#include <memory>

#include "model/shard.h"
#include "model/weights.h"
#include "nn/block.h"

namespace tandem {

struct LoadContext {
  const ModelSpec& spec;
  const ModelSplit& split;
  const Shard& shard;
  const ModelWeights& weights;
  const ParallelContext& parallel;
  DType compute;
  WeightFormat quantize;  ///< of floating point linears; embedding and head: int8
};

std::unique_ptr<Block> load_block(const LoadContext& context, int64_t layer);
/// This rank's rows of the embedding or of the head; nullptr when it has none.
std::shared_ptr<PackedLinear> load_vocabulary(const LoadContext& context, WeightRole role);
/// All of a vector; nullptr when the model has none of this role.
std::unique_ptr<PackedVector> load_vector(const LoadContext& context, WeightRole role,
                                          int64_t layer);
/// The bias of a row-parallel weight or of a norm, whole; nullptr without one.
std::unique_ptr<PackedVector> load_bias(const LoadContext& context, const WeightRule& rule,
                                        int64_t layer);

// What the parts are made of; model/layers/ makes a family's own layers of the same.
/// This rank's heads in one layer.
AttentionShape attention_shape(const LoadContext& context, int64_t layer);
/// A column-parallel source without rows.
LinearSource column_source(const LoadContext& context, int64_t inputs);
/// Adds rows of a weight, with the same part of its bias.
void add_rows(const LoadContext& context, const WeightRule& rule, int64_t layer, Range rows,
              LinearSource& source);
/// q, k and v of this rank's heads, of three weights or of a fused one (k and v: nullptr).
struct QkvRules {
  const WeightRule* q = nullptr;
  const WeightRule* k = nullptr;
  const WeightRule* v = nullptr;
};
LinearSource qkv_source(const LoadContext& context, const QkvRules& rules, int64_t layer);
/// Without its bias, which is added after the reduce (load_bias).
std::unique_ptr<RowParallelLinear> load_row_parallel(const LoadContext& context,
                                                     const WeightRule& rule, int64_t layer);

}  // namespace tandem
