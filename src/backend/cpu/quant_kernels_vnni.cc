// AVX-512 with VNNI: a quad of k of sixteen outputs is one register of vpdpbusd.
#include <immintrin.h>

#include "backend/cpu/quant_kernels.h"

namespace tandem::cpu {
namespace {

constexpr int kK = 32, kQuads = 8;
constexpr int kMaxRows = 6;
constexpr int64_t kPrefetch = 4352;  // bytes ahead in the stream of weights: two steps of int8

inline __attribute__((always_inline)) __m512 load16(DType type, const std::byte* from, int64_t at) {
  if (type == DType::kF32) return _mm512_loadu_ps(reinterpret_cast<const float*>(from) + at);
  const __m256i half = _mm256_loadu_si256(
      reinterpret_cast<const __m256i*>(reinterpret_cast<const uint16_t*>(from) + at));
  if (type == DType::kF16) return _mm512_cvtph_ps(half);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

void quantize(const QuantizeArgs& a) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  for (int64_t s = 0; s < a.steps; ++s) {
    const __m512 lo = load16(a.type, a.from, s * kK), hi = load16(a.type, a.from, s * kK + 16);
    const __m512i top = _mm512_max_epi32(_mm512_and_si512(_mm512_castps_si512(lo), magnitude),
                                         _mm512_and_si512(_mm512_castps_si512(hi), magnitude));
    const int bits = _mm512_reduce_max_epi32(top);
    auto* q = reinterpret_cast<__m128i*>(a.q + s * a.rows * kK);
    float& scale = a.scale[s * a.rows];
    if (bits < 0x0d800000 || bits >= 0x7f800000) {
      _mm_storeu_si128(q, _mm_setzero_si128());
      _mm_storeu_si128(q + 1, _mm_setzero_si128());
      scale = bits >= 0x7f800000 ? __builtin_nanf("") : 0.0f;
      a.sum[s * a.rows] = 0;
      continue;
    }
    float amax;
    __builtin_memcpy(&amax, &bits, 4);
    scale = amax / 127.0f;
    const __m512 inverse = _mm512_set1_ps(127.0f / amax);
    const __m512i q_lo = _mm512_cvtps_epi32(_mm512_mul_ps(lo, inverse));
    const __m512i q_hi = _mm512_cvtps_epi32(_mm512_mul_ps(hi, inverse));
    _mm_storeu_si128(q, _mm512_cvtepi32_epi8(q_lo));
    _mm_storeu_si128(q + 1, _mm512_cvtepi32_epi8(q_hi));
    a.sum[s * a.rows] = _mm512_reduce_add_epi32(_mm512_add_epi32(q_lo, q_hi));
  }
}

inline __attribute__((always_inline)) __m512i broadcast4(const int8_t* x) {
  int32_t quad;
  __builtin_memcpy(&quad, x, 4);
  return _mm512_set1_epi32(quad);
}

inline __attribute__((always_inline)) __m512 load_halves(const std::byte* at) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
}

/// Codes of quad t of a tile.
template <WeightFormat kF>
inline __attribute__((always_inline)) __m512i load_quad(const std::byte* tile, int t) {
  if constexpr (!is_int4(kF)) return _mm512_loadu_si512(tile + 64 * t);
  const __m512i line = _mm512_loadu_si512(tile + 64 * (t / 2));
  const __m512i low = _mm512_set1_epi8(15);
  return _mm512_and_si512(t % 2 == 0 ? line : _mm512_srli_epi16(line, 4), low);
}

/// One step of kRows rows and kPanels panels: integer sums in registers, then the chains.
template <WeightFormat kF, int kRows, int kPanels>
inline __attribute__((always_inline)) void step(const QuantChainArgs& a, int64_t s, int first) {
  constexpr int64_t kTile = quant_tile_bytes(kF);
  const std::byte* tiles = a.w + s * a.step_bytes + first * kTile;
  const std::byte* scales = a.w + s * a.step_bytes + a.panels * kTile + 32 * first;
  const int8_t* q = a.q + s * kRows * kK;
  __m512i acc[kRows][kPanels];
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    // The codes are q + 128 (int8) or q + 8: the sum of x times that is taken off in front.
    __m512i start = _mm512_setzero_si512();
    if constexpr (kF != WeightFormat::kInt4Min) {
      constexpr int kShift = kF == WeightFormat::kInt4 ? 3 : 7;
      start = _mm512_sub_epi32(start,
                               _mm512_slli_epi32(_mm512_set1_epi32(a.sum[s * kRows + r]), kShift));
    }
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) acc[r][p] = start;
  }
#pragma GCC unroll 8
  for (int t = 0; t < kQuads; ++t) {
    __m512i w[kPanels];
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) w[p] = load_quad<kF>(tiles + p * kTile, t);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const __m512i x = broadcast4(q + r * kK + 4 * t);
#pragma GCC unroll 4
      for (int p = 0; p < kPanels; ++p) acc[r][p] = _mm512_dpbusd_epi32(acc[r][p], w[p], x);
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < kPanels; ++p) {
    const __m512 scale = load_halves(scales + 32 * p);
    __m512 min;
    if constexpr (has_min(kF)) min = load_halves(scales + 32 * (a.panels + p));
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const __m512 sx = _mm512_set1_ps(a.scale[s * kRows + r]);
      float* at = a.c + r * a.ldc + 16 * (first + p);
      __m512 c = _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc[r][p]), _mm512_mul_ps(sx, scale),
                                 _mm512_loadu_ps(at));
      if constexpr (has_min(kF)) {
        const __m512 sum = _mm512_set1_ps(static_cast<float>(a.sum[s * kRows + r]));
        c = _mm512_fmadd_ps(sum, _mm512_mul_ps(sx, min), c);
      }
      _mm512_storeu_ps(at, c);
    }
  }
}

template <WeightFormat kF, int kRows>
void chain_rows(const QuantChainArgs& a) {
  // Few rows wait for memory: one panel after another keeps its reads in order.
  constexpr int kAtOnce = kRows <= 2 ? 1 : 4;
  for (int64_t s = 0; s < a.steps; ++s) {
    if (a.stream) {
      const std::byte* ahead = a.w + s * a.step_bytes + kPrefetch;
      for (int64_t i = 0; i < a.step_bytes; i += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead + i), _MM_HINT_T0);
      }
    }
    int p = 0;
    for (; p + kAtOnce <= a.panels; p += kAtOnce) step<kF, kRows, kAtOnce>(a, s, p);
    if constexpr (kAtOnce > 1) {
      for (; p < a.panels; ++p) step<kF, kRows, 1>(a, s, p);
    }
  }
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
    case 4:
      return chain_rows<kF, 4>(a);
    case 5:
      return chain_rows<kF, 5>(a);
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

const QuantKernels& vnni_quant_kernels() {
  static const QuantKernels table = make_table();
  return table;
}

}  // namespace tandem::cpu
