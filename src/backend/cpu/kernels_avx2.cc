// AVX2 with FMA and F16C: one panel of sixteen outputs is two registers, h = 0 and 1.
#include "backend/cpu/kernels.h"
// The lanes come before what is written over them.
// clang-format off
#include "backend/cpu/vec_avx2.h"
#include "backend/cpu/elementwise.h"
// clang-format on

namespace tandem::cpu {
namespace {

constexpr int64_t kPrefetch = 8192;  // bytes ahead in the stream of weights
constexpr int kStepK = 32;
constexpr int kMaxRows = 5;

inline __attribute__((always_inline)) __m256i load_bytes(const std::byte* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

/// Weights of outputs [8h, 8h + 8) for k = 2t + kOdd of a tile.
template <int kType, int kOdd>
inline __attribute__((always_inline)) __m256 load_half(const std::byte* tile, int t, int h) {
  if constexpr (kType == 0) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(tile) + 32 * t + 16 * kOdd + 8 * h);
  } else {
    const __m256i v = load_bytes(tile + 64 * t + 32 * h);
    const __m256i high = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
    if constexpr (kType == 1) {
      return _mm256_castsi256_ps(kOdd == 1 ? _mm256_and_si256(v, high) : _mm256_slli_epi32(v, 16));
    } else {
      const __m256i one = kOdd == 1 ? _mm256_srli_epi32(v, 16) : _mm256_andnot_si256(high, v);
      const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(one, one), 0x08);
      return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
    }
  }
}

/// What a step prefetches while it computes, from its first reading of the tile: one line each per
/// pair of k.
struct Ahead {
  const std::byte* w;
  int64_t w_bytes;  ///< from one pair's prefetch to the next one's
  const std::byte* x = nullptr;
  int64_t x_bytes = 0;
};

inline __attribute__((always_inline)) void prefetch(const std::byte* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0);
}

/// Sums of one parity, h = 0 and 1.
template <int kType, int kRows, int kOdd, bool kHot>
inline __attribute__((always_inline)) void half_step(const float* x, const std::byte* tile,
                                                     Ahead ahead, __m256 (&sum)[kRows][2]) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
#pragma GCC unroll 2
  for (int t = 0; t < 16; ++t) {
    if constexpr (kOdd == 0) {
      prefetch(ahead.w);
      if constexpr (!kHot && kType == 0) prefetch(ahead.w + 64);
      ahead.w += ahead.w_bytes;
    } else if constexpr (kHot) {
      prefetch(ahead.x);
      ahead.x += ahead.x_bytes;
    }
    const __m256 a = load_half<kType, kOdd>(tile, t, 0);
    const __m256 b = load_half<kType, kOdd>(tile, t, 1);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m256 v = _mm256_set1_ps(x[r * kStepK + 2 * t + kOdd]);
      sum[r][0] = _mm256_fmadd_ps(v, a, sum[r][0]);
      sum[r][1] = _mm256_fmadd_ps(v, b, sum[r][1]);
    }
  }
}

/// Adds step s to the chains of one half panel, and to the sums of the tree after the last step.
inline __attribute__((always_inline)) void finish_half(const ChainArgs& a, int64_t s, float* at,
                                                       __m256 sum) {
  const __m256 from = a.fresh && s == 0 ? _mm256_setzero_ps() : _mm256_loadu_ps(at);
  sum = _mm256_add_ps(from, sum);
  for (int m = s + 1 == a.steps ? a.merges : 0; m > 0; --m) {
    at -= a.level;
    sum = _mm256_add_ps(_mm256_loadu_ps(at), sum);
  }
  _mm256_storeu_ps(at, sum);
}

/// One step of kRows rows and one panel: even products first, kept in memory, then odd. One panel
/// at a time reads memory in order.
template <int kType, int kRows, bool kHot>
inline __attribute__((always_inline)) void step(const ChainArgs& a, int64_t s, int panel,
                                                const std::byte* tile, const Ahead& ahead) {
  const float* x = a.x + s * kRows * kStepK;
  alignas(32) float kept[kRows * 16];
  __m256 sum[kRows][2];
  half_step<kType, kRows, 0, kHot>(x, tile, ahead, sum);
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    _mm256_store_ps(kept + 16 * r, sum[r][0]);
    _mm256_store_ps(kept + 16 * r + 8, sum[r][1]);
  }
  half_step<kType, kRows, 1, kHot>(x, tile, ahead, sum);
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      const __m256 both = _mm256_add_ps(_mm256_load_ps(kept + 16 * r + 8 * h), sum[r][h]);
      finish_half(a, s, a.c + r * a.ldc + panel * 16 + 8 * h, both);
    }
  }
}

template <int kType, int kRows>
void chain_rows(const ChainArgs& a) {
  constexpr int64_t kTile = kType == 0 ? 2048 : 1024;
  for (int64_t s = 0; s < a.steps; ++s) {
    for (int p = 0; p < a.panels; ++p) {
      const std::byte* tile = a.w + s * a.step_bytes + p * kTile;
      step<kType, kRows, false>(a, s, p, tile, {tile + kPrefetch, kTile / 16});
    }
  }
}

template <int kType, int kRows>
void wide_rows(const ChainArgs& a, int64_t panel_bytes) {
  const int64_t pairs = a.steps * a.panels * 16;
  Ahead ahead{a.w, 0, a.w, 0};
  if (a.next_w_bytes != 0) ahead = {a.next_w, a.next_w_bytes / pairs, a.w, 0};
  if (a.next_x != nullptr) {
    ahead.x = reinterpret_cast<const std::byte*>(a.next_x);
    ahead.x_bytes = (kRows + 1) * kStepK * 4 / (16 * a.panels);
  }
  for (int64_t s = 0; s < a.steps; ++s) {
    for (int p = 0; p < a.panels; ++p) {
      step<kType, kRows, true>(a, s, p, a.w + s * a.step_bytes + p * panel_bytes, ahead);
      ahead.w += 16 * ahead.w_bytes;
      ahead.x += 16 * ahead.x_bytes;
    }
  }
}

template <int kType, int kRows = kMaxRows>
void chain_kernel(const ChainArgs& a) {
  if (a.rows == kRows) return chain_rows<kType, kRows>(a);
  if constexpr (kRows > 1) chain_kernel<kType, kRows - 1>(a);
}

template <int kType, int kRows = kMaxRows>
void wide_kernel(const ChainArgs& a, int64_t panel_bytes) {
  if (a.rows == kRows) return wide_rows<kType, kRows>(a, panel_bytes);
  if constexpr (kRows > 1) wide_kernel<kType, kRows - 1>(a, panel_bytes);
}

template <int kType>
void expand_kernel(const std::byte* w, int64_t tile_bytes, int64_t tiles, float* out) {
  for (int64_t i = 0; i < tiles; ++i) {
    for (int t = 0; t < 16; ++t) {
      for (int h = 0; h < 2; ++h) {
        const std::byte* tile = w + i * tile_bytes;
        _mm256_storeu_ps(out + 32 * t + 8 * h, load_half<kType, 0>(tile, t, h));
        _mm256_storeu_ps(out + 32 * t + 16 + 8 * h, load_half<kType, 1>(tile, t, h));
      }
    }
    out += 512;
  }
}

/// One 8 x 8 quarter of the 16 x 16 words.
void transpose8(const std::byte* const* rows, int column, std::byte* out) {
  __m256i a[8], b[8];
  for (int i = 0; i < 8; ++i) {
    a[i] = rows[i] != nullptr
               ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[i] + 4 * column))
               : _mm256_setzero_si256();
  }
  for (int i = 0; i < 8; i += 2) {
    b[i] = _mm256_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_epi32(a[i], a[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    a[i] = _mm256_unpacklo_epi64(b[i], b[i + 2]);
    a[i + 1] = _mm256_unpackhi_epi64(b[i], b[i + 2]);
    a[i + 2] = _mm256_unpacklo_epi64(b[i + 1], b[i + 3]);
    a[i + 3] = _mm256_unpackhi_epi64(b[i + 1], b[i + 3]);
  }
  for (int j = 0; j < 4; ++j) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 64 * j),
                        _mm256_permute2x128_si256(a[j], a[4 + j], 0x20));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 64 * (4 + j)),
                        _mm256_permute2x128_si256(a[j], a[4 + j], 0x31));
  }
}

void transpose_kernel(const std::byte* const* rows, std::byte* out) {
  for (int r = 0; r < 16; r += 8) {
    for (int column = 0; column < 16; column += 8) {
      transpose8(rows + r, column, out + 64 * column + 4 * r);
    }
  }
}

Kernels make_table() {
  Kernels k;
  k.isa = "avx2";
  k.max_rows = kMaxRows;
  k.tile_rows = kMaxRows;
  k.chain[0] = chain_kernel<0>;
  k.chain[1] = chain_kernel<1>;
  k.chain[2] = chain_kernel<2>;
  k.chain_wide = wide_kernel<0>;
  k.chain_wide_bf16 = wide_kernel<1>;
  k.expand[1] = expand_kernel<1>;
  k.expand[2] = expand_kernel<2>;
  k.transpose = transpose_kernel;
  set_page_avx2(k);
  set_elementwise(k);
  return k;
}

}  // namespace

const Kernels& avx2_kernels() {
  static const Kernels table = make_table();
  return table;
}

}  // namespace tandem::cpu
