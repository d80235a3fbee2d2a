// AVX-512: one panel of sixteen outputs is one register.
#include "backend/cpu/kernels.h"
#include "backend/cpu/pairs.h"
// The lanes come before what is written over them.
// clang-format off
#include "backend/cpu/chain_avx512.h"
#include "backend/cpu/vec_avx512.h"
#include "backend/cpu/elementwise.h"
// clang-format on

namespace tandem::cpu {
namespace {

constexpr int64_t kPrefetch = 8192;  // bytes ahead in the stream of weights: two steps of a group
constexpr int kStepK = 32;

/// Even and odd weights of sixteen outputs for pair t of a tile.
template <int kType>
inline __attribute__((always_inline)) void load_pair(const std::byte* tile, int t, __m512& even,
                                                     __m512& odd) {
  if constexpr (kType == 0) {
    const float* w = reinterpret_cast<const float*>(tile) + 32 * t;
    even = _mm512_loadu_ps(w);
    odd = _mm512_loadu_ps(w + 16);
  } else {
    const __m512i v = _mm512_loadu_si512(tile + 64 * t);
    if constexpr (kType == 1) {
      even = _mm512_castsi512_ps(_mm512_slli_epi32(v, 16));
      odd = _mm512_castsi512_ps(
          _mm512_and_si512(v, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
    } else {
      even = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v));
      odd = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(v, 16)));
    }
  }
}

/// What a step prefetches while it computes: one line each per pair of k.
struct Ahead {
  const std::byte* w;
  int64_t w_bytes;  ///< from one pair's prefetch to the next one's
  const std::byte* x = nullptr;
  int64_t x_bytes = 0;
};

/// One step of kRows rows and one panel in registers, even and odd sums side by side; the weights
/// serve as they lie. One panel at a time keeps the reads of memory in order: that is twice as fast
/// as four panels in step.
template <int kType, int kRows, bool kHot>
inline __attribute__((always_inline)) void step(const float* x, const std::byte* tile,
                                                const Into& into, Ahead ahead) {
  __m512 even[kRows][1], odd[kRows][1];
#pragma GCC unroll 10
  for (int r = 0; r < kRows; ++r) even[r][0] = odd[r][0] = _mm512_setzero_ps();
#pragma GCC unroll 1
  for (int t = 0; t < 16; ++t) {
    prefetch(ahead.w);
    if constexpr (!kHot && kType == 0) prefetch(ahead.w + 64);
    ahead.w += ahead.w_bytes;
    if constexpr (kHot) {
      prefetch(ahead.x);
      ahead.x += ahead.x_bytes;
    }
    __m512 we, wo;
    load_pair<kType>(tile, t, we, wo);
#pragma GCC unroll 10
    for (int r = 0; r < kRows; ++r) {
      even[r][0] = _mm512_fmadd_ps(_mm512_set1_ps(x[r * kStepK + 2 * t]), we, even[r][0]);
      odd[r][0] = _mm512_fmadd_ps(_mm512_set1_ps(x[r * kStepK + 2 * t + 1]), wo, odd[r][0]);
    }
  }
  put(into, even, odd);
}

template <int kType, int kRows>
void chain_rows(const ChainArgs& a) {
  constexpr int64_t kTile = kType == 0 ? 2048 : 1024;
  for (int64_t s = 0; s < a.steps; ++s) {
    const float* x = a.x + s * kRows * kStepK;
    const std::byte* w = a.w + s * a.step_bytes;
    for (int p = 0; p < a.panels; ++p) {
      const std::byte* tile = w + p * kTile;
      step<kType, kRows, false>(x, tile, into(a, s, p), {tile + kPrefetch, kTile / 16});
    }
  }
}

/// Ten rows: 20 sums, two weights. More rows are no faster on any core seen, fewer neither.
template <int kType, int kRows>
void wide_rows(const ChainArgs& a, int64_t panel_bytes) {
  const int64_t pairs = a.steps * a.panels * 16;
  Ahead ahead{a.w, 0, a.w, 0};
  if (a.next_w_bytes != 0) ahead = {a.next_w, a.next_w_bytes / pairs, a.w, 0};
  if (a.next_x != nullptr) {
    ahead.x = reinterpret_cast<const std::byte*>(a.next_x);
    ahead.x_bytes = (kRows + 1) * kStepK * 4 / (16 * a.panels);
  }
  for (int64_t s = 0; s < a.steps; ++s) {
    const float* x = a.x + s * kRows * kStepK;
    const std::byte* w = a.w + s * a.step_bytes;
    for (int p = 0; p < a.panels; ++p) {
      step<kType, kRows, true>(x, w + p * panel_bytes, into(a, s, p), ahead);
      ahead.w += 16 * ahead.w_bytes;
      ahead.x += 16 * ahead.x_bytes;
    }
  }
}

constexpr int kMaxRows = 10;
template <int kType, int kRows = kMaxRows>
void chain_kernel(const ChainArgs& a) {
  if (a.rows == kRows) return chain_rows<kType, kRows>(a);
  if constexpr (kRows > 1) chain_kernel<kType, kRows - 1>(a);
}

template <int kType, int kRows = kMaxRows>
void wide_kernel(const ChainArgs& a, int64_t panel_bytes) {
  if (a.rows == kRows) return wide_rows<kType, kRows>(a, panel_bytes);
  if constexpr (kRows > 1) wide_kernel<kType, kRows - 1>(a, panel_bytes);
}

template <int kType>
void expand_kernel(const std::byte* w, int64_t tile_bytes, int64_t tiles, float* out) {
  for (int64_t i = 0; i < tiles; ++i) {
    for (int t = 0; t < 16; ++t) {
      __m512 even, odd;
      load_pair<kType>(w + i * tile_bytes, t, even, odd);
      _mm512_storeu_ps(out + 32 * t, even);
      _mm512_storeu_ps(out + 32 * t + 16, odd);
    }
    out += 512;
  }
}

/// 16 x 16 words: pairs of rows, then pairs of pairs, then the 128-bit lanes.
void transpose_kernel(const std::byte* const* rows, std::byte* out) {
  __m512i a[16], b[16];
  for (int i = 0; i < 16; ++i) {
    a[i] = rows[i] != nullptr ? _mm512_loadu_si512(rows[i]) : _mm512_setzero_si512();
  }
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
    a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
    a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
    a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
  }
  // a[4g + j] holds, in its lane l, column 4l + j of rows 4g .. 4g+3.
  for (int j = 0; j < 4; ++j) {
    const __m512i lo01 = _mm512_shuffle_i32x4(a[j], a[4 + j], 0x88);
    const __m512i hi01 = _mm512_shuffle_i32x4(a[j], a[4 + j], 0xdd);
    const __m512i lo23 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0x88);
    const __m512i hi23 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0xdd);
    _mm512_storeu_si512(out + 64 * j, _mm512_shuffle_i32x4(lo01, lo23, 0x88));
    _mm512_storeu_si512(out + 64 * (8 + j), _mm512_shuffle_i32x4(lo01, lo23, 0xdd));
    _mm512_storeu_si512(out + 64 * (4 + j), _mm512_shuffle_i32x4(hi01, hi23, 0x88));
    _mm512_storeu_si512(out + 64 * (12 + j), _mm512_shuffle_i32x4(hi01, hi23, 0xdd));
  }
}

Kernels make_table() {
  Kernels k;
  k.isa = "avx512";
  k.max_rows = kMaxRows;
  k.tile_rows = kMaxRows;
  k.chain[0] = chain_kernel<0>;
  k.chain[1] = chain_kernel<1>;
  k.chain[2] = chain_kernel<2>;
  k.chain_wide = wide_kernel<0>;
  k.chain_wide_bf16 = wide_kernel<1>;
  k.expand[1] = expand_kernel<1>;
  k.expand[2] = expand_kernel<2>;
  k.transpose = transpose_kernel;
  k.pairs = pair_kernels();
  set_page_avx512(k);
  set_elementwise(k);
  return k;
}

}  // namespace

const Kernels& avx512_kernels() {
  static const Kernels table = make_table();
  return table;
}

}  // namespace tandem::cpu
