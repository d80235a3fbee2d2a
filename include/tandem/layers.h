// Layers for the block function of a model family. A block is written as if there were one rank:
// each layer knows what its weight's rule says about ranks (model.h), and what a tensor is across
// ranks travels with it. docs/add-a-model.md has the whole way, examples/custom_model a block.
//
// All values between layers are float32; a linear rounds its input to --dtype, once. Layers are
// made in the block's constructor, by the names of their weights in ModelSpec::weights; a wrong
// name or a tensor that does not fit is an Error(kBadInput) that says so.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tandem/model.h"

namespace tandem::layers {

struct Access;  // the library's own way in
struct TensorState;
struct Loader;

/// Rows of values, one row per token of the step. A cheap handle: valid until the block's forward()
/// returns, when its memory serves the next layer.
class Tensor {
 public:
  Tensor() = default;
  int64_t rows() const;
  int64_t columns() const;  ///< that this rank has; 0 on a rank without a part
  Dim dim() const;          ///< what the columns are
  bool sharded() const;     ///< each rank has its part of them; else all have all, equal

 private:
  friend struct Access;
  const TensorState* state_ = nullptr;
};

/// What the layers of one block are made from.
class Context {
 public:
  const ModelSpec& spec() const;
  int64_t layer() const;

 private:
  friend struct Access;
  explicit Context(Loader& loader) : loader_(&loader) {}
  Loader* loader_;
};

/// One layer of a model, written by a family. Made once per layer on each rank.
class Block {
 public:
  virtual ~Block() = default;
  /// From the residual stream (float32, hidden) before the block to the one behind it. Every rank
  /// runs all of it, also one without heads or columns: its tensors are empty there.
  virtual Tensor forward(const Tensor& residual) = 0;
};

/// Split by output features: takes what every rank has whole, gives each rank its part of the
/// outputs; nobody talks. With the rule's gather_output every rank gets all outputs, at the price
/// of one more meeting of the ranks. A rule without a split dimension makes a linear that every
/// rank computes whole.
class ColumnParallelLinear {
 public:
  ColumnParallelLinear(Context& context, const std::string& weight);
  ~ColumnParallelLinear();
  Tensor operator()(const Tensor& in) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// q, k and v in one product, each split by its heads: a rank takes the key/value heads that its
/// query heads need, so that one may be held twice.
class QKVColumnParallelLinear {
 public:
  QKVColumnParallelLinear(Context& context, const std::string& q, const std::string& k,
                          const std::string& v);
  /// Of one fused weight, q over k over v (Dim::kQkv).
  QKVColumnParallelLinear(Context& context, const std::string& fused);
  ~QKVColumnParallelLinear();
  Tensor operator()(const Tensor& in) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Split by input features: takes each rank's part of the inputs, adds the ranks' partial sums (one
/// meeting) and then the bias, gives every rank the same whole outputs. With the rule's
/// scatter_input it takes an input that every rank has whole, and each uses its part.
class RowParallelLinear {
 public:
  RowParallelLinear(Context& context, const std::string& weight);
  ~RowParallelLinear();
  Tensor operator()(const Tensor& in) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A learned vector: the same on all ranks, or each rank's part, as its rule's `out` says.
class Vector {
 public:
  Vector(Context& context, const std::string& weight);
  ~Vector();

 private:
  friend struct Access;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// x / sqrt(mean(x^2) + norm_eps) * weight, over a whole row of what every rank has.
class RmsNorm {
 public:
  RmsNorm(Context& context, const std::string& weight);
  ~RmsNorm();
  Tensor operator()(const Tensor& x) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// (x - mean) / sqrt(variance + norm_eps) * weight + bias; the bias when the rule has one.
class LayerNorm {
 public:
  LayerNorm(Context& context, const std::string& weight);
  ~LayerNorm();
  Tensor operator()(const Tensor& x) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Rotary positions (ModelSpec::rope), then causal attention over the paged cache of keys and
/// values, in the window of this layer (ModelSpec::window). At most one in a block: the layer has
/// one cache.
class Attention {
 public:
  explicit Attention(Context& context);
  /// With an RMS norm on each head of q and of k before the rotation (Dim::kHeadDim).
  Attention(Context& context, const std::string& q_norm, const std::string& k_norm);
  ~Attention();
  /// From a QKVColumnParallelLinear's outputs to Dim::kQueryHeads of this rank.
  Tensor operator()(const Tensor& qkv) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Element by element. Two tensors must have the same columns on the same ranks.
Tensor add(const Tensor& a, const Tensor& b);
Tensor add(const Tensor& a, const Vector& b);  ///< to every row
Tensor mul(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Vector& b);  ///< every row
Tensor scale(const Tensor& x, float factor);
Tensor relu(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor silu(const Tensor& x);       ///< x * sigmoid(x)
Tensor gelu(const Tensor& x);       ///< with erf
Tensor gelu_tanh(const Tensor& x);  ///< its approximation with tanh

}  // namespace tandem::layers
