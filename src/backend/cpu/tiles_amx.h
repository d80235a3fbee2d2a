// The processor's own tile machine. The instructions are written out: the intrinsics of GCC 12 do
// not say that they read and write memory, and stores before them get lost.
#pragma once

#include <immintrin.h>

#include "backend/cpu/tile_kernel.h"

namespace tandem::cpu {
namespace {

struct AmxTiles {
  static void configure(const TileConfig& config) {
    asm volatile("ldtilecfg %0" ::"m"(config) : "memory");
  }
  /// Ends the tiles' use: the kernel then saves none of them when it switches threads.
  static void release() { asm volatile("tilerelease" ::: "memory"); }
  template <int kTile>
  static inline __attribute__((always_inline)) void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
  }
  template <int kTile>
  static inline __attribute__((always_inline)) void load(const void* from, int64_t stride) {
    asm volatile("tileloadd (%1,%2,1), %%tmm%c0" ::"i"(kTile), "r"(from), "r"(stride) : "memory");
  }
  template <int kTile>
  static inline __attribute__((always_inline)) void store(void* to, int64_t stride) {
    asm volatile("tilestored %%tmm%c0, (%1,%2,1)" ::"i"(kTile), "r"(to), "r"(stride) : "memory");
  }
  template <int kSum, int kRows, int kWeights>
  static inline __attribute__((always_inline)) void dot_bf16() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kRows), "i"(kWeights));
  }
  template <int kSum, int kRows, int kWeights>
  static inline __attribute__((always_inline)) void dot_s8u8() {
    asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kRows), "i"(kWeights));
  }
  static inline void halves(const std::byte* from, float* to) {
    _mm512_storeu_ps(to,
                     _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
  }
  static inline void chain(const int32_t* sums, int32_t less, float sx, const float* scale,
                           float* c) {
    const __m512i exact = _mm512_sub_epi32(_mm512_loadu_si512(sums), _mm512_set1_epi32(less));
    const __m512 factor = _mm512_mul_ps(_mm512_set1_ps(sx), _mm512_loadu_ps(scale));
    _mm512_storeu_ps(c, _mm512_fmadd_ps(_mm512_cvtepi32_ps(exact), factor, _mm512_loadu_ps(c)));
  }
  static inline __attribute__((always_inline)) void prefetch(const void* p) {
    __builtin_prefetch(p, 0, 2);
  }
};

}  // namespace
}  // namespace tandem::cpu
