#include <immintrin.h>

#include "diag/fma_loop.h"
#include "diag/probe.h"

namespace tandem {

double fma_loop_avx512(int64_t rounds, float& sink) {
  const __m512 a = _mm512_set1_ps(0.5F);
  const __m512 sum = fma_chains(
      rounds, a, a, [](__m512 x, __m512 y, __m512 z) { return _mm512_fmadd_ps(x, y, z); });
  alignas(64) float lanes[16];
  _mm512_store_ps(lanes, sum);
  sink += lanes[0];
  return static_cast<double>(rounds) * kFmaChains * 16 * 2;
}

}  // namespace tandem
