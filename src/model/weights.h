// Strict binding of a checkpoint's tensors to a model: every tensor is known, every weight is
// there, every shape is right.
#pragma once

#include <map>
#include <string>
#include <tuple>

#include "checkpoint/tensor_store.h"
#include "model/shard.h"

namespace tandem {

/// Every tensor that the model needs, with its name in the checkpoint, in the order of the rules.
std::vector<NamedShape> expected_tensors(const ModelSpec& spec);

class ModelWeights {
 public:
  /// Walks all tensors once. Throws Error naming the tensor: unexpected, missing, wrong shape (both
  /// printed), wrong type.
  ModelWeights(const ModelSpec& spec, const TensorStore& store);

  /// The stored type of most weights: what --dtype auto means.
  DType stored_dtype() const;

  /// How the weights are kept when packed: those in floating point as `compute` says
  /// (LinearSource::compute) or quantized.
  WeightForms forms(DType compute, WeightFormat quantize) const;

  /// Rows [rows) and columns [cols) of a weight. The rule is one of the spec's.
  WeightRows slice(const WeightRule& rule, int64_t layer, Range rows, Range cols) const;
  /// Elements [range) of a vector: a norm ...
  WeightRows vector(const WeightRule& rule, int64_t layer, Range range) const;
  /// Elements [range) of a bias.
  WeightRows bias(const WeightRule& rule, int64_t layer, Range range) const;
  /// Drops the pages of a weight after it was packed.
  void release(const WeightRule& rule, int64_t layer) const;

 private:
  const StoredTensor& tensor(const WeightRule& rule, int64_t layer, bool bias) const;
  void bind(const WeightRule& rule, int64_t layer, bool bias);

  const ModelSpec& spec_;
  const TensorStore& store_;
  std::map<std::tuple<const WeightRule*, int64_t, bool>, const StoredTensor*> bound_;
};

}  // namespace tandem
