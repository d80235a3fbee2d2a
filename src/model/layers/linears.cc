// The three parallel linears of include/tandem/layers.h over those of parallel/linear.h.
#include "base/arithmetic.h"
#include "base/check.h"
#include "model/layers/runtime.h"

namespace tandem::layers {
namespace {

void copy(Backend& backend, const Matrix& from, const Matrix& to) {
  if (from.cols == 0) return;
  ElementwiseArgs args;
  args.a = from;
  args.out = to;
  backend.elementwise(args);
}

[[noreturn]] void wrong_layer(const Loader& loader, const WeightRule& rule, const char* layer) {
  const Sides sides = sides_of(rule);
  bad_input("family {}: weight {} runs from {} to {}; {} is not the layer for it",
            loader.load.spec.family, rule.name, dim_name(sides.in), dim_name(sides.out), layer);
}

}  // namespace

struct ColumnParallelLinear::Impl {
  Runtime& runtime;
  std::string name;
  Sides sides;
  bool sharded = false;  ///< of what it gives
  Range own;             ///< outputs that this rank makes
  std::unique_ptr<tandem::ColumnParallelLinear> linear;
  std::unique_ptr<GatheredLinear> gathered;  ///< instead, with gather_output
};

ColumnParallelLinear::ColumnParallelLinear(Context& context, const std::string& weight) {
  Loader& loader = Access::loader(context);
  const LoadContext& load = loader.load;
  const WeightRule& rule = loader.take(weight);
  const Sides sides = sides_of(rule);
  const Split split = split_of(rule);
  if (split == Split::kInFeatures || sides.in == Dim::kNone || sides.out == Dim::kQkv)
    wrong_layer(loader, rule, "ColumnParallelLinear");
  const bool out_split = split == Split::kOutFeatures;
  const Range own = out_split ? loader.held(sides.out) : Range{0, dim_size(load.spec, sides.out)};
  impl_ = std::make_unique<Impl>(
      Impl{loader.runtime, weight, sides, out_split && !rule.gather_output, own, nullptr, nullptr});
  LinearSource source = column_source(load, dim_size(load.spec, sides.in));
  add_rows(load, rule, loader.layer, own, source);
  if (rule.gather_output) {
    const DimSplit parts = dim_split(load.spec, load.split, sides.out);
    std::vector<int64_t> begins;
    for (const Range& run : parts.runs) begins.push_back(parts.units.elements(run).begin);
    begins.push_back(dim_size(load.spec, sides.out));
    impl_->gathered = std::make_unique<GatheredLinear>(load.parallel, source, std::move(begins));
  } else {
    impl_->linear = std::make_unique<tandem::ColumnParallelLinear>(load.parallel, source);
  }
  load.weights.release(rule, loader.layer);
}
ColumnParallelLinear::~ColumnParallelLinear() = default;

Tensor ColumnParallelLinear::operator()(const Tensor& in) const {
  Impl& m = *impl_;
  expect(in, m.sides.in, false, m.name);
  const Matrix& x = m.runtime.rounded(in);
  if (m.gathered != nullptr) {
    const Matrix all = m.gathered->forward(x);
    const Tensor out = m.runtime.make(m.sides.out, false, all.cols);
    copy(m.runtime.backend(), all, Access::state(out).matrix);
    return out;
  }
  const Tensor out = m.runtime.make(m.sides.out, m.sharded, m.own.size());
  m.linear->forward(x, Access::state(out).matrix);
  return out;
}

struct QKVColumnParallelLinear::Impl {
  Runtime& runtime;
  int64_t columns = 0;
  std::unique_ptr<tandem::QKVColumnParallelLinear> linear;

  static std::unique_ptr<Impl> make(Loader& loader, const QkvRules& rules) {
    const LoadContext& load = loader.load;
    const int64_t heads = load.shard.q_heads.size() + 2 * load.shard.kv_heads.size();
    auto impl =
        std::make_unique<Impl>(Impl{loader.runtime, heads * load.spec.head_dim,
                                    std::make_unique<tandem::QKVColumnParallelLinear>(
                                        load.parallel, qkv_source(load, rules, loader.layer))});
    for (const WeightRule* rule : {rules.q, rules.k, rules.v}) {
      if (rule != nullptr) load.weights.release(*rule, loader.layer);
    }
    return impl;
  }
};

QKVColumnParallelLinear::QKVColumnParallelLinear(Context& context, const std::string& q,
                                                 const std::string& k, const std::string& v) {
  Loader& loader = Access::loader(context);
  const QkvRules rules{&loader.take(q), &loader.take(k), &loader.take(v)};
  for (const WeightRule* rule : {rules.q, rules.k, rules.v}) {
    const Sides sides = sides_of(*rule);
    const Dim out = rule == rules.q ? Dim::kQueryHeads : Dim::kKeyValueHeads;
    if (sides.in != Dim::kHidden || sides.out != out || rule->bias != rules.q->bias)
      wrong_layer(loader, *rule, "QKVColumnParallelLinear");
  }
  impl_ = Impl::make(loader, rules);
}
QKVColumnParallelLinear::QKVColumnParallelLinear(Context& context, const std::string& fused) {
  Loader& loader = Access::loader(context);
  const WeightRule& rule = loader.take(fused);
  const Sides sides = sides_of(rule);
  if (sides.in != Dim::kHidden || sides.out != Dim::kQkv)
    wrong_layer(loader, rule, "QKVColumnParallelLinear");
  impl_ = Impl::make(loader, {&rule, nullptr, nullptr});
}
QKVColumnParallelLinear::~QKVColumnParallelLinear() = default;

Tensor QKVColumnParallelLinear::operator()(const Tensor& in) const {
  expect(in, Dim::kHidden, false, "QKVColumnParallelLinear");
  const Matrix& x = impl_->runtime.rounded(in);
  const Tensor out = impl_->runtime.make(Dim::kQkv, true, impl_->columns);
  impl_->linear->forward(x, Access::state(out).matrix);
  return out;
}

struct RowParallelLinear::Impl {
  Runtime& runtime;
  std::string name;
  Sides sides;
  bool scatter = false;
  Units units;  ///< of the inputs
  Range run;    ///< of units of this rank
  std::unique_ptr<tandem::RowParallelLinear> linear;
  std::unique_ptr<PackedVector> bias;

  Matrix input(const Tensor& in) const;
};

RowParallelLinear::RowParallelLinear(Context& context, const std::string& weight) {
  Loader& loader = Access::loader(context);
  const LoadContext& load = loader.load;
  const WeightRule& rule = loader.take(weight);
  const Sides sides = sides_of(rule);
  if (split_of(rule) != Split::kInFeatures) wrong_layer(loader, rule, "RowParallelLinear");
  const DimSplit split = dim_split(load.spec, load.split, sides.in);
  impl_ = std::make_unique<Impl>(Impl{loader.runtime, weight, sides, rule.scatter_input,
                                      split.units, split.runs[static_cast<size_t>(loader.rank())],
                                      nullptr, load_bias(load, rule, loader.layer)});
  impl_->linear = load_row_parallel(load, rule, loader.layer);
}
RowParallelLinear::~RowParallelLinear() = default;

/// This rank's inputs in the activation type, each unit padded to whole steps.
Matrix RowParallelLinear::Impl::input(const Tensor& in) const {
  const Range own = units.elements(run);
  const bool in_steps = units.unit % kStep == 0;
  if (in_steps && !scatter) return runtime.rounded(in);
  Matrix from = Access::state(in).matrix;
  if (scatter) from = from.columns(own.begin, own.size());
  const int64_t padded = round_up(units.unit, kStep);
  const int64_t pieces = in_steps ? std::min<int64_t>(run.size(), 1) : run.size();
  const int64_t length = in_steps ? own.size() : units.unit;
  const Matrix to = runtime.scratch(runtime.compute(), in_steps ? own.size() : pieces * padded);
  for (int64_t i = 0; i < pieces; ++i) {
    const int64_t size = std::min(length, own.size() - i * length);
    copy(runtime.backend(), from.columns(i * length, size), to.columns(i * padded, size));
  }
  return to;
}

Tensor RowParallelLinear::operator()(const Tensor& in) const {
  Impl& m = *impl_;
  expect(in, m.sides.in, !m.scatter, m.name);
  const Matrix sum = m.linear->forward(m.input(in));
  const Tensor out = m.runtime.make(m.sides.out, false, sum.cols);
  ElementwiseArgs args;
  args.op = m.bias == nullptr ? ElementOp::kCopy : ElementOp::kAdd;
  args.a = sum;
  args.row = m.bias.get();
  args.out = Access::state(out).matrix;
  m.runtime.backend().elementwise(args);
  return out;
}

}  // namespace tandem::layers
