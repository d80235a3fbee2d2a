// AVX512_BF16: two bfloat16 products of a chain at a time, where the processor rounds after each.
//
// A word of x that is loaded to all lanes takes longer than a product: with two panels it serves
// two.
#include "backend/cpu/chain_avx512.h"
#include "backend/cpu/pair_words.h"
#include "backend/cpu/pairs.h"
#include "base/cpu_features.h"

namespace tandem::cpu {
namespace {

constexpr int64_t kPrefetch = 8192;
constexpr int kMaxRows = 10, kTileRows = 8;

/// One step of kRows rows and kPanels panels, even and odd sums in registers.
template <int kRows, int kPanels, bool kStream>
inline __attribute__((always_inline)) void step(const float* x, const std::byte* w,
                                                int64_t panel_bytes, const Into& into) {
  StepSums<kRows, kPanels> sums;
  // Up to four rows the processor finds the stream by itself, and lines that are asked for only
  // take the places of its own: 10 % slower.
  const auto ask = [](const std::byte* at) {
    if constexpr (kStream && kRows > 4) {
      prefetch_second(at + kPrefetch);
      prefetch_second(at + kPrefetch + 64);
    }
  };
  pair_step(x, w, panel_bytes, ask, sums);
  put(into, sums.even, sums.odd);
}

/// Few rows over weights that come from memory, one panel after another: twice as fast as two
/// panels side by side.
template <int kRows>
void chain_rows(const ChainArgs& a) {
  for (int64_t s = 0; s < a.steps; ++s) {
    const float* x = a.x + s * kRows * kWords;
    const std::byte* w = a.w + s * a.step_bytes;
    for (int p = 0; p < a.panels; ++p)
      step<kRows, 1, true>(x, w + p * kWovenTile, 0, into(a, s, p));
  }
}

/// Rows in parts of at most four, whose sums with two panels fill the registers.
template <int kRows, int kPanels>
inline __attribute__((always_inline)) void hot_step(const float* x, const std::byte* w,
                                                    int64_t panel_bytes, Into into) {
  constexpr int kParts = (kRows + 3) / 4, kFirst = (kRows + kParts - 1) / kParts;
  step<kFirst, kPanels, false>(x, w, panel_bytes, into);
  if constexpr (kRows > kFirst) {
    into.c += kFirst * into.ldc;
    hot_step<kRows - kFirst, kPanels>(x + kFirst * kWords, w, panel_bytes, into);
  }
}

/// Lines asked for in equal parts, one after each step.
struct Ahead {
  const std::byte* at;
  int64_t bytes;
  void ask() {
    for (int64_t i = 0; i < bytes; i += 64) prefetch(at + i);
    at += bytes;
  }
};

/// Tiles hot in the cache.
template <int kRows>
void wide_rows(const ChainArgs& a, int64_t panel_bytes) {
  const int64_t parts = a.steps * ((a.panels + 1) / 2);
  Ahead weights{a.next_w, a.next_w_bytes / parts};
  Ahead rows{reinterpret_cast<const std::byte*>(a.next_x),
             a.next_x == nullptr ? 0 : a.steps * kRows * kWords * 4 / parts};
  for (int64_t s = 0; s < a.steps; ++s) {
    const float* x = a.x + s * kRows * kWords;
    const std::byte* w = a.w + s * a.step_bytes;
    for (int p = 0; p < a.panels; p += 2) {
      if (p + 1 < a.panels) {
        hot_step<kRows, 2>(x, w + p * panel_bytes, panel_bytes, into(a, s, p));
      } else {
        hot_step<kRows, 1>(x, w + p * panel_bytes, panel_bytes, into(a, s, p));
      }
      weights.ask();
      rows.ask();
    }
  }
}

template <int kRows = kMaxRows>
void chain_kernel(const ChainArgs& a) {
  if (a.rows == kRows) return chain_rows<kRows>(a);
  if constexpr (kRows > 1) chain_kernel<kRows - 1>(a);
}

template <int kRows = kTileRows>
void wide_kernel(const ChainArgs& a, int64_t panel_bytes) {
  if (a.rows == kRows) return wide_rows<kRows>(a, panel_bytes);
  if constexpr (kRows > 1) wide_kernel<kRows - 1>(a, panel_bytes);
}

void arrange(const std::byte* row, int64_t steps, float* x, int64_t stride) {
  for (int64_t s = 0; s < steps; ++s) {
    const __m512i step = _mm512_loadu_si512(row + s * 64);
    _mm512_storeu_si512(x + s * stride, arranged(step));
  }
}

/// Lines of (k, k + 1) and (k + 2, k + 3) -> words (k, k + 2) and (k + 1, k + 3).
void weave(std::byte* tile) {
  constexpr __mmask32 kHigh = 0xaaaaaaaau;
  for (int t = 0; t < kTurns; ++t) {
    std::byte* at = tile + 128 * t;
    const __m512i a = _mm512_loadu_si512(at), b = _mm512_loadu_si512(at + 64);
    _mm512_storeu_si512(at, _mm512_mask_blend_epi16(kHigh, b, _mm512_slli_epi32(a, 16)));
    _mm512_storeu_si512(at + 64, _mm512_mask_blend_epi16(kHigh, _mm512_srli_epi32(b, 16), a));
  }
}

void expand(const std::byte* w, int64_t tile_bytes, int64_t tiles, float* out) {
  const __m512i high = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  for (int64_t i = 0; i < tiles; ++i) {
    for (int t = 0; t < kTurns; ++t, out += 64) {
      const __m512i even = _mm512_loadu_si512(w + i * tile_bytes + 128 * t);
      const __m512i odd = _mm512_loadu_si512(w + i * tile_bytes + 128 * t + 64);
      _mm512_storeu_si512(out, _mm512_and_si512(even, high));
      _mm512_storeu_si512(out + 16, _mm512_and_si512(odd, high));
      _mm512_storeu_si512(out + 32, _mm512_slli_epi32(even, 16));
      _mm512_storeu_si512(out + 48, _mm512_slli_epi32(odd, 16));
    }
  }
}

}  // namespace

const PairKernels* pair_kernels() {
  static const PairKernels kernels = [] {
    PairKernels k{kMaxRows, kTileRows, arrange, weave, expand, chain_kernel<>, wide_kernel<>};
    set_page_pairs(k);
    return k;
  }();
  static const bool usable = cpu_features().bf16_pairs;
  return usable ? &kernels : nullptr;
}

}  // namespace tandem::cpu
