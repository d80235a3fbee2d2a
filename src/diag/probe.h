// What the machine can do right now: reading memory and multiply-adds, measured between the rounds
// of a benchmark, with as many threads as the ranks together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend/buffer.h"

namespace tandem {

/// Reads memory like that of packed weights, more than a cache holds, each thread its own part.
class ReadProbe {
 public:
  /// `bytes` over all threads; touched by the threads that will read it. `isa`: whose loads.
  ReadProbe(int threads, size_t bytes, const std::string& isa);
  /// Median of `passes` passes, in 1e9 bytes per second.
  double measure(int passes);

 private:
  int threads_;
  uint64_t (*loop_)(const uint64_t* words, size_t n);
  size_t words_;  ///< of a thread
  std::vector<std::unique_ptr<Buffer>> parts_;
};

/// The arithmetic that a prefill stands on.
struct ComputeProbe {
  const char* what = "";  ///< for people: "fp32 multiply-adds", ...
  double (*loop)(int64_t rounds, float& sink) = nullptr;
  int64_t rounds = 0;  ///< some 10 ms
};

/// `isa`: portable, avx2, avx512 or amx; `dtype`: of the activations; `integer`: quantized weights,
/// where products are of bytes.
ComputeProbe compute_probe(const std::string& isa, const std::string& dtype, bool integer);

/// 1e9 flops (operations) per second over all threads; best of three passes.
double gflops(const ComputeProbe& probe, int threads);

}  // namespace tandem
