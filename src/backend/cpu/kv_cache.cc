#include "backend/cpu/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "backend/checks.h"
#include "backend/cpu/pairs.h"
#include "backend/host_buffer.h"
#include "base/check.h"

namespace tandem::cpu {
namespace {

/// Spreads a row over a column of the tiles of one panel: `n` words, kPerTile to a tile, kStride
/// bytes apart.
template <typename Word, int kPerTile, int kStride>
void scatter(std::byte* at, int64_t tile_bytes, const std::byte* row, int64_t n) {
  for (int64_t first = 0; first < n; first += kPerTile, at += tile_bytes) {
    const int64_t end = std::min<int64_t>(kPerTile, n - first);
    for (int64_t i = 0; i < end; ++i) {
      std::memcpy(at + i * kStride, row + (first + i) * static_cast<int64_t>(sizeof(Word)),
                  sizeof(Word));
    }
  }
}

/// A row of bfloat16 values, n rounded up to four, over a column of woven tiles.
void scatter_woven(std::byte* at, const std::byte* row, int64_t n) {
  constexpr int64_t kLine = kPanel * 4;
  for (int64_t k = 0; k < n; k += 4, row += 8) {
    uint64_t four = 0;
    std::memcpy(&four, row, 8);
    const auto first = static_cast<uint32_t>(four), second = static_cast<uint32_t>(four >> 32);
    const uint32_t even = first << 16 | (second & 0xffffu), odd = (first & ~0xffffu) | second >> 16;
    std::memcpy(at + woven_line(k) * kLine, &even, 4);
    std::memcpy(at + woven_line(k + 1) * kLine, &odd, 4);
  }
}

}  // namespace

CpuKvCache::CpuKvCache(const KvCacheSpec& spec, const Kernels& kernels)
    : spec_(spec),
      woven_(kernels.pairs != nullptr && spec.dtype == DType::kBF16),
      steps_(ceil_div(spec.head_dim, kStep)),
      tile_bytes_(kStep * kPanel * dtype_bytes(spec.dtype)),
      half_bytes_(steps_ * (kKeyBlock / kPanel) * tile_bytes_),
      head_bytes_(2 * half_bytes_ + (spec.dtype == DType::kI8 ? 2 * kKeyBlock * 4 : 0)),
      memory_(make_host_memory(
          static_cast<size_t>(spec.layers * spec.blocks * spec.kv_heads * head_bytes_))) {}

std::byte* CpuKvCache::keys(int64_t layer, int32_t page, int64_t head) const {
  TANDEM_CHECK(layer >= 0 && layer < spec_.layers && page >= 0 && page < spec_.blocks);
  return memory_->host() + ((page * spec_.layers + layer) * spec_.kv_heads + head) * head_bytes_;
}

void CpuKvCache::put_key(std::byte* tiles, int64_t slot, const std::byte* row) const {
  std::byte* panel = tiles + (slot / kPanel) * steps_ * tile_bytes_;
  const int64_t lane = slot % kPanel;
  if (spec_.dtype == DType::kF32) {
    scatter<float, 32, 64>(panel + 4 * lane, tile_bytes_, row, spec_.head_dim);
  } else if (spec_.dtype == DType::kI8) {
    scatter<int8_t, 32, 16>(panel + lane, tile_bytes_, row, spec_.head_dim);
  } else if (woven_) {
    scatter_woven(panel + 4 * lane, row, spec_.head_dim);  // tile after tile: lines go on
  } else {
    scatter<uint32_t, 16, 64>(panel + 4 * lane, tile_bytes_, row, ceil_div(spec_.head_dim, 2));
  }
}

void CpuKvCache::put_value(std::byte* tiles, int64_t slot, const std::byte* row) const {
  const int64_t element = dtype_bytes(spec_.dtype), k = slot % kStep;
  const int64_t line = woven_ ? woven_line(k) : k / 2, half = woven_ ? woven_high(k) : k % 2;
  std::byte* tile = tiles + (slot / kStep) * tile_bytes_;
  for (int64_t d = 0; d < spec_.head_dim; d += kPanel, tile += (kKeyBlock / kStep) * tile_bytes_) {
    const int64_t n = std::min(kPanel, spec_.head_dim - d);
    const std::byte* from = row + d * element;
    if (element != 2) {
      std::memcpy(tile + k * kPanel * element, from, static_cast<size_t>(n * element));
      continue;
    }
    std::byte* pair = tile + line * kPanel * 4 + half * 2;
    for (int64_t i = 0; i < n; ++i) std::memcpy(pair + 4 * i, from + 2 * i, 2);
  }
}

void CpuKvCache::write(const Kernels& kernels, const KvEntry& e) const {
  std::byte* tiles = keys(e.layer, e.page, e.head);
  if (e.slot == 0) std::memset(tiles, 0, static_cast<size_t>(head_bytes_));
  const int64_t n = spec_.head_dim;
  for (bool value : {false, true}) {
    const float* from = value ? e.v : e.k;
    if (spec_.dtype == DType::kI8) {
      auto* scales = reinterpret_cast<float*>(tiles + 2 * half_bytes_);
      scales[(value ? kKeyBlock : 0) + e.slot] =
          kernels.quantize(from, n, reinterpret_cast<int8_t*>(e.row));
    } else {
      kernels.narrow(spec_.dtype, from, n, e.row);
      std::memset(e.row + n * dtype_bytes(spec_.dtype), 0, 6);  // the rest of the last four
    }
    if (value) {
      put_value(tiles + half_bytes_, e.slot, e.row);
    } else {
      put_key(tiles, e.slot, e.row);
    }
  }
}

void CpuKvCache::copy_page(int32_t from, int32_t to) const {
  const auto bytes = static_cast<size_t>(spec_.layers * spec_.kv_heads * head_bytes_);
  if (bytes == 0 || from == to) return;
  std::memcpy(keys(0, to, 0), keys(0, from, 0), bytes);
}

}  // namespace tandem::cpu
