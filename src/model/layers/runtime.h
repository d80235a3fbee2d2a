// What the layers of include/tandem/layers.h share on one rank: the memory of tensors, and the
// forward pass that is running.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string_view>

#include "model/load.h"
#include "tandem/layers.h"

namespace tandem::layers {

class Runtime;

/// What a Tensor points at.
struct TensorState {
  Runtime* runtime = nullptr;
  Matrix matrix;  ///< rows of this step; padded with zeros to whole steps
  Dim dim = Dim::kHidden;
  bool sharded = false;
  mutable const Matrix* rounded = nullptr;  ///< the same in the activation type, once made
};

/// Hands out tensors in order, the same ones again for every block: after the first step of a size,
/// a forward pass allocates nothing.
class Runtime {
 public:
  Runtime(Backend& backend, DType compute, int64_t max_rows)
      : backend_(backend), compute_(compute), max_rows_(max_rows) {}

  /// A block begins: all tensors are free. `residual` is the first one.
  Tensor begin(const BlockContext& context, const Matrix& residual);
  /// A new tensor of the step's rows.
  Tensor make(Dim dim, bool sharded, int64_t columns);
  /// A matrix of another type for what lies between two ops of a layer.
  const Matrix& scratch(DType type, int64_t columns);
  /// x in the activation type as a linear reads it.
  const Matrix& rounded(const Tensor& x);

  Backend& backend() const { return backend_; }
  DType compute() const { return compute_; }
  const BlockContext& context() const { return context_; }

 private:
  struct Slot {
    std::unique_ptr<Buffer> buffer;
    Matrix matrix;
    TensorState state;
  };
  Slot& take(DType type, int64_t columns);

  Backend& backend_;
  DType compute_;
  int64_t max_rows_;
  int64_t rows_ = 0;
  BlockContext context_;
  TensorState residual_;
  std::deque<Slot> slots_;
  size_t used_ = 0;
};

/// What a Context points at.
struct Loader {
  const LoadContext& load;
  Runtime& runtime;
  int64_t layer = 0;
  bool attention = false;  ///< made already
  std::set<const WeightRule*> taken = {};

  /// The rule of a weight by its name, which a layer now uses. Throws Error(kBadInput) when there
  /// is none.
  const WeightRule& take(const std::string& name);
  int64_t rank() const { return load.parallel.rank; }
  /// Elements of a dimension that this rank has.
  Range held(Dim dim) const;
};

/// The library's way into the public classes.
struct Access {
  static const TensorState& state(const Tensor& t);
  static Tensor tensor(const TensorState& state) {
    Tensor t;
    t.state_ = &state;
    return t;
  }
  static Context context(Loader& loader) { return Context(loader); }
  static Loader& loader(Context& context) { return *context.loader_; }
  static const Vector::Impl& vector(const Vector& v) { return *v.impl_; }
};

/// Refuses a tensor that a layer cannot take.
void expect(const Tensor& t, Dim dim, bool sharded, std::string_view layer);

}  // namespace tandem::layers
