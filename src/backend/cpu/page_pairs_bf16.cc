// q.k and p.v over woven pages, two products at a time (pairs.h). Four rows share two panels: a
// word of x that is loaded to all lanes takes longer than a product.
#include "backend/cpu/kernels.h"
#include "backend/cpu/pair_words.h"
#include "backend/cpu/pairs.h"
#include "backend/cpu/vec_avx512.h"
// The lanes come before what is written over them.
#include "backend/cpu/softmax.h"

namespace tandem::cpu {
namespace {

constexpr int kPageRows = 4;

/// Adds one step to the sums of kRows rows and kPanels panels, whose tiles lie panel_bytes apart.
/// For two lines of a tile that are read kAhead are prefetched, in order, into the second cache:
/// the first one takes few misses at a time, and products would wait for a place among them.
template <int kRows, int kPanels, int kAhead>
inline __attribute__((always_inline)) void add_step(const float* x, const std::byte* w,
                                                    int64_t panel_bytes, const std::byte*& ahead,
                                                    __m512 (&sum)[kRows][kPanels]) {
  StepSums<kRows, kPanels> step;
  const auto ask = [&ahead](const std::byte*) {
#pragma GCC unroll 2
    for (int i = 0; i < kAhead; ++i, ahead += 64) {
      _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
    }
  };
  pair_step(x, w, panel_bytes, ask, step);
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      sum[r][p] = _mm512_add_ps(sum[r][p], _mm512_add_ps(step.even[r][p], step.odd[r][p]));
    }
  }
}

/// All steps of rows [row, row + kRows) and panels [panel, panel + kPanels).
template <int kRows, int kPanels, int kAhead>
void block(const PageArgs& a, int row, int panel) {
  __m512 sum[kRows][kPanels];
  float* c = a.c + row * a.ldc + 16 * panel;
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      sum[r][p] = _mm512_setzero_ps();
      if (a.alpha == nullptr) continue;
      sum[r][p] =
          _mm512_mul_ps(_mm512_loadu_ps(c + r * a.ldc + 16 * p), _mm512_set1_ps(a.alpha[row + r]));
    }
  }
  const std::byte* w = a.w + panel * a.steps * kWovenTile;
  const float* x = a.x + row * kWords;
  const std::byte* ahead = a.ahead;
  if constexpr (kAhead > 0) ahead += panel * a.steps * kWovenTile;
  if (kAhead == 1 && row > 0) ahead += kPanels * a.steps * kWovenTile / 2;
  for (int64_t s = 0; s < a.steps; ++s, w += kWovenTile, x += a.rows * kWords) {
    add_step<kRows, kPanels, kAhead>(x, w, a.steps * kWovenTile, ahead, sum);
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) _mm512_storeu_ps(c + r * a.ldc + 16 * p, sum[r][p]);
  }
}

template <int kPanels, int kAhead, int kRows = kPageRows>
void rows_of(const PageArgs& a, int rows, int row, int panel) {
  if (rows == kRows) return block<kRows, kPanels, kAhead>(a, row, panel);
  if constexpr (kRows > 1) rows_of<kPanels, kAhead, kRows - 1>(a, rows, row, panel);
}

/// Rows in equal parts; the first two share the prefetching.
template <int kPanels>
void panels_of(const PageArgs& a, int panel) {
  const int parts = (a.rows + kPageRows - 1) / kPageRows;
  for (int part = 0, row = 0; part < parts; ++part) {
    const int rows = (a.rows - row + parts - part - 1) / (parts - part);
    if (a.ahead == nullptr || part >= 2) {
      rows_of<kPanels, 0>(a, rows, row, panel);
    } else if (parts == 1) {
      rows_of<kPanels, 2>(a, rows, row, panel);
    } else {
      rows_of<kPanels, 1>(a, rows, row, panel);
    }
    row += rows;
  }
}

void page_kernel(const PageArgs& args) {
  const PageArgs a = args;  // a copy that no store can change
  int p = 0;
  for (; p + 2 <= a.panels; p += 2) panels_of<2>(a, p);
  if (p < a.panels) panels_of<1>(a, p);
}

/// Sixteen integers as float32: bfloat16 holds these too.
inline __attribute__((always_inline)) __m512i widened(const std::byte* w) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(w));
  return _mm512_castps_si512(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)));
}

/// k and k + 1 of every four into the high halves, k + 2 and k + 3 into the low ones.
void weave_int8(const std::byte* w, int64_t tiles, std::byte* out) {
  for (int64_t i = 0; i < tiles * kTurns; ++i, w += 64, out += 128) {
    for (int odd : {0, 1}) {
      const __m512i high = widened(w + 16 * odd), low = widened(w + 16 * odd + 32);
      _mm512_storeu_si512(out + 64 * odd, _mm512_or_si512(high, _mm512_srli_epi32(low, 16)));
    }
  }
}

/// High halves are k and k + 1 of every four, low ones k + 2 and k + 3, even k before odd ones.
void softmax_kernel(const SoftmaxArgs& a) {
  __m512 low = _mm512_setzero_ps();
  softmax_row(a, [&](int i, V p) {
    if (i % 2 == 0) {
      low = p.v;
      return;
    }
    const auto both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(p.v, low));
    _mm512_storeu_si512(a.p + i / 2 * a.p_half, arranged(both));
  });
}

}  // namespace

void set_page_pairs(PairKernels& k) {
  k.weave_int8 = weave_int8;
  k.page = page_kernel;
  k.softmax = softmax_kernel;
}

}  // namespace tandem::cpu
