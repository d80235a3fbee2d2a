#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"
#include "base/trigonometry.h"

namespace tandem {
namespace {

std::vector<float> plain(double base, int64_t dim) {
  std::vector<float> inverse;
  for (int64_t i = 0; i < dim; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(dim);
    inverse.push_back(1.0F / static_cast<float>(std::pow(base, static_cast<double>(exponent))));
  }
  return inverse;
}

/// NTK by parts (Llama 3.1): long waves are slowed by `factor`, short ones kept, between them a
/// ramp.
void apply_llama3(const RopeSpec& spec, std::vector<float>& inverse) {
  const auto factor = static_cast<float>(spec.factor);
  const auto length = static_cast<float>(spec.original_positions);
  const auto low = static_cast<float>(spec.low_freq_factor);
  const auto high = static_cast<float>(spec.high_freq_factor);
  for (float& f : inverse) {
    const float wave = 2.0F * std::numbers::pi_v<float> / f;
    if (wave > length / low) {
      f = f / factor;
    } else if (wave >= length / high) {
      const float smooth = (length / wave - low) / (high - low);
      f = (1.0F - smooth) * f / factor + smooth * f;
    }
  }
}

/// YaRN (arXiv 2309.00071): interpolates slow dimensions, keeps fast ones, a ramp between the two
/// correction dimensions.
void apply_yarn(const RopeSpec& spec, std::vector<float>& inverse) {
  const auto dim = static_cast<double>(spec.rotary_dim);
  const auto correction = [&](double rotations) {
    const double turns =
        static_cast<double>(spec.original_positions) / (rotations * 2 * std::numbers::pi);
    return dim * std::log(turns) / (2 * std::log(spec.theta));
  };
  double low = correction(spec.beta_fast);
  double high = correction(spec.beta_slow);
  if (spec.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < inverse.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    const auto keep = static_cast<float>(1.0 - ramp);
    const float slow = inverse[i] / static_cast<float>(spec.factor);
    inverse[i] = slow * (1.0F - keep) + inverse[i] * keep;
  }
}

/// Qwen v1 (its modeling_qwen.py): 1 up to the trained length, 3 up to twice, 7 up to four times.
int64_t qwen_alpha(const RopeSpec& spec, int64_t length) {
  const double turns =
      std::log2(static_cast<double>(length) / static_cast<double>(spec.original_positions)) + 1;
  return std::max<int64_t>(1, static_cast<int64_t>(std::exp2(std::ceil(turns))) - 1);
}

}  // namespace

int64_t rope_variant(const RopeSpec& spec, int64_t prompt_tokens) {
  if (spec.kind == RopeKind::kDynamic)
    return prompt_tokens > spec.original_positions ? prompt_tokens : 0;
  if (spec.kind == RopeKind::kQwenNtk) {
    const int64_t alpha = qwen_alpha(spec, std::max<int64_t>(1, prompt_tokens));
    return alpha == 1 ? 0 : alpha;
  }
  return 0;
}

std::vector<float> inverse_frequencies(const RopeSpec& spec, int64_t length) {
  TANDEM_CHECK(spec.rotary_dim > 2 || spec.kind != RopeKind::kDynamic);
  const auto dim = static_cast<double>(spec.rotary_dim);
  double base = spec.theta;
  if (spec.kind == RopeKind::kDynamic && length > spec.original_positions) {
    const double stretch =
        spec.factor * static_cast<double>(length) / static_cast<double>(spec.original_positions);
    base *= std::pow(stretch - (spec.factor - 1), dim / (dim - 2));
  } else if (spec.kind == RopeKind::kQwenNtk) {
    base *= std::pow(static_cast<double>(qwen_alpha(spec, std::max<int64_t>(1, length))),
                     dim / (dim - 2));
  }
  std::vector<float> inverse = plain(base, spec.rotary_dim);
  if (spec.kind == RopeKind::kLinear) {
    for (float& f : inverse) f /= static_cast<float>(spec.factor);
  } else if (spec.kind == RopeKind::kLlama3) {
    apply_llama3(spec, inverse);
  } else if (spec.kind == RopeKind::kYarn) {
    apply_yarn(spec, inverse);
  }
  return inverse;
}

int64_t rope_row_floats(const RopeSpec& spec) { return spec.rotary_dim + 1; }

void append_rope_rows(const RopeSpec& spec, const std::vector<float>& inverse, int64_t first,
                      int64_t count, std::vector<float>& rows) {
  for (int64_t p = first; p < first + count; ++p) {
    const size_t at = rows.size();
    const size_t half = inverse.size();
    rows.resize(at + 2 * half + 1);
    for (size_t i = 0; i < half; ++i) {
      const float angle = static_cast<float>(p) * inverse[i];  // float32, as the reference does
      const SinCos value = sin_cos(angle);
      rows[at + i] = static_cast<float>(value.cos) * static_cast<float>(spec.attention_factor);
      rows[at + half + i] =
          static_cast<float>(value.sin) * static_cast<float>(spec.attention_factor);
    }
    float scale = 1;
    if (spec.logn_length > 1 && p + 1 > spec.logn_length) {
      scale = static_cast<float>(std::log(static_cast<double>(p + 1)) /
                                 std::log(static_cast<double>(spec.logn_length)));
    }
    rows[at + 2 * half] = scale;
  }
}

}  // namespace tandem
