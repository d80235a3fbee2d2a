// The sixteen virtual lanes in two 256-bit registers. Operations as vec_portable.h defines them.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace tandem::cpu {
namespace {

struct V {
  __m256 a, b;  ///< lanes 0-7 and 8-15

  /// All bits set in lanes [0, n) of the eight lanes that start at lane `from`.
  static __m256i first(int n, int from) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n - from), lane);
  }
  static V set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static V load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static V load_n(const float* p, int n) {
    return {_mm256_maskload_ps(p, first(n, 0)), _mm256_maskload_ps(p + 8, first(n, 8))};
  }
  static void store(float* p, V x) {
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
  }
  static void store_n(float* p, V x, int n) {
    _mm256_maskstore_ps(p, first(n, 0), x.a);
    _mm256_maskstore_ps(p + 8, first(n, 8), x.b);
  }
  static __m256i load16_n(const uint16_t* p, int n) {
    if (n == 16) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    alignas(32) uint16_t t[16] = {};
    for (int i = 0; i < n; ++i) t[i] = p[i];
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(t));
  }
  static void store16_n(uint16_t* p, __m256i h, int n) {
    if (n == 16) return _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), h);
    alignas(32) uint16_t t[16];
    _mm256_store_si256(reinterpret_cast<__m256i*>(t), h);
    for (int i = 0; i < n; ++i) p[i] = t[i];
  }
  static V widen_bf16(__m256i h) {
    return {_mm256_castsi256_ps(
                _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(h)), 16)),
            _mm256_castsi256_ps(
                _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm256_extracti128_si256(h, 1)), 16))};
  }
  static V widen_f16(__m256i h) {
    return {_mm256_cvtph_ps(_mm256_castsi256_si128(h)),
            _mm256_cvtph_ps(_mm256_extracti128_si256(h, 1))};
  }
  static V load_bf16_n(const uint16_t* p, int n) { return widen_bf16(load16_n(p, n)); }
  static V load_f16_n(const uint16_t* p, int n) { return widen_f16(load16_n(p, n)); }
  /// bfloat16 bits in the low halves of eight 32-bit lanes.
  static __m256i bf16_bits(__m256 x) {
    const __m256i u = _mm256_castps_si256(x);
    const __m256i high = _mm256_srli_epi32(u, 16);
    const __m256i lsb = _mm256_and_si256(high, _mm256_set1_epi32(1));
    __m256i r = _mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), lsb);
    r = _mm256_srli_epi32(r, 16);
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    r = _mm256_blendv_epi8(r, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
    const __m256i tiny = _mm256_cmpeq_epi32(_mm256_and_si256(u, _mm256_set1_epi32(0x7f800000)),
                                            _mm256_setzero_si256());
    return _mm256_blendv_epi8(r, _mm256_and_si256(high, _mm256_set1_epi32(0x8000)), tiny);
  }
  static __m256i to_bf16(V x) {
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(bf16_bits(x.a), bf16_bits(x.b)), 0xd8);
  }
  static __m256i to_f16(V x) {
    constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return _mm256_set_m128i(_mm256_cvtps_ph(x.b, kNearest), _mm256_cvtps_ph(x.a, kNearest));
  }
  static void store_bf16_n(uint16_t* p, V x, int n) { store16_n(p, to_bf16(x), n); }
  static void store_f16_n(uint16_t* p, V x, int n) { store16_n(p, to_f16(x), n); }
  static void store_low_bytes_n(int8_t* p, V x, int n) {
    alignas(32) int32_t t[16];
    _mm256_store_si256(reinterpret_cast<__m256i*>(t), _mm256_castps_si256(x.a));
    _mm256_store_si256(reinterpret_cast<__m256i*>(t + 8), _mm256_castps_si256(x.b));
    for (int i = 0; i < n; ++i) p[i] = static_cast<int8_t>(t[i]);
  }
  static V round_bf16(V x) { return widen_bf16(to_bf16(x)); }
  static V round_f16(V x) { return widen_f16(to_f16(x)); }
  static V fma(V x, V y, V z) {
    return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
  }
  static V add(V x, V y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
  static V sub(V x, V y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
  static V mul(V x, V y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
  static V div(V x, V y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
  static V max(V x, V y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
  static V min(V x, V y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
  static V select(V x, V y, int begin, int end) {
    const __m256 in_a = _mm256_castsi256_ps(_mm256_andnot_si256(first(begin, 0), first(end, 0)));
    const __m256 in_b = _mm256_castsi256_ps(_mm256_andnot_si256(first(begin, 8), first(end, 8)));
    return {_mm256_blendv_ps(y.a, x.a, in_a), _mm256_blendv_ps(y.b, x.b, in_b)};
  }
  static __m256 half_pow2(__m256 t) {
    const __m256i n = _mm256_add_epi32(_mm256_castps_si256(t), _mm256_set1_epi32(126));
    return _mm256_castsi256_ps(_mm256_slli_epi32(n, 23));
  }
  static V half_pow2(V t) { return {half_pow2(t.a), half_pow2(t.b)}; }
  static unsigned mask(__m256 a, __m256 b) {
    return static_cast<unsigned>(_mm256_movemask_ps(a)) |
           (static_cast<unsigned>(_mm256_movemask_ps(b)) << 8);
  }
  static bool any_nan(V x) {
    return mask(_mm256_cmp_ps(x.a, x.a, _CMP_UNORD_Q), _mm256_cmp_ps(x.b, x.b, _CMP_UNORD_Q)) != 0;
  }
  static int find(V x, float y) {
    const __m256 e = _mm256_set1_ps(y);
    return __builtin_ctz(
        mask(_mm256_cmp_ps(x.a, e, _CMP_EQ_OQ), _mm256_cmp_ps(x.b, e, _CMP_EQ_OQ)) | 0x10000u);
  }
  static float reduce_max(V x) {
    const __m256 h = _mm256_max_ps(x.a, x.b);
    __m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
  }
  static float reduce_add(V x) {
    const __m256 h = _mm256_add_ps(x.a, x.b);
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
  }
};

struct VD {
  __m256d q[4];  ///< lanes 0-3, 4-7, 8-11, 12-15
  static VD zero() {
    const __m256d z = _mm256_setzero_pd();
    return {{z, z, z, z}};
  }
  static VD add(VD s, V x) {
    return {{_mm256_add_pd(s.q[0], _mm256_cvtps_pd(_mm256_castps256_ps128(x.a))),
             _mm256_add_pd(s.q[1], _mm256_cvtps_pd(_mm256_extractf128_ps(x.a, 1))),
             _mm256_add_pd(s.q[2], _mm256_cvtps_pd(_mm256_castps256_ps128(x.b))),
             _mm256_add_pd(s.q[3], _mm256_cvtps_pd(_mm256_extractf128_ps(x.b, 1)))}};
  }
  static double reduce_add(VD s) {
    const __m256d lo = _mm256_add_pd(s.q[0], s.q[2]), hi = _mm256_add_pd(s.q[1], s.q[3]);
    const __m256d q = _mm256_add_pd(lo, hi);
    const __m128d d = _mm_add_pd(_mm256_castpd256_pd128(q), _mm256_extractf128_pd(q, 1));
    return _mm_cvtsd_f64(_mm_add_sd(d, _mm_unpackhi_pd(d, d)));
  }
};

}  // namespace
}  // namespace tandem::cpu
