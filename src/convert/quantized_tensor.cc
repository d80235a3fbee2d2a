#include "convert/quantized_tensor.h"

#include <algorithm>

#include "base/check.h"
#include "checkpoint/quantization_config.h"

namespace tandem {

QuantizedTensor::QuantizedTensor(WeightFormat format, int64_t cols, std::vector<int64_t> units)
    : format_(format),
      cols_(cols),
      units_(std::move(units)),
      row_bytes_(is_int4(format) ? (cols + 1) / 2 : cols) {
  int64_t sum = 0;
  for (const int64_t unit : units_) {
    TANDEM_CHECK(!is_int4(format) || sum % 2 == 0);
    sum += unit;
    groups_ += group_count(unit);
  }
  TANDEM_CHECK(sum == cols);
}

void QuantizedTensor::add_headers(const std::string& name, int64_t rows,
                                  std::vector<TensorHeader>& headers) const {
  headers.push_back(
      {codes_name(name), is_int4(format_) ? DType::kU8 : DType::kI8, {rows, row_bytes_}});
  headers.push_back({scale_name(name), DType::kF16, {rows, groups_}});
  if (has_min(format_)) headers.push_back({min_name(name), DType::kF16, {rows, groups_}});
}

void QuantizedTensor::put(const QuantizedGroup& group, const Place& at, const Row& to) const {
  to.scales[at.index] = group.scale;
  to.mins[at.index] = group.min;
  const int64_t k = at.k;
  for (int64_t i = 0; i < at.n; ++i) {
    const uint8_t code = group.codes[i];
    if (is_int4(format_)) {
      to.codes[(k + i) / 2] |= static_cast<std::byte>((k + i) % 2 == 0 ? code : code << 4);
    } else {
      to.codes[k + i] = static_cast<std::byte>(code ^ 0x80u);  // q as a signed byte
    }
  }
}

void QuantizedTensor::encode(const float* row, const Row& to) const {
  int64_t k = 0, index = 0;
  for (const int64_t unit : units_) {
    for (int64_t left = unit; left > 0; left -= kQuantGroup, ++index) {
      const int64_t n = std::min(kQuantGroup, left);
      QuantizedGroup group;
      quantize_group(format_, row + k, n, group);
      put(group, Place{index, k, n}, to);
      k += n;
    }
  }
}

}  // namespace tandem
