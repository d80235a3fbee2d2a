// Norms, attention and what treats each element by itself.
#include <cmath>

#include "base/arithmetic.h"
#include "base/check.h"
#include "model/layers/runtime.h"

namespace tandem::layers {

struct Vector::Impl {
  Dim dim = Dim::kHidden;
  bool sharded = false;
  std::unique_ptr<PackedVector> values;
};

namespace {

std::unique_ptr<PackedVector> load(Loader& loader, const WeightRule& rule, Range range) {
  return loader.load.parallel.backend->pack_vector(
      loader.load.weights.vector(rule, loader.layer, range));
}

const WeightRule& vector_rule(Loader& loader, const std::string& name) {
  const WeightRule& rule = loader.take(name);
  if (sides_of(rule).in != Dim::kNone) {
    bad_input("family {}: weight {} is a matrix; this layer takes a vector",
              loader.load.spec.family, name);
  }
  return rule;
}

/// A norm's weight, whole on every rank, and its bias.
struct NormWeights {
  Runtime& runtime;
  std::string name;
  Dim dim = Dim::kHidden;
  float eps = 0;
  std::unique_ptr<PackedVector> weight, bias;
};

NormWeights load_norm(Context& context, const std::string& name) {
  Loader& loader = Access::loader(context);
  const WeightRule& rule = vector_rule(loader, name);
  const Dim dim = sides_of(rule).out;
  if (split_of(rule) != Split::kWhole) {
    bad_input("family {}: weight {}: a norm needs the whole row, and {} is split over ranks",
              loader.load.spec.family, name, dim_name(dim));
  }
  return {loader.runtime,
          name,
          dim,
          static_cast<float>(loader.load.spec.norm_eps),
          load(loader, rule, {0, dim_size(loader.load.spec, dim)}),
          load_bias(loader.load, rule, loader.layer)};
}

}  // namespace

Vector::Vector(Context& context, const std::string& weight) {
  Loader& loader = Access::loader(context);
  const WeightRule& rule = vector_rule(loader, weight);
  const Dim dim = sides_of(rule).out;
  const bool sharded = split_of(rule) == Split::kOutFeatures;
  const Range range = sharded ? loader.held(dim) : Range{0, dim_size(loader.load.spec, dim)};
  impl_ = std::make_unique<Impl>(Impl{dim, sharded, load(loader, rule, range)});
}
Vector::~Vector() = default;

struct RmsNorm::Impl {
  NormWeights w;
};
RmsNorm::RmsNorm(Context& context, const std::string& weight)
    : impl_(std::make_unique<Impl>(Impl{load_norm(context, weight)})) {}
RmsNorm::~RmsNorm() = default;

Tensor RmsNorm::operator()(const Tensor& x) const {
  const NormWeights& w = impl_->w;
  expect(x, w.dim, false, w.name);
  const Tensor out = w.runtime.make(w.dim, false, x.columns());
  RmsNormArgs args;
  args.residual = Access::state(x).matrix;
  args.weight = w.weight.get();
  args.eps = w.eps;
  args.out = Access::state(out).matrix;
  w.runtime.backend().rms_norm(args);
  return out;
}

struct LayerNorm::Impl {
  NormWeights w;
};
LayerNorm::LayerNorm(Context& context, const std::string& weight)
    : impl_(std::make_unique<Impl>(Impl{load_norm(context, weight)})) {}
LayerNorm::~LayerNorm() = default;

Tensor LayerNorm::operator()(const Tensor& x) const {
  const NormWeights& w = impl_->w;
  expect(x, w.dim, false, w.name);
  const Tensor out = w.runtime.make(w.dim, false, x.columns());
  w.runtime.backend().layer_norm(
      {Access::state(x).matrix, w.weight.get(), w.bias.get(), w.eps, Access::state(out).matrix});
  return out;
}

struct Attention::Impl {
  Runtime& runtime;
  int64_t layer = 0;
  AttentionShape shape;
  float eps = 0;
  std::unique_ptr<PackedVector> q_norm, k_norm;

  static std::unique_ptr<Impl> make(Loader& loader) {
    if (loader.attention)
      bad_input("family {}: a block has one Attention", loader.load.spec.family);
    loader.attention = true;
    return std::make_unique<Impl>(
        Impl{loader.runtime, loader.layer, attention_shape(loader.load, loader.layer),
             static_cast<float>(loader.load.spec.norm_eps), nullptr, nullptr});
  }
  Matrix normed(const Matrix& qkv) const;
  Matrix attend(const Matrix& q) const;
};

Attention::Attention(Context& context) : impl_(Impl::make(Access::loader(context))) {}
Attention::Attention(Context& context, const std::string& q_norm, const std::string& k_norm)
    : impl_(Impl::make(Access::loader(context))) {
  impl_->q_norm = load_norm(context, q_norm).weight;
  impl_->k_norm = load_norm(context, k_norm).weight;
}
Attention::~Attention() = default;

/// A copy with the norms on each head of q and k; the tensor itself stays as it is.
Matrix Attention::Impl::normed(const Matrix& qkv) const {
  if (q_norm == nullptr) return qkv;
  Backend& backend = runtime.backend();
  const Matrix& out = runtime.scratch(DType::kF32, qkv.cols);
  ElementwiseArgs copy;
  copy.a = qkv;
  copy.out = out;
  backend.elementwise(copy);
  const int64_t q = shape.q_heads * shape.head_dim, k = shape.kv_heads * shape.head_dim;
  backend.head_norm({out.columns(0, q), shape.head_dim, q_norm.get(), eps});
  backend.head_norm({out.columns(q, k), shape.head_dim, k_norm.get(), eps});
  return out;
}

Matrix Attention::Impl::attend(const Matrix& q) const {
  const BlockContext& step = runtime.context();
  AttentionArgs args;
  args.q = q;
  args.batch = step.batch;
  args.cache = step.cache;
  args.layer = layer;
  args.head_dim = shape.head_dim;
  args.segments = shape.segments;
  args.scale = 1.0F / std::sqrt(static_cast<float>(shape.head_dim));
  args.window = shape.window;
  args.out = runtime.scratch(runtime.compute(), q.cols);
  runtime.backend().attention(args);
  return args.out;
}

Tensor Attention::operator()(const Tensor& qkv) const {
  const Impl& m = *impl_;
  const AttentionShape& a = m.shape;
  expect(qkv, Dim::kQkv, true, "Attention");
  Runtime& runtime = m.runtime;
  const Tensor out = runtime.make(Dim::kQueryHeads, true, a.q_heads * a.head_dim);
  if (a.q_heads == 0) return out;
  const int64_t padded = round_up(a.head_dim, kStep);
  const BlockContext& step = runtime.context();
  const Matrix q = runtime.scratch(runtime.compute(), a.q_heads * padded);
  runtime.backend().rope_append({m.normed(Access::state(qkv).matrix), step.batch, step.rope,
                                 step.cache, m.layer, a.q_heads, a.kv_heads, a.head_dim, q});
  const Matrix attended = m.attend(q);
  const bool dense = padded == a.head_dim;
  const int64_t piece = dense ? out.columns() : a.head_dim;
  for (int64_t head = 0; head < (dense ? 1 : a.q_heads); ++head) {
    ElementwiseArgs copy;
    copy.a = attended.columns(head * padded, piece);
    copy.out = Access::state(out).matrix.columns(head * piece, piece);
    runtime.backend().elementwise(copy);
  }
  return out;
}

namespace {

Tensor run(ElementwiseArgs args, const Tensor& x) {
  const TensorState& state = Access::state(x);
  const Tensor out = state.runtime->make(state.dim, state.sharded, state.matrix.cols);
  args.a = state.matrix;
  args.out = Access::state(out).matrix;
  if (args.a.cols > 0) state.runtime->backend().elementwise(args);
  return out;
}

Tensor run(ElementOp op, const Tensor& x) {
  ElementwiseArgs args;
  args.op = op;
  return run(args, x);
}

Tensor run(ElementOp op, const Tensor& a, const Tensor& b) {
  expect(b, a.dim(), a.sharded(), op == ElementOp::kAdd ? "add" : "mul");
  ElementwiseArgs args;
  args.op = op;
  args.b = Access::state(b).matrix;
  return run(args, a);
}

Tensor run(ElementOp op, const Tensor& a, const Vector& vector) {
  const auto& b = Access::vector(vector);
  expect(a, b.dim, b.sharded, op == ElementOp::kAdd ? "add of a vector" : "mul by a vector");
  ElementwiseArgs args;
  args.op = op;
  args.row = b.values.get();
  return run(args, a);
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) { return run(ElementOp::kAdd, a, b); }
Tensor add(const Tensor& a, const Vector& b) { return run(ElementOp::kAdd, a, b); }
Tensor mul(const Tensor& a, const Tensor& b) { return run(ElementOp::kMul, a, b); }
Tensor mul(const Tensor& a, const Vector& b) { return run(ElementOp::kMul, a, b); }
Tensor scale(const Tensor& x, float factor) {
  ElementwiseArgs args;
  args.op = ElementOp::kScale;
  args.scale = factor;
  return run(args, x);
}
Tensor relu(const Tensor& x) { return run(ElementOp::kRelu, x); }
Tensor sigmoid(const Tensor& x) { return run(ElementOp::kSigmoid, x); }
Tensor silu(const Tensor& x) { return run(ElementOp::kSilu, x); }
Tensor gelu(const Tensor& x) { return run(ElementOp::kGelu, x); }
Tensor gelu_tanh(const Tensor& x) { return run(ElementOp::kGeluTanh, x); }

}  // namespace tandem::layers
