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

/// bfloat16 products by AMX tiles, each of four with its two row tiles and two weight tiles loaded,
/// the weights from a buffer as large as L2 caches are: 1e9 flops per second over all threads.
double tile_gflops(int threads);

/// What the large products of a model are held against: tiles where they serve the type, else fp32
/// multiply-adds.
double compute_gflops(int threads, const std::string& isa, const std::string& dtype);

/// The loops behind it, one file per instruction set: `rounds` steps of independent chains. Returns
/// the flops done; `sink` keeps the result alive.
double fma_loop_portable(int64_t rounds, float& sink);
double fma_loop_avx2(int64_t rounds, float& sink);
double fma_loop_avx512(int64_t rounds, float& sink);

/// Tiles of 1 KiB; both buffers are read in circles, their sizes are powers of two.
struct TileProbe {
  int64_t rounds = 0;
  const std::byte* rows = nullptr;
  int64_t row_bytes = 0;
  const std::byte* weights = nullptr;
  int64_t weight_bytes = 0;
};
double tile_loop_amx(const TileProbe& probe, float& sink);

}  // namespace tandem
