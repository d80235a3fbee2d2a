// The definition of the arithmetic over quantized weights in plain C++.
#include <bit>
#include <cmath>
#include <cstring>
#include <string_view>

#include "backend/cpu/quant_units.h"
#include "base/cpu_features.h"
#include "base/half.h"

namespace tandem::cpu {
namespace {

constexpr int kK = 32, kOutputs = 16;

float load_value(DType type, const std::byte* from, int64_t i) {
  if (type == DType::kF32) return reinterpret_cast<const float*>(from)[i];
  const uint16_t bits = reinterpret_cast<const uint16_t*>(from)[i];
  return type == DType::kBF16 ? bf16_to_float(bits) : f16_to_float(bits);
}

void quantize(const QuantizeArgs& a) {
  for (int64_t s = 0; s < a.steps; ++s) {
    float x[kK];
    uint32_t bits = 0;
    for (int k = 0; k < kK; ++k) {
      x[k] = load_value(a.type, a.from, s * kK + k);
      const uint32_t magnitude = std::bit_cast<uint32_t>(x[k]) & 0x7fffffffu;
      bits = magnitude > bits ? magnitude : bits;
    }
    int8_t* q = a.q + s * a.rows * kK;
    std::memset(q, 0, kK);
    a.scale[s * a.rows] = bits >= 0x7f800000u ? std::bit_cast<float>(0x7fc00000u) : 0.0f;
    a.sum[s * a.rows] = 0;
    if (bits < 0x0d800000u || bits >= 0x7f800000u) continue;
    const float amax = std::bit_cast<float>(bits);
    const float inverse = 127.0f / amax;
    a.scale[s * a.rows] = amax / 127.0f;
    for (int k = 0; k < kK; ++k) {
      constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
      q[k] = static_cast<int8_t>(static_cast<int>((x[k] * inverse + kMagic) - kMagic));
      a.sum[s * a.rows] += q[k];
    }
  }
}

template <WeightFormat kF>
int tile_code(const std::byte* tile, int k, int output) {
  if constexpr (!is_int4(kF)) {
    return static_cast<uint8_t>(tile[(k / 4) * 64 + output * 4 + k % 4]) - 128;
  }
  const int byte = static_cast<uint8_t>(tile[(k / 8) * 64 + output * 4 + k % 4]);
  const int code = k / 4 % 2 == 0 ? byte & 15 : byte >> 4;
  return kF == WeightFormat::kInt4 ? code - 8 : code;
}

float half_at(const std::byte* halves, int i) {
  uint16_t bits = 0;
  std::memcpy(&bits, halves + 2 * i, 2);
  return f16_to_float(bits);
}

template <WeightFormat kF>
void chain(const QuantChainArgs& a) {
  start_chains(a);
  for (int64_t s = 0; s < a.steps; ++s) {
    const std::byte* tiles = a.w + s * a.step_bytes;
    const std::byte* scales = tiles + a.panels * quant_tile_bytes(kF);
    for (int p = 0; p < a.panels; ++p) {
      for (int r = 0; r < a.rows; ++r) {
        const int8_t* x = a.q + (s * a.rows + r) * kK;
        const float scale = a.scale[s * a.rows + r];
        for (int output = 0; output < kOutputs; ++output) {
          int32_t sum = 0;
          for (int k = 0; k < kK; ++k) {
            sum += x[k] * tile_code<kF>(tiles + p * quant_tile_bytes(kF), k, output);
          }
          float& c = a.c[r * a.ldc + p * kOutputs + output];
          const int at = p * kOutputs + output;
          c = std::fma(static_cast<float>(sum), scale * half_at(scales, at), c);
          if constexpr (has_min(kF)) {
            const float min = half_at(scales + a.panels * 32, at);
            c = std::fma(static_cast<float>(a.sum[s * a.rows + r]), scale * min, c);
          }
        }
      }
    }
  }
  merge_chains(a);
}

QuantKernels make_table() {
  QuantKernels k;
  k.max_rows = 8;
  k.chain[static_cast<int>(WeightFormat::kInt8)] = chain<WeightFormat::kInt8>;
  k.chain[static_cast<int>(WeightFormat::kInt8Min)] = chain<WeightFormat::kInt8Min>;
  k.chain[static_cast<int>(WeightFormat::kInt4)] = chain<WeightFormat::kInt4>;
  k.chain[static_cast<int>(WeightFormat::kInt4Min)] = chain<WeightFormat::kInt4Min>;
  k.quantize = quantize;
  return k;
}

}  // namespace

const QuantKernels& portable_quant_kernels() {
  static const QuantKernels table = make_table();
  return table;
}

const QuantKernels& quant_kernels_of(const char* isa) {
  const std::string_view name = isa;
  if (name == "portable") return portable_quant_kernels();
  if (name == "avx2" || !cpu_features().avx512_vnni) return avx2_quant_kernels();
  return vnni_quant_kernels();
}

}  // namespace tandem::cpu
