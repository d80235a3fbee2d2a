// A linear's weight as quantized tiles (quant_kernels.h). A group of four panels is [step][panels'
// tiles, scales, minima], so that one row's product streams memory from end to end.
#pragma once

#include <memory>

#include "backend/cpu/cpu_linear.h"
#include "backend/cpu/quant_kernels.h"
#include "base/thread_pool.h"

namespace tandem::cpu {

class CpuQuantizedLinear final : public CpuLinear {
 public:
  /// Packs on all threads of the pool, each its own groups: stored codes as they are, floating
  /// point values quantized to source.quantize.
  CpuQuantizedLinear(const LinearSource& source, const Kernels& kernels, ThreadPool& pool);

  int64_t bytes() const override { return static_cast<int64_t>(memory_->bytes()) + bias_bytes(); }
  bool quantized() const override { return true; }
  void read_row(int64_t n, float* out) const override;

  WeightFormat format() const { return format_; }
  int64_t step_bytes(int64_t group) const { return quant_step_bytes(format_, group_panels(group)); }
  const std::byte* group(int64_t group) const {
    return memory_->host() + group * quant_step_bytes(format_, kGroup) * steps();
  }

 private:
  void pack_panel(const LinearSource& source, const Kernels& kernels, int64_t panel) const;

  WeightFormat format_;
  std::unique_ptr<Buffer> memory_;
};

}  // namespace tandem::cpu
