// The reference checkpoints of tests/data/golden and their tolerances (its README.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tandem::test {

struct GoldenCase {
  std::string name;
  std::vector<int64_t> prompt;
  std::vector<double> logits_last;
  double logits_std = 0;
  std::vector<int64_t> argmax;
  std::vector<double> margin;
  std::vector<double> prompt_logprobs;
  std::vector<int64_t> greedy;
  std::vector<double> greedy_logprobs;
  std::vector<double> greedy_margin;
  std::vector<double> logits_last_greedy_step;
};

struct GoldenModel {
  std::string name;
  std::string folder;
  std::string model_type;  ///< of config.json
  int64_t query_heads = 0;
  std::vector<GoldenCase> cases;
};

/// Names of the folders with a golden.json whose model_type is one of `types`, sorted.
std::vector<std::string> golden_names(const std::vector<std::string>& types);
GoldenModel read_golden(const std::string& name);

/// Largest error of a logit that the arithmetic of `dtype` may have, in units of logits_std.
double tolerance(const std::string& dtype);
/// Largest |a - b| over both lists; infinite when their lengths differ.
double largest_error(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace tandem::test
