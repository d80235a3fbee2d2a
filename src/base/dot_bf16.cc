#include "base/dot_bf16.h"

#include <immintrin.h>

#include <cstdint>

namespace tandem {

bool dot_bf16_rounds_twice() {
  const unsigned mode = _mm_getcsr();
  _mm_setcsr(mode | 0x8040);  // as every thread that computes: denormals are flushed
  uint64_t state = 1;
  const auto two_halves = [&state] {  // of either sign, between 2^-4 and 2^4
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state >> 32 & 0x83ff83ffu) + 0x3d803d80u;
  };
  const __m512i high = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  const auto value = [high](__m512i v) { return _mm512_castsi512_ps(_mm512_and_si512(v, high)); };
  bool same = true;
  for (int i = 0; i < 256; ++i) {
    alignas(64) uint32_t words[3][16];
    for (auto& line : words) {
      for (uint32_t& one : line) one = two_halves();
    }
    const __m512i x = _mm512_load_si512(words[0]), w = _mm512_load_si512(words[1]);
    const __m512 sum = _mm512_load_ps(words[2]);
    __m512 two = _mm512_fmadd_ps(value(x), value(w), sum);
    two = _mm512_fmadd_ps(value(_mm512_slli_epi32(x, 16)), value(_mm512_slli_epi32(w, 16)), two);
    const __m512 got =
        _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(w), reinterpret_cast<__m512bh>(x));
    same &= _mm512_cmpneq_epi32_mask(_mm512_castps_si512(two), _mm512_castps_si512(got)) == 0;
  }
  _mm_setcsr(mode);
  return same;
}

}  // namespace tandem
