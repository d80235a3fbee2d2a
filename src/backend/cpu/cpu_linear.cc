#include "backend/cpu/cpu_linear.h"

#include <algorithm>

namespace tandem::cpu {
namespace {

int most_sums(const TreeProgram& tree) {
  int depth = 0, most = 0;
  for (int32_t merges : tree.merges) {
    most = std::max(most, ++depth);
    depth -= merges;
  }
  return most;
}

}  // namespace

CpuLinear::CpuLinear(const LinearSource& source, const Kernels& kernels)
    : gate_up_(source.gate_up),
      units_(source.units),
      tree_(source.tree),
      tree_depth_(most_sums(source.tree)) {
  for (const WeightRows& part : source.weight) n_ += part.rows;
  for (int64_t unit : units_) {
    k_ += unit;
    unit_steps_.push_back(ceil_div(unit, kStep));
    steps_ += unit_steps_.back();
  }
  panels_ = gate_up_ ? 2 * ceil_div(n_ / 2, kPanel) : ceil_div(n_, kPanel);
  if (!source.bias.empty()) pack_bias(source, kernels);
}

int64_t CpuLinear::source_row(int64_t panel, int64_t lane) const {
  if (!gate_up_) {
    const int64_t row = panel * kPanel + lane;
    return row < n_ ? row : -1;
  }
  const int64_t row = (panel / 2) * kPanel + lane;  // even panels: gate, odd: up
  return row < n_ / 2 ? row + (panel % 2) * (n_ / 2) : -1;
}

CpuLinear::Place CpuLinear::place_of(int64_t row) const {
  if (!gate_up_) return {row / kPanel, row % kPanel};
  const int64_t up = row < n_ / 2 ? 0 : 1;
  row -= up * (n_ / 2);
  return {2 * (row / kPanel) + up, row % kPanel};
}

void CpuLinear::pack_bias(const LinearSource& source, const Kernels& kernels) {
  std::vector<float> all;
  for (const WeightRows& part : source.bias) {
    for (int64_t r = 0; r < part.rows; ++r) {
      const size_t at = all.size();
      all.resize(at + static_cast<size_t>(part.cols));
      kernels.widen(part.dtype, part.data + r * part.row_stride * dtype_bytes(part.dtype),
                    part.cols, all.data() + at);
    }
  }
  if (all.empty()) return;
  bias_.assign(static_cast<size_t>(panels_ * kPanel), 0.0f);
  for (int64_t i = 0; i < panels_ * kPanel; ++i) {
    const int64_t row = source_row(i / kPanel, i % kPanel);
    if (row >= 0) bias_[static_cast<size_t>(i)] = all[static_cast<size_t>(row)];
  }
}

}  // namespace tandem::cpu
