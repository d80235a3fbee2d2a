// Measuring: how fast a model runs here, beside what the machine can do at the same time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tandem/engine.h"

namespace tandem {

/// One point to measure.
struct BenchCase {
  int64_t prompt = 512;   ///< tokens per sequence
  int64_t generate = 64;  ///< new tokens per sequence, at least 2
  int64_t batch = 1;      ///< sequences at a time
};

/// Where the forward passes went: seconds by kind of op ("qkv", "collective", ...), mean over the
/// ranks.
struct OpTimes {
  std::vector<OpTime> kinds;
  int64_t prefill_passes = 0, decode_passes = 0;
};

struct BenchReport {
  std::string model, isa, dtype;
  std::string quantize = "none";
  int world_size = 1;
  int threads = 1;  ///< per rank
  BenchCase point;
  double load_s = 0;
  double prefill_tok_s = 0;  ///< medians over the rounds that count, all sequences together
  double decode_tok_s = 0;
  double spread = 0;  ///< (largest - smallest) / median of decode_tok_s
  double probe_read_gb_s = 0;
  double probe_compute_gf = 0;
  std::string probe_compute;          ///< what that probe computes, for people
  double bytes_per_step = 0;          ///< weights and cache read by the average decode step
  double flops_per_token = 0;         ///< of the linears
  double decode_percent_of_read = 0;  ///< bytes_per_step times steps per second, of the read probe
  double prefill_percent_of_compute = 0;  ///< flops_per_token times prefill_tok_s, of that probe
  /// Of the time of the ranks' forward passes: meetings, the wait for the slowest rank included.
  double collective_share_decode = 0, collective_share_prefill = 0;
  OpTimes ops;            ///< of the rounds that count, together
  int rounds = 0;         ///< that count
  int discarded = 0;      ///< rounds in which the probes said that the machine was busy
  bool too_busy = false;  ///< fewer than three quiet rounds: all of them count, and mean little
};

/// What to measure: every point with every quantization at every world size, one engine at a time.
struct BenchOptions {
  EngineOptions engine;          ///< model_path may be "shape:NAME" (random weights in memory)
  std::vector<int> world_sizes;  ///< at least one; engine.world_size is not used
  std::vector<std::string> quantize = {"none"};  ///< at least one; likewise
  std::vector<BenchCase> points;
  int rounds = 5;
  /// A line about what happens now, for a person who waits.
  std::function<void(const std::string&)> progress;
};

/// Gives each report as soon as it is there. Throws Error for a case out of range, and what
/// Engine::load() and a failed request throw.
void bench(const BenchOptions& options, const std::function<void(const BenchReport&)>& done);
/// "smollm2-135m", ...: what "shape:" may be followed by.
std::vector<std::string> bench_shapes();

}  // namespace tandem
