// One linear layer at several numbers of rows, between a read probe and a multiply-add probe.
// Compare only within one run, interleaved:
//   linear_bench --benchmark_repetitions=5 --benchmark_enable_random_interleaving=true
//                --benchmark_report_aggregates_only=true
#include <benchmark/benchmark.h>
#include <immintrin.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "backend/host_buffer.h"
#include "base/cpu_features.h"
#include "base/thread_pool.h"
#include "diag/probe.h"

namespace tandem {
namespace {

constexpr int kThreads = 2;
constexpr int64_t kBytes = int64_t{256} << 20;  // far above the caches

ThreadPool& pool() {
  static ThreadPool threads({.threads = kThreads, .spin_us = 1000});
  return threads;
}

__attribute__((target("avx2"))) int64_t read_all(const std::byte* p, int64_t n) {
  __m256i sums[8] = {};
  for (int64_t i = 0; i < n; i += 256) {
    for (int j = 0; j < 4; ++j) {
      _mm_prefetch(reinterpret_cast<const char*>(p + i + 2048 + 64 * j), _MM_HINT_T0);
    }
    for (int j = 0; j < 8; ++j) {
      sums[j] = _mm256_add_epi64(
          sums[j], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i + 32 * j)));
    }
  }
  for (int j = 1; j < 8; ++j) sums[0] = _mm256_add_epi64(sums[0], sums[j]);
  return _mm256_extract_epi64(sums[0], 0);
}

void read_probe(benchmark::State& state) {
  static const std::unique_ptr<Buffer> memory = [] {
    auto m = make_host_memory(static_cast<size_t>(kBytes));
    for (int64_t i = 0; i < kBytes; i += 64) m->host()[i] = std::byte{1};
    return m;
  }();
  for (auto _ : state) {
    pool().run([&](int thread, int threads) {
      const Share s = share_of(kBytes / 4096, thread, threads);
      benchmark::DoNotOptimize(read_all(memory->host() + s.begin * 4096, (s.end - s.begin) * 4096));
    });
  }
  state.counters["GB/s"] = benchmark::Counter(static_cast<double>(kBytes) * 1e-9,
                                              benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(read_probe)->UseRealTime()->Unit(benchmark::kMillisecond);

template <typename F>
double multiply_adds(F loop) {
  pool().run([&](int, int) { loop(); });
  return 0;
}

__attribute__((target("avx512f"))) void fma512() {
  __m512 a[12];
  for (auto& x : a) x = _mm512_set1_ps(0.5f);
  const __m512 b = _mm512_set1_ps(0.99f);
  for (int i = 0; i < 1000000; ++i) {
    for (auto& x : a) {
      x = _mm512_fmadd_ps(x, b, b);
      asm volatile("" : "+v"(x));
    }
  }
}
__attribute__((target("avx2,fma"))) void fma256() {
  __m256 a[12];
  for (auto& x : a) x = _mm256_set1_ps(0.5f);
  const __m256 b = _mm256_set1_ps(0.99f);
  for (int i = 0; i < 1000000; ++i) {
    for (auto& x : a) {
      x = _mm256_fmadd_ps(x, b, b);
      asm volatile("" : "+x"(x));
    }
  }
}

void fma_probe(benchmark::State& state) {
  const bool wide = available_isas().back() != "avx2";
  for (auto _ : state) multiply_adds(wide ? fma512 : fma256);
  state.counters["GF"] = benchmark::Counter(12e-3 * (wide ? 32 : 16) * kThreads,
                                            benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(fma_probe)->UseRealTime()->Unit(benchmark::kMillisecond);

/// Tiles where there are any: what the rows of `linear` with many rows are held against then.
void tile_probe(benchmark::State& state) {
  if (!cpu_features().amx) {
    state.SkipWithError("no AMX on this processor");
    return;
  }
  double best = 0;
  for (auto _ : state)
    best = std::max(best, gflops(compute_probe("amx", "bfloat16", false), kThreads));
  state.counters["GF"] = best;
}
BENCHMARK(tile_probe)->UseRealTime()->Unit(benchmark::kMillisecond);

struct Layer {
  std::unique_ptr<Backend> backend;
  std::vector<std::unique_ptr<PackedLinear>> weights;  // together above the caches
};

/// bfloat16 layers of n x k, so many that one row's product comes from memory. units: of k.
Layer& layer(int64_t n, int64_t k, int64_t unit) {
  static std::vector<std::tuple<int64_t, int64_t, int64_t, std::unique_ptr<Layer>>> made;
  for (auto& [a, b, c, l] : made) {
    if (a == n && b == k && c == unit) return *l;
  }
  auto l = std::make_unique<Layer>();
  l->backend = make_backend({.threads = kThreads});
  std::vector<uint16_t> values(static_cast<size_t>(n * k), 0x3c00);
  LinearSource source;
  source.weight.push_back(
      {reinterpret_cast<const std::byte*>(values.data()), DType::kBF16, n, k, k});
  source.compute = DType::kBF16;
  source.tree.merges.clear();
  for (int64_t at = 0; at < k; at += unit) {
    source.units.push_back(std::min(unit, k - at));
    source.tree.merges.push_back(at == 0 ? 0 : 1);
  }
  for (int64_t bytes = 0; bytes < kBytes; bytes += 2 * n * k) {
    l->weights.push_back(l->backend->pack_linear(source));
  }
  made.emplace_back(n, k, unit, std::move(l));
  return *std::get<3>(made.back());
}

void linear(benchmark::State& state) {
  const int64_t rows = state.range(0), n = state.range(1), k = state.range(2);
  Layer& l = layer(n, k, state.range(3));
  const auto in = l.backend->allocate(static_cast<size_t>(rows * k * 2));
  const auto out = l.backend->allocate(static_cast<size_t>(rows * n * 4));
  const Matrix x{in.get(), 0, DType::kBF16, rows, k, k};
  const Matrix y{out.get(), 0, DType::kF32, rows, n, n};
  const size_t use = rows > 64 ? 1 : l.weights.size();
  for (auto _ : state) {
    for (size_t i = 0; i < use; ++i) l.backend->linear({x, l.weights[i].get(), {&y, 1}});
  }
  const double products = static_cast<double>(use) * static_cast<double>(n * k);
  state.counters["GB/s"] =
      benchmark::Counter(products * 2e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["GF"] = benchmark::Counter(products * 2e-9 * static_cast<double>(rows),
                                            benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(linear)
    ->ArgNames({"rows", "n", "k", "unit"})
    ->Args({1, 5632, 2048, 2048})
    ->Args({1, 2048, 5632, 128})
    ->Args({1, 2048, 2048, 64})
    ->Args({2, 5632, 2048, 2048})
    ->Args({4, 5632, 2048, 2048})
    ->Args({8, 5632, 2048, 2048})
    ->Args({16, 5632, 2048, 2048})
    ->Args({512, 5632, 2048, 2048})
    ->Args({512, 2048, 5632, 128})
    ->Args({512, 2048, 2048, 64})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tandem

BENCHMARK_MAIN();
