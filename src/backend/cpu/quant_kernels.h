// Inner loops over quantized weights, one table per instruction set; the portable one is the
// definition of rule 6 (docs/architecture.md) and the others give the same bits.
//
// A tile is one step of 32 k for one panel of 16 outputs. int8: codes q + 128 as [8 quads of k]
// [16 outputs][4], 512 bytes, as vpdpbusd reads them. int4: codes 0..15 as [4][16 outputs][4],
// 256 bytes: line i holds quad 2i in the low halves and quad 2i + 1 in the high ones. A step of a
// group of panels is its tiles, then 16 halves of scales per panel, then 16 halves of minima per
// panel (forms with one), filled up to 64 bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/quantization.h"

namespace tandem::cpu {

/// Quantizes a row: per step of 32 values, amax = max |x|; q = x (127 / amax) to the nearest
/// integer, halves to even; scale = amax / 127. amax below 2^-100: q and scale are 0. A value that
/// is not finite: q is 0 and scale NaN.
struct QuantizeArgs {
  DType type = DType::kF32;
  const std::byte* from = nullptr;  ///< whole steps
  int64_t steps = 0;
  int rows = 0;            ///< of the block of rows: how far apart the steps' values lie
  int8_t* q = nullptr;     ///< step s at q + s * rows * 32
  float* scale = nullptr;  ///< step s at scale + s * rows
  int32_t* sum = nullptr;  ///< sum of the step's q, at sum + s * rows
};

/// Continues the chains of `rows` x `panels` * 16 outputs over `steps` steps.
struct QuantChainArgs {
  const int8_t* q = nullptr;     ///< [steps][rows][32]
  const float* scale = nullptr;  ///< [steps][rows]
  const int32_t* sum = nullptr;  ///< [steps][rows]
  const std::byte* w = nullptr;  ///< first step of the group of panels
  int64_t step_bytes = 0;
  int64_t steps = 0;
  int rows = 0;  ///< at most max_rows of the table
  int panels = 0;
  bool stream = false;  ///< the weights come from memory: prefetch
  float* c = nullptr;   ///< [rows][ldc], read and written; panel p has columns [16p, 16p + 16)
  int64_t ldc = 0;
  bool fresh = false;  ///< the chains start at +0: c is not read
  /// After the last step the sums are added to those `level` floats below c, the result to those
  /// another `level` below, ... `merges` times; only the last sum is stored (the units' tree).
  int merges = 0;
  int64_t level = 0;
};

struct QuantKernels {
  int max_rows = 0;
  void (*chain[kWeightFormats])(const QuantChainArgs&) = {};  ///< by WeightFormat; kFloat: null
  void (*quantize)(const QuantizeArgs&) = nullptr;
};

/// Chains through a matrix unit (quant_tile_kernel.h).
struct QuantTileKernels {
  static constexpr int kRows = 16;  ///< at once
  int least_rows = 0;               ///< of the input, from which they are faster
  void (*chain[kWeightFormats])(const QuantChainArgs&) = {};
};

constexpr int64_t quant_tile_bytes(WeightFormat f) { return is_int4(f) ? 256 : 512; }
/// Bytes of a step of `panels` panels.
constexpr int64_t quant_step_bytes(WeightFormat f, int64_t panels) {
  const int64_t bytes = panels * (quant_tile_bytes(f) + 32 + (has_min(f) ? 32 : 0));
  return (bytes + 63) / 64 * 64;
}

const QuantKernels& portable_quant_kernels();
const QuantKernels& avx2_quant_kernels();
const QuantKernels& vnni_quant_kernels();  ///< AVX-512 with VNNI
/// The table that goes with an instruction set's name on this machine.
const QuantKernels& quant_kernels_of(const char* isa);

}  // namespace tandem::cpu
