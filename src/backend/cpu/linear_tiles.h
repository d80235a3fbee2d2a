// The order in which tiles go through a linear's steps (kernels' TileRun), shared by all its rows
// and outputs.
#pragma once

#include <vector>

#include "backend/cpu/packed_linear.h"
#include "backend/cpu/tiles.h"

namespace tandem::cpu {

/// Steps whose rows stay in L1 while they meet one panel after the other.
struct TileChunk {
  int64_t step = 0, steps = 0;
  size_t run = 0, runs = 0;
  int depth = 0;  ///< sums on the stack before it
  int keep = 0;   ///< levels that are there before or after it
};

class TilePlan {
 public:
  /// Whole units go together while they fit; a long one is cut into nearly equal pieces.
  void make(const CpuPackedLinear& weight);
  const std::vector<TileChunk>& chunks() const { return chunks_; }
  const TileRun* runs(const TileChunk& chunk) const { return runs_.data() + chunk.run; }

 private:
  void add(const TileRun& run);

  std::vector<TileRun> runs_;  // both keep their memory
  std::vector<TileChunk> chunks_;
  int depth_ = 0;
};

/// Whether the product goes through the matrix unit: bfloat16 by bfloat16, rows enough.
inline bool tiles_serve(const Kernels& kernels, const LinearArgs& args,
                        const CpuPackedLinear& weight) {
  return kernels.tiles != nullptr && weight.type() == DType::kBF16 &&
         args.in.dtype == DType::kBF16 && args.in.rows >= kernels.tiles->least_rows;
}

}  // namespace tandem::cpu
