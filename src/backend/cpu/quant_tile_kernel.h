// Chains over quantized weights through a matrix unit, written once over a tile machine M as in
// tile_kernel.h, with three more:
//
//   dot_s8u8<C, A, B>()                 TDPBSUD: signed rows, unsigned weights, sums of int32
//   halves(from, to)                    16 IEEE halves -> float
//   chain(sums, less, sx, scale, c)     c = fma(float(sums - less), sx * scale, c), 16 of each
//
// A step of a panel is one product of a tile of up to 16 rows of 32 codes and a tile of codes as it
// is packed: 8 quads of k, 16 outputs. Its sums are exact, so that the chains go on from them as
// everywhere.
#pragma once

#include "backend/cpu/quant_units.h"
#include "backend/cpu/tiles.h"

namespace tandem::cpu {
namespace {

/// Tiles 0 to 3: sums; 4: rows; 5: weights.
inline TileConfig quant_tile_config(int rows) {
  TileConfig config;
  for (int t = 0; t <= 4; ++t) config.rows[t] = static_cast<uint8_t>(rows);
  config.row_bytes[4] = 32;
  config.rows[5] = 8;
  return config;
}

/// A tile of 4-bit codes as bytes: line i of 64 holds quad 2i in the low halves, 2i + 1 in the
/// high.
inline void unpack_codes(const std::byte* tile, uint8_t* out) {
  for (int line = 0; line < 4; ++line) {
    for (int i = 0; i < 64; ++i) {
      const auto byte = static_cast<uint8_t>(tile[64 * line + i]);
      out[128 * line + i] = byte & 15;
      out[128 * line + 64 + i] = byte >> 4;
    }
  }
}

template <typename M, WeightFormat kF, int kPanel>
inline void tile_product(const std::byte* tile, int32_t* sums) {
  alignas(64) uint8_t codes[512];
  const void* from = tile;
  if constexpr (is_int4(kF)) {
    unpack_codes(tile, codes);
    from = codes;
  }
  M::template load<5>(from, 64);
  M::template zero<kPanel>();
  M::template dot_s8u8<kPanel, 4, 5>();
  M::template store<kPanel>(sums, 64);
}

/// Sums [row][16 outputs] of step s of panel p -> the chains.
template <typename M, WeightFormat kF>
inline void tile_chains(const QuantChainArgs& a, int64_t s, int p, const int32_t* sums) {
  const std::byte* scales = a.w + s * a.step_bytes + a.panels * quant_tile_bytes(kF) + 32 * p;
  // What codes are above the integers that they stand for.
  constexpr int kOffset = kF == WeightFormat::kInt4 ? 8 : is_int4(kF) ? 0 : 128;
  float scale[16], min[16];
  M::halves(scales, scale);
  if constexpr (has_min(kF)) M::halves(scales + 32 * a.panels, min);
  static constexpr int32_t kZeros[16] = {};
  for (int r = 0; r < a.rows; ++r) {
    const float sx = a.scale[s * a.rows + r];
    const int32_t sum = a.sum[s * a.rows + r];
    float* c = a.c + r * a.ldc + 16 * p;
    M::chain(sums + 16 * r, kOffset * sum, sx, scale, c);
    if constexpr (has_min(kF)) M::chain(kZeros, -sum, sx, min, c);
  }
}

template <typename M, WeightFormat kF>
void quant_tile_chain(const QuantChainArgs& a) {
  const TileConfig config = quant_tile_config(a.rows);
  M::configure(config);
  start_chains(a);
  alignas(64) int32_t sums[4][16 * QuantTileKernels::kRows];
  for (int64_t s = 0; s < a.steps; ++s) {
    const std::byte* tile = a.w + s * a.step_bytes;
    constexpr int64_t kTile = quant_tile_bytes(kF);
    M::template load<4>(a.q + s * a.rows * 32, 32);
    tile_product<M, kF, 0>(tile, sums[0]);
    if (a.panels > 1) tile_product<M, kF, 1>(tile + kTile, sums[1]);
    if (a.panels > 2) tile_product<M, kF, 2>(tile + 2 * kTile, sums[2]);
    if (a.panels > 3) tile_product<M, kF, 3>(tile + 3 * kTile, sums[3]);
    for (int p = 0; p < a.panels; ++p) tile_chains<M, kF>(a, s, p, sums[p]);
  }
  M::release();
  merge_chains(a);
}

template <typename M>
QuantTileKernels make_quant_tile_kernels(int least_rows) {
  QuantTileKernels k;
  k.least_rows = least_rows;
  k.chain[static_cast<int>(WeightFormat::kInt8)] = quant_tile_chain<M, WeightFormat::kInt8>;
  k.chain[static_cast<int>(WeightFormat::kInt8Min)] = quant_tile_chain<M, WeightFormat::kInt8Min>;
  k.chain[static_cast<int>(WeightFormat::kInt4)] = quant_tile_chain<M, WeightFormat::kInt4>;
  k.chain[static_cast<int>(WeightFormat::kInt4Min)] = quant_tile_chain<M, WeightFormat::kInt4Min>;
  return k;
}

}  // namespace
}  // namespace tandem::cpu
