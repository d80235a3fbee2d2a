// Weights as they lie in host memory, before a backend packs them.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/quantization.h"
#include "tensor/tree_program.h"

namespace tandem {

/// Rows of a weight as they lie in host memory (a mapped file): `rows` rows of `cols` elements,
/// each row `row_stride` elements after the one before. `cols` may be a slice of a longer stored
/// row.
struct WeightRows {
  const std::byte* data = nullptr;
  DType dtype = DType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t row_stride = 0;
  /// Stored quantized: data holds codes (kInt8: q as I8, one byte each; int4: two in a byte, the
  /// even column low; row_stride counts bytes) and these their groups' halves, the first ones those
  /// of the slice's first column; row r's lie group_stride * r halves further.
  WeightFormat format = WeightFormat::kFloat;
  const std::byte* scale = nullptr;
  const std::byte* min = nullptr;
  int64_t group_stride = 0;

  /// Rows [begin, begin + count) of these.
  WeightRows slice(int64_t begin, int64_t count) const {
    WeightRows part = *this;
    part.rows = count;
    part.data += begin * row_stride * (is_quantized(format) ? 1 : dtype_bytes(dtype));
    if (scale != nullptr) part.scale += 2 * begin * group_stride;
    if (min != nullptr) part.min += 2 * begin * group_stride;
    return part;
  }
};

/// A linear layer's weight [N, K] and bias [N], as one bundle, before packing.
struct LinearSource {
  /// Stacked row blocks: their rows add up to N, each has K columns.
  std::vector<WeightRows> weight;
  /// Bias, N values (rows * cols of its parts) or none (empty), in order of the weight's rows; any
  /// stored type, kept as float32.
  std::vector<WeightRows> bias;
  /// Type that the packed weight has: float32 keeps the stored type, a 16-bit --dtype rounds to it.
  DType compute = DType::kF32;
  /// Form that floating point parts are quantized to when packed; kFloat: they stay as they are.
  /// Either all parts are quantized (stored or here) or none is.
  WeightFormat quantize = WeightFormat::kFloat;
  /// How K is cut into units (sum = K); each unit is one chain, zero-padded to a multiple of kStep.
  std::vector<int64_t> units;
  /// How the units' sums are added. single() when there is one unit.
  TreeProgram tree = TreeProgram::single();
  /// Output features 2j and 2j+1 of panel pairs are gate and up: `weight` is [gate rows..., up
  /// rows...], both halves of equal N/2, and the op's result is silu(gate) * up with N/2 columns.
  bool gate_up = false;
};

}  // namespace tandem
