// Quantized weights: groups of 32 values along k, restarting at every unit (the last of a unit may
// be short), each with a scale and perhaps a minimum in IEEE half. Values only.
#pragma once

#include <cstdint>
#include <string_view>

namespace tandem {

/// How a weight's values are kept.
enum class WeightFormat : uint8_t {
  kFloat,    ///< not quantized
  kInt8,     ///< w = scale q, q in [-128, 127]
  kInt8Min,  ///< w = scale q + min: only where stored forms meet in one packed weight
  kInt4,     ///< w = scale (q - 8), q in [0, 15]
  kInt4Min,  ///< w = scale q + min, q in [0, 15]
};
inline constexpr int kWeightFormats = 5;
/// What `--quantize int4` means: the better of the two (docs/performance.md).
inline constexpr WeightFormat kBestInt4 = WeightFormat::kInt4Min;

inline constexpr int64_t kQuantGroup = 32;  ///< one step of k: a group never crosses a unit

constexpr bool is_quantized(WeightFormat f) { return f != WeightFormat::kFloat; }
constexpr bool is_int4(WeightFormat f) {
  return f == WeightFormat::kInt4 || f == WeightFormat::kInt4Min;
}
constexpr bool has_min(WeightFormat f) {
  return f == WeightFormat::kInt8Min || f == WeightFormat::kInt4Min;
}
/// Groups of `values` values that lie in one unit.
constexpr int64_t group_count(int64_t values) { return (values + kQuantGroup - 1) / kQuantGroup; }
/// Bytes of a group with its scale and minimum; kFloat: 0.
constexpr int64_t group_bytes(WeightFormat f) {
  if (!is_quantized(f)) return 0;
  return kQuantGroup / (is_int4(f) ? 2 : 1) + (has_min(f) ? 4 : 2);
}

/// The spelling of --quantize: "none", "int8", "int4" (the best one) ...
constexpr std::string_view format_name(WeightFormat f) {
  if (f == kBestInt4) return "int4";
  switch (f) {
    case WeightFormat::kFloat:
      return "none";
    case WeightFormat::kInt8:
      return "int8";
    case WeightFormat::kInt8Min:
      return "int8_min";
    case WeightFormat::kInt4:
      return "int4_symmetric";
    case WeightFormat::kInt4Min:
      return "int4_min";
  }
  return "?";
}

/// The form that holds values of both without changing one, nor an integer sum.
constexpr WeightFormat common_format(WeightFormat a, WeightFormat b) {
  if (a == b) return a;
  return has_min(a) || has_min(b) ? WeightFormat::kInt8Min : WeightFormat::kInt8;
}

/// One group. A code is q for the int4 forms and q + 128 for the int8 forms.
struct QuantizedGroup {
  uint8_t codes[kQuantGroup] = {};
  uint16_t scale = 0, min = 0;  ///< bits of IEEE halves
};

/// What a code stands for, in float: a product, then a sum.
constexpr float quantized_value(WeightFormat f, uint8_t code, float scale, float min) {
  const int q = f == WeightFormat::kInt4 ? code - 8 : is_int4(f) ? code : code - 128;
  const float product = scale * static_cast<float>(q);
  return has_min(f) ? product + min : product;
}

/// Quantizes n values (1 to 32) to kInt8, kInt4 or kInt4Min; the codes after them stand for 0 (or
/// the minimum). int8: scale = max|w| / 127 rounded to half, q = round(w / scale). int4: scale (and
/// minimum) by least squares over a fixed list of starts. A value that is not finite (or
/// 2^64 and more) makes the group's scale NaN; a group all below 2^-64 is 0.
void quantize_group(WeightFormat format, const float* w, int64_t n, QuantizedGroup& out);
/// The group's codes in a form that holds them, as common_format() finds it.
void convert_group(WeightFormat from, WeightFormat to, QuantizedGroup& group);

}  // namespace tandem
