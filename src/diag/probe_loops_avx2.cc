#include <immintrin.h>

#include "diag/probe_loops.h"

namespace tandem {

double fma_loop_avx2(int64_t rounds, float& sink) {
  const __m256 a = _mm256_set1_ps(0.5F);
  const __m256 sum =
      chains(rounds, a, a, [](__m256 x, __m256 y, __m256 z) { return _mm256_fmadd_ps(x, y, z); });
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, sum);
  sink += lanes[0];
  return static_cast<double>(rounds) * kChains * 8 * 2;
}

double int8_loop_avx2(int64_t rounds, float& sink) {
  const __m256i a = _mm256_set1_epi8(3), ones = _mm256_set1_epi16(1);
  const __m256i sum = chains(rounds, a, ones, [](__m256i x, __m256i y, __m256i one) {
    return _mm256_add_epi32(x, _mm256_madd_epi16(_mm256_maddubs_epi16(x, y), one));
  });
  alignas(32) int lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sum);
  sink += static_cast<float>(lanes[0]);
  return static_cast<double>(rounds) * kChains * 32 * 2;
}

uint64_t read_loop_avx2(const uint64_t* words, size_t n) {
  const __m256i sum = sum_of_loads<__m256i>(words, n, [](const uint64_t* at) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  });
  alignas(32) uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sum);
  return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

}  // namespace tandem
