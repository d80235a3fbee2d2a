// tandem sample: the distributions that sampling draws from, for cases in a file.
#include <CLI/App.hpp>
#include <CLI/Option.hpp>
#include <cstdio>
#include <limits>
#include <memory>
#include <string>

#include "base/check.h"
#include "cli/command.h"
#include "json/json.h"
#include "tandem/sampling.h"

namespace tandem::cli {
namespace {

constexpr int64_t kMaxId = std::numeric_limits<int32_t>::max();

struct SampleOptions {
  std::string file;
  bool json = false;
};

struct SampleCase {
  std::string name;
  std::vector<float> logits;
  std::vector<int32_t> prompt;
  std::vector<int32_t> generated;
  SamplingParams params;
};

std::vector<float> read_logits(const JsonReader& reader) {
  std::vector<float> logits;
  for (const Json& value : reader.array("logits")) {
    if (!value.is_number())
      bad_input("{}: found {}, expected numbers", reader.where("logits"), value.kind());
    logits.push_back(static_cast<float>(value.number()));
  }
  if (logits.empty()) bad_input("{} is empty", reader.where("logits"));
  return logits;
}

std::vector<int32_t> read_ids(const JsonReader& reader, std::string_view key) {
  std::vector<int32_t> ids;
  if (!reader.has(key)) return ids;
  for (const Json& value : reader.array(key)) {
    if (!value.is_int() || value.integer() < 0 || value.integer() > kMaxId)
      bad_input("{}: expected ids, integers from 0 to {}", reader.where(key), kMaxId);
    ids.push_back(static_cast<int32_t>(value.integer()));
  }
  return ids;
}

void read_biases(const JsonReader& reader, SamplingParams& params) {
  if (!reader.has("logit_bias")) return;
  const Json& biases = reader.get("logit_bias");
  if (!biases.is_object())
    bad_input("{}: found {}, expected an object of id: bias", reader.where("logit_bias"),
              biases.kind());
  for (const auto& [key, bias] : biases.object()) {
    const bool digits =
        !key.empty() && key.size() <= 9 && key.find_first_not_of("0123456789") == std::string::npos;
    if (!digits || !bias.is_number())
      bad_input("{}: \"{}\" must be an id, with a number as its value", reader.where("logit_bias"),
                key);
    params.logit_bias.emplace_back(std::stoi(key), static_cast<float>(bias.number()));
  }
}

SamplingParams read_params(const JsonReader& reader) {
  constexpr double kMost = std::numeric_limits<float>::max();
  SamplingParams params;
  auto number = [&](const char* key, float& value) {
    value = static_cast<float>(reader.number_or(key, value, -kMost, kMost));
  };
  number("temperature", params.temperature);
  number("top_p", params.top_p);
  number("min_p", params.min_p);
  number("repetition_penalty", params.repetition_penalty);
  number("presence_penalty", params.presence_penalty);
  number("frequency_penalty", params.frequency_penalty);
  params.top_k = reader.integer_or("top_k", 0, 0, kMaxId);
  read_biases(reader, params);
  return params;
}

SampleCase read_case(const Json& value, const std::string& file, size_t index) {
  const JsonReader reader(value, file, "cases[" + std::to_string(index) + "]");
  SampleCase result;
  result.name = reader.string_or("name", std::to_string(index));
  result.logits = read_logits(reader);
  result.prompt = read_ids(reader, "prompt");
  result.generated = read_ids(reader, "generated");
  if (reader.has("params")) result.params = read_params(reader.object("params"));
  return result;
}

Json to_json(const SampleCase& sample_case, const Distribution& result) {
  Json::Array probs;
  for (const double p : result.probs) probs.emplace_back(p);
  Json object{Json::Object{}};
  object.set("name", sample_case.name);
  object.set("probs", std::move(probs));
  object.set("kept", static_cast<int64_t>(result.kept.size()));
  return object;
}

void print(const SampleCase& sample_case, const Distribution& result) {
  std::printf("%s: %zu of %zu ids are kept\n", sample_case.name.c_str(), result.kept.size(),
              result.probs.size());
  for (const int32_t id : result.kept)
    std::printf("  %8d  %.9g\n", id, result.probs[static_cast<size_t>(id)]);
}

void run(const SampleOptions& options) {
  const Json document = Json::parse_file(options.file);
  const JsonReader reader(document, options.file);
  // Everything is computed first: on failure nothing is on stdout.
  std::vector<std::pair<SampleCase, Distribution>> results;
  const Json::Array& cases = reader.array("cases");
  for (size_t i = 0; i < cases.size(); ++i) {
    SampleCase one = read_case(cases[i], options.file, i);
    try {
      Distribution result = distribution(one.logits, one.prompt, one.generated, one.params);
      results.emplace_back(std::move(one), std::move(result));
    } catch (const Error& error) {
      throw Error(error.code(),
                  fmt::format("{}: cases[{}] ({}): {}", options.file, i, one.name, error.what()));
    }
  }
  Json::Array output;
  for (const auto& [sample_case, result] : results) {
    if (options.json) {
      output.push_back(to_json(sample_case, result));
    } else {
      print(sample_case, result);
    }
  }
  if (!options.json) return;
  Json object{Json::Object{}};
  object.set("cases", std::move(output));
  std::printf("%s\n", object.dump().c_str());
}

}  // namespace

void add_sample(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "sample", "Print the distribution that sampling draws from, for each case of a file");
  auto options = std::make_shared<SampleOptions>();
  command
      ->add_option("--file", options->file,
                   "JSON: {cases: [{name, logits, prompt, generated, params}]}")
      ->required();
  command->add_flag("--json", options->json,
                    "Print {cases: [{name, probs, kept}]}: one probability per id, and how many "
                    "ids have one");
  command->callback([options] { run(*options); });
}

}  // namespace tandem::cli
