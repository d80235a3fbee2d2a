// MC2 (--use_mc2): a row-parallel product is made in runs of output columns, and while one run is
// computed the ones before are reduced. Chooses schedules, never bits: each output element is the
// same chain and the same tree either way.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/ops.h"
#include "parallel/partition.h"

namespace tandem {

class HostComm;
struct ParallelContext;

enum class Mc2Mode : uint8_t { kAuto, kOn, kOff };

/// How all row-parallel linears of an engine are packed and reduced; equal on all ranks, fixed
/// before weights are packed.
struct Mc2Schedule {
  int64_t pieces = 1;    ///< runs of output columns; 1: the product is made and reduced whole
  int64_t min_rows = 1;  ///< products of fewer rows are reduced whole
  bool overlaps(int64_t rows) const { return pieces > 1 && rows >= min_rows; }
};

/// The row-parallel linear that decides: the model's down projection.
struct Mc2Shape {
  Units units;
  int64_t out_features = 0;
  DType compute = DType::kF32;
  int64_t max_rows = 1;  ///< rows of a prefill chunk
  WeightFormat quantize = WeightFormat::kFloat;
};

struct Mc2Decision {
  Mc2Schedule schedule;
  std::string
      note;  ///< for the user: why not, or what was measured; "" when there is nothing to say
};

/// All ranks call it together, after connecting and before packing. kOn: wherever it is legal.
/// kAuto: rank 0 times both ways on weights of this shape (a fraction of a second) and tells the
/// others.
Mc2Decision decide_mc2(HostComm& host, const ParallelContext& context, Mc2Mode mode,
                       const Mc2Shape& shape);

/// Cuts `cols` into at most `pieces` runs of whole panels: begins of the runs, then `cols`.
std::vector<int64_t> piece_begins(int64_t cols, int64_t pieces);
/// Output features [begin, end) of a source without bias and without gate_up.
LinearSource output_features(const LinearSource& source, Range range);

}  // namespace tandem
