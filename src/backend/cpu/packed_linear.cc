#include "backend/cpu/packed_linear.h"

#include <algorithm>
#include <cstring>

#include "backend/checks.h"
#include "backend/host_buffer.h"
#include "base/half.h"

namespace tandem::cpu {
namespace {

/// The type that all parts of the weight are kept in.
DType packed_type(const LinearSource& source) {
  if (is_16bit(source.compute)) return source.compute;
  if (source.weight.empty()) return DType::kF32;
  const DType first = source.weight.front().dtype;
  for (const WeightRows& part : source.weight) {
    if (part.dtype != first) return DType::kF32;  // float32 holds both exactly
  }
  return first;
}

struct SourceRow {
  const std::byte* data = nullptr;
  DType type = DType::kF32;
};

SourceRow find_row(const std::vector<WeightRows>& parts, int64_t row) {
  for (const WeightRows& part : parts) {
    if (row < part.rows) {
      return {part.data + row * part.row_stride * dtype_bytes(part.dtype), part.dtype};
    }
    row -= part.rows;
  }
  return {};
}

/// Elements [k, k + n) of the row in the packed type.
void convert(const Kernels& kernels, SourceRow row, int64_t k, int64_t n, DType type,
             std::byte* out) {
  const std::byte* from = row.data + k * dtype_bytes(row.type);
  if (row.type == type) {
    std::memcpy(out, from, static_cast<size_t>(n * dtype_bytes(type)));
    return;
  }
  float wide[kStep];
  kernels.widen(row.type, from, n, wide);
  kernels.narrow(type, wide, n, out);
}

int most_sums(const TreeProgram& tree) {
  int depth = 0, most = 0;
  for (int32_t merges : tree.merges) {
    most = std::max(most, ++depth);
    depth -= merges;
  }
  return most;
}

}  // namespace

CpuPackedLinear::CpuPackedLinear(const LinearSource& source, const Kernels& kernels,
                                 ThreadPool& pool)
    : type_(packed_type(source)),
      gate_up_(source.gate_up),
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
  tile_bytes_ = kStep * kPanel * dtype_bytes(type_);
  // The kernels prefetch a little beyond the end; a prefetch of unmapped memory is harmless.
  memory_ = make_host_memory(static_cast<size_t>(panels_ * steps_ * tile_bytes_));
  pool.run([&](int thread, int threads) {
    const Share share = share_of(groups(), thread, threads);
    const int64_t end = std::min(share.end * kGroup, panels_);
    for (int64_t p = share.begin * kGroup; p < end; ++p) pack_panel(source, kernels, p);
  });
  if (!source.bias.empty()) pack_bias(source, kernels);
}

int64_t CpuPackedLinear::bytes() const {
  return static_cast<int64_t>(memory_->bytes() + bias_.size() * sizeof(float));
}

int64_t CpuPackedLinear::source_row(int64_t panel, int64_t lane) const {
  if (!gate_up_) {
    const int64_t row = panel * kPanel + lane;
    return row < n_ ? row : -1;
  }
  const int64_t row = (panel / 2) * kPanel + lane;  // even panels: gate, odd: up
  return row < n_ / 2 ? row + (panel % 2) * (n_ / 2) : -1;
}

void CpuPackedLinear::pack_panel(const LinearSource& source, const Kernels& kernels,
                                 int64_t panel) const {
  const int64_t element = dtype_bytes(type_);
  SourceRow rows[kPanel];
  for (int64_t lane = 0; lane < kPanel; ++lane) {
    const int64_t row = source_row(panel, lane);
    if (row >= 0) rows[lane] = find_row(source.weight, row);
  }
  const int64_t step_bytes = group_panels(panel / kGroup) * tile_bytes_;
  std::byte* tile = memory_->host() + (panel / kGroup) * kGroup * steps_ * tile_bytes_ +
                    (panel % kGroup) * tile_bytes_;
  alignas(64) std::byte rounded[kPanel][kStep * sizeof(float)];
  int64_t k_begin = 0;
  for (int64_t unit : units_) {
    for (int64_t k = 0; k < unit; k += kStep) {
      const int64_t n = std::min(kStep, unit - k);
      const std::byte* words[kPanel];
      for (int64_t lane = 0; lane < kPanel; ++lane) {
        const SourceRow row = rows[lane];
        words[lane] = nullptr;
        if (row.data == nullptr) continue;
        if (n == kStep && row.type == type_) {
          words[lane] = row.data + (k_begin + k) * element;
          continue;
        }
        std::memset(rounded[lane], 0, sizeof rounded[lane]);
        convert(kernels, row, k_begin + k, n, type_, rounded[lane]);
        words[lane] = rounded[lane];
      }
      kernels.transpose(words, tile);
      if (element == 4) {
        for (const std::byte*& word : words) word = word == nullptr ? nullptr : word + 64;
        kernels.transpose(words, tile + 1024);
      }
      tile += step_bytes;
    }
    k_begin += unit;
  }
}

void CpuPackedLinear::pack_bias(const LinearSource& source, const Kernels& kernels) {
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

void CpuPackedLinear::read_row(int64_t n, float* out) const {
  int64_t panel = n / kPanel;
  if (gate_up_) panel = n < n_ / 2 ? 2 * (n / kPanel) : 2 * ((n - n_ / 2) / kPanel) + 1;
  const int64_t lane = gate_up_ ? n % (n_ / 2) % kPanel : n % kPanel;
  const int64_t step_bytes = group_panels(panel / kGroup) * tile_bytes_;
  const std::byte* tile = group(panel / kGroup) + (panel % kGroup) * tile_bytes_;
  for (int64_t unit : units_) {
    for (int64_t k = 0; k < round_up(unit, kStep); ++k) {
      const std::byte* at = tile + (k / kStep) * step_bytes;
      const int64_t in_step = k % kStep;
      if (k >= unit) continue;
      if (type_ == DType::kF32) {
        *out++ = reinterpret_cast<const float*>(at)[in_step * kPanel + lane];
        continue;
      }
      const uint16_t bits =
          reinterpret_cast<const uint16_t*>(at)[((in_step / 2) * kPanel + lane) * 2 + in_step % 2];
      *out++ = type_ == DType::kBF16 ? bf16_to_float(bits) : f16_to_float(bits);
    }
    tile += ceil_div(unit, kStep) * step_bytes;
  }
}

}  // namespace tandem::cpu
