// A linear's weight as tiles of the one arithmetic (kernels.h): panels of 16 outputs, four panels
// to a group; a group is [step][panel][tile], so that one row's product streams it from end to end.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/kernels.h"
#include "base/arithmetic.h"
#include "base/thread_pool.h"

namespace tandem::cpu {

inline constexpr int64_t kGroup = 4;  ///< panels in a group (the last may have fewer)

class CpuPackedLinear final : public PackedLinear {
 public:
  /// Packs on all threads of the pool, each its own panels.
  CpuPackedLinear(const LinearSource& source, const Kernels& kernels, ThreadPool& pool);

  int64_t out_features() const override { return n_; }
  int64_t padded_k() const override { return steps_ * kStep; }
  int64_t results() const override { return tree_.results(); }
  int64_t bytes() const override;

  DType type() const { return type_; }
  int64_t k() const { return k_; }  ///< without padding
  bool gate_up() const { return gate_up_; }
  int64_t panels() const { return panels_; }
  int64_t groups() const { return ceil_div(panels_, kGroup); }
  int64_t group_panels(int64_t group) const {
    return panels_ - group * kGroup < kGroup ? panels_ - group * kGroup : kGroup;
  }
  int64_t steps() const { return steps_; }
  int64_t tile_bytes() const { return tile_bytes_; }
  const std::byte* group(int64_t group) const {
    return memory_->host() + group * kGroup * steps_ * tile_bytes_;
  }
  const std::vector<int64_t>& unit_steps() const { return unit_steps_; }
  const TreeProgram& tree() const { return tree_; }
  int tree_depth() const { return tree_depth_; }  ///< most sums on the stack
  /// Padded to whole panels in packed order, or nullptr.
  const float* bias() const { return bias_.empty() ? nullptr : bias_.data(); }
  /// Row `n` of the source, widened to float32: k() values.
  void read_row(int64_t n, float* out) const;

 private:
  void pack_panel(const LinearSource& source, const Kernels& kernels, int64_t panel) const;
  void pack_bias(const LinearSource& source, const Kernels& kernels);
  /// Row of the source at (panel, lane), or -1 for padding.
  int64_t source_row(int64_t panel, int64_t lane) const;

  DType type_ = DType::kF32;
  int64_t n_ = 0, k_ = 0, panels_ = 0, steps_ = 0, tile_bytes_ = 0;
  bool gate_up_ = false;
  std::vector<int64_t> units_;
  std::vector<int64_t> unit_steps_;
  TreeProgram tree_;
  int tree_depth_ = 0;
  std::vector<float> bias_;
  std::unique_ptr<Buffer> memory_;
};

}  // namespace tandem::cpu
