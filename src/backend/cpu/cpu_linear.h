// What every packed weight of the CPU backend has in common, whatever its tiles hold: outputs in
// panels of 16 and groups of four panels, K in units of whole steps, the units' tree, the bias.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "backend/cpu/kernels.h"
#include "base/arithmetic.h"

namespace tandem::cpu {

inline constexpr int64_t kGroup = 4;  ///< panels in a group (the last may have fewer)

class CpuLinear : public PackedLinear {
 public:
  int64_t out_features() const override { return n_; }
  int64_t padded_k() const override { return steps_ * kStep; }
  int64_t results() const override { return tree_.results(); }

  /// Row `n` of the source, widened to float32: k() values.
  virtual void read_row(int64_t n, float* out) const = 0;
  virtual bool quantized() const { return false; }

  int64_t k() const { return k_; }  ///< without padding
  bool gate_up() const { return gate_up_; }
  int64_t panels() const { return panels_; }
  int64_t groups() const { return ceil_div(panels_, kGroup); }
  int64_t group_panels(int64_t group) const {
    return panels_ - group * kGroup < kGroup ? panels_ - group * kGroup : kGroup;
  }
  int64_t steps() const { return steps_; }
  const std::vector<int64_t>& units() const { return units_; }
  const std::vector<int64_t>& unit_steps() const { return unit_steps_; }
  const TreeProgram& tree() const { return tree_; }
  int tree_depth() const { return tree_depth_; }  ///< most sums on the stack
  /// Padded to whole panels in packed order, or nullptr.
  const float* bias() const { return bias_.empty() ? nullptr : bias_.data(); }

 protected:
  CpuLinear(const LinearSource& source, const Kernels& kernels);

  /// Row of the source at (panel, lane), or -1 for padding.
  int64_t source_row(int64_t panel, int64_t lane) const;
  /// Panel and lane of a row of the source.
  struct Place {
    int64_t panel, lane;
  };
  Place place_of(int64_t row) const;
  int64_t bias_bytes() const { return static_cast<int64_t>(bias_.size() * sizeof(float)); }

 private:
  void pack_bias(const LinearSource& source, const Kernels& kernels);

  int64_t n_ = 0, k_ = 0, panels_ = 0, steps_ = 0;
  bool gate_up_ = false;
  std::vector<int64_t> units_;
  std::vector<int64_t> unit_steps_;
  TreeProgram tree_;
  int tree_depth_ = 0;
  std::vector<float> bias_;
};

}  // namespace tandem::cpu
