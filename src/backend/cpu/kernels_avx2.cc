// AVX2 with FMA and F16C: one panel of sixteen outputs is two registers, h = 0 and 1.
#include "backend/cpu/kernels.h"
// The lanes come before what is written over them.
// clang-format off
#include "backend/cpu/vec_avx2.h"
#include "backend/cpu/elementwise.h"
// clang-format on

namespace tandem::cpu {
namespace {

constexpr int64_t kPrefetch = 8192;  // bytes ahead in the stream of weights
constexpr int kStepK = 32;

/// Even and odd weights of outputs [8h, 8h + 8) for pair t of a tile.
template <int kType>
inline __attribute__((always_inline)) void load_pair(const std::byte* tile, int t, int h,
                                                     __m256& even, __m256& odd) {
  if constexpr (kType == 0) {
    const float* w = reinterpret_cast<const float*>(tile) + 32 * t + 8 * h;
    even = _mm256_loadu_ps(w);
    odd = _mm256_loadu_ps(w + 16);
  } else {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tile + 64 * t + 32 * h));
    const __m256i high = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
    if constexpr (kType == 1) {
      even = _mm256_castsi256_ps(_mm256_slli_epi32(v, 16));
      odd = _mm256_castsi256_ps(_mm256_and_si256(v, high));
    } else {
      // [even 0-3, odd 0-3 | even 4-7, odd 4-7] -> even 0-7, odd 0-7
      const __m256i split =
          _mm256_packus_epi32(_mm256_andnot_si256(high, v), _mm256_srli_epi32(v, 16));
      const __m256i parts = _mm256_permute4x64_epi64(split, 0xd8);
      even = _mm256_cvtph_ps(_mm256_castsi256_si128(parts));
      odd = _mm256_cvtph_ps(_mm256_extracti128_si256(parts, 1));
    }
  }
}

template <int kType, int kRows, int kPanels>
inline __attribute__((always_inline)) void step(const float* x, const std::byte* w, float* c,
                                                int64_t ldc) {
  constexpr int64_t kTile = kType == 0 ? 2048 : 1024;
  __m256 even[kRows][kPanels], odd[kRows][kPanels];
  for (int h = 0; h < 2; ++h) {
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) even[r][p] = odd[r][p] = _mm256_setzero_ps();
    }
#pragma GCC unroll 1
    for (int t = 0; t < 16; ++t) {
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) {
        const std::byte* tile = w + p * kTile;
        const std::byte* ahead = tile + t * (kTile / 16) + kPrefetch;
        if (h == 0) {
          _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T0);
          if constexpr (kType == 0) {
            _mm_prefetch(reinterpret_cast<const char*>(ahead + 64), _MM_HINT_T0);
          }
        }
        __m256 we, wo;
        load_pair<kType>(tile, t, h, we, wo);
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
          even[r][p] = _mm256_fmadd_ps(_mm256_set1_ps(x[r * kStepK + 2 * t]), we, even[r][p]);
          odd[r][p] = _mm256_fmadd_ps(_mm256_set1_ps(x[r * kStepK + 2 * t + 1]), wo, odd[r][p]);
        }
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) {
        float* at = c + r * ldc + p * 16 + 8 * h;
        _mm256_storeu_ps(at,
                         _mm256_add_ps(_mm256_loadu_ps(at), _mm256_add_ps(even[r][p], odd[r][p])));
      }
    }
  }
}

template <int kType, int kRows>
void chain_rows(const ChainArgs& a) {
  constexpr int64_t kTile = kType == 0 ? 2048 : 1024;
  constexpr int kPanels = 1;  // reads memory in order
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
    default:
      return chain_rows<kType, 4>(a);
  }
}

template <int kRows, int kOdd>
inline __attribute__((always_inline)) void half_step(const float* x, const float* w,
                                                     __m256 (&sum)[kRows][2]) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
#pragma GCC unroll 2
  for (int t = 0; t < 16; ++t) {
    const __m256 a = _mm256_loadu_ps(w + (2 * t + kOdd) * 16);
    const __m256 b = _mm256_loadu_ps(w + (2 * t + kOdd) * 16 + 8);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m256 v = _mm256_set1_ps(x[r * kStepK + 2 * t + kOdd]);
      sum[r][0] = _mm256_fmadd_ps(v, a, sum[r][0]);
      sum[r][1] = _mm256_fmadd_ps(v, b, sum[r][1]);
    }
  }
}

/// Even products first, kept in memory, then odd.
template <int kRows>
void wide_rows(const ChainArgs& a, int64_t panel_bytes) {
  for (int p = 0; p < a.panels; ++p) {
    for (int64_t s = 0; s < a.steps; ++s) {
      const float* x = a.x + s * kRows * kStepK;
      const float* tile = reinterpret_cast<const float*>(a.w + p * panel_bytes + s * a.step_bytes);
      alignas(32) float kept[kRows * 16];
      __m256 sum[kRows][2];
      half_step<kRows, 0>(x, tile, sum);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        _mm256_store_ps(kept + 16 * r, sum[r][0]);
        _mm256_store_ps(kept + 16 * r + 8, sum[r][1]);
      }
      half_step<kRows, 1>(x, tile, sum);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
          float* at = a.c + r * a.ldc + p * 16 + 8 * h;
          const __m256 both = _mm256_add_ps(_mm256_load_ps(kept + 16 * r + 8 * h), sum[r][h]);
          _mm256_storeu_ps(at, _mm256_add_ps(_mm256_loadu_ps(at), both));
        }
      }
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
    default:
      return wide_rows<6>(a, panel_bytes);
  }
}

template <int kType>
void expand_kernel(const std::byte* w, int64_t tile_bytes, int64_t tiles, float* out) {
  for (int64_t i = 0; i < tiles; ++i) {
    for (int t = 0; t < 16; ++t) {
      for (int h = 0; h < 2; ++h) {
        __m256 even, odd;
        load_pair<kType>(w + i * tile_bytes, t, h, even, odd);
        _mm256_storeu_ps(out + 32 * t + 8 * h, even);
        _mm256_storeu_ps(out + 32 * t + 16 + 8 * h, odd);
      }
    }
    out += 512;
  }
}

/// One 8 x 8 quarter of the 16 x 16 words.
void transpose8(const std::byte* const* rows, int column, std::byte* out) {
  __m256i a[8], b[8];
  for (int i = 0; i < 8; ++i) {
    a[i] = rows[i] != nullptr
               ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[i] + 4 * column))
               : _mm256_setzero_si256();
  }
  for (int i = 0; i < 8; i += 2) {
    b[i] = _mm256_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_epi32(a[i], a[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    a[i] = _mm256_unpacklo_epi64(b[i], b[i + 2]);
    a[i + 1] = _mm256_unpackhi_epi64(b[i], b[i + 2]);
    a[i + 2] = _mm256_unpacklo_epi64(b[i + 1], b[i + 3]);
    a[i + 3] = _mm256_unpackhi_epi64(b[i + 1], b[i + 3]);
  }
  for (int j = 0; j < 4; ++j) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 64 * j),
                        _mm256_permute2x128_si256(a[j], a[4 + j], 0x20));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 64 * (4 + j)),
                        _mm256_permute2x128_si256(a[j], a[4 + j], 0x31));
  }
}

void transpose_kernel(const std::byte* const* rows, std::byte* out) {
  for (int r = 0; r < 16; r += 8) {
    for (int column = 0; column < 16; column += 8) {
      transpose8(rows + r, column, out + 64 * column + 4 * r);
    }
  }
}

Kernels make_table() {
  Kernels k;
  k.isa = "avx2";
  k.max_rows = 4;
  k.tile_rows = 6;
  k.chain[0] = chain_kernel<0>;
  k.chain[1] = chain_kernel<1>;
  k.chain[2] = chain_kernel<2>;
  k.chain_wide = wide_kernel;
  k.expand[1] = expand_kernel<1>;
  k.expand[2] = expand_kernel<2>;
  k.transpose = transpose_kernel;
  set_page_avx2(k);
  set_elementwise(k);
  return k;
}

}  // namespace

const Kernels& avx2_kernels() {
  static const Kernels table = make_table();
  return table;
}

}  // namespace tandem::cpu
