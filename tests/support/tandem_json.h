// The command line's JSON in the tests: run `tandem`, take its results apart.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "json/json.h"
#include "support/run_program.h"
#include "support/temp_folder.h"

namespace tandem::test {

/// The program under test and the folder of committed references.
std::string tandem_binary();
std::string test_data();
/// The folder of SmolLM2-135M-Instruct: $TANDEM_SMOLLM2, or where demo.sh leaves it. May be absent.
std::string smollm2_folder();

/// Runs `tandem ARGS...`.
Outcome tandem(std::vector<std::string> args);
Outcome tandem(std::vector<std::string> args, Program::Options options);
/// Runs it, expects exit code 0 and one JSON document per line on standard output; on anything else
/// records a test failure with both streams and returns what could be read.
std::vector<Json> tandem_json(const std::vector<std::string>& args);

std::vector<double> numbers(const Json& object, const std::string& key);
std::vector<int64_t> integers(const Json& object, const std::string& key);
/// "1,2,3"
std::string joined(const std::vector<int64_t>& ids);

}  // namespace tandem::test
