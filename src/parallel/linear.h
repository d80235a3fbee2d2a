// The three parallel linears: the only place where matmul meets communication. A layer that holds
// one does not know how its result is reduced, nor on how many ranks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "backend/backend.h"
#include "base/op_clock.h"
#include "parallel/mc2.h"
#include "parallel/partition.h"

namespace tandem {

class DeviceComm;

/// What the layers of one rank share. The objects outlive the layers.
struct ParallelContext {
  Backend* backend = nullptr;
  DeviceComm* comm = nullptr;
  int rank = 0;
  int size = 1;
  Mc2Schedule mc2 = {};      ///< whether a row-parallel product and its reduce overlap
  OpClock* clock = nullptr;  ///< or off
};

/// The matrix with the zero padding at the end of its rows that a linear reads: cols = padded K <=
/// stride.
Matrix whole_steps(const Matrix& in, const PackedLinear& weight);

/// Split by output features: this rank's rows of the weight, inputs replicated, no communication.
class ColumnParallelLinear {
 public:
  /// `source` holds this rank's rows only. A source without rows is legal (a rank without heads):
  /// forward does nothing.
  ColumnParallelLinear(const ParallelContext& context, const LinearSource& source);
  /// in: T [rows, K], padded with zeros up to whole steps; out: [rows, N of this rank].
  void forward(const Matrix& in, const Matrix& out) const;
  const PackedLinear* packed() const { return packed_.get(); }

 private:
  Backend* backend_;
  std::unique_ptr<PackedLinear> packed_;
};

/// q, k and v of this rank's heads in one sweep: out is [rows, (q_heads + 2 kv_heads) * head_dim].
/// A name of its own because newcomers look for it; the split by heads is made where the rows are
/// chosen (model/shard.h).
using QKVColumnParallelLinear = ColumnParallelLinear;

/// A column-parallel linear whose outputs all ranks then get (gather_output): one more meeting.
class GatheredLinear {
 public:
  /// `begins`: where each rank's outputs begin, then their number.
  GatheredLinear(const ParallelContext& context, const LinearSource& source,
                 std::vector<int64_t> begins);
  /// Returns float32 [rows, all outputs], readable until the next collective.
  Matrix forward(const Matrix& in) const;

 private:
  DeviceComm* comm_;
  ColumnParallelLinear linear_;
  std::vector<int64_t> begins_;
  int64_t own_begin_, own_size_;
};

/// Split by input features: each rank has the columns of its units, the partial sums are added over
/// the ranks in the fixed tree.
class RowParallelLinear {
 public:
  struct Layout {
    int64_t units = 0;        ///< of the whole input dimension
    std::vector<Range> runs;  ///< units of each rank
    int64_t out_features = 0;
  };
  /// `source`: this rank's columns; its units and tree follow from the layout and are filled in by
  /// the caller (row_parallel_tree).
  RowParallelLinear(const ParallelContext& context, const LinearSource& source,
                    const Layout& layout);
  /// in: T [rows, K of this rank], padded with zeros up to whole steps. Returns float32 [rows,
  /// out_features], readable until the next collective.
  Matrix forward(const Matrix& in);

 private:
  /// Outputs of piece p of all nodes.
  std::span<const Matrix> piece_of_partials(size_t piece);

  ParallelContext context_;
  int64_t out_features_;
  std::vector<int64_t> begins_;  ///< pieces of the output features, one unless mc2 says otherwise
  std::vector<std::unique_ptr<PackedLinear>> packed_;  ///< by piece; none on a rank without units
  std::vector<int32_t> nodes_per_rank_;
  TreeProgram global_;
  std::vector<Matrix> partial_;
  std::vector<Matrix> piece_;
};

}  // namespace tandem
