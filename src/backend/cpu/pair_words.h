// The words of pairs.h in registers. For files compiled with AVX512_BF16.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace tandem::cpu {
namespace {

constexpr int64_t kWovenTile = 1024;  ///< bytes: eight turns of a line of even and one of odd k
constexpr int kTurns = 8;
constexpr int kWords = 16;  ///< of x for a row and step: those of even k, then those of odd k

/// sum + the two products of each word of x and w, rounded after each.
inline __attribute__((always_inline)) __m512 add(__m512 sum, __m512i x, __m512i w) {
  return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(w), reinterpret_cast<__m512bh>(x));
}

/// One word in all lanes. The load takes longer than a product.
inline __attribute__((always_inline)) __m512i word(const float* x) {
  return _mm512_castps_si512(_mm512_set1_ps(*x));
}

/// k = 0 to 31 of a step in the order of its words.
inline __attribute__((always_inline)) __m512i arranged(__m512i step) {
  alignas(64) static constexpr uint16_t kOrder[32] = {2,  0,  6,  4,  10, 8,  14, 12, 18, 16, 22,
                                                      20, 26, 24, 30, 28, 3,  1,  7,  5,  11, 9,
                                                      15, 13, 19, 17, 23, 21, 27, 25, 31, 29};
  return _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), step);
}

/// Sums of a step for kRows rows and kPanels panels, those of even k and of odd k.
template <int kRows, int kPanels>
struct StepSums {
  __m512 even[kRows][kPanels], odd[kRows][kPanels];
};

/// One step of kRows rows and kPanels panels, whose tiles lie panel_bytes apart, from +0. ask() is
/// called for every two lines of a tile that are read: the place to prefetch two others.
template <int kRows, int kPanels, typename Ask>
inline __attribute__((always_inline)) void pair_step(const float* x, const std::byte* w,
                                                     int64_t panel_bytes, Ask ask,
                                                     StepSums<kRows, kPanels>& sums) {
#pragma GCC unroll 10
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) sums.even[r][p] = sums.odd[r][p] = _mm512_setzero_ps();
  }
#pragma GCC unroll 1
  for (int t = 0; t < kTurns; ++t, ++x, w += kWovenTile / kTurns) {
    __m512i we[kPanels], wo[kPanels];
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      const std::byte* at = w + p * panel_bytes;
      we[p] = _mm512_loadu_si512(at);
      wo[p] = _mm512_loadu_si512(at + 64);
      ask(at);
    }
#pragma GCC unroll 10
    for (int r = 0; r < kRows; ++r) {
      const __m512i xe = word(x + r * kWords), xo = word(x + r * kWords + 8);
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) sums.even[r][p] = add(sums.even[r][p], xe, we[p]);
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) sums.odd[r][p] = add(sums.odd[r][p], xo, wo[p]);
    }
  }
}

}  // namespace
}  // namespace tandem::cpu
