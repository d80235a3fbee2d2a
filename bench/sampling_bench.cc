// What choosing one id costs over a vocabulary of 151,936 (Qwen's), beside a decode step.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "sampling/sampler.h"

namespace {

using namespace tandem;

constexpr int64_t kVocab = 151936;

/// Logits as a model gives them: most far below some few.
std::vector<float> logits() {
  std::vector<float> row(kVocab);
  uint64_t state = 1;
  const auto uniform = [&state] {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<double>((state >> 11) + 1) * 0x1p-53;
  };
  for (float& x : row) {
    const double a = uniform(), b = uniform();
    x = static_cast<float>(3 * std::sqrt(-2 * std::log(a)) * std::cos(6.283185307 * b));
  }
  return row;
}

void sample(benchmark::State& state, const SamplingParams& params) {
  const std::vector<float> row = logits();
  Sampler sampler(params, kVocab);
  std::vector<int32_t> prompt;
  for (int32_t i = 0; i < 2048; ++i) prompt.push_back(i * 37);
  sampler.set_prompt(prompt);
  int64_t position = 2048;
  for (auto _ : state) {
    const int32_t id = sampler.sample(row, position++);
    sampler.accept(id);
    benchmark::DoNotOptimize(id);
  }
}

SamplingParams params(float temperature, int64_t top_k, float top_p, float penalty) {
  SamplingParams p;
  p.temperature = temperature;
  p.top_k = top_k;
  p.top_p = top_p;
  p.repetition_penalty = penalty;
  return p;
}

BENCHMARK_CAPTURE(sample, temperature, params(0.8F, 0, 1, 1))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, top_k, params(0.8F, 50, 1, 1))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, top_p, params(0.8F, 0, 0.9F, 1))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, top_k_top_p, params(0.7F, 20, 0.8F, 1))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, penalty, params(0, 0, 1, 1.1F))->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, all, params(0.7F, 20, 0.8F, 1.05F))->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
