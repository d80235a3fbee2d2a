// q.k and p.v over pages in plain C++: their definition.
#include <cmath>

#include "backend/cpu/kernels.h"
#include "base/arithmetic.h"
#include "base/half.h"

namespace tandem::cpu {
namespace {

constexpr int64_t kTile[4] = {2048, 1024, 1024, 512};

/// Element (k, output) of a tile of the type with this page_index().
float element(int type, const std::byte* tile, int64_t k, int64_t output) {
  const int64_t at = k * kPanel + output;
  if (type == 0) return reinterpret_cast<const float*>(tile)[at];
  if (type == 3) return static_cast<float>(reinterpret_cast<const int8_t*>(tile)[at]);
  const uint16_t bits =
      reinterpret_cast<const uint16_t*>(tile)[((k / 2) * kPanel + output) * 2 + k % 2];
  return type == 1 ? bf16_to_float(bits) : f16_to_float(bits);
}

template <int kType>
void page_kernel(const PageArgs& a) {
  for (int p = 0; p < a.panels; ++p) {
    for (int r = 0; r < a.rows; ++r) {
      for (int64_t output = 0; output < kPanel; ++output) {
        float& c = a.c[r * a.ldc + p * kPanel + output];
        c = a.alpha != nullptr ? c * a.alpha[r] : 0.0f;
        for (int64_t s = 0; s < a.steps; ++s) {
          const std::byte* tile = a.w + (p * a.steps + s) * kTile[kType];
          const float* x = a.x + (s * a.rows + r) * kStep;
          float even = 0, odd = 0;
          for (int64_t k = 0; k < kStep; k += 2) {
            even = std::fma(x[k], element(kType, tile, k, output), even);
            odd = std::fma(x[k + 1], element(kType, tile, k + 1, output), odd);
          }
          c = c + (even + odd);
        }
      }
    }
  }
}

template <int kType>
void expand_kernel(const std::byte* w, int64_t tiles, float* out) {
  for (int64_t t = 0; t < tiles; ++t) {
    for (int64_t k = 0; k < kStep; ++k) {
      for (int64_t output = 0; output < kPanel; ++output) {
        *out++ = element(kType, w + t * kTile[kType], k, output);
      }
    }
  }
}

}  // namespace

void set_page_portable(Kernels& k) {
  k.page_rows = 8;
  k.page[0] = page_kernel<0>;
  k.page[1] = page_kernel<1>;
  k.page[2] = page_kernel<2>;
  k.page[3] = page_kernel<3>;
  k.expand_page[1] = expand_kernel<1>;
  k.expand_page[2] = expand_kernel<2>;
  k.expand_page[3] = expand_kernel<3>;
}

}  // namespace tandem::cpu
