#include <immintrin.h>

#include "diag/fma_loop.h"
#include "diag/probe.h"

namespace tandem {

double fma_loop_avx2(int64_t rounds, float& sink) {
  const __m256 a = _mm256_set1_ps(0.5F);
  const __m256 sum = fma_chains(
      rounds, a, a, [](__m256 x, __m256 y, __m256 z) { return _mm256_fmadd_ps(x, y, z); });
  alignas(64) float lanes[8];
  _mm256_store_ps(lanes, sum);
  sink += lanes[0];
  return static_cast<double>(rounds) * kFmaChains * 8 * 2;
}

}  // namespace tandem
