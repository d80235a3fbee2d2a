// A linear's weight as tiles of the one arithmetic (kernels.h): panels of 16 outputs, four panels
// to a group; a group is [step][panel][tile], so that one row's product streams it from end to end.
#pragma once

#include <memory>

#include "backend/cpu/cpu_linear.h"
#include "base/thread_pool.h"

namespace tandem::cpu {

class CpuPackedLinear final : public CpuLinear {
 public:
  /// Packs on all threads of the pool, each its own panels.
  CpuPackedLinear(const LinearSource& source, const Kernels& kernels, ThreadPool& pool);

  int64_t bytes() const override { return static_cast<int64_t>(memory_->bytes()) + bias_bytes(); }
  void read_row(int64_t n, float* out) const override;

  DType type() const { return type_; }
  bool woven() const { return woven_; }  ///< the tiles are those of pairs.h
  int64_t tile_bytes() const { return tile_bytes_; }
  const std::byte* group(int64_t group) const {
    return memory_->host() + group * kGroup * steps() * tile_bytes_;
  }

 private:
  int64_t half_of(int64_t k, int64_t lane) const;
  void pack_panel(const LinearSource& source, const Kernels& kernels, int64_t panel) const;

  DType type_ = DType::kF32;
  bool woven_ = false;
  int64_t tile_bytes_ = 0;
  std::unique_ptr<Buffer> memory_;
};

}  // namespace tandem::cpu
