// The sixteen virtual lanes in one 512-bit register. Operations as vec_portable.h defines them.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace tandem::cpu {
namespace {

struct V {
  __m512 v;

  static __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
  static V set1(float x) { return {_mm512_set1_ps(x)}; }
  static V load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static V load_n(const float* p, int n) { return {_mm512_maskz_loadu_ps(first(n), p)}; }
  static void store(float* p, V a) { _mm512_storeu_ps(p, a.v); }
  static void store_n(float* p, V a, int n) { _mm512_mask_storeu_ps(p, first(n), a.v); }
  static V widen_bf16(__m256i h) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16))};
  }
  static V load_bf16_n(const uint16_t* p, int n) {
    return widen_bf16(_mm256_maskz_loadu_epi16(first(n), p));
  }
  static V load_f16_n(const uint16_t* p, int n) {
    return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), p))};
  }
  static __m256i to_bf16(V a) {
    const __m512i u = _mm512_castps_si512(a.v);
    const __m512i high = _mm512_srli_epi32(u, 16);
    const __m512i lsb = _mm512_and_si512(high, _mm512_set1_epi32(1));
    __m512i r = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), lsb);
    r = _mm512_srli_epi32(r, 16);
    const __mmask16 nan = _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
    r = _mm512_mask_or_epi32(r, nan, high, _mm512_set1_epi32(0x40));
    const __mmask16 tiny = _mm512_testn_epi32_mask(u, _mm512_set1_epi32(0x7f800000));
    r = _mm512_mask_and_epi32(r, tiny, high, _mm512_set1_epi32(0x8000));
    return _mm512_cvtepi32_epi16(r);
  }
  static __m256i to_f16(V a) {
    return _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static void store_bf16_n(uint16_t* p, V a, int n) {
    _mm256_mask_storeu_epi16(p, first(n), to_bf16(a));
  }
  static void store_f16_n(uint16_t* p, V a, int n) {
    _mm256_mask_storeu_epi16(p, first(n), to_f16(a));
  }
  static void store_low_bytes_n(int8_t* p, V a, int n) {
    _mm_mask_storeu_epi8(p, first(n), _mm512_cvtepi32_epi8(_mm512_castps_si512(a.v)));
  }
  static V round_bf16(V a) { return widen_bf16(to_bf16(a)); }
  static V round_f16(V a) { return {_mm512_cvtph_ps(to_f16(a))}; }
  static V fma(V a, V b, V c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  static V add(V a, V b) { return {_mm512_add_ps(a.v, b.v)}; }
  static V sub(V a, V b) { return {_mm512_sub_ps(a.v, b.v)}; }
  static V mul(V a, V b) { return {_mm512_mul_ps(a.v, b.v)}; }
  static V div(V a, V b) { return {_mm512_div_ps(a.v, b.v)}; }
  static V max(V a, V b) { return {_mm512_max_ps(a.v, b.v)}; }
  static V min(V a, V b) { return {_mm512_min_ps(a.v, b.v)}; }
  static V select(V a, V b, int begin, int end) {
    begin = begin < 0 ? 0 : begin > 16 ? 16 : begin;
    end = end < begin ? begin : end > 16 ? 16 : end;
    const auto mask = static_cast<__mmask16>(first(end) & ~first(begin));
    return {_mm512_mask_blend_ps(mask, b.v, a.v)};
  }
  static V half_pow2(V t) {
    const __m512i n = _mm512_add_epi32(_mm512_castps_si512(t.v), _mm512_set1_epi32(126));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(n, 23))};
  }
  static bool any_nan(V a) { return _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q) != 0; }
  static int find(V a, float x) {
    const unsigned mask = _mm512_cmp_ps_mask(a.v, _mm512_set1_ps(x), _CMP_EQ_OQ);
    return __builtin_ctz(mask | 0x10000u);
  }
  static float reduce_max(V a) { return _mm512_reduce_max_ps(a.v); }
  static float reduce_add(V a) {
    const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
  }
};

struct VD {
  __m512d lo, hi;
  static VD zero() { return {_mm512_setzero_pd(), _mm512_setzero_pd()}; }
  static VD add(VD a, V b) {
    return {_mm512_add_pd(a.lo, _mm512_cvtps_pd(_mm512_castps512_ps256(b.v))),
            _mm512_add_pd(a.hi, _mm512_cvtps_pd(_mm512_extractf32x8_ps(b.v, 1)))};
  }
  static double reduce_add(VD a) {
    const __m512d e = _mm512_add_pd(a.lo, a.hi);
    const __m256d q = _mm256_add_pd(_mm512_castpd512_pd256(e), _mm512_extractf64x4_pd(e, 1));
    const __m128d d = _mm_add_pd(_mm256_castpd256_pd128(q), _mm256_extractf128_pd(q, 1));
    return _mm_cvtsd_f64(_mm_add_sd(d, _mm_unpackhi_pd(d, d)));
  }
};

}  // namespace
}  // namespace tandem::cpu
