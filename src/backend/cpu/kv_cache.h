// Pages of keys and values as tiles of the one arithmetic, so that q.k and p.v are the same chains
// as linear layers.
//
// One page of one key/value head, D = ceil(head_dim / 32), panel by panel:
//   keys    [4 panels of 16 keys][D steps of 32 channels] tiles [16 pairs][16 keys][2]
//   values  [2D panels of 16 channels][2 steps of 32 keys] tiles [16 pairs][16 channels][2]
//   scales  [64 keys] of the keys, [64 keys] of the values, float32: int8 only
// (float32 and int8: tiles [32][16]; bfloat16 where the kernels have pairs: woven tiles, pairs.h).
// Both have 4D tiles. Order: [page][layer][head][keys, values, scales]: a sequence of few tokens
// touches little memory.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "backend/cpu/kernels.h"
#include "base/arithmetic.h"

namespace tandem::cpu {

/// One token's key and value of one head, and where they go.
struct KvEntry {
  int64_t layer = 0;
  int32_t page = 0;
  int64_t head = 0;
  int64_t slot = 0;          ///< of the page's kKeyBlock
  const float* k = nullptr;  ///< [head_dim]
  const float* v = nullptr;  ///< [head_dim]
  std::byte* row = nullptr;  ///< [head_dim + 2] floats of scratch
};

class CpuKvCache final : public KvCache {
 public:
  CpuKvCache(const KvCacheSpec& spec, const Kernels& kernels);
  int64_t bytes() const override { return static_cast<int64_t>(memory_->bytes()); }

  const KvCacheSpec& spec() const { return spec_; }
  int64_t steps() const { return steps_; }            ///< D
  int64_t tile_bytes() const { return tile_bytes_; }  ///< 512, 1 KiB or, for float32, 2 KiB
  bool woven() const { return woven_; }
  std::byte* keys(int64_t layer, int32_t page, int64_t head) const;
  /// From a page's keys to its values: the bytes of either.
  int64_t half_bytes() const { return half_bytes_; }
  /// From a page's keys: [64] scales of its keys, then [64] of its values; nullptr without.
  const float* scales(const std::byte* keys) const {
    return spec_.dtype == DType::kI8 ? reinterpret_cast<const float*>(keys + 2 * half_bytes_)
                                     : nullptr;
  }

  /// Rounds and writes; slot 0 clears the page first, so that nothing of an earlier owner (NaN
  /// times a probability of 0) can reach a sum.
  void write(const Kernels& kernels, const KvEntry& entry) const;
  void copy_page(int32_t from, int32_t to) const;

 private:
  void put_key(std::byte* tiles, int64_t slot, const std::byte* row) const;
  void put_value(std::byte* tiles, int64_t slot, const std::byte* row) const;

  KvCacheSpec spec_;
  bool woven_;  ///< tiles for products in pairs
  int64_t steps_;
  int64_t tile_bytes_;
  int64_t half_bytes_;
  int64_t head_bytes_;  ///< one page of one head
  std::unique_ptr<Buffer> memory_;
};

}  // namespace tandem::cpu
