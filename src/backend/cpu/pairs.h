// bfloat16 rows times bfloat16 weights two products at a time (AVX512_BF16). vdpbf16ps adds to each
// sum the product of the high halves of two words, then that of the low halves. A processor that
// rounds after each of the two (AMD's since Zen 4) does two steps of a chain of rule 2 with it, at
// twice the speed of single multiply-adds, when the halves of a word have k of the same parity:
//
//   word j of a step of 32 k       high half: k = 4j,     low half: k = 4j + 2   (j < 8)
//   word 8 + j                     high half: k = 4j + 1, low half: k = 4j + 3
//
// Rows lie so in x; weights in *woven* tiles, [8 j][even, odd][16 outputs] words.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tandem::cpu {

struct ChainArgs;
struct PageArgs;
struct SoftmaxArgs;

struct PairKernels {
  int max_rows = 0;   ///< rows that `chain` takes at once
  int tile_rows = 0;  ///< rows that `chain_wide` takes at once
  /// A row of `steps` * 32 bfloat16 values -> step s at x + s * stride, 16 words.
  void (*arrange)(const std::byte* row, int64_t steps, float* x, int64_t stride) = nullptr;
  /// A tile (kernels.h) of bfloat16 weights -> a woven one, in its place.
  void (*weave)(std::byte* tile) = nullptr;
  /// As Kernels::expand, from woven tiles.
  void (*expand)(const std::byte* w, int64_t tile_bytes, int64_t tiles, float* out) = nullptr;
  /// As Kernels::chain and chain_wide, over woven tiles; x is [steps][rows][16] words.
  void (*chain)(const ChainArgs&) = nullptr;
  void (*chain_wide)(const ChainArgs&, int64_t panel_bytes) = nullptr;
  /// Tiles of int8 [32 k][16 outputs], side by side -> woven ones of the same values.
  void (*weave_int8)(const std::byte* w, int64_t tiles, std::byte* out) = nullptr;
  /// As Kernels::page, over woven tiles; x is [steps][rows][16] words.
  void (*page)(const PageArgs&) = nullptr;
  /// As Kernels::softmax; the probabilities are arranged: 16 words at p and at p + p_half.
  void (*softmax)(const SoftmaxArgs&) = nullptr;
};

/// The entries weave_int8, page and softmax: page_pairs_bf16.cc.
void set_page_pairs(PairKernels& k);

/// nullptr where the instruction is absent or was seen to round otherwise.
const PairKernels* pair_kernels();

/// Where element k (0 to 31) of a step lies in a woven tile: the line of 16 words, and which half.
constexpr int64_t woven_line(int64_t k) { return k / 4 * 2 + k % 2; }
constexpr int64_t woven_high(int64_t k) { return k % 4 < 2 ? 1 : 0; }

}  // namespace tandem::cpu
