#include "diag/probe.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <functional>
#include <thread>

#include "backend/host_buffer.h"
#include "base/check.h"
#include "base/cpu_features.h"
#include "diag/probe_loops.h"
#include "diag/rounds.h"

namespace tandem {
namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

/// Runs `work(thread)` on all threads at once; seconds from the first begin to the last end. The
/// threads look at the clock themselves: this one may be late where all cores are at work.
double together(int threads, const std::function<void(int)>& work) {
  std::barrier start(threads);
  std::vector<Clock::time_point> begins(static_cast<size_t>(threads)), ends(begins);
  std::vector<std::thread> pool;
  pool.reserve(static_cast<size_t>(threads));
  for (int i = 0; i < threads; ++i) {
    pool.emplace_back([&, i] {
      start.arrive_and_wait();
      begins[static_cast<size_t>(i)] = Clock::now();
      work(i);
      ends[static_cast<size_t>(i)] = Clock::now();
    });
  }
  for (std::thread& thread : pool) thread.join();
  return seconds(*std::max_element(ends.begin(), ends.end()) -
                 *std::min_element(begins.begin(), begins.end()));
}

uint64_t* words_of(Buffer& buffer) { return reinterpret_cast<uint64_t*>(buffer.host()); }

using ReadLoop = uint64_t (*)(const uint64_t*, size_t);

ReadLoop read_loop(const std::string& isa) {
  if (isa == "avx512" || isa == "amx") return read_loop_avx512;
  return isa == "avx2" ? read_loop_avx2 : read_loop_portable;
}

}  // namespace

ReadProbe::ReadProbe(int threads, size_t bytes, const std::string& isa)
    : threads_(threads),
      loop_(read_loop(isa)),
      words_(bytes / sizeof(uint64_t) / static_cast<size_t>(threads)),
      parts_(static_cast<size_t>(threads)) {
  TANDEM_CHECK(threads > 0);
  together(threads_, [&](int i) {
    auto& part = parts_[static_cast<size_t>(i)];
    part = make_host_memory(words_ * sizeof(uint64_t));
    std::fill_n(words_of(*part), words_, uint64_t{1});
  });
}

double ReadProbe::measure(int passes) {
  std::vector<double> rates;
  std::atomic<uint64_t> total = 0;
  for (int pass = 0; pass < passes; ++pass) {
    const double time = together(threads_, [&](int i) {
      total += loop_(words_of(*parts_[static_cast<size_t>(i)]), words_);
    });
    const auto words = static_cast<double>(words_ * static_cast<size_t>(threads_));
    rates.push_back(words * sizeof(uint64_t) / time / 1e9);
  }
  TANDEM_CHECK(total > 0);  // the sums are really needed
  return median(std::move(rates));
}

ComputeProbe compute_probe(const std::string& isa, const std::string& dtype, bool integer) {
  const bool amx = isa == "amx", avx512 = amx || isa == "avx512";
  if (integer) {
    if (amx) return {"int8 multiply-adds in AMX tiles from L2", tile_int8_loop_amx, 1 << 17};
    if (avx512 && cpu_features().avx512_vnni)
      return {"int8 multiply-adds (VNNI)", int8_loop_vnni, 1 << 22};
    if (avx512 || isa == "avx2") return {"int8 multiply-adds (AVX2)", int8_loop_avx2, 1 << 21};
    return {"int8 multiply-adds", int8_loop_portable, 1 << 21};
  }
  if (amx && dtype == "bfloat16")
    return {"bf16 multiply-adds in AMX tiles from L2", tile_bf16_loop_amx, 1 << 17};
  if (isa == "avx512" && dtype == "bfloat16" && cpu_features().bf16_pairs)
    return {"bf16 products in pairs", pair_loop_bf16, 1 << 22};
  const auto fma = avx512 ? fma_loop_avx512 : isa == "avx2" ? fma_loop_avx2 : fma_loop_portable;
  return {"fp32 multiply-adds", fma, 1 << 22};
}

double gflops(const ComputeProbe& probe, int threads) {
  std::vector<double> flops(static_cast<size_t>(threads));
  std::vector<float> sinks(static_cast<size_t>(threads));
  double best = 0;
  for (int pass = 0; pass < 3; ++pass) {
    const double time = together(threads, [&](int i) {
      const auto at = static_cast<size_t>(i);
      flops[at] = probe.loop(probe.rounds, sinks[at]);
    });
    double sum = 0;
    for (size_t i = 0; i < flops.size(); ++i) sum += sinks[i] != 0 ? flops[i] : 0;
    best = std::max(best, sum / time / 1e9);
  }
  return best;
}

}  // namespace tandem
