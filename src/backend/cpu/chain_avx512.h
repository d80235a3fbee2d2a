// What the chains with AVX-512 have in common: sixteen outputs of a panel are the lanes of a
// register, and the sum of a step goes where ChainArgs says. For files compiled for that
// instruction set.
#pragma once

#include <immintrin.h>

#include "backend/cpu/kernels.h"

namespace tandem::cpu {
namespace {

inline __attribute__((always_inline)) void prefetch(const std::byte* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0);
}

/// Into the second cache: the first one takes few misses at a time, and where products are many
/// they would wait for a place among them.
inline __attribute__((always_inline)) void prefetch_second(const std::byte* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1);
}

/// Where a step's sums go.
struct Into {
  float* c;
  int64_t ldc;
  __mmask16 keep;  ///< 0: chains start at +0, else what is in c goes on
  int merges;
  int64_t level;
};

/// Where step s of a panel adds.
inline __attribute__((always_inline)) Into into(const ChainArgs& a, int64_t s, int panel) {
  const bool fresh = a.fresh && s == 0, last = s + 1 == a.steps;
  return {a.c + 16 * panel, a.ldc, static_cast<__mmask16>(fresh ? 0 : 0xffff), last ? a.merges : 0,
          a.level};
}

/// Adds the sums of a step, even and odd ones, to the chains of kRows rows and kPanels panels;
/// after the last step, to the units' tree.
template <int kRows, int kPanels>
inline __attribute__((always_inline)) void put(const Into& into,
                                               const __m512 (&even)[kRows][kPanels],
                                               const __m512 (&odd)[kRows][kPanels]) {
#pragma GCC unroll 10
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      float* at = into.c + r * into.ldc + 16 * p;
      const __m512 step = _mm512_add_ps(even[r][p], odd[r][p]);
      _mm512_storeu_ps(at, _mm512_add_ps(_mm512_maskz_loadu_ps(into.keep, at), step));
    }
  }
  if (into.merges == 0) return;
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < kPanels; ++p) {
      float* at = into.c + r * into.ldc + 16 * p;
      __m512 sum = _mm512_loadu_ps(at);
      for (int m = 0; m < into.merges; ++m) {
        at -= into.level;
        sum = _mm512_add_ps(_mm512_loadu_ps(at), sum);
      }
      _mm512_storeu_ps(at, sum);
    }
  }
}

}  // namespace
}  // namespace tandem::cpu
