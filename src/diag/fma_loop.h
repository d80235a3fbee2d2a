// The body of the multiply-add probe, for vectors of any type that has + and *.
#pragma once

#include <cstdint>

namespace tandem {

/// Twelve chains hide the latency (4 cycles) of two units. `fma` is x * a + b.
template <typename Vector, typename Fma>
inline Vector fma_chains(int64_t rounds, Vector a, Vector b, Fma fma) {
  constexpr int kChains = 12;
  Vector chain[kChains];
  for (Vector& one : chain) one = a;
  for (int64_t round = 0; round < rounds; ++round)
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) chain[i] = fma(chain[i], a, b);
  Vector sum = chain[0];
  for (int i = 1; i < kChains; ++i) sum = sum + chain[i];
  return sum;
}
constexpr int kFmaChains = 12;

}  // namespace tandem
