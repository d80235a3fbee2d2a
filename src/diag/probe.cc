#include "diag/probe.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <functional>
#include <thread>

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

double fma_gflops(int threads, const std::string& isa) {
  const auto loop = isa == "avx512" || isa == "amx" ? fma_loop_avx512
                    : isa == "avx2"                 ? fma_loop_avx2
                                                    : fma_loop_portable;
  constexpr int64_t kRounds = 1 << 22;  // some 10 ms
  std::vector<double> flops(static_cast<size_t>(threads));
  std::vector<float> sinks(static_cast<size_t>(threads));
  double best = 0;
  for (int pass = 0; pass < 3; ++pass) {
    const double time = together(threads, [&](int i) {
      const auto at = static_cast<size_t>(i);
      flops[at] = loop(kRounds, sinks[at]);
    });
    double sum = 0;
    for (size_t i = 0; i < flops.size(); ++i) sum += sinks[i] != 0 ? flops[i] : 0;
    best = std::max(best, sum / time / 1e9);
  }
  return best;
}

}  // namespace tandem
