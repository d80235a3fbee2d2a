// Element types of stored weights, activations and caches.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tandem {

enum class DType : uint8_t { kF32, kBF16, kF16, kI8, kU8, kI32 };

constexpr int64_t dtype_bytes(DType type) {
  switch (type) {
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kBF16:
    case DType::kF16:
      return 2;
    case DType::kI8:
    case DType::kU8:
      return 1;
  }
  return 0;
}

/// "float32", "bfloat16", "float16", "int8", "uint8", "int32": the spelling of --dtype and of
/// config.json.
constexpr std::string_view dtype_name(DType type) {
  switch (type) {
    case DType::kF32:
      return "float32";
    case DType::kBF16:
      return "bfloat16";
    case DType::kF16:
      return "float16";
    case DType::kI8:
      return "int8";
    case DType::kU8:
      return "uint8";
    case DType::kI32:
      return "int32";
  }
  return "?";
}

/// Bytes of one head's key (or value) of one token in a cache of this type: int8 has a float32
/// scale.
constexpr int64_t cache_bytes(DType type, int64_t head_dim) {
  return head_dim * dtype_bytes(type) + (type == DType::kI8 ? 4 : 0);
}

constexpr bool is_16bit(DType type) { return type == DType::kBF16 || type == DType::kF16; }

}  // namespace tandem
