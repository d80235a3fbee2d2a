#include "tensor/quantization.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "base/cpu_features.h"
#include "base/denormals.h"
#include "base/half.h"
#include "tensor/quantize_group.h"

namespace tandem {
namespace {

using enum WeightFormat;

std::vector<float> values_of(WeightFormat format, const QuantizedGroup& g, int64_t n) {
  std::vector<float> out;
  for (int64_t i = 0; i < n; ++i) {
    out.push_back(quantized_value(format, g.codes[i], f16_to_float(g.scale), f16_to_float(g.min)));
  }
  return out;
}

double error_of(WeightFormat format, const std::vector<float>& w) {
  QuantizedGroup g;
  const auto n = static_cast<int64_t>(w.size());
  quantize_group(format, w.data(), n, g);
  const std::vector<float> back = values_of(format, g, n);
  double sum = 0;
  for (size_t i = 0; i < w.size(); ++i) sum += std::pow(back[i] - w[i], 2);
  return std::sqrt(sum / static_cast<double>(w.size()));
}

std::vector<float> normal(size_t n, uint32_t seed, float mean = 0) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(mean, 0.02f);
  std::vector<float> w(n);
  for (float& v : w) v = normal(generator);
  return w;
}

TEST(Quantization, Int8KeepsTheLargestValueAndErrsByHalfAStepAtMost) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    const std::vector<float> w = normal(32, seed);
    QuantizedGroup g;
    quantize_group(kInt8, w.data(), 32, g);
    const float scale = f16_to_float(g.scale);
    const std::vector<float> back = values_of(kInt8, g, 32);
    for (size_t i = 0; i < 32; ++i) {
      // The scale is rounded to a half, so the largest value may be clamped a little.
      EXPECT_NEAR(back[i], w[i], 0.5f * scale + 127 * scale / 2048);
      EXPECT_NE(g.codes[i], 0) << "-128 is never made";
    }
  }
}

TEST(Quantization, Int4SearchIsNoWorseThanThePlainScale) {
  double searched = 0, plain = 0, with_min = 0, shifted = 0;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const std::vector<float> w = normal(32, seed);
    searched += error_of(kInt4, w);
    with_min += error_of(kInt4Min, w);
    shifted += error_of(kInt4Min, normal(32, seed, 1.0f));
    float top = 0;
    for (float v : w) top = std::abs(v) > std::abs(top) ? v : top;
    const float scale = top / -8;
    double sum = 0;
    for (float v : w) {
      sum += std::pow(v - scale * std::clamp(std::nearbyint(v / scale), -8.0f, 7.0f), 2);
    }
    plain += std::sqrt(sum / 32);
  }
  EXPECT_LT(searched, 0.97 * plain);
  EXPECT_LT(with_min, searched);
  EXPECT_LT(shifted, 1.1 * with_min);  // a minimum follows the values, wherever they lie
}

TEST(Quantization, ExactGridsComeBackExactly) {
  std::vector<float> w;
  for (int i = 0; i < 32; ++i) w.push_back(0.25f * static_cast<float>(i % 16) - 1.5f);
  EXPECT_EQ(error_of(kInt4Min, w), 0);
  for (float& v : w) v -= 0.5f;  // -8 .. 7 quarters
  EXPECT_EQ(error_of(kInt4, w), 0);
}

TEST(Quantization, ConstantZeroShortAndDamagedGroups) {
  for (WeightFormat format : {kInt8, kInt4, kInt4Min}) {
    EXPECT_EQ(error_of(format, std::vector<float>(32, 0.0f)), 0);
    EXPECT_LT(error_of(format, std::vector<float>(7, 0.3f)), 1e-3);
    EXPECT_LT(error_of(format, {1e-30f, -1e-38f}), 1e-29);
    for (float bad : {std::nanf(""), INFINITY, -3e38f}) {
      std::vector<float> w = normal(32, 1);
      w[5] = bad;
      QuantizedGroup g;
      quantize_group(format, w.data(), 32, g);
      EXPECT_TRUE(std::isnan(f16_to_float(g.scale)));
    }
    // Beyond what a half can scale: the largest there is, no infinity.
    QuantizedGroup g;
    const std::vector<float> large(32, 1e15f);
    quantize_group(format, large.data(), 32, g);
    EXPECT_TRUE(std::isfinite(f16_to_float(g.scale)));
  }
}

TEST(Quantization, CommonFormatKeepsValues) {
  for (WeightFormat from : {kInt8, kInt4, kInt4Min}) {
    for (WeightFormat other : {kInt8, kInt4, kInt4Min}) {
      const WeightFormat to = common_format(from, other);
      QuantizedGroup g;
      quantize_group(from, normal(32, 3).data(), 32, g);
      QuantizedGroup converted = g;
      convert_group(from, to, converted);
      EXPECT_EQ(values_of(from, g, 32), values_of(to, converted, 32));
    }
  }
}

uint16_t half_in_software(float x, float& value) {
  const uint16_t bits = float_to_f16(std::clamp(x, -65504.0f, 65504.0f));
  value = f16_to_float(bits);
  return bits;
}

TEST(Quantization, EveryInstructionSetFindsTheSameGroups) {
  const DenormalsFlushed flushed;  // as the threads that pack
  const CpuFeatures features = cpu_features();
  std::vector<std::pair<bool, void (*)(WeightFormat, const float*, QuantizedGroup&)>> others = {
      {features.avx2, quantize_whole_avx2}, {features.avx512, quantize_whole_avx512}};
  for (uint32_t seed = 0; seed < 300; ++seed) {
    std::vector<float> w = normal(32, seed, seed % 3 == 0 ? 0.03f : 0.0f);
    const float size = std::ldexp(1.0f, static_cast<int>(seed % 60) - 40);  // halves underflow too
    for (float& v : w) v *= size;
    if (seed % 10 == 0) w[seed % 32] = 0;
    for (const WeightFormat format : {kInt8, kInt4, kInt4Min}) {
      QuantizedGroup expected;
      quantize_whole(format, w.data(), half_in_software, expected);
      for (const auto& [present, quantize] : others) {
        if (!present) continue;
        QuantizedGroup found;
        quantize(format, w.data(), found);
        EXPECT_TRUE(std::equal(std::begin(found.codes), std::end(found.codes), expected.codes));
        EXPECT_EQ(found.scale, expected.scale) << seed;
        EXPECT_EQ(found.min, expected.min) << seed;
      }
    }
  }
}

}  // namespace
}  // namespace tandem
