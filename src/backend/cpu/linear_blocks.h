// What the linear layers' drivers share: rows cut into blocks, and the end of an output.
#pragma once

#include <algorithm>

#include "backend/cpu/cpu_linear.h"
#include "backend/cpu/storage.h"

namespace tandem::cpu {

inline constexpr int64_t kGroupFloats = kGroup * kPanel;

/// Rows cut into nearly equal blocks of at most `most` rows.
struct RowBlocks {
  int64_t rows = 0, count = 0;
  RowBlocks(int64_t row_count, int64_t most) : rows(row_count), count(ceil_div(row_count, most)) {}
  int64_t begin(int64_t block) const { return rows * block / count; }
  int size(int64_t block) const { return static_cast<int>(begin(block + 1) - begin(block)); }
};

/// Finishes panels [first, first + panels) for rows [row, row + rows): c is [rows][ldc].
struct Finish {
  const Kernels& kernels;
  const CpuLinear& weight;

  void store(StoreArgs s, const Matrix& out, int64_t row, int64_t column) const {
    s.n = static_cast<int>(std::min(kPanel, out.cols - column));
    s.type = out.dtype;
    s.out = row_of(out, row) + column * dtype_bytes(out.dtype);
    s.out_stride = out.stride * dtype_bytes(out.dtype);
    kernels.store(s);
  }

  void panels(const Matrix& out, const float* c, int64_t ldc, int64_t first, int64_t panels,
              int64_t row, int rows) const {
    const float* bias = weight.bias() == nullptr ? nullptr : weight.bias() + first * kPanel;
    StoreArgs s;
    s.ldc = ldc;
    s.rows = rows;
    for (int64_t p = 0; p < panels; p += weight.gate_up() ? 2 : 1) {
      s.c = c + p * kPanel;
      s.bias = bias == nullptr ? nullptr : bias + p * kPanel;
      if (weight.gate_up()) {
        s.gate = s.c;
        s.gate_bias = s.bias;
        s.c += kPanel;
        if (s.bias != nullptr) s.bias += kPanel;
        store(s, out, row, (first + p) / 2 * kPanel);
      } else {
        store(s, out, row, (first + p) * kPanel);
      }
    }
  }
};

}  // namespace tandem::cpu
