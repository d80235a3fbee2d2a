// AVX2: a quad of k of eight outputs is one register. Also what AVX-512 without VNNI runs.
#include <immintrin.h>

#include "backend/cpu/quant_units.h"

namespace tandem::cpu {
namespace {

constexpr int kK = 32, kQuads = 8;
constexpr int kMaxRows = 4;
constexpr int64_t kPrefetch = 4352;  // bytes ahead in the stream of weights: two steps of int8

inline __attribute__((always_inline)) __m256 load8(DType type, const std::byte* from, int64_t at) {
  if (type == DType::kF32) return _mm256_loadu_ps(reinterpret_cast<const float*>(from) + at);
  const __m128i half = _mm_loadu_si128(
      reinterpret_cast<const __m128i*>(reinterpret_cast<const uint16_t*>(from) + at));
  if (type == DType::kF16) return _mm256_cvtph_ps(half);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

inline __attribute__((always_inline)) int reduce_max(__m256i v) {
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
  return _mm_cvtsi128_si32(m);
}

inline __attribute__((always_inline)) int reduce_add(__m256i v) {
  __m128i m = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  m = _mm_add_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  m = _mm_add_epi32(m, _mm_shuffle_epi32(m, 0xb1));
  return _mm_cvtsi128_si32(m);
}

void quantize(const QuantizeArgs& a) {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  for (int64_t s = 0; s < a.steps; ++s) {
    __m256 x[4];
    __m256i top = _mm256_setzero_si256();
    for (int i = 0; i < 4; ++i) {
      x[i] = load8(a.type, a.from, s * kK + 8 * i);
      top = _mm256_max_epi32(top, _mm256_and_si256(_mm256_castps_si256(x[i]), magnitude));
    }
    const int bits = reduce_max(top);
    auto* q = reinterpret_cast<__m256i*>(a.q + s * a.rows * kK);
    float& scale = a.scale[s * a.rows];
    if (bits < 0x0d800000 || bits >= 0x7f800000) {
      _mm256_storeu_si256(q, _mm256_setzero_si256());
      scale = bits >= 0x7f800000 ? __builtin_nanf("") : 0.0f;
      a.sum[s * a.rows] = 0;
      continue;
    }
    float amax;
    __builtin_memcpy(&amax, &bits, 4);
    scale = amax / 127.0f;
    const __m256 inverse = _mm256_set1_ps(127.0f / amax);
    __m256i y[4];
    for (int i = 0; i < 4; ++i) y[i] = _mm256_cvtps_epi32(_mm256_mul_ps(x[i], inverse));
    const __m256i sum =
        _mm256_add_epi32(_mm256_add_epi32(y[0], y[1]), _mm256_add_epi32(y[2], y[3]));
    a.sum[s * a.rows] = reduce_add(sum);
    const __m256i words =
        _mm256_packs_epi16(_mm256_packs_epi32(y[0], y[1]), _mm256_packs_epi32(y[2], y[3]));
    // The packs work within halves: 0 2 4 6 | 1 3 5 7 in quads.
    _mm256_storeu_si256(
        q, _mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
  }
}

inline __attribute__((always_inline)) __m256i broadcast4(const int8_t* x) {
  int32_t quad;
  __builtin_memcpy(&quad, x, 4);
  return _mm256_set1_epi32(quad);
}

inline __attribute__((always_inline)) __m256 load_halves(const std::byte* at) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}

/// Integer sums of one step of kRows rows and eight outputs. `tile` is at the first of them.
/// int8: |w| times x with w's sign: |w| is at most 128 and |x| at most 127, so a pair is at most
/// 32512 and nothing saturates, not for -128 either. int4: eight pairs of at most 2 * 15 * 127 fit
/// sixteen bits.
template <WeightFormat kF, int kRows>
inline __attribute__((always_inline)) void sums(const int8_t* q, const std::byte* tile,
                                                __m256i* acc) {
  const __m256i ones = _mm256_set1_epi16(1);
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) acc[r] = _mm256_setzero_si256();
#pragma GCC unroll 8
  for (int t = 0; t < kQuads; ++t) {
    if constexpr (is_int4(kF)) {
      __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tile + 64 * (t / 2)));
      if (t % 2 != 0) w = _mm256_srli_epi16(w, 4);
      w = _mm256_and_si256(w, _mm256_set1_epi8(15));
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        acc[r] = _mm256_add_epi16(acc[r], _mm256_maddubs_epi16(w, broadcast4(q + r * kK + 4 * t)));
      }
    } else {
      __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tile + 64 * t));
      w = _mm256_xor_si256(w, _mm256_set1_epi8(-128));  // q
      const __m256i size = _mm256_abs_epi8(w);          // of -128: 128 without sign
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const __m256i x = _mm256_sign_epi8(broadcast4(q + r * kK + 4 * t), w);
        acc[r] = _mm256_add_epi32(acc[r], _mm256_madd_epi16(_mm256_maddubs_epi16(size, x), ones));
      }
    }
  }
  if constexpr (is_int4(kF)) {
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) acc[r] = _mm256_madd_epi16(acc[r], ones);
  }
}

template <WeightFormat kF, int kRows>
inline __attribute__((always_inline)) void step(const QuantChainArgs& a, int64_t s, int panel) {
  constexpr int64_t kTile = quant_tile_bytes(kF);
  const std::byte* tile = a.w + s * a.step_bytes + panel * kTile;
  const std::byte* scales = a.w + s * a.step_bytes + a.panels * kTile + 32 * panel;
  for (int half = 0; half < 2; ++half) {
    __m256i acc[kRows];
    sums<kF, kRows>(a.q + s * kRows * kK, tile + 32 * half, acc);
    const __m256 scale = load_halves(scales + 16 * half);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const int32_t sum = a.sum[s * kRows + r];
      if constexpr (kF == WeightFormat::kInt4) {
        acc[r] = _mm256_sub_epi32(acc[r], _mm256_set1_epi32(8 * sum));
      }
      const __m256 sx = _mm256_set1_ps(a.scale[s * kRows + r]);
      float* at = a.c + r * a.ldc + 16 * panel + 8 * half;
      __m256 c = _mm256_fmadd_ps(_mm256_cvtepi32_ps(acc[r]), _mm256_mul_ps(sx, scale),
                                 _mm256_loadu_ps(at));
      if constexpr (has_min(kF)) {
        const __m256 min = load_halves(scales + 32 * a.panels + 16 * half);
        c = _mm256_fmadd_ps(_mm256_set1_ps(static_cast<float>(sum)), _mm256_mul_ps(sx, min), c);
      }
      _mm256_storeu_ps(at, c);
    }
  }
}

template <WeightFormat kF, int kRows>
void chain_rows(const QuantChainArgs& a) {
  start_chains(a);
  for (int64_t s = 0; s < a.steps; ++s) {
    if (a.stream) {
      const std::byte* ahead = a.w + s * a.step_bytes + kPrefetch;
      for (int64_t i = 0; i < a.step_bytes; i += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead + i), _MM_HINT_T0);
      }
    }
    for (int p = 0; p < a.panels; ++p) step<kF, kRows>(a, s, p);
  }
  merge_chains(a);
}

template <WeightFormat kF>
void chain(const QuantChainArgs& a) {
  switch (a.rows) {
    case 1:
      return chain_rows<kF, 1>(a);
    case 2:
      return chain_rows<kF, 2>(a);
    case 3:
      return chain_rows<kF, 3>(a);
    default:
      return chain_rows<kF, kMaxRows>(a);
  }
}

QuantKernels make_table() {
  QuantKernels k;
  k.max_rows = kMaxRows;
  k.chain[static_cast<int>(WeightFormat::kInt8)] = chain<WeightFormat::kInt8>;
  k.chain[static_cast<int>(WeightFormat::kInt8Min)] = chain<WeightFormat::kInt8Min>;
  k.chain[static_cast<int>(WeightFormat::kInt4)] = chain<WeightFormat::kInt4>;
  k.chain[static_cast<int>(WeightFormat::kInt4Min)] = chain<WeightFormat::kInt4Min>;
  k.quantize = quantize;
  return k;
}

}  // namespace

const QuantKernels& avx2_quant_kernels() {
  static const QuantKernels table = make_table();
  return table;
}

}  // namespace tandem::cpu
