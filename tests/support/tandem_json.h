// The command line's JSON in the tests: run `tandem`, take its results apart.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "json/json.h"
#include "support/run_program.h"

namespace tandem::test {

/// The program under test and the folder of committed references.
std::string tandem_binary();
std::string test_data();

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

/// A folder of its own below the system's temporary folder, removed at the end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }
  /// Writes a file in it and returns its path.
  std::string write(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
};

}  // namespace tandem::test
