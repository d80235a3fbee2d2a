// Pages of keys and values as tiles of the one arithmetic, so that q.k and p.v are the same chains
// as linear layers.
//
// One page of one key/value head, D = ceil(head_dim / 32):
//   keys    [D steps of 32 channels][4 panels of 16 keys] tiles [16 pairs][16 keys][2]
//   values  [2 steps of 32 keys][2D panels of 16 channels] tiles [16 pairs][16 channels][2]
// (float32: tiles [32][16]). Both have 4D tiles. Order: [layer][page][head][keys, values].
#pragma once

#include <memory>

#include "backend/backend.h"
#include "base/arithmetic.h"

namespace tandem::cpu {

class CpuKvCache final : public KvCache {
 public:
  explicit CpuKvCache(const KvCacheSpec& spec);
  int64_t bytes() const override { return static_cast<int64_t>(memory_->bytes()); }

  const KvCacheSpec& spec() const { return spec_; }
  int64_t steps() const { return steps_; }            ///< D
  int64_t tile_bytes() const { return tile_bytes_; }  ///< 1 KiB, or 2 KiB for float32
  std::byte* keys(int64_t layer, int32_t page, int64_t head) const;
  std::byte* values(int64_t layer, int32_t page, int64_t head) const {
    return keys(layer, page, head) + half_bytes_;
  }
  int64_t half_bytes() const { return half_bytes_; }  ///< one page's keys, or values, of one head

  /// Writes one token's key and value of one head at `slot` of a page; slot 0 clears the page
  /// first, so that nothing of an earlier owner (NaN times a probability of 0) can reach a sum.
  void write(int64_t layer, int32_t page, int64_t head, int64_t slot, const float* k,
             const float* v) const;
  void copy_page(int32_t from, int32_t to) const;

 private:
  void put(std::byte* tile, int64_t k, int64_t lane, float value) const;

  KvCacheSpec spec_;
  int64_t steps_;
  int64_t tile_bytes_;
  int64_t half_bytes_;
  std::unique_ptr<Buffer> memory_;
};

}  // namespace tandem::cpu
