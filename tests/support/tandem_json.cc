#include "support/tandem_json.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace tandem::test {

std::string tandem_binary() { return TANDEM_BINARY; }
std::string test_data() { return TANDEM_TEST_DATA; }

std::string smollm2_folder() {
  if (const char* given = std::getenv("TANDEM_SMOLLM2")) return given;
  const char* cache = std::getenv("TANDEM_CACHE");
  const char* home = std::getenv("HOME");
  const std::string base = cache != nullptr  ? cache
                           : home != nullptr ? std::string(home) + "/.cache/tandem"
                                             : "";
  return base + "/SmolLM2-135M-Instruct";
}

Outcome tandem(std::vector<std::string> args) {
  return run_program(tandem_binary(), std::move(args));
}

Outcome tandem(std::vector<std::string> args, Program::Options options) {
  return run_program(tandem_binary(), std::move(args), std::move(options));
}

std::vector<Json> tandem_json(const std::vector<std::string>& args) {
  const Outcome run = tandem(args);
  std::string command = "tandem";
  for (const auto& arg : args) command += " " + arg;
  EXPECT_EQ(run.exit_code, 0) << command << "\nsignal " << run.signal << ", timed out "
                              << run.timed_out << "\n"
                              << run.err;
  std::vector<Json> results;
  std::istringstream lines(run.out);
  for (std::string line; std::getline(lines, line);) {
    try {
      results.push_back(Json::parse(line, "standard output"));
    } catch (const std::exception& error) {
      ADD_FAILURE() << command << "\n" << error.what() << "\n" << line.substr(0, 400);
    }
  }
  return results;
}

namespace {
const Json::Array& array_of(const Json& object, const std::string& key) {
  const Json* value = object.find(key);
  if (value == nullptr || !value->is_array())
    throw std::runtime_error("no list \"" + key + "\" in " + object.dump().substr(0, 400));
  return value->array();
}
}  // namespace

std::vector<double> numbers(const Json& object, const std::string& key) {
  std::vector<double> result;
  for (const Json& value : array_of(object, key)) result.push_back(value.number());
  return result;
}

std::vector<int64_t> integers(const Json& object, const std::string& key) {
  std::vector<int64_t> result;
  for (const Json& value : array_of(object, key)) result.push_back(value.integer());
  return result;
}

std::string joined(const std::vector<int64_t>& ids) {
  std::string text;
  for (int64_t id : ids) text += (text.empty() ? "" : ",") + std::to_string(id);
  return text;
}

}  // namespace tandem::test
