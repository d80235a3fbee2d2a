// How a quantized matrix is stored: codes, scales and perhaps minima as tensors of their own
// (docs/architecture.md, "Quantized folders").
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "convert/safetensors_writer.h"
#include "tensor/quantization.h"

namespace tandem {

class QuantizedTensor {
 public:
  /// `units` add up to `cols`; a group of 32 columns never crosses one.
  QuantizedTensor(WeightFormat format, int64_t cols, std::vector<int64_t> units);

  int64_t groups() const { return groups_; }        ///< of a row
  int64_t row_bytes() const { return row_bytes_; }  ///< of a row's codes

  /// The tensors that stand for NAME: NAME_q, NAME_scale and, with minima, NAME_min.
  void add_headers(const std::string& name, int64_t rows, std::vector<TensorHeader>& headers) const;

  /// Where a row goes: row_bytes() bytes that are 0 before, groups() halves each.
  struct Row {
    std::byte* codes;
    uint16_t* scales;
    uint16_t* mins;
  };
  /// Quantizes one row.
  void encode(const float* row, const Row& to) const;
  /// Stores group `index` of a row whose columns are one unit.
  void put(const QuantizedGroup& group, int64_t index, const Row& to) const {
    put(group, {index, index * kQuantGroup, std::min(kQuantGroup, cols_ - index * kQuantGroup)},
        to);
  }

 private:
  /// Group `index` of a row: `n` columns from k on.
  struct Place {
    int64_t index, k, n;
  };
  void put(const QuantizedGroup& group, const Place& at, const Row& to) const;

  WeightFormat format_;
  int64_t cols_;
  std::vector<int64_t> units_;
  int64_t groups_ = 0;
  int64_t row_bytes_ = 0;
};

}  // namespace tandem
