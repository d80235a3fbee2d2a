#include "support/golden.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <stdexcept>

#include "json/json.h"
#include "support/tandem_json.h"

namespace tandem::test {
namespace {

std::string models() { return test_data() + "/golden/models/"; }

GoldenCase read_case(const Json& value) {
  GoldenCase c;
  c.name = value.find("name")->string();
  c.prompt = integers(value, "prompt");
  c.logits_last = numbers(value, "logits_last");
  c.logits_std = value.find("logits_std")->number();
  c.argmax = integers(value, "logits_argmax_per_position");
  c.margin = numbers(value, "logits_margin_per_position");
  c.prompt_logprobs = numbers(*value.find("logprob_of_prompt"), "per_position");
  c.greedy = integers(value, "greedy");
  c.greedy_logprobs = numbers(value, "greedy_logprobs");
  c.greedy_margin = numbers(value, "greedy_margin_per_step");
  c.logits_last_greedy_step = numbers(value, "logits_last_greedy_step");
  return c;
}

}  // namespace

std::vector<std::string> golden_names(const std::vector<std::string>& types) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(models())) {
    if (!std::filesystem::exists(entry.path() / "golden.json")) continue;
    const Json config = Json::parse_file(entry.path() / "config.json");
    const std::string& type = config.find("model_type")->string();
    if (std::find(types.begin(), types.end(), type) != types.end())
      names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

GoldenModel read_golden(const std::string& name) {
  GoldenModel model;
  model.name = name;
  model.folder = models() + name;
  const Json config = Json::parse_file(model.folder + "/config.json");
  model.model_type = config.find("model_type")->string();
  model.query_heads = config.find("num_attention_heads")->integer();
  const Json golden = Json::parse_file(model.folder + "/golden.json");
  for (const Json& c : golden.find("cases")->array()) model.cases.push_back(read_case(c));
  return model;
}

double tolerance(const std::string& dtype) {
  if (dtype == "float32") return 1e-4;
  if (dtype == "float16") return 0.03;
  if (dtype == "bfloat16") return 0.25;
  throw std::runtime_error("no tolerance for dtype \"" + dtype + "\"");
}

double largest_error(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double error = std::abs(a[i] - b[i]);
    if (!(error <= largest)) largest = error;  // NaN counts as largest
  }
  return largest;
}

}  // namespace tandem::test
