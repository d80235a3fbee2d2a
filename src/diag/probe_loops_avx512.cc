#include <immintrin.h>

#include "diag/probe_loops.h"

namespace tandem {

double fma_loop_avx512(int64_t rounds, float& sink) {
  const __m512 a = _mm512_set1_ps(0.5F);
  const __m512 sum =
      chains(rounds, a, a, [](__m512 x, __m512 y, __m512 z) { return _mm512_fmadd_ps(x, y, z); });
  alignas(64) float lanes[16];
  _mm512_store_ps(lanes, sum);
  sink += lanes[0];
  return static_cast<double>(rounds) * kChains * 16 * 2;
}

uint64_t read_loop_avx512(const uint64_t* words, size_t n) {
  return static_cast<uint64_t>(_mm512_reduce_add_epi64(
      sum_of_loads<__m512i>(words, n, [](const uint64_t* at) { return _mm512_loadu_si512(at); })));
}

}  // namespace tandem
