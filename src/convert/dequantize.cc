#include "convert/dequantize.h"

#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/half.h"

namespace tandem {
namespace {

constexpr uint32_t kF32 = 0;
constexpr uint32_t kF16 = 1;
constexpr uint32_t kQ4_0 = 2;
constexpr uint32_t kQ4_1 = 3;
constexpr uint32_t kQ8_0 = 8;
constexpr uint32_t kBf16 = 30;
constexpr int64_t kBlock = 32;

/// Unlike float_to_bf16, which serves computation, this keeps denormals: a file's values are exact.
uint16_t rounded(float value) {
  const auto u = std::bit_cast<uint32_t>(value);
  if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((u >> 16) | 0x40u);
  return static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

void q8_0(const std::byte* block, uint16_t* to) {
  const float scale = f16_to_float(load_half(block));
  for (int64_t i = 0; i < kBlock; ++i) {
    to[i] = rounded(scale * static_cast<float>(static_cast<int8_t>(block[2 + i])));
  }
}

void q4_0(const std::byte* block, uint16_t* to) {
  const float scale = f16_to_float(load_half(block));
  for (int64_t i = 0; i < kBlock / 2; ++i) {
    const int byte = std::to_integer<int>(block[2 + i]);
    to[i] = rounded(scale * static_cast<float>((byte & 15) - 8));
    to[i + kBlock / 2] = rounded(scale * static_cast<float>((byte >> 4) - 8));
  }
}

void q4_1(const std::byte* block, uint16_t* to) {
  const float scale = f16_to_float(load_half(block));
  const float low = f16_to_float(load_half(block + 2));
  for (int64_t i = 0; i < kBlock / 2; ++i) {
    const int byte = std::to_integer<int>(block[4 + i]);
    to[i] = rounded(scale * static_cast<float>(byte & 15) + low);
    to[i + kBlock / 2] = rounded(scale * static_cast<float>(byte >> 4) + low);
  }
}

}  // namespace

bool can_dequantize(const GgufTensorType& type) {
  return type.id == kF32 || type.id == kF16 || type.id == kBf16 || type.id == kQ4_0 ||
         type.id == kQ4_1 || type.id == kQ8_0;
}

void dequantize(const GgufTensorType& type, const std::byte* from, int64_t count, uint16_t* to) {
  TANDEM_CHECK(can_dequantize(type) && count % type.block == 0);
  if (type.id == kBf16) {
    std::memcpy(to, from, static_cast<size_t>(count) * 2);
    return;
  }
  for (int64_t i = 0; i < count; i += type.block, from += type.block_bytes, to += type.block) {
    switch (type.id) {
      case kF32: {
        float value = 0;
        std::memcpy(&value, from, sizeof(value));
        *to = rounded(value);
        break;
      }
      case kF16:
        *to = rounded(f16_to_float(load_half(from)));
        break;
      case kQ4_0:
        q4_0(from, to);
        break;
      case kQ4_1:
        q4_1(from, to);
        break;
      default:
        q8_0(from, to);
        break;
    }
  }
}

}  // namespace tandem
