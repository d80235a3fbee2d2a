#include "backend/cpu/kv_cache.h"

#include <cstring>

#include "backend/checks.h"
#include "backend/host_buffer.h"
#include "base/check.h"
#include "base/half.h"

namespace tandem::cpu {

CpuKvCache::CpuKvCache(const KvCacheSpec& spec)
    : spec_(spec),
      steps_(ceil_div(spec.head_dim, kStep)),
      tile_bytes_(kStep * kPanel * dtype_bytes(spec.dtype)),
      half_bytes_(steps_ * (kKeyBlock / kPanel) * tile_bytes_),
      memory_(make_host_memory(
          static_cast<size_t>(spec.layers * spec.blocks * spec.kv_heads * 2 * half_bytes_))) {}

std::byte* CpuKvCache::keys(int64_t layer, int32_t page, int64_t head) const {
  TANDEM_CHECK(layer >= 0 && layer < spec_.layers && page >= 0 && page < spec_.blocks);
  return memory_->host() +
         ((layer * spec_.blocks + page) * spec_.kv_heads + head) * 2 * half_bytes_;
}

void CpuKvCache::put(std::byte* tile, int64_t k, int64_t lane, float value) const {
  if (spec_.dtype == DType::kF32) {
    reinterpret_cast<float*>(tile)[k * kPanel + lane] = value;
  } else {
    const uint16_t bits = spec_.dtype == DType::kBF16 ? float_to_bf16(value) : float_to_f16(value);
    reinterpret_cast<uint16_t*>(tile)[((k / 2) * kPanel + lane) * 2 + k % 2] = bits;
  }
}

void CpuKvCache::write(int64_t layer, int32_t page, int64_t head, int64_t slot, const float* k,
                       const float* v) const {
  std::byte* key_tiles = keys(layer, page, head);
  std::byte* value_tiles = key_tiles + half_bytes_;
  if (slot == 0) std::memset(key_tiles, 0, static_cast<size_t>(2 * half_bytes_));
  constexpr int64_t kKeyPanels = kKeyBlock / kPanel;
  for (int64_t d = 0; d < spec_.head_dim; ++d) {
    const int64_t key_tile = (d / kStep) * kKeyPanels + slot / kPanel;
    put(key_tiles + key_tile * tile_bytes_, d % kStep, slot % kPanel, k[d]);
    const int64_t value_tile = (slot / kStep) * 2 * steps_ + d / kPanel;
    put(value_tiles + value_tile * tile_bytes_, slot % kStep, d % kPanel, v[d]);
  }
}

void CpuKvCache::copy_page(int32_t from, int32_t to) const {
  const auto bytes = static_cast<size_t>(spec_.kv_heads * 2 * half_bytes_);
  if (bytes == 0 || from == to) return;
  for (int64_t layer = 0; layer < spec_.layers; ++layer) {
    std::memcpy(keys(layer, to, 0), keys(layer, from, 0), bytes);
  }
}

}  // namespace tandem::cpu
