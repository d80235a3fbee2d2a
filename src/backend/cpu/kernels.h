// The table of inner loops of one instruction set. The portable table is the definition of the one
// arithmetic (docs/architecture.md); every other table gives the same bits.
//
// Vocabulary: a *tile* is one step of kStep k for one panel of kPanel outputs: 16-bit weights
// [16 k-pairs][16 outputs][2] (1 KiB, as AMX reads it), float32 weights [32 k][16 outputs] (2 KiB).
// A *chain* is the float32 sum of rule 2: per step the products of even k and of odd k are summed
// apart by fma from +0 in ascending order, added, and the sum is added to the chain.
//
// The kernels' files are compiled for their instruction set; so that no code of theirs serves
// another one, they include nothing but this header, intrinsics and headers that keep everything in
// an anonymous namespace.
// Length: one table, with the arguments of its entries.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace tandem::cpu {

/// Continues the chains of `rows` x `panels` * 16 outputs over `steps` steps.
struct ChainArgs {
  const float* x = nullptr;      ///< [steps][rows][32], widened to float32 (pairs.h: otherwise)
  const std::byte* w = nullptr;  ///< tile of the first panel and step; panels lie side by side
  int64_t step_bytes = 0;        ///< from a step's tiles to the next step's
  int64_t steps = 0;
  int rows = 0;  ///< at most max_rows of the table
  int panels = 0;
  float* c = nullptr;  ///< [rows][ldc], read and written; panel p has columns [16p, 16p + 16)
  int64_t ldc = 0;
  bool fresh = false;  ///< the chains start at +0: c is not read
  /// After the last step the sums are added to those `level` floats below c, the result to those
  /// another `level` below, ... `merges` times; only the last sum is stored (the units' tree).
  int merges = 0;
  int64_t level = 0;
  /// What the next calls read, to prefetch a little at a time (chain_wide): their x, as many rows,
  /// or nullptr; their weights, bytes of them, 0: none.
  const float* next_x = nullptr;
  const std::byte* next_w = nullptr;
  int64_t next_w_bytes = 0;
};

/// Finishes rows x n outputs (n <= 16) of one panel: adds the bias, rounds to the type, stores.
struct StoreArgs {
  const float* c = nullptr;     ///< [rows][ldc]
  const float* gate = nullptr;  ///< [rows][ldc] or nullptr; given: the result is silu(gate) * c
  int64_t ldc = 0;
  const float* bias = nullptr;       ///< [16] or nullptr
  const float* gate_bias = nullptr;  ///< [16] or nullptr
  int rows = 0;
  int n = 0;
  DType type = DType::kF32;
  std::byte* out = nullptr;
  int64_t out_stride = 0;  ///< bytes from row to row
};

/// One row of the residual: x += add + add_bias, then out = x / rms(x) * w.
struct NormArgs {
  float* x = nullptr;
  const float* add = nullptr;       ///< or nullptr
  const float* add_bias = nullptr;  ///< or nullptr
  const float* w = nullptr;         ///< or nullptr: only the addition
  int64_t n = 0;
  float eps = 0;
  DType type = DType::kF32;
  std::byte* out = nullptr;
};

/// Chains of `rows` x `panels` * 16 outputs over a page of keys or values (kv_cache.h), whose tiles
/// lie panel by panel, `steps` to each. They start at c * alpha[row], without alpha at +0.
struct PageArgs {
  const float* x = nullptr;      ///< [steps][rows][32], widened to float32
  const std::byte* w = nullptr;  ///< tiles [panels][steps]; int8 tiles are [32 k][16 outputs]
  int64_t steps = 0;
  int rows = 0;  ///< at most page_rows of the table
  int panels = 0;
  float* c = nullptr;  ///< [rows][ldc]
  int64_t ldc = 0;
  const float* alpha = nullptr;      ///< [rows] or nullptr
  const std::byte* ahead = nullptr;  ///< as many bytes as w has, to prefetch; or nullptr
};

/// One row: out = (x - mean) / standard deviation * w + b.
struct LayerNormRow {
  const float* x = nullptr;
  const float* w = nullptr;
  const float* b = nullptr;  ///< or nullptr
  int64_t n = 0;
  float eps = 0;
  DType type = DType::kF32;
  std::byte* out = nullptr;
};

/// n elements in a row of each operand.
struct ElementRow {
  const std::byte* a = nullptr;
  const std::byte* b = nullptr;  ///< or nullptr
  DType a_type = DType::kF32;
  DType b_type = DType::kF32;
  float scale = 1;
  int64_t n = 0;
  DType type = DType::kF32;
  std::byte* out = nullptr;
};
constexpr int kElementOps = 9;  ///< of ElementOp, in its order

/// One query row over one block of 64 keys.
struct SoftmaxArgs {
  const float* s = nullptr;             ///< [64] dot products
  const float* key_scales = nullptr;    ///< [64], multiplies s before `scale`, or nullptr
  const float* value_scales = nullptr;  ///< [64], multiplies p before it is rounded, or nullptr
  float scale = 1;
  int begin = 0, end = 0;  ///< visible keys of the block, at least one
  DType type = DType::kF32;
  float* p = nullptr;      ///< probabilities rounded to the type: keys [0, 32) at p, the rest at
  int64_t p_half = 0;      ///< p + p_half
  float* max = nullptr;    ///< running maximum, read and written
  float* sum = nullptr;    ///< running sum, read and written
  float* alpha = nullptr;  ///< exp(old max - new max): what the accumulator is to be multiplied by
};

/// One head of one token: channels i and i + half turned by the position's angles, the others
/// copied; then all multiplied by *q_scale.
struct RopeArgs {
  const float* in = nullptr;
  const float* cos = nullptr;      ///< [half]
  const float* sin = nullptr;      ///< [half]
  const float* q_scale = nullptr;  ///< or nullptr: no multiplication
  int64_t half = 0;
  int64_t head_dim = 0;
  float* out = nullptr;  ///< [head_dim], apart from `in`
};

struct UnitSums {
  float max = 0;
  int64_t argmax = 0;  ///< in the unit
  double sum_exp = 0;
};

struct PairKernels;       // pairs.h
struct QuantTileKernels;  // quant_kernels.h
struct TileKernels;       // tiles.h

struct Kernels {
  const char* isa = "";
  int max_rows = 0;   ///< rows that `chain` takes at once
  int tile_rows = 0;  ///< rows that `chain_wide` takes at once
  int page_rows = 0;  ///< rows that `page` takes at once

  /// By type of the weights: kF32, kBF16, kF16. Streams the weights once: few rows.
  void (*chain[3])(const ChainArgs&) = {};
  /// Tiles hot in the cache, panels lying panel_bytes apart: many rows. For float32 weights, and
  /// for bfloat16 where nothing is gained by widening them first (else nullptr).
  void (*chain_wide)(const ChainArgs&, int64_t panel_bytes) = nullptr;
  void (*chain_wide_bf16)(const ChainArgs&, int64_t panel_bytes) = nullptr;
  /// Widens `tiles` tiles of 16-bit weights, tile_bytes apart, to float32 tiles (by type, kF32:
  /// null).
  void (*expand[3])(const std::byte* w, int64_t tile_bytes, int64_t tiles, float* out) = {};

  /// By page_index() of the cache's type: q.k and p.v.
  void (*page[4])(const PageArgs&) = {};
  /// Widens a page's tiles to float32 tiles (kF32: null).
  void (*expand_page[4])(const std::byte* w, int64_t tiles, float* out) = {};

  void (*widen)(DType type, const std::byte* from, int64_t n, float* to) = nullptr;
  void (*narrow)(DType type, const float* from, int64_t n, std::byte* to) = nullptr;
  void (*add)(float* to, const float* from, int64_t n) = nullptr;  ///< to = to + from
  void (*store)(const StoreArgs&) = nullptr;
  void (*rms_norm)(const NormArgs&) = nullptr;
  void (*layer_norm)(const LayerNormRow&) = nullptr;
  void (*element[kElementOps])(const ElementRow&) = {};
  void (*softmax)(const SoftmaxArgs&) = nullptr;
  /// out = x / d rounded to the type.
  void (*divide)(const float* x, float d, int64_t n, DType type, std::byte* out) = nullptr;
  void (*rope)(const RopeArgs&) = nullptr;
  /// q = x / scale to the nearest integer, ties to even; returns scale = max |x| / 127. NaN for an
  /// x with NaN, with q = 0; q = 0 too where the scale is 0 or infinite.
  float (*quantize)(const float* x, int64_t n, int8_t* q) = nullptr;
  void (*silu_mul)(const float* gate, const float* up, int64_t n, DType type,
                   std::byte* out) = nullptr;
  void (*unit_sums)(const float* logits, int64_t n, UnitSums* out) = nullptr;
  void (*exp)(const float* x, int64_t n, float* out) = nullptr;  ///< for tests
  /// 16 rows of 16 32-bit words -> out[column][row]; a null row reads as zeros.
  void (*transpose)(const std::byte* const* rows, std::byte* out) = nullptr;

  /// bfloat16 products of many rows through a matrix unit, or nullptr.
  const TileKernels* tiles = nullptr;
  /// The same for quantized weights, or nullptr.
  const QuantTileKernels* quant_tiles = nullptr;
  /// bfloat16 products two at a time, or nullptr.
  const PairKernels* pairs = nullptr;
};

/// kF32 -> 0, kBF16 -> 1, kF16 -> 2: the index into tables by type.
constexpr int type_index(DType type) {
  return type == DType::kF32 ? 0 : type == DType::kBF16 ? 1 : 2;
}

/// The same for types of a cache, kI8 -> 3.
constexpr int page_index(DType type) { return type == DType::kI8 ? 3 : type_index(type); }

/// The entries page_rows, page and expand_page: page_*.cc.
void set_page_portable(Kernels& k);
void set_page_avx2(Kernels& k);
void set_page_avx512(Kernels& k);

const Kernels& portable_kernels();
const Kernels& avx2_kernels();
const Kernels& avx512_kernels();
const Kernels& amx_kernels();

}  // namespace tandem::cpu
