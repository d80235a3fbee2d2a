#include "parallel/linear.h"

#include "base/check.h"
#include "comm/communicator.h"

namespace tandem {

Matrix whole_steps(const Matrix& in, const PackedLinear& weight) {
  TANDEM_CHECK(in.stride >= weight.padded_k());
  Matrix padded = in;
  padded.cols = weight.padded_k();
  return padded;
}

ColumnParallelLinear::ColumnParallelLinear(const ParallelContext& context,
                                           const LinearSource& source)
    : backend_(context.backend) {
  int64_t rows = 0;
  for (const WeightRows& block : source.weight) rows += block.rows;
  if (rows > 0) packed_ = backend_->pack_linear(source);
}

void ColumnParallelLinear::forward(const Matrix& in, const Matrix& out) const {
  if (packed_ == nullptr || in.rows == 0) return;
  backend_->linear({whole_steps(in, *packed_), packed_.get(), {&out, 1}});
}

GatheredLinear::GatheredLinear(const ParallelContext& context, const LinearSource& source,
                               std::vector<int64_t> begins)
    : comm_(context.comm), linear_(context, source), begins_(std::move(begins)) {
  TANDEM_CHECK(static_cast<int>(begins_.size()) == context.size + 1);
  const auto rank = static_cast<size_t>(context.rank);
  own_begin_ = begins_[rank];
  own_size_ = begins_[rank + 1] - own_begin_;
}

Matrix GatheredLinear::forward(const Matrix& in) const {
  const Matrix all = comm_->gather_buffer(in.rows, begins_.back());
  linear_.forward(in, all.columns(own_begin_, own_size_));
  comm_->all_gather_columns(all, begins_);
  return all;
}

RowParallelLinear::RowParallelLinear(const ParallelContext& context, const LinearSource& source,
                                     const Layout& layout)
    : context_(context),
      out_features_(layout.out_features),
      begins_(piece_begins(layout.out_features, context.mc2.pieces)) {
  TANDEM_CHECK(static_cast<int>(layout.runs.size()) == context.size);
  std::vector<Range> nodes;
  for (const Range& run : layout.runs) {
    const std::vector<Range> own = tree_nodes(layout.units, run);
    nodes_per_rank_.push_back(static_cast<int32_t>(own.size()));
    nodes.insert(nodes.end(), own.begin(), own.end());
  }
  global_ = global_tree(layout.units, nodes);
  partial_.resize(static_cast<size_t>(nodes_per_rank_[static_cast<size_t>(context.rank)]));
  piece_.resize(partial_.size());
  for (size_t p = 0; p + 1 < begins_.size() && !partial_.empty(); ++p) {
    packed_.push_back(
        context.backend->pack_linear(output_features(source, {begins_[p], begins_[p + 1]})));
  }
}

std::span<const Matrix> RowParallelLinear::piece_of_partials(size_t piece) {
  for (size_t node = 0; node < partial_.size(); ++node) {
    piece_[node] = partial_[node].columns(begins_[piece], begins_[piece + 1] - begins_[piece]);
  }
  return piece_;
}

Matrix RowParallelLinear::forward(const Matrix& in) {
  DeviceComm& comm = *context_.comm;
  const bool overlapped = begins_.size() > 2 && context_.mc2.overlaps(in.rows);
  comm.partial_buffers(in.rows, out_features_, partial_);
  if (overlapped) comm.begin_pieces({in.rows, out_features_, nodes_per_rank_, &global_, begins_});
  for (size_t p = 0; p + 1 < begins_.size(); ++p) {
    if (!packed_.empty()) {
      context_.backend->linear(
          {whole_steps(in, *packed_[p]), packed_[p].get(), piece_of_partials(p)});
    }
    if (overlapped) {
      const OpScope scope(context_.clock, "collective");
      comm.piece_ready();
    }
  }
  const OpScope scope(context_.clock, "collective");
  if (overlapped) return comm.end_pieces();
  return comm.all_reduce(in.rows, out_features_, nodes_per_rank_, global_);
}

}  // namespace tandem
