#include "diag/probe.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>

#include "backend/host_buffer.h"
#include "base/check.h"

namespace tandem {
namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

/// Runs `work(thread)` on all threads at once; seconds from the common start to the last end.
double together(int threads, const std::function<void(int)>& work) {
  std::barrier start(threads + 1);
  std::vector<std::thread> pool;
  pool.reserve(static_cast<size_t>(threads));
  for (int i = 0; i < threads; ++i) {
    pool.emplace_back([&start, &work, i] {
      start.arrive_and_wait();
      work(i);
    });
  }
  start.arrive_and_wait();
  const Clock::time_point begin = Clock::now();
  for (std::thread& thread : pool) thread.join();
  return seconds(Clock::now() - begin);
}

/// Eight sums side by side, so that loads and not additions are what is waited for.
uint64_t sum_of(const std::vector<uint64_t>& words) {
  uint64_t sums[8] = {};
  for (size_t i = 0; i + 8 <= words.size(); i += 8)
    for (size_t j = 0; j < 8; ++j) sums[j] += words[i + j];
  uint64_t sum = 0;
  for (const uint64_t one : sums) sum += one;
  return sum;
}

}  // namespace

ReadProbe::ReadProbe(int threads, size_t bytes)
    : threads_(threads), parts_(static_cast<size_t>(threads)) {
  TANDEM_CHECK(threads > 0);
  const size_t words = bytes / sizeof(uint64_t) / static_cast<size_t>(threads);
  together(threads_, [&](int i) { parts_[static_cast<size_t>(i)].assign(words, 1); });
}

double ReadProbe::measure(int passes) {
  double best = 0;
  std::atomic<uint64_t> total = 0;
  for (int pass = 0; pass < passes; ++pass) {
    const double time =
        together(threads_, [&](int i) { total += sum_of(parts_[static_cast<size_t>(i)]); });
    double bytes = 0;
    for (const auto& part : parts_) bytes += static_cast<double>(part.size() * sizeof(uint64_t));
    best = std::max(best, bytes / time / 1e9);
  }
  TANDEM_CHECK(total > 0);  // the sums are really needed
  return best;
}

namespace {

/// Best of three passes of loop(thread, sink), which returns the flops done.
double best_gflops(int threads, const std::function<double(int, float&)>& loop) {
  std::vector<double> flops(static_cast<size_t>(threads));
  std::vector<float> sinks(static_cast<size_t>(threads));
  double best = 0;
  for (int pass = 0; pass < 3; ++pass) {
    const double time = together(threads, [&](int i) {
      const auto at = static_cast<size_t>(i);
      flops[at] = loop(i, sinks[at]);
    });
    double sum = 0;
    for (size_t i = 0; i < flops.size(); ++i) sum += sinks[i] != 0 ? flops[i] : 0;
    best = std::max(best, sum / time / 1e9);
  }
  return best;
}

}  // namespace

double fma_gflops(int threads, const std::string& isa) {
  const auto loop = isa == "avx512" || isa == "amx" ? fma_loop_avx512
                    : isa == "avx2"                 ? fma_loop_avx2
                                                    : fma_loop_portable;
  constexpr int64_t kRounds = 1 << 22;  // some 10 ms
  return best_gflops(threads, [&](int, float& sink) { return loop(kRounds, sink); });
}

double tile_gflops(int threads) {
  constexpr size_t kRows = 32 << 10, kWeights = 1 << 20;
  constexpr int64_t kRounds = 1 << 18;  // some 10 ms
  std::vector<std::unique_ptr<Buffer>> memory(static_cast<size_t>(threads));
  together(threads, [&](int i) {
    auto& mine = memory[static_cast<size_t>(i)] = make_host_memory(kRows + kWeights);
    std::memset(mine->host(), 0x3c, mine->bytes());  // bfloat16 numbers of 0.01
  });
  return best_gflops(threads, [&](int i, float& sink) {
    const std::byte* rows = memory[static_cast<size_t>(i)]->host();
    return tile_loop_amx({kRounds, rows, kRows, rows + kRows, kWeights}, sink);
  });
}

double compute_gflops(int threads, const std::string& isa, const std::string& dtype) {
  return isa == "amx" && dtype == "bfloat16" ? tile_gflops(threads) : fma_gflops(threads, isa);
}

}  // namespace tandem
