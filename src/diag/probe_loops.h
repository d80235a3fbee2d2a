// The bodies of the probes, one file per instruction set. Each compute loop does `rounds` steps of
// independent chains and returns the flops (integer: operations) done, two for a multiply-add;
// `sink` keeps the result alive.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tandem {

double fma_loop_portable(int64_t rounds, float& sink);
double fma_loop_avx2(int64_t rounds, float& sink);
double fma_loop_avx512(int64_t rounds, float& sink);
/// Two bfloat16 products each (vdpbf16ps).
double pair_loop_bf16(int64_t rounds, float& sink);

/// Products of bytes added to int32: portable multiplies, vpmaddubsw + vpmaddwd, vpdpbusd.
double int8_loop_portable(int64_t rounds, float& sink);
double int8_loop_avx2(int64_t rounds, float& sink);
double int8_loop_vnni(int64_t rounds, float& sink);

/// Tiles in blocks of 2 x 2, every operand loaded from the second-level cache, as a matmul must.
double tile_bf16_loop_amx(int64_t rounds, float& sink);
double tile_int8_loop_amx(int64_t rounds, float& sink);

/// Sum of n words, several lines in flight.
uint64_t read_loop_portable(const uint64_t* words, size_t n);
uint64_t read_loop_avx2(const uint64_t* words, size_t n);
uint64_t read_loop_avx512(const uint64_t* words, size_t n);

/// Twelve chains hide the latency (4 cycles) of two units. `fma(x, a, b)` steps one chain.
constexpr int kChains = 12;
template <typename Vector, typename Fma>
inline Vector chains(int64_t rounds, Vector a, Vector b, Fma fma) {
  Vector chain[kChains];
  for (Vector& one : chain) one = a;
  for (int64_t round = 0; round < rounds; ++round)
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) chain[i] = fma(chain[i], a, b);
  Vector all = chain[0];
  for (int i = 1; i < kChains; ++i) {
    if constexpr (requires { all | all; }) {
      all = all | chain[i];  // integers: a sum could overflow
    } else {
      all = all + chain[i];
    }
  }
  return all;
}

/// Eight sums side by side, so that loads and not additions are what is waited for. Prefetching and
/// several streams were no faster on 2 MiB pages.
template <typename Vector, typename Load>
inline Vector sum_of_loads(const uint64_t* words, size_t n, Load load) {
  constexpr size_t kWords = sizeof(Vector) / sizeof(uint64_t), kSums = 8;
  Vector sums[kSums] = {};
  for (size_t i = 0; i + kSums * kWords <= n; i += kSums * kWords) {
#pragma GCC unroll 8
    for (size_t j = 0; j < kSums; ++j) sums[j] += load(words + i + j * kWords);
  }
  for (size_t j = 1; j < kSums; ++j) sums[0] += sums[j];
  return sums[0];
}

}  // namespace tandem
