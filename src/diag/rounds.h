// Numbers of several rounds: medians, spread, and which rounds count.
#pragma once

#include <vector>

namespace tandem {

/// One round: what the model did, and the probes around it.
struct Round {
  double read_gb_s = 0;  ///< means of the probe before and the one after
  double compute_gf = 0;
  double prefill_tok_s = 0;
  double decode_tok_s = 0;
  double steadiness =
      1;  ///< the smaller of the two probes over the larger, of reading or computing
};

struct RoundSummary {
  Round median;       ///< of each number by itself, over the rounds that count
  double spread = 0;  ///< (largest - smallest) / median of decode_tok_s, over the same rounds
  std::vector<bool> counts;  ///< by round
  int used = 0;
  int discarded = 0;
  bool too_few = false;  ///< fewer than three rounds were quiet, so all count
};

/// Median; of an even number of values the mean of the two in the middle. 0 for none.
double median(std::vector<double> values);

/// A round whose read or compute probe is below `quiet` (0 .. 1) times the best one of all rounds,
/// or whose probes before and after differ by as much, ran beside other work and does not count.
RoundSummary summarize(const std::vector<Round>& rounds, double quiet = 0.85);

}  // namespace tandem
