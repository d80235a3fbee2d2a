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
};

DecoderBlock::Parts load_block(const LoadContext& context, int64_t layer);
/// This rank's rows of the embedding or of the head; nullptr when it has none.
std::shared_ptr<PackedLinear> load_vocabulary(const LoadContext& context, WeightRole role);
std::unique_ptr<PackedVector> load_norm(const LoadContext& context, WeightRole role, int64_t layer);

}  // namespace tandem
