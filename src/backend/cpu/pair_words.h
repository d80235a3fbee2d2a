// The words of pairs.h in registers. For files compiled with AVX512_BF16.
#pragma once

#include <immintrin.h>

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

}  // namespace
}  // namespace tandem::cpu
