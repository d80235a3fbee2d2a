// q.k and p.v over pages with AVX2: one panel of sixteen outputs is two registers. Even products
// first, kept in memory, then odd, so that six rows fit the registers.
#include <immintrin.h>

#include "backend/cpu/kernels.h"

namespace tandem::cpu {
namespace {

constexpr int kStepK = 32;
constexpr int64_t kTile[4] = {2048, 1024, 1024, 512};

/// Outputs [8h, 8h + 8) of k = 2t + odd in a tile.
template <int kType, int kOdd>
inline __attribute__((always_inline)) __m256 load_k(const std::byte* tile, int t, int h) {
  if constexpr (kType == 0) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(tile) + 32 * t + 16 * kOdd + 8 * h);
  } else if constexpr (kType == 3) {
    const std::byte* w = tile + 32 * t + 16 * kOdd + 8 * h;
    return _mm256_cvtepi32_ps(
        _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(w))));
  } else {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tile + 64 * t + 32 * h));
    if constexpr (kType == 1) {
      const __m256i high = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
      return _mm256_castsi256_ps(kOdd == 0 ? _mm256_slli_epi32(v, 16) : _mm256_and_si256(v, high));
    } else {
      const __m256i low = _mm256_set1_epi32(0xffff);
      const __m256i one = kOdd == 0 ? _mm256_and_si256(v, low) : _mm256_srli_epi32(v, 16);
      const __m256i parts = _mm256_permute4x64_epi64(_mm256_packus_epi32(one, one), 0xd8);
      return _mm256_cvtph_ps(_mm256_castsi256_si128(parts));
    }
  }
}

template <int kType, int kRows, int kOdd>
inline __attribute__((always_inline)) void half_step(const float* x, const std::byte* tile,
                                                     const std::byte* ahead,
                                                     __m256 (&sum)[kRows][2]) {
  constexpr int64_t kHalf = kTile[kType] / 2;  // even and odd products prefetch half of it each
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
#pragma GCC unroll 2
  for (int t = 0; t < 16; ++t) {
    if (ahead != nullptr && t < kHalf / 64) {
      _mm_prefetch(reinterpret_cast<const char*>(ahead + kOdd * kHalf + 64 * t), _MM_HINT_T0);
    }
    const __m256 low = load_k<kType, kOdd>(tile, t, 0);
    const __m256 high = load_k<kType, kOdd>(tile, t, 1);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const __m256 v = _mm256_set1_ps(x[r * kStepK + 2 * t + kOdd]);
      sum[r][0] = _mm256_fmadd_ps(v, low, sum[r][0]);
      sum[r][1] = _mm256_fmadd_ps(v, high, sum[r][1]);
    }
  }
}

template <int kType, int kRows>
inline __attribute__((always_inline)) void step(const PageArgs& a, int p, int64_t s) {
  const float* x = a.x + s * kRows * kStepK;
  const int64_t at = (p * a.steps + s) * kTile[kType];
  const std::byte* ahead = a.ahead == nullptr ? nullptr : a.ahead + at;
  alignas(32) float kept[kRows * 16];
  __m256 sum[kRows][2];
  half_step<kType, kRows, 0>(x, a.w + at, ahead, sum);
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    _mm256_store_ps(kept + 16 * r, sum[r][0]);
    _mm256_store_ps(kept + 16 * r + 8, sum[r][1]);
  }
  half_step<kType, kRows, 1>(x, a.w + at, ahead, sum);
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      float* c = a.c + r * a.ldc + 16 * p + 8 * h;
      __m256 start = _mm256_setzero_ps();
      if (s > 0) {
        start = _mm256_loadu_ps(c);
      } else if (a.alpha != nullptr) {
        start = _mm256_mul_ps(_mm256_loadu_ps(c), _mm256_set1_ps(a.alpha[r]));
      }
      const __m256 both = _mm256_add_ps(_mm256_load_ps(kept + 16 * r + 8 * h), sum[r][h]);
      _mm256_storeu_ps(c, _mm256_add_ps(start, both));
    }
  }
}

template <int kType, int kRows>
void page_rows(const PageArgs& args) {
  const PageArgs a = args;  // a copy that no store can change
  for (int p = 0; p < a.panels; ++p) {
    for (int64_t s = 0; s < a.steps; ++s) step<kType, kRows>(a, p, s);
  }
}

template <int kType>
void page_kernel(const PageArgs& a) {
  using Rows = void (*)(const PageArgs&);
  static constexpr Rows kByRows[] = {page_rows<kType, 1>, page_rows<kType, 2>, page_rows<kType, 3>,
                                     page_rows<kType, 4>, page_rows<kType, 5>, page_rows<kType, 6>};
  kByRows[a.rows - 1](a);
}

template <int kType>
void expand_kernel(const std::byte* w, int64_t tiles, float* out) {
  for (int64_t i = 0; i < tiles; ++i, out += 512) {
    const std::byte* tile = w + i * kTile[kType];
    for (int t = 0; t < 16; ++t) {
      for (int h = 0; h < 2; ++h) {
        _mm256_storeu_ps(out + 32 * t + 8 * h, load_k<kType, 0>(tile, t, h));
        _mm256_storeu_ps(out + 32 * t + 16 + 8 * h, load_k<kType, 1>(tile, t, h));
      }
    }
  }
}

}  // namespace

void set_page_avx2(Kernels& k) {
  k.page_rows = 6;
  k.page[0] = page_kernel<0>;
  k.page[1] = page_kernel<1>;
  k.page[2] = page_kernel<2>;
  k.page[3] = page_kernel<3>;
  k.expand_page[1] = expand_kernel<1>;
  k.expand_page[2] = expand_kernel<2>;
  k.expand_page[3] = expand_kernel<3>;
}

}  // namespace tandem::cpu
