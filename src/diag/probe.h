// What the machine can do right now: reading memory and multiply-adds, measured between the rounds
// of a benchmark, with as many threads as the ranks together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tandem {

/// Reads a buffer that no cache holds, each thread its own part.
class ReadProbe {
 public:
  /// `bytes` over all threads; touched by the threads that will read it.
  ReadProbe(int threads, size_t bytes);
  /// Best of `passes` passes, in 1e9 bytes per second.
  double measure(int passes);

 private:
  int threads_;
  std::vector<std::vector<uint64_t>> parts_;
};

/// fp32 multiply-adds in registers, 1e9 flops per second over all threads (one multiply-add: two).
/// `isa`: portable, avx2, avx512 or amx (whose fp32 units are those of avx512).
double fma_gflops(int threads, const std::string& isa);

/// The loops behind it, one file per instruction set: `rounds` steps of independent chains. Returns
/// the flops done; `sink` keeps the result alive.
double fma_loop_portable(int64_t rounds, float& sink);
double fma_loop_avx2(int64_t rounds, float& sink);
double fma_loop_avx512(int64_t rounds, float& sink);

}  // namespace tandem
