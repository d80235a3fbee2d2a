#include "tensor/quantization.h"

#include <algorithm>

#include "base/cpu_features.h"
#include "base/half.h"
#include "tensor/quantize_group.h"

namespace tandem {
namespace {

uint16_t half_of(float x, float& value) {
  constexpr float kMaxHalf = 65504.0f;
  const uint16_t bits = float_to_f16(std::clamp(x, -kMaxHalf, kMaxHalf));
  value = f16_to_float(bits);
  return bits;
}

void quantize_portable(WeightFormat format, const float* w, QuantizedGroup& out) {
  quantize_whole(format, w, half_of, out);
}

using Quantize = void (*)(WeightFormat, const float*, QuantizedGroup&);
Quantize fastest() {
  const CpuFeatures features = cpu_features();
  return features.avx512 ? quantize_whole_avx512
         : features.avx2 ? quantize_whole_avx2
                         : quantize_portable;
}

}  // namespace

void quantize_group(WeightFormat format, const float* w, int64_t n, QuantizedGroup& out) {
  // A short group is filled with its first value: it changes no extent, and the codes after n are
  // multiplied by activations that are 0.
  float whole[kQuantGroup];
  for (int64_t i = 0; i < kQuantGroup; ++i) whole[i] = i < n ? w[i] : w[0];
  static const Quantize quantize = fastest();
  out = {};
  quantize(format, whole, out);
}

void convert_group(WeightFormat from, WeightFormat to, QuantizedGroup& group) {
  if (!has_min(from)) group.min = 0;
  if (is_int4(from) == is_int4(to)) return;
  const int shift = from == WeightFormat::kInt4 ? 128 - 8 : 128;
  for (uint8_t& code : group.codes) code = static_cast<uint8_t>(code + shift);
}

}  // namespace tandem
