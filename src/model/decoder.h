// One rank's part of a decoder-only model: weights, cache, buffers, and the forward pass over a
// step plan.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "model/shard.h"
#include "model/weights.h"
#include "nn/block.h"
#include "step/plan.h"

namespace tandem {

struct DecoderOptions {
  DType compute = DType::kBF16;  ///< activations; weights as LinearSource::compute says
  DType cache = DType::kBF16;
  WeightFormat quantize = WeightFormat::kFloat;  ///< floating point linears, when packed
  int64_t blocks = 0;                            ///< KV pages
  int64_t max_rows = 0;                          ///< rows of a step
  int64_t max_logit_rows = 0;                    ///< rows whose logits are gathered at a time
};

class Decoder {
 public:
  /// Packs this rank's slices, in the order of the files' layers, dropping source pages as it goes.
  /// `loaded` (fraction 0..1) may be empty; it may throw to stop.
  Decoder(const ModelSpec& spec, const ModelSplit& split, const ModelWeights& weights,
          const ParallelContext& context, const DecoderOptions& options,
          const std::function<void(double)>& loaded);
  ~Decoder();

  /// Called on every rank after each group of logits rows: `first` is the index in plan.logit_rows
  /// of head row 0.
  using LogitSink = std::function<void(int64_t first, int64_t rows, const ParallelHead& head)>;
  /// All ranks together. With plan.verify, `hashes` gets the residual's hash after the embedding
  /// and after each layer, and `finite` (rank 0) whether the last row is finite there.
  void forward(const StepPlan& plan, const LogitSink& sink);
  const std::vector<uint64_t>& hashes() const;
  const std::vector<bool>& finite() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem
