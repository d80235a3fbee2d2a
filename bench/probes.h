// What the machine can do right now, on the threads of a pool: reading memory and float32
// multiply-adds. Compare only within one run, in turn.
#pragma once

#include <immintrin.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "backend/host_buffer.h"
#include "base/cpu_features.h"
#include "base/thread_pool.h"

namespace tandem {

inline double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

__attribute__((target("avx2"))) inline int64_t read_all(const std::byte* p, int64_t n) {
  __m256i sums[8] = {};
  for (int64_t i = 0; i < n; i += 256) {
    for (int j = 0; j < 4; ++j) {
      _mm_prefetch(reinterpret_cast<const char*>(p + i + 4096 + 64 * j), _MM_HINT_T0);
    }
    for (int j = 0; j < 8; ++j) {
      sums[j] = _mm256_add_epi64(
          sums[j], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i + 32 * j)));
    }
  }
  for (int j = 1; j < 8; ++j) sums[0] = _mm256_add_epi64(sums[0], sums[j]);
  return _mm256_extract_epi64(sums[0], 0);
}

/// Bytes far above the caches, read from end to end, each thread its own part.
class MemoryProbe {
 public:
  static constexpr int64_t kBytes = int64_t{256} << 20;
  explicit MemoryProbe(ThreadPool& pool)
      : pool_(pool), memory_(make_host_memory(static_cast<size_t>(kBytes))) {
    std::memset(memory_->host(), 1, static_cast<size_t>(kBytes));
  }
  /// Seconds of one pass.
  double pass() {
    const auto begin = std::chrono::steady_clock::now();
    pool_.run([&](int thread, int threads) {
      const Share s = share_of(kBytes / 4096, thread, threads);
      sum_ += read_all(memory_->host() + s.begin * 4096, (s.end - s.begin) * 4096);
    });
    return seconds_since(begin);
  }

 private:
  ThreadPool& pool_;
  std::unique_ptr<Buffer> memory_;
  std::atomic<int64_t> sum_ = 0;
};

constexpr int kFmaChains = 12;
constexpr int kFmaRounds = 400'000;

__attribute__((target("avx512f"))) inline void fma512() {
  __m512 a[kFmaChains];
  for (auto& x : a) x = _mm512_set1_ps(0.5f);
  const __m512 b = _mm512_set1_ps(0.99f);
  for (int i = 0; i < kFmaRounds; ++i) {
    for (auto& x : a) {
      x = _mm512_fmadd_ps(x, b, b);
      asm volatile("" : "+v"(x));
    }
  }
}
__attribute__((target("avx2,fma"))) inline void fma256() {
  __m256 a[kFmaChains];
  for (auto& x : a) x = _mm256_set1_ps(0.5f);
  const __m256 b = _mm256_set1_ps(0.99f);
  for (int i = 0; i < kFmaRounds; ++i) {
    for (auto& x : a) {
      x = _mm256_fmadd_ps(x, b, b);
      asm volatile("" : "+x"(x));
    }
  }
}

/// 1e9 flops per second of float32 multiply-adds in registers, all threads together.
inline double fma_pass(ThreadPool& pool) {
  const bool wide = cpu_features().avx512;
  const auto begin = std::chrono::steady_clock::now();
  pool.run([&](int, int) { wide ? fma512() : fma256(); });
  return 1e-9 * kFmaChains * kFmaRounds * (wide ? 32 : 16) * pool.threads() / seconds_since(begin);
}

}  // namespace tandem
