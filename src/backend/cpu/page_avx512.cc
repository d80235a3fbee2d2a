// q.k and p.v over pages with AVX-512: one panel of sixteen outputs is one register. One query's
// rows stream the cache once, whatever its type; a float32 page hot in the cache serves twelve
// rows.
#include <immintrin.h>

#include "backend/cpu/kernels.h"

namespace tandem::cpu {
namespace {

constexpr int kStepK = 32;
constexpr int64_t kTile[4] = {2048, 1024, 1024, 512};

/// Even and odd k of sixteen outputs for pair t of a tile.
template <int kType>
inline __attribute__((always_inline)) void load_pair(const std::byte* tile, int t, __m512& even,
                                                     __m512& odd) {
  if constexpr (kType == 0) {
    const float* w = reinterpret_cast<const float*>(tile) + 32 * t;
    even = _mm512_loadu_ps(w);
    odd = _mm512_loadu_ps(w + 16);
  } else if constexpr (kType == 3) {
    const auto* w = reinterpret_cast<const __m128i*>(tile + 32 * t);
    even = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(w)));
    odd = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(w + 1)));
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

template <int kType>
inline __attribute__((always_inline)) void prefetch_pair(const std::byte* ahead, int t) {
  constexpr int kBytes = static_cast<int>(kTile[kType] / 16);
  if (kType == 3 && t % 2 != 0) return;
  const auto* line = reinterpret_cast<const char*>(ahead + kBytes * t);
  _mm_prefetch(line, _MM_HINT_T1);
  if constexpr (kType == 0) _mm_prefetch(line + 64, _MM_HINT_T1);
}

/// One step of one panel.
template <int kType, int kRows>
inline __attribute__((always_inline)) void step(const PageArgs& a, int p, int64_t s) {
  const float* x = a.x + s * kRows * kStepK;
  const int64_t at = (p * a.steps + s) * kTile[kType];
  const std::byte* tile = a.w + at;
  const std::byte* ahead = a.ahead == nullptr ? nullptr : a.ahead + at;
  __m512 even[kRows], odd[kRows];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) even[r] = odd[r] = _mm512_setzero_ps();
#pragma GCC unroll 2
  for (int t = 0; t < 16; ++t) {
    if (ahead != nullptr) prefetch_pair<kType>(ahead, t);
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
    float* c = a.c + r * a.ldc + 16 * p;
    __m512 start = _mm512_setzero_ps();
    if (s > 0) {
      start = _mm512_loadu_ps(c);
    } else if (a.alpha != nullptr) {
      start = _mm512_mul_ps(_mm512_loadu_ps(c), _mm512_set1_ps(a.alpha[r]));
    }
    _mm512_storeu_ps(c, _mm512_add_ps(start, _mm512_add_ps(even[r], odd[r])));
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
  static constexpr Rows kByRows[] = {
      page_rows<kType, 1>, page_rows<kType, 2>,  page_rows<kType, 3>,  page_rows<kType, 4>,
      page_rows<kType, 5>, page_rows<kType, 6>,  page_rows<kType, 7>,  page_rows<kType, 8>,
      page_rows<kType, 9>, page_rows<kType, 10>, page_rows<kType, 11>, page_rows<kType, 12>};
  kByRows[a.rows - 1](a);
}

template <int kType>
void expand_kernel(const std::byte* w, int64_t tiles, float* out) {
  for (int64_t i = 0; i < tiles; ++i, out += 512) {
    for (int t = 0; t < 16; ++t) {
      __m512 even, odd;
      load_pair<kType>(w + i * kTile[kType], t, even, odd);
      _mm512_storeu_ps(out + 32 * t, even);
      _mm512_storeu_ps(out + 32 * t + 16, odd);
    }
  }
}

}  // namespace

void set_page_avx512(Kernels& k) {
  k.page_rows = 12;
  k.page[0] = page_kernel<0>;
  k.page[1] = page_kernel<1>;
  k.page[2] = page_kernel<2>;
  k.page[3] = page_kernel<3>;
  k.expand_page[1] = expand_kernel<1>;
  k.expand_page[2] = expand_kernel<2>;
  k.expand_page[3] = expand_kernel<3>;
}

}  // namespace tandem::cpu
