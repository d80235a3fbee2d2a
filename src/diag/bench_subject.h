// What a benchmark measures, without saying how it runs: the engine in production, a fake in tests.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "diag/rounds.h"
#include "tandem/diag.h"

namespace tandem {

/// Constants of a loaded model, summed over its ranks.
struct BenchFacts {
  std::string model;
  std::string isa;
  std::string dtype;
  std::string quantize = "none";
  int world_size = 1;
  int threads = 1;  ///< per rank
  double load_s = 0;
  double weight_bytes = 0;  ///< read by one decode step: all matrices but the embedding's table
  double kv_bytes_per_token = 0;  ///< read for each cached token of each sequence
  double flops_per_token = 0;     ///< two per multiply-add of the linears, head left out
};

/// Times of one run of a BenchCase.
struct BenchRun {
  double prefill_s = 0;       ///< until every sequence has its first new token
  double decode_s = 0;        ///< from there to the end
  int64_t decode_tokens = 0;  ///< of all sequences, in that time
  OpTimes ops;                ///< of this run, mean over the ranks
};

class BenchSubject {
 public:
  virtual ~BenchSubject() = default;
  virtual BenchFacts facts() const = 0;
  /// Runs the case once from a cold prefix cache.
  virtual BenchRun run(const BenchCase& one) = 0;
};

/// One warm-up run, then rounds of probe and run and a last probe; `progress` is called before each
/// round with its number. Throws Error(kBadInput) for a case out of range.
BenchReport bench_subject(BenchSubject& subject, const BenchCase& one, int rounds,
                          const std::function<void(int)>& progress = {});

}  // namespace tandem
