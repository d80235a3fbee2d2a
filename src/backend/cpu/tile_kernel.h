// The inner loops over a matrix unit, written once over the instructions of a *tile machine* M: the
// processor's (tiles_amx.h) or one in software, with which they are tested on every processor
// (tests/conformance). M has, all static:
//
//   configure(const TileConfig&), release()      LDTILECFG, TILERELEASE
//   zero<T>(), load<T>(p, stride), store<T>(p, stride)   TILEZERO, TILELOADD, TILESTORED
//   dot_bf16<C, A, B>()                          TDPBF16PS
//   prefetch(p)                                  towards the L2 cache
//
// Eight tiles of 16 rows of 64 bytes: 0 to 3 are sums, the others rows and weights. Each pair of
// them that was loaded is multiplied crosswise, so four products need four loads.
#pragma once

#include "backend/cpu/tiles.h"

namespace tandem::cpu {
namespace {

/// One step: tile r * 2 + p (two row tiles) or p (one) gets row tile r times panel p.
template <typename M, int kRowTiles, int kPanels>
inline __attribute__((always_inline)) void tile_step(const std::byte* a0, const std::byte* a1,
                                                     const std::byte* w, int64_t panel_bytes) {
  M::template load<4>(a0, 64);
  if constexpr (kRowTiles == 2) {
    M::template load<6>(w, 64);
    M::template dot_bf16<0, 4, 6>();
    if constexpr (kPanels > 1) M::template load<7>(w + panel_bytes, 64);
    if constexpr (kPanels > 1) M::template dot_bf16<1, 4, 7>();
    M::template load<5>(a1, 64);
    M::template dot_bf16<2, 5, 6>();
    if constexpr (kPanels > 1) M::template dot_bf16<3, 5, 7>();
  } else {
    M::template load<5>(w, 64);
    M::template dot_bf16<0, 4, 5>();
    if constexpr (kPanels > 1) M::template load<6>(w + panel_bytes, 64);
    if constexpr (kPanels > 1) M::template dot_bf16<1, 4, 6>();
    if constexpr (kPanels > 2) M::template load<7>(w + 2 * panel_bytes, 64);
    if constexpr (kPanels > 2) M::template dot_bf16<2, 4, 7>();
    if constexpr (kPanels > 3) M::template load<5>(w + 3 * panel_bytes, 64);
    if constexpr (kPanels > 3) M::template dot_bf16<3, 4, 5>();
  }
}

/// Calls f<tile>(floats from the first sum) for each tile of sums.
template <int kRowTiles, int kPanels, typename F>
inline __attribute__((always_inline)) void each_sum(int64_t ldc, F f) {
  f.template operator()<0>(0);
  if constexpr (kPanels > 1) f.template operator()<1>(16);
  if constexpr (kRowTiles == 2) {
    f.template operator()<2>(16 * ldc);
    if constexpr (kPanels > 1) f.template operator()<3>(16 * ldc + 16);
  } else {
    if constexpr (kPanels > 2) f.template operator()<2>(32);
    if constexpr (kPanels > 3) f.template operator()<3>(48);
  }
}

inline float* tile_level(const TileArgs& t, int level) {
  return (level < t.keep ? t.stack : t.spare) + level * t.level_floats;
}

/// Adds the sums at level top to those below, `merges` times, the nearest first; each sum is read
/// once and only the last result is written.
__attribute__((noinline)) void tile_merge(const TileArgs& t, int top, int merges) {
  using Line = float __attribute__((vector_size(64), aligned(4), may_alias));
  constexpr int64_t kLines = 4;  // independent additions side by side
  for (int64_t i = 0; i < t.level_floats; i += kLines * 16) {
    Line sum[kLines];
    const auto* from = reinterpret_cast<const Line*>(tile_level(t, top) + i);
    for (int64_t l = 0; l < kLines; ++l) sum[l] = from[l];
    for (int m = 1; m <= merges; ++m) {
      const auto* lower = reinterpret_cast<const Line*>(tile_level(t, top - m) + i);
      for (int64_t l = 0; l < kLines; ++l) sum[l] = lower[l] + sum[l];
    }
    auto* to = reinterpret_cast<Line*>(tile_level(t, top - merges) + i);
    for (int64_t l = 0; l < kLines; ++l) to[l] = sum[l];
  }
}

template <typename M>
inline __attribute__((always_inline)) void ask_for(TileAhead& ahead) {
  for (int64_t n = ahead.lines; n > 0; --n, ahead.at += 64) M::prefetch(ahead.at);
}

template <typename M, int kRowTiles, int kPanels>
__attribute__((noinline)) void tile_block_of(const TileArgs& t) {
  TileAhead weights = t.ahead[0], rows = t.ahead[1];
  const std::byte *a0 = t.a, *a1 = t.a + t.a_bytes, *w = t.w;
  const int64_t step_bytes = t.step_bytes, panel_bytes = t.panel_bytes, ldc = t.ldc;
  int depth = t.depth;
  for (int64_t i = 0; i < t.run_count; ++i) {
    const TileRun run = t.runs[i];
    depth += run.fresh ? 1 : 0;
    float* c = tile_level(t, depth - 1);
    if (run.fresh) {
      each_sum<kRowTiles, kPanels>(ldc, []<int kTile>(int64_t) { M::template zero<kTile>(); });
    } else {
      each_sum<kRowTiles, kPanels>(
          ldc, [&]<int kTile>(int64_t at) { M::template load<kTile>(c + at, ldc * 4); });
    }
    for (int64_t left = run.steps; left > 0; --left) {
      tile_step<M, kRowTiles, kPanels>(a0, a1, w, panel_bytes);
      ask_for<M>(weights);
      ask_for<M>(rows);
      a0 += kRowTileBytes;
      a1 += kRowTileBytes;
      w += step_bytes;
    }
    each_sum<kRowTiles, kPanels>(
        ldc, [&]<int kTile>(int64_t at) { M::template store<kTile>(c + at, ldc * 4); });
    if (run.merges > 0) tile_merge(t, depth - 1, run.merges);
    depth -= run.merges;
  }
}

template <typename M>
void tile_block(const TileArgs& t) {
  if (t.row_tiles == 2) {
    return t.panels == 1 ? tile_block_of<M, 2, 1>(t) : tile_block_of<M, 2, 2>(t);
  }
  switch (t.panels) {
    case 1:
      return tile_block_of<M, 1, 1>(t);
    case 2:
      return tile_block_of<M, 1, 2>(t);
    case 3:
      return tile_block_of<M, 1, 3>(t);
    default:
      return tile_block_of<M, 1, 4>(t);
  }
}

inline void tile_scale(float* x, int64_t n, float by) {
  using Line = float __attribute__((vector_size(64), aligned(4), may_alias));
  for (int64_t i = 0; i < n; i += 16) *reinterpret_cast<Line*>(x + i) *= by;
}

template <typename M>
TileKernels make_tile_kernels(int least_rows) {
  TileKernels k;
  k.least_rows = least_rows;
  k.begin = [] {
    const TileConfig config;
    M::configure(config);
  };
  k.end = [] { M::release(); };
  k.block = tile_block<M>;
  k.scale = tile_scale;
  return k;
}

}  // namespace
}  // namespace tandem::cpu
