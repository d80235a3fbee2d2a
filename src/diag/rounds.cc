#include "diag/rounds.h"

#include <algorithm>

namespace tandem {
namespace {

double median_of(const std::vector<Round>& rounds, double Round::*member) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(round.*member);
  return median(std::move(values));
}

double best_of(const std::vector<Round>& rounds, double Round::*member) {
  double best = 0;
  for (const Round& round : rounds) best = std::max(best, round.*member);
  return best;
}

double spread_of(const std::vector<Round>& rounds) {
  if (rounds.empty()) return 0;
  const auto by_decode = [](const Round& a, const Round& b) {
    return a.decode_tok_s < b.decode_tok_s;
  };
  const auto [low, high] = std::minmax_element(rounds.begin(), rounds.end(), by_decode);
  const double middle = median_of(rounds, &Round::decode_tok_s);
  return middle > 0 ? (high->decode_tok_s - low->decode_tok_s) / middle : 0;
}

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

RoundSummary summarize(const std::vector<Round>& rounds, double quiet) {
  constexpr size_t kLeast = 3;
  const double read = quiet * best_of(rounds, &Round::read_gb_s);
  const double compute = quiet * best_of(rounds, &Round::compute_gf);
  std::vector<Round> used;
  RoundSummary summary;
  for (const Round& round : rounds) {
    summary.counts.push_back(round.read_gb_s >= read && round.compute_gf >= compute &&
                             round.steadiness >= quiet);
    if (summary.counts.back()) used.push_back(round);
  }
  summary.discarded = static_cast<int>(rounds.size() - used.size());
  if (used.size() < kLeast && summary.discarded > 0) {
    used = rounds;
    summary.counts.assign(rounds.size(), true);
    summary.too_few = true;
    summary.discarded = 0;
  }
  summary.used = static_cast<int>(used.size());
  summary.median = {median_of(used, &Round::read_gb_s), median_of(used, &Round::compute_gf),
                    median_of(used, &Round::prefill_tok_s), median_of(used, &Round::decode_tok_s)};
  summary.spread = spread_of(used);
  return summary;
}

}  // namespace tandem
