// AVX-512: one panel of sixteen outputs is one register.
#include "backend/cpu/kernels.h"
// The lanes come before what is written over them.
// clang-format off
#include "backend/cpu/vec_avx512.h"
#include "backend/cpu/elementwise.h"
// clang-format on

namespace tandem::cpu {
namespace {

constexpr int64_t kPrefetch = 2048;  // bytes ahead in the stream of weights
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

/// One step of kRows rows and kPanels panels in registers: even and odd sums side by side.
template <int kType, int kRows, int kPanels>
inline __attribute__((always_inline)) void step(const float* x, const std::byte* w, float* c,
                                                int64_t ldc) {
  constexpr int64_t kTile = kType == 0 ? 2048 : 1024;
  __m512 even[kRows][kPanels], odd[kRows][kPanels];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) even[r][p] = odd[r][p] = _mm512_setzero_ps();
  }
#pragma GCC unroll 1
  for (int t = 0; t < 16; ++t) {
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) {
      const std::byte* tile = w + p * kTile;
      const std::byte* ahead = tile + t * (kTile / 16) + kPrefetch;
      _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T0);
      if constexpr (kType == 0) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead + 64), _MM_HINT_T0);
      }
      __m512 we, wo;
      load_pair<kType>(tile, t, we, wo);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        even[r][p] = _mm512_fmadd_ps(_mm512_set1_ps(x[r * kStepK + 2 * t]), we, even[r][p]);
        odd[r][p] = _mm512_fmadd_ps(_mm512_set1_ps(x[r * kStepK + 2 * t + 1]), wo, odd[r][p]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) {
      float* at = c + r * ldc + p * 16;
      _mm512_storeu_ps(at,
                       _mm512_add_ps(_mm512_loadu_ps(at), _mm512_add_ps(even[r][p], odd[r][p])));
    }
  }
}

template <int kType, int kRows>
void chain_rows(const ChainArgs& a) {
  constexpr int64_t kTile = kType == 0 ? 2048 : 1024;
  constexpr int kPanels = kRows == 1 ? 4 : kRows <= 3 ? 2 : 1;
  for (int64_t s = 0; s < a.steps; ++s) {
    const float* x = a.x + s * kRows * kStepK;
    const std::byte* w = a.w + s * a.step_bytes;
    int p = 0;
    for (; p + kPanels <= a.panels; p += kPanels) {
      step<kType, kRows, kPanels>(x, w + p * kTile, a.c + 16 * p, a.ldc);
    }
    for (; p < a.panels; ++p) step<kType, kRows, 1>(x, w + p * kTile, a.c + 16 * p, a.ldc);
  }
}

template <int kType>
void chain_kernel(const ChainArgs& a) {
  switch (a.rows) {
    case 1:
      return chain_rows<kType, 1>(a);
    case 2:
      return chain_rows<kType, 2>(a);
    case 3:
      return chain_rows<kType, 3>(a);
    case 4:
      return chain_rows<kType, 4>(a);
    case 5:
      return chain_rows<kType, 5>(a);
    case 6:
      return chain_rows<kType, 6>(a);
    case 7:
      return chain_rows<kType, 7>(a);
    default:
      return chain_rows<kType, 8>(a);
  }
}

/// Products of one parity (0 even, 1 odd) of a step: kRows x kPanels sums in registers.
template <int kRows, int kPanels, int kOdd>
inline __attribute__((always_inline)) void half_step(const float* x, const float* w,
                                                     int64_t panel_floats,
                                                     __m512 (&sum)[kRows][kPanels]) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) sum[r][p] = _mm512_setzero_ps();
  }
#pragma GCC unroll 2
  for (int t = 0; t < 16; ++t) {
    __m512 v[kPanels];
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      v[p] = _mm512_loadu_ps(w + p * panel_floats + (2 * t + kOdd) * 16);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const __m512 b = _mm512_set1_ps(x[r * kStepK + 2 * t + kOdd]);
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) sum[r][p] = _mm512_fmadd_ps(b, v[p], sum[r][p]);
    }
  }
}

/// Even products first, kept in memory, then odd: twice the rows of step() fit the registers.
template <int kRows, int kPanels>
void wide_panels(const ChainArgs& a, const std::byte* w, int64_t panel_bytes, float* c) {
  const int64_t panel_floats = panel_bytes / 4;
  for (int64_t s = 0; s < a.steps; ++s) {
    const float* x = a.x + s * kRows * kStepK;
    const float* tile = reinterpret_cast<const float*>(w + s * a.step_bytes);
    alignas(64) float kept[kRows * kPanels * 16];
    __m512 sum[kRows][kPanels];
    half_step<kRows, kPanels, 0>(x, tile, panel_floats, sum);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) _mm512_store_ps(kept + (r * kPanels + p) * 16, sum[r][p]);
    }
    half_step<kRows, kPanels, 1>(x, tile, panel_floats, sum);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) {
        float* at = c + r * a.ldc + p * 16;
        const __m512 both = _mm512_add_ps(_mm512_load_ps(kept + (r * kPanels + p) * 16), sum[r][p]);
        _mm512_storeu_ps(at, _mm512_add_ps(_mm512_loadu_ps(at), both));
      }
    }
  }
}

template <int kRows>
void wide_rows(const ChainArgs& a, int64_t panel_bytes) {
  int p = 0;
  for (; p + 2 <= a.panels; p += 2) {
    wide_panels<kRows, 2>(a, a.w + p * panel_bytes, panel_bytes, a.c + 16 * p);
  }
  if (p < a.panels) wide_panels<kRows, 1>(a, a.w + p * panel_bytes, panel_bytes, a.c + 16 * p);
}

void wide_kernel(const ChainArgs& a, int64_t panel_bytes) {
  switch (a.rows) {
    case 1:
      return wide_rows<1>(a, panel_bytes);
    case 2:
      return wide_rows<2>(a, panel_bytes);
    case 3:
      return wide_rows<3>(a, panel_bytes);
    case 4:
      return wide_rows<4>(a, panel_bytes);
    case 5:
      return wide_rows<5>(a, panel_bytes);
    case 6:
      return wide_rows<6>(a, panel_bytes);
    case 7:
      return wide_rows<7>(a, panel_bytes);
    case 8:
      return wide_rows<8>(a, panel_bytes);
    case 9:
      return wide_rows<9>(a, panel_bytes);
    case 10:
      return wide_rows<10>(a, panel_bytes);
    case 11:
      return wide_rows<11>(a, panel_bytes);
    case 12:
      return wide_rows<12>(a, panel_bytes);
    default:
      return wide_rows<13>(a, panel_bytes);
  }
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
  k.max_rows = 8;
  k.tile_rows = 13;
  k.chain[0] = chain_kernel<0>;
  k.chain[1] = chain_kernel<1>;
  k.chain[2] = chain_kernel<2>;
  k.chain_wide = wide_kernel;
  k.expand[1] = expand_kernel<1>;
  k.expand[2] = expand_kernel<2>;
  k.transpose = transpose_kernel;
  set_elementwise(k);
  return k;
}

}  // namespace

const Kernels& avx512_kernels() {
  static const Kernels table = make_table();
  return table;
}

}  // namespace tandem::cpu
