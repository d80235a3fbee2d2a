#include "parallel/linear.h"

#include "base/check.h"
#include "comm/communicator.h"

namespace tandem {

ColumnParallelLinear::ColumnParallelLinear(const ParallelContext& context,
                                           const LinearSource& source)
    : backend_(context.backend) {
  int64_t rows = 0;
  for (const WeightRows& block : source.weight) rows += block.rows;
  if (rows > 0) packed_ = backend_->pack_linear(source);
}

void ColumnParallelLinear::forward(const Matrix& in, const Matrix& out) const {
  if (packed_ == nullptr || in.rows == 0) return;
  backend_->linear({in, packed_.get(), {&out, 1}});
}

RowParallelLinear::RowParallelLinear(const ParallelContext& context, const LinearSource& source,
                                     const Layout& layout)
    : context_(context), out_features_(layout.out_features) {
  TANDEM_CHECK(static_cast<int>(layout.runs.size()) == context.size);
  std::vector<Range> nodes;
  for (const Range& run : layout.runs) {
    const std::vector<Range> own = tree_nodes(layout.units, run);
    nodes_per_rank_.push_back(static_cast<int32_t>(own.size()));
    nodes.insert(nodes.end(), own.begin(), own.end());
  }
  global_ = global_tree(layout.units, nodes);
  partial_.resize(static_cast<size_t>(nodes_per_rank_[static_cast<size_t>(context.rank)]));
  if (!partial_.empty()) packed_ = context.backend->pack_linear(source);
}

Matrix RowParallelLinear::forward(const Matrix& in) {
  context_.comm->partial_buffers(in.rows, out_features_, partial_);
  if (packed_ != nullptr) context_.backend->linear({in, packed_.get(), partial_});
  return context_.comm->all_reduce(in.rows, out_features_, nodes_per_rank_, global_);
}

}  // namespace tandem
