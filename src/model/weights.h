// Strict binding of a checkpoint's tensors to a model: every tensor is known, every weight is
// there, every shape is right.
#pragma once

#include <map>
#include <string>
#include <tuple>

#include "checkpoint/quantization_config.h"
#include "checkpoint/tensor_store.h"
#include "model/shard.h"

namespace tandem {

/// Every tensor that the model needs, with its name in the checkpoint, in the order of the rules.
std::vector<NamedShape> expected_tensors(const ModelSpec& spec);

class ModelWeights {
 public:
  /// Walks all tensors once. Throws Error naming the tensor: unexpected, missing, wrong shape (both
  /// printed), wrong type. With `quantization` a matrix may be stored as codes, scales and minima.
  ModelWeights(const ModelSpec& spec, const TensorStore& store,
               std::optional<StoredQuantization> quantization = {});

  /// The stored type of most weights (of quantized ones: before they were): what --dtype auto
  /// means.
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
  /// The tensor of a weight that is stored in floating point; its bias with `bias`.
  const StoredTensor& tensor(const WeightRule& rule, int64_t layer, bool bias) const;

 private:
  /// A weight as it is stored.
  struct Bound {
    const StoredTensor* data = nullptr;
    const StoredTensor* scale = nullptr;  ///< of a quantized one
    const StoredTensor* min = nullptr;
    WeightFormat format = WeightFormat::kFloat;
  };
  const Bound& bound(const WeightRule& rule, int64_t layer, bool bias) const;
  void bind(const WeightRule& rule, int64_t layer, bool bias);
  Bound bind_quantized(const WeightRule& rule, const std::string& name) const;
  void check_shape(const StoredTensor& stored, const std::vector<int64_t>& expected) const;
  void check_stacks() const;

  const ModelSpec& spec_;
  const TensorStore& store_;
  std::optional<StoredQuantization> quantization_;
  std::map<std::tuple<const WeightRule*, int64_t, bool>, Bound> bound_;
};

}  // namespace tandem
