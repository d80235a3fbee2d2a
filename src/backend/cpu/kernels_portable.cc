// The definition of the one arithmetic in plain C++: every other kernels_*.cc equals it in every
// bit.
#include <cmath>
#include <cstring>

#include "backend/cpu/kernels.h"
// The lanes come before what is written over them.
// clang-format off
#include "backend/cpu/vec_portable.h"
#include "backend/cpu/elementwise.h"
// clang-format on
#include "base/arithmetic.h"

namespace tandem::cpu {
namespace {

/// Weight (k, output) of a tile, k in [0, 32).
template <int kType>
float tile_weight(const std::byte* tile, int64_t k, int64_t output) {
  if constexpr (kType == 0) {
    return reinterpret_cast<const float*>(tile)[k * kPanel + output];
  } else {
    const uint16_t bits =
        reinterpret_cast<const uint16_t*>(tile)[((k / 2) * kPanel + output) * 2 + k % 2];
    return kType == 1 ? bf16_to_float(bits) : f16_to_float(bits);
  }
}

/// Rule 2 for one output and one step.
template <int kType>
float step(float c, const float* x, const std::byte* tile, int64_t output) {
  float even = 0, odd = 0;
  for (int64_t k = 0; k < kStep; k += 2) {
    even = std::fma(x[k], tile_weight<kType>(tile, k, output), even);
    odd = std::fma(x[k + 1], tile_weight<kType>(tile, k + 1, output), odd);
  }
  return c + (even + odd);
}

template <int kType>
void chain_kernel(const ChainArgs& a, int64_t panel_bytes) {
  for (int64_t s = 0; s < a.steps; ++s) {
    for (int p = 0; p < a.panels; ++p) {
      const std::byte* tile = a.w + s * a.step_bytes + p * panel_bytes;
      for (int r = 0; r < a.rows; ++r) {
        const float* x = a.x + (s * a.rows + r) * kStep;
        float* c = a.c + r * a.ldc + p * kPanel;
        for (int64_t output = 0; output < kPanel; ++output) {
          const float from = a.fresh && s == 0 ? 0.0f : c[output];
          c[output] = step<kType>(from, x, tile, output);
        }
      }
    }
  }
  for (int m = 0; m < a.merges; ++m) {
    for (int r = 0; r < a.rows; ++r) {
      float* c = a.c + r * a.ldc - m * a.level;
      for (int64_t i = 0; i < a.panels * kPanel; ++i) c[i - a.level] += c[i];
    }
  }
}

template <int kType>
void chain_stream(const ChainArgs& a) {
  chain_kernel<kType>(a, kStep * kPanel * (kType == 0 ? 4 : 2));
}

template <int kType>
void expand_kernel(const std::byte* w, int64_t tile_bytes, int64_t tiles, float* out) {
  for (int64_t t = 0; t < tiles; ++t) {
    for (int64_t k = 0; k < kStep; ++k) {
      for (int64_t output = 0; output < kPanel; ++output) {
        *out++ = tile_weight<kType>(w + t * tile_bytes, k, output);
      }
    }
  }
}

void transpose_kernel(const std::byte* const* rows, std::byte* out) {
  for (size_t r = 0; r < 16; ++r) {
    for (size_t column = 0; column < 16; ++column) {
      uint32_t word = 0;
      if (rows[r] != nullptr) std::memcpy(&word, rows[r] + 4 * column, 4);
      std::memcpy(out + 4 * (column * 16 + r), &word, 4);
    }
  }
}

Kernels make_table() {
  Kernels k;
  k.isa = "portable";
  k.max_rows = 8;
  k.tile_rows = 8;
  k.chain[0] = chain_stream<0>;
  k.chain[1] = chain_stream<1>;
  k.chain[2] = chain_stream<2>;
  k.chain_wide = chain_kernel<0>;
  k.chain_wide_bf16 = chain_kernel<1>;
  k.expand[1] = expand_kernel<1>;
  k.expand[2] = expand_kernel<2>;
  k.transpose = transpose_kernel;
  set_page_portable(k);
  set_elementwise(k);
  return k;
}

}  // namespace

const Kernels& portable_kernels() {
  static const Kernels table = make_table();
  return table;
}

}  // namespace tandem::cpu
