#include "backend/cpu/packed_quantized.h"

#include <algorithm>
#include <cstring>

#include "backend/host_buffer.h"
#include "base/half.h"

namespace tandem::cpu {
namespace {

/// The form that holds all parts of the weight.
WeightFormat packed_format(const LinearSource& source) {
  WeightFormat format = WeightFormat::kFloat;
  for (const WeightRows& part : source.weight) {
    const WeightFormat own = is_quantized(part.format) ? part.format : source.quantize;
    format = is_quantized(format) ? common_format(format, own) : own;
  }
  return format;
}

int64_t memory_bytes(WeightFormat format, int64_t panels, int64_t steps) {
  const int64_t whole = panels / kGroup, rest = panels % kGroup;
  return steps * (whole * quant_step_bytes(format, kGroup) +
                  (rest > 0 ? quant_step_bytes(format, rest) : 0));
}

struct SourceRow {
  const WeightRows* part = nullptr;
  int64_t row = 0;
};

SourceRow find_row(const std::vector<WeightRows>& parts, int64_t row) {
  for (const WeightRows& part : parts) {
    if (row < part.rows) return {&part, row};
    row -= part.rows;
  }
  return {};
}

/// Where a group lies in its row: element k, the group's number, how many values it has.
struct GroupPlace {
  int64_t k, index, n;
};

/// A group whose codes lie in memory, as they are.
void read_stored(const SourceRow& from, const GroupPlace& at, QuantizedGroup& out) {
  const WeightRows& p = *from.part;
  out = {};
  const std::byte* data = p.data + from.row * p.row_stride + (is_int4(p.format) ? at.k / 2 : at.k);
  for (int64_t i = 0; i < at.n; ++i) {
    if (is_int4(p.format)) {
      const auto byte = static_cast<uint8_t>(data[i / 2]);
      out.codes[i] = i % 2 == 0 ? byte & 15 : byte >> 4;
    } else {
      out.codes[i] = static_cast<uint8_t>(static_cast<uint8_t>(data[i]) ^ 0x80u);
    }
  }
  const int64_t scale = 2 * (from.row * p.group_stride + at.index);
  out.scale = load_half(p.scale + scale);
  if (has_min(p.format)) out.min = load_half(p.min + scale);
}

void read_group(const Kernels& kernels, const SourceRow& from, const GroupPlace& at,
                WeightFormat format, QuantizedGroup& out) {
  const WeightRows& p = *from.part;
  if (is_quantized(p.format)) {
    read_stored(from, at, out);
    convert_group(p.format, format, out);
    return;
  }
  float wide[kQuantGroup];
  kernels.widen(p.dtype, p.data + (from.row * p.row_stride + at.k) * dtype_bytes(p.dtype), at.n,
                wide);
  quantize_group(format, wide, at.n, out);
}

/// Writes one output's 32 codes into a tile whose lines are 64 bytes.
void put_codes(WeightFormat format, const uint8_t* codes, int64_t lane, std::byte* tile) {
  if (!is_int4(format)) {
    for (int64_t quad = 0; quad < 8; ++quad) {
      std::memcpy(tile + quad * 64 + lane * 4, codes + quad * 4, 4);
    }
    return;
  }
  for (int64_t line = 0; line < 4; ++line) {
    uint8_t bytes[4];
    for (int64_t i = 0; i < 4; ++i) {
      bytes[i] = static_cast<uint8_t>(codes[line * 8 + i] | codes[line * 8 + 4 + i] << 4);
    }
    std::memcpy(tile + line * 64 + lane * 4, bytes, 4);
  }
}

uint8_t code_at(WeightFormat format, const std::byte* tile, int64_t lane, int64_t k) {
  if (!is_int4(format)) return static_cast<uint8_t>(tile[(k / 4) * 64 + lane * 4 + k % 4]);
  const auto byte = static_cast<uint8_t>(tile[(k / 8) * 64 + lane * 4 + k % 4]);
  return k / 4 % 2 == 0 ? byte & 15 : byte >> 4;
}

}  // namespace

CpuQuantizedLinear::CpuQuantizedLinear(const LinearSource& source, const Kernels& kernels,
                                       ThreadPool& pool)
    : CpuLinear(source, kernels), format_(packed_format(source)) {
  memory_ = make_host_memory(static_cast<size_t>(memory_bytes(format_, panels(), steps())));
  pool.run([&](int thread, int threads) {
    const Share share = share_of(groups(), thread, threads);
    const int64_t end = std::min(share.end * kGroup, panels());
    for (int64_t p = share.begin * kGroup; p < end; ++p) pack_panel(source, kernels, p);
  });
}

void CpuQuantizedLinear::pack_panel(const LinearSource& source, const Kernels& kernels,
                                    int64_t panel) const {
  const int64_t in_group = panel % kGroup, count = group_panels(panel / kGroup);
  const int64_t bytes = step_bytes(panel / kGroup), tile = quant_tile_bytes(format_);
  std::byte* step = const_cast<std::byte*>(group(panel / kGroup));
  const int64_t scales = count * tile + in_group * 32;
  SourceRow rows[kPanel];
  for (int64_t lane = 0; lane < kPanel; ++lane) {
    const int64_t row = source_row(panel, lane);
    if (row >= 0) rows[lane] = find_row(source.weight, row);
  }
  GroupPlace at{0, 0, 0};
  for (int64_t unit : units()) {
    for (int64_t k = 0; k < unit; k += kQuantGroup) {
      at.n = std::min(kQuantGroup, unit - k);
      for (int64_t lane = 0; lane < kPanel; ++lane) {
        if (rows[lane].part == nullptr) continue;  // zeros: a scale of 0
        QuantizedGroup g;
        read_group(kernels, rows[lane], at, format_, g);
        put_codes(format_, g.codes, lane, step + in_group * tile);
        std::memcpy(step + scales + 2 * lane, &g.scale, 2);
        if (has_min(format_)) std::memcpy(step + scales + count * 32 + 2 * lane, &g.min, 2);
      }
      at.k += at.n;
      ++at.index;
      step += bytes;
    }
  }
}

void CpuQuantizedLinear::read_row(int64_t n, float* out) const {
  const auto [panel, lane] = place_of(n);
  const int64_t in_group = panel % kGroup, count = group_panels(panel / kGroup);
  const std::byte* step = group(panel / kGroup);
  for (int64_t unit : units()) {
    for (int64_t k = 0; k < unit; k += kQuantGroup) {
      const std::byte* tile = step + in_group * quant_tile_bytes(format_);
      const std::byte* scales = step + count * quant_tile_bytes(format_) + in_group * 32 + 2 * lane;
      const float scale = f16_to_float(load_half(scales));
      const float min = has_min(format_) ? f16_to_float(load_half(scales + count * 32)) : 0.0f;
      for (int64_t i = 0; i < std::min(kQuantGroup, unit - k); ++i) {
        *out++ = quantized_value(format_, code_at(format_, tile, lane, i), scale, min);
      }
      step += step_bytes(panel / kGroup);
    }
  }
}

}  // namespace tandem::cpu
