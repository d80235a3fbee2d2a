#include "backend/cpu/packed_linear.h"

#include <algorithm>
#include <cstring>

#include "backend/checks.h"
#include "backend/cpu/pairs.h"
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

}  // namespace

CpuPackedLinear::CpuPackedLinear(const LinearSource& source, const Kernels& kernels,
                                 ThreadPool& pool)
    : CpuLinear(source, kernels), type_(packed_type(source)) {
  tile_bytes_ = kStep * kPanel * dtype_bytes(type_);
  // Where bfloat16 is computed with, rows come in it too.
  woven_ = kernels.pairs != nullptr && type_ == DType::kBF16 && source.compute == type_;
  // The kernels prefetch a little beyond the end; a prefetch of unmapped memory is harmless.
  memory_ = make_host_memory(static_cast<size_t>(panels() * steps() * tile_bytes_));
  pool.run([&](int thread, int threads) {
    const Share share = share_of(groups(), thread, threads);
    const int64_t end = std::min(share.end * kGroup, panels());
    for (int64_t p = share.begin * kGroup; p < end; ++p) pack_panel(source, kernels, p);
  });
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
  std::byte* tile = memory_->host() + (panel / kGroup) * kGroup * steps() * tile_bytes_ +
                    (panel % kGroup) * tile_bytes_;
  alignas(64) std::byte rounded[kPanel][kStep * sizeof(float)];
  int64_t k_begin = 0;
  for (int64_t unit : units()) {
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
      if (woven_) kernels.pairs->weave(tile);
      if (element == 4) {
        for (const std::byte*& word : words) word = word == nullptr ? nullptr : word + 64;
        kernels.transpose(words, tile + 1024);
      }
      tile += step_bytes;
    }
    k_begin += unit;
  }
}

/// Where element k of a step of an output lies in a tile of 16-bit weights.
int64_t CpuPackedLinear::half_of(int64_t k, int64_t lane) const {
  if (!woven_) return (k / 2 * kPanel + lane) * 2 + k % 2;
  return (woven_line(k) * kPanel + lane) * 2 + woven_high(k);
}

void CpuPackedLinear::read_row(int64_t n, float* out) const {
  const auto [panel, lane] = place_of(n);
  const int64_t step_bytes = group_panels(panel / kGroup) * tile_bytes_;
  const std::byte* tile = group(panel / kGroup) + (panel % kGroup) * tile_bytes_;
  for (int64_t unit : units()) {
    for (int64_t k = 0; k < round_up(unit, kStep); ++k) {
      const std::byte* at = tile + (k / kStep) * step_bytes;
      const int64_t in_step = k % kStep;
      if (k >= unit) continue;
      if (type_ == DType::kF32) {
        *out++ = reinterpret_cast<const float*>(at)[in_step * kPanel + lane];
        continue;
      }
      const uint16_t bits = reinterpret_cast<const uint16_t*>(at)[half_of(in_step, lane)];
      *out++ = type_ == DType::kBF16 ? bf16_to_float(bits) : f16_to_float(bits);
    }
    tile += ceil_div(unit, kStep) * step_bytes;
  }
}

}  // namespace tandem::cpu
