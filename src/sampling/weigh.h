// The weights of a row of logits, compiled once for each instruction set: everything that does work
// is in an anonymous namespace, so that no code of one serves another one. Plain float operations
// in one order: all give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tandem {

inline constexpr size_t kWeightBuckets = 1024;
inline constexpr float kBucketsPerNat = 16;  ///< 64 nats; weights below e^-64 share the last bucket

/// weights[i] = exp((logits[i] - largest) * rate); bucket_of[i] rises as logits fall.
struct WeighArgs {
  const float* logits;
  size_t n;
  float largest, rate;
  float* weights;
  uint16_t* bucket_of;
};
void weigh_avx2(const WeighArgs& args);
void weigh_avx512(const WeighArgs& args);

namespace {

constexpr uint32_t bits_of(float x) { return __builtin_bit_cast(uint32_t, x); }
constexpr float float_of(uint32_t x) { return __builtin_bit_cast(float, x); }

/// exp(x) for x <= 0, relative error below 2e-7; 0 from -87 on and for NaN. Without a call or a
/// branch, so that the compiler makes vectors of it; plain float operations, so that all of them
/// agree. exp(x) = 2^n * exp(r), |r| <= ln(2)/2, ln(2) in two parts, exp(r) by its Taylor
/// polynomial.
inline float exp_falling(float x) {
  constexpr float kRound = 0x1.8p23F;  // adding it rounds to the nearest integer
  // Clamped as integers (negative floats order by their bits, a NaN comes after all of them): the
  // compiler makes no vectors of comparisons that might trap.
  constexpr uint32_t kEnd = bits_of(-87.0F);
  const uint32_t bits = bits_of(x) | 0x80000000U;
  const auto clamped = float_of((bits < kEnd ? bits : kEnd));
  const float shifted = clamped * 0x1.715476p+0F + kRound;
  const float n = shifted - kRound;
  const float r = (clamped - n * 0x1.62ep-1F) - n * 0x1.0bfbe8p-15F;
  float p = 1.0F / 5040;
  p = p * r + 1.0F / 720;
  p = p * r + 1.0F / 120;
  p = p * r + 1.0F / 24;
  p = p * r + 1.0F / 6;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  const uint32_t power = (bits_of(shifted) << 23) + 0x3f800000U;  // 2^n
  const auto keep = static_cast<uint32_t>(static_cast<int32_t>(bits - kEnd) >> 31);
  return float_of(bits_of(p * float_of(power)) & keep);
}

inline void weigh_row(const WeighArgs& args) {
  const WeighArgs a = args;  // a copy that no store can change
  for (size_t i = 0; i < a.n; ++i) a.weights[i] = exp_falling((a.logits[i] - a.largest) * a.rate);
  for (size_t i = 0; i < a.n; ++i) {
    const float place = (a.logits[i] - a.largest) * a.rate * -kBucketsPerNat;
    // As in exp_falling: compared as integers.
    constexpr uint32_t kLastBits = bits_of(kWeightBuckets - 1);
    const uint32_t bits = bits_of(place) & 0x7fffffffU;
    const float capped = float_of(bits < kLastBits ? bits : kLastBits);
    a.bucket_of[i] = static_cast<uint16_t>(static_cast<int32_t>(capped));
  }
}

}  // namespace
}  // namespace tandem
