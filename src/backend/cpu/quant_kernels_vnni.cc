// AVX-512 with VNNI: a quad of k of sixteen outputs is one register of vpdpbusd.
#include <immintrin.h>

#include "backend/cpu/quant_units.h"
#include "base/cpu_features.h"

namespace tandem::cpu {
namespace {

constexpr int kK = 32, kQuads = 8;
constexpr int kMaxRows = 8;
/// Bytes ahead in the stream of weights, into the second-level cache: asking for lines of the first
/// level from memory blocks the loads.
constexpr int64_t kPrefetch = 16384;

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

/// What the integer sum of a row's step starts at: the codes are q + 128 (int8) or q + 8 (int4).
template <WeightFormat kF>
inline __attribute__((always_inline)) __m512i start_of(int32_t row_sum) {
  if constexpr (kF == WeightFormat::kInt4Min) return _mm512_setzero_si512();
  return _mm512_set1_epi32((kF == WeightFormat::kInt4 ? -8 : -128) * row_sum);
}

/// Integer sums of one step: rows' codes at q, tiles side by side.
template <WeightFormat kF, int kRows, int kPanels>
inline __attribute__((always_inline)) void sums(const int8_t* q, const int32_t* row_sum,
                                                const std::byte* tiles,
                                                __m512i (&acc)[kRows][kPanels]) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    const __m512i start = start_of<kF>(row_sum[r]);
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) acc[r][p] = start;
  }
#pragma GCC unroll 8
  for (int t = 0; t < kQuads; ++t) {
    __m512i w[kPanels];
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) w[p] = load_quad<kF>(tiles + p * quant_tile_bytes(kF), t);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m512i x = broadcast4(q + r * kK + 4 * t);
#pragma GCC unroll 4
      for (int p = 0; p < kPanels; ++p) acc[r][p] = _mm512_dpbusd_epi32(acc[r][p], w[p], x);
    }
  }
}

/// Scales and minima of a panel's step.
template <WeightFormat kF>
struct PanelStep {
  __m512 scale, min;
  inline __attribute__((always_inline)) PanelStep(const std::byte* scales, int64_t to_min)
      : scale(load_halves(scales)) {
    if constexpr (has_min(kF)) min = load_halves(scales + to_min);
  }
  /// The chain c after this step of a row with this scale and sum of codes.
  inline __attribute__((always_inline)) __m512 add(__m512 c, __m512i sum, float row_scale,
                                                   int32_t row_sum) const {
    const __m512 sx = _mm512_set1_ps(row_scale);
    c = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(sx, scale), c);
    if constexpr (!has_min(kF)) return c;
    const __m512 codes = _mm512_cvtepi32_ps(_mm512_set1_epi32(row_sum));
    return _mm512_fmadd_ps(codes, _mm512_mul_ps(sx, min), c);
  }
};

inline __attribute__((always_inline)) void prefetch(const std::byte* from, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(from + i), _MM_HINT_T1);
  }
}

/// Whether a single stream of weights is faster with prefetches: not 4-bit codes on AMD's
/// processors (Zen 4: a third slower with them), which find it by themselves.
template <WeightFormat kF>
bool asks_ahead() {
  static const bool amd = cpu_features().amd;
  return !(amd && is_int4(kF));
}

/// Few rows wait for memory: one panel after another reads it in order, the chains stay in
/// registers.
template <WeightFormat kF, int kRows, int kPanels>
void few_rows(const QuantChainArgs& args) {
  constexpr int64_t kTile = quant_tile_bytes(kF), kBytes = quant_step_bytes(kF, kPanels);
  const QuantChainArgs a = args;  // a store through c could change what args refers to
  const bool ask = asks_ahead<kF>();
  __m512 c[kRows][kPanels];
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < kPanels; ++p) {
      c[r][p] = a.fresh ? _mm512_setzero_ps() : _mm512_loadu_ps(a.c + r * a.ldc + 16 * p);
    }
  }
  for (int64_t s = 0; s < a.steps; ++s) {
    const std::byte* w = a.w + s * kBytes;
    const float* row_scale = a.scale + s * kRows;
    const int32_t* row_sum = a.sum + s * kRows;
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) {
      if (ask) prefetch(w + p * kTile + kPrefetch, kTile);
      __m512i acc[kRows][1];
      sums<kF, kRows, 1>(a.q + s * kRows * kK, row_sum, w + p * kTile, acc);
      const PanelStep<kF> panel(w + kPanels * kTile + 32 * p, 32 * kPanels);
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r)
        c[r][p] = panel.add(c[r][p], acc[r][0], row_scale[r], row_sum[r]);
    }
    if (ask) prefetch(w + kPanels * kTile + kPrefetch, kBytes - kPanels * kTile);
  }
  for (int r = 0; r < kRows; ++r) {
    for (int p = 0; p < kPanels; ++p) _mm512_storeu_ps(a.c + r * a.ldc + 16 * p, c[r][p]);
  }
  merge_chains(a);
}

/// One step of kRows rows and kPanels panels.
template <WeightFormat kF, int kRows, int kPanels>
inline __attribute__((always_inline)) void step(const QuantChainArgs& a, int64_t s, int first) {
  constexpr int64_t kTile = quant_tile_bytes(kF);
  const std::byte* w = a.w + s * a.step_bytes;
  const std::byte* scales = w + a.panels * kTile + 32 * first;
  const float* row_scale = a.scale + s * kRows;
  const int32_t* row_sum = a.sum + s * kRows;
  const auto keep = static_cast<__mmask16>(a.fresh && s == 0 ? 0 : 0xffff);
  __m512i acc[kRows][kPanels];
  sums<kF, kRows, kPanels>(a.q + s * kRows * kK, row_sum, w + first * kTile, acc);
#pragma GCC unroll 4
  for (int p = 0; p < kPanels; ++p) {
    const PanelStep<kF> panel(scales + 32 * p, 32 * a.panels);
    float* c = a.c + 16 * (first + p);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r, c += a.ldc) {
      const __m512 before = _mm512_maskz_loadu_ps(keep, c);
      _mm512_storeu_ps(c, panel.add(before, acc[r][p], row_scale[r], row_sum[r]));
    }
  }
}

/// Twelve to sixteen sums at a time: with more, the processor sees too little of the next step
/// while it ends this one.
template <WeightFormat kF, int kRows>
void many_rows(const QuantChainArgs& args) {
  constexpr int kAtOnce = kRows <= 4 ? 4 : 2;
  const QuantChainArgs a = args;
  for (int64_t s = 0; s < a.steps; ++s) {
    if (a.stream) prefetch(a.w + s * a.step_bytes + kPrefetch, a.step_bytes);
    int p = 0;
    for (; p + kAtOnce <= a.panels; p += kAtOnce) step<kF, kRows, kAtOnce>(a, s, p);
    for (; p < a.panels; ++p) step<kF, kRows, 1>(a, s, p);
  }
  merge_chains(a);
}

template <WeightFormat kF, int kRows, int kPanels = 4>
void few_kernel(const QuantChainArgs& a) {
  if (a.panels == kPanels) return few_rows<kF, kRows, kPanels>(a);
  if constexpr (kPanels > 1) few_kernel<kF, kRows, kPanels - 1>(a);
}

template <WeightFormat kF, int kRows = kMaxRows>
void chain(const QuantChainArgs& a) {
  if (a.rows == kRows) {
    if constexpr (kRows <= 2) return few_kernel<kF, kRows>(a);
    return many_rows<kF, kRows>(a);
  }
  if constexpr (kRows > 1) chain<kF, kRows - 1>(a);
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
