// Counter-based random numbers: a draw is a pure function of (seed, position), so that it does not
// depend on the world size, on the other requests of a batch or on what was drawn before.
#pragma once

#include <cstdint>

namespace tandem {

/// The finaliser of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
/// 2014): a bijection of 64 bits in which every input bit changes half of the output bits.
constexpr uint64_t mix64(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

/// Uniform in [0, 1) with 53 bits. Two rounds: the first spreads the seed, so that the sequences of
/// seeds 1 and 2 are not shifted copies of each other.
constexpr double uniform(uint64_t seed, int64_t position) {
  constexpr uint64_t kGamma = 0x9e3779b97f4a7c15U;  // 2^64 / golden ratio, odd
  const uint64_t stream = mix64(seed + kGamma);
  const uint64_t bits = mix64(stream ^ mix64(static_cast<uint64_t>(position) * kGamma + kGamma));
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace tandem
