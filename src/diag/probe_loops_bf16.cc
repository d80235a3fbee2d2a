#include <immintrin.h>

#include "diag/probe_loops.h"

namespace tandem {

double pair_loop_bf16(int64_t rounds, float& sink) {
  const __m512 a = _mm512_set1_ps(0.5F);
  const __m512 sum = chains(rounds, a, a, [](__m512 x, __m512 y, __m512 z) {
    return _mm512_dpbf16_ps(x, reinterpret_cast<__m512bh>(y), reinterpret_cast<__m512bh>(z));
  });
  alignas(64) float lanes[16];
  _mm512_store_ps(lanes, sum);
  sink += lanes[0];
  return static_cast<double>(rounds) * kChains * 32 * 2;
}

}  // namespace tandem
