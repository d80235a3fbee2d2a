// AVX-512: one panel of sixteen outputs is one register.
#include "backend/cpu/kernels.h"
// The lanes come before what is written over them.
// clang-format off
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

/// One step of kRows rows and one panel in registers, even and odd sums side by side. One panel at
/// a time keeps the reads of memory in order: that is twice as fast as four panels in step.
template <int kType, int kRows, bool kStream>
inline __attribute__((always_inline)) void step(const float* x, const std::byte* tile, float* c,
                                                int64_t ldc) {
  constexpr int64_t kLine = kType == 0 ? 128 : 64;
  __m512 even[kRows], odd[kRows];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) even[r] = odd[r] = _mm512_setzero_ps();
#pragma GCC unroll 1
  for (int t = 0; t < 16; ++t) {
    if constexpr (kStream) {
      const std::byte* ahead = tile + t * kLine + kPrefetch;
      _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T0);
      if constexpr (kType == 0) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead + 64), _MM_HINT_T0);
      }
    }
    __m512 we, wo;
    load_pair<kType>(tile, t, we, wo);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      even[r] = _mm512_fmadd_ps(_mm512_set1_ps(x[r * kStepK + 2 * t]), we, even[r]);
      odd[r] = _mm512_fmadd_ps(_mm512_set1_ps(x[r * kStepK + 2 * t + 1]), wo, odd[r]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
    float* at = c + r * ldc;
    _mm512_storeu_ps(at, _mm512_add_ps(_mm512_loadu_ps(at), _mm512_add_ps(even[r], odd[r])));
  }
}

template <int kType, int kRows>
void chain_rows(const ChainArgs& a) {
  constexpr int64_t kTile = kType == 0 ? 2048 : 1024;
  for (int64_t s = 0; s < a.steps; ++s) {
    const float* x = a.x + s * kRows * kStepK;
    const std::byte* w = a.w + s * a.step_bytes;
    for (int p = 0; p < a.panels; ++p) {
      step<kType, kRows, true>(x, w + p * kTile, a.c + 16 * p, a.ldc);
    }
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

/// Twelve rows fill the registers: 24 sums, two weights.
template <int kRows>
void wide_rows(const ChainArgs& a, int64_t panel_bytes) {
  if (a.next_x != nullptr) {  // comes from L2 or L3 while this call computes
    for (int64_t i = 0; i < a.steps * kRows * kStepK; i += 16) {
      _mm_prefetch(reinterpret_cast<const char*>(a.next_x + i), _MM_HINT_T0);
    }
  }
  for (int p = 0; p < a.panels; ++p) {
    for (int64_t s = 0; s < a.steps; ++s) {
      step<0, kRows, false>(a.x + s * kRows * kStepK, a.w + p * panel_bytes + s * a.step_bytes,
                            a.c + 16 * p, a.ldc);
    }
  }
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
    default:
      return wide_rows<12>(a, panel_bytes);
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
  k.tile_rows = 12;
  k.chain[0] = chain_kernel<0>;
  k.chain[1] = chain_kernel<1>;
  k.chain[2] = chain_kernel<2>;
  k.chain_wide = wide_kernel;
  k.expand[1] = expand_kernel<1>;
  k.expand[2] = expand_kernel<2>;
  k.transpose = transpose_kernel;
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
