#include "model/layers/runtime.h"

#include "base/arithmetic.h"
#include "base/check.h"

namespace tandem::layers {

Tensor Runtime::begin(const BlockContext& context, const Matrix& residual) {
  context_ = context;
  rows_ = residual.rows;
  used_ = 0;
  residual_ = {this, residual, Dim::kHidden, false, nullptr};
  return Access::tensor(residual_);
}

Runtime::Slot& Runtime::take(DType type, int64_t columns) {
  if (used_ == slots_.size()) slots_.emplace_back();
  Slot& slot = slots_[used_++];
  const bool fits = slot.buffer != nullptr && slot.matrix.dtype == type &&
                    slot.matrix.cols == columns && slot.matrix.rows >= rows_;
  if (!fits) {
    const int64_t stride = round_up(std::max<int64_t>(columns, 1), kStep);
    const int64_t rows = std::max(rows_, max_rows_);
    slot.buffer = backend_.allocate(static_cast<size_t>(rows * stride * dtype_bytes(type)));
    slot.matrix = {slot.buffer.get(), 0, type, rows, columns, stride};
  }
  slot.state.matrix = slot.matrix.row_range(0, rows_);
  slot.state.rounded = nullptr;
  return slot;
}

Tensor Runtime::make(Dim dim, bool sharded, int64_t columns) {
  TensorState& state = take(DType::kF32, columns).state;
  state.runtime = this;
  state.dim = dim;
  state.sharded = sharded;
  return Access::tensor(state);
}

const Matrix& Runtime::scratch(DType type, int64_t columns) {
  return take(type, columns).state.matrix;
}

const Matrix& Runtime::rounded(const Tensor& x) {
  const TensorState& state = Access::state(x);
  if (compute_ == DType::kF32) return state.matrix;
  if (state.rounded == nullptr) {
    const Matrix& to = scratch(compute_, state.matrix.cols);
    if (to.cols > 0) {
      ElementwiseArgs copy;
      copy.a = state.matrix;
      copy.out = to;
      backend_.elementwise(copy);
    }
    state.rounded = &to;
  }
  return *state.rounded;
}

const WeightRule& Loader::take(const std::string& name) {
  for (const WeightRule& rule : load.spec.weights) {
    if (rule.name != name) continue;
    taken.insert(&rule);
    return rule;
  }
  bad_input("family {}: a layer asks for weight \"{}\", which is not in the spec's list of weights",
            load.spec.family, name);
}

Range Loader::held(Dim dim) const {
  const auto heads = [&](Range range) {
    return Range{range.begin * load.spec.head_dim, range.end * load.spec.head_dim};
  };
  switch (dim) {
    case Dim::kQueryHeads:
      return heads(load.shard.q_heads);
    case Dim::kKeyValueHeads:
      return heads(load.shard.kv_heads);
    case Dim::kFeedForward:
      return load.shard.ff_columns;
    case Dim::kHidden:
      return load.shard.hidden_columns;
    default:
      return {0, dim_size(load.spec, dim)};
  }
}

const TensorState& Access::state(const Tensor& t) {
  if (t.state_ == nullptr) bad_input("a layer was given a tensor that nothing made");
  return *t.state_;
}

int64_t Tensor::rows() const { return Access::state(*this).matrix.rows; }
int64_t Tensor::columns() const { return Access::state(*this).matrix.cols; }
Dim Tensor::dim() const { return Access::state(*this).dim; }
bool Tensor::sharded() const { return Access::state(*this).sharded; }

const ModelSpec& Context::spec() const { return loader_->load.spec; }
int64_t Context::layer() const { return loader_->layer; }

void expect(const Tensor& t, Dim dim, bool sharded, std::string_view layer) {
  if (t.dim() == dim && t.sharded() == sharded) return;
  const auto how = [](bool split) { return split ? "split over ranks" : "whole on every rank"; };
  bad_input("{} takes {}, {}; it was given {}, {}", layer, dim_name(dim), how(sharded),
            dim_name(t.dim()), how(t.sharded()));
}

}  // namespace tandem::layers
