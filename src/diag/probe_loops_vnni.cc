#include <immintrin.h>

#include "diag/probe_loops.h"

namespace tandem {

double int8_loop_vnni(int64_t rounds, float& sink) {
  const __m512i a = _mm512_set1_epi8(3);
  const __m512i sum = chains(
      rounds, a, a, [](__m512i x, __m512i y, __m512i z) { return _mm512_dpbusd_epi32(x, y, z); });
  sink += static_cast<float>(_mm512_cvtsi512_si32(sum));
  return static_cast<double>(rounds) * kChains * 64 * 2;
}

}  // namespace tandem
